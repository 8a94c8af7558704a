//! The end of a process: by a descriptor that tells of it (Linux), or by asking now and then.

use std::os::fd::OwnedFd;
use std::process::Child;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::sys::PollFd;

/// The end of a process, to be waited for without reaping it.
#[derive(Debug)]
pub struct Exit {
    /// Whose it is.
    pub pid: Pid,
    /// Becomes readable at the end. Not all systems have it.
    fd: Option<OwnedFd>,
}

impl Exit {
    /// That of a child that is not reaped yet.
    pub fn of(child: &Child) -> Exit {
        let pid = Pid::from_child(child);
        Exit { pid, fd: descriptor(pid) }
    }

    /// As on a system without a descriptor for it.
    #[cfg(test)]
    pub fn without_descriptor(child: &Child) -> Exit {
        Exit { pid: Pid::from_child(child), fd: None }
    }

    /// What to look at in poll(2), for reading.
    pub fn watched(&self) -> PollFd {
        self.fd.as_ref().map_or(PollFd::NONE, |fd| PollFd::new(fd, true, false))
    }

    /// How long to look at that before it's asked anyway.
    pub fn patience(&self) -> Option<Duration> {
        if self.fd.is_some() { None } else { Some(ASK_EVERY) }
    }

    /// Whether it has ended, with what was found of its descriptor.
    pub fn has_come(&self, found: PollFd) -> bool {
        match self.fd {
            Some(_) => found.is_readable(),
            None => !matches!(self.ask(WaitIdOptions::NOHANG), Ok(None)),
        }
    }

    /// Waits for it, no longer than `timeout`, and says whether it has come. The wait may be shorter: a signal ends it, and
    /// where there is no descriptor it's asked now and then.
    #[cfg(any(feature = "cli", test))] // who measures servers
    pub fn has_come_within(&self, timeout: Duration) -> bool {
        let mut fds = [self.watched()];
        // Where that fails nothing is found, and the process is asked later.
        let _ = crate::sys::poll(&mut fds, Some(self.patience().map_or(timeout, |patience| patience.min(timeout))));
        self.has_come(fds[0])
    }

    /// Waits for it.
    pub fn wait(&self) {
        // Any other error means that there is nothing to wait for.
        while self.ask(WaitIdOptions::empty()).is_err_and(|error| error == Errno::INTR) {}
    }

    fn ask(&self, how: WaitIdOptions) -> Result<Option<()>, Errno> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | how;
        waitid(WaitId::Pid(self.pid), options).map(|status| status.map(drop))
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

/// How often a process is asked whether it has ended, where there is no descriptor that tells.
const ASK_EVERY: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn the_end_is_noticed_with_a_descriptor_and_without() {
        for of in [Exit::of, Exit::without_descriptor] {
            // It ends when its standard input does.
            let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
            let exit = of(&child);
            assert!(!exit.has_come_within(Duration::ZERO));
            drop(child.stdin.take());
            while !exit.has_come_within(Duration::from_secs(60)) {}
            // It's not reaped, or there would be no status; and what is reaped has ended all the same.
            assert!(child.wait().unwrap().success());
            assert!(exit.has_come_within(Duration::ZERO));
        }
    }
}
