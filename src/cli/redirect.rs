//! `multiconn redirect`: a program whose standard streams are a connection.

use std::ffi::OsString;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use clap::Args;
use rustix::net::{Shutdown, shutdown};

use super::address::{Address, with_port};
use super::failure::Failure;
use super::program::{Program, Redirected, Signals, cannot_set_up};
use super::pty::Typist;
use super::stderr;
use super::stdout::print;
use super::units;
use crate::address::Addr;
use crate::models::{Inherited, Sockets, listen};
use crate::relay::{AtEnd, Fd, Plain, Relay, Route, SinkId, SourceId, Unwanted};
use crate::selector::{AcceptError, SocketStream};
use crate::session::End;
use crate::sys::{self, PollFd};
use crate::text::{count, reason};

/// How long to read from a peer that keeps its side open after the program's end. Closing earlier could cause a reset,
/// and destroy data already sent to the peer.
const LINGER: Duration = Duration::from_secs(2);
/// Clients that may wait while one is accepted; only one is served.
const BACKLOG: i32 = 1;

/// Run a program with its standard input and output over a connection
#[derive(Debug, Args)]
#[command(
    override_usage = "multiconn redirect [OPTIONS] --listen <ADDRESS> -- <PROGRAM>...\n       \
                      multiconn redirect [OPTIONS] --connect <ADDRESS> -- <PROGRAM>...",
    after_help = "Without --stdin and --stdout, both are redirected. Standard error, and a stream that is not redirected, stay \
                        ours. The exit status is the program's, or 128 plus the number of the signal that ended it; 1 if \
                        the program succeeded but the connection broke; 126 if the program cannot be run, 127 if it \
                        cannot be found.\n\n\
                        Example:\n  multiconn redirect --listen 5000 --stdout -- ls -l\n  \
                        multiconn redirect --connect localhost:5000 --pty -- awk '{ print $1 }'"
)]
pub struct Redirect {
    #[command(flatten)]
    endpoint: Endpoint,
    /// Redirect standard input: the program reads what the peer sends
    #[arg(long)]
    stdin: bool,
    /// Redirect standard output: the peer gets what the program writes
    #[arg(long)]
    stdout: bool,
    /// Redirect through a pseudo-terminal, so that the program passes on each line as it is written
    #[arg(long)]
    pty: bool,
    /// The mode of a Unix socket's file, with --listen, in octal: 660 lets its owner and group connect [default: what the
    /// umask allows]
    #[arg(long, value_name = "MODE", requires = "listen", value_parser = units::mode)]
    socket_mode: Option<u32>,
    /// How long to wait for the connection, with --connect
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::timeout)]
    timeout: Duration,
    /// How long the peer may accept none of the data that waits for it
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = units::timeout)]
    write_timeout: Duration,
    /// The program and its arguments
    #[arg(value_name = "PROGRAM", last = true, required = true)]
    program: Vec<OsString>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Endpoint {
    /// Wait here for one connection: HOST:PORT, [V6]:PORT, :PORT (every interface), PORT (loopback) or unix:PATH; port 0
    /// picks a free one
    #[arg(long, value_name = "ADDRESS", value_parser = with_port)]
    listen: Option<Address>,
    /// Connect to this server: HOST:PORT, [V6]:PORT, PORT (loopback) or unix:PATH
    #[arg(long, value_name = "ADDRESS", value_parser = with_port)]
    connect: Option<Address>,
}

impl Redirect {
    /// Runs the program, and returns its exit status.
    pub fn run(self) -> Result<u8, Failure> {
        let (peer, addr): (Fd, Addr) = match (&self.endpoint.listen, &self.endpoint.connect) {
            (Some(address), _) => {
                let (stream, addr) = self.accept(address)?;
                (Rc::new(stream), addr)
            }
            (None, Some(address)) => {
                let (socket, addr) = address.connect(self.timeout)?;
                socket.set_nonblocking(true).map_err(cannot_set_up)?;
                (Rc::new(socket), addr)
            }
            (None, None) => unreachable!("one of them is required"),
        };
        let running = self.start(peer, addr)?;
        running.run().map_err(|error| Failure::of_loop(&error))?
    }

    fn redirected(&self) -> Redirected {
        Redirected { stdin: self.stdin || !self.stdout, stdout: self.stdout || !self.stdin }
    }

