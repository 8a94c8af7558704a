//! The way to the close: the rest of the output, our FIN, and what is still on its way to us.

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
        let ConnectionState::Draining { linger, .. } = self.state else { unreachable!("it is draining") };
        if let Err(error) = self.flush(turn) {
            return Outcome::Close(End::Broken(error));
        }
        if self.can_send() {
            return Outcome::Yield;
        }
        if !self.output.is_empty() {
            if self.write_is_overdue(turn) {
                return Outcome::Close(End::WriteTimedOut(turn.config.write_timeout));
            }
            return Outcome::Wait { interest: Interest::WRITE, deadline: self.write_deadline };
        }
        let end = self.take_end();
        if !linger || self.stream.end_output().is_err() {
            return Outcome::Close(end);
        }
        let until = turn.now + turn.config.linger_timeout;
        self.state = ConnectionState::Lingering { end: Box::new(end), until, left: turn.config.linger_len_max };
        self.linger(turn)
    }

    pub(super) fn linger(&mut self, turn: &mut Turn<'_>) -> Outcome {
        let mut bytes_left = BYTES_PER_TURN;
        loop {
            let ConnectionState::Lingering { until, .. } = self.state else { unreachable!("it is lingering") };
            if turn.now >= until {
                return Outcome::Close(self.take_end());
            }
            if bytes_left == 0 {
                return Outcome::Yield;
            }
            match self.receive(turn.scratch) {
                Ok(Received::Nothing) => return Outcome::Wait { interest: Interest::READ, deadline: Some(until) },
                Ok(Received::Bytes(len)) => {
                    bytes_left = bytes_left.saturating_sub(len);
                    if !self.may_drop(len) {
                        return Outcome::Close(self.take_end());
                    }
                }
                Ok(Received::End) | Err(_) => return Outcome::Close(self.take_end()),
            }
        }
    }

    /// Counts `len` bytes as dropped, and tells whether there may be more.
    fn may_drop(&mut self, len: usize) -> bool {
        let ConnectionState::Lingering { left, .. } = &mut self.state else { unreachable!("it is lingering") };
        *left = left.saturating_sub(len);
        *left > 0
    }
}
