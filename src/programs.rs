//! The [`Runner`] that runs programs as processes for clients.
//!
//! A session must not wait, but pipes and processes have to be waited for. So each program has a thread, from before
//! its start until it's reaped, which waits for both in poll(2), and passes output to the session through a small
//! buffer. While the buffer is full, the thread reads nothing more, and soon the program waits for its pipe:
//! back-pressure.
//!
//! A program is started in its own process group. Both are killed when the session drops the program. When the program
//! itself has ended, the rest of the group is killed. A child that has left the group can't be found any more, and goes
//! on. It takes no place, and its output is ignored, even if it holds the pipe open.
//!
//! If this process is killed, or exits at once, its programs are killed as well, on Linux. Their children, and on other
//! systems the programs themselves, go on, and get SIGPIPE when they write.

pub(crate) mod exit;

use std::io::{self, PipeReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use rustix::io::ioctl_fionread;
use rustix::process::{Pid, Signal};
use signal_hook::consts::SIGCHLD;

use crate::buffer::Tail;
use crate::places::Places;
use crate::protocols::command::{News, Program, Runner, Running, StartError};
use crate::sys::{self, PollFd, poll};
use crate::text::count;
use exit::{Exit, signal_group};

/// The complete environment of a program.
const ENVIRONMENT: [(&str, &str); 2] = [("PATH", "/usr/bin:/bin"), ("LANG", "C.UTF-8")];
/// Maximum bytes of output that wait for a session, besides those in the pipe.
const BUFFER_LEN: usize = 64 << 10;
/// Maximum bytes read from a pipe at once.
const READ_LEN: usize = 16 << 10;
/// The stack size of a program's thread.
const STACK_LEN: usize = 256 << 10;
/// How long to wait for killed programs. A program takes longer only if the system doesn't release it.
const GRACE: Duration = Duration::from_secs(1);

/// Runs programs as processes, up to a maximum at once.
///
/// Dropping it waits until killed programs are gone.
#[derive(Debug)]
pub struct Processes {
    places: Places,
    /// The process that created this; a forked one has a copy.
    owner: u32,
}

impl Processes {
    /// Runs up to `max` programs at once. The process no longer ignores SIGCHLD: otherwise it would never learn how
    /// they end.
    pub fn new(max: usize) -> Self {
        sys::stop_ignoring(SIGCHLD);
        Processes { places: Places::new(max), owner: std::process::id() }
    }
}

impl Runner for Processes {
    fn start(&self, program: &Program, waker: Waker) -> Result<Box<dyn Running>, StartError> {
        let place = self.places.take().ok_or(StartError::TooMany)?;
        let mut command = Command::new(&program.path);
        command
            .args(&program.args)
            .env_clear()
            .envs(ENVIRONMENT)
            .current_dir("/")
            .stdin(Stdio::null())
            .process_group(0);
        sys::prepare_program(&mut command);
        // The program's own thread starts it, and ends after it.
        sys::end_with_parent(&mut command);
        let process = Process { monitor: Arc::default(), places: self.places.clone(), owner: self.owner };
        let monitor = Arc::clone(&process.monitor);
        let work = move || {
            let end = run(command, &monitor, &waker);
            // Free the place first, so that a session that learns of the end can start another program.
            drop(place);
            monitor.lock().end = Some(end);
            waker.wake();
        };
        let thread = thread::Builder::new().name("program".to_owned()).stack_size(STACK_LEN);
        match thread.spawn(work) {
            Ok(_) => Ok(Box::new(process)),
            Err(error) => Err(StartError::Refused(error)),
        }
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        wait_for_all(&self.places);
    }
}

/// A running program, from its session's side.
#[derive(Debug)]
struct Process {
    monitor: Arc<Monitor>,
    places: Places,
    owner: u32,
}

/// The state shared by a program's session and its thread.
#[derive(Debug, Default)]
struct Monitor {
    state: Mutex<ProgramState>,
    /// Signalled when output was taken, or is no longer wanted.
    taken: Condvar,
}

#[derive(Debug, Default)]
struct ProgramState {
    output: Vec<u8>,
    /// Its exit status, set after all output.
    end: Option<io::Result<ExitStatus>>,
    /// The program and its process group, from its start until it's reaped; after that, its number may be reused.
    pid: Option<Pid>,
    is_unwanted: bool,
}

impl Running for Process {
    fn read(&mut self, output: &mut Tail<'_>, len_max: usize) -> Poll<io::Result<News>> {
        let mut state = self.monitor.lock();
        if !state.output.is_empty() {
            let len = state.output.len().min(len_max);
            output.extend(state.output.drain(..len));
            if state.output.is_empty() {
                // A program that is silent from now on needs no buffer.
                state.output = Vec::new();
            }
            self.monitor.taken.notify_one();
            return Poll::Ready(Ok(News::Output(len)));
        }
        match state.end.take() {
            Some(end) => Poll::Ready(end.map(News::Ended)),
            None => Poll::Pending,
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let mut state = self.monitor.lock();
        state.is_unwanted = true;
        state.kill();
        drop(state);
        self.monitor.taken.notify_one();
        if self.owner != std::process::id() {
            // This is the only connection of a forked process; both the process and its threads end with it.
            wait_for_all(&self.places);
        }
    }
}

impl ProgramState {
    /// Kills the program and the remaining processes of its group, unless they belong to another user by now.
    fn kill(&self) {
        if let Some(pid) = self.pid {
            signal_group(pid, Signal::KILL);
        }
    }
}

impl Monitor {
    fn lock(&self) -> MutexGuard<'_, ProgramState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is room in the buffer, and returns how much; `None` if output is no longer wanted.
    fn room(&self) -> Option<usize> {
        let is_full = |state: &mut ProgramState| state.output.len() >= BUFFER_LEN && !state.is_unwanted;
        let state = self.taken.wait_while(self.lock(), is_full).unwrap_or_else(PoisonError::into_inner);
        (!state.is_unwanted).then(|| BUFFER_LEN - state.output.len())
    }

    fn pass_on(&self, bytes: &[u8], waker: &Waker) {
        let mut state = self.lock();
        let was_empty = state.output.is_empty();
        state.output.extend_from_slice(bytes);
        drop(state);
        // If earlier output is still there, the session has been woken already.
        if was_empty {
            waker.wake_by_ref();
        }
    }
}

/// The body of a program's thread.
fn run(mut command: Command, monitor: &Monitor, waker: &Waker) -> io::Result<ExitStatus> {
    let (pipe, writer) = io::pipe()?;
    let mut child = command.stdout(writer.try_clone()?).stderr(writer).spawn()?;
    // It holds the pipe's sending end, which would hide the end of the output.
    drop(command);
    let exit = Exit::of(&child);
    {
        let mut state = monitor.lock();
        state.pid = Some(exit.pid);
        if state.is_unwanted {
            state.kill();
        }
    }
    let passed = pass_on_all(pipe, &exit, monitor, waker);
    if passed.is_err() {
        monitor.lock().kill();
    }
    exit.wait();
    let status = {
        // Once the process is reaped, its number may be reused.
        let mut state = monitor.lock();
        state.kill();
        state.pid = None;
        child.wait()
    };
    passed.and(status)
}

/// Passes on the program's output, until that or the program itself has ended, or output is no longer wanted.
fn pass_on_all(mut pipe: PipeReader, exit: &Exit, monitor: &Monitor, waker: &Waker) -> io::Result<()> {
    let mut buffer = vec![0; READ_LEN];
    // The number of bytes left in the pipe once the program has ended. Other processes may hold the pipe open, and even
    // write to it, for any length of time.
    let mut last: Option<usize> = None;
    while let Some(room) = monitor.room() {
        let len = match last {
            Some(0) => return Ok(()),
            Some(left) => left,
            None => {
                let mut fds = [PollFd::new(&pipe, true, false), exit.watched()];
                match poll(&mut fds, exit.patience()) {
                    Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                    Err(_) => continue,
                    Ok(_) => {}
                }
                if exit.has_come(fds[1]) {
                    // Kill the group first, so that it adds nothing more.
                    monitor.lock().kill();
                    last = Some(usize::try_from(ioctl_fionread(&pipe)?).unwrap_or(0));
                    continue;
                }
                if !fds[0].is_readable() {
                    continue;
                }
                READ_LEN
            }
        };
        let len = len.min(room).min(READ_LEN);
        let len = loop {
            match pipe.read(&mut buffer[..len]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        if len == 0 {
            return Ok(());
        }
        monitor.pass_on(&buffer[..len], waker);
        last = last.map(|left| left - len);
    }
    Ok(())
}

/// Waits for killed programs.
fn wait_for_all(places: &Places) {
    let left = places.wait_until_free(GRACE);
    if left > 0 {
        log::warn!("{} still running after being killed", count(left, "program"));
    }
}

#[cfg(test)]
mod tests {
    use std::mem;
    use std::sync::mpsc;
    use std::task::Wake;

    use super::*;

    struct Ring(mpsc::Sender<()>);

    impl Wake for Ring {
        fn wake(self: Arc<Self>) {
            let _ = self.0.send(());
        }
    }

    fn shell(script: &str) -> Program {
        Program { name: "sh".into(), path: "/bin/sh".into(), args: vec!["-c".into(), script.into()] }
    }

    /// Reads all output of a program, and its exit status. Reads only when woken.
    fn read_to_end(running: &mut dyn Running, woken: &mpsc::Receiver<()>) -> (Vec<u8>, io::Result<ExitStatus>) {
        let mut output = Vec::new();
        loop {
            match running.read(&mut Tail::from(&mut output), 1000) {
                Poll::Ready(Ok(News::Output(len))) => assert!((1..=1000).contains(&len)),
                Poll::Ready(Ok(News::Ended(status))) => return (output, Ok(status)),
                Poll::Ready(Err(error)) => return (output, Err(error)),
                Poll::Pending => woken.recv_timeout(Duration::from_secs(20)).expect("it wakes us"),
            }
        }
    }

    #[test]
    fn output_comes_whole_and_the_status_after_it() {
        let processes = Processes::new(1);
        for (script, len, status) in [
            ("", 0, 0),
            ("exit 3", 0, 3),
            // More than the buffer and the pipe can hold.
            ("head -c 1000000 /dev/zero; exit 1", 1_000_000, 1),
        ] {
            let (call, woken) = mpsc::channel();
            let mut running = processes.start(&shell(script), Arc::new(Ring(call)).into()).unwrap();
            let (output, end) = read_to_end(&mut *running, &woken);
            assert_eq!((output.len(), end.unwrap().code()), (len, Some(status)));
        }
        let (call, woken) = mpsc::channel();
        let program = Program { name: "none".into(), path: "/nowhere/none".into(), args: Vec::new() };
        let mut running = processes.start(&program, Arc::new(Ring(call)).into()).unwrap();
        assert_eq!(read_to_end(&mut *running, &woken).1.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_place_is_free_when_its_program_is_gone() {
        let processes = Processes::new(1);
        let start = || processes.start(&shell("exec sleep 1000"), Waker::noop().clone());
        let running = start().unwrap();
        assert!(matches!(start(), Err(StartError::TooMany)));
        drop(running);
        wait_for_all(&processes.places);
        assert!(start().is_ok());
    }

    #[test]
    fn it_goes_without_a_descriptor_that_tells_of_the_end() {
        for (script, expected) in [
            // The program ends, and another process holds the pipe open.
            ("sleep 1000 & echo $!", None),
            ("echo one; sleep 0.2; echo two", Some(&b"one\ntwo\n"[..])),
        ] {
            let (pipe, writer) = io::pipe().unwrap();
            let mut command = Command::new("/bin/sh");
            let mut child = command.args(["-c", script]).stdout(writer).process_group(0).spawn().unwrap();
            drop(command);
            let exit = Exit::without_descriptor(&child);
            let monitor = Monitor::default();
            monitor.lock().pid = Some(exit.pid);
            pass_on_all(pipe, &exit, &monitor, Waker::noop()).unwrap();
            exit.wait();
            assert!(child.wait().unwrap().success());
            let output = mem::take(&mut monitor.lock().output);
            assert!(expected.is_none_or(|expected| output == expected), "{output:?}");
            assert!(output.ends_with(b"\n"));
        }
    }
}
