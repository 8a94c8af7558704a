//! The sink: a server that never reads a byte.
//!
//! The tutorial describes it to show what happens to unread bytes: the kernels on both sides take them until their
//! buffers are full; then the client's next send blocks.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::session::{Peer, Progress, Service, Session, SessionError, SessionIo};
use crate::text::count;

/// The tutorial's port.
pub const PORT: u16 = 65432;

/// Interval between checks of the receive queue.
pub const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// Makes the server's sessions.
#[derive(Clone, Debug)]
pub struct SinkService {
    hold_timeout: Duration,
    lookout: Option<Arc<Lookout>>,
}

impl Default for SinkService {
    /// The default hold timeout is ten minutes.
    fn default() -> Self {
        SinkService::new(Duration::from_secs(600))
    }
}

impl SinkService {
    /// Creates a service that keeps each connection until the peer hangs up, but at most for `hold_timeout`. The
    /// hang-up of a peer with unsent bytes never arrives, since it queues behind them.
    pub fn new(hold_timeout: Duration) -> Self {
        SinkService { hold_timeout, lookout: None }
    }

    /// Adds a debug log of each connection's unread bytes, for when that log level is on. `look` is called at most once
    /// every [`LOOK_INTERVAL`], for all connections together.
    pub fn looking(self, look: impl Look + 'static) -> Self {
        SinkService { lookout: Some(Arc::new(Lookout { look: Box::new(look), last: Mutex::default() })), ..self }
    }
}

impl Service for SinkService {
    type Session = SinkServer;

    fn accept(&mut self, _peer: &Peer) -> SinkServer {
        SinkServer {
            hold_timeout: self.hold_timeout,
            until: None,
            lookout: self.lookout.clone(),
            next_look: None,
            waiting: 0,
        }
    }
}

/// The server's side: does nothing, until the peer hangs up or has been held long enough.
#[derive(Debug)]
pub struct SinkServer {
    hold_timeout: Duration,
    until: Option<Instant>,
    lookout: Option<Arc<Lookout>>,
    next_look: Option<Instant>,
    /// The number of unread bytes at the last check.
    waiting: u64,
}

impl Session for SinkServer {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        io.ignore_input();
        if io.hung_up() {
            log::info!("{} has hung up", io.peer());
            return Ok(Progress::Finished);
        }
        if now >= *self.until.get_or_insert(now + self.hold_timeout) {
            return Err(SessionError::other(format!("held for {:?}", self.hold_timeout)));
        }
        self.look(io.peer(), now);
        Ok(Progress::Working)
    }

    fn deadline(&self) -> Option<Instant> {
        [self.until, self.next_look].into_iter().flatten().min()
    }
}

impl SinkServer {
    fn look(&mut self, peer: &Peer, now: Instant) {
        let Some(lookout) = &self.lookout else { return };
        if self.next_look.is_some_and(|when| now < when) {
            return;
        }
        let Some(addr) = peer.addr.inet() else { return };
        let (waiting, next) = lookout.waiting(addr, now);
        self.next_look = Some(next);
        if let Some(waiting) = waiting.filter(|&waiting| waiting != self.waiting) {
            log::debug!("Recv-Q of {peer}: {}", count(waiting, "byte"));
            self.waiting = waiting;
        }
    }
}

/// The number of unread bytes from each known peer; the addresses are plain IPv4 where possible, and without a scope.
pub type Waiting = HashMap<SocketAddr, u64>;

/// A function that determines these numbers.
pub trait Look: Fn() -> Waiting + Send + Sync {}

impl<F: Fn() -> Waiting + Send + Sync> Look for F {}

/// Checks all connections at once.
struct Lookout {
    look: Box<dyn Look>,
    /// The time and result of the last check.
    last: Mutex<Option<(Instant, Waiting)>>,
}

impl Lookout {
    /// The number of unread bytes from `peer`, if known, and the time of the next check. All connections get the same
    /// time, so that one check serves all.
    fn waiting(&self, peer: SocketAddr, now: Instant) -> (Option<u64>, Instant) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, waiting) = match last.take() {
            Some((at, waiting)) if now < at + LOOK_INTERVAL => (at, waiting),
            Some(_) | None => (now, (self.look)()),
        };
        let found = waiting.get(&SocketAddr::new(peer.ip().to_canonical(), peer.port())).copied();
        *last = Some((at, waiting));
        (found, at + LOOK_INTERVAL)
    }
}

impl fmt::Debug for Lookout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookout").finish_non_exhaustive()
    }
}
