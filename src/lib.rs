//! The servers of Python's socket tutorials, as one hand-rolled reactor.

pub mod buffer;
#[cfg(feature = "cli")]
pub mod cli;
pub mod client;
pub mod message;
pub mod protocols;
pub mod reactor;
pub mod selector;
pub mod session;
mod text;
