//! `multiconn redirect`: a program whose standard streams are a connection.

use std::ffi::OsString;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use rustix::io::ioctl_fionbio;
use rustix::net::{Shutdown, shutdown};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use rustix::termios::isatty;

use super::address::{Address, with_port};
use super::pty::{self, Typist};
use super::{Failure, print, units};
use crate::models::{listen, set_and_wake};
use crate::relay::{AtEnd, Fd, Plain, Relay, Route, SinkId, SourceId, Turn, Unwanted};
use crate::selector::AcceptError;
use crate::sys::{self, PollFd};
use crate::text::reason;

/// How long a peer that has not ended its side is listened to after the program's end, so that it gets what it was sent:
/// a close would be a reset if it still sends.
const LINGER: Duration = Duration::from_secs(2);
/// Clients that may wait while one is accepted: there is only one.
const BACKLOG: i32 = 1;
/// What a shell says of a program that it can't find, or can't run.
const NOT_FOUND: u8 = 127;
const CANNOT_RUN: u8 = 126;

/// Run a program with its standard input and output over a connection
#[derive(Debug, Args)]
#[command(
    after_help = "Without --stdin and --stdout both are redirected. The rest, and standard error, stay ours. The exit \
                        status is the program's, or 128 and the signal's number; 1 if it is 0 and the connection broke; \
                        126 or 127 if the program cannot be run or found.\n\n\
                        Example:\n  multiconn redirect --listen 5000 --stdout -- ls -l\n  \
                        multiconn redirect --connect localhost:5000 --pty -- awk '{ print toupper($0) }'"
)]
pub struct Redirect {
    #[command(flatten)]
    place: Place,
    /// Redirect standard input: the program reads what the peer sends
    #[arg(long)]
    stdin: bool,
    /// Redirect standard output: the peer gets what the program writes
    #[arg(long)]
    stdout: bool,
    /// Give the program a pseudo-terminal for what is redirected, so that it passes each line on as it is written
    #[arg(long)]
    pty: bool,
    /// How long to wait for the connection, with --connect
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::timeout)]
    timeout: Duration,
    /// How long the peer may take none of what is sent to it
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = units::timeout)]
    write_timeout: Duration,
    /// The program and its arguments
    #[arg(value_name = "PROGRAM", last = true, required = true)]
    program: Vec<OsString>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Place {
    /// Wait here for one connection: HOST:PORT, [V6]:PORT, :PORT (every interface) or PORT (loopback); port 0 picks a
    /// free one
    #[arg(long, value_name = "ADDRESS", value_parser = with_port)]
    listen: Option<Address>,
    /// Connect to this server: HOST:PORT, [V6]:PORT or PORT (loopback)
    #[arg(long, value_name = "ADDRESS", value_parser = with_port)]
    connect: Option<Address>,
}

impl Redirect {
    /// Runs the program, and returns its exit status.
    pub fn run(self) -> Result<u8, Failure> {
        let (stream, addr) = match (&self.place.listen, &self.place.connect) {
            (Some(address), _) => self.accept(address)?,
            (None, Some(address)) => address.connect(self.timeout)?,
            (None, None) => unreachable!("one of them is required"),
        };
        let running = self.start(stream, addr)?;
        running.run().map_err(|error| Failure::of_loop(&error))?
    }

    fn stdin_is_peers(&self) -> bool {
        self.stdin || !self.stdout
    }

    fn stdout_is_peers(&self) -> bool {
        self.stdout || !self.stdin
    }

