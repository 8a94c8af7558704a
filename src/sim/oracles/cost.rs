//! No call is wasted: what a run asks of the system follows from what happens in it.

use crate::selector::sim::Counts;
use crate::sim::story::Happened;
use crate::text::count;

/// Turns in which nothing happens that need no reason.
const EMPTY_TURNS_FREE: u64 = 10;

/// Judges the calls of a run. The loop may wake for timers that are no longer needed, and for faults: in at most
/// `empty_turns_max` turns, besides a few.
pub fn judge(calls: Counts, happened: &Happened, empty_turns_max: u64) -> Result<(), String> {
    let Happened { runs, reads, writes, changes, timers, empty_turns } = *happened;
    // A run ends with the first read, and with the first write, that moves nothing.
    if calls.reads > reads + runs {
        return Err(format!(
            "{} for {reads} that found something, in {}",
            count(calls.reads, "read"),
            count(runs, "run")
        ));
    }
    if calls.writes > writes + runs {
        let (calls, runs) = (count(calls.writes, "write"), count(runs, "run"));
        return Err(format!("{calls} for {writes} that moved something, in {runs}"));
    }
    let registrations = calls.registers + calls.reregisters + calls.deregisters;
    if registrations != changes {
        return Err(format!("{} for {}", count(registrations, "registration"), count(changes, "change of interest")));
    }
    if empty_turns > empty_turns_max.saturating_add(EMPTY_TURNS_FREE) {
        return Err(format!("nothing happened in {}, with {}", count(empty_turns, "turn"), count(timers, "timer")));
    }
    Ok(())
}
