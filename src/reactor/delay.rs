//! The delay between an order to stop and the stop.

use std::time::{Duration, Instant};

use crate::trace::{Event, Tracer};

/// An order to stop, which may be delayed.
#[derive(Debug)]
pub(crate) struct DelayedStop {
    delay: Duration,
    /// The time of the stop, once it has been ordered.
    at: Option<Instant>,
}

impl DelayedStop {
    /// Stops come this long after their order.
    pub const fn by(delay: Duration) -> Self {
        DelayedStop { delay, at: None }
    }

    /// The time of the stop, which has been ordered by now. A delay is traced once.
    pub fn time(&mut self, now: Instant, own: Tracer<'_>) -> Instant {
        *self.at.get_or_insert_with(|| {
            if !self.delay.is_zero() {
                own.emit_own(Event::StopDelayed { delay: self.delay });
            }
            now + self.delay
        })
    }

    /// The time of the stop, if it has been ordered.
    pub const fn at(&self) -> Option<Instant> {
        self.at
    }
}