    /// Waits for one connection; nobody is listening any more after that.
    fn accept(&self, address: &Address) -> Result<(TcpStream, SocketAddr), Failure> {
        let failed = |error: io::Error| Failure::new(format!("cannot accept a connection: {}", reason(&error)));
        let mut listeners = Vec::new();
        let mut lines = String::new();
        for addresses in address.to_listen_on(1)? {
            for listening in listen(&addresses, BACKLOG, 1).map_err(|error| Failure::new(error.to_string()))? {
                lines += &format!("Listening on {}\n", listening.addr);
                listeners.extend(listening.sockets);
            }
        }
        for listener in &listeners {
            listener.set_nonblocking(true).map_err(failed)?;
        }
        if self.stdout_is_peers() {
            print(lines.as_bytes())?;
        } else {
            // Standard output is the program's alone. Where even this can't be written, a client may still find us.
            let _ = io::stderr().write_all(lines.as_bytes());
        }
        loop {
            let mut fds: Vec<PollFd> = listeners.iter().map(|listener| PollFd::new(listener, true, false)).collect();
            match sys::poll(&mut fds, None) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(failed(error)),
                _ => {}
            }
            for listener in &listeners {
                match listener.accept() {
                    Ok((stream, addr)) => {
                        log::info!("Accepted connection from {addr}");
                        return Ok((stream, addr));
                    }
                    Err(error) if AcceptError::of(&error) == AcceptError::Ours => return Err(failed(error)),
                    Err(_) => {}
                }
            }
        }
    }

    /// Starts the program, and all that goes between it and the peer.
    fn start(&self, stream: TcpStream, addr: SocketAddr) -> Result<Running, Failure> {
        let set_up = |error: io::Error| Failure::new(format!("cannot redirect a program: {}", reason(&error)));
        stream.set_nodelay(true).and_then(|()| stream.set_nonblocking(true)).map_err(set_up)?;
        let mut relay = Relay::new().map_err(set_up)?;
        let signals = Signals::new(&relay).map_err(set_up)?;
        let Started { child, streams, place } = self.start_program().map_err(|refusal| match refusal {
            Refusal::SetUp(error) => set_up(error),
            Refusal::Program(error) => self.cannot_run(&error),
        })?;
        log::debug!("Started the program as process {}", child.id());

        let peer: Fd = Rc::new(stream);
        let mut to_peer = None;
        let mut from_peer_to = Vec::new();
        let mut output = None;
        let plumb = |relay: &mut Relay| -> io::Result<()> {
            if let Some(stdin) = streams.stdin {
                let to_program = relay.add_sink(stdin, AtEnd::LetGo, None)?;
                from_peer_to.push(match streams.terminal {
                    Some(_) => Route::new(to_program, Typist::default()),
                    None => Route::new(to_program, Plain),
                });
            }
            if let Some(stdout) = streams.stdout {
                let to_socket = relay.add_sink(Rc::clone(&peer), AtEnd::HalfClose, Some(self.write_timeout))?;
                output = Some(relay.add_source(stdout, vec![Route::new(to_socket, Plain)], Unwanted::Close));
                to_peer = Some(to_socket);
            } else if let Some(terminal) = &streams.terminal {
                // What the program writes to its terminal past its standard output must not stop it.
                relay.add_source(Rc::clone(terminal), Vec::new(), Unwanted::Drop);
            }
            Ok(())
        };
        plumb(&mut relay).map_err(set_up)?;
        let from_peer = relay.add_source(Rc::clone(&peer), from_peer_to, Unwanted::Drop);
        let program = Program { child, place, status: None, told: false };
        let write_timeout = self.write_timeout;
        let terminal = streams.terminal;
        Ok(Running { relay, signals, program, peer, addr, write_timeout, terminal, to_peer, from_peer, output })
    }

    fn start_program(&self) -> Result<Started, Refusal> {
        let mut command = Command::new(&self.program[0]);
        command.args(&self.program[1..]);
        let pty = if self.pty { Some(pty::open().map_err(Refusal::SetUp)?) } else { None };
        let stdio = |is_peers: bool| match &pty {
            _ if !is_peers => Ok(Stdio::inherit()),
            None => Ok(Stdio::piped()),
            Some(pty) => pty.terminal.try_clone().map(Stdio::from).map_err(Refusal::SetUp),
        };
        command.stdin(stdio(self.stdin_is_peers())?).stdout(stdio(self.stdout_is_peers())?);
        let place = if pty.is_some() || self.stdin_is_peers() || !isatty(io::stdin()) {
            ProgramsPlace::OwnGroup
        } else {
            ProgramsPlace::OurGroup
        };
        let terminal = match pty {
            Some(pty) => {
                sys::start_on(&mut command, pty.terminal);
                Some(nonblocking(pty.controller).map_err(Refusal::SetUp)?)
            }
            None => {
                if place == ProgramsPlace::OwnGroup {
                    command.process_group(0);
                }
                None
            }
        };
        let mut child = command.spawn().map_err(Refusal::Program)?;
        // With the command goes what we still have of the terminal: the program alone is to hold it.
        drop(command);
        let streams = match &terminal {
            Some(terminal) => Ok(Streams {
                stdin: self.stdin_is_peers().then(|| Rc::clone(terminal)),
                stdout: self.stdout_is_peers().then(|| Rc::clone(terminal)),
                terminal: Some(Rc::clone(terminal)),
            }),
            None => pipes(&mut child),
        };
        match streams {
            Ok(streams) => Ok(Started { child, streams, place }),
            Err(error) => {
                // It fails only where the program has ended.
                let _ = child.kill();
                let _ = child.wait();
                Err(Refusal::SetUp(error))
            }
        }
    }

    fn cannot_run(&self, error: &io::Error) -> Failure {
        let program = self.program[0].to_string_lossy();
        let program = program.escape_debug();
        match error.kind() {
            io::ErrorKind::NotFound => {
                Failure::with_status(NOT_FOUND, format!("cannot find the program '{program}' (is it in the PATH?)"))
            }
            _ => Failure::with_status(CANNOT_RUN, format!("cannot run the program '{program}': {}", reason(error))),
        }
    }
}

