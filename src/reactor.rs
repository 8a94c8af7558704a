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
mod handle;
mod id;
mod inbox;
mod slot;
mod slots;
mod spin;
mod timers;

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::connection::{self, Connecting, Connection, Outcome, Scratch, Turn, earlier, log_stop};
use crate::panics::{self, Caught};
use crate::places::Place;
use crate::selector::{self, Event, Interest, Readiness, Selector, Stream, TcpListener};
use crate::session::{Connect, End, Peer, Role, Service};
use accept::Accepting;
pub use accept::REFUSALS_MAX;
pub use handle::Handle;
use id::{ConnectionId, Watched};
use inbox::Inbox;
use slot::Alarm;
use slots::Slots;
use spin::{Answer, Spin};
use timers::Timers;

/// Limits of a reactor, and those of its connections.
#[derive(Clone, Debug)]
pub struct Config {
    /// Most connections served at once. One above it is accepted, told so in the protocol's own way, and closed.
    pub connections_max: usize,
    /// How long to ask the selector over and over before sleeping, while events come as soon as this: a sleep costs more
    /// than a small request. Zero is never.
    pub spin: Duration,
    /// Limits and timeouts of each connection.
    pub connection: connection::Config,
}

impl Default for Config {
    /// A thousand connections, and no spinning.
    fn default() -> Self {
        Config { connections_max: 1000, spin: Duration::ZERO, connection: connection::Config::default() }
    }
}

/// The limits of connections alone.
impl From<connection::Config> for Config {
    fn from(connection: connection::Config) -> Self {
        Config { connection, ..Config::default() }
    }
}

/// The event loop of one service.
#[derive(Debug)]
#[must_use = "it serves when it's run"]
pub struct Reactor<S: Selector, V: Service> {
    selector: S,
    /// How it waits.
    spin: Spin,
    service: V,
    config: Config,
    slots: Slots<S::Stream, V::Session>,
    /// Connections we have opened ourselves.
    opened: u32,
    accepting: Accepting<S::Listener>,
    /// A connection that was one too many when it was accepted. It's refused in the next turn, unless that turn's events
    /// free a place: so who closes one connection and opens another finds the place that was left.
    one_too_many: Option<(S::Stream, SocketAddr)>,
    /// Whether the service has connections to open.
    opens_connections: bool,
    /// Connections that have something to do, each at most once.
    runnable: VecDeque<ConnectionId>,
    /// What a panic would concern now.
    concerned: Concerned,
    /// The connection for which the service is being asked for a session.
    newcomer: Option<Newcomer<S::Stream>>,
    timers: Timers,
    handle: Handle,
    inbox: Arc<Inbox>,
    /// When to give up what has begun; from a stop on.
    stopping: Option<Instant>,
    scratch: Scratch,
    events: Vec<Event>,
    now: Instant,
}

/// What a panic concerns.
#[derive(Clone, Copy, Debug)]
enum Concerned {
    /// No connection: it's ours.
    Nothing,
    /// The session of a connection, which is being called.
    Session(ConnectionId),
    /// A connection that has ended, as the service is being told.
    Ended,
}

/// A connection that has just been accepted, to be served or refused.
#[derive(Debug)]
struct Newcomer<S> {
    stream: S,
    peer: Peer,
    /// None where there was none left even for refusing it.
    place: Option<Place>,
    is_refused: bool,
}

