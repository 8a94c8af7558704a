//! The concurrency model of a server, and its number of threads or processes.

use std::time::Duration;

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

use super::failure::Failure;
use super::units;
use crate::models::capacity::Capacity;
use crate::models::{Config, Model, Reap, Work, cores};

const HEADING: &str = "Concurrency model";
const WORK_HEADING: &str = "Simulated work";

/// The model, and options that only some models have.
#[derive(Debug, Args)]
pub struct ModelOptions {
    /// How to serve many clients at once
    #[arg(long, help_heading = HEADING, value_name = "MODEL", default_value = "reactor")]
    pub model: Model,
    /// Threads, each with its own loop and listener; `auto` is one per core (reactor, poll, select) [default: 1]
    #[arg(long, help_heading = HEADING, value_name = "N", value_parser = workers)]
    workers: Option<u32>,
    /// Busy-poll for at most this long before sleeping, while that makes events arrive sooner; `0s` never polls (reactor,
    /// poll, select) [default: 100us]
    #[arg(long, help_heading = HEADING, value_name = "TIME", value_parser = units::time)]
    spin: Option<Duration>,
    /// Maximum threads; new connections wait while all are busy (threads) [default: 4096, or fewer where the system or the
    /// limit of open files allows no more]
    #[arg(long, help_heading = HEADING, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_threads: Option<u32>,
    /// Worker threads, and maximum connections waiting in their queue (pool) [default: one per core]
    #[arg(long, help_heading = HEADING, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pool_size: Option<u32>,
    /// Maximum processes; new connections wait while all are busy (fork). For `serve command`, maximum programs at once;
    /// a request for one more gets an error [default: 1024, for programs 16; or fewer where the system allows no more]
    #[arg(long, help_heading = HEADING, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_children: Option<u32>,
    /// How to notice the end of child processes (fork) [default: signal]
    #[arg(long, help_heading = HEADING, value_name = "WAY")]
    reap: Option<Reap>,
    /// Wait this long before answering each request, as for a database [default: none]
    #[arg(long, help_heading = WORK_HEADING, value_name = "TIME", value_parser = units::timeout, conflicts_with = "cpu_work")]
    blocking_work: Option<Duration>,
    /// Compute this long before answering each request [default: none]
    #[arg(long, help_heading = WORK_HEADING, value_name = "TIME", value_parser = units::timeout)]
    cpu_work: Option<Duration>,
    /// Do that work on a pool of one thread per core, so that the loop goes on (reactor, poll, select)
    #[arg(long, help_heading = WORK_HEADING, requires = "cpu_work")]
    offload: bool,
}

impl ValueEnum for Model {
    fn value_variants<'a>() -> &'a [Model] {
        &Model::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()).help(match self {
            Model::Reactor => "One thread for all, on epoll or kqueue",
            Model::Poll => "One thread for all, on poll(2)",
            Model::Select => "One thread for all, on select(2); about 1000 connections",
            Model::Sequential => "One client at a time",
            Model::Threads => "A thread for each connection",
            Model::Pool => "A fixed number of threads, which take connections from a queue",
            Model::Fork => "A process for each connection",
        }))
    }
}

impl ValueEnum for Reap {
    fn value_variants<'a>() -> &'a [Reap] {
        &[Reap::Loop, Reap::Signal]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Reap::Loop => {
                PossibleValue::new("loop").help("Check in each round of the accept loop, at least twice a second")
            }
            Reap::Signal => PossibleValue::new("signal").help("Wait for SIGCHLD"),
        })
    }
}

/// The approximate cost of sleeping and being woken. Busy-polling for longer costs more than it saves.
const SPIN: Duration = Duration::from_micros(100);

/// Parses a number of workers, or `auto`.
fn workers(text: &str) -> Result<u32, String> {
    let number = if text == "auto" { u32::try_from(cores()).ok() } else { text.parse().ok() };
    number
        .filter(|number| (1..=1024).contains(number))
        .ok_or_else(|| "it must be a number from 1 to 1024, or 'auto'".into())
}

