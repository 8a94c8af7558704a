//! How far a campaign has come, on a terminal.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::tally::Tally;

/// The progress of a campaign.
pub struct Progress {
    bar: ProgressBar,
    seeds: Option<u64>,
    time: Option<Duration>,
    /// The time of the next line, in milliseconds.
    next: AtomicU64,
}

/// The time between two lines.
const BEAT: u64 = 200;

impl Progress {
    pub fn new(seeds: Option<u64>, time: Option<Duration>) -> Progress {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_style(ProgressStyle::with_template("{wide_msg}").expect("it is well-formed"));
        Progress { bar, seeds, time, next: AtomicU64::new(BEAT) }
    }

    /// Whether the time is over.
    pub fn is_late(&self) -> bool {
        self.time.is_some_and(|time| self.bar.elapsed() >= time)
    }

    /// Shows what has been done so far, from time to time.
    pub fn show(&self, tally: &Tally) {
        let elapsed = self.bar.elapsed();
        let now = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        if now < self.next.load(Ordering::Relaxed) {
            return;
        }
        self.next.store(now + BEAT, Ordering::Relaxed);
        let per_second = tally.worlds as f64 / elapsed.as_secs_f64();
        let (taken, all) = tally.coverage.rows();
        let strikes: u64 = tally.faults.values().sum();
        let of = self.seeds.map_or(String::new(), |seeds| format!(" (of {seeds} seeds)"));
        let worlds = tally.worlds;
        self.bar.set_message(format!(
            "{worlds} worlds{of}, {per_second:.0} a second; {strikes} faults; {taken} of {all} rows"
        ));
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
