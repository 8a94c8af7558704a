//! Connections that are done, and wait only for their peers' closes.
//!
//! A conversation that has ended in order leaves nothing to do but to wait for the peer's close: a close of ours would
//! make the system answer further input with a reset, which destroys a reply that the peer has not read yet (RFC 9112,
//! section 9.6). Such a connection keeps its place until then, but makes way for a new one that finds no other place.

use std::collections::VecDeque;

use super::Reactor;
use super::id::ConnectionId;
use super::slots::Slots;
use crate::selector::Selector;
use crate::session::Service;
use crate::trace::Subscriber;

/// The leaving connections, the longest waiting first.
#[derive(Debug, Default)]
pub(super) struct Leaving {
    ids: VecDeque<ConnectionId>,
}

impl Leaving {
    pub fn add(&mut self, id: ConnectionId) {
        self.ids.push_back(id);
    }

    pub fn ids(&self) -> impl Iterator<Item = ConnectionId> {
        self.ids.iter().copied()
    }

    /// Forgets those at the front that have closed.
    #[inline]
    pub fn forget_closed<S, T>(&mut self, slots: &mut Slots<S, T>) {
        while self.ids.front().is_some_and(|&id| slots.get_mut(id).is_none()) {
            self.ids.pop_front();
        }
    }
}

impl<S: Selector, V: Service, T: Subscriber> Reactor<S, V, T> {
    /// Closes the connection that has waited longest for its peer's close, if any, and so frees its place.
    pub(super) fn make_way(&mut self) {
        let Some(&id) = self.leaving.ids.front() else { return };
        let Some(slot) = self.slots.get_mut(id) else { return };
        let end = slot.connection.cut(self.trace.of(id.generation()));
        self.close(id, end);
    }
}
