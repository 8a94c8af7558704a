//! The oracles: each judges one aspect of a run.

mod bytes;
pub mod cost;
mod lingering;
pub mod liveness;
mod pressure;
mod telling;

use std::fmt;

use super::ledger::{Conversation, Ledger};
use super::peer::Plan;
use super::subject::Subject;
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
}

impl Oracle {
    /// All of them.
    pub const ALL: [Oracle; 6] =
        [Oracle::Bytes, Oracle::Liveness, Oracle::Books, Oracle::Cost, Oracle::Limits, Oracle::Panics];

    /// The name.
    pub const fn name(self) -> &'static str {
        match self {
            Oracle::Bytes => "bytes",
            Oracle::Liveness => "liveness",
            Oracle::Books => "books",
            Oracle::Cost => "cost",
            Oracle::Limits => "limits",
            Oracle::Panics => "panics",
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
}

/// Judges a run that has ended.
pub fn judge<S: Subject>(world: &World<S>, ledger: &Ledger) -> Result<(), Violation> {
    if let Some(message) = &ledger.panicked {
        return Err(Violation::new(Oracle::Panics, format!("a session or the service panicked: {message}")));
    }
    let (most, max) = (ledger.open_most, world.limits.connections_max);
    if most > max {
        let what = format!("{} were served at once, and at most {max} may be", count(most, "connection"));
        return Err(Violation::new(Oracle::Limits, what));
    }
    for conversation in &ledger.conversations {
        let plan = &world.peers[conversation.plan];
        let case = Case { world, ledger, plan, conversation };
        let found = bytes::judge(&case).map_err(|what| (Oracle::Bytes, what));
        let found = found.and_then(|()| liveness::judge(&case).map_err(|what| (Oracle::Liveness, what)));
        let found = found.and_then(|()| lingering::judge(&case).map_err(|what| (Oracle::Liveness, what)));
        let found = found.and_then(|()| telling::judge(&case).map_err(|what| (Oracle::Books, what)));
        let found = found.and_then(|()| pressure::judge(&case).map_err(|what| (Oracle::Limits, what)));
        found.map_err(|(oracle, what)| Violation::new(oracle, format!("peer {}: {what}", plan.number)))?;
    }
    Ok(())
}
