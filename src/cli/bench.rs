//! `multiconn bench`: servers side by side under the same load.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::slice;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use clap::builder::PossibleValue;
use clap::{Args, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::address::Address;
use super::bench_report::{BenchReport, ReportOptions};
use super::{Failure, cannot_write, descriptors, print, units};
use crate::bench::json::SCHEMA;
use crate::bench::machine::machine;
use crate::bench::measure::{Conditions, Outcome, measure};
use crate::bench::pinning::{Cpus, Pinning, bind};
use crate::bench::plan::{Grid, at_rate, latency_rate, throughput, turns};
use crate::bench::report;
use crate::bench::results::{Histogram, Kept, Pace, Point, Results, Run, Schedule, Workload};
use crate::bench::server::{Source, Subject};
use crate::bench::slo::{Objective, search};
use crate::models::Model;
use crate::protocols::echo::PORT;
use crate::text::reason;

/// Put the same load on several servers, in turn, and compare what they make of it
///
/// Each model is started as a server of its own, is put under load by this process, and is stopped. First requests go out
/// as soon as replies come (closed loop), which tells throughput; then at 70 % of the lowest throughput of all, at times
/// that are fixed before (open loop), which tells latency.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_value_name = "report")]
#[command(after_help = "Example:\n  \
    multiconn bench echo --model reactor,threads --connections 1,50 --duration 1s --json results.json\n  \
    multiconn bench app --connections 50 --rate 10000\n  \
    multiconn bench echo --model reactor --command 'python=python3 server.py {port}'\n\n\
    docs/benchmarks.md tells what is measured, how, and what the figures mean.")]
pub struct Bench {
    /// What is asked of the servers [default: echo]
    #[arg(value_name = "PROTOCOL")]
    workloads: Vec<Workload>,
    /// Concurrency models to compare [default: reactor,threads,fork,select,poll, unless other servers are named]
    #[arg(long = "model", help_heading = SERVERS, value_name = "MODEL", value_delimiter = ',')]
    models: Vec<Model>,
    /// A server that runs already; may be given more than once
    #[arg(long, help_heading = SERVERS, value_name = "NAME=ADDRESS")]
    against: Vec<Named<Address>>,
    /// Its process, so that its processor time and memory are told; NAME= may be left out if there is only one
    #[arg(long = "pid", help_heading = SERVERS, value_name = "NAME=PID")]
    pids: Vec<String>,
    /// A server that is started by a command, in which {port} stands for the port it is to listen on
    #[arg(long = "command", help_heading = SERVERS, value_name = "NAME=COMMAND")]
    commands: Vec<Named<String>>,
    /// How long a server that is started may take to listen
    #[arg(long, help_heading = SERVERS, value_name = "TIME", default_value = "10s", value_parser = units::timeout)]
    start_timeout: Duration,
    /// Measure servers on other machines, too
    #[arg(long, help_heading = SERVERS)]
    allow_remote: bool,
    /// Connections that are busy
    #[arg(long, help_heading = LOAD, value_name = "N", value_delimiter = ',', default_value = "1,50",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    connections: Vec<u32>,
    /// Connections beside them that are silent [default: 0; with `idle` 0,100,1000]
    #[arg(long, help_heading = LOAD, value_name = "N", value_delimiter = ',',
          value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    idle: Vec<u32>,
    /// Bytes of a message, or of the value searched for [default: what fits the protocol]
    #[arg(long = "size", help_heading = LOAD, value_name = "SIZE", value_delimiter = ',', value_parser = units::size)]
    sizes: Vec<usize>,
    /// Requests on their way at once, on each connection
    #[arg(long = "depth", help_heading = LOAD, value_name = "N", value_delimiter = ',', default_value = "1",
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    depths: Vec<u32>,
    /// Requests a second, whatever the servers make of it, instead of the two loops that are told above
    #[arg(long = "rate", help_heading = LOAD, value_name = "R", value_delimiter = ',', value_parser = rate)]
    rates: Vec<f64>,
    /// Let requests be due by chance, at the same rate, and not with the same time between them
    #[arg(long, help_heading = LOAD)]
    poisson: bool,
    /// Look for the highest rate at which this holds, such as `p99<5ms`
    #[arg(long, help_heading = LOAD, value_name = "OBJECTIVE", conflicts_with = "rates")]
    slo: Option<Objective>,
    /// Leave out the open loop
    #[arg(long, help_heading = LOAD, conflicts_with_all = ["rates", "slo"])]
    closed: bool,
    /// How long each measurement takes
    #[arg(long, help_heading = MEASURING, value_name = "TIME", default_value = "2s", value_parser = units::timeout)]
    duration: Duration,
    /// How long there is load before that
    #[arg(long, help_heading = MEASURING, value_name = "TIME", default_value = "300ms", value_parser = units::timeout)]
    warmup: Duration,
    /// How often each measurement is made
    #[arg(long, help_heading = MEASURING, value_name = "N", default_value_t = 3,
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Processors for servers, such as 0,2-5 (Linux) [default: all but the generator's]
    #[arg(long, help_heading = MEASURING, value_name = "CPUS")]
    server_cpus: Option<Cpus>,
    /// Processors for the load generator, which uses one (Linux) [default: the last]
    #[arg(long, help_heading = MEASURING, value_name = "CPUS")]
    client_cpus: Option<Cpus>,
    /// Write everything to this file, as JSON
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

const SERVERS: &str = "Servers";
const LOAD: &str = "Load";
const MEASURING: &str = "Measuring";
const OUTPUT: &str = "Output";
/// Those that serve any number of connections at once.
const MODELS: [Model; 5] = [Model::Reactor, Model::Threads, Model::Fork, Model::Select, Model::Poll];
/// Descriptors that aren't connections.
const DESCRIPTORS_SPARE: u64 = 64;
/// What starting and stopping a server takes, more or less.
const AROUND_RUN: Duration = Duration::from_millis(150);
/// A signal that comes when one has come already ends it at once, and the servers with it.
const CUT_SHORT: i32 = 1;

impl ValueEnum for Workload {
    fn value_variants<'a>() -> &'a [Workload] {
        use Workload::{App, AppClose, Connect, Echo, Idle, Slow, Stream};
        &[Echo, App, AppClose, Connect, Idle, Stream, Slow]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Workload::Echo => PossibleValue::new("echo").help("Messages come back"),
            Workload::App => PossibleValue::new("app").help("Framed requests, many on a connection"),
            Workload::AppClose => PossibleValue::new("app-close").help("Framed requests, a connection for each"),
            Workload::Connect => PossibleValue::new("connect").help("Connections are opened and closed"),
            Workload::Idle => PossibleValue::new("idle").help("Echo on a few connections beside many silent ones"),
            Workload::Stream => PossibleValue::new("stream").help("Echo of as many bytes as go through"),
            Workload::Slow => PossibleValue::new("slow").help("Echo beside as many clients that drip"),
        })
    }
}

/// `NAME=VALUE`.
#[derive(Clone, Debug)]
struct Named<T> {
    name: String,
    value: T,
}

impl<T: FromStr<Err: ToString>> FromStr for Named<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            None | Some(("", _)) => Err("it has to begin with a name and '='".into()),
            Some((name, value)) => {
                let value = value.parse().map_err(|error: T::Err| error.to_string())?;
                Ok(Named { name: name.into(), value })
            }
        }
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.1..=1e9).contains(&rate) => Ok(rate),
        Ok(_) | Err(_) => Err("it must be a number of requests a second, from 0.1 to 1000000000".into()),
    }
}

