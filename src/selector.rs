//! The system interface of an event loop: Python's `selectors` module, as a trait.
//!
//! [`MioSelector`] is the default, on epoll or kqueue. `PollSelector` and `SelectSelector` do the same on poll(2) and
//! select(2), for comparison; they require the feature `models`. [`sim`] is a simulated network with its own clock, for
//! testing the reactor without waiting.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use crate::address::Addr;
use crate::buffer::Contents;

mod accept_error;
mod mio;
#[cfg(feature = "models")]
mod poll;
#[cfg(feature = "models")]
mod select;
pub mod sim;
mod socket;
mod socket_file;
mod stopwatch;
mod wake;

pub use self::mio::MioSelector;
pub(crate) use accept_error::{AcceptError, RETRY_AFTER};
#[cfg(feature = "models")]
pub use poll::PollSelector;
#[cfg(feature = "models")]
pub use select::SelectSelector;
#[cfg(feature = "models")]
pub(crate) use socket::with_file;
#[cfg(feature = "cli")]
pub(crate) use socket::{ERRORS_ONLY, not_to_itself};
pub use socket::{NamedListener, SocketListener, SocketStream, listener, unix_listener};
#[cfg(feature = "models")]
pub(crate) use socket_file::SocketFile;
pub(crate) use stopwatch::Stopwatch;
pub use wake::{WakeFd, WakeFlag, WakeSocket, Waker};

/// Watches streams and listeners, opens and accepts them, and keeps the time.
///
/// Readiness is at least edge-triggered: reported once when a watched source becomes ready, and again when it is
/// registered again while ready. A selector may report it more often.
pub trait Selector {
    /// A connection.
    type Stream: Stream;
    /// A listening socket.
    type Listener: Listener;

    /// The current time.
    fn now(&self) -> Instant;

    /// Waits for events until `timeout` has passed, or forever without one, and appends them to `events`. Returns
    /// early, with or without an event, when [woken](Waker::wake).
    ///
    /// # Errors
    /// If the system call fails; the loop can't go on.
    fn select(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()>;

    /// A waker that makes [`select`](Selector::select) return, from another thread or from a signal handler.
    fn waker(&self) -> Waker;

    /// Checks whether [`register`](Selector::register) can take `stream`, for any interest. A server refuses other
    /// streams: it sends what can be sent at once and closes them.
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

    /// Closes a stream, registered or not. A stream that was never registered may be dropped instead.
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

    /// Accepts a connection without waiting.
    ///
    /// # Errors
    /// `WouldBlock` if there is none; otherwise see accept(2).
    fn accept(&mut self, listener: &mut Self::Listener) -> io::Result<(Self::Stream, Addr)>;

    /// Begins to open a connection to `addr`. When the stream becomes writable, [`Stream::connected`] reports the
    /// outcome.
    ///
    /// # Errors
    /// If it fails at once; see connect(2).
    fn connect(&mut self, addr: Addr) -> io::Result<Self::Stream>;
}

/// A non-blocking connection.
///
/// A short read or write means that the stream is now empty or full, and that the next readiness is a new edge. So
/// `write_vectored` must go on after its first slice.
pub trait Stream: Read + Write {
    /// The address of our side.
    ///
    /// # Errors
    /// If the address is unknown.
    fn local_addr(&self) -> io::Result<Addr> {
        Err(io::ErrorKind::AddrNotAvailable.into())
    }

    /// Ends our sending side: the peer reads the end of the stream after all earlier data.
    ///
    /// # Errors
    /// If the connection is broken already.
    fn end_output(&mut self) -> io::Result<()>;

    /// Makes its close a reset, which tells the peer that the data it has read is incomplete. The system drops all data
    /// that has not been sent.
    fn reset_on_close(&mut self) {}

    /// Lets the system drop its data if, after the close, the peer accepts none of it for `timeout`. Otherwise the
    /// system may hold megabytes for as long as the peer answers that it has no room.
    fn bound_close(&mut self, timeout: Duration) {
        let _ = timeout;
    }

    /// Sends up to `len` bytes of `file`, starting at `offset`, and returns how many: 0 at the end of the file.
    /// Bypasses this process's memory where the system can. A result less than `len` does not mean that the connection
    /// is full.
    ///
    /// # Errors
    /// `WouldBlock` if the connection is full; otherwise if it is broken, or the file can't be read.
    fn send_file(&mut self, file: &dyn Contents, offset: u64, len: usize) -> io::Result<usize> {
        copy_file(self, file, offset, len)
    }

