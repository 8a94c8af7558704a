//! The process of a server that we started. It ends when we end, in whatever way, and so do its children.

use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::conditions::Conditions;
use super::pinning;
use crate::programs::exit::Exit;
use crate::sys;
use crate::text::{Escaped, reason};

/// A process that we started, with its children. Dropping this ends them, except children that have left the process
/// group.
#[derive(Debug)]
pub struct Process {
    child: Child,
    exit: Exit,
    /// Its lines on standard error.
    words: Receiver<String>,
    guard: Guard,
}

impl Process {
    /// Starts a process on the servers' processors, and returns it with its standard output.
    ///
    /// It has its own process group: a terminal's Ctrl-C should reach only us, and we end the process.
    pub fn spawn(mut command: Command, conditions: &Conditions<'_>) -> Result<(Process, ChildStdout), String> {
        let mut guard =
            Guard::start().map_err(|error| format!("cannot create a process group for it: {}", reason(&error)))?;
        command.process_group(guard.group().as_raw_pid());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        sys::prepare_program(&mut command);
        sys::end_with_parent(&mut command);
        let mut child = on_their_processors(conditions, || command.spawn())
            .map_err(|why| format!("{}: {why}", command.get_program().display()))
            .inspect_err(|_| guard.kill())?;
        let stdout = child.stdout.take().expect("it is piped");
        let stderr = child.stderr.take().expect("it is piped");
        let (tell, words) = mpsc::sync_channel(WORDS_MAX);
        thread::spawn(move || {
            for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
                // The first lines are kept; the others are read only so that the process doesn't block.
                let _ = tell.try_send(Escaped(&line).to_string());
            }
        });
        let exit = Exit::of(&child);
        Ok((Process { child, exit, words, guard }, stdout))
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its exit status, if it has ended.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok()?
    }

    /// Waits for its end until `deadline`, and returns whether it has ended.
    pub fn ends_by(&self, deadline: Instant) -> bool {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if self.exit.has_come_within(left) {
                return true;
            }
            if left.is_zero() {
                return false;
            }
        }
    }

    /// Its last line on standard error, or its exit status.
    pub fn why_it_does_not_listen(mut self, timeout: Duration) -> String {
        // A process that has closed its standard output is about to end.
        let has_ended = self.ends_by(Instant::now() + WORDS_TIMEOUT);
        let status = if has_ended { self.child.wait().ok() } else { None };
        let first = self.words.recv_timeout(WORDS_TIMEOUT).ok();
        let words = self.words.try_iter().last().or(first).map(|words| format!("it says {words}"));
        match status {
            Some(status) => words.unwrap_or_else(|| format!("it has ended with {status}")),
            None => {
                let silence = format!("it does not listen within {}", humantime::format_duration(timeout));
                [Some(silence), words].into_iter().flatten().collect::<Vec<_>>().join("; ")
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.exit.has_come_within(Duration::ZERO) {
            let _ = kill_process(self.exit.pid, Signal::TERM);
            self.ends_by(Instant::now() + STOP_TIMEOUT);
        }
        self.guard.kill();
        let _ = self.child.wait();
    }
}

/// Calls `spawn` on the processors of the servers, which a process inherits from the one that starts it.
fn on_their_processors<T>(conditions: &Conditions<'_>, spawn: impl FnOnce() -> io::Result<T>) -> Result<T, String> {
    let bind =
        |cpus| pinning::bind(cpus).map_err(|error| format!("cannot run on processors {cpus}: {}", reason(&error)));
    bind(&conditions.pinning.servers)?;
    let spawned = spawn();
    bind(&conditions.pinning.client)?;
    spawned.map_err(|error| reason(&error))
}

/// The leader of a server's process group, a shell that kills the whole group when its standard input ends.
///
/// Its standard input is a pipe that only we hold. So the group is killed even if we are killed, or end without cleaning up.
#[derive(Debug)]
struct Guard(Child);

impl Guard {
    /// Starts one, in a new process group.
    fn start() -> io::Result<Guard> {
        let mut command = Command::new("sh");
        command.arg("-c").arg(GUARD).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().map(Guard)
    }

    /// The process group.
    fn group(&self) -> Pid {
        Pid::from_child(&self.0)
    }

    /// Kills the whole group, including its leader. May be called once.
    fn kill(&mut self) {
        // No other group can have this number before we wait for the leader.
        let _ = kill_process_group(self.group(), Signal::KILL);
        let _ = self.0.wait();
    }
}

/// Its program. It ignores signals, since a server may send one to the whole group, such as by `kill 0` in a shell.
const GUARD: &str = "trap '' HUP INT QUIT ALRM TERM USR1 USR2; read -r line; kill -KILL 0";
/// How long a server may take to end.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);
/// How long to wait for the lines of a process.
const WORDS_TIMEOUT: Duration = Duration::from_millis(300);
/// The most lines of standard error kept.
const WORDS_MAX: usize = 100;
