//! The server's side: every chunk goes back, and with it what the texts' servers add.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::session::{Peer, Progress, Service, Session, SessionError, SessionIo};
use crate::text::Escaped;

/// Makes the server's sessions.
#[derive(Clone, Debug)]
pub struct EchoService {
    /// How long a peer may be silent.
    pub idle_timeout: Duration,
    /// What goes before each chunk, such as `Echo=>`.
    pub prefix: Arc<[u8]>,
    /// What tells the time that goes after each chunk, with ` at ` in between; a session knows none itself.
    pub stamp: Option<fn() -> String>,
    /// How long after it was read a chunk goes back, for work that takes its time. Meanwhile nothing more is read from that
    /// peer.
    pub delay: Duration,
}

impl Default for EchoService {
    /// What comes goes back at once and as it is. An idle timeout of a minute.
    fn default() -> Self {
        EchoService {
            idle_timeout: Duration::from_secs(60),
            prefix: Arc::default(),
            stamp: None,
            delay: Duration::ZERO,
        }
    }
}

impl Service for EchoService {
    type Session = EchoServer;

    fn accept(&mut self, _peer: &Peer) -> EchoServer {
        EchoServer { service: self.clone(), wait: Wait::Nothing }
    }
}

/// The server's side: sends back what it reads, and when the peer ends its sending side, is finished.
#[derive(Debug)]
pub struct EchoServer {
    service: EchoService,
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
                    return Err(SessionError::Idle(self.service.idle_timeout));
                }
            }
            Wait::Idle(_) | Wait::Nothing | Wait::Delay(_) => self.wait = Wait::Idle(now + self.service.idle_timeout),
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
            Wait::Nothing | Wait::Idle(_) => now + self.service.delay,
        };
        self.wait = Wait::Delay(until);
        now < until
    }

    fn echo(&self, io: &mut SessionIo<'_>) {
        let bytes = io.input.take_all();
        log::debug!("Echoing {} to {}", Escaped(bytes), io.peer);
        io.output.push(&self.service.prefix);
        // The bytes can go out from where they came in.
        io.output.lend(bytes);
        if let Some(time) = self.service.stamp {
            io.output.push(format!(" at {}", time()).as_bytes());
        }
    }
}
