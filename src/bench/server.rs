//! The servers under test: processes of our own making, or what runs already.

use std::io::{self, BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::pinning::{self, Cpus, Pinning};
use super::results::{self, Workload};
use crate::models::Model;
use crate::text::{Escaped, reason};

/// One that takes part in the comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Its name in every table.
    pub name: String,
    /// Where it comes from.
    pub source: Source,
}

/// Where a server comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// It is this program.
    Model(Model),
    /// A command of the shell's, in which `{port}` stands for the port to listen on.
    Command(String),
    /// It runs already.
    Running {
        /// Where it is.
        address: SocketAddr,
        /// Its process, if its figures are asked for.
        pid: Option<u32>,
    },
}

impl Subject {
    /// As it stands in the results.
    pub fn described(&self) -> results::Subject {
        let how = match &self.source {
            Source::Model(model) => format!("multiconn serve --model {model}"),
            Source::Command(command) => command.clone(),
            Source::Running { address, pid: None } => format!("at {address}"),
            Source::Running { address, pid: Some(pid) } => format!("at {address}, process {pid}"),
        };
        results::Subject { name: self.name.clone(), how }
    }

    /// Has it run for a workload, on its processors, with room for so many connections.
    ///
    /// # Errors
    /// Why it can't be had, in words for people.
    pub fn start(&self, workload: Workload, connections: usize, pinning: &Pinning) -> Result<Server, String> {
        let started = match &self.source {
            Source::Model(model) => start_model(*model, workload, connections, pinning),
            Source::Command(command) => start_command(command, pinning),
            Source::Running { address, pid } => Ok(Server { address: *address, pid: *pid, child: None, words: None }),
        };
        started.map_err(|why| format!("cannot start {}: {why}", self.name))
    }
}

/// The protocol that a workload is in.
pub fn protocol(workload: Workload) -> &'static str {
    match workload {
        Workload::App | Workload::AppClose => "app",
        Workload::Echo | Workload::Connect | Workload::Idle | Workload::Stream | Workload::Slow => "echo",
    }
}

/// A server that runs. One of our making is ended when this is dropped.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its process, if it's known.
    pub pid: Option<u32>,
    child: Option<Child>,
    /// What it says on standard error.
    words: Option<Receiver<String>>,
}

/// How long a server may take to listen.
const START_TIMEOUT: Duration = Duration::from_secs(10);
/// How long it may take to end.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);
/// How long to wait for what it says of itself.
const WORDS_TIMEOUT: Duration = Duration::from_millis(300);
/// How often is looked whether it does.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Longer than any run: connections that are silent are meant to be there.
const IDLE_TIMEOUT: &str = "1h";
/// Connections beside those of the load.
const SPARE: usize = 64;

fn start_model(model: Model, workload: Workload, connections: usize, pinning: &Pinning) -> Result<Server, String> {
    let program = std::env::current_exe().map_err(|error| reason(&error))?;
    let mut command = Command::new(program);
    command.args(["--quiet", "serve", protocol(workload), "--model", model.name(), "127.0.0.1:0"]);
    command.args(["--idle-timeout", IDLE_TIMEOUT, "--drain-timeout", "1s"]);
    let room = (connections + SPARE).to_string();
    match model {
        Model::Threads => _ = command.args(["--max-threads", &room]),
        Model::Fork => _ = command.args(["--max-children", &room]),
        Model::Reactor | Model::Poll | Model::Select | Model::Sequential | Model::Pool => {}
    }
    let (mut server, stdout) = spawn(command, pinning)?;
    let deadline = Instant::now() + START_TIMEOUT;
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let mut line = String::new();
        let _ = BufReader::new(stdout).take(1000).read_line(&mut line);
        let _ = tell.send(line);
    });
    let line = told.recv_timeout(deadline.saturating_duration_since(Instant::now())).unwrap_or_default();
    match line.trim_end().strip_prefix("Listening on ").and_then(|address| address.parse().ok()) {
        Some(address) => {
            server.address = address;
            Ok(server)
        }
        None => Err(server.why_it_fails()),
    }
}

