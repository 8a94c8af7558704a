//! Snapshots of the loop and its connections, for a subscriber that asks.

use super::Reactor;
use crate::selector::Selector;
use crate::session::Service;
use crate::trace::{Event, LoopIs, Portion, Subscriber};

impl<S: Selector, V: Service, T: Subscriber> Reactor<S, V, T> {
    /// Emits a portion of a snapshot: its connections, then the loop.
    #[cold]
    pub(super) fn tell_what_is(&self, Portion { from, count }: Portion) {
        let has_messages = self.service.has_messages();
        let until = from.saturating_add(count).min(self.slots.keys_end());
        for (id, slot) in (from..until).filter_map(|key| self.slots.at(key)).filter(|(id, _)| !id.is_apart()) {
            let mut is = slot.connection.snapshot(slot.interest, self.now);
            is.has_messages = has_messages;
            if let Some((age, tally)) = self.tallies.as_ref().and_then(|tallies| tallies.of(id, self.now)) {
                (is.age, is.tally) = (Some(age), Some(tally));
            }
            self.trace.of(id.generation()).emit(&slot.connection.peer, Event::ConnectionIs(&is));
        }
        let is = LoopIs {
            open: self.slots.len() - self.slots.apart(),
            runnable: self.runnable.served(),
            timers: self.timers.len(),
            paused: self.accepting.why_paused(),
            stopping: self.stopping.is_some(),
            totals: &self.totals(),
            has_messages,
            next: (until < self.slots.keys_end()).then_some(until),
        };
        self.trace.own().emit_own(Event::LoopIs(&is));
    }
}
