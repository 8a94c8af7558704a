//! A one-line request, as the texts' servers read it.
//!
//! Their clients send a few bytes and wait: some end them with a newline, some by ending their sending side, and some
//! with nothing, since the server's one `recv` returns what they sent. For the last kind, a pause ends the line.

use std::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

use crate::codec::Lines;
use crate::session::{SessionError, SessionIo};
use crate::text::count;

/// Limits of a request line.
#[derive(Clone, Copy, Debug)]
pub struct LineLimits {
    /// Maximum length in bytes, without the newline.
    pub len_max: usize,
    /// How long a line may take, from its first byte on.
    pub timeout: Duration,
    /// A pause that ends a line like a newline, for protocols that allow it.
    pub pause: Option<Duration>,
}

/// The silence after which a line of the texts' clients counts as complete.
pub const PAUSE: Duration = Duration::from_millis(50);

/// Reads the single line of a connection.
#[derive(Debug)]
pub(super) struct LineReader {
    limits: LineLimits,
    lines: Lines,
    /// The number of bytes received, none of which is a newline.
    len: usize,
    /// The time when the first of them arrived.
    began: Option<Instant>,
    /// The time when the last of them arrived.
    paused_since: Option<Instant>,
    deadline: Option<Instant>,
}

impl LineReader {
    pub fn new(limits: LineLimits) -> Self {
        LineReader {
            limits,
            lines: Lines::new(limits.len_max),
            len: 0,
            began: None,
            paused_since: None,
            deadline: None,
        }
    }

    /// Returns the line, once it's complete. Until then it stays in the input. If the peer has ended its side without
    /// sending a byte, the line is empty.
    ///
    /// # Errors
    /// If it's too long, or takes too long.
    pub fn read<'a>(&mut self, io: &mut SessionIo<'a>, now: Instant) -> Result<Option<&'a [u8]>, SessionError> {
        let LineLimits { len_max, timeout, pause } = self.limits;
        let line = self.lines.read(io.input());
        if let Some(line) = line.map_err(|_| SessionError::violation(LineError::TooLong { len_max }))? {
            return Ok(Some(line));
        }
        let len = io.input().len();
        if len > self.len {
            self.len = len;
            self.paused_since = Some(now);
            self.began.get_or_insert(now);
        }
        let pause_ends = pause.and_then(|pause| Some(self.paused_since? + pause));
        if io.input_ended() || pause_ends.is_some_and(|end| now >= end) {
            return Ok(Some(io.input().take_all()));
        }
        let Some(began) = self.began else { return Ok(None) };
        let last = began + timeout;
        if now >= last {
            return Err(SessionError::timed_out(LineError::TooSlow { len, timeout }));
        }
        self.deadline = Some(pause_ends.map_or(last, |end| end.min(last)));
        Ok(None)
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether no byte has arrived.
    pub fn is_idle(&self) -> bool {
        self.began.is_none()
    }
}

/// The error in a request line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LineError {
    /// It exceeds the maximum length.
    TooLong {
        /// The maximum length.
        len_max: usize,
    },
    /// It did not end in time.
    TooSlow {
        /// Bytes that came.
        len: usize,
        /// The time allowed from the first of them on.
        timeout: Duration,
    },
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { len_max } => write!(f, "the request is over the limit of {}", count(*len_max, "byte")),
            Self::TooSlow { len, timeout } => {
                write!(f, "timed out after {timeout:?}, {} into the request", count(*len, "byte"))
            }
        }
    }
}

impl Error for LineError {}
