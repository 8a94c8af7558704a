//! The server's side.

use std::time::{Duration, Instant};

use super::{FAREWELL, Incomplete, LEN};
use crate::session::{Peer, Progress, Service, Session, SessionError, SessionIo};
use crate::text::{Escaped, reason};

/// Makes the server's sessions.
#[derive(Clone, Debug)]
pub struct FixedService {
    /// How long a message may take, from its first byte on.
    pub timeout: Duration,
}

impl Default for FixedService {
    /// The default timeout is a minute.
    fn default() -> Self {
        FixedService { timeout: Duration::from_secs(60) }
    }
}

impl Service for FixedService {
    type Session = FixedServer;

    fn accept(&mut self, _peer: &Peer) -> FixedServer {
        FixedServer { timeout: self.timeout, deadline: None }
    }
}

/// The server's side: takes any message, answers, and finishes. Bytes after the message are never read.
#[derive(Debug)]
pub struct FixedServer {
    timeout: Duration,
    deadline: Option<Instant>,
}

impl Session for FixedServer {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        if let Some(message) = io.input().take(LEN) {
            let local = io.local_addr().map_or_else(|error| reason(&error), |addr| addr.to_string());
            log::info!("Message from {} to {local}: {}", io.peer(), Escaped(message));
            io.output().push(FAREWELL);
            return Ok(Progress::Finished);
        }
        let got = io.input().len();
        if io.input_ended() {
            return Err(SessionError::input_ended(Incomplete::Closed { got }));
        }
        if got == 0 {
            return Ok(Progress::NeedInput);
        }
        match *self.deadline.get_or_insert(now + self.timeout) {
            deadline if now < deadline => Ok(Progress::NeedInput),
            _ => Err(SessionError::timed_out(Incomplete::TooSlow { got, timeout: self.timeout })),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn is_idle(&self) -> bool {
        self.deadline.is_none()
    }
}
