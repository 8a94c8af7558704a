//! A server's resource use, as reported by Linux in `/proc`, for its process and all descendants.

use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

use super::others::Others;
use super::pinning::Cpus;
use super::processes::{Stat, family, numbers_of_tasks, read, stats};
use super::results::ServerUse;

/// A server's resource use up to a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// Processor time in clock ticks, of all processes and of those that have ended and been reaped.
    user_ticks: u64,
    system_ticks: u64,
    /// The number of its current processes.
    processes: u32,
    threads: u32,
    /// Its threads; if there are too many, its processes instead.
    tasks: BTreeMap<u32, Task>,
    /// All other processes.
    pub others: Others,
}

/// The resource use of one thread.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Task {
    run_ns: Option<u64>,
    voluntary: Option<u64>,
    involuntary: Option<u64>,
}

/// The most threads that are read one by one.
const TASKS_MAX: u32 = 128;

impl Sample {
    /// Reads the use of the process `pid` and all its descendants. `None` if there is no such process or no `/proc`.
    pub fn take(pid: u32) -> Option<Sample> {
        let all = stats();
        let family = family(pid, &all);
        let sum = |count: fn(&Stat) -> u64| family.values().map(count).sum::<u64>();
        let threads = u32::try_from(sum(|stat| stat.threads)).unwrap_or(u32::MAX);
        let sample = Sample {
            user_ticks: sum(|stat| stat.user_ticks),
            system_ticks: sum(|stat| stat.system_ticks),
            processes: family.len().try_into().unwrap_or(u32::MAX),
            threads,
            tasks: match threads <= TASKS_MAX {
                true => family.keys().flat_map(|&pid| tasks(pid)).collect(),
                false => family.iter().map(|(&pid, stat)| (pid, only_task(pid, stat))).collect(),
            },
            others: Others::among(&all, &family),
        };
        (sample.processes > 0).then_some(sample)
    }

    fn run_ns(&self) -> Option<u64> {
        self.tasks.values().map(|task| task.run_ns).sum()
    }
}

/// The use of a process, exact if it has one thread: for many such processes, the sum of clock ticks would be too low.
fn only_task(pid: u32, stat: &Stat) -> Task {
    let run_ns = (stat.threads == 1).then(|| read(pid, "schedstat").and_then(|text| run_ns(&text))).flatten();
    Task { run_ns, voluntary: None, involuntary: None }
}

/// Parses the first number of a `schedstat`.
fn run_ns(text: &str) -> Option<u64> {
    text.split(' ').next()?.parse().ok()
}

fn tasks(pid: u32) -> impl Iterator<Item = (u32, Task)> {
    numbers_of_tasks(pid).into_iter().filter_map(move |tid| {
        let at = |name: &str| read(pid, &format!("task/{tid}/{name}"));
        // A thread that has just ended has no values.
        let status = Status::parse(&at("status")?);
        let run_ns = at("schedstat").and_then(|text| run_ns(&text));
        Some((tid, Task { run_ns, voluntary: Some(status.voluntary), involuntary: Some(status.involuntary) }))
    })
}

/// The threads of the process `pid` and of all its descendants.
pub fn threads(pid: u32) -> Vec<u32> {
    family(pid, &stats()).into_keys().flat_map(numbers_of_tasks).collect()
}

/// A server's memory in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// The proportional size, or the resident one if the system doesn't report that.
    pub size: u64,
    /// The maximum; for several processes an upper bound, since their peaks are added.
    pub peak: u64,
}

impl Memory {
    /// Reads the memory of the process `pid` and all its descendants. `None` if there is no such process or no `/proc`.
    pub fn take(pid: u32) -> Option<Memory> {
        let all: Vec<Memory> = family(pid, &stats()).into_keys().filter_map(Memory::of_process).collect();
        let sum = |size: fn(&Memory) -> u64| all.iter().map(size).sum();
        (!all.is_empty()).then(|| Memory { size: sum(|memory| memory.size), peak: sum(|memory| memory.peak) })
    }

    fn of_process(pid: u32) -> Option<Memory> {
        let status = Status::parse(&read(pid, "status")?);
        let resident = status.resident?;
        let size = read(pid, "smaps_rollup").and_then(|text| kilobytes(&text, "Pss:")).unwrap_or(resident);
        // Only the peak of resident memory is reported, so its distance from the present one is added.
        let above = status.resident_peak.unwrap_or(resident).saturating_sub(resident);
        Some(Memory { size, peak: size + above })
    }
}