/// Our ends of the program's streams, as far as they are not the terminal's.
fn pipes(child: &mut Child) -> io::Result<Streams> {
    let stdin = child.stdin.take().map(|pipe| nonblocking(pipe.into())).transpose()?;
    let stdout = child.stdout.take().map(|pipe| nonblocking(pipe.into())).transpose()?;
    Ok(Streams { stdin, stdout, terminal: None })
}

/// One that is ours alone.
fn nonblocking(fd: OwnedFd) -> io::Result<Fd> {
    ioctl_fionbio(&fd, true)?;
    Ok(Rc::new(fd))
}

/// Why there is no program.
enum Refusal {
    /// The system refuses what it was to be given.
    SetUp(io::Error),
    /// It can't be started.
    Program(io::Error),
}

struct Started {
    child: Child,
    streams: Streams,
    place: ProgramsPlace,
}

/// Our ends of what was redirected.
struct Streams {
    stdin: Option<Fd>,
    stdout: Option<Fd>,
    /// The controlling side of its terminal, which is its streams then.
    terminal: Option<Fd>,
}

/// Who hears of a key like Ctrl-C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ProgramsPlace {
    /// The program is not where our terminal's keys are heard: what we hear is passed on to it and its children.
    OwnGroup,
    /// It reads our terminal, as only those may who hear its keys.
    OurGroup,
}

/// A program and its connection.
struct Running {
    relay: Relay,
    signals: Signals,
    program: Program,
    peer: Fd,
    addr: SocketAddr,
    write_timeout: Duration,
    terminal: Option<Fd>,
    /// Where the program's output goes, if it's redirected.
    to_peer: Option<SinkId>,
    from_peer: SourceId,
    output: Option<SourceId>,
}

impl Running {
    fn run(mut self) -> io::Result<Result<u8, Failure>> {
        let mut was_cut = false;
        while !self.is_done() && !was_cut {
            self.relay.turn(None)?;
            if let Some(terminal) =
                self.terminal.take_if(|_| self.to_peer.is_some_and(|sink| self.relay.write_error(sink).is_some()))
            {
                // The line has gone dead: the program's terminal is hung up.
                self.relay.let_go(&terminal);
            }
            for signal in self.signals.take() {
                // Once the program has ended there is nobody else to be told.
                was_cut |= !self.program.tell(signal);
            }
            self.program.ask()?;
        }
        let unsent = self.to_peer.map_or(0, |sink| self.relay.unwritten(sink));
        if !was_cut {
            self.take_leave()?;
        }
        let status = self.program.status.map_or(1, status_of);
        Ok(match self.broken(unsent) {
            Some(line) => Err(Failure::with_status(if status == 0 { 1 } else { status }, line)),
            None => Ok(status),
        })
    }

