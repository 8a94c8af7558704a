//! The servers of Python's socket tutorials, rebuilt as one hand-rolled event loop; and every other concurrency model of
//! the texts, serving the same protocol code.
//!
//! One idea holds the crate together: **a protocol is a state machine that knows no socket, no clock and no thread; a
//! concurrency model is a loop that knows no protocol.** Every protocol runs under every loop, a test needs no network,
//! and either half can be read alone.
//!
//! # The layers, in reading order
//!
//! Each knows only those above it.
//!
//! | layer | module | what it is |
//! |---|---|---|
//! | bytes | [`buffer`] | what has come in and what is to go out, with cursors |
//! | message | [`message`] | the framed message; [`message::reader`] is *the* state machine to study |
//! | files | [`folder`] | reading below one folder and nowhere else |
//! | session | [`session`], [`protocols`] | one connection's protocol, and what makes and shares it |
//! | system calls | `sys` | the few that need `unsafe`; private, and only there with the feature `models` |
//! | programs | `programs` | processes that are run for clients; with the feature `models` |
//! | selector | [`selector`] | what a loop asks of the system: mio, poll, select, or a simulated network with a clock |
//! | connection | `connection` | a stream and a session, and what happens between them |
//! | reactor | [`reactor`] | the event loop: many connections, interest, timers, accepting, stopping |
//! | models | `models` | every other way to serve many clients, with the same connections; with the feature `models` |
//! | relay | `relay` | bytes from descriptor to descriptor, for tools that speak no protocol; private, with the feature `cli` |
//! | tools | [`client`], [`queues`], `bench`, `cli` | clients on the same loop, what netstat shows, what measures the models, and the program |
//!
//! # A protocol of your own
//!
//! It takes a [`Session`](session::Session), and a function that makes one for each connection:
//!
//! ```
//! use std::time::Instant;
//! use multiconn::session::{Progress, Session, SessionError, SessionIo};
//!
//! struct Shout;
//!
//! impl Session for Shout {
//!     fn advance(&mut self, io: &mut SessionIo<'_>, _now: Instant) -> Result<Progress, SessionError> {
//!         if !io.output().has_room() {
//!             return Ok(Progress::NeedRoom); // until the peer has read some of what it was sent
//!         }
//!         let capitals = io.input().take_all().to_ascii_uppercase();
//!         io.output().push(&capitals);
//!         Ok(if io.input_ended() { Progress::Finished } else { Progress::NeedInput })
//!     }
//! }
//!
//! # fn main() -> std::io::Result<()> {
//! use multiconn::{reactor::{Config, Reactor}, selector::MioSelector, session::Peer};
//!
//! let mut reactor = Reactor::new(MioSelector::new()?, |_: &Peer| Shout, Config::default());
//! println!("Listening on {}", reactor.listen("127.0.0.1:0")?[0]);
//! # reactor.handle().stop();
//! reactor.run()
//! # }
//! ```
//!
//! `docs/examples/shout.rs` is the same with lines and a limit.
//!
//! # What holds
//!
//! 1. **One turn** of the reactor is: select, dispatch events, run the runnable, accept others, expire timers. The clock
//!    is read once a turn and handed down.
//! 2. **Dispatch cannot fail.** No connection's error ends the loop, or touches another connection.
//! 3. **Readiness is remembered, interest is masked.** What we ask the system for is changed only where it differs from
//!    what we asked last. A message that comes whole costs one `recv` and one `send`, and nothing else.
//! 4. **Every run has a budget** in bytes and messages, so one fast peer starves nobody.
//! 5. **An idle connection owns no heap memory** beyond its slot in the slab.
//! 6. **Nothing is allocated because a peer said so.** Memory grows with what was received, under a limit.
//! 7. **Every wait has a deadline**: the reactor's own, and each of a session that gives one.
//! 8. **Half-close is input.** A peer that has ended its sending side still gets its reply.
//! 9. **Accept errors are sorted**: a connection's own are skipped, the process's pause the listener.
//! 10. **A warm connection serves a message without touching the allocator.**
//! 11. **No `unsafe`** outside of `sys`, where each call says what makes it safe.
//!
//! `docs/architecture.md` tells where each is kept, and what is deliberately absent.

#[cfg(feature = "cli")]
pub mod bench;
pub mod buffer;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "cli")]
pub use cli::front;
pub mod client;
pub mod connection;
pub mod exchange;
pub mod folder;
pub mod machine;
pub mod message;
#[cfg(feature = "models")]
pub mod models;
mod panics;
mod places;
#[cfg(feature = "models")]
pub mod programs;
pub mod protocols;
pub mod queues;
pub mod reactor;
#[cfg(feature = "cli")]
mod relay;
pub mod selector;
pub mod session;
#[cfg(feature = "models")]
mod sys;
mod text;