fn start_command(text: &str, pinning: &Pinning) -> Result<Server, String> {
    let address = free_address().map_err(|error| reason(&error))?;
    let mut command = Command::new("sh");
    command.arg("-c").arg(text.replace("{port}", &address.port().to_string()));
    let (mut server, mut stdout) = spawn(command, pinning)?;
    // What it prints is read to the end, or it would wait for that.
    thread::spawn(move || io::copy(&mut stdout, &mut io::sink()));
    server.address = address;
    let deadline = Instant::now() + START_TIMEOUT;
    while TcpStream::connect_timeout(&address, START_TIMEOUT).is_err() {
        if server.has_ended().is_some() || Instant::now() >= deadline {
            return Err(server.why_it_fails());
        }
        thread::sleep(LOOK_EVERY);
    }
    Ok(server)
}

/// A port that nobody listens on: another may take it before it's used, but hardly does.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((IpAddr::V4(Ipv4Addr::LOCALHOST), 0))?.local_addr()
}

/// Starts a process on the servers' processors, in a group of its own: a terminal's Ctrl-C is for us, who end it.
fn spawn(mut command: Command, pinning: &Pinning) -> Result<(Server, impl Read + Send + 'static), String> {
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    crate::sys::end_with_parent(&mut command);
    // A process begins on its parent's processors.
    let bind = |cpus: &Cpus| {
        pinning::bind(cpus).map_err(|error| format!("nothing can run on processors {cpus}: {}", reason(&error)))
    };
    bind(&pinning.servers)?;
    let spawned = command.spawn();
    bind(&pinning.client)?;
    let mut child = spawned.map_err(|error| reason(&error))?;
    let stdout = child.stdout.take().expect("it is piped");
    let stderr = child.stderr.take().expect("it is piped");
    let (tell, told) = mpsc::sync_channel(WORDS_MAX);
    thread::spawn(move || {
        for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
            // The first lines tell most; the others are read only so that it needn't wait.
            let _ = tell.try_send(Escaped(&line).to_string());
        }
    });
    let address = SocketAddr::from(([0, 0, 0, 0], 0));
    Ok((Server { address, pid: Some(child.id()), child: Some(child), words: Some(told) }, stdout))
}

/// Lines of standard error that are kept.
const WORDS_MAX: usize = 100;

impl Server {
    /// How it has ended, if it has by itself.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut()?.try_wait().ok()?
    }

    /// Ends it if it's ours, in order if it can.
    pub fn stop(self) {}

    /// Why it doesn't listen: its last word on standard error, or how it has ended.
    fn why_it_fails(&mut self) -> String {
        let deadline = Instant::now() + WORDS_TIMEOUT;
        while self.has_ended().is_none() && Instant::now() < deadline {
            thread::sleep(LOOK_EVERY);
        }
        let status = self.has_ended();
        let words = self.words.take().and_then(|words| {
            let first = words.recv_timeout(WORDS_TIMEOUT).ok();
            words.try_iter().last().or(first)
        });
        match (status, words) {
            (_, Some(words)) => format!("it says {words}"),
            (Some(status), None) => format!("it has ended with {status}"),
            (None, None) => format!("it does not listen within {START_TIMEOUT:?}"),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let pid = Pid::from_child(&child);
        let deadline = Instant::now() + STOP_TIMEOUT;
        if !matches!(child.try_wait(), Ok(Some(_))) {
            let _ = kill_process(pid, Signal::TERM);
            while matches!(child.try_wait(), Ok(None)) && Instant::now() < deadline {
                thread::sleep(LOOK_EVERY);
            }
        }
        // What it has left behind, or itself: it fails where there is nothing.
        let _ = kill_process_group(pid, Signal::KILL);
        let _ = child.wait();
    }
}
