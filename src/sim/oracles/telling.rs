//! The trace tells the truth: a connection's stage agrees with its replies, and with what it waits for.

use super::Case;
use crate::sim::subject::Subject;
use crate::text::count;

/// Judges one conversation.
pub fn judge<S: Subject>(case: &Case<'_, S>) -> Result<(), String> {
    let Some(served) = &case.conversation.served else { return Ok(()) };
    if let Some(wrong) = served.stages.wrong {
        return Err(format!("the trace tells that {wrong}"));
    }
    let (most, mark) = (served.stages.most_with_input, case.world.limits.output_high_water.max(1));
    match most < mark {
        true => Ok(()),
        false => Err(format!("the trace tells that it waits for input, with {} to send", count(most, "byte"))),
    }
}