/// The use between two samples, with the samples in between. Unless all threads existed all the time, there are no
/// switches, since those of an ended thread are lost.
pub fn between(from: &Sample, seen: &[Sample], to: &Sample, ticks_per_second: u64) -> ServerUse {
    let ticks = |from: u64, to: u64| to.saturating_sub(from) as f64 / ticks_per_second as f64;
    let mut user_seconds = ticks(from.user_ticks, to.user_ticks);
    let mut system_seconds = ticks(from.system_ticks, to.system_ticks);
    let names = |sample: &Sample| sample.tasks.keys().copied().collect::<Vec<u32>>();
    let seem_same = [to].into_iter().chain(seen).all(|sample| names(sample) == names(from));
    let run = match (seem_same, from.run_ns(), to.run_ns()) {
        (true, Some(before), Some(after)) => Some(after.saturating_sub(before) as f64 / 1e9),
        _ => None,
    };
    // Threads that came and went between two samples appear only in the ticks, which are rounded down twice for each
    // process.
    let cut_off = 2.0 * f64::from(from.processes) / ticks_per_second as f64;
    let are_same = seem_same && run.is_none_or(|run| run + cut_off >= user_seconds + system_seconds);
    if let (true, Some(run)) = (are_same, run) {
        // The sum is exact; its division is as exact as the ticks.
        let of_all = (to.user_ticks + to.system_ticks).max(1);
        let user_share = match user_seconds + system_seconds {
            0.0 => to.user_ticks as f64 / of_all as f64,
            sum => user_seconds / sum,
        };
        (user_seconds, system_seconds) = (run * user_share, run * (1.0 - user_share));
    }
    let switches = |count: fn(&Task) -> Option<u64>| {
        let sum = |sample: &Sample| sample.tasks.values().map(count).sum::<Option<u64>>();
        if are_same { Some(sum(to)?.saturating_sub(sum(from)?)) } else { None }
    };
    let all = || [from, to].into_iter().chain(seen);
    ServerUse {
        user_seconds,
        system_seconds,
        memory_at_rest: None,
        memory_connected: None,
        memory_peak: None,
        threads: all().map(|sample| sample.threads).max().unwrap_or_default(),
        processes: all().map(|sample| sample.processes).max().unwrap_or_default(),
        voluntary_switches: switches(|task| task.voluntary),
        involuntary_switches: switches(|task| task.involuntary),
        system_calls_per_request: None,
    }
}

/// The use of processors by all processes up to a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Processors {
    at: Instant,
    ticks: u64,
}

impl Processors {
    /// Reads the use of all `cpus`. `None` if there are none, or no `/proc`.
    pub fn take(cpus: &Cpus) -> Option<Processors> {
        let ticks = busy_ticks(&fs::read_to_string("/proc/stat").ok()?, cpus)?;
        Some(Processors { at: Instant::now(), ticks })
    }
}

/// The share of the processors `cpus` that processes other than the server used between two moments. The server used
/// `server_seconds`. Rounding of clock ticks is allowed for.
pub fn share_of_others(
    cpus: &Cpus,
    (from, to): (Processors, Processors),
    server_seconds: f64,
    ticks_per_second: u64,
) -> f64 {
    let count = cpus.0.len() as f64;
    let ticks = to.ticks.saturating_sub(from.ticks) as f64 - TICKS_SPARE * count;
    let others = ticks / ticks_per_second as f64 - server_seconds;
    let seconds = to.at.saturating_duration_since(from.at).as_secs_f64();
    (others / (seconds * count).max(f64::MIN_POSITIVE)).clamp(0.0, 1.0)
}

/// Sums the ticks in which each of `cpus` was busy, as in `/proc/stat`. Interrupts are left out: they deliver the
/// server's data, and are part of its own time.
fn busy_ticks(text: &str, cpus: &Cpus) -> Option<u64> {
    let of = |cpu: &u32| {
        let name = format!("cpu{cpu}");
        let fields = text.lines().find_map(|line| line.strip_prefix(&name)?.strip_prefix(' '))?;
        let fields: Vec<u64> = fields.split_whitespace().map_while(|field| field.parse().ok()).collect();
        // The order in proc(5): user, nice, system, idle, iowait, irq, softirq, steal; guests are in the first two.
        let [user, nice, system, _, _, _, _, steal, ..] = fields[..] else { return None };
        Some(user + nice + system + steal)
    };
    if cpus.0.is_empty() { None } else { cpus.0.iter().map(of).sum() }
}

/// Ticks of each processor that can't be attributed, since ticks are whole.
const TICKS_SPARE: f64 = 2.0;

/// The needed fields of `/proc/PID/status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Status {
    resident: Option<u64>,
    resident_peak: Option<u64>,
    voluntary: u64,
    involuntary: u64,
}

impl Status {
    fn parse(text: &str) -> Status {
        let count = |key| value(text, key).and_then(|value| value.parse().ok()).unwrap_or_default();
        Status {
            resident: kilobytes(text, "VmRSS:"),
            resident_peak: kilobytes(text, "VmHWM:"),
            voluntary: count("voluntary_ctxt_switches:"),
            involuntary: count("nonvoluntary_ctxt_switches:"),
        }
    }
}

fn value<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(key)).map(str::trim)
}

