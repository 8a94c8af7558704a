//! Other runs of a world, to compare with the first: without its hostile peers, with another kind of selector, and with a
//! blocking loop for each connection.
//!
//! What peers share by design is taken out of all these runs: the limits on connections and memory are so high that no world
//! reaches them, there is no early stop, and no fault that delays something, breaks a connection or strikes files. In such a
//! world, each peer's conversation is its own affair.

use super::alone::{run_alone, stop_alone};
use super::run_once;
use crate::selector::sim::Trigger;
use crate::sim::faults::PlannedFault;
use crate::sim::ledger::Ledger;
use crate::sim::limits::Limits;
use crate::sim::oracles::{Oracle, Violation, agreement, isolation};
use crate::sim::subject::Subject;
use crate::sim::world::World;

/// The outcome of the other runs.
pub(super) struct Compared {
    /// The number of turns of them all.
    pub turns: u64,
    /// What an oracle has found.
    pub violation: Option<Violation>,
}

/// Runs `world` in other ways, and compares the runs. `ledger` is that of the world as it is.
pub(super) fn judge<S: Subject>(world: &World<S>, ledger: Ledger) -> Compared {
    let mut runs = Runs { turns: 0 };
    let violation = runs.compare(world, ledger).err();
    Compared { turns: runs.turns, violation }
}

struct Runs {
    turns: u64,
}

impl Runs {
    fn compare<S: Subject>(&mut self, world: &World<S>, ledger: Ledger) -> Result<(), Violation> {
        let roomy = roomy(world);
        let ledger = if roomy.has_parts_of(world) { ledger } else { self.run(&roomy)? };
        let mut harmless = roomy.clone();
        harmless.peers.retain(|plan| isolation::behaves_well(plan));
        if !(harmless.peers.is_empty() || harmless.peers.len() == roomy.peers.len()) {
            let alone = self.run(&harmless)?;
            isolation::judge((&roomy, &ledger), (&harmless, &alone))
                .map_err(|what| Violation::new(Oracle::Isolation, what))?;
        }
        let (trigger, way) = match roomy.trigger {
            Trigger::Edge => (Trigger::Level, "level-triggered"),
            Trigger::Level => (Trigger::Edge, "edge-triggered"),
        };
        let agreement = |other: &Ledger, way| {
            agreement::judge((&roomy, &ledger), (&roomy, other), way)
                .map_err(|what| Violation::new(Oracle::Agreement, what))
        };
        agreement(&self.run(&World { trigger, ..roomy.clone() })?, way)?;
        let (one_by_one, waits) = run_alone(&roomy)?;
        self.turns += waits;
        agreement(&one_by_one, "one by one")?;
        self.turns += stop_alone(&World { stops: world.stops, stops_again: world.stops_again, ..roomy.clone() })?;
        Ok(())
    }

    fn run<S: Subject>(&mut self, world: &World<S>) -> Result<Ledger, Violation> {
        let (run, ledger) = run_once(world, ());
        self.turns += run.turns;
        run.violation.map_or(Ok(ledger), Err)
    }
}

/// The world without what its peers share by design.
fn roomy<S: Subject>(world: &World<S>) -> World<S> {
    let usual = Limits::usual(world.limits.input_len_max);
    let mut roomy = world.clone();
    roomy.limits.connections_max = usual.connections_max.max(world.peers.len());
    roomy.limits.memory_max = usual.memory_max;
    (roomy.stops, roomy.stops_again) = (None, None);
    let is_fair =
        |fault: &PlannedFault| fault.delay().is_zero() && !fault.breaks_connections() && !fault.strikes_files();
    roomy.faults.retain(is_fair);
    roomy
}
