//! Recorded times: histograms of high dynamic range.

use hdrhistogram::Histogram;

use super::results;

/// An hour; longer times count as this.
const LONGEST_NS: u64 = 3_600_000_000_000;

/// A histogram of times in nanoseconds.
#[derive(Clone, Debug)]
pub struct Recorder(Histogram<u64>);

impl Recorder {
    /// Creates a recorder that is exact to three digits.
    pub fn new() -> Recorder {
        Recorder::with_digits(3)
    }

    /// Creates a recorder that is exact to two digits, and small enough to be cleared again and again.
    pub fn coarse() -> Recorder {
        Recorder::with_digits(2)
    }

    fn with_digits(digits: u8) -> Recorder {
        Recorder(Histogram::new_with_bounds(1, LONGEST_NS, digits).expect("the bounds are in order"))
    }

    /// Records a time. None is left out: the longest count as an hour.
    pub fn record(&mut self, ns: u64) {
        self.record_many(ns, 1);
    }

    /// Records the same time `count` times.
    pub fn record_many(&mut self, ns: u64, count: u64) {
        self.0.saturating_record_n(ns, count);
    }

    /// The number of times recorded.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The time, in nanoseconds, that this share of them (0 to 1) doesn't exceed; 0 if there are none.
    pub fn quantile(&self, quantile: f64) -> u64 {
        self.0.value_at_quantile(quantile)
    }

    /// The longest, in nanoseconds; 0 if there are none.
    pub fn max(&self) -> u64 {
        self.0.max()
    }

    /// Forgets all times.
    pub fn clear(&mut self) {
        self.0.reset();
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Recorder::new()
    }
}

impl From<&Recorder> for results::Histogram {
    fn from(recorder: &Recorder) -> Self {
        let recorded = recorder.0.iter_recorded();
        results::Histogram {
            buckets: recorded.map(|step| (step.value_iterated_to(), step.count_since_last_iteration())).collect(),
        }
    }
}
