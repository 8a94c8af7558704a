//! The results of measurements: the complete input of a report, as stored in a JSON file.
//!
//! Figures are in plain units: seconds, bytes, nanoseconds, counts. `docs/benchmarks-results.md` describes the file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The results of one call of `multiconn bench`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// The schema of the file.
    pub schema: String,
    /// The file's label in a report of several; it's part of the names of servers that other files have, too.
    #[serde(skip)]
    pub label: Option<String>,
    /// The start time: RFC 3339.
    pub started: String,
    /// The command line, word by word.
    pub command: Vec<String>,
    /// The version of multiconn.
    pub version: String,
    /// Where it was measured.
    pub machine: Machine,
    /// Whether it ended before all measurements were made.
    pub ended_early: bool,
    /// Notes about the whole call, such as figures that were not available.
    pub notes: Vec<String>,
    /// The servers, in the order of the comparison: the others are compared with the first, in a report of one file.
    pub subjects: Vec<Subject>,
    /// All measurements, in the order in which they were made.
    pub runs: Vec<Run>,
    /// The results of searches for the highest rate that keeps an objective.
    #[serde(default)]
    pub kept: Vec<Kept>,
}

/// The highest rate at which a server kept an objective.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// The server's name.
    pub subject: String,
    /// The closed-loop measurement that set the search's upper limit; the trials are the same in the open loop.
    pub point: Point,
    /// The round, from 1.
    pub round: u32,
    /// The objective, such as `p99<5ms`.
    pub objective: String,
    /// The rate in requests a second; `None` if no tried rate kept it.
    pub rate_per_second: Option<f64>,
}

/// The machine of the measurements.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Machine {
    /// The operating system.
    pub system: String,
    /// Its kernel, with the release.
    pub kernel: String,
    /// The processor's model name.
    pub processor: String,
    /// The number of threads that can run at once.
    pub cores: u32,
    /// Memory of the whole machine, in bytes.
    pub memory_bytes: Option<u64>,
    /// TCP's congestion control, if known.
    pub congestion_control: Option<String>,
    /// Processors that servers were bound to.
    pub server_cpus: Vec<u32>,
    /// Processors that the generator was bound to.
    pub client_cpus: Vec<u32>,
    /// The limit of open files.
    pub descriptors_max: u64,
}

/// A server under test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Its name in every table.
    pub name: String,
    /// How it was started, or its address.
    pub how: String,
}

/// The task of a server in a measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The activity on each connection.
    pub workload: Workload,
    /// Busy connections.
    pub connections: u32,
    /// Silent connections beside them.
    pub idle: u32,
    /// Bytes in a message (echo), a value (app), a piece (stream), or the first request (raw).
    pub size: u64,
    /// The request and the end of a reply, for the workload `raw`: requests that differ are different tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// Requests in flight at once on each connection.
    pub depth: u32,
    /// How requests are timed.
    pub pace: Pace,
}

/// The activity on each connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Workload {
    /// Messages are echoed.
    Echo,
    /// Framed requests, many on each connection.
    App,
    /// Framed requests, one on each connection.
    AppClose,
    /// Connections are opened and closed.
    Connect,
    /// Echo on a few connections, beside many silent ones.
    Idle,
    /// Echo of as many bytes as possible.
    Stream,
    /// Echo on connections, some of which send single bytes slowly.
    Slow,
    /// Requests of any protocol.
    Raw,
}

/// How requests are timed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "loop")]
pub enum Pace {
    /// Each request goes out when a reply has arrived.
    Closed,
    /// Requests are due at a constant rate, regardless of the server.
    Open {
        /// Requests a second, on all connections together.
        rate_per_second: f64,
        /// Their distribution over time.
        schedule: Schedule,
    },
}

impl Pace {
    /// Whether requests are due regardless of the server.
    pub fn is_open(self) -> bool {
        match self {
            Pace::Open { .. } => true,
            Pace::Closed => false,
        }
    }
}

/// The distribution of requests over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// At equal intervals.
    Even,
    /// At random, like requests from many independent users.
    Poisson,
}

