//! Sending requests: as places for them become free, or when they're due.

use super::{Generator, Stage};
use crate::bench::load::link::Stamp;
use crate::bench::results::Pace;

impl Generator<'_> {
    /// Handles a place that has become free.
    pub(super) fn go_on_with(&mut self, key: usize, now: u64) {
        if self.stage == Stage::Stopping {
            return;
        }
        match self.load.pace {
            Pace::Closed if now >= self.tally.window().end => {}
            Pace::Closed => self.begin(key, Stamp { due: now, sent: now }),
            Pace::Open { .. } => match self.queue.pop_front() {
                Some(due) => self.begin(key, Stamp { due, sent: now }),
                None => self.free.push_back(key),
            },
        }
    }

    /// Sends the requests due by now, and returns whether there were any. It never sends more than that: requests that
    /// the server has delayed wait in the queue, and no extra ones follow.
    pub(super) fn ask_what_is_due(&mut self, now: u64) -> bool {
        let mut has_worked = false;
        while let Some(due) = self.take_due(now) {
            has_worked = true;
            self.tally.due(due, now);
            // Skip the places of closed connections.
            let place = loop {
                match self.free.pop_front() {
                    Some(key) if self.load.talk.once().is_none() && !self.links[key].is_there() => {}
                    place => break place,
                }
            };
            match place {
                Some(key) => self.ask(key, Stamp { due, sent: now }),
                None => self.queue.push_back(due),
            }
        }
        while let Some(drips) = &mut self.drips {
            if self.stage == Stage::Stopping || drips.take_due(now.saturating_sub(self.started)).is_none() {
                break;
            }
            has_worked = true;
            let key = self.load.busy + self.next_drip;
            self.next_drip = (self.next_drip + 1) % self.load.dripping;
            if self.links[key].is_connected() {
                self.links[key].drip();
                self.push(key);
            }
        }
        has_worked
    }

    pub(super) fn take_due(&mut self, now: u64) -> Option<u64> {
        if self.stage == Stage::Stopping {
            return None;
        }
        let due = self.timetable.as_mut()?.take_due(now.saturating_sub(self.started))?;
        Some(self.started + due)
    }

    /// Whether a request is due before `time` and hasn't been noticed yet.
    pub(super) fn is_due_before(&self, time: u64) -> bool {
        self.timetable.as_ref().is_some_and(|timetable| self.started + timetable.next_due() < time)
    }

    /// Begins a request and sends it.
    pub(super) fn ask(&mut self, key: usize, stamp: Stamp) {
        self.begin(key, stamp);
        if self.load.talk.once().is_none() {
            self.push(key);
        }
    }

    /// Begins a request: at once on a connection of its own, otherwise with the next [push](Self::push).
    pub(super) fn begin(&mut self, key: usize, stamp: Stamp) {
        if self.load.talk.once().is_some() {
            return self.connect(key, stamp);
        }
        self.in_flight += 1;
        self.links[key].begin(stamp, self.load.talk);
    }
}
