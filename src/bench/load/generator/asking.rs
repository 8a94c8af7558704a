//! Sending requests: as places for them become free, or when they're due.

use super::{Generator, Stage};
use crate::bench::load::link::Stamp;
use crate::bench::results::Pace;

/// The most due requests that are handled before the generator looks for replies and signals.
const ARRIVALS_AT_ONCE: u32 = 1000;

impl Generator<'_> {
    /// Handles a place that has become free.
    pub(super) fn go_on_with(&mut self, key: usize, now: u64) {
        if self.stage == Stage::Stopping {
            return;
        }
        match self.load.pace {
            Pace::Closed if now >= self.tally.window().end => {}
            Pace::Closed => self.begin(key, Stamp { due: now, sent: now }),
            Pace::Open { .. } => match self.take_waiting() {
                Some(due) => self.begin(key, Stamp { due, sent: now }),
                None => self.free.push_back(key),
            },
        }
    }

    /// Sends the requests due by now, and returns whether there were any. Requests that the server has delayed keep
    /// waiting, and no extra ones make up for them.
    pub(super) fn ask_what_is_due(&mut self, now: u64) -> bool {
        let mut has_worked = false;
        // Limited: at a rate that is too high for the generator, it would never get to replies and signals.
        for _ in 0..ARRIVALS_AT_ONCE {
            if !self.arrive(now) {
                break;
            }
            has_worked = true;
            // Skip the places of closed connections.
            let place = loop {
                match self.free.pop_front() {
                    Some(key) if self.load.talk.once().is_none() && !self.links[key].is_there() => {}
                    place => break place,
                }
            };
            if let Some(key) = place
                && let Some(due) = self.take_waiting()
            {
                self.ask(key, Stamp { due, sent: now });
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

    /// Adds the next request to those waiting for a place if it's due by `now`, and returns whether it is.
    pub(super) fn arrive(&mut self, now: u64) -> bool {
        if self.stage == Stage::Stopping {
            return false;
        }
        let Some(requests) = &mut self.requests else { return false };
        let Some(due) = requests.arrive(now.saturating_sub(self.started)) else { return false };
        self.tally.due(self.started + due, now);
        true
    }

    /// Takes the request that has waited longest, and returns its due time.
    pub(super) fn take_waiting(&mut self) -> Option<u64> {
        Some(self.started + self.requests.as_mut()?.take_waiting()?)
    }

    /// Whether a request is due before `time` and isn't waiting yet.
    pub(super) fn is_due_before(&self, time: u64) -> bool {
        self.requests.as_ref().is_some_and(|requests| self.started + requests.next_due() < time)
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
        let number = self.take_number();
        self.links[key].begin(stamp, self.load.talk, number);
    }
}
