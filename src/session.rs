//! The interface between protocols and the loops that drive them.
//!
//! A [`Session`] is one connection's protocol: a state machine that takes bytes and the time, and returns bytes. It
//! knows no socket, clock or thread, so the same session runs under every concurrency model, and its tests need no
//! network. A [`Service`] makes the sessions of one server or client and holds their shared state.

pub mod admission;
mod ending;
pub(crate) mod forward;
mod io;
pub mod proxied;
mod service;
pub(crate) mod shared;
pub mod testing;

use std::fmt;
use std::task::{Poll, Waker};
use std::time::Instant;

use crate::address::Addr;
use crate::buffer::Output;
pub use ending::{End, EndKind, ErrorKind, SessionError};
pub use io::SessionIo;
#[cfg(test)]
pub(crate) use io::no_waker;
pub(crate) use io::{MakeWaker, no_local_addr};
pub use service::{Connect, Reload, Service};

/// One connection's protocol.
pub trait Session {
    /// Runs as far as `io` allows: the tutorial's `process_events`. Calling it with nothing new must be a no-op.
    ///
    /// It is called when bytes have arrived, when the peer has ended its sending side, when the output has room again,
    /// at its [`deadline`](Session::deadline), when it was [woken](SessionIo::waker), when the server
    /// [stops](SessionIo::is_stopping) while the session is not working, and once at the beginning. Unused input is
    /// there again next time, followed by newer input. A session that waits for something impossible, such as input
    /// after the end, and has no deadline, is closed as if it had finished.
    ///
    /// # Errors
    /// The error that ends the connection early. The error reply, if any, must be in the output already: it is sent,
    /// and arrives even if more input is on its way; then the connection is closed.
    #[doc(alias = "process_events")]
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError>;

    /// The time at which [`advance`](Session::advance) must run even if no byte arrives.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Whether no work is in progress, so that the connection can be closed without cutting anything off.
    ///
    /// While the session is idle and no output waits, the [idle timeout](crate::connection::Config::idle_timeout)
    /// applies. When the server stops, an idle session's connection is closed after all its input is used.
    fn is_idle(&self) -> bool {
        true
    }

    /// Sends a refusal to the peer, in the protocol's own format; `advance` will not be called.
    fn refuse(&mut self, _output: &mut Output<'_>, _why: &str) {}

    /// Its state, for the [trace](crate::trace), given that `unused` bytes of input are left.
    fn state(&self, _unused: usize) -> State {
        State::named(if self.is_idle() { "idle" } else { "busy" })
    }
}

/// A session's state, for the [trace](crate::trace).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// Its name, in the protocol's words.
    pub name: &'static str,
    /// The number of bytes that have arrived, and the number that the session waits for, if that is known.
    pub arrived: Option<(usize, usize)>,
}

impl State {
    /// Creates a state of this name, with no number of bytes.
    pub const fn named(name: &'static str) -> Self {
        State { name, arrived: None }
    }
}

/// The name, and what has arrived: `48 of 103 bytes of the JSON header`.
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.arrived {
            Some((got, want)) => write!(f, "{got} of {want} bytes of the {}", self.name),
            None => f.write_str(self.name),
        }
    }
}

/// Boxed sessions let one service have sessions of several types.
impl<T: Session + ?Sized> Session for Box<T> {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        (**self).advance(io, now)
    }

    fn deadline(&self) -> Option<Instant> {
        (**self).deadline()
    }

    fn is_idle(&self) -> bool {
        (**self).is_idle()
    }

    fn refuse(&mut self, output: &mut Output<'_>, why: &str) {
        (**self).refuse(output, why);
    }

    fn state(&self, unused: usize) -> State {
        (**self).state(unused)
    }
}

/// Why a session has stopped for now.
///
/// Whatever a session returns, it is called again without new events only while its output is below the high-water
/// mark, and its input is read only within the connection's limits: a peer that sends and never reads can't make memory
/// grow without bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the loop has to know why the session stopped"]
pub enum Progress {
    /// The session has used what it can of the input and waits for more. Input is read once the output has room.
    NeedInput,
    /// The session could go on, but output must be sent first. It is called when some of the output has been sent and
    /// less than the high-water mark is left. Nothing is read meanwhile: back-pressure.
    NeedRoom,
    /// The session waits for more input or more room, whichever comes first.
    ///
    /// On a connection that we have opened, input is read even when the output is full, since a client has to read
    /// replies while it sends; if a call then adds to the output, this turns into [`NeedRoom`](Self::NeedRoom). On an
    /// accepted connection, input is read once the output has room.
    NeedEither,
    /// The session is working, or waiting for work done elsewhere. It is called at its deadline or when it is
    /// [woken](SessionIo::waker), and once when the peer [has hung up](SessionIo::hung_up). Nothing is read meanwhile;
    /// a stop waits for it. A connection that breaks is closed at once if the selector reports that.
    Working,
    /// The session has used up its share of messages and wants another turn, once the output has room.
    Yield,
    /// The session is done: the output is sent, and the connection closed. A connection that we have opened is closed
    /// at once, even with unsent output; so a client's session must finish only when it has all its answers.
    Finished,
}

/// The other side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub addr: Addr,
    /// Our role: which side has opened the connection.
    pub role: Role,
}

/// The side that has opened a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The peer has opened it: we have accepted it, and serve.
    Accepted,
    /// We have opened it: it's the client's connection of this number, from 1.
    Opened(u32),
}

impl Peer {
    /// A peer whose connection we have accepted.
    pub const fn accepted(addr: Addr) -> Peer {
        Peer { addr, role: Role::Accepted }
    }

    /// A peer to which we have opened connection `number`, from 1.
    pub const fn opened(addr: Addr, number: u32) -> Peer {
        Peer { addr, role: Role::Opened(number) }
    }

    /// The number of the connection, if we have opened it.
    pub const fn number(&self) -> Option<u32> {
        match self.role {
            Role::Accepted => None,
            Role::Opened(number) => Some(number),
        }
    }
}

/// The names in the tutorial's programs: a server's peers go by address, a client's connections by number.
impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.role {
            Role::Opened(number) => write!(f, "connection {number}"),
            Role::Accepted => self.addr.fmt(f),
        }
    }
}

/// A source of bytes for a session other than its peer, such as standard input.
pub trait Source {
    /// The next piece, or `None` at the end. If none is ready, `make_waker` supplies a [waker](SessionIo::waker) to
    /// wake when one is.
    ///
    /// # Errors
    /// The error that ends the session, if the source fails.
    fn next(&mut self, make_waker: &dyn Fn() -> Waker) -> Result<Poll<Option<Vec<u8>>>, SessionError>;
}
