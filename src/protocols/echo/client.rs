//! The tutorial's client: it sends its messages, and checks what comes back.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::session::{Progress, Session, SessionError, SessionIo};
use crate::text::Escaped;

/// The client's side: sends its messages, checks that the same bytes come back, and when all have, is finished.
#[derive(Debug)]
pub struct EchoClient {
    messages: Arc<[Vec<u8>]>,
    /// The message to send next.
    next: usize,
    /// Where in the messages the next byte to come back stands: which, and how far in.
    checked: (usize, usize),
    received: u64,
    timeout: Duration,
    deadline: Option<Instant>,
}

/// What came back is not what went out, or not all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EchoError {
    /// Another byte came back.
    Differs {
        /// How many bytes came back right before it.
        at: u64,
    },
    /// More came back than went out.
    TooMuch {
        /// How many bytes went out.
        sent: u64,
    },
    /// The server closed before everything was back.
    Cut {
        /// Bytes that came back.
        got: u64,
        /// Bytes that went out or were to.
        want: u64,
    },
    /// Nothing more came.
    Stalled {
        /// Bytes that came back.
        got: u64,
        /// Bytes that went out or were to.
        want: u64,
        /// How long was waited.
        timeout: Duration,
    },
}

impl fmt::Display for EchoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Differs { at } => write!(f, "what came back differs from what went out after {at} bytes"),
            Self::TooMuch { sent } => write!(f, "more came back than the {sent} bytes that went out"),
            Self::Cut { got, want } => write!(f, "peer closed after {got} of {want} bytes had come back"),
            Self::Stalled { got, want, timeout } => {
                write!(f, "timed out: nothing came for {timeout:?}, after {got} of {want} bytes")
            }
        }
    }
}

impl Error for EchoError {}

impl EchoClient {
    /// A client that sends `messages` and gives up after `timeout` without progress.
    pub fn new(messages: Arc<[Vec<u8>]>, timeout: Duration) -> Self {
        EchoClient { messages, next: 0, checked: (0, 0), received: 0, timeout, deadline: None }
    }

    /// How many bytes have come back.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// How many bytes its messages have.
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

    /// Checks `bytes` against what was sent.
    fn check(&mut self, mut bytes: &[u8]) -> Result<(), EchoError> {
        while !bytes.is_empty() {
            let (index, offset) = self.checked;
            // What has not been sent yet can't have come back.
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
        // While a long message goes out, its echo has to be read, or both sides would wait for the other to read.
        Ok(Progress::NeedEither)
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn is_idle(&self) -> bool {
        false
    }
}
