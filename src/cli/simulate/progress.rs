//! How far a campaign has come, on a terminal.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use terminal_size::terminal_size_of;

use super::tally::Tally;

/// The progress of a campaign.
pub struct Progress {
    bar: ProgressBar,
    seeds: Option<u64>,
    time: Option<Duration>,
    /// The time of the next message, in milliseconds.
    next: AtomicU64,
}

/// The time between two messages, in milliseconds.
const BEAT: u64 = 200;

/// The width of a terminal that doesn't tell it.
const WIDTH: u16 = 80;

impl Progress {
    pub fn new(seeds: Option<u64>, time: Option<Duration>) -> Progress {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_style(ProgressStyle::with_template("{msg}").expect("it is well-formed"));
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
        if now < self.next.load(Ordering::Relaxed) || self.bar.is_hidden() {
            return;
        }
        self.next.store(now + BEAT, Ordering::Relaxed);
        let width = terminal_size_of(io::stderr()).map_or(WIDTH, |(width, _)| width.0);
        self.bar.set_message(message(tally, self.seeds, elapsed, usize::from(width)));
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// The progress through `seeds` seeds, in lines of at most `width` columns if that is possible.
fn message(tally: &Tally, seeds: Option<u64>, elapsed: Duration, width: usize) -> String {
    let per_second = tally.worlds as f64 / elapsed.as_secs_f64();
    let (seen, all) = tally.coverage.counts();
    let of = seeds.map_or(String::new(), |seeds| format!(" of {seeds}"));
    let mut parts = vec![
        format!("{}{of} seeds", tally.seeds),
        format!("{} worlds, {per_second:.0} a second", tally.worlds),
        format!("{seen} of {all} rows, events and faults"),
    ];
    let mut faults = tally.faults_in_words().into_iter();
    parts.extend(faults.next().map(|first| format!("faults: {first}")));
    parts.extend(faults);
    let mut lines = Vec::<String>::new();
    for part in parts {
        match lines.last_mut() {
            Some(line) if line.len() + 2 + part.len() < width => *line += &format!(", {part}"),
            Some(_) | None => lines.push(part),
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_fits_the_terminal() {
        let faults = [("accept fails", 12), ("clock jumps", 3), ("latency", 4567), ("short reads", 890)];
        let tally = Tally { seeds: 123, worlds: 617, faults: faults.into(), ..Tally::default() };
        let lines = |width| message(&tally, Some(1000), Duration::from_secs(2), width);
        let (_, all) = tally.coverage.counts();
        assert_eq!(
            lines(80),
            format!(
                "123 of 1000 seeds, 617 worlds, 308 a second, 0 of {all} rows, events and faults\n\
                 faults: accept fails 12, clock jumps 3, latency 4567, short reads 890"
            )
        );
        assert!(lines(40).lines().all(|line| line.len() < 40));
    }
}