impl Bench {
    /// Measures everything, and writes what came of it.
    pub fn run(mut self) -> Result<(), Failure> {
        if let Some(Earlier::Report(report)) = self.earlier.take() {
            return report.run();
        }
        let subjects = self.subjects()?;
        let points = self.grid().points();
        let descriptors = self.room_for(&points)?;
        self.can_be_written()?;
        let pinning = Pinning::new(self.server_cpus.clone(), self.client_cpus.clone());
        let results = Results {
            schema: SCHEMA.into(),
            started: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            command: std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
            version: env!("CARGO_PKG_VERSION").into(),
            machine: machine(&pinning, descriptors),
            ended_early: false,
            notes: notes(&pinning),
            subjects: subjects.iter().map(Subject::described).collect(),
            runs: Vec::new(),
            kept: Vec::new(),
        };
        bind(&pinning.client).map_err(|error| {
            Failure::new(format!("cannot run on processors {}: {}", pinning.client, reason(&error)))
        })?;
        let interrupted = interrupted()?;
        let conditions = Conditions {
            start_timeout: self.start_timeout,
            warmup: self.warmup,
            duration: self.duration,
            pinning,
            interrupted: &interrupted,
        };
        let mut session =
            Session { subjects: &subjects, conditions, results, noted: BTreeSet::new(), bar: self.progress(&subjects) };
        let measured = points.iter().try_for_each(|point| self.measure(point, &mut session));
        session.bar.finish_and_clear();
        let results = session.results;
        match measured {
            Ok(()) => self.write(&results),
            Err(Stop::Interrupted) => self.write(&Results { ended_early: true, ..results }),
            // What was measured before it failed is worth as much as it was.
            Err(Stop::Failed(failure)) if results.runs.is_empty() => Err(failure),
            Err(Stop::Failed(failure)) => {
                self.write(&Results { ended_early: true, ..results })?;
                Err(failure)
            }
        }
    }

