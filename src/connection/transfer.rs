//! Moving bytes: from the stream to the session, and from the session to the stream.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::mem;

use super::{Connection, InputEnd, OutputEnd, Share, Turn};
use crate::buffer::{FileRange, Front, Input, Outgoing, Slices};
use crate::machine::Steps;
use crate::selector::Stream;
use crate::session::{Progress, Session, SessionError, SessionIo};
use crate::trace::{self, Bytes};

/// The result of one read.
pub(super) enum Received {
    Nothing,
    Bytes(usize),
    End,
}

/// The result of one call of the session.
pub(super) struct Called {
    pub result: Result<Progress, SessionError>,
    /// Whether it has produced any output.
    pub made_output: bool,
    /// The number of bytes sent at once, or dropped after our end.
    pub sent: usize,
}

impl Called {
    /// Whether the session has read a request: it replies or works on it.
    pub fn has_begun_reply(&self) -> bool {
        self.made_output || matches!(self.result, Ok(Progress::Working))
    }
}

impl<S: Stream, T: Session> Connection<S, T> {
    /// Calls the session once, with `received`, the bytes that have just arrived.
    ///
    /// Its output is sent at once, as far as the stream accepts it: together, these are the tutorial's `write`.
    #[doc(alias = "write")]
    pub(super) fn call_session(&mut self, received: usize, turn: &mut Turn<'_>) -> io::Result<Called> {
        let scratch = &mut *turn.scratch;
        let fresh = &scratch.input[..received];
        let appended = self.left_over.has_input();
        if appended {
            self.left_over.keep_input(fresh);
        }
        // If nothing is left over, the session writes to the shared buffer; after our FIN, to one whose contents are
        // dropped.
        let shares = !self.left_over.has_output();
        let has_ended = self.output_end != OutputEnd::Open;
        let mut nowhere = None;
        let (input, queue) = match self.left_over.kept() {
            Some(kept) => (
                if appended { kept.input.as_slice() } else { fresh },
                if shares { &mut scratch.output } else { &mut kept.output },
            ),
            None => (fresh, &mut scratch.output),
        };
        let queue = if has_ended { nowhere.insert(Outgoing::default()) } else { queue };
        let len_before = if shares { 0 } else { queue.len() };
        let high_water = turn.config.output_high_water.max(1);
        // The stream is asked for its address, and then written to, while the session's view is still in use.
        let stream = RefCell::new(&mut self.stream);
        let local_addr = || stream.borrow().local_addr();
        let (peer, trace) = (&self.peer, turn.trace);
        let note = |step| trace.emit(peer, trace::Event::Stepped(step));
        let mut io = SessionIo {
            input: Input::new(input),
            output: queue.output(high_water),
            input_ended: self.input_end == InputEnd::Read,
            hung_up: self.input_end >= InputEnd::Told,
            is_stopping: turn.stopping,
            messages_left: turn.budget.messages,
            ends_output: false,
            ignores_input: self.ignores_input,
            introduced: None,
            peer,
            make_waker: turn.make_waker,
            local_addr: &local_addr,
            steps: if trace.is_detailed() { Steps::to(&note) } else { Steps::default() },
        };
        let result = self.session.advance(&mut io, turn.now);
        turn.budget.messages = io.messages_left;
        self.ignores_input = io.ignores_input;
        let (used, ends_output, introduced) = (io.input.used(), io.ends_output, io.introduced);
        turn.budget.used(used);

        let mut sent = Ok(0);
        let mut made_output = false;
        if has_ended {
            if !io.output.is_empty() {
                // A session that waits for room may go on, as after a write.
                sent = Ok(io.output.len().min(turn.budget.sendable));
                trace.step(peer, || trace::Event::Dropped { len: io.output.len() });
            }
        } else if shares {
            if trace.is_detailed() && !io.output.is_empty() {
                trace.step(peer, || trace::Event::Replied { len: io.output.len() });
            }
            let (queue, lent) = io.output.parts();
            let len = queue.len() + lent.len();
            let has_chunks = io.output.has_chunks();
            made_output = len > 0 || has_chunks;
            // Write before registering for writability: most replies fit into the socket's buffer, and that saves two
            // system calls.
            if has_chunks && self.writable {
                if let Some(Front::Memory(slices)) = io.output.front(Share::FULL.bytes) {
                    sent = write_slices(*stream.borrow_mut(), &mut self.writable, &slices);
                    if let Ok(sent @ 1..) = sent {
                        trace.step(peer, || has_sent(sent, slices.as_slice(), io.output.len()));
                    }
                }
            } else if len > 0 && self.writable {
                sent = write(*stream.borrow_mut(), &mut self.writable, queue, lent);
                if let Ok(sent @ 1..) = sent {
                    let slices = [IoSlice::new(queue), IoSlice::new(lent)];
                    trace.step(peer, || has_sent(sent, &slices, io.output.len()));
                }
            }
            let left = match sent {
                Ok(sent) if sent < len || has_chunks => Some(io.output.take_rest(sent)),
                Ok(_) | Err(_) => None,
            };
            scratch.output.clear();
            if let Some(left) = left
                && !left.is_empty()
            {
                self.output_has_waited = true;
                self.left_over.keep_output(left, turn.now, turn.config.write_timeout);
            }
        } else {
            // The lent bytes are about to become invalid.
            io.output.keep_lent();
            made_output = io.output.len() > len_before;
            if made_output {
                trace.step(peer, || trace::Event::Replied { len: io.output.len().saturating_sub(len_before) });
            }
        }

        if !appended {
            self.left_over.keep_input(&scratch.input[used..received]);
        } else if let Some(kept) = self.left_over.kept() {
            kept.input.consume(used);
            self.left_over.tidy();
        }
        if made_output && len_before < high_water {
            self.left_over.trim_output(2 * high_water);
        }
        if received > 0 || made_output {
            self.idle_until = None;
        }
        if ends_output && self.output_end == OutputEnd::Open {
            self.output_end = OutputEnd::Wanted;
        }
        if let Some(client) = introduced {
            let by = mem::replace(&mut self.peer.addr, client);
            turn.trace.emit(&self.peer, trace::Event::Introduced { by });
        }
        let sent = sent?;
        turn.budget.sent(sent);
        Ok(Called { result, made_output, sent })
    }