    /// Waits for one connection, then stops listening.
    fn accept(&self, address: &Address) -> Result<(SocketStream, Addr), Failure> {
        let failed = |error: io::Error| Failure::new(format!("cannot accept a connection: {}", reason(&error)));
        let mut listeners = Vec::new();
        let mut lines = String::new();
        for addresses in address.to_listen_on(1)? {
            let sockets = Sockets { backlog: BACKLOG, workers: 1, congestion_control: None, mode: self.socket_mode };
            for listening in listen(&addresses, &sockets, &mut Inherited::default())
                .map_err(|error| Failure::new(error.to_string()))?
            {
                lines += &format!("Listening on {}\n", listening.addr);
                listeners.extend(listening.sockets);
            }
        }
        if self.redirected().stdout {
            print(lines.as_bytes())?;
        } else {
            // Standard output belongs to the program alone.
            stderr::print(&lines);
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

    /// Starts the program, and the relay between it and the peer.
    fn start(&self, peer: Fd, addr: Addr) -> Result<Running, Failure> {
        let mut relay = Relay::new().map_err(cannot_set_up)?;
        // Before the program starts, so that its end isn't missed.
        let signals = Signals::new(relay.waker()).map_err(cannot_set_up)?;
        let (program, streams) = Program::start(&self.program, self.redirected(), self.pty)?;
        let mut from_peer_to = Vec::new();
        if let Some(stdin) = streams.stdin {
            let to_program = relay.add_sink(stdin, AtEnd::LetGo, None).map_err(cannot_set_up)?;
            from_peer_to.push(match self.pty {
                true => Route::new(to_program, Typist::default()),
                false => Route::new(to_program, Plain),
            });
        }
        let from_peer = relay.add_source(Rc::clone(&peer), from_peer_to, Unwanted::Drop);
        let output = match streams.stdout {
            Some(stdout) => {
                let to_peer = relay.add_sink(Rc::clone(&peer), AtEnd::HalfClose, Some(self.write_timeout));
                let to_peer = to_peer.map_err(cannot_set_up)?;
                relay.add_source(stdout, vec![Route::new(to_peer, Plain)], Unwanted::Close);
                Some(to_peer)
            }
            None => {
                // Output to the program's terminal other than its standard output must not block it.
                if let Some(terminal) = &streams.terminal {
                    relay.add_source(Rc::clone(terminal), Vec::new(), Unwanted::Drop);
                }
                None
            }
        };
        let (terminal, write_timeout) = (streams.terminal, self.write_timeout);
        Ok(Running { relay, signals, program, terminal, peer, addr, write_timeout, from_peer, output })
    }
}

/// A program and its connection.
struct Running {
    relay: Relay,
    signals: Signals,
    program: Program,
    /// Our side of the program's terminal, if it has one.
    terminal: Option<Fd>,
    peer: Fd,
    addr: Addr,
    write_timeout: Duration,
    from_peer: SourceId,
    /// The sink for the program's output, if that is redirected: the output is complete when this sink ends.
    output: Option<SinkId>,
}

impl Running {
    fn run(mut self) -> io::Result<Result<u8, Failure>> {
        let mut was_cut = false;
        while !self.is_done() && !was_cut {
            self.relay.turn(None)?;
            if self.output.is_some_and(|output| self.relay.write_error(output).is_some())
                && let Some(terminal) = self.terminal.take()
            {
                // The connection has failed: hang up the program's terminal.
                self.relay.let_go(&terminal);
            }
            for signal in self.signals.take() {
                // Once the program has ended, nothing is left to receive the signal.
                was_cut |= !self.program.tell(signal);
            }
            self.program.ask()?;
        }
        let unsent = self.output.map_or(0, |sink| self.relay.unwritten(sink));
        if !was_cut {
            self.take_leave()?;
        }
        let status = self.program.status().unwrap_or(1);
        Ok(match self.broken(unsent) {
            Some(line) => Err(Failure::with_status(if status == 0 { 1 } else { status }, line)),
            None => Ok(status),
        })
    }

    /// Whether the program has ended and all its output has been sent.
    fn is_done(&self) -> bool {
        self.program.status().is_some() && self.output.is_none_or(|output| self.relay.is_done(output))
    }

    /// Ends our side, and discards what the peer still sends, for a while.
    fn take_leave(&mut self) -> io::Result<()> {
        // This fails only if the connection is broken or has already ended.
        let _ = shutdown(&self.peer, Shutdown::Write);
        // Unlike a pipe, a terminal doesn't report that nothing reads it any more; bytes that wait for it would keep
        // the relay from reading the peer.
        if let Some(terminal) = self.terminal.take() {
            self.relay.let_go(&terminal);
        }
        let until = self.relay.now() + LINGER;
        // Don't wait for an idle turn: a peer that keeps sending may never allow one.
        while !self.relay.has_ended(self.from_peer) && self.relay.now() < until && self.signals.take().next().is_none()
        {
            self.relay.turn(Some(until))?;
        }
        if !self.relay.has_ended(self.from_peer) {
            log::debug!("The peer has not ended its side");
        }
        Ok(())
    }

    /// The message about the connection, if it broke.
    fn broken(&self, unsent: usize) -> Option<String> {
        let read_error = self.relay.read_error(self.from_peer);
        let write_error = self.output.and_then(|sink| self.relay.write_error(sink));
        let why = match (read_error, write_error) {
            (_, Some(error)) if error.kind() == io::ErrorKind::TimedOut => {
                End::WriteTimedOut(self.write_timeout).to_string()
            }
            (Some(error), _) | (None, Some(error)) => reason(error),
            (None, None) if unsent > 0 => "interrupted".into(),
            (None, None) => return None,
        };
        let left = if unsent > 0 {
            format!("; left unsent: {} of the program's output", count(unsent, "byte"))
        } else {
            String::new()
        };
        Some(format!("the connection with {} broke: {why}{left}", self.addr))
    }
}
