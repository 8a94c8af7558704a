//! Messages of a length that both sides know: sixteen bytes there, sixteen back.
//!
//! What it teaches is that a stream has no messages: who wants sixteen bytes reads until they are there, and says how far
//! it came where they don't all come.

mod client;
mod server;

pub use client::{FixedClient, FixedError};
pub use server::{FixedServer, FixedService};

use std::fmt;
use std::time::Duration;

/// The text's port.
pub const PORT: u16 = 1060;

/// Bytes of every message.
pub const LEN: usize = 16;

/// What the client says.
pub const GREETING: &[u8; LEN] = b"Hi there, server";

/// What the server says, and then it closes.
pub const FAREWELL: &[u8; LEN] = b"Farewell, client";

/// A message did not come whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Incomplete {
    /// The other side has ended its own before.
    Closed {
        /// Bytes that came.
        got: usize,
    },
    /// It took too long.
    TooSlow {
        /// Bytes that came.
        got: usize,
        /// How long was waited for all of them.
        timeout: Duration,
    },
}

impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed { got } => write!(f, "socket closed {got} bytes into a {LEN}-byte message"),
            Self::TooSlow { got, timeout } => {
                write!(f, "timed out after {timeout:?}, {got} bytes into a {LEN}-byte message")
            }
        }
    }
}

impl std::error::Error for Incomplete {}
