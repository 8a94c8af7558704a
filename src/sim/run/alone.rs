//! The peers of a world one by one: each with a server of its own that blocks, as under the blocking models.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::{ADDR, ARRIVAL};
use crate::connection::{Caller, Connection, Found, Scratch, Wait, hold};
use crate::selector::sim::{SimNet, SimSelector, SimStream, Trigger};
use crate::selector::{Event, Interest, Readiness, Selector, Token};
use crate::session::Session;
use crate::sim::actors::Actors;
use crate::sim::ledger::Ledger;
use crate::sim::story::Story;
use crate::sim::subject::Subject;
use crate::sim::world::World;
use crate::trace::Trace;

/// The token of the listener, and of the connection after it.
const TOKEN: Token = Token(0);

/// Serves each peer of `world` on a network of its own. Its faults make other choices there, so reads and writes are split at
/// other places. Returns the ledger of all, and the number of waits.
pub(super) fn run_alone<S: Subject>(world: &World<S>) -> (Ledger, u64) {
    let (mut all, mut waits) = (Ledger::default(), 0);
    let mut scratch = Scratch::default();
    for index in 0..world.peers.len() {
        let (ledger, waited) = serve_one(world, index, &mut scratch);
        waits += waited;
        all.conversations.extend(ledger.conversations.into_iter().map(|mut conversation| {
            conversation.plan = index;
            conversation
        }));
    }
    (all, waits)
}

fn serve_one<S: Subject>(world: &World<S>, index: usize, scratch: &mut Scratch) -> (Ledger, u64) {
    let net = SimNet::new(world.seed);
    net.set_trigger(Trigger::Level);
    let ledger = Rc::new(RefCell::new(Ledger::default()));
    let actors = Actors::begin(&net, ADDR, &world.peers[index..=index], &ledger);
    world.faults.iter().for_each(|fault| net.inject(fault.fault(!world.seed)));
    let mut selector = net.selector();
    let story = Story::new(selector.now(), Rc::clone(&ledger));
    if let Ok((stream, addr)) = accept(&net, &mut selector) {
        let mut wait = SelectorWait { selector, registered: Interest::NONE, events: Vec::new() };
        let mut trace = Trace::new(&story, wait.now());
        let (mut service, config) = (world.subject.service_on(&net), world.limits.config());
        let caller = Caller { stream, addr, number: 1 };
        hold(&mut service, caller, None, &config.connection, &mut trace, scratch, &mut wait);
    }
    net.play(ARRIVAL);
    drop(actors);
    (ledger.take(), net.counts().selects)
}

/// Waits for a connection, as a blocking accept(2) does.
fn accept(net: &SimNet, selector: &mut SimSelector) -> io::Result<(SimStream, SocketAddr)> {
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
        let until = timeout.map(|timeout| self.now() + timeout);
        self.selector.select(&mut self.events, timeout)?;
        let readiness = self.events.drain(..).map(|event| event.readiness).reduce(|one, other| Readiness {
            readable: one.readable || other.readable,
            writable: one.writable || other.writable,
            read_closed: one.read_closed || other.read_closed,
            urgent: one.urgent || other.urgent,
        });
        // The selector returns early for an event, or because the session's waker has woken it.
        let is_woken = readiness.is_none() && until.is_none_or(|until| self.now() < until);
        Ok(Found { readiness, is_woken, word: None })
    }
}
