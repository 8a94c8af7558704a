//! Other programs' use of the processors, process by process, as reported by Linux in `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::process;
use std::time::Instant;

use super::processes::{Stat, stats, ticks_per_second};
use crate::text::Escaped;

/// The processor time of all other processes up to a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Others {
    at: Option<Instant>,
    /// In clock ticks, by process.
    ticks: BTreeMap<u32, u64>,
}

impl Others {
    /// Reads the time of all processes except this one.
    pub fn take() -> Others {
        Others::among(&stats(), &BTreeMap::new())
    }

    /// All processes except this one and those of `family`.
    pub(super) fn among(all: &BTreeMap<u32, Stat>, family: &BTreeMap<u32, Stat>) -> Others {
        let is_other = |pid: &u32| *pid != process::id() && !family.contains_key(pid);
        let ticks = all.iter().filter(|(pid, _)| is_other(pid)).map(|(&pid, stat)| (pid, stat.own_ticks));
        Others { at: Some(Instant::now()), ticks: ticks.collect() }
    }

    /// The busiest process since `earlier`, with its share of a processor, if it has used any time.
    pub fn busiest_since(&self, earlier: &Others) -> Option<String> {
        let (pid, share) = self.shares_since(earlier).max_by(|a, b| a.1.total_cmp(&b.1))?;
        let name = fs::read(format!("/proc/{pid}/comm")).ok()?;
        Some(format!("{} (process {pid}, {:.0} % of a processor)", Escaped(name.trim_ascii()), share * 100.0))
    }

    /// The processors that all of them used together since `earlier`.
    pub fn used_since(&self, earlier: &Others) -> f64 {
        self.shares_since(earlier).map(|(_, share)| share).sum()
    }

    /// The share of a processor that each has used since `earlier`.
    fn shares_since(&self, earlier: &Others) -> impl Iterator<Item = (u32, f64)> {
        let seconds = self.at.zip(earlier.at).map(|(at, before)| at.saturating_duration_since(before).as_secs_f64());
        let of_a_tick = 1.0 / (ticks_per_second() as f64 * seconds.unwrap_or_default().max(f64::MIN_POSITIVE));
        let used = self.ticks.iter().map(|(&pid, &ticks)| {
            // A process that is new has used all its time since then.
            (pid, ticks.saturating_sub(earlier.ticks.get(&pid).copied().unwrap_or_default()))
        });
        used.filter(|&(_, ticks)| ticks > 0).map(move |(pid, ticks)| (pid, ticks as f64 * of_a_tick))
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_busiest_is_named_with_its_share() {
        let begun = Instant::now();
        let name = fs::read_to_string("/proc/1/comm").unwrap();
        let at = |seconds, ticks: &[(u32, u64)]| Others {
            at: Some(begun + Duration::from_secs(seconds)),
            ticks: ticks.iter().copied().collect(),
        };
        let earlier = at(0, &[(1, 1000), (2, 10), (3, 5)]);
        let each = ticks_per_second();
        let later = at(2, &[(1, 1000 + each), (2, 10), (4, each / 2)]);
        let busiest = format!("{} (process 1, 50 % of a processor)", Escaped(name.trim_end().as_bytes()));
        assert_eq!(later.busiest_since(&earlier), Some(busiest));
        assert!((later.used_since(&earlier) - 0.75).abs() < 1e-9);
        assert_eq!(earlier.busiest_since(&earlier), None);
        assert!(!Others::take().ticks.contains_key(&process::id()));
    }
}
