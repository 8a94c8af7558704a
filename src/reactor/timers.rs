//! Timers for connections' deadlines.
//!
//! Deadlines move with nearly every message, almost always further away. So a timer stays in place when its
//! connection's deadline moves on: when it fires, the current deadline is checked, and if that is later, the timer is
//! set again. Only a deadline that moves nearer needs another timer; the old one, now stale, is ignored when it fires.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use super::id::ConnectionId;

#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, ConnectionId)>>,
    /// All that were set for this time or before have fired.
    fired_by: Option<Instant>,
}

impl Timers {
    /// Below this number, dropping stale ones is not worth the effort.
    const FEW: usize = 1024;

    pub fn set(&mut self, id: ConnectionId, when: Instant) {
        self.heap.push(Reverse((when, id)));
    }

    /// The number of timers, stale ones included.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// The time when the next one fires.
    pub fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((when, _))| *when)
    }

    /// Removes and returns one that has fired by `now`.
    pub fn expired(&mut self, now: Instant) -> Option<(Instant, ConnectionId)> {
        if self.next().is_none_or(|next| next > now) {
            self.fired_by = Some(now);
            return None;
        }
        self.heap.pop().map(|Reverse(timer)| timer)
    }

    /// Whether all that were set for `now` or before have fired.
    pub fn have_fired(&self, now: Instant) -> bool {
        self.fired_by == Some(now)
    }

    /// Whether most timers are stale, given the number of `connections`, each of which needs at most one. Closed
    /// connections leave theirs behind. Dropping these now and then keeps memory in proportion to the connections, at a
    /// constant cost for each.
    pub fn is_mostly_stale(&self, connections: usize) -> bool {
        self.heap.len() > 2 * connections + Self::FEW
    }

    pub fn retain(&mut self, mut is_live: impl FnMut(ConnectionId, Instant) -> bool) {
        self.heap.retain(|Reverse((when, id))| is_live(*id, *when));
    }
}
