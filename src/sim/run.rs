//! The run of a world, turn by turn, and its judgement.
//!
//! Some worlds are run again in other ways, and the runs are compared: without hostile peers, with another kind of selector,
//! and with a blocking loop for each connection.

mod alone;
mod compared;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use super::actors::Actors;
use super::coverage::Coverage;
use super::faults::PlannedFault;
use super::ledger::Ledger;
use super::oracles::{self, Oracle, Violation};
use super::story::Story;
use super::subject::Subject;
use super::wakeable::Wakeable;
use super::world::World;
use crate::address::Addr;
use crate::reactor::Reactor;
use crate::selector::Selector;
use crate::selector::sim::{FaultKind, SimNet, SimSelector};
use crate::session::Service;
use crate::text::count;
use crate::trace::Subscriber;

/// The address of the server.
const ADDR: Addr = Addr::Inet(SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 65432));
/// The most turns of a run; a loop that takes more is busy for nothing.
const TURNS_MAX: u64 = 100_000;

/// After this many turns, all books are checked. In between, only the queues are, and the books of the connections to which
/// something has happened: to check all of them takes longer than a turn.
const AUDITED_TURNS: u64 = 16;

/// The time after the end of a run in which the last bytes arrive, and peers that read late have begun to.
pub(super) const ARRIVAL: Duration = Duration::from_secs(6);

/// The outcome of a run.
#[derive(Clone, Debug)]
pub struct Run {
    /// The number of turns.
    pub turns: u64,
    /// The number of turns of the other runs that it was compared with.
    pub turns_compared: u64,
    /// The virtual time.
    pub time: Duration,
    /// The number of connections that the peers made.
    pub connections: usize,
    /// The hash of the story.
    pub hash: u64,
    /// The rows that were taken, and the kinds of events and faults.
    pub coverage: Coverage,
    /// How often the faults of each kind have struck.
    pub faults: BTreeMap<&'static str, u64>,
    /// What an oracle has found.
    pub violation: Option<Violation>,
}

/// Runs `world`, with a subscriber to its trace.
pub fn run_with<S: Subject>(world: &World<S>, subscriber: impl Subscriber) -> Run {
    let (mut run, ledger) = run_once(world, subscriber);
    // Where replies depend on all that the server has heard, they depend on the order in which it serves.
    let is_comparable = world.subject.answers(&[], 0).is_none();
    if world.is_compared && is_comparable && run.violation.is_none() {
        let compared = compared::judge(world, ledger);
        (run.turns_compared, run.violation) = (compared.turns, compared.violation);
    }
    run
}

/// Runs `world` in one way, and judges the run alone.
fn run_once<S: Subject>(world: &World<S>, subscriber: impl Subscriber) -> (Run, Ledger) {
    let net = SimNet::new(world.seed);
    let selector = net.selector();
    let ledger = Rc::new(RefCell::new(Ledger::new(&world.limits)));
    let story = Story::new(selector.now(), Rc::clone(&ledger)).with_sessions_that_yield(world.subject.yields());
    let wakes = world.faults.iter().any(|fault| fault.kind == FaultKind::Wakes);
    let service = Wakeable { service: world.subject.service_on(&net), net: wakes.then(|| net.clone()) };
    let config = world.limits.config();
    ledger.borrow_mut().shares_state = service.shares_state();
    ledger.borrow_mut().keeps_actions = world.is_compared;
    let mut reactor = Reactor::with_subscriber(selector, service, config, (&story, subscriber));
    let actors = Actors::begin(&net, ADDR, &world.peers, &ledger);
    let patience = oracles::liveness::patience(world);
    if let Some(at) = world.reloads {
        let handle = reactor.handle();
        net.at(at, move || handle.reload());
    }
    match world.stops {
        Some(at) => {
            for at in [Some(at), world.stops_again].into_iter().flatten() {
                let handle = reactor.handle();
                net.at(at, move || handle.stop());
            }
        }
        // Later than any connection must be closed, so that the stop hides none that isn't.
        None => actors.stop_when_quiet(2 * patience, reactor.handle()),
    }
    let listening = reactor.add_listener(net.listener(ADDR));
    world.faults.iter().for_each(|fault| net.inject(fault.fault(world.seed)));
    net.set_trigger(world.trigger);
    let (turns, ran) = match listening {
        Ok(()) => turn_by_turn(&mut reactor, &story),
        Err(error) => (0, Err(Violation::new(Oracle::Liveness, format!("cannot listen: {error}")))),
    };
    drop(reactor);
    let ran = ran.and_then(|()| match ledger.borrow().stopping.is_some() {
        true => Ok(()),
        false => Err(Violation::new(Oracle::Liveness, "the loop ends, and nobody has stopped it")),
    });
    let ran = ran.and_then(|()| balances(&net, &story, &world.faults));
    let time = net.now();
    // What is still on its way to the peers arrives.
    net.play(world.delay() + ARRIVAL);
    drop(actors);
    let ledger = ledger.take();
    let violation = ran.and_then(|()| oracles::judge(world, &ledger)).err();
    let connections = ledger.conversations.len();
    let (hash, mut coverage, faults) = (story.hash(), story.coverage(), net.injected());
    coverage.struck(&faults);
    let turns_compared = 0;
    (Run { turns, turns_compared, time, connections, hash, coverage, faults, violation }, ledger)
}

/// Runs a loop to its end. Returns the number of turns, and what the audits have found.
pub(super) fn turn_by_turn<V: Service, T: Subscriber>(
    reactor: &mut Reactor<SimSelector, V, T>,
    story: &Story,
) -> (u64, Result<(), Violation>) {
    let mut turns = 0;
    let ran = loop {
        let goes_on = match reactor.turn() {
            Ok(goes_on) => goes_on,
            Err(error) => break Err(Violation::new(Oracle::Liveness, error.to_string())),
        };
        turns += u64::from(goes_on);
        let audited = match goes_on && !turns.is_multiple_of(AUDITED_TURNS) {
            true => reactor.audit_some(&story.touched()),
            false => reactor.audit(),
        };
        if let Err(what) = audited {
            break Err(Violation::new(Oracle::Books, format!("after turn {turns}: {what}")));
        }
        if !goes_on {
            break Ok(());
        }
        if turns == TURNS_MAX {
            break Err(Violation::new(Oracle::Liveness, format!("{turns} turns, and no end")));
        }
    };
    (turns, ran)
}

/// Checks after the end of a loop that nothing is left open, and that no call was wasted.
pub(super) fn balances(net: &SimNet, story: &Story, faults: &[PlannedFault]) -> Result<(), Violation> {
    match net.open_streams() {
        0 => {}
        open => return Err(Violation::new(Oracle::Books, format!("{open} connections are open after the end"))),
    }
    let spare = net.spare_files();
    if spare > 0 {
        let what = format!("{} stayed open without a connection", count(spare, "file"));
        return Err(Violation::new(Oracle::Books, what));
    }
    if let Some(wrong) = story.wrong() {
        return Err(Violation::new(Oracle::Limits, wrong));
    }
    let empty_turns_max = match faults.iter().any(PlannedFault::makes_turns_empty) {
        true => u64::MAX,
        false => net.injected().values().sum::<u64>() + story.happened().timers,
    };
    let judged = oracles::cost::judge(net.counts(), &story.happened(), empty_turns_max);
    judged.map_err(|what| Violation::new(Oracle::Cost, what))
}