    /// The bytes that wait in the system: those received and not read, its Recv-Q, and those sent and not confirmed, its
    /// Send-Q. `None` if the system doesn't say.
    fn queues(&self) -> Option<Queues> {
        None
    }

    /// Whether it's connected: a connection being opened may not be open yet, and an open one may be broken.
    ///
    /// # Errors
    /// The error that has kept it from opening or has broken it, unless reported before.
    fn connected(&mut self) -> io::Result<bool>;
}

/// The bytes of a connection that wait in the system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queues {
    /// Bytes received and not read.
    pub recv_q: usize,
    /// Bytes sent and not confirmed by the peer's system.
    pub send_q: usize,
}

/// The most bytes of a file read at once when they are copied through this process.
const COPY_LEN: usize = 64 << 10;

/// Implements [`Stream::send_file`] by a read and a write.
fn copy_file<S: Write + ?Sized>(to: &mut S, file: &dyn Contents, offset: u64, len: usize) -> io::Result<usize> {
    let mut buffer = vec![0; len.min(COPY_LEN)];
    match file.read_at(&mut buffer, offset)? {
        0 => Ok(0),
        len => to.write(&buffer[..len]),
    }
}

/// A listening socket.
pub trait Listener {
    /// The address it is bound to.
    ///
    /// # Errors
    /// If the system can't say.
    fn local_addr(&self) -> io::Result<Addr>;
}

/// The events of a socket that the system is asked to report: what the tutorial's `_set_selector_events_mask` sets.
#[doc(alias = "_set_selector_events_mask")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// Report when there is data to read.
    pub readable: bool,
    /// Report when there is room to write.
    pub writable: bool,
    /// Report hang-ups without read interest; read interest implies it. A hang-up means that the peer has ended its
    /// sending side or the connection is broken. It's reported as [`Readiness::read_closed`], by some selectors again
    /// and again, so drop this interest once it's known. A selector may report arriving data as well, as
    /// [`MioSelector`] does once for each arrival; `SelectSelector` can't report hang-ups at all.
    pub hangup: bool,
    /// Report errors without any other interest; every other interest implies it. It's for a peer that has hung up
    /// already, and may still reset the connection. Reported as [`Readiness::read_closed`]; a selector may report the
    /// hang-up itself once more, as [`MioSelector`] does. `SelectSelector` can't report errors alone.
    pub error: bool,
}

impl Interest {
    /// No interest: not registered.
    pub const NONE: Interest = Interest { readable: false, writable: false, hangup: false, error: false };
    /// Only reading.
    pub const READ: Interest = Interest { readable: true, ..Interest::NONE };
    /// Only writing.
    pub const WRITE: Interest = Interest { writable: true, ..Interest::NONE };
    /// Only hang-ups of the peer.
    pub const HANGUP: Interest = Interest { hangup: true, ..Interest::NONE };
    /// Only errors.
    pub const ERROR: Interest = Interest { error: true, ..Interest::NONE };
}

/// The tutorial's names from `_set_selector_events_mask`, `h` for a hang-up, and `e` for errors alone.
impl std::fmt::Display for Interest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Read interest implies hang-ups.
        f.write_str(match (self.readable, self.writable, self.hangup) {
            (true, true, _) => "rw",
            (true, false, _) => "r",
            (false, true, true) => "wh",
            (false, true, false) => "w",
            (false, false, true) => "h",
            (false, false, false) if self.error => "e",
            (false, false, false) => "none",
        })
    }
}

/// The readiness that the system reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// There is something to read: data, the end or an error.
    pub readable: bool,
    /// There is room to write, or an error that a write will return.
    pub writable: bool,
    /// The peer has ended its sending side, or the connection is broken: the end or an error follows the remaining
    /// bytes. A selector that keeps reporting readability need not set this.
    pub read_closed: bool,
    /// There is urgent data (TCP's URG). A read stops there although more follows, so a short read doesn't mean that
    /// the stream is empty. A selector that keeps reporting readability need not set this.
    pub urgent: bool,
}

/// A source and its readiness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The source, by the token with which it was registered.
    pub token: Token,
    /// Its readiness.
    pub readiness: Readiness,
}

/// An identifier for a source: a number that the selector returns with its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub usize);
