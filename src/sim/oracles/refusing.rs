//! Refusing: a connection is refused only if all places are taken, and by none that makes way for it.

use super::Case;
use crate::session::EndKind;
use crate::sim::ledger::Conversation;
use crate::sim::subject::Subject;
use crate::text::count;

/// Judges one conversation.
pub fn judge<S: Subject>(case: &Case<'_, S>) -> Result<(), String> {
    let Some(refused) = case.conversation.served.as_ref().filter(|served| served.is_refused) else { return Ok(()) };
    if let Some((_, ending)) = refused.closed
        && !matches!(
            ending,
            EndKind::Refused | EndKind::Broken | EndKind::WriteTimedOut | EndKind::Cut | EndKind::Panicked
        )
    {
        return Err(format!("was refused, and then served ({ending:?})"));
    }
    // Where it can't be watched, it has been refused all the same.
    if refused.closed.is_some_and(|(_, ending)| ending == EndKind::Broken) && case.conversation.gone.is_none() {
        return Err("was refused, and is said to be broken".to_owned());
    }
    let (at, max) = (refused.accepted, case.world.limits.connections_max);
    let has_place = |other: &&Conversation| {
        let served = other.served.as_ref().filter(|served| !served.is_refused && served.accepted <= at);
        served.is_some_and(|served| served.closed.is_none_or(|(closed, _)| closed >= at))
    };
    let taken = case.ledger.conversations.iter().filter(has_place).count();
    if taken < max {
        return Err(format!("was refused, with {taken} of {} taken", count(max, "place")));
    }
    let is_leaving = |other: &&Conversation| {
        let served = other.served.as_ref().filter(|served| !served.is_refused);
        served.is_some_and(|served| {
            let closed = served.closed.filter(|&(_, ending)| ending == EndKind::Finished);
            served.lingering.is_some_and(|since| since < at) && closed.is_some_and(|(closed, _)| closed > at)
        })
    };
    match case.ledger.conversations.iter().filter(is_leaving).count() {
        0 => Ok(()),
        leaving => Err(format!("was refused, and {} could have made way", count(leaving, "connection"))),
    }
}
