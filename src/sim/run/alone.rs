//! The peers of a world one by one: each with a server of its own that blocks, as under the blocking models.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::{ADDR, ARRIVAL};
use crate::address::Addr;
use crate::connection::{Caller, Connection, Found, Scratch, Wait, Word, earlier, hold};
use crate::selector::sim::{SimNet, SimSelector, SimStream, Trigger};
use crate::selector::{Event, Interest, Readiness, Selector, Token};
use crate::session::EndKind;
use crate::session::Session;
use crate::sim::actors::Actors;
use crate::sim::ledger::{Conversation, Ledger};
use crate::sim::oracles::liveness::SLACK;
use crate::sim::oracles::{Oracle, Violation};
use crate::sim::story::Story;
use crate::sim::subject::Subject;
use crate::sim::world::World;
use crate::trace::Trace;

/// The token of the listener, and of the connection after it.
const TOKEN: Token = Token(0);

/// The time within which a thread gives up to wait for a peer's close, with that of a few turns.
const LEAVES_WITHIN: Duration = Duration::from_millis(11);

/// Serves each peer of `world` on a network of its own. Its faults make other choices there, so reads and writes are split at
/// other places. Returns the ledger of all, and the number of waits.
///
/// # Errors
/// If a connection's runs are wrong, or if its thread waits for long after the end of a conversation in order.
pub(super) fn run_alone<S: Subject>(world: &World<S>) -> Result<(Ledger, u64), Violation> {
    let (mut all, mut waits) = (Ledger::default(), 0);
    let mut scratch = Scratch::default();
    for index in 0..world.peers.len() {
        let (ledger, waited, wrong) = serve_one(world, index, &mut scratch);
        let of_peer = |what| format!("peer {}, one by one: {what}", world.peers[index].number);
        if let Some(wrong) = wrong {
            return Err(Violation::new(Oracle::Limits, of_peer(wrong)));
        }
        if let Some(wrong) = ledger.conversations.iter().find_map(lingers_long) {
            return Err(Violation::new(Oracle::Liveness, of_peer(wrong)));
        }
        waits += waited;
        all.conversations.extend(ledger.conversations.into_iter().map(|mut conversation| {
            conversation.plan = index;
            conversation
        }));
    }
    Ok((all, waits))
}

/// The same, with the orders of `world` to stop. Returns the number of waits.
///
/// # Errors
/// If a connection is cut off before the drain timeout of the first order, or is open after it.
pub(super) fn stop_alone<S: Subject>(world: &World<S>) -> Result<u64, Violation> {
    let (mut waits, mut scratch) = (0, Scratch::default());
    let Some(stops) = world.stops else { return Ok(0) };
    for (index, plan) in world.peers.iter().enumerate() {
        let (ledger, waited, _) = serve_one(world, index, &mut scratch);
        waits += waited;
        let Some(conversation) = ledger.conversations.first() else { continue };
        let Some((closed, ending)) = conversation.closed() else { continue };
        let by = stops.max(conversation.opened) + world.limits.drain_timeout;
        if ending == EndKind::Cut && closed < by || closed > by + SLACK {
            let number = plan.number;
            let what =
                format!("peer {number}, one by one: with an order to stop, it is closed at {closed:?}, not {by:?}");
            return Err(Violation::new(Oracle::Liveness, what));
        }
    }
    Ok(waits)
}

/// After the end of a conversation in order, a thread waits only for a moment for its peer's close.
fn lingers_long(conversation: &Conversation) -> Option<String> {
    let (closed, ending) = conversation.closed()?;
    let since = conversation.served.as_ref()?.lingering?;
    let waited = closed.saturating_sub(since);
    let is_long = ending == EndKind::Finished && waited > LEAVES_WITHIN;
    is_long.then(|| format!("its thread has waited {waited:?} for its close"))
}

fn serve_one<S: Subject>(world: &World<S>, index: usize, scratch: &mut Scratch) -> (Ledger, u64, Option<String>) {
    let net = SimNet::new(world.seed);
    net.set_trigger(Trigger::Level);
    let ledger = Rc::new(RefCell::new(Ledger::default()));
    ledger.borrow_mut().keeps_actions = true;
    let actors = Actors::begin(&net, ADDR, &world.peers[index..=index], &ledger);
    world.faults.iter().for_each(|fault| net.inject(fault.fault(!world.seed)));
    let mut selector = net.selector();
    let story = Story::new(selector.now(), Rc::clone(&ledger)).with_sessions_that_yield(world.subject.yields());
    if let Ok((stream, addr)) = accept(&net, &mut selector) {
        let epoch = story.epoch();
        let orders = [world.stops, world.stops_again].into_iter().flatten().map(|at| epoch + at).collect();
        let mut wait = SelectorWait { selector, registered: Interest::NONE, events: Vec::new(), orders };
        let mut trace = Trace::new(&story, wait.now());
        let (mut service, config) = (world.subject.service_on(&net), world.limits.config());
        let caller = Caller { stream, addr, number: 1 };
        hold(&mut service, caller, None, &config.connection, &mut trace, scratch, &mut wait);
    }
    net.play(ARRIVAL);
    drop(actors);
    (ledger.take(), net.counts().selects, story.wrong())
}

/// Waits for a connection, as a blocking accept(2) does.
fn accept(net: &SimNet, selector: &mut SimSelector) -> io::Result<(SimStream, Addr)> {
    let mut listener = net.listener(ADDR);
    selector.watch_listener(&mut listener, TOKEN)?;
    loop {
        match selector.accept(&mut listener) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => selector.select(&mut Vec::new(), None)?,
            result => return result,
        }
    }
}

/// Waits in a simulated network, for one connection.
struct SelectorWait {
    selector: SimSelector,
    registered: Interest,
    events: Vec<Event>,
    /// The times of the orders to stop that are still to come.
    orders: VecDeque<Instant>,
}

impl Wait<SimStream> for SelectorWait {
    fn now(&self) -> Instant {
        self.selector.now()
    }

    fn waker(&self) -> Waker {
        self.selector.waker().into()
    }

    fn wait<T: Session>(
        &mut self,
        connection: &mut Connection<SimStream, T>,
        _scratch: &mut Scratch,
        interest: Interest,
        timeout: Option<Duration>,
    ) -> io::Result<Found> {
        let stream = &mut connection.stream;
        match (self.registered, interest) {
            (registered, interest) if registered == interest => {}
            (Interest::NONE, _) => self.selector.register(stream, TOKEN, interest)?,
            (_, Interest::NONE) => self.selector.deregister(stream, TOKEN)?,
            (_, _) => self.selector.reregister(stream, TOKEN, interest)?,
        }
        self.registered = interest;
        let until = earlier(timeout.map(|timeout| self.now() + timeout), self.orders.front().copied());
        let timeout = until.map(|until| until.saturating_duration_since(self.now()));
        self.selector.select(&mut self.events, timeout)?;
        let readiness = self.events.drain(..).map(|event| event.readiness).reduce(|one, other| Readiness {
            readable: one.readable || other.readable,
            writable: one.writable || other.writable,
            read_closed: one.read_closed || other.read_closed,
            urgent: one.urgent || other.urgent,
        });
        let now = self.now();
        // The selector returns early for an event, or because the session's waker has woken it.
        let is_woken = readiness.is_none() && until.is_none_or(|until| now < until);
        let is_due = self.orders.front().is_some_and(|&at| at <= now);
        let word = is_due.then(|| self.orders.pop_front()).flatten().map(|_| Word::Stop);
        Ok(Found { readiness, is_woken, word })
    }
}
