//! The counts and times of a run, within its measured time.

use std::collections::BTreeMap;
use std::ops::Range;

use super::link::Stamp;
use crate::bench::recorder::Recorder;
use crate::bench::results::{Pace, Slice};

/// The number of slices of a run's time.
const SLICES: u64 = 50;

/// The figures of one run so far.
#[derive(Debug)]
pub struct Tally {
    is_open: bool,
    /// The measured time, in nanoseconds on the generator's clock; empty until it's known.
    window: Range<u64>,
    pub replies: u64,
    pub reply_bytes: u64,
    pub errors: BTreeMap<String, u64>,
    /// The error in the first wrong reply, if it's known in detail.
    pub first_wrong: Option<String>,
    pub unsent: u64,
    pub latency: Recorder,
    pub service: Recorder,
    pub connect: Recorder,
    pub lag: Recorder,
    pub over_time: Vec<Slice>,
    /// Requests due in the measured time and not answered yet (open loop).
    pub awaited: u64,
    slice: Recorder,
    slice_end: u64,
}

impl Tally {
    pub fn new(pace: Pace) -> Tally {
        Tally {
            is_open: matches!(pace, Pace::Open { .. }),
            window: u64::MAX..u64::MAX,
            replies: 0,
            reply_bytes: 0,
            errors: BTreeMap::new(),
            first_wrong: None,
            unsent: 0,
            latency: Recorder::new(),
            service: Recorder::new(),
            connect: Recorder::new(),
            lag: Recorder::new(),
            over_time: Vec::with_capacity(SLICES as usize),
            awaited: 0,
            slice: Recorder::coarse(),
            slice_end: u64::MAX,
        }
    }

    /// The measured time.
    pub fn window(&self) -> Range<u64> {
        self.window.clone()
    }

    /// Sets the measured time.
    pub fn measure(&mut self, window: Range<u64>) {
        self.window = window;
        self.slice_end = self.slice_end_after(0);
    }

    /// Records a request that has become due.
    pub fn due(&mut self, due: u64, now: u64) {
        if self.window.contains(&due) {
            self.awaited += 1;
            self.lag.record(now - due);
        }
    }

    /// Records `count` correct replies to requests sent at the same time.
    pub fn replies(&mut self, stamp: Stamp, count: u64, now: u64) {
        let latency = now - if self.is_open { stamp.due } else { stamp.sent };
        let came_in_time = self.window.contains(&now);
        if came_in_time {
            self.advance(now);
            self.replies += count;
            self.slice.record_many(latency, count);
        }
        if self.is_open && self.window.contains(&stamp.due) {
            self.awaited -= count;
            self.latency.record_many(latency, count);
            self.service.record_many(now - stamp.sent, count);
        } else if !self.is_open && came_in_time {
            self.latency.record_many(latency, count);
        }
    }

    /// Records the bytes of complete, correct replies.
    pub fn reply_bytes(&mut self, bytes: u64, now: u64) {
        if self.window.contains(&now) {
            self.reply_bytes += bytes;
        }
    }

    /// Records a failed connection, and with it the requests in flight there.
    pub fn trouble(&mut self, kind: String, stamps: impl ExactSizeIterator<Item = Stamp>) {
        *self.errors.entry(kind).or_default() += stamps.len().max(1) as u64;
        if self.is_open {
            self.awaited -= stamps.filter(|stamp| self.window.contains(&stamp.due)).count() as u64;
        }
    }

    /// Ends the run, with these requests in flight and those due at `waiting` unsent. They count with the time they have
    /// waited, which is less than a reply would have taken. Without them, a server that answers less would look better.
    pub fn end(&mut self, stamps: impl Iterator<Item = Stamp>, waiting: impl Iterator<Item = u64>, now: u64) {
        for stamp in stamps {
            if stamp.due >= self.window.end {
                continue;
            }
            *self.errors.entry(UNANSWERED.into()).or_default() += 1;
            // In the open loop, a request due earlier isn't among the measured ones, but it's unanswered all the same.
            if !self.is_open || self.window.contains(&stamp.due) {
                self.latency.record(now - if self.is_open { stamp.due } else { stamp.sent });
                self.service.record(now - stamp.sent);
            }
        }
        for due in waiting.filter(|due| self.window.contains(due)) {
            self.unsent += 1;
            self.latency.record(now - due);
        }
    }

    /// Advances the time to `now`.
    pub fn advance(&mut self, now: u64) {
        while now >= self.slice_end && self.over_time.len() < SLICES as usize {
            self.over_time.push(Slice {
                until: (self.slice_end - self.window.start) as f64 / 1e9,
                replies: self.slice.count(),
                p50_ns: self.slice.quantile(0.5),
                p99_ns: self.slice.quantile(0.99),
                max_ns: self.slice.max(),
            });
            self.slice.clear();
            self.slice_end = self.slice_end_after(self.over_time.len() as u64);
        }
    }

    fn slice_end_after(&self, slices: u64) -> u64 {
        let len = self.window.end - self.window.start;
        self.window.start + (u128::from(len) * u128::from(slices + 1) / u128::from(SLICES)) as u64
    }
}

/// The error of a request without a reply before the end.
pub const UNANSWERED: &str = "unanswered";
