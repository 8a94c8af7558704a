//! The framed application protocol: search a dictionary, or send bytes and be told how they begin.
//!
//! The tutorial's `libserver` and `libclient`. What a request asks for and what is answered is in [`server`]; the framing
//! is [`crate::message`]'s.

pub mod client;
pub mod dictionary;
mod reply;
pub mod server;

pub use client::{AppClient, Reply, ReplyError, Request};
pub use dictionary::{Dictionary, DictionaryError};
pub use server::{AppServer, AppService};

use std::time::{Duration, Instant};

use crate::message::{Phase, Position};

/// The tutorial's port.
pub const PORT: u16 = 65432;

/// How long to wait for the parts of a message.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For a message to begin.
    pub idle: Duration,
    /// For the whole header, from its first byte on: not longer for a peer that drips.
    pub header: Duration,
    /// For more of the content.
    pub content: Duration,
}

impl Default for Timeouts {
    /// A minute between messages, 10 seconds for a header, 30 seconds without progress in a content.
    fn default() -> Self {
        Timeouts { idle: Duration::from_secs(60), header: Duration::from_secs(10), content: Duration::from_secs(30) }
    }
}

/// What a session waits for. While it is the same, its deadline stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    Message,
    Header,
    Content { got: usize },
}

/// A session's patience: a new wait gets a new deadline. Each message is another wait, and [restarts](Self::restart) it.
#[derive(Debug, Default)]
struct Patience {
    waiting: Option<(Awaited, Instant)>,
}

impl Patience {
    /// Takes note that at `now` the next message has come as far as `position`.
    fn observe(&mut self, position: Position, timeouts: &Timeouts, now: Instant) {
        let awaited = match position.phase {
            Phase::Idle | Phase::Closed => Awaited::Message,
            Phase::Protoheader | Phase::Jsonheader => Awaited::Header,
            Phase::Content => Awaited::Content { got: position.got },
        };
        if self.waiting.is_none_or(|(before, _)| before != awaited) {
            self.waiting = Some((awaited, now + Self::timeout(position, timeouts)));
        }
    }

    /// Forgets the present wait: the next that is observed begins anew.
    fn restart(&mut self) {
        self.waiting = None;
    }

    fn deadline(&self) -> Option<Instant> {
        self.waiting.map(|(_, deadline)| deadline)
    }

    /// The timeout for the part of a message that `position` is in.
    fn timeout(position: Position, timeouts: &Timeouts) -> Duration {
        match position.phase {
            Phase::Idle | Phase::Closed => timeouts.idle,
            Phase::Protoheader | Phase::Jsonheader => timeouts.header,
            Phase::Content => timeouts.content,
        }
    }
}