impl<S: Selector, V: Service> Reactor<S, V> {
    /// A reactor that has nothing to do yet.
    pub fn new(selector: S, service: V, config: impl Into<Config>) -> Self {
        panics::prepare();
        let config = config.into();
        Reactor {
            handle: Handle::new(selector.waker()),
            inbox: Inbox::new(selector.waker()),
            now: selector.now(),
            selector,
            spin: Spin::new(config.spin),
            opens_connections: service.opens_connections(),
            service,
            accepting: Accepting::new(config.connections_max),
            config,
            slots: Slots::default(),
            opened: 0,
            one_too_many: None,
            runnable: VecDeque::new(),
            concerned: Concerned::Nothing,
            newcomer: None,
            timers: Timers::default(),
            stopping: None,
            scratch: Scratch::default(),
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

    /// Makes [`Config::connections_max`] a limit for this reactor and `other` together: before this one serves any.
    pub fn share_limit(&mut self, other: &Self) {
        self.accepting.count_with(&other.accepting);
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
    /// Every failure, also one at once, such as that there are no addresses, is reported by [`Service::ended`].
    pub fn connect(&mut self, addresses: &[SocketAddr], session: V::Session) -> u32 {
        // Since the last turn, or before the first, much time may have passed, such as for looking up the addresses.
        self.now = self.selector.now();
        self.opened += 1;
        let mut others = VecDeque::from(addresses.to_vec());
        match others.pop_front() {
            Some(addr) => self.open(Peer::opened(addr, self.opened), others, session),
            None => {
                let peer = Peer::opened(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)), self.opened);
                let error = io::Error::new(io::ErrorKind::InvalidInput, "no address to connect to");
                self.tell_end(session, &peer, End::ConnectFailed(error));
            }
        }
        self.opened
    }

    /// Runs until it is [stopped](Handle::stop) and what had begun is done, or, without listeners, until the last
    /// connection is closed.
    ///
    /// # Errors
    /// Where the selector fails: nothing that a peer does.
    pub fn run(&mut self) -> io::Result<()> {
        while self.turn()? {}
        Ok(())
    }

    /// One turn of [`run`](Reactor::run): waits until there is something to do, and does it. Returns `false`, without
    /// waiting, where `run` would have returned.
    ///
    /// # Errors
    /// Those of `run`.
    pub fn turn(&mut self) -> io::Result<bool> {
        if self.is_done() {
            return Ok(false);
        }
        let timeout = self.timeout();
        self.now = self.spin.wait(timeout, self.now, |timeout| {
            self.selector.select(&mut self.events, timeout)?;
            Ok(Answer { now: self.selector.now(), has_events: !self.events.is_empty() })
        })?;
        if let Err(caught) = panics::catch(|| self.work()) {
            self.recover(caught);
        }
        Ok(true)
    }

    /// Does what there is to do. A panic ends the turn: what is left of it is still queued, and comes in the next.
    fn work(&mut self) {
        self.dispatch();
        self.call_the_woken();
        self.obey();
        // First those that are here: a connection that comes after another has closed is to find its place free.
        self.run_the_runnable();
        self.accept();
        self.expire_timers();
        self.open_what_is_wanted();
    }

    /// Ends the connection that `caught` concerns, and no other. A panic that concerns none goes on.
    fn recover(&mut self, mut caught: Caught) {
        loop {
            // What a call leaves in there is another connection's next.
            self.scratch = Scratch::default();
            let newcomer = self.newcomer.take();
            let concerned = mem::replace(&mut self.concerned, Concerned::Nothing);
            if newcomer.is_none() && matches!(concerned, Concerned::Nothing) {
                log::error!("The event loop panicked: {caught}");
                caught.resume();
            }
            // The service may panic again, when it's told of the end.
            match panics::catch(|| self.end_what_is_concerned(newcomer, concerned, &caught)) {
                Ok(()) => return,
                Err(another) => caught = another,
            }
        }
    }

    /// Closes what a panic concerns, with a reset: half a reply must not look whole.
    fn end_what_is_concerned(&mut self, newcomer: Option<Newcomer<S::Stream>>, concerned: Concerned, caught: &Caught) {
        if let Some(mut newcomer) = newcomer {
            log::error!("The service panicked when it accepted {}: {caught}", newcomer.peer);
            newcomer.stream.reset_on_close();
            drop(newcomer);
            return self.accepting.connection_closed(&mut self.selector, self.now);
        }
        match concerned {
            Concerned::Session(id) => {
                let Some(slot) = self.slots.get_mut(id) else { return };
                log::error!("The session of {} panicked: {caught}", slot.connection.name());
                slot.connection.stream.reset_on_close();
                self.close(id, End::Panicked);
            }
            Concerned::Ended => log::error!("The service panicked when a connection had ended: {caught}"),
            Concerned::Nothing => {}
        }
    }

    fn is_done(&self) -> bool {
        self.slots.is_empty() && self.accepting.is_over()
    }

    /// How long `select` may wait.
    fn timeout(&self) -> Option<Duration> {
        if !self.runnable.is_empty() || self.accepting.is_runnable() || self.one_too_many.is_some() {
            return Some(Duration::ZERO);
        }
        let deadline = earlier(earlier(self.timers.next(), self.accepting.retry_at()), self.stopping);
        deadline.map(|deadline| deadline.saturating_duration_since(self.now))
    }

    fn dispatch(&mut self) {
        for event in self.events.drain(..) {
            match Watched::of(event.token) {
                Watched::Listener(index) => self.accepting.set_ready(index),
                Watched::Connection(id) => {
                    let Some(slot) = self.slots.get_mut(id) else { continue };
                    slot.connection.ready(event.readiness);
                    slot.enqueue(id, &mut self.runnable);
                }
            }
        }
    }

    /// Lets those run whose sessions were woken.
    fn call_the_woken(&mut self) {
        for id in self.inbox.take() {
            let Some(slot) = self.slots.get_mut(id) else { continue };
            slot.connection.due();
            slot.enqueue(id, &mut self.runnable);
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
            for id in self.slots.ids() {
                let Some(slot) = self.slots.get_mut(id) else { continue };
                let end = slot.connection.cut();
                self.close(id, end);
            }
        }
    }

    /// Accepts no more, and closes what has nothing begun; what has is closed when it's finished.
    fn stop(&mut self) {
        let timeout = self.config.connection.drain_timeout;
        log_stop(self.slots.len(), timeout);
        self.stopping = Some(self.now + timeout);
        self.accepting.end(&mut self.selector);
        self.one_too_many = None;
        for (id, slot) in self.slots.iter_mut() {
            // What a peer has sent before the stop counts as begun, even if it has not been read yet.
            slot.connection.ready(Readiness { readable: true, ..Readiness::default() });
            slot.enqueue(id, &mut self.runnable);
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
            self.concerned = Concerned::Session(id);
            let Some(slot) = self.slots.get_mut(id) else { continue };
            match slot.timer_went_off(when, self.now) {
                Alarm::Due => self.run_connection(id),
                Alarm::Early { later } => self.timers.set(id, later),
                Alarm::Stale => {}
            }
        }
        if self.timers.is_mostly_stale(self.slots.len()) {
            let slots = &mut self.slots;
            self.timers.retain(|id, when| slots.get_mut(id).is_some_and(|slot| slot.has_timer_at(when)));
        }
        self.concerned = Concerned::Nothing;
    }

    /// Opens the connections that the service wants.
    fn open_what_is_wanted(&mut self) {
        if !self.opens_connections {
            return;
        }
        while let Some(Connect { addresses, session }) = self.service.next_connect() {
            self.connect(&addresses, session);
        }
    }

    fn run_connection(&mut self, id: ConnectionId) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        slot.dequeued();
        self.concerned = Concerned::Session(id);
        let outcome = slot.connection.run(&mut Turn {
            scratch: &mut self.scratch,
            config: &self.config.connection,
            now: self.now,
            stopping: self.stopping.is_some(),
            make_waker: &|| self.inbox.waker(id),
        });
        self.concerned = Concerned::Nothing;
        match outcome {
            Outcome::Wait { interest, deadline } => {
                if let Some(when) = slot.set_timer(deadline, self.now) {
                    self.timers.set(id, when);
                }
                if slot.interest != interest {
                    self.apply_interest(id, interest);
                }
            }
            Outcome::Yield => slot.enqueue(id, &mut self.runnable),
            Outcome::NotConnected { end, others } => self.try_next_address(id, others, end),
            Outcome::Close(end) => self.close(id, end),
        }
    }

