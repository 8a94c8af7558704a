//! The server's side: every chunk goes back, and with it what the texts' servers add.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::session::{Peer, Progress, Service, Session, SessionError, SessionIo};
use crate::text::Escaped;

/// How chunks go back.
#[derive(Clone, Debug)]
pub struct Echo {
    /// How long a peer may be silent.
    pub idle_timeout: Duration,
    /// What goes before each chunk, such as `Echo=>`.
    pub prefix: Box<[u8]>,
    /// What tells the time that goes after each chunk, with ` at ` in between; a session knows none itself.
    pub stamp: Option<fn() -> String>,
    /// How long after it was read a chunk goes back, for work that takes its time. Meanwhile nothing more is read from that
    /// peer.
    pub delay: Duration,
}

impl Default for Echo {
    /// What comes goes back at once and as it is. An idle timeout of a minute.
    fn default() -> Self {
        Echo { idle_timeout: Duration::from_secs(60), prefix: Box::default(), stamp: None, delay: Duration::ZERO }
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
        EchoServer { echo: Arc::clone(&self.echo), wait: Wait::Nothing }
    }
}

/// The server's side: sends back what it reads, and when the peer ends its sending side, is finished.
#[derive(Debug)]
pub struct EchoServer {
    echo: Arc<Echo>,
    wait: Wait,
}

/// What a session waits for, and until when.
#[derive(Clone, Copy, Debug)]
enum Wait {
    Nothing,
    /// For the peer to say something.
    Idle(Instant),
    /// To send back the chunk that is in the input.
    Delay(Instant),
}

impl Session for EchoServer {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        if !io.output.has_room() {
            // A peer that is not read from can't be silent: its time begins when there is room.
            if let Wait::Idle(_) = self.wait {
                self.wait = Wait::Nothing;
            }
            return Ok(Progress::NeedRoom);
        }
        let has_bytes = !io.input.is_empty();
        if has_bytes {
            if self.is_early(now) {
                return Ok(Progress::Working);
            }
            self.echo(io);
        }
        if io.input_ended {
            return Ok(Progress::Finished);
        }
        // A peer that has not taken its echo yet is the write timeout's to judge.
        let is_silent = !has_bytes && io.output.is_empty();
        match self.wait {
            Wait::Idle(until) if is_silent => {
                if now >= until {
                    return Err(SessionError::Idle(self.echo.idle_timeout));
                }
            }
            Wait::Idle(_) | Wait::Nothing | Wait::Delay(_) => self.wait = Wait::Idle(now + self.echo.idle_timeout),
        }
        Ok(Progress::NeedInput)
    }

    fn deadline(&self) -> Option<Instant> {
        match self.wait {
            Wait::Nothing => None,
            Wait::Idle(until) | Wait::Delay(until) => Some(until),
        }
    }
}

impl EchoServer {
    /// Whether the chunk that is there has yet to wait.
    fn is_early(&mut self, now: Instant) -> bool {
        let until = match self.wait {
            Wait::Delay(until) => until,
            Wait::Nothing | Wait::Idle(_) => now + self.echo.delay,
        };
        self.wait = Wait::Delay(until);
        now < until
    }

    fn echo(&self, io: &mut SessionIo<'_>) {
        let bytes = io.input.take_all();
        log::debug!("Echoing {} to {}", Escaped(bytes), io.peer);
        io.output.push(&self.echo.prefix);
        // The bytes can go out from where they came in.
        io.output.lend(bytes);
        if let Some(time) = self.echo.stamp {
            io.output.push(format!(" at {}", time()).as_bytes());
        }
    }
}
