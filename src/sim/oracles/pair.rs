//! One peer's conversations in two runs of nearly the same world.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::selector::sim::FaultKind;
use crate::session::EndKind;
use crate::sim::faults::PlannedFault;
use crate::sim::ledger::{Conversation, Ledger};
use crate::sim::peer::Plan;
use crate::sim::subject::Subject;
use crate::sim::world::World;
use crate::text::count;

/// The virtual time of a turn that has work left over from the turn before. All other time is waited for.
const TURN: Duration = Duration::from_micros(1);

/// A world, and the ledger of a run of it.
pub type Outcome<'a, S> = (&'a World<S>, &'a Ledger);

/// A peer's conversations in two runs.
pub(super) struct Pair<'a> {
    pub plan: &'a Plan,
    pub one: &'a Conversation,
    pub other: &'a Conversation,
    /// By how much the times of one may differ from those of the other.
    pub bound: Duration,
}

impl<'a> Pair<'a> {
    /// The conversations of each peer of the world `one`; the world `other` may lack those for which `is_compared` is false.
    ///
    /// # Errors
    /// If a peer is served in only one run.
    pub fn all<S: Subject>(
        one: Outcome<'a, S>,
        other: Outcome<'a, S>,
        is_compared: impl Fn(&Plan) -> bool,
    ) -> Result<Vec<Self>, String> {
        let crowd = one.1.conversations.len().max(other.1.conversations.len());
        let (served, other_served) = (served(one), served(other));
        let mut pairs = Vec::new();
        for plan in one.0.peers.iter().filter(|plan| is_compared(plan)) {
            match (served.get(&plan.number), other_served.get(&plan.number)) {
                (Some(one_of), Some(other_of)) => {
                    let bound = bound(one.0, crowd, one_of, other_of);
                    pairs.push(Pair { plan, one: one_of, other: other_of, bound });
                }
                (None, None) => {}
                _ => return Err(format!("peer {} is served in only one of the runs", plan.number)),
            }
        }
        Ok(pairs)
    }

    /// Whether the end of a run has stopped the server meanwhile.
    pub fn is_stopped(&self) -> bool {
        let is_stopped = |(_, ending)| matches!(ending, EndKind::Stopped | EndKind::Cut);
        [self.one, self.other].iter().any(|conversation| conversation.closed().is_some_and(is_stopped))
    }

    /// Whether a session has left too much input unused at once. How much that is depends on the pieces that it was read in.
    pub fn is_over_limit(&self) -> bool {
        let is_over = |(_, ending)| ending == EndKind::InputOverLimit;
        [self.one, self.other].iter().any(|conversation| conversation.closed().is_some_and(is_over))
    }

    /// Whether a timeout and something else come at about the same time: either may be first, and what follows differs.
    pub fn is_race(&self) -> bool {
        let done = |conversation: &Conversation| conversation.done().unwrap_or(Duration::MAX);
        let (first, second) =
            if done(self.one) <= done(self.other) { (self.one, self.other) } else { (self.other, self.one) };
        let is_near = |at: Duration| at.abs_diff(done(first)) <= self.bound;
        let by_time = ends_by_time(first) || ends_by_time(second) && is_near(done(second));
        by_time && (is_near(done(second)) || first.acted.iter().chain(&second.acted).any(|&at| is_near(at)))
    }

    /// Whether the peer was reset in one of the runs. How much it had read by then is a matter of time.
    pub fn is_reset(&self) -> bool {
        [self.one, self.other].iter().any(|conversation| conversation.peer.reset_seen().is_some())
    }

    /// Compares the reasons of the server's close.
    pub fn same_ending(&self) -> Result<(), String> {
        let ending = |conversation: &Conversation| conversation.closed().map(|(_, ending)| ending);
        match (ending(self.one), ending(self.other)) {
            (one, other) if one == other => Ok(()),
            (Some(one), Some(other)) => Err(format!("its connection ends with {one:?}, and otherwise with {other:?}")),
            _ => Err("its connection is closed in only one of the runs".to_owned()),
        }
    }

    /// Compares the bytes that the peer has received: the same, or one a beginning of the other.
    pub fn same_bytes(&self, may_be_cut: bool) -> Result<(), String> {
        let (one, other) = (self.one.peer.received(), self.other.peer.received());
        if one == other || may_be_cut && (one.starts_with(&other) || other.starts_with(&one)) {
            return Ok(());
        }
        let same = one.iter().zip(&other).take_while(|(one, other)| one == other).count();
        let (one, other) = (count(one.len(), "byte"), count(other.len(), "byte"));
        Err(format!("receives {one}, and otherwise {other}: the first {same} are the same"))
    }
}

/// The conversation of each peer that is served, by its number.
fn served<'a, S>((world, ledger): Outcome<'a, S>) -> BTreeMap<u64, &'a Conversation> {
    let served = ledger.conversations.iter().filter(|conversation| conversation.served.is_some());
    served.map(|conversation| (world.peers[conversation.plan].number, conversation)).collect()
}

/// By how much the times of two conversations may differ. A connection waits for its run at most a turn for each
/// connection, since every turn runs all that have just become ready and at least one of the busy. And a session that waits
/// after each read waits at other times if the same bytes come in other reads.
fn bound<S: Subject>(world: &World<S>, crowd: usize, one: &Conversation, other: &Conversation) -> Duration {
    let of = |conversation: &Conversation| conversation.served.as_ref().map_or((0, 0), |it| (it.runs, it.reads));
    let ((one_runs, one_reads), (other_runs, other_reads)) = (of(one), of(other));
    let splits_reads = |fault: &PlannedFault| matches!(fault.kind, FaultKind::ShortReads | FaultKind::SpuriousReads);
    let reads_differ = one_reads != other_reads || world.faults.iter().any(splits_reads);
    let waits = if reads_differ { one_reads.max(other_reads) } else { 0 };
    let turns = (one_runs.max(other_runs) + 1).saturating_mul(u32::try_from(crowd).unwrap_or(u32::MAX));
    TURN * turns + world.subject.patience() * waits + world.subject.puts_off()
}

/// Whether the server has ended a conversation because some time had passed.
fn ends_by_time(conversation: &Conversation) -> bool {
    let by_time =
        |ending| matches!(ending, EndKind::Idle | EndKind::TimedOut | EndKind::WriteTimedOut | EndKind::Failed);
    conversation.closed().is_some_and(|(_, ending)| by_time(ending))
}
