//! The servers under test: our own child processes, or servers already running.

use std::io::{self, BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Command, ExitStatus};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::command_line::words;
use super::conditions::Conditions;
use super::process::Process;
use super::results::{self, Workload};
use crate::address::{Addr, UNIX};
use crate::client::connect;
use crate::models::Model;
use crate::text::reason;

/// A server in the comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Its name in every table.
    pub name: String,
    /// Its origin.
    pub origin: Origin,
}

/// The origin of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// This program, with this model.
    Model {
        /// The model.
        model: Model,
        /// How it's reached.
        transport: Transport,
    },
    /// A [command line](super::command_line), in which `{port}` stands for the port to listen on.
    Command(String),
    /// A command for `sh`, likewise.
    Shell(String),
    /// A server already running.
    Running {
        /// Its address.
        address: Addr,
        /// Its process, if known.
        pid: Option<u32>,
    },
}

/// A way to reach a server on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP on the loopback interface.
    Tcp,
    /// A Unix socket.
    Unix,
}

impl Subject {
    /// The subject's entry in the results for these workloads.
    pub fn described(&self, workloads: &[Workload]) -> results::Subject {
        let how = match &self.origin {
            Origin::Model { model, transport } => {
                let place = match transport {
                    Transport::Tcp => "",
                    Transport::Unix => " unix:PATH",
                };
                let mut protocols: Vec<&str> = workloads.iter().map(|&workload| protocol(workload)).collect();
                protocols.sort_unstable();
                protocols.dedup();
                let each = |protocol| format!("multiconn serve {protocol}{place} --model {model}");
                protocols.into_iter().map(each).collect::<Vec<_>>().join("; ")
            }
            Origin::Command(command) => command.clone(),
            Origin::Shell(command) => format!("sh -c {}", shell_words::quote(command)),
            Origin::Running { address, pid: None } => format!("at {address}"),
            Origin::Running { address, pid: Some(pid) } => format!("at {address}, process {pid}"),
        };
        results::Subject { name: self.name.clone(), how }
    }

    /// Starts it for a workload, on its processors, with room for this number of connections.
    ///
    /// # Errors
    /// If it can't be started, with a readable reason.
    pub fn start(&self, workload: Workload, connections: usize, conditions: &Conditions<'_>) -> Result<Server, String> {
        let started = match &self.origin {
            Origin::Model { model, transport } => start_model(*model, *transport, workload, connections, conditions),
            Origin::Command(line) => words(line).and_then(|words| start_command(&words, conditions)),
            Origin::Shell(text) => start_command(&["sh".into(), "-c".into(), text.clone()], conditions),
            Origin::Running { address, pid } => Ok(Server { address: *address, pid: *pid, process: None }),
        };
        started.map_err(|why| format!("cannot start {}: {why}", self.name))
    }
}

/// The protocol of a workload.
pub fn protocol(workload: Workload) -> &'static str {
    match workload {
        Workload::App | Workload::AppClose => "app",
        Workload::Echo | Workload::Connect | Workload::Idle | Workload::Stream | Workload::Slow => "echo",
        // No model serves it.
        Workload::Raw => "raw",
    }
}

/// A running server. If we started it, dropping this ends it.
#[derive(Debug)]
pub struct Server {
    /// Its address.
    pub address: Addr,
    /// Its process, if it's known.
    pub pid: Option<u32>,
    /// The process, if we started it.
    process: Option<Process>,
}

impl Server {
    /// Wraps a process that we started, and that is listening by now.
    fn of(process: Process, address: Addr) -> Server {
        Server { address, pid: Some(process.id()), process: Some(process) }
    }

    /// Its exit status, if it has ended by itself.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.process.as_mut()?.has_ended()
    }

    /// Ends it if we started it, gracefully if possible.
    pub fn stop(self) {}
}