    fn subjects(&self) -> Result<Vec<Subject>, Failure> {
        let others = self.against.len() + self.commands.len();
        let models = if self.models.is_empty() && others == 0 { &MODELS[..] } else { &self.models };
        let mut subjects: Vec<Subject> =
            models.iter().map(|&model| Subject { name: model.name().into(), source: Source::Model(model) }).collect();
        for Named { name, value } in &self.against {
            let source = Source::Running { address: self.near(value)?, pid: None };
            subjects.push(Subject { name: name.clone(), source });
        }
        for Named { name, value } in &self.commands {
            subjects.push(Subject { name: name.clone(), source: Source::Command(value.clone()) });
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

    /// The address to connect to, which is this machine's unless others are allowed: load on somebody else's server is an
    /// attack.
    fn near(&self, address: &Address) -> Result<SocketAddr, Failure> {
        let address = address.or_port(PORT);
        let first = address.to_connect_to()?[0];
        match first.ip().is_loopback() || self.allow_remote {
            true => Ok(first),
            false => Err(Failure::of_usage(format!(
                "{address} is not of this machine; --allow-remote puts load on it all the same"
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
        let mut running = subjects.iter_mut().filter_map(|subject| match &mut subject.source {
            Source::Running { pid, .. } if name.is_none_or(|name| name == subject.name) => Some(pid),
            Source::Running { .. } | Source::Model(_) | Source::Command(_) => None,
        });
        match (running.next(), running.next()) {
            (Some(pid), None) => {
                *pid = Some(process);
                Ok(())
            }
            (None, _) => Err(Failure::of_usage(format!("--pid {text} is not about a server of --against"))),
            (Some(_), Some(_)) => {
                Err(Failure::of_usage(format!("--pid {text} may be about several servers: NAME=PID")))
            }
        }
    }

    fn grid(&self) -> Grid {
        Grid {
            workloads: if self.workloads.is_empty() { vec![Workload::Echo] } else { self.workloads.clone() },
            connections: self.connections.clone(),
            idle: self.idle.clone(),
            sizes: self.sizes.iter().map(|&size| size as u64).collect(),
            depths: self.depths.clone(),
        }
    }

    /// Raises the limit of open files, which has to do for all connections, and returns it.
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

    /// Looks whether the results can be written, before it takes minutes to get them. What is there stays there.
    fn can_be_written(&self) -> Result<(), Failure> {
        let Some(path) = &self.json else { return Ok(()) };
        let opened = File::options().write(true).create(true).truncate(false).open(path);
        opened.map(drop).map_err(|error| cannot_write(&path.display().to_string(), &error))
    }

    fn progress(&self, subjects: &[Subject]) -> ProgressBar {
        let phases = if self.closed { 1 } else { self.rates.len().max(2) };
        let runs = self.grid().points().len() * subjects.len() * self.rounds as usize * phases;
        let bar = ProgressBar::with_draw_target(Some(runs as u64), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{pos}/{len} measured, {prefix}{msg}").expect("it is well-formed");
        bar.set_style(style);
        bar
    }

    /// All that is to be measured at one point.
    fn measure(&self, point: &Point, session: &mut Session<'_>) -> Result<(), Stop> {
        let schedule = if self.poisson { Schedule::Poisson } else { Schedule::Even };
        if !self.rates.is_empty() {
            return self
                .rates
                .iter()
                .try_for_each(|&rate| session.rounds(&at_rate(point, rate, schedule), self.rounds));
        }
        session.rounds(point, self.rounds)?;
        if self.closed {
            return Ok(());
        }
        let Some(objective) = &self.slo else {
            return match latency_rate(&session.results.runs, point) {
                Some(rate) => session.rounds(&at_rate(point, rate, schedule), self.rounds),
                None => Ok(()),
            };
        };
        for turn in turns(session.subjects.len(), self.rounds) {
            let name = &session.subjects[turn.subject].name;
            let Some(highest) = throughput(&session.results.runs, name, point) else { continue };
            let name = name.clone();
            let rate_per_second = search::<Stop>(highest, |rate| {
                let run = session.turn(turn.subject, &at_rate(point, rate, schedule), turn.round)?;
                Ok(objective.is_kept(run))
            })?;
            let (point, objective) = (point.clone(), objective.to_string());
            let kept = Kept { subject: name, point, round: turn.round, objective, rate_per_second };
            session.say(&found(&kept));
            session.results.kept.push(kept);
        }
        Ok(())
    }

    fn write(&self, results: &Results) -> Result<(), Failure> {
        if results.runs.is_empty() {
            return Err(Failure::new("it was ended before anything was measured"));
        }
        if results.ended_early {
            // Whether anybody reads it or not, the results are worth writing.
            eprintln!("Ended early, after {} measurements", results.runs.len());
        }
        if let Some(path) = &self.json {
            results.write(path).map_err(|error| cannot_write(&path.display().to_string(), &error))?;
        }
        let all = slice::from_ref(results);
        self.reports.write(all)?;
        let kept: String = results.kept.iter().map(|kept| format!("{}\n", found(kept))).collect();
        print((report::table(all) + &kept).as_bytes())
    }
}

/// What a search has found, in a line.
fn found(Kept { subject, point, round, objective, rate_per_second }: &Kept) -> String {
    let where_to = match rate_per_second {
        Some(rate) => format!("up to {rate:.0} requests/s"),
        None => "at no rate that was tried".into(),
    };
    format!("{subject} {}, round {round}: keeps {objective} {where_to}", shown(point))
}

/// What holds for all measurements.
fn notes(pinning: &Pinning) -> Vec<String> {
    let mut notes = vec![
        "System calls are left out: the kernel counts them only for who may trace.".to_owned(),
        "Of a request that was not answered in time, the latency is as long as was waited for it.".to_owned(),
    ];
    if !pinning.is_apart() {
        notes.push(
            "The generator shares its processors with the servers, and sleeps between events: that adds to every latency."
                .into(),
        );
    }
    notes
}

/// A flag that the first signal sets.
fn interrupted() -> Result<Arc<AtomicBool>, Failure> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal finds it unset and sets it, the second finds it set.
        flag::register_conditional_shutdown(signal, CUT_SHORT, Arc::clone(&interrupted))
            .and_then(|_| flag::register(signal, Arc::clone(&interrupted)))
            .map_err(|error| Failure::new(format!("cannot wait for signals: {}", reason(&error))))?;
    }
    Ok(interrupted)
}

/// Why no more is measured.
enum Stop {
    Interrupted,
    Failed(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Stop::Failed(failure)
    }
}

/// The measurements, as they are made.
struct Session<'a> {
    subjects: &'a [Subject],
    conditions: Conditions<'a>,
    results: Results,
    /// What is noted already.
    noted: BTreeSet<String>,
    bar: ProgressBar,
}

impl Session<'_> {
    /// Every subject at `point`, round by round.
    fn rounds(&mut self, point: &Point, rounds: u32) -> Result<(), Stop> {
        turns(self.subjects.len(), rounds).try_for_each(|turn| self.turn(turn.subject, point, turn.round).map(drop))
    }

    fn turn(&mut self, subject: usize, point: &Point, round: u32) -> Result<&Run, Stop> {
        if self.conditions.interrupted.load(Ordering::Relaxed) {
            return Err(Stop::Interrupted);
        }
        let subject = &self.subjects[subject];
        let each = self.conditions.warmup + self.conditions.duration + AROUND_RUN;
        let left =
            each * u32::try_from(self.bar.length().unwrap_or_default() - self.bar.position()).unwrap_or(u32::MAX);
        let left = humantime::format_duration(Duration::from_secs(left.as_secs()));
        self.bar.set_prefix(format!("{left} left: {} {}", subject.name, shown(point)));
        self.bar.set_message("");
        let bar = self.bar.clone();
        let mut tell =
            move |replies: u64, seconds: f64| bar.set_message(format!(", {:.0}/s", replies as f64 / seconds));
        match measure(subject, point, round, &self.conditions, &mut tell) {
            Ok(Outcome::Measured(run, notes)) => {
                for note in notes {
                    if self.noted.insert(note.clone()) {
                        self.results.notes.push(note);
                    }
                }
                self.say(&line(&run));
                // A search makes as many as it makes.
                if self.bar.length() == Some(self.bar.position()) {
                    self.bar.inc_length(1);
                }
                self.bar.inc(1);
                self.results.runs.push(*run);
                Ok(self.results.runs.last().expect("it was added just now"))
            }
            Ok(Outcome::Interrupted) => Err(Stop::Interrupted),
            Err(_) if self.conditions.interrupted.load(Ordering::Relaxed) => Err(Stop::Interrupted),
            Err(why) => Err(Stop::Failed(Failure::new(why))),
        }
    }

    fn say(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }
}

/// A point in a few words.
fn shown(point: &Point) -> String {
    let workload = point.workload.to_possible_value().expect("every workload has a name");
    let mut words = format!("{} {} connections", workload.get_name(), point.connections);
    if point.idle > 0 {
        words += &format!(" beside {} idle", point.idle);
    }
    if point.size > 0 {
        words += &format!(", {} bytes", point.size);
    }
    if point.depth > 1 {
        words += &format!(", {} deep", point.depth);
    }
    words
        + &match point.pace {
            Pace::Closed => ", closed loop".into(),
            Pace::Open { rate_per_second, .. } => format!(", {rate_per_second:.0}/s due"),
        }
}

/// A run in a line.
fn line(run: &Run) -> String {
    let micros = |histogram: &Histogram, quantile| histogram.quantile(quantile).unwrap_or_default() as f64 / 1e3;
    let latency = |quantile| micros(&run.latency, quantile);
    let mut line = format!(
        "{} {}, round {}: {:.0} requests/s, p50 {:.0} µs, p99 {:.0} µs, p99.9 {:.0} µs, max {:.0} µs",
        run.subject,
        shown(&run.point),
        run.round,
        run.replies as f64 / run.seconds.max(f64::MIN_POSITIVE),
        latency(0.5),
        latency(0.99),
        latency(0.999),
        latency(1.0),
    );
    if let (Some(server), 1..) = (&run.server, run.replies) {
        let each = (server.user_seconds + server.system_seconds) * 1e6 / run.replies as f64;
        line += &format!(", {each:.2} µs of processor time each");
    }
    if let Some(service) = &run.service {
        let (p50, p99) = (micros(service, 0.5), micros(service, 0.99));
        line += &format!(", since they were sent p50 {p50:.0} µs, p99 {p99:.0} µs");
    }
    for (kind, count) in &run.errors {
        line += &format!(", {count} times {kind}");
    }
    if run.unsent > 0 {
        line += &format!(", {} not sent", run.unsent);
    }
    line += &format!("; generator {:.0} % busy", run.generator.busy * 100.0);
    if let Some(lag) = &run.generator.lag {
        line += &format!(", {:.0} µs late at p99", micros(lag, 0.99));
    }
    if let Some(doubt) = &run.doubt {
        line += &format!("; IN DOUBT: {doubt}");
    }
    line
}
