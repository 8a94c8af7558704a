//! Limits of one connection: a server doesn't read from a peer while the output for it has reached the high-water mark, and
//! after its own end it drops a limited amount of input.

use super::Case;
use crate::sim::subject::Subject;
use crate::text::count;

/// Judges one conversation.
pub fn judge<S: Subject>(case: &Case<'_, S>) -> Result<(), String> {
    let Some(served) = &case.conversation.served else { return Ok(()) };
    let dropped = served.balance.dropped_before_read;
    let linger_len_max = case.world.limits.linger_len_max.max(1);
    if dropped >= linger_len_max {
        return Err(format!(
            "{} were dropped, and more was read; the limit is {linger_len_max}",
            count(dropped, "byte")
        ));
    }
    let (unused, input_len_max) = (served.stages.most_unused, case.world.limits.input_len_max);
    if unused > input_len_max {
        let unused = count(unused, "byte");
        return Err(format!("it waits for more with {unused} of unused input; the limit is {input_len_max}"));
    }
    let unsent = served.unsent_at_reads;
    let mark = case.world.limits.output_high_water.max(1);
    match unsent < mark {
        true => Ok(()),
        false => {
            Err(format!("it was read from while {} waited for it, with the mark at {mark}", count(unsent, "byte")))
        }
    }
}
