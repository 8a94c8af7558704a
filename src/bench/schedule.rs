//! The schedule of requests, fixed in advance, regardless of their outcome.

use super::results::Schedule;

/// The due times of consecutive requests, in nanoseconds from the beginning.
///
/// Two timetables with the same rate, schedule and seed are equal, so that every server gets the same load.
#[derive(Clone, Debug)]
pub struct Timetable {
    interval: f64,
    schedule: Schedule,
    random: u64,
    /// The next due time, with its fraction, so that no rate drifts.
    next: f64,
}

impl Timetable {
    /// Creates a timetable. With an even schedule, the first request is due at once; with a Poisson schedule, after its
    /// first interval.
    ///
    /// # Panics
    /// If the rate is not more than zero.
    pub fn new(rate_per_second: f64, schedule: Schedule, seed: u64) -> Timetable {
        assert!(rate_per_second > 0.0, "the rate {rate_per_second} is not positive");
        let mut timetable = Timetable { interval: 1e9 / rate_per_second, schedule, random: seed, next: 0.0 };
        match schedule {
            Schedule::Even => {}
            Schedule::Poisson => timetable.step(),
        }
        timetable
    }

    /// The next due time.
    pub fn next_due(&self) -> u64 {
        self.next as u64
    }

    /// Takes the next due time if it's not later than `now`.
    pub fn take_due(&mut self, now: u64) -> Option<u64> {
        let due = self.next_due();
        if due > now {
            return None;
        }
        self.step();
        Some(due)
    }

    fn step(&mut self) {
        self.next += match self.schedule {
            Schedule::Even => self.interval,
            Schedule::Poisson => -self.interval * (1.0 - self.uniform()).ln(),
        };
    }

    /// A random number from 0 to 1, excluding 1: splitmix64.
    fn uniform(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// The requests of a timetable, from when they're due until they're sent, first in, first out.
///
/// Waiting requests are not stored: their due times are computed again when they're sent. So the backlog of a stalled
/// server takes no memory, whatever the rate and the duration.
#[derive(Clone, Debug)]
pub struct Requests {
    coming: Timetable,
    /// The same timetable, at the first waiting request.
    unsent: Timetable,
    waiting: u64,
}

impl Requests {
    /// Creates the requests of a timetable; none is due yet.
    pub fn new(timetable: Timetable) -> Requests {
        Requests { unsent: timetable.clone(), coming: timetable, waiting: 0 }
    }

    /// The due time of the next request that isn't waiting yet.
    pub fn next_due(&self) -> u64 {
        self.coming.next_due()
    }

    /// Adds the next request to those waiting if it's due by `now`, and returns its due time.
    pub fn arrive(&mut self, now: u64) -> Option<u64> {
        let due = self.coming.take_due(now)?;
        self.waiting += 1;
        Some(due)
    }

    /// Takes the request that has waited longest, and returns its due time.
    pub fn take_waiting(&mut self) -> Option<u64> {
        self.waiting = self.waiting.checked_sub(1)?;
        self.unsent.take_due(u64::MAX)
    }
}
