//! An objective such as `p99<5ms`, and the highest rate at which a server keeps it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::results::{Kept, Point, Run};
use super::summary::Axis;

/// A share of all requests, and their time limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Objective {
    /// The share, from 0 to 1.
    quantile: f64,
    latency: Duration,
}

impl FromStr for Objective {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "an objective is a percentile and a time, such as p99<5ms".to_owned();
        let (percentile, latency) = text.split_once('<').ok_or_else(wrong)?;
        let percentile: f64 = match percentile.trim() {
            "max" => 100.0,
            percentile => percentile.strip_prefix('p').and_then(|number| number.parse().ok()).ok_or_else(wrong)?,
        };
        if !(percentile > 0.0 && percentile <= 100.0) {
            return Err(format!("there is no percentile {percentile}"));
        }
        let latency = humantime::parse_duration(latency.trim()).map_err(|error| format!("{error}; {}", wrong()))?;
        if latency.is_zero() {
            return Err("its time must be more than zero".into());
        }
        Ok(Objective { quantile: percentile / 100.0, latency })
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let latency = humantime::format_duration(self.latency);
        match self.quantile {
            1.0 => write!(f, "max<{latency}"),
            quantile => write!(f, "p{}<{latency}", (quantile * 1e6).round() / 1e4),
        }
    }
}

impl Objective {
    /// Whether a run has kept it, with every due request sent and answered.
    pub fn is_kept(&self, run: &Run) -> bool {
        let latency = run.latency.quantile(self.quantile);
        let is_in_time = latency.is_some_and(|ns| u128::from(ns) < self.latency.as_nanos());
        is_in_time && run.replies > 0 && run.unsent == 0 && run.errors.is_empty()
    }
}

impl Kept {
    /// The runs of its search, in order, out of all runs.
    pub fn trials<'a>(&self, runs: &'a [Run]) -> impl Iterator<Item = &'a Run> {
        let is_of_it = |run: &&Run| {
            let point = Point { pace: self.point.pace, ..run.point.clone() };
            run.is_trial && run.round == self.round && run.subject == self.subject && point == self.point
        };
        runs.iter().filter(is_of_it)
    }

    /// The doubt whether the rate is the server's own, if there is one: the best trial is in doubt, or the failed trials
    /// next to it are. If none failed, doubt about the closed loop counts, since it set the upper limit. A failed
    /// trial with errors raises no doubt: these are the server's fault, and reason enough to fail.
    pub fn doubt<'a>(&self, runs: &'a [Run]) -> Option<&'a str> {
        let rate = |run: &Run| Axis::Rate.of(&run.point);
        let kept = self.rate_per_second.unwrap_or(0.0);
        let without_errors = |run: &'a Run| run.doubt.as_deref().filter(|_| run.errors.is_empty());
        let best = self.trials(runs).filter(|run| rate(run) == kept).last();
        let failed = self.trials(runs).map(rate).filter(|&rate| rate > kept).min_by(f64::total_cmp);
        let limit = match failed {
            Some(failed) => self.trials(runs).filter(|run| rate(run) == failed).find_map(without_errors),
            None => {
                let loops = runs.iter().filter(|run| run.subject == self.subject && run.point == self.point);
                loops.filter(|run| !run.is_trial).find_map(without_errors)
            }
        };
        best.and_then(|run| run.doubt.as_deref()).or(limit)
    }
}

/// The most rates tried.
const TRIES: u32 = 9;
/// The relative precision of the result.
const NEAR_ENOUGH: f64 = 0.02;

/// Finds the highest rate up to `highest` for which `is_kept` returns true, if there is one. A rate may fail by chance,
/// so it counts as failed only after two attempts.
///
/// # Errors
/// An error of `is_kept`, which ends the search.
pub fn search<E>(highest: f64, mut is_kept: impl FnMut(f64) -> Result<bool, E>) -> Result<Option<f64>, E> {
    let (mut good, mut bad) = (0.0, None);
    let mut rate = highest;
    for _ in 0..TRIES {
        if is_kept(rate)? || is_kept(rate)? {
            good = rate;
        } else {
            bad = Some(rate);
        }
        match bad {
            None => break,
            Some(bad) if bad - good <= NEAR_ENOUGH * bad => break,
            Some(bad) => rate = f64::midpoint(good, bad),
        }
    }
    Ok((good > 0.0).then_some(good))
}