    /// Whether the program has ended, and all that it has written was sent.
    fn is_done(&self) -> bool {
        self.program.status.is_some()
            && self.output.is_none_or(|source| self.relay.has_ended(source))
            && self.to_peer.is_none_or(|sink| self.relay.is_done(sink))
    }

    /// Ends our side, and drops what the peer still sends, for a while.
    fn take_leave(&mut self) -> io::Result<()> {
        // It fails only where the connection is broken, or has ended before.
        let _ = shutdown(&self.peer, Shutdown::Write);
        let until = self.relay.now() + LINGER;
        while !self.relay.has_ended(self.from_peer) && self.signals.take().next().is_none() {
            if self.relay.turn(Some(until))? == Turn::Idle {
                log::debug!("The peer has not ended its side");
                break;
            }
        }
        Ok(())
    }

    /// What to say of the connection, if it broke.
    fn broken(&self, unsent: usize) -> Option<String> {
        let read_error = self.relay.read_error(self.from_peer);
        let write_error = self.to_peer.and_then(|sink| self.relay.write_error(sink));
        let why = match (read_error, write_error) {
            (_, Some(error)) if error.kind() == io::ErrorKind::TimedOut => {
                format!("peer read nothing for {:?}", self.write_timeout)
            }
            (Some(error), _) | (None, Some(error)) => reason(error),
            (None, None) if unsent > 0 => "interrupted".into(),
            (None, None) => return None,
        };
        let left = if unsent > 0 {
            format!("; {unsent} bytes of the program's output were left unsent")
        } else {
            String::new()
        };
        Some(format!("the connection with {} broke: {why}{left}", self.addr))
    }
}

fn status_of(status: ExitStatus) -> u8 {
    match (status.code(), status.signal()) {
        (Some(code), _) => code as u8,
        (None, signal) => 128 + signal.unwrap_or(0) as u8,
    }
}

struct Program {
    child: Child,
    place: ProgramsPlace,
    /// How it ended.
    status: Option<ExitStatus>,
    /// Whether it was told to end.
    told: bool,
}

impl Program {
    /// Passes a signal on, and returns whether there was somebody to take it. Who tells it to end once more means it.
    fn tell(&mut self, signal: Signal) -> bool {
        if self.status.is_some() {
            return false;
        }
        let is_from_the_keyboard = signal == Signal::INT || signal == Signal::QUIT;
        let ends = is_from_the_keyboard || signal == Signal::TERM;
        let signal = if ends && self.told { Signal::KILL } else { signal };
        self.told |= ends;
        let pid = Pid::from_child(&self.child);
        // Both fail only where the program has ended, or has become somebody whom we have no say about.
        let _ = match self.place {
            ProgramsPlace::OwnGroup => kill_process_group(pid, signal),
            ProgramsPlace::OurGroup if is_from_the_keyboard && signal != Signal::KILL => Ok(()),
            ProgramsPlace::OurGroup => kill_process(pid, signal),
        };
        true
    }

    /// Asks whether it has ended.
    fn ask(&mut self) -> io::Result<()> {
        if self.status.is_none() {
            self.status = self.child.try_wait()?;
        }
        Ok(())
    }
}

/// The signals that are passed on; and SIGCHLD, which only wakes.
struct Signals {
    come: Vec<(Signal, Arc<AtomicBool>)>,
}

impl Signals {
    const PASSED_ON: [Signal; 4] = [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT];

    fn new(relay: &Relay) -> io::Result<Signals> {
        let mut come = Vec::new();
        for signal in Signals::PASSED_ON.into_iter().chain([Signal::CHILD]) {
            let flag = Arc::new(AtomicBool::new(false));
            set_and_wake(signal.as_raw(), Arc::clone(&flag), relay.waker())?;
            come.push((signal, flag));
        }
        Ok(Signals { come })
    }

    /// Those that have come since.
    fn take(&self) -> impl Iterator<Item = Signal> {
        let has_come = |flag: &AtomicBool| flag.swap(false, Ordering::AcqRel);
        self.come
            .iter()
            .filter(move |(signal, flag)| has_come(flag) && *signal != Signal::CHILD)
            .map(|&(signal, _)| signal)
    }
}