/// One measurement: one server at one point, once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// The server's name.
    pub subject: String,
    /// The task.
    pub point: Point,
    /// The round, from 1.
    pub round: u32,
    /// Whether it's part of a search for a rate. Each such run has its own rate, so it can't be compared with other
    /// servers' runs.
    #[serde(default)]
    pub is_trial: bool,
    /// The measured time, after the warm-up.
    pub seconds: f64,
    /// Correct replies.
    pub replies: u64,
    /// Bytes in these.
    pub reply_bytes: u64,
    /// The number of errors by kind.
    pub errors: BTreeMap<String, u64>,
    /// Requests that were due but could not be sent within the measured time (open loop).
    pub unsent: u64,
    /// The time from when a request was due (open loop) or sent (closed loop) to its complete reply.
    pub latency: Histogram,
    /// The time from when it was sent, if that differs.
    pub service: Option<Histogram>,
    /// The time from the call to connect to the open connection.
    pub connect: Option<Histogram>,
    /// The latency over time.
    pub over_time: Vec<Slice>,
    /// The server's resource use, if known.
    pub server: Option<ServerUse>,
    /// The generator's resource use.
    pub generator: GeneratorUse,
    /// Why no verdict may be drawn from this run, if so.
    pub doubt: Option<String>,
    /// The cause of that doubt, which decides which figures it is about. Without a cause, it's about all of them.
    #[serde(default)]
    pub doubt_cause: Option<Cause>,
}

/// The cause of a doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The server failed, wholly or in part: nothing can be compared.
    Server,
    /// The load generator was at its limit. Rates and times may be its own; the server's use of the machine is not.
    Generator,
    /// Something else used the processors. That affects rates and times, and another round may be free of it.
    Disturbance,
    /// Something else used so much of them that requests arrived in bursts, which take less processor time each.
    HeavyDisturbance,
}

/// The required speed of the generator relative to the server, above which its influence is negligible.
pub const FASTER_BY: f64 = 1.5;

impl Run {
    /// Whether something else on the machine disturbed it, so that another measurement may be better.
    pub fn is_disturbed(&self) -> bool {
        matches!(self.doubt_cause, Some(Cause::Disturbance | Cause::HeavyDisturbance))
    }

    /// Whether the generator had so little time left in a closed loop that it may not be [`FASTER_BY`] times as fast.
    pub fn is_close(&self) -> bool {
        !self.point.pace.is_open() && self.generator.busy > 1.0 / FASTER_BY
    }
}

/// A histogram of nanoseconds with high dynamic range.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    /// Values, ascending (each the highest of its bucket, with three significant digits), and their counts.
    pub buckets: Vec<(u64, u64)>,
}

/// A time slice of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    /// Its end, in seconds from the beginning of the measurement.
    pub until: f64,
    /// Correct replies.
    pub replies: u64,
    /// The median latency, in nanoseconds; 0 if there were no replies.
    pub p50_ns: u64,
    /// The 99th percentile.
    pub p99_ns: u64,
    /// The maximum.
    pub max_ns: u64,
}

/// The resource use of a server in a run, summed over its processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerUse {
    /// Processor time in its own code.
    pub user_seconds: f64,
    /// Processor time in the kernel.
    pub system_seconds: f64,
    /// Resident memory (proportional, if the system reports that) before there were connections.
    pub memory_at_rest: Option<u64>,
    /// Memory with all connections open, before the load.
    pub memory_connected: Option<u64>,
    /// The maximum memory.
    pub memory_peak: Option<u64>,
    /// The maximum number of threads during the run.
    pub threads: u32,
    /// The maximum number of processes during the run.
    pub processes: u32,
    /// Context switches at which it waited; `None` if threads came and went.
    pub voluntary_switches: Option<u64>,
    /// Context switches in favour of other threads.
    pub involuntary_switches: Option<u64>,
    /// System calls for each reply, counted in the warm-up, if the kernel reports them.
    pub system_calls_per_request: Option<f64>,
}

impl ServerUse {
    /// Total processor time.
    pub fn cpu_seconds(&self) -> f64 {
        self.user_seconds + self.system_seconds
    }
}

/// The load generator's resource use, and its punctuality.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GeneratorUse {
    /// The share of its processor spent working, from 0 to 1: a poll that finds nothing isn't work.
    pub busy: f64,
    /// Processor time; for a generator that never sleeps, about the measured time.
    pub cpu_seconds: f64,
    /// The lateness of requests (open loop), in nanoseconds.
    pub lag: Option<Histogram>,
}
