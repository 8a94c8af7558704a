//! What an event loop asks of the system: Python's `selectors` module, as a trait.
//!
//! [`MioSelector`] is the real one, on epoll or kqueue. `PollSelector` and `SelectSelector` do the same on poll(2) and
//! select(2), to compare with; they are there with the feature `models`. [`sim`] is a simulated network with a clock of its
//! own, on which the reactor is tested without waiting for anything.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

mod accept_error;
mod mio;
#[cfg(feature = "models")]
mod poll;
#[cfg(feature = "models")]
mod select;
pub mod sim;
mod socket;
mod wake;

pub use self::mio::MioSelector;
pub(crate) use accept_error::{AcceptError, RETRY_AFTER};
#[cfg(feature = "models")]
pub use poll::PollSelector;
#[cfg(feature = "models")]
pub use select::SelectSelector;
pub use socket::{TcpListener, TcpStream, listener};
pub use wake::{WakeFd, Waker};

/// Watches streams and listeners, opens and accepts them, and keeps the time.
///
/// Readiness is reported as an edge at least: once when a watched source becomes ready, and again when it is registered
/// anew while ready. A selector may report it more often.
pub trait Selector {
    /// A connection.
    type Stream: Stream;
    /// A listening socket.
    type Listener: Listener;

    /// The time.
    fn now(&self) -> Instant;

    /// Appends what has become ready to `events`; waits for it until `timeout` has passed, or forever without one.
    /// Comes back early, with or without an event, when it is [woken](Waker::wake).
    ///
    /// # Errors
    /// If the system refuses: the loop can't go on.
    fn select(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()>;

    /// Something that makes [`select`](Selector::select) return from another thread, or from a signal handler.
    fn waker(&self) -> Waker;

    /// Whether [`register`](Selector::register) can take `stream`, whatever for. One that it can't is refused by a server: it's
    /// told what can be sent at once, and closed.
    ///
    /// # Errors
    /// Why it can't, in words for the log and the peer.
    #[inline]
    fn can_watch(&self, _stream: &Self::Stream) -> Result<(), String> {
        Ok(())
    }

    /// Watches `stream` for `interest`, which is not [`Interest::NONE`].
    ///
    /// # Errors
    /// If the system refuses this stream.
    fn register(&mut self, stream: &mut Self::Stream, token: Token, interest: Interest) -> io::Result<()>;

    /// Watches a registered `stream` for another `interest`, which is not [`Interest::NONE`].
    ///
    /// # Errors
    /// If the system refuses.
    fn reregister(&mut self, stream: &mut Self::Stream, token: Token, interest: Interest) -> io::Result<()>;

    /// Stops watching a registered `stream`.
    ///
    /// # Errors
    /// If the system refuses.
    fn deregister(&mut self, stream: &mut Self::Stream, token: Token) -> io::Result<()>;

    /// Closes a stream, registered or not. One that never was may as well be dropped.
    fn close(&mut self, stream: Self::Stream, token: Token);

    /// Watches `listener` for connections to accept.
    ///
    /// # Errors
    /// If the system refuses.
    fn watch_listener(&mut self, listener: &mut Self::Listener, token: Token) -> io::Result<()>;

    /// Stops watching `listener`.
    ///
    /// # Errors
    /// If the system refuses.
    fn unwatch_listener(&mut self, listener: &mut Self::Listener, token: Token) -> io::Result<()>;

    /// Accepts a connection without waiting for one.
    ///
    /// # Errors
    /// `WouldBlock` where there is none; otherwise see accept(2).
    fn accept(&mut self, listener: &mut Self::Listener) -> io::Result<(Self::Stream, SocketAddr)>;

    /// Begins to open a connection to `addr`. When the stream becomes writable, [`Stream::connected`] tells how it went.
    ///
    /// # Errors
    /// If it fails at once; see connect(2).
    fn connect(&mut self, addr: SocketAddr) -> io::Result<Self::Stream>;
}

/// A connection that does not block.
///
/// A read or write that comes back short has emptied or filled it, and what comes later is another edge; so
/// `write_vectored` has to go on after its first part.
pub trait Stream: Read + Write {
    /// The address of our side.
    ///
    /// # Errors
    /// If there is none to tell.
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Err(io::ErrorKind::AddrNotAvailable.into())
    }

