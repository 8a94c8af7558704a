//! The event loop, by hand: one thread, many connections.
//!
//! Each turn selects, dispatches the events, runs the runnable connections, accepts others, and expires timers: the
//! tutorial's `while True: sel.select(timeout=None)`, plus what a server needs for real traffic. The loop knows nothing
//! of protocols (the [`Session`](crate::session::Session)'s part) or of the system (the [`Selector`]'s part), so it
//! runs on the simulated network as well as on epoll.
//!
//! Dispatch cannot fail: an event only marks its connection as ready and queues it as runnable. `connection.rs` runs
//! the connection, and an error there closes that connection and touches no other.

mod accept;
mod apart;
mod audit;
mod delay;
mod handle;
mod id;
mod inbox;
mod laps;
mod leaving;
mod opening;
mod recover;
mod runnable;
mod slot;
mod slots;
mod snapshot;
mod spin;
mod tallies;
mod timers;

use std::io;
use std::mem;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::address::Addr;
use crate::connection::{self, Budget, Outcome, Scratch, Share, Turn, earlier};
use crate::panics;
use crate::selector::{self, Event, Interest, Readiness, Selector, SocketListener, Stopwatch};
use crate::session::{End, Role, Service};
use crate::trace::{self, Subscriber, Totals, Trace};
use accept::Accepting;
pub use accept::REFUSALS_MAX;
use apart::Apart;
pub(crate) use delay::DelayedStop;
pub use handle::Handle;
#[cfg(feature = "cli")]
pub(crate) use handle::ReloadPhase;
#[cfg(feature = "models")]
pub(crate) use handle::carry_out;
use id::{ConnectionId, Watched};
use inbox::Inbox;
use laps::{Laps, Part};
use leaving::Leaving;
use recover::{Concerned, Newcomer};
use runnable::Runnable;
use slot::Alarm;
use slots::Slots;
use spin::{Answer, Spin};
use tallies::Tallies;
use timers::Timers;

/// The limits of a reactor and of its connections.
#[derive(Clone, Debug)]
pub struct Config {
    /// Maximum connections served at once. An excess connection is accepted, gets an error in the protocol's format,
    /// and is closed.
    pub connections_max: usize,
    /// Maximum excess connections that are being refused at once. At that number, and with no place free, others wait
    /// in the backlog.
    pub refusals_max: usize,
    /// How long to poll the selector repeatedly before sleeping, while events arrive that fast: a sleep costs more than
    /// a small request. Zero disables it.
    pub spin: Duration,
    /// How long connections are still accepted after the order to [stop](Handle::stop), so that a load balancer can find
    /// out and send its clients elsewhere.
    pub stop_delay: Duration,
    /// Limits and timeouts of each connection.
    pub connection: connection::Config,
}

impl Default for Config {
    /// The default: a thousand connections, [`REFUSALS_MAX`] refusals, no spinning, and stops without delay.
    fn default() -> Self {
        Config {
            connections_max: 1000,
            refusals_max: REFUSALS_MAX,
            spin: Duration::ZERO,
            stop_delay: Duration::ZERO,
            connection: connection::Config::default(),
        }
    }
}

/// Default limits except for those of each connection.
impl From<connection::Config> for Config {
    fn from(connection: connection::Config) -> Self {
        Config { connection, ..Config::default() }
    }
}

/// The most timers that fire in a turn, and the most connections with unsent output that they close: such a close may
/// free megabytes of the system's memory. Others fire in the next turn, after its events.
const TIMERS_PER_TURN: usize = 512;
const TIMEOUTS_PER_TURN: usize = 4;

/// The work of a run after which a connection counts as busy, even if it has nothing more to do; also the memory of an
/// unfinished message, or of unsent output, that makes it busy.
const BUSY_FROM: usize = 32 << 10;

