//! What a protocol is to the loops that drive it.
//!
//! A [`Session`] is one connection's protocol: a state machine that is handed bytes and the time, and hands bytes back.
//! It knows no socket, no clock and no thread, so the same session runs under every concurrency model, and a test of it
//! needs no network. A [`Service`] makes the sessions of one server or client and holds what they share.

mod ending;
mod io;
mod service;
pub mod testing;

use std::fmt;
use std::net::SocketAddr;
use std::task::{Poll, Waker};
use std::time::Instant;

use crate::buffer::Output;
pub use ending::{End, ErrorKind, SessionError};
pub use io::SessionIo;
#[cfg(test)]
pub(crate) use io::no_waker;
pub(crate) use io::{MakeWaker, no_local_addr};
pub use service::{Connect, Service};

/// One connection's protocol.
pub trait Session {
    /// Runs as far as `io` allows: the tutorial's `process_events`. Calling it with nothing new is a no-op.
    ///
    /// It is called when bytes have come, when the peer has ended its sending side, when there is room in the output
    /// again, at its [`deadline`](Session::deadline), when it was [woken](SessionIo::waker), when the server
    /// [stops](SessionIo::is_stopping) while it is not at work, and once at the beginning. What it leaves in the input is
    /// there again next time, with what has come since. A session that waits for what can't come, such as input after the
    /// end of it, and has no deadline, is closed as if it had finished.
    ///
    /// # Errors
    /// Whatever ends the connection other than in order. The error reply, if there is to be one, is in the output
    /// already: it is sent, and arrives even where more input is on its way; then the connection is closed.
    #[doc(alias = "process_events")]
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError>;

    /// When [`advance`](Session::advance) must run even if no byte arrives.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Whether nothing has begun, so that the connection can be closed without cutting anything off.
    ///
    /// The connection asks when the server stops, after all that has come is used; and while its session is idle, with no
    /// output waiting, it is under the [idle timeout](crate::connection::Config::idle_timeout).
    fn is_idle(&self) -> bool {
        true
    }

    /// Tells a peer, in the protocol's own words, that it can't be served; `advance` will not be called.
    fn refuse(&mut self, _output: &mut Output<'_>, _why: &str) {}
}

/// Lets one service have sessions of several types.
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
}

/// Why a session has stopped for now.
///
/// Whatever a session returns, it is called again without any news only while its output is below the high-water mark, and
/// read for only as far as the connection's limits go: a peer that sends and never reads can't make it grow without bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the loop has to know why the session stopped"]
pub enum Progress {
    /// It has used what it can of the input and waits for more. It is read once the output has room.
    NeedInput,
    /// It could go on but for the output, which has to be sent first. It is called when some of that has gone and less than
    /// the high-water mark is left. Nothing is read meanwhile: back-pressure.
    NeedRoom,
    /// It waits for more input or more room, whichever comes first.
    ///
    /// On a connection that we have opened, input is read even when the output is full, since a client has to read replies
    /// while it sends; unless a call made then adds to the output, which makes it [`NeedRoom`](Self::NeedRoom). On one that
    /// was accepted, input is read once the output has room.
    NeedEither,
    /// It is at work on what it has, or has that done elsewhere, and is called at its deadline or when it is
    /// [woken](SessionIo::waker), and once when the peer [has hung up](SessionIo::hung_up). Nothing is read meanwhile; a
    /// stop waits for it. A connection that breaks is closed at once.
    Working,
    /// It has had its share of messages and wants to go on when it is its turn again, and the output has room.
    Yield,
    /// It is done: the output is sent, and the connection closed. A connection that we have opened is closed at once, with
    /// what the system has not taken of the output unsent; so a client's session is finished when it has all its answers.
    Finished,
}

/// The other side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub addr: SocketAddr,
    /// Our part in the connection.
    pub role: Role,
}

/// Which side has opened a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The peer: we have accepted it, and serve.
    Accepted,
    /// We have: it's the client's connection of this number, from 1.
    Opened(u32),
}

impl Peer {
    /// A peer whose connection we have accepted.
    pub const fn accepted(addr: SocketAddr) -> Peer {
        Peer { addr, role: Role::Accepted }
    }

    /// A peer to which we have opened our connection `number`, from 1.
    pub const fn opened(addr: SocketAddr, number: u32) -> Peer {
        Peer { addr, role: Role::Opened(number) }
    }

    /// The number of the connection, where we have opened it.
    pub const fn number(&self) -> Option<u32> {
        match self.role {
            Role::Accepted => None,
            Role::Opened(number) => Some(number),
        }
    }
}

/// As the tutorial's programs call it: servers by address, clients by number.
impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.role {
            Role::Opened(number) => write!(f, "connection {number}"),
            Role::Accepted => self.addr.fmt(f),
        }
    }
}

/// Bytes that a session gets from elsewhere than its peer, such as standard input.
pub trait Source {
    /// The next piece, or `None` at the end. Where there is none yet, a [waker](SessionIo::waker) that `make_waker` makes is
    /// woken once there is.
    ///
    /// # Errors
    /// Why there are no more: what ends the session.
    fn next(&mut self, make_waker: &dyn Fn() -> Waker) -> Result<Poll<Option<Vec<u8>>>, SessionError>;
}
