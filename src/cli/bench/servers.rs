//! The servers in a comparison: models, running servers, and servers started by a command.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

use crate::address::Addr;
use crate::bench::command_line::words;
use crate::bench::server::{Origin, Subject, Transport};
use crate::cli::address::Address;
use crate::cli::failure::Failure;
use crate::cli::units;
use crate::models::Model;
use crate::protocols::echo::PORT;

impl ValueEnum for Transport {
    fn value_variants<'a>() -> &'a [Self] {
        &[Transport::Tcp, Transport::Unix]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Transport::Tcp => PossibleValue::new("tcp").help("TCP on the loopback interface"),
            Transport::Unix => PossibleValue::new("unix").help("A Unix socket"),
        })
    }
}

/// The servers to compare.
#[derive(Debug, Args)]
pub struct Servers {
    /// Concurrency models to compare [default: reactor,threads,fork,select,poll, unless other servers are named]
    #[arg(long = "model", value_name = "MODEL", value_delimiter = ',')]
    models: Vec<Model>,
    /// How the models are reached: over loopback TCP, by Unix sockets, or both, to compare them
    #[arg(long = "transport", value_name = "TRANSPORT", value_delimiter = ',', default_value = "tcp")]
    transports: Vec<Transport>,
    /// A running server, also by unix:PATH; may be given more than once; with `raw`, a host requires a port
    #[arg(long, value_name = "NAME=ADDRESS")]
    against: Vec<Named<Address>>,
    /// The process of such a server, to measure its processor time and memory; NAME= may be omitted if there is only
    /// one
    #[arg(long = "pid", value_name = "NAME=PID")]
    pids: Vec<String>,
    /// A server started by a command, in which {port} stands for the port to listen on: a program and its arguments, with
    /// quotes as in a shell; its limit of open files is not raised
    #[arg(long = "command", value_name = "NAME=COMMAND")]
    commands: Vec<Named<Start>>,
    /// Run each COMMAND with `sh -c`, for pipes, redirections and variables
    #[arg(long, requires = "commands")]
    shell: bool,
    /// How long a started server may take to listen
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::timeout)]
    pub start_timeout: Duration,
    /// Also measure servers on other machines
    #[arg(long)]
    allow_remote: bool,
}

/// The models that serve any number of connections at once.
const MODELS: [Model; 5] = [Model::Reactor, Model::Threads, Model::Fork, Model::Select, Model::Poll];

impl Servers {
    /// All the servers, each with a unique name.
    pub fn subjects(&self) -> Result<Vec<Subject>, Failure> {
        let others = self.against.len() + self.commands.len();
        let models = if self.models.is_empty() && others == 0 { &MODELS[..] } else { &self.models };
        let mut subjects: Vec<Subject> = Vec::new();
        for (&model, &transport) in models.iter().flat_map(|model| self.transports.iter().map(move |by| (model, by))) {
            let name = match transport {
                Transport::Tcp => model.name().to_owned(),
                Transport::Unix => format!("{model}-unix"),
            };
            subjects.push(Subject { name, origin: Origin::Model { model, transport } });
        }
        for Named { name, value } in &self.against {
            let origin = Origin::Running { address: self.near(value)?, pid: None };
            subjects.push(Subject { name: name.clone(), origin });
        }
        for Named { name, value } in &self.commands {
            let origin = if self.shell { Origin::Shell(value.0.clone()) } else { program(name, value)? };
            subjects.push(Subject { name: name.clone(), origin });
        }
        for pid in &self.pids {
            self.name_process(pid, &mut subjects)?;
        }
        let mut names = BTreeSet::new();
        match subjects.iter().find(|subject| !names.insert(&subject.name)) {
            Some(twice) => Err(Failure::of_usage(format!("two servers are called {}", twice.name))),
            None => Ok(subjects),
        }
    }

    /// Checks the servers of `bench raw`: there is at least one, none is a model, which serves only our own protocols,
    /// and each running server has a port, since no protocol supplies one.
    pub fn suit_raw(&self) -> Result<(), Failure> {
        if !self.models.is_empty() {
            return Err(Failure::of_usage("--model is not for `bench raw`; name servers with --against or --command"));
        }
        if self.against.is_empty() && self.commands.is_empty() {
            return Err(Failure::of_usage("`bench raw` requires a server: --against or --command"));
        }
        match self.against.iter().find(|named| !named.value.is_complete()) {
            Some(Named { name, value }) => Err(Failure::of_usage(format!(
                "--against {name}={value}: `bench raw` has no default port; write '{name}={}' for port 5000",
                value.or_port(5000)
            ))),
            None => Ok(()),
        }
    }

    /// The address to connect to, which must be on this machine unless others are allowed: load on somebody else's
    /// server is an attack.
    fn near(&self, address: &Address) -> Result<Addr, Failure> {
        let address = address.or_port(PORT);
        let first = address.to_connect_to()?[0];
        match first.inet().is_none_or(|addr| addr.ip().is_loopback()) || self.allow_remote {
            true => Ok(first),
            false => Err(Failure::of_usage(format!(
                "{address} is not on this machine; --allow-remote puts load on it anyway"
            ))),
        }
    }

    fn name_process(&self, text: &str, subjects: &mut [Subject]) -> Result<(), Failure> {
        let (name, number) = match text.split_once('=') {
            Some((name, number)) => (Some(name), number),
            None => (None, text),
        };
        let process = number
            .parse::<u32>()
            .map_err(|_| Failure::of_usage(format!("--pid {text}: '{number}' is not the number of a process")))?;
        let mut running = subjects.iter_mut().filter_map(|subject| match &mut subject.origin {
            Origin::Running { pid, .. } if name.is_none_or(|name| name == subject.name) => Some(pid),
            Origin::Running { .. } | Origin::Model { .. } | Origin::Command(_) | Origin::Shell(_) => None,
        });
        match (running.next(), running.next()) {
            (Some(pid), None) => {
                *pid = Some(process);
                Ok(())
            }
            (None, _) => Err(Failure::of_usage(format!("--pid {text} matches no server of --against"))),
            (Some(_), Some(_)) => {
                Err(Failure::of_usage(format!("--pid {text} matches several servers; write NAME=PID")))
            }
        }
    }
}

/// A command with a place for the port to listen on, which is the only way to find the server.
#[derive(Clone, Debug)]
struct Start(String);

/// The origin of the server `name` that a command starts without a shell.
fn program(name: &str, Start(line): &Start) -> Result<Origin, Failure> {
    let why = match words(line) {
        Ok(words) if words.iter().any(|word| word.contains(PORT_PLACE)) => return Ok(Origin::Command(line.clone())),
        Ok(_) => PORT_MISSING.into(),
        Err(why) => why,
    };
    Err(Failure::of_usage(format!("--command {name}={line}: {why}")))
}

const PORT_PLACE: &str = "{port}";
const PORT_MISSING: &str = "{port} is missing, the place for the port to listen on";

impl FromStr for Start {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            _ if text.trim().is_empty() => Err("there is no command after '='"),
            _ if text.contains(PORT_PLACE) => Ok(Start(text.into())),
            _ => Err(PORT_MISSING),
        }
    }
}

/// A value with a name: `NAME=VALUE`.
#[derive(Clone, Debug)]
struct Named<T> {
    name: String,
    value: T,
}

impl<T: FromStr<Err: ToString>> FromStr for Named<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            None | Some(("", _)) => Err("it must begin with a name and '='".into()),
            Some((name, value)) => {
                let value = value.parse().map_err(|error: T::Err| error.to_string())?;
                Ok(Named { name: name.into(), value })
            }
        }
    }
}
