//! The way to the close: the rest of the output, our FIN, and what is still on its way to us.

use std::mem;

use super::transfer::Received;
use super::{BYTES_PER_TURN, Connection, ConnectionState, Outcome, Turn};
use crate::buffer::Rest;
use crate::selector::{Interest, Stream};
use crate::session::{End, Session};

impl<S: Stream, T: Session> Connection<S, T> {
    /// The session is done: from here on there is only the rest of its output, and then the close.
    pub(super) fn finish(&mut self, end: End, linger: bool, turn: &mut Turn<'_>) -> Outcome {
        // A client has nothing that the other side waits for.
        if self.peer.number.is_some() || (self.output.is_empty() && !linger) {
            return Outcome::Close(end);
        }
        self.state = ConnectionState::Draining { end: Box::new(end), linger };
        self.drain(turn)
    }

    pub(super) fn drain(&mut self, turn: &mut Turn<'_>) -> Outcome {
        self.input = Rest::default();
        let flushed = self.flush(turn);
        let ConnectionState::Draining { end, linger } = &mut self.state else { unreachable!("it is draining") };
        let linger = *linger;
        match flushed {
            Err(error) => return Outcome::Close(End::Broken(error)),
            Ok(_) if !self.output.is_empty() => {
                if self.write_is_overdue(turn) {
                    return Outcome::Close(End::WriteTimedOut(turn.config.write_timeout));
                }
                return Outcome::Wait { interest: Interest::WRITE, deadline: self.write_deadline };
            }
            Ok(_) => {}
        }
        if !linger || self.stream.end_output().is_err() {
            return Outcome::Close(self.take_end());
        }
        let end = mem::replace(end, Box::new(End::Finished));
        let until = turn.now + turn.config.linger_timeout;
        self.state = ConnectionState::Lingering { end, until, left: turn.config.linger_len_max };
        self.linger(turn)
    }

    pub(super) fn linger(&mut self, turn: &mut Turn<'_>) -> Outcome {
        let ConnectionState::Lingering { until, mut left, .. } = self.state else { unreachable!("it is lingering") };
        let mut has_more = false;
        let mut bytes_left = BYTES_PER_TURN;
        let is_over = turn.now >= until
            || loop {
                if bytes_left == 0 {
                    has_more = true;
                    break false;
                }
                match self.receive(turn.scratch) {
                    Ok(Received::Nothing) => break false,
                    Ok(Received::Bytes(len)) => {
                        bytes_left = bytes_left.saturating_sub(len);
                        left = left.saturating_sub(len);
                        if left == 0 {
                            break true;
                        }
                    }
                    Ok(Received::End) | Err(_) => break true,
                }
            };
        if is_over {
            return Outcome::Close(self.take_end());
        }
        if let ConnectionState::Lingering { left: stored, .. } = &mut self.state {
            *stored = left;
        }
        if has_more {
            return Outcome::Yield;
        }
        Outcome::Wait { interest: Interest::READ, deadline: Some(until) }
    }
}
