//! What was measured: everything that a report is made of, as it stands in a file of JSON.
//!
//! Figures are in plain units: seconds, bytes, nanoseconds, counts. `docs/benchmarks-results.md` describes the file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The results of one call of `multiconn bench`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// Which description the file follows.
    pub schema: String,
    /// When it began: RFC 3339.
    pub started: String,
    /// The command line, word by word.
    pub command: Vec<String>,
    /// Our version.
    pub version: String,
    /// Where it was measured.
    pub machine: Machine,
    /// Whether it was ended before all was measured.
    pub ended_early: bool,
    /// What a reader must know of all of it, such as figures that could not be had.
    pub notes: Vec<String>,
    /// What was measured, in the order in which the comparison names it: the others are held against the first.
    pub subjects: Vec<Subject>,
    /// Each measurement, in the order in which they were made.
    pub runs: Vec<Run>,
    /// The rates at which an objective was kept, where that was looked for.
    #[serde(default)]
    pub kept: Vec<Kept>,
}

/// The highest rate at which a server kept an objective.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// The server's name.
    pub subject: String,
    /// What it was asked to do in the closed loop that told how far to look; the trials are the same in the open loop.
    pub point: Point,
    /// Which time round, from 1.
    pub round: u32,
    /// Such as `p99<5ms`.
    pub objective: String,
    /// Requests a second; nothing where it was kept at no rate that was tried.
    pub rate_per_second: Option<f64>,
}

/// Where it was measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Machine {
    /// The operating system.
    pub system: String,
    /// Its kernel, with the release.
    pub kernel: String,
    /// The processor's own name.
    pub processor: String,
    /// Threads that run at once.
    pub cores: u32,
    /// Memory of the whole machine, in bytes.
    pub memory_bytes: Option<u64>,
    /// TCP's, where it's told.
    pub congestion_control: Option<String>,
    /// Processors that servers and the generator were bound to.
    pub server_cpus: Vec<u32>,
    /// Those of the generator.
    pub client_cpus: Vec<u32>,
    /// The limit of open files.
    pub descriptors_max: u64,
}

/// A server under test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Its name in every table.
    pub name: String,
    /// How it was started, or where it was.
    pub how: String,
}

/// What a server was asked to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// What is done on each connection.
    pub workload: Workload,
    /// Connections that are busy.
    pub connections: u32,
    /// Connections that are silent beside them.
    pub idle: u32,
    /// Bytes of a message (echo), of a value (app), or of a piece (stream).
    pub size: u64,
    /// Requests on their way at once, on each connection.
    pub depth: u32,
    /// How requests are timed.
    pub pace: Pace,
}

/// What is done on each connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Workload {
    /// Messages come back.
    Echo,
    /// Framed requests, many on a connection.
    App,
    /// Framed requests, a connection for each.
    AppClose,
    /// Connections are opened and closed.
    Connect,
    /// Echo on a few connections, beside many that are silent.
    Idle,
    /// Echo of as many bytes as go through.
    Stream,
    /// Echo on connections of which a share drips.
    Slow,
}

/// How requests are timed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "loop")]
pub enum Pace {
    /// Each request goes out when a reply has come.
    Closed,
    /// Requests are due at a constant rate, whatever the server does.
    Open {
        /// Requests a second, on all connections together.
        rate_per_second: f64,
        /// How they are spread over time.
        schedule: Schedule,
    },
}

impl Pace {
    /// Whether requests are due whatever the server does.
    pub fn is_open(self) -> bool {
        match self {
            Pace::Open { .. } => true,
            Pace::Closed => false,
        }
    }
}

/// How requests are spread over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// With the same time between any two.
    Even,
    /// By chance, as those of many people who know nothing of each other.
    Poisson,
}

/// One measurement: one server at one point, once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// The server's name.
    pub subject: String,
    /// What it was asked to do.
    pub point: Point,
    /// Which time round, from 1.
    pub round: u32,
    /// Whether it was made to look for a rate, which is its own then: it can't be held against runs of other servers.
    #[serde(default)]
    pub is_trial: bool,
    /// How long was measured, after warming up.
    pub seconds: f64,
    /// Replies that were right.
    pub replies: u64,
    /// Bytes of these.
    pub reply_bytes: u64,
    /// What went wrong, by kind.
    pub errors: BTreeMap<String, u64>,
    /// Requests that were due and could not be sent in time to be measured (open loop).
    pub unsent: u64,
    /// From the moment a request was due (open loop) or sent (closed loop) to its whole reply.
    pub latency: Histogram,
    /// From the moment it was sent, where that is something else.
    pub service: Option<Histogram>,
    /// From the call to the open connection.
    pub connect: Option<Histogram>,
    /// The latency in the course of time.
    pub over_time: Vec<Slice>,
    /// What the server took, where it can be told.
    pub server: Option<ServerUse>,
    /// What the generator took.
    pub generator: GeneratorUse,
    /// Why no verdict may be drawn from this run, if so.
    pub doubt: Option<String>,
}

/// How many times as fast as a server its generator has to be, to be left out of account.
pub const FASTER_BY: f64 = 1.5;

impl Run {
    /// Whether the generator had so little time left in a closed loop that it can't be said to be [`FASTER_BY`] times as fast.
    pub fn is_close(&self) -> bool {
        !self.point.pace.is_open() && self.generator.busy > 1.0 / FASTER_BY
    }
}

/// Nanoseconds, as a histogram of high dynamic range.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    /// Values, ascending (each the highest that its bucket stands for, three significant digits), and how many there were.
    pub buckets: Vec<(u64, u64)>,
}

/// A part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    /// When it ended, in seconds from the beginning of the measurement.
    pub until: f64,
    /// Replies that were right.
    pub replies: u64,
    /// The median latency, in nanoseconds; 0 where there were no replies.
    pub p50_ns: u64,
    /// The 99th percentile.
    pub p99_ns: u64,
    /// The longest.
    pub max_ns: u64,
}

/// What a server took in a run. Of a server of several processes, the sum of all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerUse {
    /// Processor time in its own code.
    pub user_seconds: f64,
    /// Processor time in the system's.
    pub system_seconds: f64,
    /// Resident (proportional, where the system tells) before there were connections, with all of them open, and at most.
    pub memory_at_rest: Option<u64>,
    /// With all connections open, before there is load.
    pub memory_connected: Option<u64>,
    /// At most.
    pub memory_peak: Option<u64>,
    /// At most, during the run.
    pub threads: u32,
    /// At most, during the run.
    pub processes: u32,
    /// Context switches since it waited for something; nothing where its threads came and went.
    pub voluntary_switches: Option<u64>,
    /// Context switches since others were to run.
    pub involuntary_switches: Option<u64>,
    /// System calls for each reply, counted in the warm-up, where the kernel tells.
    pub system_calls_per_request: Option<f64>,
}

impl ServerUse {
    /// Processor time in all.
    pub fn cpu_seconds(&self) -> f64 {
        self.user_seconds + self.system_seconds
    }
}

/// What the load generator took, and how well it kept its schedule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GeneratorUse {
    /// Of its one processor, 0 to 1, in work: a poll that finds nothing is none.
    pub busy: f64,
    /// Processor time; of a generator that never sleeps, about as much as was measured.
    pub cpu_seconds: f64,
    /// How late requests went out (open loop), nanoseconds.
    pub lag: Option<Histogram>,
}