    /// Asks the system for what is `wanted`, the one place to do so: the end of `_set_selector_events_mask`.
    #[doc(alias = "_set_selector_events_mask")]
    fn apply_interest(&mut self, id: ConnectionId, wanted: Interest) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        let before = mem::replace(&mut slot.interest, wanted);
        log::trace!("Interest in {}: {before} -> {wanted}", slot.connection.peer);
        let (stream, token) = (&mut slot.connection.stream, id.token());
        let result = if before == Interest::NONE {
            self.selector.register(stream, token, wanted)
        } else if wanted == Interest::NONE {
            self.selector.deregister(stream, token)
        } else {
            self.selector.reregister(stream, token, wanted)
        };
        if let Err(error) = result {
            // A peer that was refused because it can't be watched has been told by now; all it misses is the time to read that.
            let end = if slot.is_refused { End::Refused } else { End::Broken(error) };
            self.close(id, end);
        }
    }

    /// Begins to open a connection. Where that fails at once, so does the next, until one goes on or none is left.
    fn open(&mut self, mut peer: Peer, mut others: VecDeque<SocketAddr>, session: V::Session) {
        loop {
            log::info!("Starting {peer} to {}", peer.addr);
            match self.selector.connect(peer.addr) {
                Ok(stream) => {
                    let until = self.now + self.config.connection.connect_timeout;
                    let connection = Connection::opening(stream, session, peer, Connecting { until, others });
                    let id = self.slots.insert(connection, None, false);
                    return self.run_connection(id);
                }
                Err(error) => {
                    let Some(next) = others.pop_front() else {
                        return self.tell_end(session, &peer, End::ConnectFailed(error));
                    };
                    log::info!("Cannot connect to {}: {}", peer.addr, crate::text::reason(&error));
                    peer.addr = next;
                }
            }
        }
    }

    fn try_next_address(&mut self, id: ConnectionId, mut others: VecDeque<SocketAddr>, end: End) {
        let Some(addr) = others.pop_front() else { return self.close(id, end) };
        let Some(slot) = self.slots.remove(id) else { return };
        let (token, connection) = (id.token(), slot.connection);
        log::info!("Cannot connect to {}: {end}", connection.peer.addr);
        let (session, peer) = (connection.session, Peer { addr, ..connection.peer });
        self.selector.close(connection.stream, token);
        self.open(peer, others, session);
    }

    /// Closes a connection: the tutorial's `close`. All that concerns others is done before the service is called.
    fn close(&mut self, id: ConnectionId, end: End) {
        let Some(slot) = self.slots.remove(id) else { return };
        let connection = slot.connection;
        log::info!("Closing {}: {end}", connection.name());
        self.selector.close(connection.stream, id.token());
        drop(slot.place);
        if connection.peer.role == Role::Accepted {
            self.accepting.connection_closed(&mut self.selector, self.now);
        }
        self.tell_end(connection.session, &connection.peer, end);
    }

    fn tell_end(&mut self, session: V::Session, peer: &Peer, end: End) {
        self.concerned = Concerned::Ended;
        self.service.ended(session, peer, end);
        self.concerned = Concerned::Nothing;
    }
}

impl<S: Selector<Listener = TcpListener>, V: Service> Reactor<S, V> {
    /// Listens on every address that `addr` stands for, and returns those it got: port 0 picks a free one.
    ///
    /// # Errors
    /// Where one of them can't be listened on.
    pub fn listen(&mut self, addr: impl ToSocketAddrs) -> io::Result<Vec<SocketAddr>> {
        let mut bound = Vec::new();
        for addr in addr.to_socket_addrs()? {
            let listener = std::net::TcpListener::bind(addr)?;
            bound.push(listener.local_addr()?);
            self.add_listener(selector::listener(listener)?)?;
        }
        Ok(bound)
    }
}