/// The event loop of one service.
#[derive(Debug)]
#[must_use = "it serves when it's run"]
pub struct Reactor<S: Selector, V: Service, T = ()> {
    selector: S,
    /// The waiting strategy.
    spin: Spin,
    service: V,
    config: Config,
    slots: Slots<S::Stream, V::Session>,
    /// The number of connections we have opened.
    opened: u32,
    /// The number of sessions so far, and of those that are back at the service.
    begun: u64,
    ended: u64,
    /// What it has done so far.
    totals: Totals,
    /// What each connection has done, if there is a listener apart or a subscriber wants that.
    tallies: Option<Tallies>,
    laps: Laps,
    accepting: Accepting<S::Listener>,
    apart: Apart<S::Listener>,
    /// A connection accepted over the limit. It's refused in the next turn, unless that turn's events free a place: so
    /// a client that closes one connection and opens another gets the freed place.
    one_too_many: Option<(S::Stream, Addr, usize)>,
    /// Connections that make way for others.
    leaving: Leaving,
    /// Whether the service opens connections.
    opens_connections: bool,
    /// Connections with something to do, each at most once.
    runnable: Runnable,
    /// The connection that a panic would concern now.
    concerned: Concerned,
    /// The connection for which the service is being asked for a session.
    newcomer: Option<Newcomer<S::Stream>>,
    timers: Timers,
    handle: Handle,
    inbox: Arc<Inbox>,
    /// The order to stop.
    delayed_stop: DelayedStop,
    /// The deadline for work in progress, set by a stop.
    stopping: Option<Instant>,
    scratch: Scratch,
    events: Vec<Event>,
    now: Instant,
    trace: Trace<T>,
}

impl<S: Selector, V: Service> Reactor<S, V> {
    /// Creates a reactor without connections or listeners.
    pub fn new(selector: S, service: V, config: impl Into<Config>) -> Self {
        Reactor::with_subscriber(selector, service, config, ())
    }
}

impl<S: Selector, V: Service, T: Subscriber> Reactor<S, V, T> {
    /// Creates a reactor with a subscriber to everything that it does; [`Log`](crate::trace::Log) logs it.
    pub fn with_subscriber(selector: S, service: V, config: impl Into<Config>, subscriber: T) -> Self {
        panics::prepare();
        let config = config.into();
        let tallies = subscriber.wants_tallies().then(Tallies::default);
        subscriber.attached(selector.waker());
        Reactor {
            handle: Handle::new(selector.waker()),
            inbox: Inbox::new(selector.waker()),
            now: selector.now(),
            trace: Trace::new(subscriber, selector.now()),
            selector,
            spin: Spin::new(config.spin),
            opens_connections: service.opens_connections(),
            service,
            accepting: Accepting::new(&config),
            delayed_stop: DelayedStop::by(config.stop_delay),
            apart: Apart::default(),
            config,
            slots: Slots::default(),
            opened: 0,
            begun: 0,
            ended: 0,
            totals: Totals::default(),
            tallies,
            laps: Laps::default(),
            one_too_many: None,
            leaving: Leaving::default(),
            runnable: Runnable::default(),
            concerned: Concerned::Nothing,
            newcomer: None,
            timers: Timers::default(),
            stopping: None,
            scratch: Scratch::default(),
            events: Vec::new(),
        }
    }

    /// A handle to stop it, from another thread or a signal handler.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// The service.
    pub fn service(&self) -> &V {
        &self.service
    }

    /// Returns the service, with the results it has collected.
    pub fn into_service(self) -> V {
        self.service
    }

    /// What it has done so far, in numbers.
    pub fn totals(&self) -> Totals {
        Totals { turns: self.trace.turn(), ..self.totals }
    }

    /// Shares [`Config::connections_max`] with `other` as a common limit. Call it before this reactor serves any
    /// connection.
    pub fn share_limit(&mut self, other: &Self) {
        self.accepting.count_with(&other.accepting);
    }

    /// Accepts connections from `listener`.
    ///
    /// # Errors
    /// If it can't be watched.
    pub fn add_listener(&mut self, listener: S::Listener) -> io::Result<()> {
        let number = self.next_listener();
        self.accepting.add(&mut self.selector, listener, number)
    }

    /// The number of the next listener, among all.
    fn next_listener(&self) -> usize {
        self.accepting.len() + self.apart.len()
    }

    /// Runs until it is [stopped](Handle::stop) and work in progress is done, or, without listeners, until the last
    /// connection is closed.
    ///
    /// # Errors
    /// If the selector fails. No peer can cause that.
    pub fn run(&mut self) -> io::Result<()> {
        while self.turn()? {}
        Ok(())
    }

