//! No connection keeps the others waiting: each runs within as many turns as there are connections.

use super::Case;
use crate::sim::subject::Subject;
use crate::text::count;

/// Judges one conversation.
pub(super) fn judge<S: Subject>(case: &Case<'_, S>) -> Result<(), String> {
    let waited = case.conversation.served.as_ref().map_or(0, |served| served.turns_waited);
    let all = case.ledger.conversations.len();
    match usize::try_from(waited).is_ok_and(|waited| waited <= all) {
        true => Ok(()),
        false => {
            Err(format!("it was runnable for {waited} turns before it ran, with {} in all", count(all, "connection")))
        }
    }
}
