//! The servers of Python's socket tutorials, as one hand-rolled reactor.

pub mod buffer;
pub mod message;
pub mod protocols;
pub mod reactor;
pub mod selector;
pub mod session;
mod text;
