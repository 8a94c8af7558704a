//! Nobody waits for ever: each conversation ends when its timeouts have passed.

use std::time::Duration;

use super::Case;
use crate::sim::peer::{Leaving, Manner};
use crate::sim::subject::{Subject, Then};
use crate::sim::world::World;

/// The time that a server may take beyond its timeouts.
pub const SLACK: Duration = Duration::from_millis(200);

/// The most bytes of an error reply.
const ERROR_LEN_MAX: usize = 512;

/// The longest time that a connection is kept after its peer's last action.
pub fn patience<S: Subject>(world: &World<S>) -> Duration {
    let limits = &world.limits;
    limits.idle_timeout
        + limits.write_timeout
        + limits.linger_timeout
        + world.subject.patience()
        + world.delay()
        + SLACK
}

/// Judges one conversation.
pub(super) fn judge<S: Subject>(case: &Case<'_, S>) -> Result<(), String> {
    let conversation = case.conversation;
    let Some(served) = &conversation.served else {
        return if case.plan.is_probe { Err("isn't accepted after all faults have passed".to_owned()) } else { Ok(()) };
    };
    let Some((closed, _)) = served.closed else { return Err("its connection is never closed".to_owned()) };
    let work = case.world.subject.patience() * served.reads;
    let output = match case.answer.then {
        // The reference doesn't know how much else comes.
        Then::Unknown => case.answer.len_max().max(served.balance.sent),
        _ => case.answer.len_max(),
    };
    // A small window is filled and emptied many times, each with a delay.
    let rounds = (output + ERROR_LEN_MAX) / case.plan.window;
    let delays = case.times.delay * u32::try_from(rounds).unwrap_or(u32::MAX);
    let by = match case.plan.is_probe {
        true => case.plan.arrives + case.world.clock_ahead() + work + SLACK,
        false => {
            let last = match case.ledger.shares_state {
                true => case.ledger.last_action.max(case.ledger.last_read),
                false => conversation.last_action,
            };
            last.max(served.accepted) + case.times.patience + work + delays
        }
    };
    let by = match case.ledger.stopping {
        Some(stopping) => by.min(stopping + case.world.limits.drain_timeout + case.times.delay + SLACK),
        None => by,
    };
    // A server learns at once that its peer has reset the connection, whatever it waits for. Only once both sides have ended,
    // there is nothing to learn.
    let by = match (conversation.gone, case.plan.leaving) {
        (Some(gone), Leaving::Leaves(Manner::Resets, _)) if !served.stages.output_ended => {
            by.min(gone.max(served.accepted).max(case.times.healed) + case.times.delay + SLACK)
        }
        _ => by,
    };
    if closed > by {
        return Err(format!("its connection is closed at {closed:?}, and should be by {by:?}"));
    }
    // A peer that reads learns of the end when it has everything, without ending its own side first.
    let sees_end = case.plan.reads_eagerly() && conversation.gone.is_none() && conversation.peer.reset_seen().is_none();
    let end_seen = conversation.peer.end_seen();
    let ended = if served.is_refused { Some(served.accepted) } else { served.done };
    let by = ended.unwrap_or(closed).max(case.times.healed) + case.times.delay + delays + SLACK;
    if sees_end && closed > by && end_seen.is_none_or(|seen| seen > by) {
        return Err(format!("it sees the end at {end_seen:?}, and should by {by:?}"));
    }
    Ok(())
}
