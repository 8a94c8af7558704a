//! The end of a process: reported by a descriptor (Linux), or found by polling.

use std::os::fd::OwnedFd;
use std::process::Child;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, getpgid, kill_process, kill_process_group, waitid};

use crate::sys::PollFd;

/// The end of a process, for waiting without reaping it.
#[derive(Debug)]
pub struct Exit {
    /// The process.
    pub pid: Pid,
    /// Becomes readable at the end. Not all systems support it.
    fd: Option<OwnedFd>,
}

impl Exit {
    /// The end of a child that is not reaped yet.
    pub fn of(child: &Child) -> Exit {
        let pid = Pid::from_child(child);
        Exit { pid, fd: descriptor(pid) }
    }

    /// The same, without the descriptor, as on systems that lack it.
    #[cfg(test)]
    pub fn without_descriptor(child: &Child) -> Exit {
        Exit { pid: Pid::from_child(child), fd: None }
    }

    /// The entry for poll(2), which becomes readable at the end.
    pub fn watched(&self) -> PollFd {
        self.fd.as_ref().map_or(PollFd::NONE, |fd| PollFd::new(fd, true, false))
    }

    /// How long to wait for that before checking anyway.
    pub fn patience(&self) -> Option<Duration> {
        if self.fd.is_some() { None } else { Some(ASK_EVERY) }
    }

    /// Whether it has ended, given poll(2)'s result for its descriptor.
    pub fn has_come(&self, found: PollFd) -> bool {
        match self.fd {
            Some(_) => found.is_readable(),
            None => !matches!(self.ask(WaitIdOptions::NOHANG), Ok(None)),
        }
    }

    /// Waits at most `timeout`, and returns whether the process has ended. The wait may be shorter: a signal ends it,
    /// and so does the polling interval where there is no descriptor.
    #[cfg(any(feature = "cli", test))] // for measuring servers
    pub fn has_come_within(&self, timeout: Duration) -> bool {
        let mut fds = [self.watched()];
        // If this fails, nothing is found, and the next call asks again.
        let _ = crate::sys::poll(&mut fds, Some(self.patience().map_or(timeout, |patience| patience.min(timeout))));
        self.has_come(fds[0])
    }

    /// Waits until the process has ended.
    pub fn wait(&self) {
        // Any other error means that there is nothing to wait for.
        while self.ask(WaitIdOptions::empty()).is_err_and(|error| error == Errno::INTR) {}
    }

    fn ask(&self, how: WaitIdOptions) -> Result<Option<()>, Errno> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | how;
        waitid(WaitId::Pid(self.pid), options).map(|status| status.map(drop))
    }
}

/// Sends a signal to the process group that `leader` began, and to `leader` itself if it's in another one by now.
///
/// Processes that have ended, or may not be signalled, don't get it.
pub fn signal_group(leader: Pid, signal: Signal) {
    let _ = kill_process_group(leader, signal);
    // If it moves between the two calls, one of them still kills it.
    if signal == Signal::KILL || getpgid(Some(leader)) != Ok(leader) {
        let _ = kill_process(leader, signal);
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn descriptor(pid: Pid) -> Option<OwnedFd> {
    use rustix::process::{PidfdFlags, pidfd_open};
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn descriptor(_pid: Pid) -> Option<OwnedFd> {
    None
}

/// The interval between checks where no descriptor reports the end.
const ASK_EVERY: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn the_end_is_noticed_with_a_descriptor_and_without() {
        for of in [Exit::of, Exit::without_descriptor] {
            // It ends with its standard input.
            let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
            let exit = of(&child);
            assert!(!exit.has_come_within(Duration::ZERO));
            drop(child.stdin.take());
            while !exit.has_come_within(Duration::from_secs(60)) {}
            // It's not reaped yet, or there would be no status; and a reaped process has ended, too.
            assert!(child.wait().unwrap().success());
            assert!(exit.has_come_within(Duration::ZERO));
        }
    }
}
