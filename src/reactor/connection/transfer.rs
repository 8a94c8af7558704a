//! Moving bytes: from the stream to the session, and from the session to the stream.

use std::io::{self, IoSlice};
use std::mem;

use super::{Connection, Turn};
use crate::buffer::{Input, Rest};
use crate::reactor::Scratch;
use crate::selector::{Readiness, Stream};
use crate::session::{Progress, Session, SessionError, SessionIo};

/// What one read brought.
pub(super) enum Received {
    Nothing,
    Bytes(usize),
    End,
}

/// What one call of the session came to.
pub(super) struct Advanced {
    pub result: Result<Progress, SessionError>,
    /// Bytes that were sent at once.
    pub sent: usize,
}

impl<S: Stream, T: Session> Connection<S, T> {
    /// One call of the session, with `received` bytes that have just come; what it has to send is sent at once, as far
    /// as the stream takes it.
    pub(super) fn advance(
        &mut self,
        received: usize,
        messages_left: &mut u32,
        turn: &mut Turn<'_>,
    ) -> io::Result<Advanced> {
        let fresh = &turn.scratch.input[..received];
        let appended = !self.input.is_empty();
        if appended {
            self.input.extend(fresh);
        }
        // With nothing left over from before, the session writes to the buffer that all connections share.
        let shares = self.output.is_empty();
        if shares {
            mem::swap(&mut self.output, &mut turn.scratch.output);
        }
        let mut io = SessionIo {
            input: Input::new(if appended { self.input.as_slice() } else { fresh }),
            output: self.output.output(turn.config.output_high_water),
            input_ended: self.input_ended,
            messages_left: *messages_left,
            peer: &self.peer,
        };
        let result = self.session.advance(&mut io, turn.now);
        *messages_left = io.messages_left;
        let used = io.input.used();

        let mut sent = Ok(0);
        if shares {
            let (queue, lent) = io.output.parts();
            let len = queue.len() + lent.len();
            // Write before asking for writability: most replies fit into the socket's buffer, and that saves two system
            // calls.
            if len > 0 && self.readiness.writable {
                sent = write(&mut self.stream, &mut self.readiness, queue, lent);
            }
            let left = match sent {
                Ok(sent) if sent < len => {
                    Some(Rest::of(&queue[sent.min(queue.len())..], &lent[sent.saturating_sub(queue.len())..]))
                }
                Ok(_) | Err(_) => None,
            };
            mem::swap(&mut self.output, &mut turn.scratch.output);
            turn.scratch.output.clear();
            if let Some(left) = left {
                self.output = left;
                self.write_deadline = Some(turn.now + turn.config.write_timeout);
            }
        } else {
            // What was lent is about to go.
            io.output.queue();
        }

        if appended {
            self.input.consume(used);
        } else {
            self.input.extend(&turn.scratch.input[used..received]);
        }
        sent.map(|sent| Advanced { result, sent })
    }

    /// Reads once, if there may be something to read.
    pub(super) fn receive(&mut self, scratch: &mut Scratch) -> io::Result<Received> {
        if !self.readiness.readable || self.input_ended {
            return Ok(Received::Nothing);
        }
        match self.stream.read(&mut scratch.input) {
            Ok(0) => {
                self.input_ended = true;
                log::trace!("{} has ended its sending side", self.peer);
                Ok(Received::End)
            }
            Ok(len) => {
                log::trace!("Read {len} bytes from {}", self.peer);
                // A short read has emptied the socket: what comes later is another edge, unless the end is there too.
                self.readiness.readable = len == scratch.input.len() || self.readiness.read_closed;
                Ok(Received::Bytes(len))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.readiness.readable = false;
                Ok(Received::Nothing)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Received::Nothing),
            Err(error) => Err(error),
        }
    }

    /// Sends what is left over, as far as the stream takes it, and returns how much that was.
    pub(super) fn flush(&mut self, turn: &Turn<'_>) -> io::Result<usize> {
        if self.output.is_empty() || !self.readiness.writable {
            return Ok(0);
        }
        let sent = write(&mut self.stream, &mut self.readiness, self.output.as_slice(), &[])?;
        self.output.consume(sent);
        if sent > 0 {
            self.write_deadline = Some(turn.now + turn.config.write_timeout);
        }
        Ok(sent)
    }

    pub(super) fn write_is_overdue(&self, turn: &Turn<'_>) -> bool {
        !self.output.is_empty() && self.write_deadline.is_some_and(|deadline| turn.now >= deadline)
    }
}

/// Writes `first`, then `second`, as far as the stream takes them, and returns how much that was. A short write has
/// filled the socket: room is another edge.
fn write<S: Stream>(stream: &mut S, readiness: &mut Readiness, first: &[u8], second: &[u8]) -> io::Result<usize> {
    let result = match (first, second) {
        (_, []) => stream.write(first),
        ([], _) => stream.write(second),
        _ => stream.write_vectored(&[IoSlice::new(first), IoSlice::new(second)]),
    };
    let sent = match result {
        Ok(sent) => sent,
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => 0,
        Err(error) => return Err(error),
    };
    readiness.writable = sent == first.len() + second.len();
    Ok(sent)
}
