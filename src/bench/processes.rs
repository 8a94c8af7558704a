//! Processes and their processor time, as reported by Linux in `/proc`.

use std::collections::BTreeMap;
use std::fs;

/// The needed fields of `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Processor time in clock ticks, without that of children.
    pub own_ticks: u64,
    /// The number of its parent.
    pub parent: u32,
    /// In its own code, with its children that have ended and been reaped.
    pub user_ticks: u64,
    /// In the kernel, likewise.
    pub system_ticks: u64,
    /// The number of its threads.
    pub threads: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Stat> {
        // The name is in parentheses, and may contain any character.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        // Numbered as in proc(5); the first two fields are cut off.
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Stat {
            own_ticks: number(14)? + number(15)?,
            parent: u32::try_from(number(4)?).ok()?,
            user_ticks: number(14)? + number(16)?,
            system_ticks: number(15)? + number(17)?,
            threads: number(20)?,
        })
    }
}

/// The number of clock ticks per second.
pub fn ticks_per_second() -> u64 {
    rustix::param::clock_ticks_per_second()
}

/// Reads `/proc/PID/NAME`.
pub fn read(pid: u32, name: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/{name}")).ok()
}

fn numbers_in(path: &str) -> Vec<u32> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The threads of a process.
pub fn numbers_of_tasks(pid: u32) -> Vec<u32> {
    numbers_in(&format!("/proc/{pid}/task"))
}

/// The stats of every process.
pub fn stats() -> BTreeMap<u32, Stat> {
    let stat = |pid| Some((pid, Stat::parse(&read(pid, "stat")?)?));
    numbers_in("/proc").into_iter().filter_map(stat).collect()
}

/// `pid` and all its descendants.
pub fn family(pid: u32, all: &BTreeMap<u32, Stat>) -> BTreeMap<u32, Stat> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (&child, stat) in all {
        children.entry(stat.parent).or_default().push(child);
    }
    let mut family = BTreeMap::new();
    let mut found = vec![pid];
    while let Some(pid) = found.pop() {
        // Guard against a process that appears as its own ancestor.
        if let Some(stat) = all.get(&pid).filter(|_| !family.contains_key(&pid)) {
            family.insert(pid, *stat);
            found.extend(children.get(&pid).into_iter().flatten());
        }
    }
    family
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name_is() {
        let text = "4711 (a) b (c) S 42 4711 4711 0 -1 4194304 100 0 0 0 150 250 30 40 20 0 7 0 12345 1000 200 1844";
        let stat = Stat { own_ticks: 400, parent: 42, user_ticks: 180, system_ticks: 290, threads: 7 };
        assert_eq!(Stat::parse(text), Some(stat));
        assert_eq!(Stat::parse("4711 (short) S 42"), None);
        assert_eq!(Stat::parse(""), None);
    }

    #[test]
    fn a_family_is_all_that_descend() {
        let stat = |(pid, parent)| (pid, Stat { own_ticks: 2, parent, user_ticks: 1, system_ticks: 1, threads: 1 });
        let all: BTreeMap<u32, Stat> = [(1, 0), (10, 1), (11, 10), (12, 10), (13, 12), (20, 1)].map(stat).into();
        assert_eq!(family(10, &all).into_keys().collect::<Vec<_>>(), [10, 11, 12, 13]);
        assert!(family(99, &all).is_empty());
    }
}
