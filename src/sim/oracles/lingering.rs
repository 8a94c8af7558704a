//! Lingering: after its last reply, a server waits for its peer's end, so that the peer has the time to read the reply.

use super::Case;
use crate::session::EndKind;
use crate::sim::peer::Leaving;
use crate::sim::subject::Subject;

/// Judges one conversation.
pub fn judge<S: Subject>(case: &Case<'_, S>) -> Result<(), String> {
    let (conversation, limits) = (case.conversation, &case.world.limits);
    // A server that never reads has nothing to wait for.
    let Some(served) = conversation.served.as_ref().filter(|served| served.reads > 0) else { return Ok(()) };
    let (Some(done), Some((closed, ending))) = (served.done, served.closed) else { return Ok(()) };
    let is_in_order =
        matches!(ending, EndKind::Finished | EndKind::Violation | EndKind::TimedOut | EndKind::Idle | EndKind::Stopped);
    // The server's clock may be behind the peers'.
    let has_seen_end = conversation.peer.end_seen().is_some_and(|seen| seen <= closed + case.times.delay);
    let follows = has_seen_end && case.plan.leaving != Leaving::Stays;
    let has_ended = follows || conversation.ended.is_some() || conversation.gone.is_some();
    let makes_way = case.ledger.conversations.len() > limits.connections_max;
    let sends_much = conversation.sent >= limits.linger_len_max;
    let is_cut = case.ledger.stopping.is_some_and(|stopping| closed >= stopping + limits.drain_timeout);
    let waited = closed.saturating_sub(done);
    if is_in_order && !has_ended && !makes_way && !sends_much && !is_cut && waited < limits.linger_timeout {
        return Err(format!(
            "was closed {waited:?} after its session was done, before it could end its side ({ending:?})"
        ));
    }
    Ok(())
}