    /// Runs one turn of [`run`](Reactor::run): waits until there is something to do, and does it. Returns `false`,
    /// without waiting, when `run` would return.
    ///
    /// # Errors
    /// The same as `run`'s.
    pub fn turn(&mut self) -> io::Result<bool> {
        if self.is_done() {
            self.end_apart();
            return Ok(false);
        }
        let (timeout, before) = (self.timeout(), self.now);
        self.now = self.spin.wait(timeout, before, |timeout| {
            self.selector.select(&mut self.events, timeout)?;
            Ok(Answer { now: self.selector.now(), events: self.events.len() })
        })?;
        self.trace.begin_turn(self.now);
        self.laps.begin(self.trace.wants().times);
        self.trace.own().own_step(|| {
            let waited = self.now.saturating_duration_since(before);
            trace::Event::TurnBegun { waited, events: self.events.len() }
        });
        // Work that a panic has left undone is done now, in order.
        while let Err(caught) = panics::catch(|| self.work()) {
            self.recover(caught);
        }
        if let Some(ended) = self.laps.event() {
            self.trace.own().emit_own(ended);
        }
        if let Some(portion) = self.trace.wants().snapshot {
            self.tell_what_is(portion);
        }
        Ok(true)
    }

    /// Does all pending work. After a panic, another call does the rest: it's still queued.
    fn work(&mut self) {
        let events = self.dispatch();
        self.call_the_woken();
        self.obey();
        self.laps.end(Part::Dispatch);
        // Existing connections run first, so that one that closes frees its place for one that arrives after it.
        self.run_the_runnable(events);
        self.laps.end(Part::Run);
        self.accept();
        self.accept_apart();
        self.laps.end(Part::Accept);
        self.expire_timers();
        self.open_what_is_wanted();
        self.keep_within_memory();
        self.laps.end(Part::Timers);
    }

    fn is_done(&self) -> bool {
        self.slots.len() == self.slots.apart() && self.accepting.is_over()
    }

    /// The longest time `select` may wait.
    fn timeout(&self) -> Option<Duration> {
        if !self.runnable.is_empty()
            || self.accepting.is_runnable()
            || self.one_too_many.is_some()
            || self.apart.is_runnable(self.now)
        {
            return Some(Duration::ZERO);
        }
        let retry_at = earlier(self.accepting.retry_at(), self.apart.retry_at());
        let deadline = earlier(earlier(self.timers.next(), retry_at), self.stopping.or(self.delayed_stop.at()));
        deadline.map(|deadline| deadline.saturating_duration_since(self.now))
    }

    /// Marks the connections and listeners that have events as ready, and returns the number of events.
    fn dispatch(&mut self) -> usize {
        let events = self.events.len();
        for event in self.events.drain(..) {
            match Watched::of(event.token) {
                Watched::Listener(index) => {
                    self.trace.own().own_step(|| trace::Event::Selected { readiness: event.readiness });
                    self.accepting.set_ready(index);
                }
                Watched::ListenerApart(index) => self.apart.set_ready(index),
                Watched::Connection(id) => {
                    let Some(slot) = self.slots.get_mut(id) else { continue };
                    let peer = &slot.connection.peer;
                    self.trace.of(id.generation()).step(peer, || trace::Event::Selected { readiness: event.readiness });
                    slot.connection.ready(event.readiness);
                    slot.enqueue(id, &mut self.runnable);
                }
            }
        }
        events
    }

    /// Runs the connections whose sessions were woken.
    fn call_the_woken(&mut self) {
        for id in self.inbox.take() {
            let Some(slot) = self.slots.get_mut(id) else { continue };
            self.trace.of(id.generation()).step(&slot.connection.peer, || trace::Event::Woken);
            slot.connection.woken();
            slot.enqueue(id, &mut self.runnable);
        }
    }

    /// Carries out the handle's orders.
    fn obey(&mut self) {
        self.handle.answer();
        if self.handle.takes_reload() {
            self.trace.own().emit_own(trace::Event::Reloaded);
            self.handle.run(self.service.reload());
        }
        if self.handle.accepts_no_more() && !self.accepting.is_over() {
            self.accepting.end(&mut self.selector);
            self.close_listeners_apart();
        }
        if self.stopping.is_none() && self.handle.is_stopped() && self.stop_time() <= self.now {
            self.stop();
        }
        if self.stopping.is_some_and(|until| self.now >= until) {
            for id in self.slots.ids().into_iter().filter(|id| !id.is_apart()) {
                let Some(slot) = self.slots.get_mut(id) else { continue };
                let end = slot.connection.cut(self.trace.of(id.generation()));
                self.close(id, end);
            }
        }
    }

