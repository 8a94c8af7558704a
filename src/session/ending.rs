//! How sessions and connections end.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use crate::codec;
use crate::exchange::Event;
use crate::machine::named;
use crate::text::count;

/// An error that ended a session, with its kind.
///
/// Its message is that of the inner error, which [`downcast_ref`](Self::downcast_ref) returns.
#[derive(Debug)]
pub struct SessionError {
    kind: ErrorKind,
    error: Box<dyn Error + Send + Sync>,
}

/// The kind of an error that ended a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The peer has broken the protocol.
    Violation,
    /// The peer has ended its sending side too early.
    InputEnded,
    /// The peer did not act in time.
    TimedOut,
    /// The peer is not served, through no fault in what it has sent.
    Refused,
    /// Any other error.
    Other,
}

impl ErrorKind {
    /// The connection's event for this kind of error.
    pub(crate) fn event(self) -> Event {
        match self {
            Self::Violation | Self::Refused | Self::Other => Event::Violation,
            Self::InputEnded => Event::InputEnded,
            Self::TimedOut => Event::DeadlinePassed,
        }
    }
}

impl SessionError {
    /// Creates an error of this `kind` from a protocol's error or a plain message.
    pub fn new(kind: ErrorKind, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        SessionError { kind, error: error.into() }
    }

    /// Creates an error for a peer that has broken the protocol.
    pub fn violation(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Violation, error)
    }

    /// Creates an error for a peer that has ended its sending side too early.
    pub fn input_ended(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(ErrorKind::InputEnded, error)
    }

    /// Creates an error for a peer that did not act in time.
    pub fn timed_out(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(ErrorKind::TimedOut, error)
    }

    /// Creates an error for a peer that is not served.
    pub fn refused(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Refused, error)
    }

    /// Creates any other error.
    pub fn other(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Other, error)
    }

    /// The kind of error.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The inner error, if it is an `E`.
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        self.error.downcast_ref()
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl Error for SessionError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

impl From<Box<dyn Error + Send + Sync>> for SessionError {
    fn from(error: Box<dyn Error + Send + Sync>) -> Self {
        Self::other(error)
    }
}

impl From<io::Error> for SessionError {
    fn from(error: io::Error) -> Self {
        Self::other(error)
    }
}

/// A message over its limit is the peer's violation.
impl From<codec::Error> for SessionError {
    fn from(error: codec::Error) -> Self {
        match error {
            codec::Error::LineTooLong { .. } | codec::Error::MessageTooLong { .. } => Self::violation(error),
            codec::Error::NewlineInLine { .. } => Self::other(error),
        }
    }
}

impl From<String> for SessionError {
    fn from(words: String) -> Self {
        Self::other(words)
    }
}

impl From<&str> for SessionError {
    fn from(words: &str) -> Self {
        Self::other(words)
    }
}

/// How a connection ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum End {
    /// The session was [finished](super::Progress::Finished).
    Finished,
    /// The session ended with an error.
    Failed(SessionError),
    /// The session was idle for this long.
    Idle(Duration),
    /// The session left more input unused than this.
    InputOverLimit(usize),
    /// All connections together used more memory than this, and this one the most.
    MemoryOverLimit(usize),
    /// It could not be opened.
    ConnectFailed(io::Error),
    /// It was not opened in time.
    ConnectTimedOut(Duration),
    /// The system reported an error, such as a reset.
    Broken(io::Error),
    /// The peer accepted no output for this long.
    WriteTimedOut(Duration),
    /// The server was at its connection limit, or its selector can't watch the connection.
    Refused,
    /// The server stopped while no work was in progress.
    Stopped,
    /// The server stopped, and work in progress was not finished in time.
    Cut,
    /// The session has panicked.
    Panicked,
}

named! {
    /// A kind of [`End`], by its name in statistics.
    pub enum EndKind {
        /// [`End::Finished`].
        Finished = "finished",
        /// [`End::Failed`], since the peer has broken the protocol.
        Violation = "violation",
        /// [`End::Failed`], since the peer has ended its sending side too early.
        InputEnded = "input_ended",
        /// [`End::Failed`], since the peer did not act in time.
        TimedOut = "timed_out",
        /// [`End::Failed`], with any other error.
        Failed = "failed",
        /// [`End::Idle`].
        Idle = "idle",
        /// [`End::InputOverLimit`].
        InputOverLimit = "input_over_limit",
        /// [`End::MemoryOverLimit`].
        MemoryOverLimit = "memory_over_limit",
        /// [`End::ConnectFailed`].
        ConnectFailed = "connect_failed",
        /// [`End::ConnectTimedOut`].
        ConnectTimedOut = "connect_timed_out",
        /// [`End::Broken`].
        Broken = "broken",
        /// [`End::WriteTimedOut`].
        WriteTimedOut = "write_timed_out",
        /// [`End::Refused`], or [`End::Failed`], since the peer is not served.
        Refused = "refused",
        /// [`End::Stopped`].
        Stopped = "stopped",
        /// [`End::Cut`].
        Cut = "cut",
        /// [`End::Panicked`].
        Panicked = "panicked",
    }
}

impl End {
    /// Its kind.
    pub fn kind(&self) -> EndKind {
        match self {
            End::Finished => EndKind::Finished,
            End::Failed(error) => match error.kind() {
                ErrorKind::Violation => EndKind::Violation,
                ErrorKind::InputEnded => EndKind::InputEnded,
                ErrorKind::TimedOut => EndKind::TimedOut,
                ErrorKind::Refused => EndKind::Refused,
                ErrorKind::Other => EndKind::Failed,
            },
            End::Idle(_) => EndKind::Idle,
            End::InputOverLimit(_) => EndKind::InputOverLimit,
            End::MemoryOverLimit(_) => EndKind::MemoryOverLimit,
            End::ConnectFailed(_) => EndKind::ConnectFailed,
            End::ConnectTimedOut(_) => EndKind::ConnectTimedOut,
            End::Broken(_) => EndKind::Broken,
            End::WriteTimedOut(_) => EndKind::WriteTimedOut,
            End::Refused => EndKind::Refused,
            End::Stopped => EndKind::Stopped,
            End::Cut => EndKind::Cut,
            End::Panicked => EndKind::Panicked,
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Finished => write!(f, "finished"),
            Self::Failed(error) => error.fmt(f),
            Self::Idle(timeout) => write!(f, "idle for {timeout:?}"),
            Self::InputOverLimit(len_max) => {
                write!(f, "more than {} of unused input", count(*len_max, "byte"))
            }
            Self::MemoryOverLimit(max) => {
                write!(f, "all connections use more than {} of memory, this one the most", count(*max, "byte"))
            }
            Self::ConnectFailed(error) | Self::Broken(error) => f.write_str(&crate::text::reason(error)),
            Self::ConnectTimedOut(timeout) => write!(f, "no answer within {timeout:?}"),
            Self::WriteTimedOut(timeout) => write!(f, "peer read nothing for {timeout:?}"),
            Self::Refused => write!(f, "over the connection limit"),
            Self::Stopped => write!(f, "server is stopping"),
            Self::Cut => write!(f, "server stopped before it was done"),
            Self::Panicked => write!(f, "its session panicked"),
        }
    }
}
