//! A session without a connection, for tests: bytes go in, bytes come out, and the test sets the time.
//!
//! ```
//! use std::time::{Duration, Instant};
//!
//! use multiconn::protocols::echo::EchoService;
//! use multiconn::session::testing::{Harness, PEER};
//! use multiconn::session::{Progress, Service};
//!
//! let mut echo = Harness::new(EchoService::default().accept(&PEER));
//! echo.feed(b"hello");
//! assert_eq!(echo.call(Instant::now()).unwrap(), Progress::NeedInput);
//! assert_eq!(echo.take_output(), b"hello");
//! echo.end_input();
//! assert_eq!(echo.call(Instant::now()).unwrap(), Progress::Finished);
//! ```
//!
//! To test how the loops treat a session, such as when they call it, read, and close, use the [simulated
//! network](crate::selector::sim).

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Wake, Waker};
use std::time::Instant;

use super::{Peer, Progress, Session, SessionError, SessionIo, no_local_addr};
use crate::address::Addr;
use crate::buffer::{Input, Outgoing};
use crate::machine::Steps;

/// A peer that has connected to us, at 192.0.2.1:50000, an address for documentation (RFC 5737).
pub const PEER: Peer = Peer::accepted(ADDR);

/// A server at the same address, to which we have opened our first connection.
pub const SERVER: Peer = Peer::opened(ADDR, 1);

const ADDR: Addr = Addr::Inet(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 50_000));

/// A session, with the data that a connection would keep for it.
#[derive(Debug)]
pub struct Harness<T> {
    /// The session itself.
    pub session: T,
    /// The other side; by default, a peer that has connected to us.
    pub peer: Peer,
    /// The output's high-water mark: by default, 64 KiB.
    pub high_water: usize,
    /// The number of messages a call may begin: by default, 256.
    pub messages_per_call: u32,
    /// Whether the server is stopping.
    pub is_stopping: bool,
    /// The unsent output.
    pub output: Outgoing,
    input: Vec<u8>,
    input_ended: bool,
    ends_output: bool,
    wakes: Arc<Wakes>,
}

#[derive(Debug, Default)]
struct Wakes(AtomicU32);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

impl<T: Session> Harness<T> {
    /// Wraps a new session.
    pub fn new(session: T) -> Self {
        Harness {
            session,
            peer: PEER,
            high_water: 64 << 10,
            messages_per_call: 256,
            is_stopping: false,
            output: Outgoing::default(),
            input: Vec::new(),
            input_ended: false,
            ends_output: false,
            wakes: Arc::default(),
        }
    }

    /// Adds `bytes` to the input.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// Ends the peer's sending side.
    pub fn end_input(&mut self) {
        self.input_ended = true;
    }

    /// Calls the session once.
    ///
    /// # Errors
    /// The session's.
    pub fn call(&mut self, now: Instant) -> Result<Progress, SessionError> {
        // As on a connection, output after the end of our side is dropped.
        let mut nowhere = Outgoing::default();
        let make_waker = || Waker::from(Arc::clone(&self.wakes));
        let mut io = SessionIo {
            input: Input::new(&self.input),
            output: if self.ends_output { &mut nowhere } else { &mut self.output }.output(self.high_water),
            input_ended: self.input_ended,
            hung_up: self.input_ended,
            is_stopping: self.is_stopping,
            messages_left: self.messages_per_call,
            ends_output: self.ends_output,
            ignores_input: false,
            introduced: None,
            peer: &self.peer,
            make_waker: &make_waker,
            local_addr: &no_local_addr,
            steps: Steps::default(),
        };
        let result = self.session.advance(&mut io, now);
        // Lent bytes move to the output before the input goes away.
        io.output.keep_lent();
        self.ends_output = io.ends_output;
        let introduced = io.introduced;
        let used = io.input.used();
        self.input.drain(..used);
        self.peer.addr = introduced.unwrap_or(self.peer.addr);
        result
    }

    /// The input that the session has left unused.
    pub fn unused(&self) -> &[u8] {
        &self.input
    }

    /// Takes the whole output.
    ///
    /// # Panics
    /// If a file that is part of it can't be read.
    pub fn take_output(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.output.read_to_end(&mut bytes).expect("an output that can be read");
        bytes
    }

    /// Whether the session has ended its sending side.
    pub fn ends_output(&self) -> bool {
        self.ends_output
    }

    /// The number of times that the session's wakers have been used.
    pub fn wakes(&self) -> u32 {
        self.wakes.0.load(Ordering::Acquire)
    }
}
