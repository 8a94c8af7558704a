//! The right bytes: each peer receives what the reference server says. The whole of it, if it reads and stays; otherwise a
//! beginning of it. Where the server ends a conversation early, its reason must be true.

use std::rc::Rc;
use std::time::Duration;

use super::Case;
use super::liveness::SLACK;
use crate::session::EndKind;
use crate::sim::faults::PlannedFault;
use crate::sim::peer::{Leaving, Reading};
use crate::sim::subject::{Answer, Subject, Then};
use crate::text::count;
use crate::trace::PanicIn;

/// Judges one conversation.
pub fn judge<S: Subject>(case: &Case<'_, S>) -> Result<(), String> {
    let (conversation, subject) = (case.conversation, &case.world.subject);
    let Some((at, ending)) = conversation.closed() else {
        let has_received_none = conversation.peer.with_received(<[u8]>::is_empty);
        return if has_received_none { Ok(()) } else { Err("received bytes without being accepted".to_owned()) };
    };
    let answer = match conversation.ended {
        Some(_) if case.answer.waits_for_end() => Rc::new(case.answer.ended()),
        Some(_) | None => Rc::clone(&case.answer),
    };
    if answer.then == Then::Unknown {
        return Ok(());
    }
    is_true(case, (at, ending), &answer).map_err(|why| format!("was closed for a wrong reason ({ending:?}): {why}"))?;
    let look = |received: &[u8]| (part_received(subject, &answer, received, ending), received.len());
    let (part, received) = conversation.peer.with_received(look);
    let (part, all) = (part?, answer.output.len());
    let lacks = |what: &str| {
        let (received, all) = (count(received, "byte"), count(all, "byte"));
        Err(format!("received {received} of {all}, and lacks {what} ({ending:?})"))
    };
    // Whatever is cut off ends with a reset: an end looks as if all were there.
    let has_seen_end = conversation.peer.end_seen().is_some() && conversation.peer.reset_seen().is_none();
    let stays = conversation.gone.is_none();
    if has_seen_end && stays && ending == EndKind::Panicked {
        return lacks("a reset after a panic");
    }
    let is_cut_short = conversation.served.as_ref().is_some_and(|served| served.stages.is_cut_short);
    if has_seen_end && stays && case.plan.reading != Reading::Never && (part == Part::Cut || is_cut_short) {
        return lacks("the rest of a reply, before an end in order");
    }
    if !is_attentive(case) {
        return Ok(());
    }
    match ending {
        EndKind::Finished | EndKind::InputEnded if part != Part::Whole => lacks("the rest of its replies"),
        EndKind::Failed if answer.then == Then::Fails && part != Part::Whole => lacks("the rest of its replies"),
        // A server that has waited for input in vain has answered all that had come.
        EndKind::Idle if has_rested(case) && !(part == Part::Whole && case.is_to_all) => {
            lacks("the rest of its replies")
        }
        EndKind::Violation | EndKind::Refused if part != Part::WithError && has_error_replies(subject) => {
            lacks("the error reply")
        }
        EndKind::Violation if part != Part::Whole && !has_error_replies(subject) => lacks("the rest of its replies"),
        // How far it came is a matter of time. But the rest of a reply isn't left out.
        EndKind::TimedOut | EndKind::Idle | EndKind::Stopped if part == Part::Cut => lacks("the rest of a reply"),
        _ => Ok(()),
    }
}

/// How much of its answer a peer has received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// All of the output, and nothing else.
    Whole,
    /// All replies until an end that the rules allow.
    Replies,
    /// The same, and an error reply.
    WithError,
    /// Something that has been cut off.
    Cut,
}

/// Compares the bytes with the answer.
fn part_received(subject: &impl Subject, answer: &Answer, received: &[u8], ending: EndKind) -> Result<Part, String> {
    let same = match answer.output.starts_with(received) {
        true => received.len(),
        false => received.iter().zip(&answer.output).take_while(|(one, other)| one == other).count(),
    };
    let may_end = |at: usize| answer.replies.as_ref().is_none_or(|replies| replies.contains(&at));
    if same == received.len() {
        return Ok(match () {
            () if same == answer.output.len() => Part::Whole,
            () if may_end(same) => Part::Replies,
            () => Part::Cut,
        });
    }
    // After some replies, an error reply of any wording, or what was sent of it.
    let has_error = !matches!(ending, EndKind::Finished | EndKind::InputEnded | EndKind::Idle | EndKind::Stopped);
    let ends = answer.replies.as_deref().unwrap_or(&[]);
    let before = ends.iter().copied().rfind(|&end| end <= same);
    if let (true, Some(before)) = (has_error, before) {
        // Anything else was cut off, and the words of an error are free.
        return Ok(if subject.is_error_reply(&received[before..]) { Part::WithError } else { Part::Cut });
    }
    Err(format!("received {} and then something else than its answer ({ending:?})", count(same, "right byte")))
}

/// Whether a violation gets an error reply.
fn has_error_replies(subject: &impl Subject) -> bool {
    !subject.is_error_reply(&[])
}

