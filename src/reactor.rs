//! The event loop, by hand: one thread, many connections.
//!
//! A turn is: select, dispatch the events, run the runnable, accept others, expire timers; the tutorial's `while True:
//! sel.select(timeout=None)`, with what a server in front of real traffic needs besides. The loop knows no protocol (that
//! is the [`Session`](crate::session::Session)'s) and no system (that is the [`Selector`]'s), so it runs as well on the
//! simulated network as on epoll.
//!
//! Dispatch cannot fail: an event only marks its connection as ready and puts it into the runnable queue. What happens to
//! a connection when it runs is in `connection.rs`, and an error there closes that connection and touches no other.

mod accept;
mod connection;
mod handle;
mod id;
mod timers;

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use slab::Slab;

use crate::buffer::Rest;
use crate::selector::{Event, Interest, MioSelector, Readiness, Selector};
use crate::session::{End, Peer, Service};
use accept::Accepting;
pub use accept::REFUSALS_MAX;
use connection::{Alarm, Connection, ConnectionState, Outcome};
pub use handle::Handle;
use id::{ConnectionId, Source};
use timers::Timers;

/// Limits and timeouts of connections, whatever the protocol. Those of messages are the protocol's.
///
/// Timeouts are added to the time, which panics where the sum is beyond the clock: for "never", a year does, and
/// `Duration::MAX` does not.
#[derive(Clone, Debug)]
pub struct Config {
    /// Most connections served at once. One above it is accepted, told so in the protocol's own way, and closed.
    pub connections_max: usize,
    /// How long a peer may take none of the output that waits for it.
    pub write_timeout: Duration,
    /// How long, after a [stop](Handle::stop), what has begun may take to finish.
    pub drain_timeout: Duration,
    /// How long, after our side has ended, input is read and dropped until the peer ends its own.
    pub linger_timeout: Duration,
    /// Most bytes dropped in that time.
    pub linger_len_max: usize,
    /// Bytes of waiting output from which on no further input is read or used: back-pressure.
    pub output_high_water: usize,
    /// How long to wait for a connection of our own to open, for each address tried.
    pub connect_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            connections_max: 1000,
            write_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(10),
            linger_timeout: Duration::from_secs(2),
            linger_len_max: 16 << 20,
            output_high_water: 64 << 10,
            connect_timeout: Duration::from_secs(10),
        }
    }
}

/// The event loop of one service.
#[derive(Debug)]
pub struct Reactor<S: Selector, V: Service> {
    selector: S,
    service: V,
    config: Config,
    connections: Slab<Connection<S::Stream, V::Session>>,
    /// Generation of the connection made last: a slot that is used again has a new id.
    generation: u32,
    /// Connections we have opened ourselves.
    opened: u32,
    accepting: Accepting<S::Listener>,
    /// A connection that was one too many when it was accepted. It's refused in the next turn, unless that turn's events
    /// free a place: so who closes one connection and opens another finds the place that was left.
    one_too_many: Option<(S::Stream, SocketAddr)>,
    /// Connections that have something to do, each at most once.
    runnable: VecDeque<ConnectionId>,
    timers: Timers,
    handle: Handle,
    /// When to give up what has begun; from a stop on.
    stopping: Option<Instant>,
    scratch: Scratch,
    events: Vec<Event>,
    now: Instant,
}

/// Buffers that every connection uses while it runs, so that one that waits needs none.
#[derive(Debug)]
struct Scratch {
    input: Box<[u8]>,
    output: Rest,
}

/// Bytes read at once.
const READ_LEN: usize = 64 << 10;

impl<S: Selector, V: Service> Reactor<S, V> {
    /// A reactor that has nothing to do yet.
    pub fn new(selector: S, service: V, config: Config) -> Self {
        Reactor {
            handle: Handle::new(selector.waker()),
            now: selector.now(),
            selector,
            service,
            config,
            connections: Slab::new(),
            generation: 0,
            opened: 0,
            accepting: Accepting::default(),
            one_too_many: None,
            runnable: VecDeque::new(),
            timers: Timers::default(),
            stopping: None,
            scratch: Scratch { input: vec![0; READ_LEN].into(), output: Rest::default() },
            events: Vec::new(),
        }
    }

    /// Something to stop it with, from another thread or a signal handler.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// The service.
    pub fn service(&self) -> &V {
        &self.service
    }

    /// The service, and with it what it has collected.
    pub fn into_service(self) -> V {
        self.service
    }

