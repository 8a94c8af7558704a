//! Shrinking: from a world that fails to the smallest that fails with the same oracle.
//!
//! First, parts are taken away: halves of the peers and faults, then quarters, and so on to single ones. Each part's
//! choices follow from its own number, so this changes nothing of the others. Then what is left is made simpler, step by
//! step, as long as it still fails.

use std::rc::Rc;
use std::time::Duration;

use super::faults::PlannedFault;
use super::limits::Limits;
use super::oracles::Violation;
use super::peer::{Leaving, Piece, Plan, Reading, WINDOW_USUAL};
use super::run::run;
use super::subject::Subject;
use super::world::World;
use crate::selector::sim::Trigger;

/// The most turns of all runs together, which take some seconds.
const TURNS_MAX: u64 = 3_000_000;

/// A world that has been made smaller.
#[derive(Clone, Debug)]
pub struct Shrunk<S> {
    /// The world without the parts that the failure doesn't need.
    pub reduced: World<S>,
    /// The same, with simpler parts.
    pub simplest: World<S>,
    /// What is wrong in that one.
    pub violation: Violation,
}

/// Shrinks `world`, which fails with `violation`.
pub fn shrink<S: Subject>(world: &World<S>, violation: Violation) -> Shrunk<S> {
    let mut search = Search { best: world.clone(), violation, turns_left: TURNS_MAX };
    search.take_away(|world| &mut world.peers);
    search.take_away(|world| &mut world.faults);
    search.take_away(|world| &mut world.peers);
    let reduced = search.best.clone();
    while search.simplify() {}
    Shrunk { reduced, simplest: search.best, violation: search.violation }
}

struct Search<S> {
    /// The smallest world so far that fails.
    best: World<S>,
    violation: Violation,
    turns_left: u64,
}

impl<S: Subject> Search<S> {
    /// Tries a smaller world, and returns whether it fails in the same way.
    fn fails(&mut self, world: World<S>) -> bool {
        if self.turns_left == 0 {
            return false;
        }
        let run = run(&world);
        self.turns_left = self.turns_left.saturating_sub(run.turns + run.turns_compared + 1);
        match run.violation {
            Some(violation) if violation.oracle == self.violation.oracle => {
                (self.best, self.violation) = (world, violation);
                true
            }
            Some(_) | None => false,
        }
    }

    /// Takes away as many of the parts as possible, in ever smaller chunks.
    fn take_away<T>(&mut self, parts: impl Fn(&mut World<S>) -> &mut Vec<T>) {
        let mut chunk = parts(&mut self.best).len();
        while chunk > 0 {
            let mut from = 0;
            while from < parts(&mut self.best).len() {
                let mut smaller = self.best.clone();
                let all = parts(&mut smaller);
                let end = all.len().min(from + chunk);
                all.drain(from..end);
                if !self.fails(smaller) {
                    from = end;
                }
            }
            chunk /= 2;
        }
    }

    /// Makes the world simpler where it can, and returns whether it could.
    fn simplify(&mut self) -> bool {
        let mut could = false;
        could |= self.change(|world| world.stops = None);
        could |= self.change(|world| world.reloads = None);
        could |= self.change(|world| world.trigger = Trigger::Edge);
        for change in USUAL {
            could |= self.change(|world| change(&mut world.limits));
        }
        for index in 0..self.best.faults.len() {
            could |= self.change(|world| briefer(&mut world.faults[index]));
        }
        for index in 0..self.best.peers.len() {
            for change in SIMPLER {
                could |= self.change(|world| {
                    let plan = &mut world.peers[index];
                    let len = plan.stream.len();
                    change(plan);
                    if plan.stream.len() < len {
                        plan.answer = Rc::new(world.subject.answer(&plan.stream));
                    }
                });
            }
        }
        could
    }

    fn change(&mut self, change: impl FnOnce(&mut World<S>)) -> bool {
        let mut simpler = self.best.clone();
        change(&mut simpler);
        !simpler.has_parts_of(&self.best) && self.fails(simpler)
    }
}

/// Limits that become the usual ones, some at a time.
const USUAL: [fn(&mut Limits); 4] = [
    |limits| {
        let usual = Limits::usual(limits.input_len_max);
        (limits.connections_max, limits.refusals_max) = (usual.connections_max, usual.refusals_max);
    },
    |limits| {
        let usual = Limits::usual(limits.input_len_max);
        (limits.output_high_water, limits.memory_max) = (usual.output_high_water, usual.memory_max);
        limits.linger_len_max = usual.linger_len_max;
    },
    |limits| {
        let usual = Limits::usual(limits.input_len_max);
        (limits.idle_timeout, limits.write_timeout) = (usual.idle_timeout, usual.write_timeout);
    },
    |limits| {
        let usual = Limits::usual(limits.input_len_max);
        (limits.drain_timeout, limits.linger_timeout) = (usual.drain_timeout, usual.linger_timeout);
    },
];

/// A peer that does less.
const SIMPLER: [fn(&mut Plan); 9] = [
    |plan| plan.arrives = Duration::ZERO,
    |plan| plan.returns = None,
    |plan| plan.reading = Reading::Eager,
    |plan| plan.window = WINDOW_USUAL,
    |plan| plan.leaving = Leaving::Follows,
    |plan| {
        let pause = plan.pieces.first().map_or(Duration::ZERO, |piece| piece.pause);
        plan.pieces = vec![Piece { len: plan.stream.len(), pause, awaits: 0 }];
        plan.pieces.retain(|piece| piece.len > 0);
    },
    |plan| plan.pieces.iter_mut().for_each(|piece| piece.pause = Duration::ZERO),
    |plan| {
        let half = plan.pieces.len() / 2;
        keep(plan, half);
    },
    |plan| {
        let all_but_one = plan.pieces.len().saturating_sub(1);
        keep(plan, all_but_one);
    },
];

/// Keeps the first pieces of a plan.
fn keep(plan: &mut Plan, pieces: usize) {
    plan.pieces.truncate(pieces);
    plan.stream.truncate(plan.pieces.iter().map(|piece| piece.len).sum());
}

/// A fault that lasts half as long.
fn briefer(fault: &mut PlannedFault) {
    fault.until = fault.from + (fault.until - fault.from) / 2;
}
