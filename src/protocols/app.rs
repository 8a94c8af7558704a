//! The framed application protocol: search a dictionary, or send bytes and be told how they begin.
//!
//! The tutorial's `libserver` and `libclient`. What a request asks for and what is answered is in [`server`]; the framing
//! is [`crate::message`]'s.

pub mod client;
pub mod dictionary;
mod error;
mod reply;
pub mod server;

pub use client::{AppClient, Reply, ReplyError, Request};
pub use dictionary::{Dictionary, DictionaryError};
pub use error::AppError;
pub use server::{AppServer, AppService};

use std::time::{Duration, Instant};

use crate::message::{Phase, Position};

/// The tutorial's port.
pub const PORT: u16 = 65432;

/// How long to wait for the parts of a message. For how long there may be none at all is the
/// [connection's](crate::connection::Config::idle_timeout).
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For the whole header, from its first byte on: not longer for a peer that drips.
    pub header: Duration,
    /// For more of the content.
    pub content: Duration,
}

impl Default for Timeouts {
    /// 10 seconds for a header, 30 seconds without progress in a content.
    fn default() -> Self {
        Timeouts { header: Duration::from_secs(10), content: Duration::from_secs(30) }
    }
}

impl Timeouts {
    /// The timeout for a `phase` of a message, if the peer is under one.
    fn of(&self, phase: Phase) -> Option<Duration> {
        match phase {
            Phase::Idle | Phase::Failed => None,
            Phase::Protoheader | Phase::Jsonheader => Some(self.header),
            Phase::Content => Some(self.content),
        }
    }
}

/// What a session waits for. While it is the same, its deadline stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    Message,
    Header,
    Content { got: usize },
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

/// A session's patience: a new wait gets a new deadline. Each message is another wait, and [restarts](Self::restart) it.
#[derive(Debug, Default)]
struct Patience {
    /// Most sessions wait for a message to begin, under no deadline of their own, so this is only a pointer.
    wait: Option<Box<MessageWait>>,
}

#[derive(Debug)]
struct MessageWait {
    awaited: Awaited,
    timeout: Duration,
    deadline: Instant,
}

impl Patience {
    /// Takes note that at `now` the next message has come as far as `position`, and has `timeout` for what comes next.
    /// Returns the timeout where it has passed.
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

    /// Forgets the present wait: the next that is observed begins anew.
    fn restart(&mut self) {
        self.wait = None;
    }

    fn deadline(&self) -> Option<Instant> {
        self.wait.as_ref().map(|wait| wait.deadline)
    }
}