    /// The time of the stop that has been ordered: now, unless it is delayed.
    fn stop_time(&mut self) -> Instant {
        match self.accepting.is_over() {
            true => self.now,
            false => self.delayed_stop.time(self.now, self.trace.own()),
        }
    }

    /// Stops accepting, and closes connections with nothing in progress; others are closed when they finish.
    fn stop(&mut self) {
        let timeout = self.config.connection.drain_timeout;
        // Those that only wait for their peers' closes have nothing to finish.
        let served = self.slots.iter_mut().filter(|(id, _)| !id.is_apart());
        let open = served.filter(|(_, slot)| !slot.connection.is_leaving()).count();
        self.trace.own().emit_own(trace::Event::Stopping { open, timeout });
        self.stopping = Some(self.now + timeout);
        self.accepting.end(&mut self.selector);
        self.one_too_many = None;
        for (id, slot) in self.slots.iter_mut().filter(|(id, _)| !id.is_apart()) {
            // Data that a peer sent before the stop counts as begun, even if it has not been read yet.
            slot.connection.ready(Readiness { readable: true, ..Readiness::default() });
            slot.enqueue(id, &mut self.runnable);
        }
    }

    fn run_the_runnable(&mut self, events: usize) {
        let mut work_left = self.runnable.begin_turn(events);
        while let Some(id) = self.runnable.next_fresh() {
            self.run_connection(id, Share::FIRST);
        }
        while work_left > 0
            && let Some(id) = self.runnable.next_busy()
        {
            work_left = work_left.saturating_sub(self.run_connection(id, Share::FULL));
        }
        while let Some(id) = self.runnable.next_apart() {
            self.run_connection(id, Share::FIRST);
        }
    }

    fn expire_timers(&mut self) {
        let mut closed = 0;
        for _ in 0..TIMERS_PER_TURN {
            let Some((when, id)) = self.timers.expired(self.now) else { break };
            let Some(slot) = self.slots.get_mut(id) else { continue };
            self.concerned = Concerned::Session(id);
            let alarm = slot.timer_went_off(when, self.now);
            self.concerned = Concerned::Nothing;
            if !matches!(alarm, Alarm::Stale) {
                let is_due = matches!(alarm, Alarm::Due);
                self.trace.of(id.generation()).step(&slot.connection.peer, || trace::Event::TimerFired { is_due });
            }
            match alarm {
                Alarm::Due if id.is_apart() => {
                    self.laps.note_apart();
                    slot.enqueue(id, &mut self.runnable);
                }
                Alarm::Due => {
                    let has_output = slot.connection.has_output();
                    self.run_connection(id, Share::FIRST);
                    closed += usize::from(has_output && self.slots.get_mut(id).is_none());
                    if closed == TIMEOUTS_PER_TURN {
                        break;
                    }
                }
                Alarm::Early { later } => self.timers.set(id, later),
                Alarm::Stale => {}
            }
        }
        if self.timers.is_mostly_stale(self.slots.len()) {
            let slots = &mut self.slots;
            self.timers.retain(|id, when| slots.get_mut(id).is_some_and(|slot| slot.has_timer_at(when)));
        }
    }

    /// Ends the connections that use the most memory while all together use too much.
    fn keep_within_memory(&mut self) {
        while self.config.connection.memory.is_over() {
            let memory = &self.config.connection.memory;
            let slots = self.slots.iter_mut().filter(|(_, slot)| slot.connection.is_over_memory(memory));
            let Some((id, slot)) = slots.max_by_key(|(_, slot)| slot.connection.memory_used()) else { return };
            let is_queued = slot.is_runnable();
            self.concerned = Concerned::Session(id);
            let end = slot.connection.free_memory(&self.config.connection, self.now, self.trace.of(id.generation()));
            self.concerned = Concerned::Nothing;
            match end {
                Some(end) => self.close(id, end),
                // Running it now would leave it in the queue, and it would get two turns from then on.
                None if is_queued => {}
                None => {
                    self.run_connection(id, Share::FIRST);
                }
            }
        }
    }

