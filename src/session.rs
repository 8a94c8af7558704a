//! What a protocol is to the loops that drive it.
//!
//! A [`Session`] is one connection's protocol: a state machine that is handed bytes and the time, and hands bytes back.
//! It knows no socket, no clock and no thread, so the same session runs under every concurrency model, and a test of it
//! needs no network. A [`Service`] makes the sessions of one server or client and holds what they share.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use crate::buffer::{Input, Output};
use crate::message::{Phase, Position, ProtocolError};

/// One connection's protocol.
pub trait Session {
    /// Runs as far as `io` allows. Calling it with nothing new is a no-op.
    ///
    /// It is called when bytes have come, when the peer has ended its sending side, when there is room in the output
    /// again, at its [`deadline`](Session::deadline), when it was [woken](SessionIo::wakers), and once at the beginning.
    /// What it leaves in the input is there again next time, with what has come since. One that waits for what can't
    /// come, such as input after the end of it, and has no deadline, is closed as if it had finished.
    ///
    /// # Errors
    /// Whatever ends the connection other than in order. The error reply, if there is to be one, is in the output
    /// already: it is sent, and arrives even where more input is on its way; then the connection is closed.
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError>;

    /// When [`advance`](Session::advance) must run even if no byte arrives.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Whether nothing has begun, so that the connection can be closed without cutting anything off. Asked when the
    /// server stops, after all that has come is used.
    fn is_idle(&self) -> bool {
        true
    }

    /// Whether it has any use for what comes, now or later. For one that has none, neither unread bytes nor being at
    /// [work](Progress::Working) count as something begun, so a stop closes its connection; and every close is at once,
    /// though with bytes unread that is a reset, which destroys what the peer has not read yet.
    fn wants_input(&self) -> bool {
        true
    }

    /// Tells a peer, in the protocol's own words, that it can't be served; `advance` will not be called.
    fn refuse(&mut self, _output: &mut Output<'_>, _why: &str) {}
}

/// What a session works on, for one call.
#[derive(Debug)]
pub struct SessionIo<'a> {
    /// What has come and is not used yet.
    pub input: Input<'a>,
    /// Where replies go.
    pub output: Output<'a>,
    /// The peer's FIN: an input, not an error. No more bytes will follow those in `input`.
    pub input_ended: bool,
    /// The peer has ended its sending side, though not all that it has sent before need be in `input` yet: what a session
    /// learns that is [working](Progress::Working), and doesn't read. It may still wait for its reply.
    pub hung_up: bool,
    /// How many more messages this call may begin, so that one fast peer starves nobody.
    pub messages_left: u32,
    /// Who is on the other side, for the log.
    pub peer: &'a Peer,
    /// For a session that has something done elsewhere.
    pub wakers: Wakers<'a>,
    /// What our side is called, for the few that want to know.
    pub local: LocalName<'a>,
}

/// The address of our side of a connection. The system is asked for it only by a session that wants it.
#[derive(Clone, Copy)]
pub struct LocalName<'a>(&'a dyn Fn() -> io::Result<SocketAddr>);

impl<'a> LocalName<'a> {
    /// The name that `ask` finds out.
    pub fn new(ask: &'a dyn Fn() -> io::Result<SocketAddr>) -> Self {
        LocalName(ask)
    }

    /// The address.
    ///
    /// # Errors
    /// Where the system can't tell.
    pub fn addr(self) -> io::Result<SocketAddr> {
        (self.0)()
    }
}

/// That of a connection which has none.
impl Default for LocalName<'_> {
    fn default() -> Self {
        LocalName(&|| Err(io::ErrorKind::AddrNotAvailable.into()))
    }
}

impl fmt::Debug for LocalName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalName")
    }
}

/// Makes what a session is woken by.
#[derive(Clone, Copy)]
pub struct Wakers<'a>(&'a dyn Fn() -> Waker);

impl<'a> Wakers<'a> {
    /// Wakers that `make` makes.
    pub fn new(make: &'a dyn Fn() -> Waker) -> Self {
        Wakers(make)
    }

    /// Something that makes the loop call this session again, from any thread. Once the session has ended, it does
    /// nothing.
    pub fn waker(self) -> Waker {
        (self.0)()
    }
}

/// Wakers that wake nothing.
impl Default for Wakers<'_> {
    fn default() -> Self {
        Wakers(&|| Waker::noop().clone())
    }
}

impl fmt::Debug for Wakers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wakers")
    }
}

