//! Back-pressure: a server doesn't read from a peer while the output for it has reached the high-water mark.

use super::Case;
use crate::sim::subject::Subject;
use crate::text::count;

/// Judges one conversation.
pub fn judge<S: Subject>(case: &Case<'_, S>) -> Result<(), String> {
    let unsent = case.conversation.served.as_ref().map_or(0, |served| served.unsent_at_reads);
    let mark = case.world.limits.output_high_water.max(1);
    match unsent < mark {
        true => Ok(()),
        false => {
            Err(format!("it was read from while {} waited for it, with the mark at {mark}", count(unsent, "byte")))
        }
    }
}
