//! `multiconn bench`: servers side by side under the same load.

mod exchange;
mod measurements;
mod report;
mod servers;
mod told;

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::slice;
use std::thread;
use std::time::{Duration, SystemTime};

use clap::builder::PossibleValue;
use clap::{Args, Subcommand, ValueEnum};

use super::failure::Failure;
use super::signals::{INTERRUPTED, interrupted};
use super::{descriptors, units};
use crate::bench::conditions::Conditions;
use crate::bench::json::SCHEMA;
use crate::bench::machine::machine;
use crate::bench::others::Others;
use crate::bench::pinning::{Cpus, Pinning, allowed, bind, online};
use crate::bench::plan::{Grid, at_rate, latency_rate, throughput, turns};
use crate::bench::raw::Exchange;
use crate::bench::report::words::counted;
use crate::bench::results::{Kept, Point, Results, Schedule, Workload};
use crate::bench::slo::{Objective, search};
use crate::bench::surroundings::Surroundings;
use crate::codec::proxy::Version;
use crate::text::reason;
use exchange::ExchangeOptions;
use measurements::{EndedEarly, Measurements};
use report::{BenchReport, ReportOptions};
use servers::Servers;
use told::name;

/// Put the same load on several servers in turn, and compare the results
///
/// Each model is started as a server of its own, put under load by this process, and stopped. First, requests go out as
/// soon as replies come (closed loop), which measures throughput; then at 70 % of the lowest throughput of all, at
/// times fixed in advance (open loop), which measures latency.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    override_usage = "multiconn bench [OPTIONS] [PROTOCOL]...\n       multiconn bench report [OPTIONS] <FILE>..."
)]
#[command(after_help = "Examples:\n  \
    multiconn bench echo --model reactor,threads --json results.json\n  \
    multiconn bench app --connections 50 --rate 10000\n  \
    multiconn bench echo --model reactor --command 'py=python3 server.py {port}'\n  \
    multiconn bench raw --against redis=6379 --request 'PING\\n' --reply-until '\\n'\n\n\
    Exit status: 0 for success, 1 for a failure, 2 for wrong usage, 3 if it was interrupted. \
    Whatever was measured is reported in any case.")]
pub struct Bench {
    /// Kind of requests [default: echo]
    #[arg(value_name = "PROTOCOL")]
    workloads: Vec<Workload>,
    #[command(flatten, next_help_heading = "Servers")]
    servers: Servers,
    #[command(flatten, next_help_heading = RAW)]
    exchange: ExchangeOptions,
    /// Busy connections
    #[arg(long, help_heading = LOAD, value_name = "N", value_delimiter = ',', default_value = "1,50",
          value_parser = number(1..=1_000_000))]
    connections: Vec<u32>,
    /// Silent connections beside the busy ones [default: 0; with `idle` 0,100,1000]
    #[arg(long, help_heading = LOAD, value_name = "N", value_delimiter = ',',
          value_parser = number(0..=1_000_000))]
    idle: Vec<u32>,
    /// Bytes in a message, or in the value searched for, at most 1g [default: depends on the protocol]
    #[arg(long = "size", help_heading = LOAD, value_name = "SIZE", value_delimiter = ',', value_parser = size)]
    sizes: Vec<usize>,
    /// Requests in flight at once on each connection; at most 1000000 on all connections together
    #[arg(long = "depth", help_heading = LOAD, value_name = "N", value_delimiter = ',', default_value = "1",
          value_parser = number(1..=10_000))]
    depths: Vec<u32>,
    /// Requests a second, at most 10000000, sent at fixed times instead of the two loops described above
    #[arg(long = "rate", help_heading = LOAD, value_name = "R", value_delimiter = ',', value_parser = rate)]
    rates: Vec<f64>,
    /// Use Poisson arrivals at the same rate instead of evenly spaced ones
    #[arg(long, help_heading = LOAD)]
    poisson: bool,
    /// Begin each connection with a PROXY protocol header; models are started with --proxy-protocol
    #[arg(long, help_heading = LOAD, value_name = "VERSION")]
    send_proxy: Option<Version>,
    /// Find the highest rate that keeps this objective, such as `p99<5ms`
    #[arg(long, help_heading = LOAD, value_name = "OBJECTIVE", conflicts_with = "rates")]
    slo: Option<Objective>,
    /// Measure the closed loop only
    #[arg(long, help_heading = LOAD, conflicts_with_all = ["rates", "slo", "poisson"])]
    closed: bool,
    /// Duration of each measurement
    #[arg(long, help_heading = MEASURING, value_name = "TIME", default_value = "300ms", value_parser = units::timeout)]
    duration: Duration,
    /// Duration of the load before each measurement
    #[arg(long, help_heading = MEASURING, value_name = "TIME", default_value = "200ms", value_parser = units::timeout)]
    warmup: Duration,
    /// Number of times to make each measurement; up to half as many more replace disturbed ones
    #[arg(long, help_heading = MEASURING, value_name = "N", default_value_t = 10,
          value_parser = number(1..=1000))]
    rounds: u32,
    /// Processors for servers, such as 0,2-5 (Linux) [default: all but the generator's]
    #[arg(long, help_heading = MEASURING, value_name = "CPUS")]
    server_cpus: Option<Cpus>,
    /// Processors for the load generator, which uses one (Linux) [default: the last]
    #[arg(long, help_heading = MEASURING, value_name = "CPUS")]
    client_cpus: Option<Cpus>,
    /// Write all results to FILE, as JSON
    #[arg(long, help_heading = OUTPUT, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten, next_help_heading = OUTPUT)]
    reports: ReportOptions,
    #[command(subcommand)]
    earlier: Option<Earlier>,
}

