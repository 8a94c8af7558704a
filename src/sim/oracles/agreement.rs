//! Agreement: all ways to serve the same peers give each of them the same bytes.

use super::pair::{Outcome, Pair};
use crate::session::EndKind;
use crate::sim::ledger::Conversation;
use crate::sim::subject::Subject;

/// Judges two runs with the same peers; `way` says how the other serves them.
pub fn judge<S: Subject>(one: Outcome<'_, S>, other: Outcome<'_, S>, way: &str) -> Result<(), String> {
    let in_words = |number: u64, what: String| format!("peer {number}, {way}: {what}");
    for pair in Pair::all(one, other, |_| true).map_err(|what| format!("{way}: {what}"))? {
        agree(&pair).map_err(|what| in_words(pair.plan.number, what))?;
    }
    Ok(())
}

fn agree(pair: &Pair<'_>) -> Result<(), String> {
    let (one, other) = (pair.one, pair.other);
    // A peer that waits for replies, and leaves at a time of its own, may send less.
    let sends_same = one.sent == other.sent && one.ended.is_some() == other.ended.is_some();
    if !sends_same || pair.is_stopped() || pair.is_over_limit() || pair.is_race() {
        return Ok(());
    }
    let stays = one.gone.is_none() && other.gone.is_none();
    if pair.plan.reads_eagerly() && stays {
        return pair.same_ending().and_then(|()| pair.same_bytes(pair.is_reset()));
    }
    // How far it comes is a matter of time, and an error reply may follow at any time.
    if has_error(one) != has_error(other) { Ok(()) } else { pair.same_bytes(true) }
}

/// Whether a conversation may end with an error reply that says something about time.
fn has_error(conversation: &Conversation) -> bool {
    conversation.closed().is_some_and(|(_, ending)| matches!(ending, EndKind::TimedOut | EndKind::Failed))
}
