//! The number of system calls that a server makes for each reply. Requires Linux, perf_event_open(2) and permission to
//! trace.
//!
//! Counting makes every system call of all processes a little slower. So it begins and ends in the warm-up.

use std::sync::atomic::{AtomicU64, Ordering};

use super::usage;
use crate::text::reason;
use kernel::Counter;

/// The counters for a server's system calls. Dropping this ends them, which may take a moment.
pub struct SystemCalls {
    counters: Vec<Counter>,
    /// The numbers of replies just before and just after the counting began.
    begun: (u64, u64),
    /// The least number of replies for a result.
    replies_min: u64,
}

/// The most threads counted; each needs a descriptor, and some time to begin and to end.
const THREADS_MAX: usize = 1024;

impl SystemCalls {
    /// Prepares counters for the process `pid`, all its descendants, and all their future children. Each thread needs a
    /// descriptor; `descriptors_left` are available. At most `in_flight` requests will be in flight at once; it's
    /// unknown which of these are counted.
    ///
    /// # Errors
    /// The reason why they can't be counted, in a few words that begin with "since" or "where".
    pub fn of(pid: u32, descriptors_left: usize, in_flight: u64) -> Result<SystemCalls, String> {
        let threads = usage::threads(pid);
        let threads_max = THREADS_MAX.min(descriptors_left);
        if threads.len() > threads_max {
            return Err(format!("where a server has more than {threads_max} threads"));
        }
        let counters = kernel::counters(&threads)?;
        if counters.is_empty() {
            return Err("where a server has ended".into());
        }
        Ok(SystemCalls { counters, begun: (0, 0), replies_min: REPLIES_MIN.max(in_flight * REPLIES_MIN_EACH) })
    }

    /// Begins counting, and records the number of `replies` at that time.
    ///
    /// # Errors
    /// The same as [`of`](Self::of)'s.
    pub fn begin(mut self, replies: &AtomicU64) -> Result<SystemCalls, String> {
        let before = replies.load(Ordering::Relaxed);
        self.counters.iter_mut().try_for_each(Counter::enable).map_err(|error| refused(&error))?;
        self.begun = (before, replies.load(Ordering::Relaxed));
        Ok(self)
    }

    /// Ends counting, and returns the number of system calls for each of the `replies` meanwhile.
    ///
    /// # Errors
    /// The same as [`of`](Self::of)'s.
    pub fn per_reply(mut self, replies: &AtomicU64) -> Result<f64, String> {
        let before = replies.load(Ordering::Relaxed);
        self.counters.iter_mut().try_for_each(Counter::disable).map_err(|error| refused(&error))?;
        let ended = (before, replies.load(Ordering::Relaxed));
        let counts = self.counters.iter_mut().map(Counter::read);
        let calls = counts.sum::<Result<u64, _>>().map_err(|error| refused(&error))?;
        for_each(calls, self.begun, ended, self.replies_min)
    }
}

fn refused(error: &std::io::Error) -> String {
    format!("since perf_event_open(2) fails: {}", reason(error))
}

/// The least number of replies for a result.
const REPLIES_MIN: u64 = 100;
/// The same for each request that may be in flight.
const REPLIES_MIN_EACH: u64 = 10;
/// The largest share of replies that may arrive while the counting begins or ends: it's unknown which of their calls
/// were counted.
const UNSURE_SHARE_MAX: f64 = 0.1;

/// The calls for each reply. `begun` and `ended` have the lowest and highest number of replies at those times.
fn for_each(calls: u64, begun: (u64, u64), ended: (u64, u64), replies_min: u64) -> Result<f64, String> {
    let most = ended.1.saturating_sub(begun.0);
    if most < replies_min {
        return Err(format!(
            "where fewer than {REPLIES_MIN} replies come while they're counted, in the warm-up, or fewer than \
             {REPLIES_MIN_EACH} times as many as requests may be on their way"
        ));
    }
    let least = ended.0.saturating_sub(begun.1);
    let unsure = most - least;
    if unsure as f64 > UNSURE_SHARE_MAX * most as f64 {
        return Err("where the counting takes too long to begin and end".into());
    }
    Ok(calls as f64 / (most as f64 - unsure as f64 / 2.0))
}

/// The implementation, for processors that its crate supports.
#[cfg(all(target_os = "linux", any(target_arch = "aarch64", target_arch = "riscv64", target_arch = "x86_64")))]
mod kernel {
    use std::fs;
    use std::io::{self, ErrorKind};

    use perf_event::events::Tracepoint;
    use perf_event::{Builder, ReadFormat};
    use rustix::io::Errno;

    pub use perf_event::Counter;

    use super::refused;
    use crate::text::reason;