#[derive(Debug, Subcommand)]
enum Earlier {
    Report(BenchReport),
}

const RAW: &str = "Requests and replies of raw";
const LOAD: &str = "Load";
const MEASURING: &str = "Measuring";
const OUTPUT: &str = "Output";
/// Descriptors for anything but connections.
const DESCRIPTORS_SPARE: u64 = 64;
/// The most requests a second: far more than the generator can send, and about as many as it can count.
const RATE_MAX: f64 = 1e7;
/// The most requests in flight, each with its times.
const IN_FLIGHT_MAX: u64 = 1_000_000;

impl ValueEnum for Workload {
    fn value_variants<'a>() -> &'a [Workload] {
        use Workload::{App, AppClose, Connect, Echo, Idle, Raw, Slow, Stream};
        &[Echo, App, AppClose, Connect, Idle, Stream, Slow, Raw]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Workload::Echo => PossibleValue::new("echo").help("Messages that come back"),
            Workload::App => PossibleValue::new("app").help("Framed requests, many on a connection"),
            Workload::AppClose => PossibleValue::new("app-close").help("Framed requests, each on its own connection"),
            Workload::Connect => PossibleValue::new("connect").help("Connections that are opened and closed"),
            Workload::Idle => PossibleValue::new("idle").help("Echo on a few connections beside many silent ones"),
            Workload::Stream => PossibleValue::new("stream").help("Echo of as many bytes as possible"),
            Workload::Slow => {
                PossibleValue::new("slow").help("Echo beside as many clients that send single bytes slowly")
            }
            Workload::Raw => PossibleValue::new("raw").help("Requests of any protocol"),
        })
    }
}

/// The most bytes in a message: a value is in memory as a whole, several times.
const SIZE_MAX: usize = 1 << 30;

fn size(text: &str) -> Result<usize, String> {
    match units::size(text)? {
        size if size > SIZE_MAX => Err("it must be at most 1g".into()),
        size => Ok(size),
    }
}

/// Checks that no more requests can be in flight than the generator may store.
fn are_within_bounds(points: &[Point]) -> Result<(), Failure> {
    let in_flight = |point: &Point| u64::from(point.connections) * u64::from(point.depth);
    match points.iter().max_by_key(|point| in_flight(point)) {
        Some(most) if in_flight(most) > IN_FLIGHT_MAX => Err(Failure::of_usage(format!(
            "--connections {} with --depth {} would have {} requests in flight; the maximum is {IN_FLIGHT_MAX}",
            most.connections,
            most.depth,
            in_flight(most)
        ))),
        Some(_) | None => Ok(()),
    }
}

/// Returns an error if `option` has a value twice.
fn distinct<T: PartialEq + Display>(option: &str, values: &[T]) -> Result<(), Failure> {
    match values.iter().enumerate().find(|&(index, value)| values[..index].contains(value)) {
        Some((_, twice)) => {
            Err(Failure::of_usage(format!("{option} has {twice} twice; --rounds repeats measurements")))
        }
        None => Ok(()),
    }
}

