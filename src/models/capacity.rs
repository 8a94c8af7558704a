//! How many threads and processes the system allows.
//!
//! If the system refuses a thread or a process, a connection waits, and the server goes on. But when memory mappings run
//! out, a thread may start and then fail to set up its second stack, for signals: the standard library aborts the process
//! then. So a server is not started with more threads than there are mappings for.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, getrlimit, getuid};

use super::ServeError;

/// The memory mappings of a thread: its stack, its second stack for signals, and the guard page of each.
const MAPPINGS_EACH: usize = 4;
/// Where Linux keeps its settings.
const SETTINGS: &str = "/proc/sys";
/// Where cgroups are mounted.
const CGROUPS: &str = "/sys/fs/cgroup";

/// The maximum that the system allows, and the limit that sets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Capacity {
    /// The number allowed.
    pub max: usize,
    limit: String,
}

impl Capacity {
    /// The system's limit on threads of this process. `None` if no limit is known.
    pub fn of_threads() -> Option<Capacity> {
        smallest([of_mappings(), of_ids(1)])
    }

    /// The system's limit on child processes.
    pub fn of_children() -> Option<Capacity> {
        of_ids(1)
    }

    /// The system's limit on programs, each of which takes a process and a thread that waits for it.
    #[cfg(feature = "cli")]
    pub fn of_programs() -> Option<Capacity> {
        smallest([of_mappings(), of_ids(2)])
    }

    /// Checks that `number` threads or processes, as `what` says, are allowed.
    ///
    /// # Errors
    /// If they are not. One is always tried.
    pub fn check(&self, number: usize, what: &'static str) -> Result<(), ServeError> {
        let max = self.max.max(1);
        match number <= max {
            true => Ok(()),
            false => Err(ServeError::TooMany { number, what, max, limit: self.limit.clone() }),
        }
    }

    /// `number`, or as many as there can be.
    pub fn at_most(number: usize, capacity: Option<Capacity>) -> usize {
        capacity.map_or(number, |capacity| number.min(capacity.max)).max(1)
    }
}

/// The limit.
impl fmt::Display for Capacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.limit)
    }
}

fn smallest(limits: impl IntoIterator<Item = Option<Capacity>>) -> Option<Capacity> {
    limits.into_iter().flatten().min_by_key(|capacity| capacity.max)
}

/// The number of threads that memory mappings suffice for. A quarter of the mappings is left for everything else.
fn of_mappings() -> Option<Capacity> {
    let count = number_in(&Path::new(SETTINGS).join("vm/max_map_count"))?;
    Some(Capacity { max: count / 4 * 3 / MAPPINGS_EACH, limit: format!("vm.max_map_count ({count})") })
}

/// The number of threads or processes that ids suffice for, if each takes this many.
fn of_ids(each: usize) -> Option<Capacity> {
    let setting = |name: &str| {
        let max = number_in(&Path::new(SETTINGS).join("kernel").join(name))?;
        Some(Capacity { max, limit: format!("kernel.{name} ({max})") })
    };
    let cgroups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let of_cgroups = pids_files(&cgroups).into_iter().filter_map(|path| {
        let max = number_in(&path)?;
        Some(Capacity { max, limit: format!("{} ({max})", path.display()) })
    });
    let limits = [setting("threads-max"), setting("pid_max"), of_user()].into_iter().chain(of_cgroups.map(Some));
    smallest(limits).map(|capacity| Capacity { max: capacity.max / each, ..capacity })
}

/// The limit of this user's processes, which on Linux include threads. Root has none.
fn of_user() -> Option<Capacity> {
    let limit = getrlimit(Resource::Nproc).current.filter(|_| cfg!(target_os = "linux") && !getuid().is_root())?;
    Some(Capacity { max: usize::try_from(limit).ok()?, limit: format!("ulimit -u ({limit})") })
}

/// The files that limit the processes of a cgroup and of those around it, given /proc/self/cgroup.
fn pids_files(cgroups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in cgroups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        // Version 2 has one hierarchy, without a name; version 1 has one for this purpose.
        let root = match controllers {
            "" => PathBuf::from(CGROUPS),
            _ if controllers.split(',').any(|name| name == "pids") => Path::new(CGROUPS).join(controllers),
            _ => continue,
        };
        let inner = root.join(path.trim_start_matches('/'));
        let around = inner.ancestors().take_while(|folder| folder.starts_with(&root));
        files.extend(around.map(|folder| folder.join("pids.max")));
    }
    files
}

/// The number in a file. `None` if there is no such file, as on other systems, or it says `max`.
fn number_in(path: &Path) -> Option<usize> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cgroups_of_both_versions_are_found_with_those_around_them() {
        let files = pids_files("12:cpu,pids:/a\n8:memory:/b\n0::/system.slice/x.service\nnonsense\n");
        let expected = [
            "/sys/fs/cgroup/cpu,pids/a/pids.max",
            "/sys/fs/cgroup/cpu,pids/pids.max",
            "/sys/fs/cgroup/system.slice/x.service/pids.max",
            "/sys/fs/cgroup/system.slice/pids.max",
            "/sys/fs/cgroup/pids.max",
        ];
        assert_eq!(files, expected.map(PathBuf::from));
        assert_eq!(pids_files("0::/"), [PathBuf::from("/sys/fs/cgroup/pids.max")]);
    }

    #[test]
    fn the_smallest_limit_counts() {
        let of = |max, limit: &str| Some(Capacity { max, limit: limit.to_owned() });
        assert_eq!(smallest([of(7, "one"), None, of(5, "other")]), of(5, "other"));
        assert_eq!(smallest([None, None]), None);
        assert_eq!(Capacity::at_most(6, of(5, "")), 5);
        assert_eq!(Capacity::at_most(4, of(5, "")), 4);
        assert_eq!(Capacity::at_most(4, of(0, "")), 1);
        assert_eq!(Capacity::at_most(4, None), 4);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_has_limits() {
        let threads = Capacity::of_threads().expect("a limit");
        let mappings = number_in(Path::new("/proc/sys/vm/max_map_count")).unwrap();
        assert!(threads.max * MAPPINGS_EACH < mappings, "{threads:?}");
        assert!(Capacity::of_children().is_some());
    }
}
