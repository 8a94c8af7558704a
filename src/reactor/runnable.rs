//! The runnable connections, in the order in which they run.
//!
//! A connection that has just become ready runs first, with a small share. If it has more to do than that, it's busy,
//! and waits behind other busy connections for shares of a turn that is bounded in all; at the end of the turn, new
//! events are fetched. So a request waits for no crowd of busy connections, only for what is left of a turn. The idea
//! is that of the scheduler fq_codel (RFC 8290, section 4), which sends packets of new flows before those of old flows.
//!
//! Nobody starves: a turn runs at least one busy connection, and they take turns.

use std::collections::VecDeque;

use super::id::ConnectionId;

/// The work of busy connections in a turn, in bytes moved: at least this much, or more if there are many events, so
/// that fetching them doesn't become the main cost.
const BUSY_WORK_MIN: usize = 384 << 10;
const BUSY_WORK_PER_EVENT: usize = 2 << 10;

/// Connections with something to do.
#[derive(Debug)]
pub(super) struct Runnable {
    /// Connections that have just become ready.
    fresh: VecDeque<ConnectionId>,
    /// Connections that had much to do in their last run.
    busy: VecDeque<ConnectionId>,
    /// The connections of each queue that may still run in this turn. Connections that yield run in the next.
    fresh_left: usize,
    busy_left: usize,
}

/// The room of each queue at first.
const FEW: usize = 64;

impl Default for Runnable {
    /// Has room for a few connections, so that the first of a kind costs no more than those after it.
    fn default() -> Self {
        let queue = || VecDeque::with_capacity(FEW);
        Runnable { fresh: queue(), busy: queue(), fresh_left: 0, busy_left: 0 }
    }
}

impl Runnable {
    /// Adds a connection, which is not queued yet.
    pub fn add(&mut self, id: ConnectionId, is_busy: bool) {
        if is_busy { &mut self.busy } else { &mut self.fresh }.push_back(id);
    }

    pub fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.busy.is_empty()
    }

    /// The connections in both queues.
    pub fn ids(&self) -> impl Iterator<Item = ConnectionId> {
        self.fresh.iter().chain(&self.busy).copied()
    }

    /// Begins the runs of a turn that has this number of `events`. Returns the work that busy connections may do in it.
    pub fn begin_turn(&mut self, events: usize) -> usize {
        (self.fresh_left, self.busy_left) = (self.fresh.len(), self.busy.len());
        BUSY_WORK_MIN.max(events * BUSY_WORK_PER_EVENT)
    }

    /// Takes the next connection that has just become ready.
    pub fn next_fresh(&mut self) -> Option<ConnectionId> {
        self.fresh_left = self.fresh_left.checked_sub(1)?;
        self.fresh.pop_front()
    }

    /// Takes the next busy connection.
    pub fn next_busy(&mut self) -> Option<ConnectionId> {
        self.busy_left = self.busy_left.checked_sub(1)?;
        self.busy.pop_front()
    }
}
