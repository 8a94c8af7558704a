//! The examples in `docs/examples`, which people copy.

mod chat;
mod client;
mod proxy;
mod shout;
mod support;
mod timer;
