//! The time that each part of a turn takes, if a subscriber asks.

use std::time::Duration;

use crate::selector::Stopwatch;
use crate::trace::Event;

/// The parts of a turn after `select`, in order.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Dispatch,
    Run,
    Accept,
    Timers,
}

/// A stopwatch for the parts of a turn.
#[derive(Debug, Default)]
pub(super) struct Laps {
    watch: Stopwatch,
    /// The time in `select`, if it is known.
    select: Option<Duration>,
    /// By [`Part`].
    parts: [Duration; 4],
    /// What was done for connections of listeners apart.
    apart: usize,
}

impl Laps {
    /// Begins a turn, measured or not.
    #[inline]
    pub fn begin(&mut self, is_wanted: bool) {
        if !is_wanted {
            if self.watch.is_on() {
                self.watch = Stopwatch::default();
            }
            return;
        }
        self.select = self.watch.lap();
        if self.select.is_none() {
            self.watch = Stopwatch::started_if(true);
        }
        self.parts = Default::default();
        self.apart = 0;
    }

    /// Ends a part. After a panic, a part may end more than once.
    #[inline]
    pub fn end(&mut self, part: Part) {
        if let Some(time) = self.watch.lap() {
            self.parts[part as usize] += time;
        }
    }

    /// Counts a run, an accepted connection or a timer of a listener apart.
    #[inline]
    pub fn note_apart(&mut self) {
        self.apart += 1;
    }

    /// The times of the turn, if it is measured.
    #[inline]
    pub fn event(&self) -> Option<Event<'static>> {
        let [dispatch, run, accept, timers] = self.parts;
        let (select, apart) = (self.select, self.apart);
        self.watch.is_on().then_some(Event::TurnEnded { select, dispatch, run, accept, timers, apart })
    }
}
