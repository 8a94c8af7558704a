//! The multi-connection echo: sends back what it receives.
//!
//! The tutorial's `multiconn-server` and `multiconn-client`, made to handle half-closes, slow readers and silent peers.
//! It includes the other texts' variations: a server that puts text around each chunk, or delays it, and a client that
//! sends one line after the other.

mod client;
mod server;
mod talker;

pub use client::{EchoClient, EchoError};
pub use server::{Echo, EchoServer, EchoService};
pub use talker::{EchoTalker, TalkError};

/// The tutorial's port.
pub const PORT: u16 = 65432;

/// The messages that the tutorial's client sends on each connection.
pub const TUTORIAL_MESSAGES: [&str; 2] = ["Message 1 from client.", "Message 2 from client."];