    /// Accepts connections from `listener`.
    ///
    /// # Errors
    /// Where it can't be watched.
    pub fn add_listener(&mut self, listener: S::Listener) -> io::Result<()> {
        self.accepting.add(&mut self.selector, listener)
    }

    /// Opens a connection to the first of `addresses` that lets it, and runs `session` on it. Returns its number, from 1.
    ///
    /// Every failure, also one at once, is told by [`Service::ended`].
    ///
    /// # Panics
    /// Where `addresses` is empty.
    pub fn connect(&mut self, addresses: &[SocketAddr], session: V::Session) -> u32 {
        // Since the last turn, or before the first, much time may have passed, such as for looking up the addresses.
        self.now = self.selector.now();
        self.opened += 1;
        let mut others = VecDeque::from(addresses.to_vec());
        let addr = others.pop_front().expect("there is an address to connect to");
        self.open(Peer { addr, number: Some(self.opened) }, others, session);
        self.opened
    }

    /// Runs until it is [stopped](Handle::stop) and what had begun is done, or, without listeners, until the last
    /// connection is closed.
    ///
    /// # Errors
    /// Where the selector fails: nothing that a peer does.
    pub fn run(&mut self) -> io::Result<()> {
        while !self.is_done() {
            self.turn()?;
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.connections.is_empty() && self.accepting.is_over()
    }

    fn turn(&mut self) -> io::Result<()> {
        let timeout = self.timeout();
        self.selector.select(&mut self.events, timeout)?;
        self.now = self.selector.now();
        self.dispatch();
        self.obey();
        // First those that are here: who comes after one that has closed is to find its place free.
        self.run_the_runnable();
        self.accept();
        self.expire_timers();
        Ok(())
    }

    /// How long `select` may wait.
    fn timeout(&self) -> Option<Duration> {
        if !self.runnable.is_empty() || self.accepting.is_runnable() || self.one_too_many.is_some() {
            return Some(Duration::ZERO);
        }
        let deadlines = [self.timers.next(), self.accepting.retry_at(), self.stopping];
        deadlines.into_iter().flatten().min().map(|deadline| deadline.saturating_duration_since(self.now))
    }

    fn dispatch(&mut self) {
        for event in self.events.drain(..) {
            match Source::of(event.token) {
                Source::Listener(index) => self.accepting.set_ready(index),
                Source::Connection(id) => {
                    let Some(connection) = id.get_mut(&mut self.connections) else { continue };
                    connection.ready(event.readiness);
                    connection.enqueue(id, &mut self.runnable);
                }
            }
        }
    }

    /// Does what the handle was told.
    fn obey(&mut self) {
        if self.handle.takes_reload() {
            self.service.reload();
        }
        if self.stopping.is_none() && self.handle.is_stopped() {
            self.stop();
        }
        if self.stopping.is_some_and(|until| self.now >= until) {
            let keys: Vec<usize> = self.connections.iter().map(|(key, _)| key).collect();
            for key in keys {
                let end = self.connections[key].take_end();
                self.close(key, end);
            }
        }
    }

    /// Accepts no more, and closes what has nothing begun; what has is closed when it's finished.
    fn stop(&mut self) {
        let timeout = self.config.drain_timeout;
        match self.connections.len() {
            0 => log::info!("Stopping"),
            open => log::info!("Stopping; open connections: {open}, which have up to {timeout:?} to finish"),
        }
        self.stopping = Some(self.now + timeout);
        self.accepting.end(&mut self.selector);
        self.one_too_many = None;
        for (key, connection) in &mut self.connections {
            // What a peer has sent before the stop counts as begun, even if it has not been read yet.
            connection.ready(Readiness { readable: true, ..Readiness::default() });
            connection.enqueue(connection.id(key), &mut self.runnable);
        }
    }

    fn run_the_runnable(&mut self) {
        // Those that yield are run again in the next turn, after the events of others.
        for _ in 0..self.runnable.len() {
            let Some(id) = self.runnable.pop_front() else { break };
            self.run_connection(id);
        }
    }

    fn expire_timers(&mut self) {
        while let Some((when, id)) = self.timers.expired(self.now) {
            let Some(connection) = id.get_mut(&mut self.connections) else { continue };
            match connection.timer_went_off(when, self.now) {
                Alarm::Due => self.run_connection(id),
                Alarm::Early { later } => self.timers.set(id, later),
                Alarm::Stale => {}
            }
        }
        if self.timers.is_mostly_stale(self.connections.len()) {
            let connections = &mut self.connections;
            self.timers.retain(|id, when| id.get_mut(connections).is_some_and(|c| c.has_timer_at(when)));
        }
    }

    fn run_connection(&mut self, id: ConnectionId) {
        let Some(connection) = id.get_mut(&mut self.connections) else { return };
        let outcome = connection.run(&mut self.scratch, &self.config, self.now, self.stopping.is_some());
        match outcome {
            Outcome::Wait { interest, deadline } => {
                if let Some(when) = connection.set_deadline(deadline, self.now) {
                    self.timers.set(id, when);
                }
                if connection.interest != interest {
                    self.apply_interest(id, interest);
                }
            }
            Outcome::Yield => connection.enqueue(id, &mut self.runnable),
            Outcome::NotConnected(end) => self.try_next_address(id.key(), end),
            Outcome::Close(end) => self.close(id.key(), end),
        }
    }

    /// The one place where what we ask the system for is changed.
    fn apply_interest(&mut self, id: ConnectionId, wanted: Interest) {
        let connection = &mut self.connections[id.key()];
        let before = mem::replace(&mut connection.interest, wanted);
        log::trace!("Interest in {}: {before} -> {wanted}", connection.peer);
        let (stream, token) = (&mut connection.stream, id.token());
        let result = if before == Interest::NONE {
            self.selector.register(stream, token, wanted)
        } else if wanted == Interest::NONE {
            self.selector.deregister(stream, token)
        } else {
            self.selector.reregister(stream, token, wanted)
        };
        if let Err(error) = result {
            self.close(id.key(), End::Broken(error));
        }
    }

    /// Begins to open a connection. Where that fails at once, so does the next, until one goes on or none is left.
    fn open(&mut self, mut peer: Peer, mut others: VecDeque<SocketAddr>, session: V::Session) {
        loop {
            log::info!("Starting {peer} to {}", peer.addr);
            match self.selector.connect(peer.addr) {
                Ok(stream) => {
                    let until = self.now + self.config.connect_timeout;
                    let state = ConnectionState::Connecting { until, others };
                    return self.insert(Connection::new(stream, session, peer, state));
                }
                Err(error) => {
                    let Some(next) = others.pop_front() else {
                        return self.service.ended(session, &peer, End::ConnectFailed(error));
                    };
                    log::info!("Cannot connect to {}: {}", peer.addr, crate::text::reason(&error));
                    peer.addr = next;
                }
            }
        }
    }

    fn try_next_address(&mut self, key: usize, end: End) {
        let mut others = self.connections[key].take_other_addresses();
        let Some(addr) = others.pop_front() else { return self.close(key, end) };
        let connection = self.connections.remove(key);
        log::info!("Cannot connect to {}: {end}", connection.peer.addr);
        let token = connection.id(key).token();
        let (session, peer) = (connection.session, Peer { addr, ..connection.peer });
        self.selector.close(connection.stream, token);
        self.open(peer, others, session);
    }

    /// Gives a connection a slot and an id, and runs it: a request has often come along with its connection.
    fn insert(&mut self, mut connection: Connection<S::Stream, V::Session>) {
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        connection.generation = self.generation;
        let key = self.connections.insert(connection);
        self.run_connection(ConnectionId::new(key, self.generation));
    }

    fn close(&mut self, key: usize, end: End) {
        let connection = self.connections.remove(key);
        log::info!("Closing {}: {end}", connection.name());
        self.selector.close(connection.stream, ConnectionId::new(key, connection.generation).token());
        self.accepting.connection_closed(&mut self.selector, connection.is_refused, self.now);
        self.service.ended(connection.session, &connection.peer, end);
    }
}

impl<V: Service> Reactor<MioSelector, V> {
    /// Listens on every address that `addr` stands for, and returns those it got: port 0 picks a free one.
    ///
    /// # Errors
    /// Where one of them can't be listened on.
    pub fn listen(&mut self, addr: impl ToSocketAddrs) -> io::Result<Vec<SocketAddr>> {
        let mut bound = Vec::new();
        for addr in addr.to_socket_addrs()? {
            let listener = std::net::TcpListener::bind(addr)?;
            bound.push(listener.local_addr()?);
            self.add_listener(MioSelector::listener(listener)?)?;
        }
        Ok(bound)
    }
}