/// The option for a model's number of threads or processes.
pub fn number_option(model: Model) -> &'static str {
    match model {
        Model::Reactor | Model::Poll | Model::Select | Model::Sequential => "--workers",
        Model::Threads => "--max-threads",
        Model::Pool => "--pool-size",
        Model::Fork => "--max-children",
    }
}

impl ModelOptions {
    /// The simulated work for each request.
    pub fn work(&self) -> Option<Work> {
        match (self.blocking_work, self.cpu_work) {
            (Some(time), _) => Some(Work::Wait(time)),
            (None, Some(time)) if self.offload => Some(Work::Offload(time)),
            (None, Some(time)) => Some(Work::Compute(time)),
            (None, None) => None,
        }
    }

    /// Takes `--max-children`, or `default`, as the most programs that a protocol runs at once. Under [`Model::Fork`],
    /// which runs one program in each process, the option also limits processes; under other models it is the
    /// protocol's alone.
    ///
    /// # Errors
    /// If the system doesn't allow that many.
    pub fn take_max_children(&mut self, default: u32) -> Result<usize, Failure> {
        let capacity = Capacity::of_programs();
        if let (Some(number), Some(capacity)) = (self.max_children, &capacity) {
            let checked = capacity.check(number as usize, "programs");
            checked.map_err(|error| Failure::of_usage(format!("--max-children: {error}")))?;
        }
        let max = Capacity::at_most(self.max_children.unwrap_or(default) as usize, capacity);
        self.max_children = u32::try_from(max).ok().filter(|_| self.model == Model::Fork);
        Ok(max)
    }

    /// Sets the model's part of `config`. Refuses options that belong to another model.
    pub fn configure(&self, config: &mut Config) -> Result<(), Failure> {
        let number = |number: Option<u32>, default: usize| number.map_or(default, |number| number as usize);
        config.workers = number(self.workers, config.workers);
        config.spin = self.spin.unwrap_or(SPIN);
        config.threads_max = number(self.max_threads, config.threads_max);
        config.pool_size = number(self.pool_size, config.pool_size);
        config.children_max = number(self.max_children, config.children_max);
        config.reap = self.reap.unwrap_or(config.reap);
        let model = self.model;
        let own = [
            ("--workers", self.workers.is_some(), model.is_reactor()),
            ("--spin", self.spin.is_some(), model.is_reactor()),
            ("--max-threads", self.max_threads.is_some(), model == Model::Threads),
            ("--pool-size", self.pool_size.is_some(), model == Model::Pool),
            ("--max-children", self.max_children.is_some(), model == Model::Fork),
            ("--reap", self.reap.is_some(), model == Model::Fork),
            ("--offload", self.offload, model.is_reactor()),
        ];
        match own.into_iter().find(|&(_, is_given, fits)| is_given && !fits) {
            Some((option, ..)) => Err(self.refuse(option)),
            None => Ok(()),
        }
    }

    /// Lowers the default number of threads to the `room` for connections that the limit of `descriptors` leaves. Warns if
    /// a number that was given is above it.
    pub fn fit(&self, config: &mut Config, room: usize, descriptors: u64) {
        let (option, given, number) = match self.model {
            Model::Threads => ("--max-threads", self.max_threads, &mut config.threads_max),
            Model::Pool => ("--pool-size", self.pool_size, &mut config.pool_size),
            Model::Reactor | Model::Poll | Model::Select | Model::Sequential | Model::Fork => return,
        };
        if given.is_none() {
            *number = room.min(*number);
        } else if *number > room {
            log::warn!(
                "{option} {number} is more than the {room} that the limit of {descriptors} open files leaves; further \
                 connections may find no descriptor left"
            );
        }
    }

    /// The failure that rejects `option` under this model, and why.
    pub fn refuse(&self, option: &str) -> Failure {
        let model = self.model;
        let why = match model {
            Model::Reactor | Model::Poll | Model::Select => {
                "serves all connections in the thread of a loop (--workers)"
            }
            Model::Sequential => "serves one connection at a time, in one thread",
            Model::Threads => "has a thread for each connection (--max-threads)",
            Model::Pool => "has a fixed number of threads (--pool-size)",
            Model::Fork => "has a process for each connection (--max-children)",
        };
        Failure::of_usage(format!("{option} cannot be used with --model {model}, which {why}"))
    }
}
