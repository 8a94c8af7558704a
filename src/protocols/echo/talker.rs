//! The client of the other texts: sends one line, gets its reply, sends the next line.

use std::error::Error;
use std::fmt;
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::session::{Peer, Progress, Session, SessionError, SessionIo, Source};
use crate::text::{Escaped, count};

/// The client's side: sends one line, waits until all of it has come back, and only then sends the next. It finishes
/// when the last has come back.
///
/// A reply may have more bytes than its line, before, after and in between, since some servers add text. It's complete
/// once it contains the line's own bytes, in order. Bytes in the same read after the last of them belong to it; later
/// ones belong to the next reply.
#[derive(Debug)]
pub struct EchoTalker<I, F> {
    lines: I,
    show: F,
    line: Option<Line>,
    /// The reply so far.
    reply: Vec<u8>,
    reply_len_max: usize,
    timeout: Duration,
    deadline: Option<Instant>,
}

/// A line that has not come back completely.
#[derive(Debug)]
struct Line {
    bytes: Vec<u8>,
    /// The number of its bytes that have come back.
    back: usize,
}

impl<I: Source, F: FnMut(&[u8], &Peer) -> Result<(), SessionError>> EchoTalker<I, F> {
    /// Creates a client that sends `lines`, none of which may be empty, and passes each reply to `show`. It gives up
    /// after `timeout` without progress, or when a reply exceeds `reply_len_max` bytes.
    pub fn new(lines: I, show: F, reply_len_max: usize, timeout: Duration) -> Self {
        EchoTalker { lines, show, line: None, reply: Vec::new(), reply_len_max, timeout, deadline: None }
    }

    /// Adds input to the reply, and passes it on when it's complete.
    fn take(&mut self, io: &mut SessionIo<'_>) -> Result<(), SessionError> {
        let bytes = io.input().take_all();
        log::debug!("Received {} from {}", Escaped(bytes), io.peer());
        if bytes.len() > self.reply_len_max - self.reply.len() {
            return Err(SessionError::other(TalkError::TooLong { len_max: self.reply_len_max }));
        }
        self.reply.extend_from_slice(bytes);
        let Some(line) = &mut self.line else { return Ok(()) };
        for byte in bytes {
            if line.bytes.get(line.back) == Some(byte) {
                line.back += 1;
            }
        }
        if line.back < line.bytes.len() {
            return Ok(());
        }
        self.line = None;
        self.deadline = None;
        (self.show)(&std::mem::take(&mut self.reply), io.peer())
    }

    /// How much of the line has come back, and its length.
    fn position(&self) -> (usize, usize) {
        self.line.as_ref().map_or((0, 0), |line| (line.back, line.bytes.len()))
    }
}

impl<I: Source, F: FnMut(&[u8], &Peer) -> Result<(), SessionError>> Session for EchoTalker<I, F> {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        let has_bytes = !io.input().is_empty();
        if has_bytes {
            self.take(io)?;
        }
        if self.line.is_none() {
            match self.lines.next(&|| io.waker())? {
                Poll::Ready(None) => return Ok(Progress::Finished),
                // The client may be waiting only for its next line; if the server closes meanwhile, report that.
                Poll::Pending if io.input_ended() => return Err(SessionError::other(TalkError::Closed)),
                Poll::Pending => return Ok(Progress::NeedInput),
                Poll::Ready(Some(bytes)) => {
                    log::debug!("Sending {} to {}", Escaped(&bytes), io.peer());
                    io.output().push(&bytes);
                    self.line = Some(Line { bytes, back: 0 });
                    self.deadline = Some(now + self.timeout);
                }
            }
        }
        let (got, want) = self.position();
        if io.input_ended() {
            return Err(SessionError::other(TalkError::Cut { got, want }));
        }
        if has_bytes {
            self.deadline = Some(now + self.timeout);
        } else if self.deadline.is_some_and(|deadline| now >= deadline) {
            return Err(SessionError::other(TalkError::Stalled { got, want, timeout: self.timeout }));
        }
        // While a long line goes out, its echo must be read; otherwise each side would wait for the other to read.
        Ok(Progress::NeedEither)
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn is_idle(&self) -> bool {
        false
    }
}

/// A line did not come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TalkError {
    /// The server closed while no reply was due.
    Closed,
    /// The server closed before all of a line came back.
    Cut {
        /// Bytes of the line that came back.
        got: usize,
        /// The line's length in bytes.
        want: usize,
    },
    /// Nothing more came.
    Stalled {
        /// Bytes of the line that came back.
        got: usize,
        /// The line's length in bytes.
        want: usize,
        /// The time waited.
        timeout: Duration,
    },
    /// A reply was too long.
    TooLong {
        /// The maximum length of a reply.
        len_max: usize,
    },
}

impl fmt::Display for TalkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => write!(f, "peer closed before the next line"),
            Self::Cut { got, want } => {
                write!(f, "peer closed after echoing {got} of a line's {want} bytes")
            }
            Self::Stalled { got, want, timeout } => {
                write!(f, "timed out: nothing came for {timeout:?}, after {got} of a line's {want} bytes")
            }
            Self::TooLong { len_max } => write!(f, "a reply is over the limit of {}", count(*len_max, "byte")),
        }
    }
}

impl Error for TalkError {}
