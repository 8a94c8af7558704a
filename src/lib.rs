//! The servers of Python's socket tutorials, rebuilt as one hand-written event loop. Every other concurrency model of
//! the tutorials serves the same protocol code.
//!
//! One idea holds the crate together: **a protocol is a state machine that knows no socket, no clock and no thread; a
//! concurrency model is a loop that knows no protocol.** Every protocol runs under every loop, a test needs no network,
//! and either half can be read alone.
//!
//! # A tour
//!
//! Two state machines are the heart of it, each a table of rows that is code and documentation at once. [`message`]
//! takes a framed message apart: protoheader, JSON header, content. [`exchange`] is the life of a connection around
//! that: it receives, responds, drains, lingers and closes, and asks the system for reading or writing as its stage
//! requires. `docs/state-machine.md` shows both as diagrams, beside the methods of the tutorial's `Message`; a search
//! in this documentation for one of these names, such as `process_jsonheader`, finds what replaces it.
//!
//! A [`Session`](session::Session) is one connection's protocol. The loop calls it with a
//! [`SessionIo`](session::SessionIo), and it returns its [`Progress`](session::Progress) or an error.
//! [`protocols::app`] is the tutorial's application server as a session, [`protocols::echo`] the multi-connection echo.
//! [`reactor`] is the loop.
//!
//! # The layers, in reading order
//!
//! Each uses only those above it.
//!
//! | layer | module | what it is |
//! |---|---|---|
//! | addresses | [`address`] | of TCP and of Unix sockets |
//! | bytes | [`buffer`] | received bytes and bytes to send, with cursors |
//! | tables | [`machine`] | state machines as rows, which are code, data and diagrams |
//! | message | [`codec`], [`message`] | lines and other messages in a stream; the framed message, where [`message::reader`] is *the* state machine to study |
//! | exchange | [`exchange`] | the stages of a connection, from connecting to closed, and their interest |
//! | files | [`folder`] | reading below one folder and nowhere else; folders in memory |
//! | session | [`session`], [`protocols`] | one connection's protocol, and the service that makes and shares it |
//! | system calls | `sys` | those that need `unsafe`; private, with the feature `models` |
//! | panics, threads, places | `panics`, `sync`, `places` | catching a panic; the types that threads share; limited numbers of connections, threads, programs; private |
//! | programs | `programs` | processes that are run for clients; with the feature `models` |
//! | selector | [`selector`] | the system as a loop sees it: mio, poll, select, or a simulated network with a clock |
//! | connection | [`connection`] | a stream and a session, and everything between them; its limits and timeouts |
//! | reactor | [`reactor`] | the event loop: many connections, interest, timers, accepting, stopping |
//! | simulation | [`sim`] | a whole server with its network and its clock, from one number |
//! | models | `models` | every other way to serve many clients, with the same connections; with the feature `models` |
//! | relay | `relay` | bytes from descriptor to descriptor, for tools without a protocol; private, with the feature `cli` |
//! | tools | [`client`], [`queues`], `http`, `admin`, `bench`, `cli`, `front` | clients on the same loop, the kernel's queues, pages on this machine, watching a loop, the benchmark, the program, and the front of a program of your own |
//!
//! # A protocol of your own
//!
//! A protocol requires a [`Session`](session::Session), and a function that makes one for each connection:
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
//!             return Ok(Progress::NeedRoom); // until the peer has read some of its replies
//!         }
//!         let capitals = io.input().take_all().to_ascii_uppercase();
//!         io.output().push(&capitals);
//!         Ok(if io.input_ended() { Progress::Finished } else { Progress::NeedInput })
//!     }
//! }
//!
//! // A session needs no network to be tested.
//! use multiconn::session::testing::Harness;
//!
//! let mut shout = Harness::new(Shout);
//! shout.feed(b"hello");
//! assert_eq!(shout.call(Instant::now()).unwrap(), Progress::NeedInput);
//! assert_eq!(shout.take_output(), b"HELLO");
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
//! A session can also be [woken from another thread](session::SessionIo::waker), [end its
//! side](session::SessionIo::end_output) and read on, and [learn of a stop](session::SessionIo::is_stopping). A
//! [`Service`](session::Service) holds what its sessions share, and can [open
//! connections](session::Service::opens_connections). The examples `shout`, `chat`, `timer`, `proxy`, `client` and
//! `server` in `docs/examples` show these. `front::Front`, with the feature `cli`, turns a service into a program with
//! the options, models and signals of `multiconn serve`.
//!
//! The invariants of the crate are listed in `docs/architecture.md`, under "Invariants".

// On docs.rs, each item that needs a feature says so.
#![cfg_attr(docsrs, feature(doc_cfg))]
// `println!` and `eprintln!` panic if the stream is closed or full.
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod address;
#[cfg(feature = "cli")]
pub mod admin;
#[cfg(feature = "cli")]
pub mod bench;
pub mod buffer;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "cli")]
pub use cli::front;
pub mod client;
pub mod codec;
pub mod connection;
pub mod exchange;
pub mod folder;
#[cfg(feature = "cli")]
pub mod http;
pub mod machine;
pub mod message;
#[cfg(feature = "models")]
pub mod models;
mod panics;
mod places;
#[cfg(loom)]
pub use places::{Place, Places};
#[cfg(feature = "models")]
pub mod programs;
pub mod protocols;
pub mod queues;
pub mod reactor;
#[cfg(feature = "cli")]
mod relay;
pub mod selector;
pub mod session;
pub mod sim;
mod sync;
#[cfg(feature = "models")]
mod sys;
mod text;
pub mod trace;