    /// Runs a connection, and returns the work that it has done.
    fn run_connection(&mut self, id: ConnectionId, share: Share) -> usize {
        let Some(slot) = self.slots.get_mut(id) else { return 0 };
        slot.dequeued();
        self.concerned = Concerned::Session(id);
        let trace = self.trace.of(id.generation());
        let mut turn = Turn {
            scratch: &mut self.scratch,
            config: &self.config.connection,
            now: self.now,
            stopping: if id.is_apart() { self.apart.is_ending } else { self.stopping.is_some() },
            make_waker: &|| self.inbox.waker(id),
            leave_timeout: self.config.connection.linger_timeout,
            budget: Budget::new(share),
            watch: Stopwatch::started_if(trace.is_timed()),
            trace,
        };
        let was_leaving = slot.connection.is_leaving();
        let outcome = slot.connection.run(&mut turn);
        slot.connection.has_run(&outcome, &turn);
        self.concerned = Concerned::Nothing;
        if !id.is_apart() {
            self.totals.messages += u64::from(turn.budget.begun());
            self.totals.bytes_in += turn.budget.bytes_in() as u64;
            self.totals.bytes_out += turn.budget.bytes_out() as u64;
            if let Some(tallies) = &mut self.tallies {
                tallies.add(id, &turn.budget, self.now);
            }
        } else {
            self.laps.note_apart();
        }
        let mut work = turn.budget.work();
        let yields = matches!(outcome, Outcome::Yield);
        if yields {
            // A session that yields of its own accord may have computed for long.
            work = work.max(share.work());
        }
        if !was_leaving && slot.connection.is_leaving() && !id.is_apart() {
            self.leaving.add(id);
        }
        slot.set_busy(yields || work > BUSY_FROM || slot.connection.memory_used() > BUSY_FROM);
        let (interest, deadline) = match outcome {
            Outcome::Wait { interest, deadline } => (interest, deadline),
            Outcome::Leave { deadline } => {
                (if slot.interest == Interest::NONE { Interest::NONE } else { Interest::READ }, Some(deadline))
            }
            Outcome::Yield => {
                slot.enqueue(id, &mut self.runnable);
                return work;
            }
            Outcome::NotConnected { end, others } => {
                self.try_next_address(id, others, end);
                return work;
            }
            Outcome::Close(end) => {
                self.close(id, end);
                return work;
            }
        };
        if let Some(when) = slot.set_timer(deadline, self.now) {
            let after = when.saturating_duration_since(self.now);
            self.trace.of(id.generation()).step(&slot.connection.peer, || trace::Event::TimerSet { after });
            self.timers.set(id, when);
        }
        if slot.interest != interest {
            self.apply_interest(id, interest);
        }
        work
    }

    /// Registers the `wanted` interest with the system, which happens only here: the end of
    /// `_set_selector_events_mask`.
    #[doc(alias = "_set_selector_events_mask")]
    fn apply_interest(&mut self, id: ConnectionId, wanted: Interest) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        let before = mem::replace(&mut slot.interest, wanted);
        let change = || trace::Event::InterestChanged { from: before, to: wanted };
        self.trace.of(id.generation()).step(&slot.connection.peer, change);
        let (stream, token) = (&mut slot.connection.stream, id.token());
        let result = if before == Interest::NONE {
            self.selector.register(stream, token, wanted)
        } else if wanted == Interest::NONE {
            self.selector.deregister(stream, token)
        } else {
            self.selector.reregister(stream, token, wanted)
        };
        if let Err(error) = result {
            let end = slot.connection.cannot_be_watched(error, self.trace.of(id.generation()));
            self.close(id, end);
        }
    }

    /// Closes a connection: the tutorial's `close`. The loop's own bookkeeping is done before the service is called.
    fn close(&mut self, id: ConnectionId, end: End) {
        let Some(slot) = self.slots.remove(id) else { return };
        let mut connection = slot.connection;
        connection.prepare_close(&self.config.connection);
        let (age, tally) = self.tallies.as_ref().and_then(|tallies| tallies.of(id, self.now)).unzip();
        self.trace.of(id.generation()).emit(&connection.peer, trace::Event::Closed { end: &end, age, tally });
        self.selector.close(connection.stream, id.token());
        drop(slot.place);
        self.leaving.forget_closed(&mut self.slots);
        if connection.peer.role == Role::Accepted {
            self.accepting.connection_closed(&mut self.selector, self.now, self.trace.own());
        }
        if !id.is_apart() {
            self.totals.closed(&end);
        }
        self.tell_end(connection.session, id.generation(), &connection.peer, end);
    }
}

impl<S: Selector<Listener = SocketListener>, V: Service, T: Subscriber> Reactor<S, V, T> {
    /// Listens on every address that `addr` resolves to, and returns the bound addresses: port 0 picks a free port.
    ///
    /// # Errors
    /// If one of them can't be listened on.
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
