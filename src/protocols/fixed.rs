//! Messages of a length that both sides know: sixteen bytes each way.
//!
//! It shows that a stream has no messages: to get sixteen bytes, read until they are all there, and report how many
//! arrived if the stream ends early.

mod client;
mod server;

pub use client::{FixedClient, FixedError};
pub use server::{FixedServer, FixedService};

use std::fmt;
use std::time::Duration;

use crate::text::count;

/// The text's port.
pub const PORT: u16 = 1060;

/// The length of every message in bytes.
pub const LEN: usize = 16;

/// The client's message.
pub const GREETING: &[u8; LEN] = b"Hi there, server";

/// The server's reply, after which it closes.
pub const FAREWELL: &[u8; LEN] = b"Farewell, client";

/// A message did not arrive completely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Incomplete {
    /// The other side ended its side early.
    Closed {
        /// Bytes that came.
        got: usize,
    },
    /// It took too long.
    TooSlow {
        /// Bytes that came.
        got: usize,
        /// The time allowed for all of them.
        timeout: Duration,
    },
}

impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed { got } => write!(f, "socket closed {} into a {LEN}-byte message", count(*got, "byte")),
            Self::TooSlow { got, timeout } => {
                write!(f, "timed out after {timeout:?}, {} into a {LEN}-byte message", count(*got, "byte"))
            }
        }
    }
}

impl std::error::Error for Incomplete {}