/// Whether the peer reads everything in time, and is there until the end. Then nothing is lost on its way, unless it sends
/// more than a server drops after its last reply.
fn is_attentive<S: Subject>(case: &Case<'_, S>) -> bool {
    let conversation = case.conversation;
    let sends_on = conversation.closed().is_some_and(|(at, _)| conversation.last_sent >= at);
    let sends_much = conversation.sent >= case.world.limits.linger_len_max;
    // A reset that comes from such a delay may overtake data.
    let is_late = !case.times.delay.is_zero() && conversation.peer.reset_seen().is_some();
    // A connection that makes way for another is closed with the input that has not arrived by then, though it was sent.
    let is_crowded = case.world.peers.len() > case.world.limits.connections_max;
    let makes_way = is_crowded && conversation.peer.reset_seen().is_some();
    reads_in_time(case) && conversation.gone.is_none() && !sends_on && !sends_much && !is_late && !makes_way
}

/// Whether the peer reads everything at once, or begins to while the server waits for its close.
fn reads_in_time<S: Subject>(case: &Case<'_, S>) -> bool {
    let Some(served) = &case.conversation.served else { return false };
    match case.plan.reading {
        Reading::Eager => true,
        Reading::Late(after) => {
            let limits = &case.world.limits;
            let cut = case.ledger.stopping.map(|stopping| stopping + limits.drain_timeout);
            let done = if served.is_refused { Some(served.accepted) } else { served.done };
            let until = done.map(|done| cut.unwrap_or(Duration::MAX).min(done + limits.linger_timeout));
            // A server that can't wait for the peer's close may destroy what the peer hasn't read.
            let can_wait = !case.world.faults.iter().any(PlannedFault::breaks_connections);
            can_wait && until.is_some_and(|until| served.accepted + after < until)
        }
        Reading::Never | Reading::Slow { .. } => false,
    }
}

/// Whether the server has had the time for everything before the session was done.
fn has_rested<S: Subject>(case: &Case<'_, S>) -> bool {
    let (conversation, world) = (case.conversation, case.world);
    let reads = conversation.served.as_ref().map_or(0, |served| served.reads);
    let work = world.subject.patience() * reads;
    let rests_from = conversation.last_action.max(case.times.healed) + case.times.delay + work + SLACK;
    conversation.done().is_some_and(|done| rests_from < done)
}

/// Whether the server's reason to close is true.
fn is_true<S: Subject>(case: &Case<'_, S>, (at, ending): (Duration, EndKind), answer: &Answer) -> Result<(), String> {
    let (conversation, limits) = (case.conversation, &case.world.limits);
    let unless = |excuse: bool, what: &str| if excuse { Ok(()) } else { Err(what.to_owned()) };
    match ending {
        EndKind::Finished => {
            // Where the server ends its side and goes on reading, a peer may follow, and what it sends then is lost.
            let follows = conversation.served.as_ref().is_some_and(|served| served.stages.output_ended)
                && conversation.peer.end_seen().is_some()
                && case.plan.leaving != Leaving::Stays;
            let has_ended = follows || conversation.ended.is_some() && case.is_to_all;
            let is_over = answer.then == Then::Closes || has_ended && answer.then == Then::Waits;
            unless(is_over, "more was to come")
        }
        EndKind::Violation => unless(answer.then == Then::Fails, "nothing is wrong with its requests"),
        EndKind::InputEnded => unless(
            conversation.ended.is_some() && answer.then == Then::WaitsForRest,
            "its input did not end within a request",
        ),
        EndKind::TimedOut => unless(!case.world.subject.patience().is_zero(), "the protocol has no timeouts"),
        // A server that waits for input learns at once that it has ended. While there are faults, one may follow the other.
        EndKind::Idle
            if conversation.ended.is_some_and(|ended| ended.max(case.times.healed) + case.times.delay + SLACK < at) =>
        {
            Err("its input has ended".to_owned())
        }
        EndKind::Idle => unless(
            conversation.longest_silence + case.times.delay >= limits.idle_timeout,
            "it was never silent for that long",
        ),
        EndKind::Stopped => unless(case.ledger.stopping.is_some(), "the server did not stop"),
        EndKind::Cut => unless(case.ledger.stopping.is_some(), "the server did not stop"),
        EndKind::Broken => unless(
            conversation.gone.is_some()
                || case.world.faults.iter().any(PlannedFault::breaks_connections)
                || answer.then == Then::Closes && case.world.file_faults(at).any(PlannedFault::breaks_transfers),
            "it has neither closed nor reset",
        ),
        EndKind::WriteTimedOut => {
            unless(!case.plan.reads_eagerly() || case.times.delay >= limits.write_timeout, "it reads everything")
        }
        EndKind::InputOverLimit => Err("a session left too much input unused".to_owned()),
        EndKind::Refused => {
            unless(conversation.served.as_ref().is_some_and(|served| served.is_refused), "it had been accepted")
        }
        EndKind::MemoryOverLimit => unless(limits.memory_is_short(), "the memory is not used up"),
        EndKind::Failed => unless(case.world.subject.gives_up() || answer.then == Then::Fails, "a session failed"),
        EndKind::Panicked => {
            // The trace tells where.
            let place = conversation.served.as_ref().and_then(|served| served.panicked);
            let is_due = match place {
                Some(PanicIn::Session) => answer.then == Then::Panics,
                Some(PanicIn::Accept) => case.world.subject.panics(),
                Some(PanicIn::Ended) | None => false,
            };
            unless(is_due, "its session does not panic")
        }
        EndKind::ConnectFailed | EndKind::ConnectTimedOut => Err("it is no connection of ours".to_owned()),
    }
}
