//! Errors that end a framed conversation.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::message::{Phase, Position, ProtocolError};
use crate::session::SessionError;

/// An error that ends a framed conversation. Its text is sent to the peer, if a reply is due.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AppError {
    /// The peer has broken the protocol.
    Protocol(ProtocolError),
    /// The peer has closed in the middle of a message.
    PeerClosedMidMessage(Position),
    /// A message did not come in time.
    TooSlow {
        /// How much of it arrived.
        position: Position,
        /// The time allowed for it.
        timeout: Duration,
    },
}

impl AppError {
    /// Whether to send an error reply: not if the peer has gone.
    pub fn deserves_reply(&self) -> bool {
        match self {
            Self::Protocol(_) | Self::TooSlow { .. } => true,
            Self::PeerClosedMidMessage(_) => false,
        }
    }
}

impl fmt::Display for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(error) => error.fmt(f),
            Self::PeerClosedMidMessage(Position { phase: Phase::Idle, .. }) => {
                write!(f, "peer closed before it sent a message")
            }
            Self::PeerClosedMidMessage(position) => write!(f, "peer closed in mid-message, {position}"),
            Self::TooSlow { position: Position { phase: Phase::Idle, .. }, timeout } => {
                write!(f, "timed out: nothing came for {timeout:?}")
            }
            Self::TooSlow { position, timeout } => write!(f, "timed out after {timeout:?}, {position}"),
        }
    }
}

impl Error for AppError {}

impl From<ProtocolError> for AppError {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}

impl From<AppError> for SessionError {
    fn from(error: AppError) -> Self {
        match error {
            AppError::Protocol(_) => SessionError::violation(error),
            AppError::PeerClosedMidMessage(_) => SessionError::input_ended(error),
            AppError::TooSlow { .. } => SessionError::timed_out(error),
        }
    }
}
