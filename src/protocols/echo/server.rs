//! The server's side: every chunk goes back, and with it what the texts' servers add.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::session::{Peer, Progress, Service, Session, SessionError, SessionIo};
use crate::text::Escaped;

/// How chunks go back.
#[derive(Clone, Debug)]
pub struct Echo {
    /// What goes before each chunk, such as `Echo=>`.
    pub prefix: Box<[u8]>,
    /// What tells the time that goes after each chunk, with ` at ` in between; a session knows none itself.
    pub stamp: Option<fn() -> String>,
    /// How long after it was read a chunk goes back, for work that takes its time. Meanwhile nothing more is read from that
    /// peer.
    pub delay: Duration,
}

impl Default for Echo {
    /// What comes goes back at once and as it is.
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
    /// A service whose sessions send chunks back as `echo` says.
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

/// The server's side: sends back what it reads, and when the peer ends its sending side, is finished.
#[derive(Debug)]
pub struct EchoServer {
    echo: Arc<Echo>,
    /// When to send back the chunk that is in the input, if it's not at once.
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
            self.echo(io);
        }
        Ok(if io.input_ended() { Progress::Finished } else { Progress::NeedInput })
    }

    fn deadline(&self) -> Option<Instant> {
        self.delayed_until
    }
}

impl EchoServer {
    /// Whether the chunk that is there has yet to wait.
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

    fn echo(&self, io: &mut SessionIo<'_>) {
        let bytes = io.input().take_all();
        log::debug!("Echoing {} to {}", Escaped(bytes), io.peer());
        if !self.echo.prefix.is_empty() {
            io.output().push(&self.echo.prefix);
        }
        // The bytes can go out from where they came in.
        io.output().lend(bytes);
        if let Some(time) = self.echo.stamp {
            io.output().push(format!(" at {}", time()).as_bytes());
        }
    }
}
