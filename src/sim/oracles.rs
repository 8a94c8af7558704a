//! The oracles: each judges one aspect of a run.

mod accepting;
pub mod agreement;
mod balance;
mod bytes;
pub mod cost;
mod fairness;
pub mod isolation;
mod lingering;
pub mod liveness;
pub mod pair;
mod pressure;
mod refusing;
mod stopping;
mod telling;

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use super::ledger::{Conversation, Ledger};
use super::peer::Plan;
use super::subject::{Answer, Subject};
use super::world::World;
use crate::text::count;

/// An oracle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Oracle {
    /// Each peer receives the right bytes, and the whole of them unless there is a reason.
    Bytes,
    /// Nobody waits for ever.
    Liveness,
    /// The loop's books balance after every turn, and nothing is left at the end.
    Books,
    /// No call is wasted.
    Cost,
    /// The limits hold: connections at once, and output that waits for a peer.
    Limits,
    /// Nothing panics.
    Panics,
    /// Each client tries its addresses in order, and its report is true.
    Reports,
    /// Hostile peers change nothing for the others.
    Isolation,
    /// All ways to serve give the same bytes.
    Agreement,
}

impl Oracle {
    /// All of them.
    pub const ALL: [Oracle; 9] = [
        Oracle::Bytes,
        Oracle::Liveness,
        Oracle::Books,
        Oracle::Cost,
        Oracle::Limits,
        Oracle::Panics,
        Oracle::Reports,
        Oracle::Isolation,
        Oracle::Agreement,
    ];

    /// The name.
    pub const fn name(self) -> &'static str {
        match self {
            Oracle::Bytes => "bytes",
            Oracle::Liveness => "liveness",
            Oracle::Books => "books",
            Oracle::Cost => "cost",
            Oracle::Limits => "limits",
            Oracle::Panics => "panics",
            Oracle::Reports => "reports",
            Oracle::Isolation => "isolation",
            Oracle::Agreement => "agreement",
        }
    }
}

impl fmt::Display for Oracle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A violation: what an oracle has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The oracle.
    pub oracle: Oracle,
    /// What is wrong, in words.
    pub what: String,
}

impl Violation {
    /// What `oracle` has found.
    pub fn new(oracle: Oracle, what: impl Into<String>) -> Self {
        Violation { oracle, what: what.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.oracle, self.what)
    }
}

/// A conversation with everything that judges it.
struct Case<'a, S> {
    world: &'a World<S>,
    ledger: &'a Ledger,
    plan: &'a Plan,
    conversation: &'a Conversation,
    answer: Rc<Answer>,
    /// The answer is one to all that the peer has sent, and not only to what was read.
    is_to_all: bool,
    times: Times,
}

/// The times of a world that judge all its conversations.
#[derive(Clone, Copy)]
struct Times {
    /// See [`World::delay`].
    delay: Duration,
    /// See [`World::healed`].
    healed: Duration,
    /// See [`liveness::patience`].
    patience: Duration,
}

/// Judges a run that has ended.
pub fn judge<S: Subject>(world: &World<S>, ledger: &Ledger) -> Result<(), Violation> {
    if let Some(message) = &ledger.panicked
        && !world.subject.panics()
    {
        return Err(Violation::new(Oracle::Panics, format!("a session or the service panicked: {message}")));
    }
    let (most, max) = (ledger.open_most, world.limits.connections_max);
    if most > max {
        let what = format!("{} were served at once, and at most {max} may be", count(most, "connection"));
        return Err(Violation::new(Oracle::Limits, what));
    }
    // A loop that has stopped may end before it. The server's clock may be ahead of that of the orders.
    let is_before_stop = |at| ledger.stopping.is_none_or(|stopping| stopping > at + world.clock_ahead());
    let must_reload = world.reloads.is_some_and(is_before_stop);
    if ledger.reloads < usize::from(must_reload) || ledger.reloads > usize::from(world.reloads.is_some()) {
        let what = format!("the service has reloaded {}", count(ledger.reloads, "time"));
        return Err(Violation::new(Oracle::Liveness, what));
    }
    let times = Times { delay: world.delay(), healed: world.healed(), patience: liveness::patience(world) };
    for (conversation, (answer, is_to_all)) in ledger.conversations.iter().zip(answers(world, ledger)) {
        let plan = &world.peers[conversation.plan];
        let case = Case { world, ledger, plan, conversation, answer, is_to_all, times };
        let found = bytes::judge(&case).map_err(|what| (Oracle::Bytes, what));
        let found = found.and_then(|()| liveness::judge(&case).map_err(|what| (Oracle::Liveness, what)));
        let found = found.and_then(|()| lingering::judge(&case).map_err(|what| (Oracle::Liveness, what)));
        let found = found.and_then(|()| telling::judge(&case).map_err(|what| (Oracle::Books, what)));
        let found = found.and_then(|()| refusing::judge(&case).map_err(|what| (Oracle::Limits, what)));
        let found = found.and_then(|()| pressure::judge(&case).map_err(|what| (Oracle::Limits, what)));
        let found = found.and_then(|()| accepting::judge(&case).map_err(|what| (Oracle::Liveness, what)));
        let found = found.and_then(|()| balance::judge(&case).map_err(|what| (Oracle::Books, what)));
        let found = found.and_then(|()| stopping::judge(&case));
        let found = found.and_then(|()| fairness::judge(&case).map_err(|what| (Oracle::Isolation, what)));
        found.map_err(|(oracle, what)| Violation::new(oracle, format!("peer {}: {what}", plan.number)))?;
    }
    Ok(())
}

/// The reference server's answer to each peer, and whether it is one to all that the peer has sent.
fn answers<S: Subject>(world: &World<S>, ledger: &Ledger) -> Vec<(Rc<Answer>, bool)> {
    let conversations = &ledger.conversations;
    let stream = |conversation: &Conversation| &world.peers[conversation.plan].stream[..];
    let streams: Vec<&[u8]> = conversations.iter().map(stream).collect();
    if let Some(answers) = world.subject.answers(&ledger.heard(&streams), conversations.len()) {
        let is_to_all = |conversation: &Conversation| {
            conversation.served.as_ref().is_none_or(|served| served.heard == conversation.sent)
        };
        return answers.into_iter().map(Rc::new).zip(conversations.iter().map(is_to_all)).collect();
    }
    let answer = |conversation: &Conversation| {
        let plan = &world.peers[conversation.plan];
        let faults: Vec<_> = conversation.done().into_iter().flat_map(|at| world.file_faults(at)).collect();
        match conversation.sent == plan.stream.len() && faults.is_empty() {
            true => Rc::clone(&plan.answer),
            false => {
                let faults: Vec<_> = faults.iter().map(|fault| fault.kind).collect();
                Rc::new(world.subject.answer_amid(&plan.stream[..conversation.sent], &faults))
            }
        }
    };
    conversations.iter().map(|conversation| (answer(conversation), true)).collect()
}