    /// Sends our FIN if the session has asked for it and all of its output is sent.
    ///
    /// # Errors
    /// If the connection is broken.
    pub(super) fn end_output_if_due(&mut self, turn: &Turn<'_>) -> io::Result<()> {
        if self.output_end == OutputEnd::Wanted && !self.left_over.has_output() {
            self.stream.end_output()?;
            self.output_end = OutputEnd::Sent;
            turn.trace.step(&self.peer, || trace::Event::OutputEnded);
        }
        Ok(())
    }

    /// Reads once, if there may be something to read: the tutorial's `_read`.
    #[doc(alias = "_read")]
    pub(super) fn receive(&mut self, turn: &mut Turn<'_>) -> io::Result<Received> {
        if !self.readable || self.input_end == InputEnd::Read {
            return Ok(Received::Nothing);
        }
        let room = turn.scratch.input.len();
        let buffer = &mut turn.scratch.input;
        // The edge stands until the stream returns a result.
        match until_answered(|| self.stream.read(buffer))? {
            Some(0) => {
                self.input_end = InputEnd::Read;
                turn.trace.step(&self.peer, || trace::Event::InputEnded);
                Ok(Received::End)
            }
            Some(len) => {
                let slices = [IoSlice::new(&buffer[..len])];
                turn.trace.step(&self.peer, || trace::Event::Received { bytes: Bytes::new(len, &slices) });
                // A short read has emptied the socket: further data causes another edge, unless the end is already
                // there, or urgent data is.
                self.readable = len == room || self.input_end != InputEnd::Open || self.urgent;
                turn.budget.received(len);
                Ok(Received::Bytes(len))
            }
            None => {
                (self.readable, self.urgent) = (false, false);
                Ok(Received::Nothing)
            }
        }
    }

    /// Sends leftover output, as far as the stream accepts it and the turn allows: the tutorial's `_write`.
    ///
    /// Returns the number of bytes sent.
    #[doc(alias = "_write")]
    pub(super) fn flush(&mut self, turn: &mut Turn<'_>) -> io::Result<usize> {
        // A system may report room only when there is much of it (Linux: a third of the socket's buffer). So only a
        // write can find out whether the peer has accepted nothing, or just little.
        self.writable |= self.left_over.next_try().is_some_and(|at| turn.now >= at);
        let Some(kept) = self.left_over.kept() else { return Ok(0) };
        let (stream, writable) = (&mut self.stream, &mut self.writable);
        let mut sent = 0;
        while *writable && sent < turn.budget.sendable {
            let len_max = turn.budget.sendable - sent;
            let output = &kept.output;
            let note = |sent, slices: &[IoSlice<'_>]| {
                if sent > 0 {
                    turn.trace.step(&self.peer, || has_sent(sent, slices, output.len()));
                }
            };
            let len = match output.front(len_max) {
                Some(Front::Memory(slices)) => {
                    let len = write_slices(stream, writable, &slices)?;
                    note(len, slices.as_slice());
                    len
                }
                Some(Front::File(range)) => {
                    let len = send_file(stream, writable, range, len_max)?;
                    note(len, &[]);
                    len
                }
                None => break,
            };
            kept.output.consume(len);
            sent += len;
        }
        self.left_over.tried_to_write(sent > 0, turn.now, turn.config.write_timeout);
        turn.budget.sent(sent);
        Ok(sent)
    }

    /// Whether there is output, and the stream accepts it.
    pub(super) fn can_send(&self) -> bool {
        self.writable && self.left_over.has_output()
    }