fn number(range: RangeInclusive<u32>) -> impl Fn(&str) -> Result<u32, String> + Clone {
    move |text| match text.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        Ok(_) | Err(_) => Err(format!("it must be a whole number from {} to {}", range.start(), range.end())),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.1..=RATE_MAX).contains(&rate) => Ok(rate),
        Ok(_) | Err(_) => Err(format!("it must be a number of requests a second, from 0.1 to {RATE_MAX}")),
    }
}

impl Bench {
    /// Measures everything and writes the results.
    pub fn run(mut self) -> Result<(), Failure> {
        if let Some(Earlier::Report(report)) = self.earlier.take() {
            return report.run();
        }
        self.has_no_value_twice()?;
        let exchange = self.exchange()?;
        let subjects = self.servers.subjects()?;
        let grid = self.grid(exchange.as_ref());
        let points = grid.points();
        are_within_bounds(&points)?;
        let descriptors = self.room_for(&points)?;
        // Measuring may take minutes, so check first.
        self.reports.check(self.json.as_deref(), &[])?;
        self.has_processors()?;
        let pinning = Pinning::new(self.server_cpus.clone(), self.client_cpus.clone());
        let disturbances = disturbances();
        let results = Results {
            schema: SCHEMA.into(),
            label: None,
            started: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            command: std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
            version: env!("CARGO_PKG_VERSION").into(),
            machine: machine(&pinning, descriptors),
            ended_early: false,
            notes: [disturbances.clone(), notes(&pinning)].concat(),
            subjects: subjects.iter().map(|subject| subject.described(&grid.workloads)).collect(),
            runs: Vec::new(),
            kept: Vec::new(),
        };
        bind(&pinning.client).map_err(|error| {
            Failure::new(format!("cannot run on processors {}: {}", pinning.client, reason(&error)))
        })?;
        let interrupted = interrupted()?;
        let conditions = Conditions {
            start_timeout: self.servers.start_timeout,
            warmup: self.warmup,
            duration: self.duration,
            pinning,
            exchange: exchange.as_ref(),
            send_proxy: self.send_proxy,
            interrupted: &interrupted,
        };
        let phases = if self.closed { 1 } else { self.rates.len().max(2) };
        let runs = points.len() * subjects.len() * self.rounds as usize * phases;
        let mut measurements = Measurements::new(&subjects, conditions, results, runs, self.rounds);
        measurements.announce(&disturbances);
        let measured = points.iter().try_for_each(|point| self.measure(point, &mut measurements));
        let results = Results { ended_early: measured.is_err(), ..measurements.finish() };
        let made = results.runs.len();
        let failure = measured.err().map(|ended| match (ended, made) {
            (EndedEarly::Failed(failure), 0) => failure,
            (EndedEarly::Failed(failure), made) => {
                failure.with_hint(&format!("after {}", counted(made as u64, "measurement")))
            }
            (EndedEarly::Interrupted, 0) => {
                Failure::with_status(INTERRUPTED, "interrupted before anything was measured")
            }
            (EndedEarly::Interrupted, made) => {
                Failure::with_status(INTERRUPTED, format!("interrupted after {}", counted(made as u64, "measurement")))
            }
        });
        let mut failures: Vec<Failure> = failure.into_iter().collect();
        // Measurements made before a failure are still valid.
        if made > 0 {
            failures.extend(self.write(&results));
        }
        Failure::all_of(failures)
    }

    /// The requests and replies of `raw`, if that is measured.
    fn exchange(&self) -> Result<Option<Exchange>, Failure> {
        let exchange = self.exchange.exchange(self.workloads.contains(&Workload::Raw))?;
        if exchange.is_some() {
            self.servers.suit_raw()?;
            if !self.sizes.is_empty() {
                return Err(Failure::of_usage("--size is not for `bench raw`, whose request has a size of its own"));
            }
        }
        Ok(exchange)
    }

    fn grid(&self, exchange: Option<&Exchange>) -> Grid {
        Grid {
            workloads: if self.workloads.is_empty() { vec![Workload::Echo] } else { self.workloads.clone() },
            connections: self.connections.clone(),
            idle: self.idle.clone(),
            sizes: self.sizes.iter().map(|&size| size as u64).collect(),
            depths: self.depths.clone(),
            exchange: exchange.cloned(),
        }
    }

