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
use super::world::World;
use crate::reactor::Reactor;
use crate::selector::Selector;
use crate::selector::sim::SimNet;
use crate::trace::Subscriber;

/// The address of the server.
const ADDR: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 65432);
/// The most turns of a run; a loop that takes more is busy for nothing.
const TURNS_MAX: u64 = 100_000;

/// The time after the end of a run in which the last bytes arrive.
const ARRIVAL: Duration = Duration::from_secs(1);

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
    /// The rows that were taken.
    pub coverage: Coverage,
    /// How often the faults of each kind have struck.
    pub faults: BTreeMap<&'static str, u64>,
    /// What an oracle has found.
    pub violation: Option<Violation>,
}

/// Runs `world`.
pub fn run<S: Subject>(world: &World<S>) -> Run {
    run_with(world, ())
}

/// Runs `world`, with a subscriber to its trace.
pub fn run_with<S: Subject>(world: &World<S>, subscriber: impl Subscriber) -> Run {
    let (mut run, ledger) = run_once(world, subscriber);
    if world.is_compared && run.violation.is_none() {
        let compared = compared::judge(world, ledger);
        (run.turns_compared, run.violation) = (compared.turns, compared.violation);
    }
    run
}

/// Runs `world` in one way, and judges the run alone.
fn run_once<S: Subject>(world: &World<S>, subscriber: impl Subscriber) -> (Run, Ledger) {
    let net = SimNet::new(world.seed);
    let selector = net.selector();
    let ledger = Rc::new(RefCell::new(Ledger::default()));
    let story = Story::new(selector.now(), Rc::clone(&ledger));
    let (service, config) = (world.subject.service(), world.limits.config());
    let mut reactor = Reactor::with_subscriber(selector, service, config, (&story, subscriber));
    let actors = Actors::begin(&net, ADDR, &world.peers, &ledger);
    let patience = oracles::liveness::patience(world);
    if let Some(at) = world.reloads {
        let handle = reactor.handle();
        net.at(at, move || handle.reload());
    }
    match world.stops {
        Some(at) => {
            let handle = reactor.handle();
            net.at(at, move || handle.stop());
        }
        None => actors.stop_when_quiet(patience, reactor.handle()),
    }
    let mut turns = 0;
    let listening = reactor.add_listener(net.listener(ADDR));
    world.faults.iter().for_each(|fault| net.inject(fault.fault(world.seed)));
    net.set_trigger(world.trigger);
    let ran = match listening {
        Ok(()) => loop {
            match reactor.turn() {
                Ok(true) => turns += 1,
                Ok(false) => break Ok(()),
                Err(error) => break Err(Violation::new(Oracle::Liveness, error.to_string())),
            }
            if let Err(what) = reactor.audit() {
                break Err(Violation::new(Oracle::Books, format!("after turn {turns}: {what}")));
            }
            if turns == TURNS_MAX {
                break Err(Violation::new(Oracle::Liveness, format!("{turns} turns, and no end")));
            }
        },
        Err(error) => Err(Violation::new(Oracle::Liveness, format!("cannot listen: {error}"))),
    };
    drop(reactor);
    let ran = ran.and_then(|()| match net.open_streams() {
        0 => Ok(()),
        open => Err(Violation::new(Oracle::Books, format!("{open} connections are open after the end"))),
    });
    let empty_turns_max = match world.faults.iter().any(PlannedFault::makes_turns_empty) {
        true => u64::MAX,
        false => net.injected().values().sum::<u64>() + story.happened().timers,
    };
    let cost = || oracles::cost::judge(net.counts(), &story.happened(), empty_turns_max);
    let ran = ran.and_then(|()| cost().map_err(|what| Violation::new(Oracle::Cost, what)));
    let time = net.now();
    // What is still on its way to the peers arrives.
    net.pass(world.delay() + ARRIVAL);
    drop(actors);
    let ledger = ledger.take();
    let violation = ran.and_then(|()| oracles::judge(world, &ledger)).err();
    let connections = ledger.conversations.len();
    let (hash, coverage, faults) = (story.hash(), story.coverage(), net.injected());
    let turns_compared = 0;
    (Run { turns, turns_compared, time, connections, hash, coverage, faults, violation }, ledger)
}
