//! The runnable connections, in the order in which they run.
//!
//! A connection that has just become ready runs first, with a small share. If it has more to do than that, it's busy,
//! and waits behind other busy connections. Their work in a turn is bounded, and after it, new events are fetched. So a
//! request doesn't wait for a crowd of busy connections, only for the rest of a turn. The idea is that of the scheduler
//! fq_codel (RFC 8290, section 4), which sends packets of new flows before those of old flows.
//!
//! No connection starves: each turn runs at least one busy connection, and these alternate.
//!
//! Connections of listeners apart run after all of these, a few in a turn.

use std::collections::VecDeque;

use super::id::ConnectionId;

/// The work of busy connections in a turn, in bytes moved: at least this much, or more if there are many events, so
/// that fetching them doesn't become the main cost.
const BUSY_WORK_MIN: usize = 384 << 10;
const BUSY_WORK_PER_EVENT: usize = 2 << 10;

/// The most connections of listeners apart that run in a turn.
const APART_PER_TURN: usize = 4;

/// Connections with something to do.
#[derive(Debug)]
pub(super) struct Runnable {
    /// Connections that have just become ready.
    fresh: VecDeque<ConnectionId>,
    /// Connections that had much to do in their last run.
    busy: VecDeque<ConnectionId>,
    /// Connections of listeners apart.
    apart: VecDeque<ConnectionId>,
    /// The connections of each queue that may still run in this turn. Connections that yield run in the next.
    fresh_left: usize,
    busy_left: usize,
    apart_left: usize,
}

/// The initial capacity of each queue.
const FEW: usize = 64;

impl Default for Runnable {
    /// Has room for a few connections, so that the first ones cost no more than later ones.
    fn default() -> Self {
        let queue = || VecDeque::with_capacity(FEW);
        let apart = VecDeque::new();
        Runnable { fresh: queue(), busy: queue(), apart, fresh_left: 0, busy_left: 0, apart_left: 0 }
    }
}

impl Runnable {
    /// Adds a connection, which is not queued yet.
    pub fn add(&mut self, id: ConnectionId, is_busy: bool) {
        let queue = match is_busy {
            _ if id.is_apart() => &mut self.apart,
            true => &mut self.busy,
            false => &mut self.fresh,
        };
        queue.push_back(id);
    }

    pub fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.busy.is_empty() && self.apart.is_empty()
    }

    /// The number of served connections that are queued. Some may have closed since.
    pub fn served(&self) -> usize {
        self.fresh.len() + self.busy.len()
    }

    /// The connections in all queues.
    pub fn ids(&self) -> impl Iterator<Item = ConnectionId> {
        self.fresh.iter().chain(&self.busy).chain(&self.apart).copied()
    }

    /// Begins the runs of a turn with this number of `events`. Returns the work that busy connections may do in it.
    pub fn begin_turn(&mut self, events: usize) -> usize {
        (self.fresh_left, self.busy_left) = (self.fresh.len(), self.busy.len());
        self.apart_left = self.apart.len().min(APART_PER_TURN);
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

    /// Takes the next connection of a listener apart.
    pub fn next_apart(&mut self) -> Option<ConnectionId> {
        self.apart_left = self.apart_left.checked_sub(1)?;
        self.apart.pop_front()
    }
}
