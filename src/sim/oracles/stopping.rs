//! A stop: what has begun is finished, what rests is closed at once, and nothing is cut off before the drain timeout.

use std::rc::Rc;

use super::liveness::SLACK;
use super::{Case, Oracle};
use crate::session::EndKind;
use crate::sim::subject::{Subject, Then};

/// Judges one conversation.
pub fn judge<S: Subject>(case: &Case<'_, S>) -> Result<(), (Oracle, String)> {
    let (Some(stopping), Some(at_stop)) = (case.ledger.stopping, case.conversation.at_stop) else { return Ok(()) };
    let Some(served) = case.conversation.served.as_ref().filter(|served| !served.is_refused) else { return Ok(()) };
    let Some((closed, ending)) = served.closed else { return Ok(()) };
    let drained_at = stopping + case.world.limits.drain_timeout;
    if ending == EndKind::Cut && closed < drained_at {
        return Err((Oracle::Liveness, format!("was cut off at {closed:?}, before {drained_at:?}")));
    }
    // A session that is at work then finds its input only later. The server's clock, by which it closes, may stand.
    let latest = closed + case.times.delay;
    let is_hidden = case.world.faults.iter().any(|fault| fault.hides_input() && fault.from <= latest);
    let is_stopped = ending == EndKind::Stopped && !is_hidden;
    let by = stopping + case.times.delay + SLACK;
    let late = served.done.filter(|&done| done > by && case.conversation.sent == at_stop.sent);
    if !is_stopped && late.is_none() {
        return Ok(());
    }
    let plan = case.plan;
    let answer = match at_stop.sent == plan.stream.len() {
        true => Rc::clone(&plan.answer),
        false => Rc::new(case.world.subject.answer(&plan.stream[..at_stop.sent])),
    };
    if answer.then == Then::Unknown {
        return Ok(());
    }
    let has_begun = at_stop.sent > 0 && (answer.then == Then::WaitsForRest || answer.waits_for_end());
    if is_stopped {
        let lacks = |what: &str| Err((Oracle::Bytes, format!("was closed by the stop, and lacks {what}")));
        let (sent, due) = (served.balance.sent, answer.output.len());
        if sent < due {
            return lacks("replies to requests that had arrived");
        }
        if has_begun && sent == due {
            return lacks("the time to finish the request that it had begun");
        }
    }
    let has_all = answer.replies.is_some() && answer.then == Then::Waits && at_stop.answered == answer.output.len();
    match late {
        Some(done) if at_stop.sent == 0 || has_all && !has_begun => {
            Err((Oracle::Liveness, format!("had nothing in progress at the stop, and is served until {done:?}")))
        }
        _ => Ok(()),
    }
}