fn start_model(
    model: Model,
    transport: Transport,
    workload: Workload,
    connections: usize,
    conditions: &Conditions<'_>,
) -> Result<Server, String> {
    let program = std::env::current_exe().map_err(|error| reason(&error))?;
    let mut command = Command::new(program);
    let place = match transport {
        Transport::Tcp => "127.0.0.1:0".to_owned(),
        Transport::Unix => {
            let file = format!("multiconn-bench-{}-{model}.sock", std::process::id());
            format!("{UNIX}{}", std::env::temp_dir().join(file).display())
        }
    };
    command.args(["--quiet", "serve", protocol(workload), "--model", model.name(), &place]);
    command.args(["--idle-timeout", IDLE_TIMEOUT, "--drain-timeout", "1s"]);
    if conditions.send_proxy.is_some() {
        command.arg("--proxy-protocol");
    }
    let room = (connections + SPARE).to_string();
    match model {
        Model::Threads => _ = command.args(["--max-threads", &room]),
        Model::Fork => _ = command.args(["--max-children", &room]),
        Model::Reactor | Model::Poll | Model::Select | Model::Sequential | Model::Pool => {}
    }
    let (process, stdout) = Process::spawn(command, conditions)?;
    match first_line(stdout, conditions)
        .trim_end()
        .strip_prefix("Listening on ")
        .and_then(|address| address.parse().ok())
    {
        Some(address) => Ok(Server::of(process, address)),
        None => Err(process.why_it_does_not_listen(conditions.start_timeout)),
    }
}

/// The first line that a server prints; empty if none comes in time, or we're interrupted.
fn first_line(stdout: impl Read + Send + 'static, conditions: &Conditions<'_>) -> String {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let mut line = String::new();
        let _ = BufReader::new(stdout).take(1000).read_line(&mut line);
        let _ = tell.send(line);
    });
    let deadline = Instant::now() + conditions.start_timeout;
    loop {
        let is_over = Instant::now() >= deadline || conditions.interrupted.load(Ordering::Relaxed);
        match told.recv_timeout(TRY_EVERY) {
            Err(RecvTimeoutError::Timeout) if !is_over => {}
            said => return said.unwrap_or_default(),
        }
    }
}

fn start_command(words: &[String], conditions: &Conditions<'_>) -> Result<Server, String> {
    let address = free_address().map_err(|error| reason(&error))?;
    let mut words = words.iter().map(|word| word.replace("{port}", &address.port().to_string()));
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words);
    let (process, mut stdout) = Process::spawn(command, conditions)?;
    // Read its output to the end; otherwise it would block.
    thread::spawn(move || io::copy(&mut stdout, &mut io::sink()));
    let deadline = Instant::now() + conditions.start_timeout;
    // Another program doesn't report when it listens: only trying to connect can show that, and it may end between two
    // tries.
    while !listens(address, deadline) {
        let has_ended = process.ends_by(deadline.min(Instant::now() + TRY_EVERY));
        if has_ended || Instant::now() >= deadline || conditions.interrupted.load(Ordering::Relaxed) {
            return Err(process.why_it_does_not_listen(conditions.start_timeout));
        }
    }
    Ok(Server::of(process, address.into()))
}

/// A free port: another program may take it before it's used, but that's unlikely.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((IpAddr::V4(Ipv4Addr::LOCALHOST), 0))?.local_addr()
}

/// Whether it accepts connections.
fn listens(address: SocketAddr, deadline: Instant) -> bool {
    let left = deadline.saturating_duration_since(Instant::now()).max(TRY_EVERY);
    connect(address.into(), left).is_ok()
}

/// The interval between tries to connect.
const TRY_EVERY: Duration = Duration::from_millis(5);
/// Longer than any run, so that silent connections stay open.
const IDLE_TIMEOUT: &str = "1h";
/// Spare connections beside those of the load.
const SPARE: usize = 64;

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::bench::pinning::{Cpus, Pinning};

    #[test]
    fn what_a_server_says_first_is_waited_for_until_an_interrupt() {
        let interrupted = AtomicBool::new(false);
        let hour = Duration::from_secs(3600);
        let pinning = Pinning { servers: Cpus(Vec::new()), client: Cpus(Vec::new()) };
        let conditions = Conditions {
            start_timeout: hour,
            warmup: hour,
            duration: hour,
            pinning,
            exchange: None,
            send_proxy: None,
            interrupted: &interrupted,
        };
        let (stdout, mut server) = io::pipe().unwrap();
        server.write_all(b"Listening\nand more").unwrap();
        assert_eq!(first_line(stdout, &conditions), "Listening\n");
        let (stdout, server) = io::pipe().unwrap();
        interrupted.store(true, Ordering::Relaxed);
        assert_eq!(first_line(stdout, &conditions), "");
        drop(server);
    }
}
