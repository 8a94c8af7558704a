//! The client's side: shows the chunks in which a stream arrives.

use std::error::Error;
use std::fmt;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use crate::session::{Progress, Session, SessionError, SessionIo};
use crate::text::count;

/// Sends a string, checks that only copies of it come back, and shows the chunks in which they arrive, until the server
/// ends its side.
#[derive(Debug)]
pub struct MultiplyClient<F> {
    string: Vec<u8>,
    is_sent: bool,
    show: F,
    summary: Summary,
    timeout: Duration,
    deadline: Option<Instant>,
}

/// The result of one read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// Its number, from 1.
    pub number: u64,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// A summary of all chunks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The number of chunks.
    pub chunks: u64,
    /// The number of bytes.
    pub len: u64,
    /// The size of the smallest.
    pub smallest: usize,
    /// The size of the largest.
    pub largest: usize,
}

impl Summary {
    fn add(&mut self, len: usize) {
        self.smallest = if self.chunks == 0 { len } else { self.smallest.min(len) };
        self.largest = self.largest.max(len);
        self.chunks += 1;
        self.len += len as u64;
    }
}

impl<F: FnMut(Chunk<'_>) -> ControlFlow<()>> MultiplyClient<F> {
    /// Creates a client that sends `string`, and passes each chunk to `show`, which may end the session. It gives up
    /// after `timeout` without a chunk.
    ///
    /// # Panics
    /// If the string is empty, since it could not be repeated.
    pub fn new(string: Vec<u8>, show: F, timeout: Duration) -> Self {
        assert!(!string.is_empty(), "a string to be repeated");
        MultiplyClient { string, is_sent: false, show, summary: Summary::default(), timeout, deadline: None }
    }

    /// The summary so far.
    pub fn summary(&self) -> Summary {
        self.summary
    }

    /// The number of complete copies received.
    pub fn copies(&self) -> u64 {
        self.summary.len / self.string.len() as u64
    }

    /// The number of bytes received after the last complete copy.
    fn offset(&self) -> usize {
        // The result is less than the string's length.
        (self.summary.len % self.string.len() as u64) as usize
    }

    fn take(&mut self, bytes: &[u8]) -> Result<ControlFlow<()>, MultiplyError> {
        let mut left = bytes;
        let mut expected = &self.string[self.offset()..];
        while !left.is_empty() {
            let len = expected.len().min(left.len());
            if left[..len] != expected[..len] {
                let same = left.iter().zip(expected).take_while(|(got, want)| got == want).count();
                let after = self.summary.len + (bytes.len() - left.len() + same) as u64;
                return Err(MultiplyError::Differs { after });
            }
            left = &left[len..];
            expected = &self.string;
        }
        self.summary.add(bytes.len());
        Ok((self.show)(Chunk { number: self.summary.chunks, bytes }))
    }
}

impl<F: FnMut(Chunk<'_>) -> ControlFlow<()>> Session for MultiplyClient<F> {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        if !self.is_sent {
            // Send neither a newline nor the end of our side: the classic server takes what its one `recv` returns.
            io.output().push(&self.string);
            self.is_sent = true;
            self.deadline = Some(now + self.timeout);
        }
        let bytes = io.input().take_all();
        if !bytes.is_empty() {
            if self.take(bytes).map_err(SessionError::other)?.is_break() {
                return Ok(Progress::Finished);
            }
            self.deadline = Some(now + self.timeout);
        }
        if io.input_ended() {
            return match (self.summary.len, self.offset()) {
                (0, _) => Err(SessionError::other(MultiplyError::Nothing)),
                (_, 0) => Ok(Progress::Finished),
                (_, got) => Err(SessionError::other(MultiplyError::Cut { got, want: self.string.len() })),
            };
        }
        match self.deadline {
            Some(deadline) if now >= deadline => {
                Err(SessionError::other(MultiplyError::Stalled { len: self.summary.len, timeout: self.timeout }))
            }
            // Replies are read even while the string is still being sent.
            _ => Ok(Progress::NeedEither),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn is_idle(&self) -> bool {
        false
    }
}

/// The received bytes aren't repetitions of the string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MultiplyError {
    /// The server closed without sending a byte.
    Nothing,
    /// A different byte arrived.
    Differs {
        /// The number of correct bytes before it.
        after: u64,
    },
    /// The server closed in the middle of a copy.
    Cut {
        /// Bytes of that copy received.
        got: usize,
        /// The string's length in bytes.
        want: usize,
    },
    /// Nothing more came.
    Stalled {
        /// Bytes received before.
        len: u64,
        /// The time waited.
        timeout: Duration,
    },
}

impl fmt::Display for MultiplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => write!(f, "peer closed without sending anything back"),
            Self::Differs { after } => {
                write!(f, "the received bytes differ from the repeated string after {}", count(*after, "byte"))
            }
            Self::Cut { got, want } => {
                write!(f, "peer closed {} into a copy of {want}", count(*got, "byte"))
            }
            Self::Stalled { len, timeout } => {
                write!(f, "timed out: nothing came for {timeout:?}, after {}", count(*len, "byte"))
            }
        }
    }
}

impl Error for MultiplyError {}