/// Bytes that a session gets from elsewhere than its peer, such as standard input.
pub trait Source {
    /// The next piece, or `None` at the end. Where there is none yet, the session is woken once there is.
    ///
    /// # Errors
    /// Why there are no more: what ends the session.
    fn next(&mut self, wakers: Wakers<'_>) -> Result<Poll<Option<Vec<u8>>>, SessionError>;
}

/// Why a session has stopped for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It has used what it can of the input and waits for more. It is read once the output has room.
    NeedInput,
    /// It could go on but for the output, which has to be sent first. It is called when some of that has gone and less than
    /// the high-water mark is left. Nothing is read meanwhile: back-pressure.
    NeedRoom,
    /// It waits for more input or more room, whichever comes first. For a client that has to read replies while it sends:
    /// input is read even when the output is full.
    NeedEither,
    /// It is at work on what it has, or has that done elsewhere, and is called at its deadline or when it is
    /// [woken](SessionIo::wakers), and once when the peer [has hung up](SessionIo::hung_up). Nothing is read meanwhile; a
    /// stop waits for it. A connection that breaks is closed at once.
    Working,
    /// It has had its share of messages and wants to go on when it is its turn again.
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
    /// The number of the connection, from 1, where it is we who have opened it.
    pub number: Option<u32>,
}

/// As the tutorial's programs call it: servers by address, clients by number.
impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            Some(number) => write!(f, "connection {number}"),
            None => self.addr.fmt(f),
        }
    }
}

/// What ended a session other than in order.
#[derive(Debug)]
pub enum SessionError {
    /// The peer has broken the protocol.
    Protocol(ProtocolError),
    /// The peer has closed in the middle of a message.
    PeerClosedMidMessage(Position),
    /// Nothing was begun for this long.
    Idle(Duration),
    /// A message did not come in time.
    TooSlow {
        /// How far it came.
        position: Position,
        /// How long was waited for it.
        timeout: Duration,
    },
    /// Anything else.
    Other(Box<dyn Error + Send + Sync>),
}

impl SessionError {
    /// An error of the protocol's own, or just words that say what is wrong.
    pub fn other(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Other(error.into())
    }

    /// Whether the peer is to be told: not if it has gone, nor if it has asked for nothing.
    pub fn deserves_reply(&self) -> bool {
        match self {
            Self::Protocol(_) | Self::TooSlow { .. } | Self::Other(_) => true,
            Self::PeerClosedMidMessage(_) | Self::Idle(_) => false,
        }
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(error) => error.fmt(f),
            Self::PeerClosedMidMessage(Position { phase: Phase::Idle, .. }) => {
                write!(f, "peer closed before it sent a message")
            }
            Self::PeerClosedMidMessage(position) => write!(f, "peer closed in mid-message, {position}"),
            Self::Idle(timeout) => write!(f, "idle for {timeout:?}"),
            Self::TooSlow { position: Position { phase: Phase::Idle, .. }, timeout } => {
                write!(f, "timed out: nothing came for {timeout:?}")
            }
            Self::TooSlow { position, timeout } => write!(f, "timed out after {timeout:?}, {position}"),
            Self::Other(error) => error.fmt(f),
        }
    }
}

impl Error for SessionError {}

impl From<ProtocolError> for SessionError {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}

/// Makes the sessions of one server or client, and holds what they share.
pub trait Service {
    /// The protocol.
    type Session: Session;

    /// A session for a connection just accepted.
    fn accept(&mut self, peer: &Peer) -> Self::Session;

    /// Takes back a session whose connection is closed, or never came about.
    fn ended(&mut self, _session: Self::Session, _peer: &Peer, _end: End) {}

    /// Reads again what it reads from files.
    fn reload(&mut self) {}

    /// Whether what happens on one connection can be seen on another. Such a service can't be served by processes that
    /// share nothing.
    fn shares_state(&self) -> bool {
        false
    }
}

/// A function that makes sessions is a service.
impl<T: Session, F: FnMut(&Peer) -> T> Service for F {
    type Session = T;

    fn accept(&mut self, peer: &Peer) -> T {
        self(peer)
    }
}

/// How a connection ended.
#[derive(Debug)]
pub enum End {
    /// The session was [finished](Progress::Finished).
    Finished,
    /// The session ended with an error.
    Failed(SessionError),
    /// It could not be opened.
    ConnectFailed(io::Error),
    /// It was not opened in time.
    ConnectTimedOut(Duration),
    /// The system reported an error, such as a reset.
    Broken(io::Error),
    /// The peer read nothing for this long, with output waiting.
    WriteTimedOut(Duration),
    /// The server was at its limit of connections, or its selector at that of what it can watch.
    Refused,
    /// The server stopped while nothing was begun.
    Stopped,
    /// The server stopped, and what had begun was not finished in time.
    Cut,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Finished => write!(f, "finished"),
            Self::Failed(error) => error.fmt(f),
            Self::ConnectFailed(error) | Self::Broken(error) => f.write_str(&crate::text::reason(error)),
            Self::ConnectTimedOut(timeout) => write!(f, "no answer within {timeout:?}"),
            Self::WriteTimedOut(timeout) => write!(f, "peer read nothing for {timeout:?}"),
            Self::Refused => write!(f, "over the limit of connections"),
            Self::Stopped => write!(f, "server is stopping"),
            Self::Cut => write!(f, "server stopped before it was done"),
        }
    }
}