    /// Ends our sending side: the peer reads the end of the stream after what was written before.
    ///
    /// # Errors
    /// If the connection is broken already.
    fn end_output(&mut self) -> io::Result<()>;

    /// Makes its close a reset, which tells the peer that what it has read is not all there was to be.
    fn reset_on_close(&mut self) {}

    /// Sends up to `len` bytes of `file`, from `offset` on, and returns how many: 0 at the end of the file. Where the system
    /// has a way to do that without reading them into this process, that is taken. Less than `len` does not mean that the
    /// connection is filled.
    ///
    /// # Errors
    /// `WouldBlock` where it is filled; otherwise where the connection is broken, or the file can't be read.
    fn send_file(&mut self, file: &File, offset: u64, len: usize) -> io::Result<usize> {
        let mut buffer = vec![0; len.min(COPY_LEN)];
        match file.read_at(&mut buffer, offset)? {
            0 => Ok(0),
            len => self.write(&buffer[..len]),
        }
    }

    /// Whether it's connected: one that was begun to be opened may not be open yet, and one that was open may be broken.
    ///
    /// # Errors
    /// Why it can't be opened, or what has broken it, if that was not told before.
    fn connected(&mut self) -> io::Result<bool>;
}

/// Bytes of a file that are read at once, where they are.
const COPY_LEN: usize = 64 << 10;

/// A listening socket.
pub trait Listener {
    /// The address it is bound to.
    ///
    /// # Errors
    /// If the system can't tell.
    fn local_addr(&self) -> io::Result<SocketAddr>;
}

/// Which events of a socket we ask the system to report: what the tutorial's `_set_selector_events_mask` sets.
#[doc(alias = "_set_selector_events_mask")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// When there is something to read.
    pub readable: bool,
    /// When there is room to write.
    pub writable: bool,
    /// When the peer has ended its sending side or the connection is broken, for one that does not want to read now: who
    /// does is told of that anyway. It's told as [`Readiness::read_closed`], again and again by some selectors, so who
    /// knows of it had better not ask any more. A selector may tell of what has come as well, as [`MioSelector`] does,
    /// once for each arrival; and `SelectSelector` can't tell of a hang-up at all.
    pub hangup: bool,
}

impl Interest {
    /// Nothing: not registered.
    pub const NONE: Interest = Interest { readable: false, writable: false, hangup: false };
    /// Only reading.
    pub const READ: Interest = Interest { readable: true, ..Interest::NONE };
    /// Only writing.
    pub const WRITE: Interest = Interest { writable: true, ..Interest::NONE };
    /// Only that the peer hangs up.
    pub const HANGUP: Interest = Interest { hangup: true, ..Interest::NONE };
}

/// As the tutorial's `_set_selector_events_mask` calls them, and `h` for a hang-up.
impl std::fmt::Display for Interest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Who reads is told of a hang-up in any case.
        f.write_str(match (self.readable, self.writable, self.hangup) {
            (true, true, _) => "rw",
            (true, false, _) => "r",
            (false, true, true) => "wh",
            (false, true, false) => "w",
            (false, false, true) => "h",
            (false, false, false) => "none",
        })
    }
}

/// What the system tells us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// There is something to read, be it the end or an error.
    pub readable: bool,
    /// There is room to write, or an error to be met by writing.
    pub writable: bool,
    /// The peer has ended its sending side, or the connection is broken: after the bytes that are left to read comes the
    /// end or an error. A selector that goes on reporting what is readable need not tell.
    pub read_closed: bool,
}

/// A source and what it is ready for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The source, by the token it was registered with.
    pub token: Token,
    /// What it is ready for.
    pub readiness: Readiness,
}

/// A name for a source: a number that the selector hands back with its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub usize);
