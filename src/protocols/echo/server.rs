//! The server's side: sends every chunk back, with the additions of the texts' servers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::session::{Peer, Progress, Service, Session, SessionError, SessionIo};
use crate::text::Escaped;

/// How chunks are sent back.
#[derive(Clone, Debug)]
pub struct Echo {
    /// The text before each chunk, such as `Echo=>`.
    pub prefix: Box<[u8]>,
    /// The text for the time of a call, to append after each chunk and ` at `; a session doesn't know the time of day.
    pub stamp: Option<fn(Instant) -> String>,
    /// The delay between reading a chunk and sending it back, to simulate work. Meanwhile nothing more is read from
    /// that peer.
    pub delay: Duration,
}

impl Default for Echo {
    /// By default, chunks are sent back at once and unchanged.
    fn default() -> Self {
        Echo { prefix: Box::default(), stamp: None, delay: Duration::ZERO }
    }
}

/// Makes the server's sessions.
#[derive(Clone, Debug, Default)]
pub struct EchoService {
    echo: Arc<Echo>,
}

impl EchoService {
    /// Creates a service whose sessions send chunks back as `echo` says.
    pub fn new(echo: Echo) -> Self {
        EchoService { echo: Arc::new(echo) }
    }
}

impl Service for EchoService {
    type Session = EchoServer;

    fn accept(&mut self, _peer: &Peer) -> EchoServer {
        EchoServer { echo: Arc::clone(&self.echo), delayed_until: None }
    }
}

/// The server's side: sends back what it reads, and finishes when the peer ends its sending side.
#[derive(Debug)]
pub struct EchoServer {
    echo: Arc<Echo>,
    /// The time to send back the chunk in the input, if delayed.
    delayed_until: Option<Instant>,
}

impl Session for EchoServer {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        if !io.output().has_room() {
            return Ok(Progress::NeedRoom);
        }
        if !io.input().is_empty() {
            if self.is_early(now) {
                return Ok(Progress::Working);
            }
            self.echo(io, now);
        }
        Ok(if io.input_ended() { Progress::Finished } else { Progress::NeedInput })
    }

    fn deadline(&self) -> Option<Instant> {
        self.delayed_until
    }
}

impl EchoServer {
    /// Whether the chunk in the input still has to wait.
    fn is_early(&mut self, now: Instant) -> bool {
        if self.echo.delay.is_zero() {
            return false;
        }
        let until = *self.delayed_until.get_or_insert(now + self.echo.delay);
        if now >= until {
            self.delayed_until = None;
        }
        now < until
    }

    fn echo(&self, io: &mut SessionIo<'_>, now: Instant) {
        let bytes = io.input().take_all();
        log::debug!("Echoing {} to {}", Escaped(bytes), io.peer());
        if !self.echo.prefix.is_empty() {
            io.output().push(&self.echo.prefix);
        }
        // The bytes can be sent from the input without a copy.
        io.output().lend(bytes);
        if let Some(stamp) = self.echo.stamp {
            io.output().push(format!(" at {}", stamp(now)).as_bytes());
        }
    }
}
