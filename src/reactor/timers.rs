//! When to look at a connection again.
//!
//! Deadlines move with nearly every message, almost always further away. So a timer is left where it is when its
//! connection's deadline moves on: when it goes off, the connection is asked, and if it is early, it is set anew. Only a
//! deadline that moves nearer needs another timer, and the old one, then stale, finds that it is no longer the one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use super::id::ConnectionId;

#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, ConnectionId)>>,
}

impl Timers {
    /// Below this many it is not worth looking for stale ones.
    const FEW: usize = 1024;

    pub fn set(&mut self, id: ConnectionId, when: Instant) {
        self.heap.push(Reverse((when, id)));
    }

    /// When the next one goes off.
    pub fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((when, _))| *when)
    }

    /// Takes one that has gone off by `now`.
    pub fn expired(&mut self, now: Instant) -> Option<(Instant, ConnectionId)> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(timer)| timer)
    }

    /// Whether most timers are stale when there are `connections`, of which each needs one at most. Connections that
    /// come and go leave theirs behind, and dropping these now and then keeps memory in proportion, at a constant cost
    /// for each.
    pub fn is_mostly_stale(&self, connections: usize) -> bool {
        self.heap.len() > 2 * connections + Self::FEW
    }

    pub fn retain(&mut self, mut is_live: impl FnMut(ConnectionId, Instant) -> bool) {
        self.heap.retain(|Reverse((when, id))| is_live(*id, *when));
    }
}