    pub(super) fn write_is_overdue(&self, turn: &Turn<'_>) -> bool {
        self.left_over.write_deadline().is_some_and(|deadline| turn.now >= deadline)
    }
}

/// The event that the stream has taken the first `sent` bytes of `slices`, of an output of `waiting` bytes.
fn has_sent<'a>(sent: usize, slices: &'a [IoSlice<'a>], waiting: usize) -> trace::Event<'a> {
    let left = if waiting == usize::MAX { waiting } else { waiting - sent };
    trace::Event::Sent { bytes: Bytes::new(sent, slices), left }
}

/// Writes `first`, then `second`, as far as the stream accepts them, and returns the number of bytes.
fn write<S: Stream>(stream: &mut S, writable: &mut bool, first: &[u8], second: &[u8]) -> io::Result<usize> {
    let sent = until_answered(|| match (first, second) {
        (_, []) => stream.write(first),
        ([], _) => stream.write(second),
        _ => stream.write_vectored(&[IoSlice::new(first), IoSlice::new(second)]),
    })?;
    Ok(taken(sent, first.len() + second.len(), writable))
}

/// Writes `slices`, as far as the stream accepts them, and returns the number of bytes.
fn write_slices<S: Stream>(stream: &mut S, writable: &mut bool, slices: &Slices<'_>) -> io::Result<usize> {
    let sent = until_answered(|| match slices.as_slice() {
        [only] => stream.write(only),
        several => stream.write_vectored(several),
    })?;
    Ok(taken(sent, slices.len(), writable))
}

/// Sends at most `len_max` bytes of a file, and returns their number.
fn send_file<S: Stream>(stream: &mut S, writable: &mut bool, range: &FileRange, len_max: usize) -> io::Result<usize> {
    let len = range.len().min(len_max);
    match until_answered(|| stream.send_file(range.file(), range.offset(), len))? {
        Some(0) => Err(FileRange::cut_short()),
        Some(sent) => Ok(sent),
        None => {
            *writable = false;
            Ok(0)
        }
    }
}

/// Repeats a call while it is interrupted. Returns `None` if it would block.
fn until_answered(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<Option<usize>> {
    loop {
        match call() {
            Ok(sent) => return Ok(Some(sent)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The number of `len` bytes that were `sent`. A short write has filled the socket: room causes another edge.
fn taken(sent: Option<usize>, len: usize, writable: &mut bool) -> usize {
    let sent = sent.unwrap_or(0);
    *writable = sent == len;
    sent
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::time::Instant;

    use super::*;
    use crate::buffer::Outgoing;
    use crate::connection::{Budget, Config, Scratch};
    use crate::selector::Stopwatch;
    use crate::session::{Peer, no_waker};

    /// A stream whose calls are each interrupted at first.
    struct Interrupted {
        calls: u32,
        written: Vec<u8>,
    }

    impl Interrupted {
        fn call(&mut self) -> io::Result<()> {
            self.calls += 1;
            if self.calls % 2 == 1 { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
        }
    }

    impl Read for Interrupted {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.call()?;
            buffer[..5].copy_from_slice(b"hello");
            Ok(5)
        }
    }

    impl Write for Interrupted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.call()?;
            self.written.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Stream for Interrupted {
        fn end_output(&mut self) -> io::Result<()> {
            Ok(())
        }

        fn connected(&mut self) -> io::Result<bool> {
            Ok(true)
        }
    }

    /// Sends back its input.
    struct Mirror;

    impl Session for Mirror {
        fn advance(&mut self, io: &mut SessionIo<'_>, _now: Instant) -> Result<Progress, SessionError> {
            let bytes = io.input().take_all();
            io.output().push(bytes);
            Ok(Progress::NeedInput)
        }
    }

    #[test]
    fn a_call_that_is_interrupted_is_made_again() {
        let peer = Peer::accepted(([127, 0, 0, 1], 1).into());
        let stream = Interrupted { calls: 0, written: Vec::new() };
        let mut connection = Connection::accepted(stream, Mirror, peer);
        let scratch = &mut Scratch { input: vec![0; 100].into(), output: Outgoing::default() };
        let (config, budget) = (&Config::default(), Budget::new(Share::FULL));
        let watch = Stopwatch::default();
        let (now, trace) = (Instant::now(), trace::Trace::new((), Instant::now()));
        let trace = trace.own();
        let leave_timeout = config.linger_timeout;
        let turn = &mut Turn {
            scratch,
            config,
            now,
            stopping: false,
            leave_timeout,
            make_waker: &no_waker,
            budget,
            watch,
            trace,
        };
        assert!(matches!(connection.receive(turn), Ok(Received::Bytes(5))));
        assert_eq!(connection.call_session(5, turn).unwrap().sent, 5);
        assert_eq!(connection.stream.written, b"hello");
        assert!(connection.writable, "there is room still");
    }
}
