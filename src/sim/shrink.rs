//! Shrinking: from a world that fails to the smallest that fails with the same oracle.
//!
//! First, parts are taken away: halves of the peers and faults, then quarters, and so on to single ones. Each part's
//! choices follow from its own number, so this changes nothing of the others. Then what is left is made simpler, step by
//! step, as long as it still fails, and the faults that it no longer needs are taken away.

use super::oracles::Violation;
use super::scene::{Scene, run};

/// The most turns of all runs together, which take some seconds.
const TURNS_MAX: u64 = 3_000_000;

/// A world that has been made smaller.
#[derive(Clone, Debug)]
pub struct Shrunk<W> {
    /// The world without the parts that the failure doesn't need.
    pub reduced: W,
    /// The same, with simpler parts.
    pub simplest: W,
    /// What is wrong in that one.
    pub violation: Violation,
    /// Whether the search was stopped, so that smaller worlds may fail.
    pub was_stopped: bool,
}

/// Shrinks `world`, which fails with `violation`. It is asked before each run whether the search `is_stopped`.
pub fn shrink<W: Scene>(world: &W, violation: Violation, is_stopped: impl Fn() -> bool) -> Shrunk<W> {
    let mut search = Search { best: world.clone(), violation, turns_left: TURNS_MAX, is_stopped, was_stopped: false };
    search.take_away(W::peers, |world, kept| world.keep(Some(kept), None));
    search.take_away(W::faults, |world, kept| world.keep(None, Some(kept)));
    search.take_away(W::peers, |world, kept| world.keep(Some(kept), None));
    let reduced = search.best.clone();
    while search.simplify() {}
    // A simpler world may fail without some of them.
    search.take_away(W::faults, |world, kept| world.keep(None, Some(kept)));
    let Search { best: simplest, violation, was_stopped, .. } = search;
    Shrunk { reduced, simplest, violation, was_stopped }
}

struct Search<W, F> {
    /// The smallest world so far that fails.
    best: W,
    violation: Violation,
    turns_left: u64,
    is_stopped: F,
    was_stopped: bool,
}

impl<W: Scene, F: Fn() -> bool> Search<W, F> {
    /// Tries a smaller world, and returns whether it fails in the same way.
    fn fails(&mut self, world: W) -> bool {
        self.was_stopped |= (self.is_stopped)();
        if self.turns_left == 0 || self.was_stopped {
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
    fn take_away(&mut self, numbers: impl Fn(&W) -> Vec<u64>, keep: impl Fn(&mut W, &[u64])) {
        let mut chunk = numbers(&self.best).len();
        while chunk > 0 {
            let mut from = 0;
            while from < numbers(&self.best).len() {
                let mut kept = numbers(&self.best);
                let end = kept.len().min(from + chunk);
                kept.drain(from..end);
                let mut smaller = self.best.clone();
                keep(&mut smaller, &kept);
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
        for change in self.best.simpler() {
            let mut simpler = self.best.clone();
            change(&mut simpler);
            could |= !simpler.has_parts_of(&self.best) && self.fails(simpler);
        }
        could
    }
}
