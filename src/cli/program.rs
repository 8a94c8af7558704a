//! A child process: started with some of its streams redirected, sent signals, and asked for its exit status.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::ioctl_fionbio;
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::isatty;

use super::failure::Failure;
use super::{pty, signals};
use crate::programs::exit::signal_group;
use crate::relay::Fd;
use crate::selector::Waker;
use crate::sys;
use crate::text::reason;

/// A started program.
pub struct Program {
    child: Child,
    group: ProcessGroup,
    /// The exit status, once known.
    status: Option<ExitStatus>,
    /// Whether it was asked to end.
    told: bool,
}

impl Program {
    /// Starts it, and returns our ends of its redirected streams: of one pipe each, or of one terminal. On failure, no
    /// program runs.
    pub fn start(words: &[OsString], which: Redirected, on_terminal: bool) -> Result<(Program, Streams), Failure> {
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        let pty = if on_terminal { Some(pty::open().map_err(cannot_set_up)?) } else { None };
        let stdio = |is_redirected: bool| match &pty {
            _ if !is_redirected => Ok(Stdio::inherit()),
            None => Ok(Stdio::piped()),
            Some(pty) => pty.terminal.try_clone().map(Stdio::from).map_err(cannot_set_up),
        };
        command.stdin(stdio(which.stdin)?).stdout(stdio(which.stdout)?);
        let reads_our_terminal = !which.stdin && isatty(io::stdin());
        let group = if reads_our_terminal && pty.is_none() { ProcessGroup::Ours } else { ProcessGroup::Own };
        let terminal = match pty {
            Some(pty) => {
                sys::start_on(&mut command, pty.terminal);
                Some(nonblocking(pty.controller).map_err(cannot_set_up)?)
            }
            None => {
                if group == ProcessGroup::Own {
                    command.process_group(0);
                }
                None
            }
        };
        sys::prepare_program(&mut command);
        let mut child = command.spawn().map_err(|error| cannot_run(&words[0], &error))?;
        log::debug!("Started the program as process {}", child.id());
        // Dropping the command closes our copies of the terminal: the program alone is to hold it.
        drop(command);
        let streams = match terminal {
            Some(terminal) => Streams {
                stdin: which.stdin.then(|| Rc::clone(&terminal)),
                stdout: which.stdout.then(|| Rc::clone(&terminal)),
                terminal: Some(terminal),
            },
            None => {
                let pipe = |pipe: Option<OwnedFd>| pipe.map(nonblocking).transpose().map_err(cannot_set_up);
                let stdin = pipe(child.stdin.take().map(OwnedFd::from))?;
                let stdout = pipe(child.stdout.take().map(OwnedFd::from))?;
                Streams { stdin, stdout, terminal: None }
            }
        };
        Ok((Program { child, group, status: None, told: false }, streams))
    }

    /// The exit status as a shell would report it, if the program has ended.
    pub fn status(&self) -> Option<u8> {
        let status = self.status?;
        Some(match (status.code(), status.signal()) {
            (Some(code), _) => code as u8,
            (None, signal) => 128 + signal.unwrap_or(0) as u8,
        })
    }

    /// Passes a signal on, and returns whether there was a process to receive it. A repeated request to end kills the
    /// program.
    pub fn tell(&mut self, signal: Signal) -> bool {
        if self.status.is_some() {
            return false;
        }
        let is_from_the_keyboard = signal == Signal::INT || signal == Signal::QUIT;
        let ends = is_from_the_keyboard || signal == Signal::TERM;
        let signal = if ends && self.told { Signal::KILL } else { signal };
        self.told |= ends;
        let pid = Pid::from_child(&self.child);
        match self.group {
            ProcessGroup::Own => signal_group(pid, signal),
            ProcessGroup::Ours if is_from_the_keyboard && signal != Signal::KILL => {}
            // This fails only if the program has ended, or has become a process that we may not signal.
            ProcessGroup::Ours => drop(kill_process(pid, signal)),
        }
        true
    }

    /// Checks whether it has ended.
    pub fn ask(&mut self) -> io::Result<()> {
        if self.status.is_none() {
            self.status = self.child.try_wait()?;
        }
        Ok(())
    }
}

/// The signals that are passed on, and SIGCHLD, which only wakes.
pub struct Signals {
    passed_on: Vec<(Signal, Arc<AtomicBool>)>,
}

impl Signals {
    /// Starts watching for signals, which wake `waker`.
    pub fn new(waker: &Waker) -> io::Result<Signals> {
        sys::on_signal(Signal::CHILD.as_raw(), Arc::default(), waker.socket()?)?;
        let mut passed_on = Vec::new();
        for signal in signals::heeded([Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT]) {
            let flag = Arc::new(AtomicBool::new(false));
            sys::on_signal(signal.as_raw(), Arc::clone(&flag), waker.socket()?)?;
            passed_on.push((signal, flag));
        }
        Ok(Signals { passed_on })
    }

    /// The signals that have arrived since the last call.
    pub fn take(&self) -> impl Iterator<Item = Signal> {
        let has_come = |flag: &AtomicBool| flag.swap(false, Ordering::AcqRel);
        self.passed_on.iter().filter(move |(_, flag)| has_come(flag)).map(|&(signal, _)| signal)
    }
}

/// The streams of a program that are redirected.
#[derive(Clone, Copy, Debug)]
pub struct Redirected {
    pub stdin: bool,
    pub stdout: bool,
}

/// Our ends of the redirected streams.
pub struct Streams {
    pub stdin: Option<Fd>,
    pub stdout: Option<Fd>,
    /// The controlling side of the terminal that serves as its streams.
    pub terminal: Option<Fd>,
}

/// The process group of the program, which decides whether keys like Ctrl-C reach it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ProcessGroup {
    /// A group of its own, out of reach of our terminal's keys: signals to us are passed on to it and its children.
    Own,
    /// Our group: it reads our terminal, and only processes in that group may.
    Ours,
}

/// A non-blocking descriptor that no other process shares.
fn nonblocking(fd: OwnedFd) -> io::Result<Fd> {
    ioctl_fionbio(&fd, true)?;
    Ok(Rc::new(fd))
}

/// The failure to set up what running a program over a connection requires.
pub fn cannot_set_up(error: io::Error) -> Failure {
    Failure::new(format!("cannot redirect a program: {}", reason(&error)))
}

fn cannot_run(program: &OsStr, error: &io::Error) -> Failure {
    let program = program.to_string_lossy();
    let program = program.escape_debug();
    match error.kind() {
        io::ErrorKind::NotFound => {
            Failure::with_status(NOT_FOUND, format!("cannot find the program '{program}' (is it in the PATH?)"))
        }
        _ => Failure::with_status(CANNOT_RUN, format!("cannot run the program '{program}': {}", reason(error))),
    }
}

/// A shell's status for a program that it can't find or can't run.
const NOT_FOUND: u8 = 127;
const CANNOT_RUN: u8 = 126;
