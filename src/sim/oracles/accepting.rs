//! Accepting: no connection waits in the backlog while there is a place for it.

use std::time::Duration;

use super::Case;
use super::liveness::SLACK;
use crate::sim::subject::Subject;

/// Judges one conversation.
pub fn judge<S: Subject>(case: &Case<'_, S>) -> Result<(), String> {
    let waited = match (&case.conversation.served, case.ledger.stopping) {
        (Some(served), _) => served.waited,
        (None, Some(stopping)) => case.ledger.waited(case.conversation, stopping),
        (None, None) => return Ok(()),
    };
    if waited > patience(case) {
        return Err(format!("waited {waited:?} to be accepted, while there was a place"));
    }
    Ok(())
}

/// The longest time that a connection may wait for that.
fn patience<S: Subject>(case: &Case<'_, S>) -> Duration {
    // A listener that can't be watched again waits as well, and each fault may end just after an attempt.
    let faults = case.world.faults.iter().filter(|fault| fault.prevents_accepting());
    case.times.delay + faults.map(|fault| fault.until - fault.from + SLACK).sum::<Duration>() + SLACK
}
