//! Times within a turn, for subscribers that ask for them.
//!
//! The loop itself reads its selector's clock once a turn, and never this one, so measuring changes nothing that it
//! does, on real sockets or simulated ones.

use std::time::{Duration, Instant};

/// A stopwatch, which may be off. Then it costs nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stopwatch {
    since: Option<Instant>,
}

impl Stopwatch {
    /// Starts one, if `is_wanted`.
    #[inline]
    pub fn started_if(is_wanted: bool) -> Self {
        Stopwatch { since: is_wanted.then(Instant::now) }
    }

    /// Whether it is running.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.since.is_some()
    }

    /// The time since its start, or since the last lap.
    pub fn elapsed(&self) -> Option<Duration> {
        self.since.map(|since| since.elapsed())
    }

    /// The same, and begins another lap.
    #[inline]
    pub fn lap(&mut self) -> Option<Duration> {
        let since = self.since?;
        let now = Instant::now();
        self.since = Some(now);
        Some(now.saturating_duration_since(since))
    }
}
