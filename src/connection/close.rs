//! The way to the close: the rest of the output, our FIN, and what is still on its way to us.

use super::transfer::Received;
use super::{BYTES_PER_TURN, Connection, ConnectionState, Lingering, Outcome, Turn};
use crate::selector::{Interest, Stream};
use crate::session::{End, Session};

impl<S: Stream, T: Session> Connection<S, T> {
    /// The session is done: from here on there is only the rest of its output, and then the close.
    pub(super) fn finish(&mut self, end: End, linger: bool, turn: &mut Turn<'_>) -> Outcome {
        // A client has nothing that the other side waits for.
        if self.peer.number.is_some() || !(self.left_over.has_output() || linger) {
            return Outcome::Close(end);
        }
        self.state = ConnectionState::Draining { end: Box::new(end), linger };
        self.drain(turn)
    }

    pub(super) fn drain(&mut self, turn: &mut Turn<'_>) -> Outcome {
        self.left_over.drop_input();
        let ConnectionState::Draining { linger, .. } = self.state else { unreachable!("it is draining") };
        if let Err(error) = self.flush(turn) {
            return Outcome::Close(End::Broken(error));
        }
        if self.can_send() {
            return Outcome::Yield;
        }
        if self.left_over.has_output() {
            if self.write_is_overdue(turn) {
                return Outcome::Close(End::WriteTimedOut(turn.config.write_timeout));
            }
            return Outcome::Wait { interest: Interest::WRITE, deadline: self.deadline() };
        }
        let end = self.take_end();
        if !linger || self.stream.end_output().is_err() {
            return Outcome::Close(end);
        }
        let until = turn.now + turn.config.linger_timeout;
        let left = turn.config.linger_len_max;
        self.state = ConnectionState::Lingering(Box::new(Lingering { end, until, left }));
        self.linger(turn)
    }

    pub(super) fn linger(&mut self, turn: &mut Turn<'_>) -> Outcome {
        let mut bytes_left = BYTES_PER_TURN;
        loop {
            let until = self.lingering().until;
            if turn.now >= until {
                return Outcome::Close(self.take_end());
            }
            if bytes_left == 0 {
                return Outcome::Yield;
            }
            match self.receive(turn.scratch) {
                Ok(Received::Nothing) => {
                    return Outcome::Wait { interest: Interest::READ, deadline: self.deadline() };
                }
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
        let Lingering { left, .. } = self.lingering();
        *left = left.saturating_sub(len);
        *left > 0
    }

    fn lingering(&mut self) -> &mut Lingering {
        let ConnectionState::Lingering(lingering) = &mut self.state else { unreachable!("it is lingering") };
        lingering
    }
}
