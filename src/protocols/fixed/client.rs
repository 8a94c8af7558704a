//! The client's side.

use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{FAREWELL, GREETING, Incomplete, LEN};
use crate::address::Addr;
use crate::session::{Progress, Session, SessionError, SessionIo};
use crate::text::Escaped;

/// The client's side: sends its message, checks that exactly the right answer comes, and finishes when the server has
/// closed.
#[derive(Debug)]
pub struct FixedClient {
    timeout: Duration,
    deadline: Option<Instant>,
    local: Option<SocketAddr>,
}

impl FixedClient {
    /// Creates a client that waits at most `timeout`, from the beginning until the server has closed.
    pub fn new(timeout: Duration) -> Self {
        FixedClient { timeout, deadline: None, local: None }
    }

    /// Our address on the connection, if there is one over TCP.
    pub fn local(&self) -> Option<SocketAddr> {
        self.local
    }
}

impl Session for FixedClient {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        let deadline = match self.deadline {
            Some(deadline) => deadline,
            None => {
                self.local = io.local_addr().ok().and_then(Addr::inet);
                io.output().push(GREETING);
                *self.deadline.insert(now + self.timeout)
            }
        };
        // Only the server's close shows that nothing more comes.
        let reply = io.input().remaining();
        let got = reply.len();
        if let Some(reply) = reply.first_chunk()
            && reply != FAREWELL
        {
            return Err(SessionError::other(FixedError::OtherWords(*reply)));
        }
        if got > LEN {
            return Err(SessionError::other(FixedError::TooLong));
        }
        match got == LEN {
            true if io.input_ended() => Ok(Progress::Finished),
            false if io.input_ended() => Err(SessionError::other(Incomplete::Closed { got })),
            _ if now < deadline => Ok(Progress::NeedInput),
            true => Err(SessionError::other(FixedError::NotClosed(self.timeout))),
            false => Err(SessionError::other(Incomplete::TooSlow { got, timeout: self.timeout })),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn is_idle(&self) -> bool {
        false
    }
}

/// A complete message that isn't the server's right answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FixedError {
    /// The text is different.
    OtherWords([u8; LEN]),
    /// More bytes followed it.
    TooLong,
    /// The server did not close after it for this long.
    NotClosed(Duration),
}

impl fmt::Display for FixedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherWords(words) => write!(f, "the reply is {}, not {}", Escaped(words), Escaped(FAREWELL)),
            Self::TooLong => write!(f, "the reply goes on after its {LEN} bytes"),
            Self::NotClosed(timeout) => {
                write!(f, "the reply is complete, but the server did not close within {timeout:?}")
            }
        }
    }
}

impl Error for FixedError {}
