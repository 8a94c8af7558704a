//! The tutorial's client: sends its messages, and checks what comes back.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::session::{Progress, Session, SessionError, SessionIo};
use crate::text::{Escaped, count};

/// The client's side: sends its messages, checks that the same bytes come back, and finishes when all have.
#[derive(Debug)]
pub struct EchoClient {
    messages: Arc<[Vec<u8>]>,
    /// The index of the message to send next.
    next: usize,
    /// The position of the next byte to come back: the message's index, and the offset in it.
    checked: (usize, usize),
    received: u64,
    timeout: Duration,
    deadline: Option<Instant>,
}

/// The echo differs from the messages, or is incomplete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EchoError {
    /// A different byte came back.
    Differs {
        /// The number of correct bytes before it.
        at: u64,
    },
    /// More bytes came back than were sent.
    TooMuch {
        /// The number of bytes sent.
        sent: u64,
    },
    /// The server closed before everything came back.
    Cut {
        /// Bytes that came back.
        got: u64,
        /// Bytes in all messages.
        want: u64,
    },
    /// Nothing more came.
    Stalled {
        /// Bytes that came back.
        got: u64,
        /// Bytes in all messages.
        want: u64,
        /// The time waited.
        timeout: Duration,
    },
}

impl fmt::Display for EchoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Differs { at } => write!(f, "the echo differs from the sent bytes after {}", count(*at, "byte")),
            Self::TooMuch { sent } => write!(f, "the echo is longer than the {} sent", count(*sent, "byte")),
            Self::Cut { got, want } => write!(f, "peer closed after echoing {got} of {want} bytes"),
            Self::Stalled { got, want, timeout } => {
                write!(f, "timed out: nothing came for {timeout:?}, after {got} of {want} bytes")
            }
        }
    }
}

impl Error for EchoError {}

impl EchoClient {
    /// Creates a client that sends `messages` and gives up after `timeout` without progress.
    pub fn new(messages: Arc<[Vec<u8>]>, timeout: Duration) -> Self {
        EchoClient { messages, next: 0, checked: (0, 0), received: 0, timeout, deadline: None }
    }

    /// The number of bytes that have come back.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// The number of bytes in all messages.
    pub fn total(&self) -> u64 {
        self.messages.iter().map(|message| message.len() as u64).sum()
    }

    fn send(&mut self, io: &mut SessionIo<'_>) -> bool {
        let mut sent = false;
        while io.output().has_room() && self.next < self.messages.len() {
            let message = &self.messages[self.next];
            log::debug!("Sending {} to {}", Escaped(message), io.peer());
            io.output().push(message);
            self.next += 1;
            sent = true;
        }
        sent
    }

    /// Checks `bytes` against the messages.
    fn check(&mut self, mut bytes: &[u8]) -> Result<(), EchoError> {
        while !bytes.is_empty() {
            let (index, offset) = self.checked;
            // A message that has not been sent yet can't have come back.
            let Some(message) = self.messages[..self.next].get(index) else {
                return Err(EchoError::TooMuch { sent: self.received });
            };
            let expected = &message[offset..];
            let len = expected.len().min(bytes.len());
            let same = expected.iter().zip(bytes).take_while(|(sent, back)| sent == back).count();
            self.received += same as u64;
            if same < len {
                return Err(EchoError::Differs { at: self.received });
            }
            self.checked = if len == expected.len() { (index + 1, 0) } else { (index, offset + len) };
            bytes = &bytes[len..];
        }
        Ok(())
    }
}

impl Session for EchoClient {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        let bytes = io.input().take_all();
        if !bytes.is_empty() {
            log::debug!("Received {} from {}", Escaped(bytes), io.peer());
            self.check(bytes).map_err(SessionError::other)?;
        }
        let sent = self.send(io);
        let (got, want) = (self.received, self.total());
        if got == want {
            return Ok(Progress::Finished);
        }
        if io.input_ended() {
            return Err(SessionError::other(EchoError::Cut { got, want }));
        }
        match self.deadline {
            Some(deadline) if bytes.is_empty() && !sent => {
                if now >= deadline {
                    return Err(SessionError::other(EchoError::Stalled { got, want, timeout: self.timeout }));
                }
            }
            _ => self.deadline = Some(now + self.timeout),
        }
        // While a long message goes out, its echo must be read; otherwise each side would wait for the other to read.
        Ok(Progress::NeedEither)
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn is_idle(&self) -> bool {
        false
    }
}
