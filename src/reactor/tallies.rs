//! What each connection has done so far, beside the connections, which stay small: kept only if somebody may ask.

use std::time::{Duration, Instant};

use super::id::ConnectionId;
use crate::connection::Budget;
use crate::trace::Tally;

/// A tally for each slot.
#[derive(Debug, Default)]
pub(super) struct Tallies(Vec<Entry>);

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// The connection that it is of.
    generation: u32,
    /// The time of its first run.
    since: Instant,
    tally: Tally,
}

impl Tallies {
    /// Adds a run of a connection.
    #[inline]
    pub fn add(&mut self, id: ConnectionId, run: &Budget, now: Instant) {
        let entry = match self.0.get_mut(id.key()) {
            Some(entry) if entry.generation == id.generation() => entry,
            _ => self.begin(id, now),
        };
        run.count(&mut entry.tally);
    }

    /// Begins the tally of a connection.
    #[cold]
    fn begin(&mut self, id: ConnectionId, now: Instant) -> &mut Entry {
        let fresh = |generation| Entry { generation, since: now, tally: Tally::default() };
        if self.0.len() <= id.key() {
            self.0.resize(id.key() + 1, fresh(0));
        }
        let entry = &mut self.0[id.key()];
        *entry = fresh(id.generation());
        entry
    }

    /// The age of a connection, and what it has done.
    pub fn of(&self, id: ConnectionId, now: Instant) -> Option<(Duration, Tally)> {
        let entry = self.0.get(id.key()).filter(|entry| entry.generation == id.generation())?;
        Some((now.saturating_duration_since(entry.since), entry.tally))
    }
}
