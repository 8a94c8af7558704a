//! What happens in a program's process before the program runs.

use std::env;
#[cfg(feature = "cli")]
use std::io;
#[cfg(feature = "cli")]
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, setrlimit};
#[cfg(target_os = "linux")]
use rustix::process::{Signal, set_parent_process_death_signal};
#[cfg(feature = "cli")]
use rustix::process::{getrlimit, ioctl_tiocsctty, setsid};

/// The limit of open files with which this process was started, if it was raised since.
static STARTED_WITH: OnceLock<Rlimit> = OnceLock::new();

/// Raises the soft limit of open files to the hard one, for this process alone: [prepared programs](prepare_program)
/// get the limit with which it was started.
///
/// # Errors
/// If the system refuses.
#[cfg(feature = "cli")]
pub fn raise_descriptor_limit() -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return Ok(());
    }
    STARTED_WITH.get_or_init(|| limit);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?)
}

/// The variables by which systemd speaks to this process alone.
const OF_SYSTEMD: [&str; 6] =
    ["LISTEN_FDNAMES", "LISTEN_FDS", "LISTEN_PID", "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"];

/// Makes a program start as it would in our place: with the limit of open files with which this process was started,
/// and by `/bin/sh` if it is a script without `#!`. It gets no variable that systemd has set for
/// this process alone.
///
/// Every program should be started this way. The shell comes from execvp(3), which starts a program that is prepared in
/// its own process; std starts others in another way, which refuses such a script.
pub fn prepare_program(command: &mut Command) {
    let limit = STARTED_WITH.get().copied();
    let lower = move || match limit {
        Some(limit) => Ok(setrlimit(Resource::Nofile, limit)?),
        None => Ok(()),
    };
    // SAFETY: in the child, where nothing may allocate or lock, it makes at most one system call.
    unsafe { command.pre_exec(lower) };
    for name in OF_SYSTEMD.into_iter().filter(|name| env::var_os(name).is_some()) {
        command.env_remove(name);
    }
}

/// Makes the program that `command` will start lead a new session, controlled by `terminal`.
#[cfg(feature = "cli")]
pub fn start_on(command: &mut Command, terminal: OwnedFd) {
    let begin = move || {
        setsid()?;
        Ok(ioctl_tiocsctty(&terminal)?)
    };
    // SAFETY: in the child, where nothing may allocate or lock, it only makes two system calls.
    unsafe { command.pre_exec(begin) };
}

/// Ends a process that is yet to be started when the thread that starts it ends, even by a kill: on Linux only.
pub fn end_with_parent(command: &mut Command) {
    #[cfg(target_os = "linux")]
    {
        let end_with_it = || Ok(set_parent_process_death_signal(Some(Signal::KILL))?);
        // SAFETY: in the child, where nothing may allocate or lock, it only makes one system call.
        unsafe { command.pre_exec(end_with_it) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = command;
}
