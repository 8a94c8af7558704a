//! The client of the other texts: one line, its reply, the next line.

use std::error::Error;
use std::fmt;
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::session::{Peer, Progress, Session, SessionError, SessionIo, Source};
use crate::text::Escaped;

/// The client's side: sends one line, waits until all of it has come back, and only then sends the next. When the last has
/// come back, it is finished.
///
/// A reply may have more bytes than its line, before, after and in between, since there are servers that add some. It's
/// complete once the line's own bytes have come in it, in order; what one read brings with the last of them belongs to
/// it, and what comes later to the reply after it.
#[derive(Debug)]
pub struct EchoTalker<I, F> {
    lines: I,
    show: F,
    line: Option<Line>,
    /// What has come of the reply.
    reply: Vec<u8>,
    reply_len_max: usize,
    timeout: Duration,
    deadline: Option<Instant>,
}

/// A line that is not all back.
#[derive(Debug)]
struct Line {
    bytes: Vec<u8>,
    /// Bytes of it that have come back.
    back: usize,
}

impl<I: Source, F: FnMut(&[u8], &Peer) -> Result<(), SessionError>> EchoTalker<I, F> {
    /// A client that says `lines`, of which none is empty, and hands each reply to `show`. It gives up after `timeout`
    /// without progress, or when a reply has more than `reply_len_max` bytes.
    pub fn new(lines: I, show: F, reply_len_max: usize, timeout: Duration) -> Self {
        EchoTalker { lines, show, line: None, reply: Vec::new(), reply_len_max, timeout, deadline: None }
    }

    /// Takes what has come into the reply, and hands it over when it's complete.
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

    /// How much of the line is back, and how much there is to come.
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
                // There may be nothing to wait for but a line; where the server closes meanwhile, that's noticed.
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
        // While a long line goes out, its echo has to be read, or both sides would wait for the other to read.
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
    /// The server closed with nothing asked of it.
    Closed,
    /// The server closed before all of a line was back.
    Cut {
        /// Bytes of the line that came back.
        got: usize,
        /// Bytes that it has.
        want: usize,
    },
    /// Nothing more came.
    Stalled {
        /// Bytes of the line that came back.
        got: usize,
        /// Bytes that it has.
        want: usize,
        /// How long was waited.
        timeout: Duration,
    },
    /// More came than the reply to a line may have.
    TooLong {
        /// How many bytes it may have.
        len_max: usize,
    },
}

impl fmt::Display for TalkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => write!(f, "peer closed before the next line"),
            Self::Cut { got, want } => write!(f, "peer closed after {got} of a line's {want} bytes had come back"),
            Self::Stalled { got, want, timeout } => {
                write!(f, "timed out: nothing came for {timeout:?}, after {got} of a line's {want} bytes")
            }
            Self::TooLong { len_max } => write!(f, "a reply of more than {len_max} bytes"),
        }
    }
}

impl Error for TalkError {}
