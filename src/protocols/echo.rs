//! The multi-connection echo: what comes goes back.
//!
//! The tutorial's `multiconn-server` and `multiconn-client`, with the input ended, the slow reader and the silent peer
//! seen to; and the other texts' variations of them: a server that puts something before and after each chunk, or takes its
//! time, and a client that says one line after the other.

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
