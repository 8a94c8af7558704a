//! The framed application protocol: searches a dictionary, or answers bytes with their first ten.
//!
//! The tutorial's `libserver` and `libclient`. [`server`] has the requests and their answers; [`crate::message`] has
//! the framing.

pub mod client;
pub mod dictionary;
mod error;
mod replies;
mod reply;
pub mod request;
pub mod server;
pub mod talker;

pub use client::{AppClient, Reply, ReplyError};
pub use dictionary::{Dictionary, DictionaryError};
pub use error::AppError;
pub use request::{Form, FormError, Request};
pub use server::{AppServer, AppService};
pub use talker::AppTalker;

use std::time::{Duration, Instant};

use crate::message::{Phase, Position};
use crate::session::State;

/// The tutorial's port.
pub const PORT: u16 = 65432;

/// How long to wait for the parts of a message. The wait for a message to begin is limited by the
/// [connection](crate::connection::Config::idle_timeout).
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For the whole header, from its first byte on, even if the peer sends it byte by byte.
    pub header: Duration,
    /// For progress in the content.
    pub content: Duration,
}

impl Default for Timeouts {
    /// The defaults: 10 seconds for a header, 30 seconds without progress in a content.
    fn default() -> Self {
        Timeouts { header: Duration::from_secs(10), content: Duration::from_secs(30) }
    }
}

impl Timeouts {
    /// The timeout for a `phase` of a message, if it has one.
    fn of(&self, phase: Phase) -> Option<Duration> {
        match phase {
            Phase::Idle | Phase::Failed => None,
            Phase::Protoheader | Phase::Jsonheader => Some(self.header),
            Phase::Content => Some(self.content),
        }
    }
}

/// A session's current wait. Its deadline stands until the wait changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    Message,
    Header,
    Content { got: usize },
}

/// The phase, and what has arrived of its part.
impl From<Position> for State {
    fn from(position: Position) -> Self {
        let Position { phase, got, want } = position;
        let arrived = (phase != Phase::Idle).then_some((got.min(want), want));
        State { name: phase.name(), arrived }
    }
}

impl From<Position> for Awaited {
    fn from(position: Position) -> Self {
        match position.phase {
            Phase::Idle | Phase::Failed => Awaited::Message,
            Phase::Protoheader | Phase::Jsonheader => Awaited::Header,
            Phase::Content => Awaited::Content { got: position.got },
        }
    }
}

/// The deadline of a session's current wait. Each message is a new wait, and [restarts](Self::restart) it.
#[derive(Debug, Default)]
struct Patience {
    /// Most sessions wait for a message to begin, without a deadline of their own, so this is only a pointer.
    wait: Option<Box<MessageWait>>,
}

#[derive(Debug)]
struct MessageWait {
    awaited: Awaited,
    timeout: Duration,
    deadline: Instant,
}

impl Patience {
    /// Records at `now` that the next message has come as far as `position`, and has `timeout` for the next part.
    /// Returns the timeout if it has passed.
    fn observe(&mut self, position: Position, timeout: Option<Duration>, now: Instant) -> Option<Duration> {
        let Some(timeout) = timeout else {
            self.wait = None;
            return None;
        };
        let awaited = Awaited::from(position);
        match &mut self.wait {
            Some(wait) if wait.awaited == awaited => (now >= wait.deadline).then_some(wait.timeout),
            wait => {
                let new = MessageWait { awaited, timeout, deadline: now + timeout };
                match wait {
                    Some(wait) => **wait = new,
                    None => *wait = Some(Box::new(new)),
                }
                None
            }
        }
    }

    /// Forgets the current wait: the next observation begins a new one.
    fn restart(&mut self) {
        self.wait = None;
    }

    fn deadline(&self) -> Option<Instant> {
        self.wait.as_ref().map(|wait| wait.deadline)
    }
}
