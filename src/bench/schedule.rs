//! When requests are due: fixed in advance, whatever becomes of them.

use super::results::Schedule;

/// The moments at which requests are due, one after the other, in nanoseconds from the beginning.
///
/// Two timetables with the same rate, schedule and seed are the same, so that every server is asked the same.
#[derive(Clone, Debug)]
pub struct Timetable {
    interval: f64,
    schedule: Schedule,
    random: u64,
    /// The next, with its fraction, so that no rate drifts.
    next: f64,
}

impl Timetable {
    /// The first is due at once with an even schedule, and with a Poisson schedule after its first interval.
    ///
    /// # Panics
    /// If the rate is not more than zero.
    pub fn new(rate_per_second: f64, schedule: Schedule, seed: u64) -> Timetable {
        assert!(rate_per_second > 0.0, "a rate of {rate_per_second} is none");
        let mut timetable = Timetable { interval: 1e9 / rate_per_second, schedule, random: seed, next: 0.0 };
        match schedule {
            Schedule::Even => {}
            Schedule::Poisson => timetable.step(),
        }
        timetable
    }

    /// When the next is due.
    pub fn next_due(&self) -> u64 {
        self.next as u64
    }

    /// The next, if it's due at `now`: it's taken off.
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

    /// From 0 to 1, without 1: splitmix64.
    fn uniform(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed >> 11) as f64 / (1u64 << 53) as f64
    }
}