    /// Checks that no list has a value twice: its measurements would look like more rounds.
    fn has_no_value_twice(&self) -> Result<(), Failure> {
        let workloads: Vec<String> = self.workloads.iter().map(name).collect();
        distinct("PROTOCOL", &workloads)?;
        distinct("--connections", &self.connections)?;
        distinct("--idle", &self.idle)?;
        distinct("--size", &self.sizes)?;
        distinct("--depth", &self.depths)?;
        distinct("--rate", &self.rates)
    }

    /// Checks that the requested processors exist.
    fn has_processors(&self) -> Result<(), Failure> {
        let online = online();
        let asked = [("--server-cpus", &self.server_cpus), ("--client-cpus", &self.client_cpus)];
        for (option, cpus) in asked.into_iter().filter_map(|(option, cpus)| Some((option, cpus.as_ref()?))) {
            if let (false, Some(none)) = (online.0.is_empty(), cpus.0.iter().find(|cpu| !online.0.contains(cpu))) {
                return Err(Failure::of_usage(format!("{option} {cpus}: there is no processor {none}, but {online}")));
            }
        }
        Ok(())
    }

    /// Raises the limit of open files, which must suffice for all connections, and returns it.
    fn room_for(&self, points: &[Point]) -> Result<u64, Failure> {
        let limit = descriptors::raise_limit();
        let most = points.iter().map(|point| u64::from(point.connections) + u64::from(point.idle)).max();
        match most {
            Some(most) if most + DESCRIPTORS_SPARE > limit => Err(Failure::new(format!(
                "cannot open {most} connections: the limit of open files is {limit} (ulimit -Hn)"
            ))),
            Some(_) | None => Ok(limit),
        }
    }

    /// Makes all measurements at one point.
    fn measure(&self, point: &Point, measurements: &mut Measurements<'_>) -> Result<(), EndedEarly> {
        let schedule = if self.poisson { Schedule::Poisson } else { Schedule::Even };
        if !self.rates.is_empty() {
            return self
                .rates
                .iter()
                .try_for_each(|&rate| measurements.rounds(&at_rate(point, rate, schedule), self.rounds));
        }
        measurements.rounds(point, self.rounds)?;
        if self.closed {
            return Ok(());
        }
        let Some(objective) = &self.slo else {
            return match latency_rate(&measurements.results.runs, point) {
                Some(rate) => measurements.rounds(&at_rate(point, rate, schedule), self.rounds),
                None => Ok(()),
            };
        };
        for turn in turns(measurements.subjects.len(), self.rounds) {
            let name = &measurements.subjects[turn.subject].name;
            let Some(highest) = throughput(&measurements.results.runs, name, point) else { continue };
            let name = name.clone();
            let rate_per_second = search::<EndedEarly>(highest, |rate| {
                let run = measurements.trial(turn.subject, &at_rate(point, rate, schedule), turn.round)?;
                Ok(objective.is_kept(run))
            })?;
            let (point, objective) = (point.clone(), objective.to_string());
            let kept = Kept { subject: name, point, round: turn.round, objective, rate_per_second };
            measurements.keep(kept);
        }
        Ok(())
    }

    /// Writes the results to every file, and the table to standard output. Goes on after a failure, and returns all failures.
    fn write(&self, results: &Results) -> Vec<Failure> {
        let all = slice::from_ref(results);
        let json = self
            .json
            .as_ref()
            .and_then(|path| results.write(path).map_err(|error| Failure::of_writing_file(path, &error)).err());
        let mut failures: Vec<Failure> = json.into_iter().chain(self.reports.write(all, &[])).collect();
        failures.extend(self.reports.print(all).err());
        failures
    }
}

/// The notes that apply to all measurements.
fn notes(pinning: &Pinning) -> Vec<String> {
    let mut notes = Vec::new();
    if !pinning.is_apart() {
        notes.push(
            "The generator shares its processors with the servers and sleeps between events, which adds to every latency."
                .into(),
        );
    }
    notes
}

/// How long the machine is watched before anything is measured.
const WATCHED_FOR: Duration = Duration::from_millis(300);

/// What may disturb the measurements, as far as the machine shows it beforehand.
fn disturbances() -> Vec<String> {
    let before = Others::take();
    thread::sleep(WATCHED_FOR);
    Surroundings::of(Path::new("/"), allowed().len(), (&before, &Others::take())).disturbances()
}
