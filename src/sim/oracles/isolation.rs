//! Isolation: a peer that behaves well receives the same, at about the same time, whether hostile ones are there or not.

use super::pair::{Outcome, Pair};
use crate::sim::peer::{Leaving, Manner, Plan, When};
use crate::sim::subject::{Subject, Then};

/// Whether a peer is not hostile: its requests are valid and complete, it reads everything as it comes, and it stays until it
/// has sent all of them.
pub fn behaves_well(plan: &Plan) -> bool {
    let stays = match plan.leaving {
        Leaving::Follows | Leaving::Stays | Leaving::Leaves(Manner::HalfCloses, When::Sent(_)) => true,
        Leaving::Leaves(..) => false,
    };
    stays && plan.reads_eagerly() && matches!(plan.answer.then, Then::Waits | Then::Closes | Then::ClosesAtEnd)
}

/// Judges a run, and the run without the hostile peers.
pub fn judge<S: Subject>(all: Outcome<'_, S>, harmless: Outcome<'_, S>) -> Result<(), String> {
    for pair in Pair::all(all, harmless, behaves_well)? {
        if pair.is_stopped() || pair.is_over_limit() || pair.is_race() {
            continue;
        }
        let found = pair.same_ending().and_then(|()| pair.same_bytes(pair.is_reset())).and_then(|()| same_times(&pair));
        found.map_err(|what| format!("peer {}, without hostile peers: {what}", pair.plan.number))?;
    }
    Ok(())
}

fn same_times(pair: &Pair<'_>) -> Result<(), String> {
    if pair.is_reset() {
        return Ok(());
    }
    let (one, other) = (&pair.one.peer, &pair.other.peer);
    for (what, one, other) in [
        ("receives its last bytes", one.received_at(), other.received_at()),
        ("sees the server's end", one.end_seen(), other.end_seen()),
    ] {
        let (one, other) = (one.unwrap_or_default(), other.unwrap_or_default());
        if one.abs_diff(other) > pair.bound {
            return Err(format!("{what} at {one:?}, and otherwise at {other:?}: more than {:?} apart", pair.bound));
        }
    }
    Ok(())
}