    /// Creates a counter for each of the `threads` that still exists, including its future children. None of them
    /// counts yet.
    pub fn counters(threads: &[u32]) -> Result<Vec<Counter>, String> {
        let tracepoint = tracepoint()?;
        let mut counters = Vec::with_capacity(threads.len());
        for &thread in threads {
            match counter(tracepoint, thread) {
                Ok(counter) => counters.push(counter),
                Err(error) if Errno::from_io_error(&error) == Some(Errno::SRCH) => {}
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                    return Err("since perf_event_open(2) is not permitted".into());
                }
                Err(error) => return Err(refused(&error)),
            }
        }
        Ok(counters)
    }

    fn counter(tracepoint: Tracepoint, thread: u32) -> io::Result<Counter> {
        // Exclude nothing: at the tracepoint, the kernel itself is running. Only the counts are read.
        Builder::new(tracepoint)
            .observe_pid(thread.cast_signed())
            .any_cpu()
            .inherit(true)
            .include_kernel()
            .read_format(ReadFormat::empty())
            .build()
    }

    /// The tracepoint of all system calls.
    fn tracepoint() -> Result<Tracepoint, String> {
        let read = |tracefs: &str| fs::read_to_string(format!("{tracefs}/events/raw_syscalls/sys_enter/id"));
        // Before it had a mount point of its own, tracefs was below debugfs.
        let text = read(TRACEFS)
            .or_else(|error| read("/sys/kernel/debug/tracing").map_err(|_| error))
            .map_err(|error| format!("since tracefs cannot be read at {TRACEFS}: {}", reason(&error)))?;
        let id = text.trim().parse().map_err(|_| format!("since tracefs at {TRACEFS} has no number for them"))?;
        Ok(Tracepoint::with_id(id))
    }

    const TRACEFS: &str = "/sys/kernel/tracing";
}

#[cfg(not(all(target_os = "linux", any(target_arch = "aarch64", target_arch = "riscv64", target_arch = "x86_64"))))]
mod kernel {
    use std::io;

    /// No counter exists here.
    pub enum Counter {}

    impl Counter {
        pub fn enable(&mut self) -> io::Result<()> {
            match *self {}
        }

        pub fn disable(&mut self) -> io::Result<()> {
            match *self {}
        }

        pub fn read(&mut self) -> io::Result<u64> {
            match *self {}
        }
    }

    pub fn counters(_threads: &[u32]) -> Result<Vec<Counter>, String> {
        Err("since they cannot be counted on this system and processor".into())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn calls_are_divided_by_the_replies_that_came_meanwhile() {
        let for_each = |calls, begun, ended| for_each(calls, begun, ended, 100);
        assert_eq!(for_each(2000, (0, 0), (1000, 1000)), Ok(2.0));
        assert_eq!(for_each(2000, (500, 510), (1490, 1520)), Ok(2.0));
        // Too few replies, or too uncertain a number of them.
        assert!(for_each(2000, (0, 0), (99, 99)).unwrap_err().starts_with("where fewer than 100 replies"));
        assert!(for_each(0, (7, 7), (7, 7)).unwrap_err().starts_with("where fewer"));
        assert!(for_each(2000, (0, 0), (880, 1000)).unwrap_err().starts_with("where the counting takes too long"));
        assert!(for_each(2000, (0, 900), (100, 1000)).unwrap_err().starts_with("where the counting takes too long"));
    }

    #[test]
    fn too_many_threads_are_refused() {
        let refused = SystemCalls::of(std::process::id(), 0, 1).map(drop);
        if cfg!(target_os = "linux") {
            assert_eq!(refused, Err("where a server has more than 0 threads".into()));
        }
    }

    #[test]
    fn where_it_is_allowed_those_of_all_processes_are_counted_and_of_those_to_come() {
        const ECHOES: u64 = 1000;
        for script in ["cat | cat", "read line; cat | cat"] {
            let mut shell = Command::new("sh");
            let mut child = shell.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
            let mut echo = |sent: &[u8]| {
                stdin.write_all(sent).unwrap();
                stdout.read_exact(&mut [0]).unwrap();
            };
            if script == "cat | cat" {
                // Both `cat`s are running now; with the other script, neither is.
                echo(b"x");
            }
            let replies = AtomicU64::new(0);
            let calls = SystemCalls::of(child.id(), THREADS_MAX, 1).map(|calls| calls.begin(&replies).unwrap());
            echo(if script == "cat | cat" { b"x" } else { b"\nx" });
            (1..ECHOES).for_each(|_| echo(b"x"));
            replies.store(ECHOES, Ordering::Relaxed);
            // One read and one write for each; the calls at the start are spread over a thousand.
            let each = calls.and_then(|calls| calls.per_reply(&replies));
            assert!(each.as_ref().map_or(true, |each| (1.9..6.0).contains(each)), "{script}: {each:?}");
            drop(stdin);
            child.wait().unwrap();
        }
    }
}