/// Parses a size given in kilobytes, and returns bytes.
fn kilobytes(text: &str, key: &str) -> Option<u64> {
    value(text, key)?.strip_suffix("kB")?.trim().parse::<u64>().ok().map(|size| size * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_in_kilobytes_and_switches_in_counts() {
        let text = "Name:\tmulticonn\nVmHWM:\t    2100 kB\nVmRSS:\t    1764 kB\nThreads:\t3\n\
                    voluntary_ctxt_switches:\t17\nnonvoluntary_ctxt_switches:\t5\n";
        let status =
            Status { resident: Some(1764 * 1024), resident_peak: Some(2100 * 1024), voluntary: 17, involuntary: 5 };
        assert_eq!(Status::parse(text), status);
        let rollup = "5569bf16e000-7fffb0f14000 ---p 00000000 00:00 0    [rollup]\nRss:    1764 kB\nPss:     196 kB\n";
        assert_eq!(kilobytes(rollup, "Pss:"), Some(196 * 1024));
        assert_eq!(kilobytes("Pss: many kB", "Pss:"), None);
    }

    fn sample(user_ticks: u64, system_ticks: u64, tasks: &[(u32, u64, u64)]) -> Sample {
        let task = |&(tid, run_ns, voluntary)| {
            (tid, Task { run_ns: Some(run_ns), voluntary: Some(voluntary), involuntary: Some(0) })
        };
        let threads = tasks.len() as u32;
        let tasks = tasks.iter().map(task).collect();
        Sample { user_ticks, system_ticks, processes: 1, threads, tasks, others: Others::default() }
    }

    #[test]
    fn time_is_exact_where_every_thread_was_there_all_the_time() {
        let (from, to) = (sample(10, 10, &[(1, 0, 5)]), sample(20, 40, &[(1, 404_000_000, 12)]));
        let used = between(&from, &[], &to, 100);
        assert!((used.user_seconds - 0.101).abs() < 1e-9 && (used.system_seconds - 0.303).abs() < 1e-9, "{used:?}");
        assert_eq!((used.voluntary_switches, used.threads), (Some(7), 1));
    }

    #[test]
    fn switches_are_left_out_where_threads_come_and_go() {
        let (from, to) = (sample(10, 10, &[(1, 0, 5)]), sample(20, 40, &[(1, 404_000_000, 12)]));
        let seen = [sample(15, 20, &[(1, 200, 6), (2, 1000, 1)])];
        let used = between(&from, &seen, &to, 100);
        assert!((used.user_seconds - 0.1).abs() < 1e-9 && (used.system_seconds - 0.3).abs() < 1e-9, "{used:?}");
        assert_eq!((used.voluntary_switches, used.threads), (None, 2));
    }

    #[test]
    fn time_of_threads_that_nobody_has_seen_counts() {
        // Each sample has the accepting process, which uses a quarter.
        let (from, to) = (sample(10, 10, &[(1, 0, 5)]), sample(20, 40, &[(1, 100_000_000, 12)]));
        let used = between(&from, std::slice::from_ref(&from), &to, 100);
        assert!((used.user_seconds - 0.1).abs() < 1e-9 && (used.system_seconds - 0.3).abs() < 1e-9, "{used:?}");
        assert_eq!((used.voluntary_switches, used.threads), (None, 1));
    }

    #[test]
    fn processors_are_used_but_for_idling_and_interrupts() {
        let text = "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 100 20 30 4000 500 60 70 8 5 0\ncpu1 1 2 3 4 5 6 7 8 0 0\n\
                    cpu10 1000 0 0 0 0 0 0 0 0 0\ncpu11 7 7 7\nintr 1 2 3\n";
        let ticks = |cpus: &str| busy_ticks(text, &cpus.parse().unwrap());
        assert_eq!((ticks("0"), ticks("1"), ticks("0,10")), (Some(158), Some(14), Some(1158)));
        assert_eq!(
            (ticks("2"), ticks("0,2"), ticks("11"), busy_ticks(text, &Cpus(Vec::new()))),
            (None, None, None, None)
        );
    }

    #[test]
    fn what_the_server_has_not_used_others_have() {
        let begun = Instant::now();
        let processors = |seconds, ticks| Processors { at: begun + std::time::Duration::from_secs(seconds), ticks };
        let moments = (processors(0, 1000), processors(2, 1304));
        let share = |cpus: &str, seconds| share_of_others(&cpus.parse().unwrap(), moments, seconds, 100);
        // 3 s on two processors, and the spare ticks on each.
        assert!((share("0-1", 2.0) - 0.25).abs() < 1e-9, "{}", share("0-1", 2.0));
        assert!((share("0-1", 3.5), share("0-1", 0.0)) == (0.0, 0.75));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn our_own_process_is_there() {
        let sample = Sample::take(std::process::id()).unwrap();
        assert!(sample.threads >= 1 && sample.processes >= 1);
        let memory = Memory::take(std::process::id()).unwrap();
        assert!(memory.size > 10_000 && memory.peak >= memory.size);
        assert_eq!((Sample::take(u32::MAX), Memory::take(u32::MAX)), (None, None));
        assert!(threads(std::process::id()).contains(&std::process::id()) && threads(u32::MAX).is_empty());
    }
}
