//! Results in rows: one server at one point, over all rounds; grouped by what fits in one plot.

use std::collections::{BTreeMap, BTreeSet};

use super::results::{Cause, Histogram, Pace, Point, Results, Run, Schedule, Subject, Workload};
use super::stats::{Difference, ROUNDS_MIN, Ratio, Spread, differences};

/// One or more [`Results`] in rows, without trials, each of which has its own rate.
#[derive(Debug)]
pub struct Summary<'a> {
    /// All servers.
    pub servers: Vec<Server<'a>>,
    /// The rows, grouped by what fits in one plot, in the order of the first measurements.
    pub groups: Vec<Group<'a>>,
}

/// A server in a report.
#[derive(Clone, Copy, Debug)]
pub struct Server<'a> {
    /// Its name in every table.
    pub name: &'a str,
    /// Its name in its own file.
    pub own_name: &'a str,
    /// The label of that file, if there are several.
    pub file: &'a str,
    /// The index of its results: only within the same results were servers measured in turns.
    source: usize,
    /// The index of the server that it's compared with, if there is one.
    pub baseline: Option<usize>,
}

/// Points that differ in one number.
#[derive(Debug)]
pub struct Group<'a> {
    /// The number in which they differ.
    pub axis: Axis,
    /// Sorted by that number, then in the order of the servers.
    pub rows: Vec<Row<'a>>,
}

/// The number in which the points of a group differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// Busy connections.
    Connections,
    /// Idle connections.
    Idle,
    /// Requests due per second.
    Rate,
}

/// All rounds of one server at one point.
#[derive(Debug)]
pub struct Row<'a> {
    /// The server's index in [`Summary::servers`].
    pub subject: usize,
    /// Its name.
    pub name: &'a str,
    /// The index of the server that it's compared with, if there is one.
    pub baseline: Option<usize>,
    /// The index of its results.
    source: usize,
    /// The task.
    pub point: &'a Point,
    /// Its rounds, in order.
    pub runs: Vec<&'a Run>,
}

/// A figure of a run: seconds, bytes, counts, or shares of 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Figure {
    /// Correct replies per second.
    RequestsPerSecond,
    /// Their bytes per second.
    BytesPerSecond,
    /// The median of the latency.
    LatencyP50,
    /// Its 90th percentile.
    LatencyP90,
    /// Its 99th percentile.
    LatencyP99,
    /// Its 99.9th percentile.
    LatencyP999,
    /// The longest.
    LatencyMax,
    /// The median of the service time.
    ServiceP50,
    /// Its 99th percentile.
    ServiceP99,
    /// The median of the time to connect.
    ConnectP50,
    /// Its 99th percentile.
    ConnectP99,
    /// Errors of any kind.
    Errors,
    /// Requests that could not be sent.
    Unsent,
    /// The server's processor time for each request.
    CpuPerRequest,
    /// The part of it in the program.
    UserPerRequest,
    /// The part of it in the kernel.
    SystemPerRequest,
    /// The server's processor time for each 1 000 000 000 bytes of replies.
    CpuPerGigabyte,
    /// The server's memory before there are connections.
    MemoryAtRest,
    /// The memory that each connection, busy or idle, adds.
    MemoryPerConnection,
    /// The server's maximum memory.
    MemoryPeak,
    /// The server's threads.
    Threads,
    /// The server's processes.
    Processes,
    /// Context switches for each request, of both kinds.
    SwitchesPerRequest,
    /// System calls for each request.
    SystemCallsPerRequest,
    /// The generator's busy share.
    GeneratorBusy,
    /// The lateness of requests: the 99th percentile.
    LagP99,
}

/// A comparison of a server with its baseline at the same point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// The ratio to the baseline.
    pub ratio: Ratio,
    /// The conclusion, unless the figure of either is in doubt.
    pub verdict: Option<Difference>,
}

impl<'a> Summary<'a> {
    /// The summary of one call of `bench`, or of several together, whose servers have unique names.
    pub fn of(all: &'a [Results]) -> Summary<'a> {
        let servers = servers(all);
        let mut rows = Vec::<Row<'a>>::new();
        for (source, results) in all.iter().enumerate() {
            for run in results.runs.iter().filter(|run| !run.is_trial) {
                let is_its = |server: &Server<'_>| server.source == source && server.name == run.subject;
                let Some(subject) = servers.iter().position(is_its) else { continue };
                match rows.iter_mut().find(|row| row.subject == subject && *row.point == run.point) {
                    Some(row) => row.runs.push(run),
                    None => {
                        let Server { name, baseline, .. } = servers[subject];
                        rows.push(Row { subject, name, baseline, source, point: &run.point, runs: vec![run] });
                    }
                }
            }
        }
        Summary { servers, groups: groups(rows) }
    }

    /// The name of the baseline: the file, if servers are compared with those of the same name in it, otherwise the
    /// server. `None` if nothing is compared.
    pub fn baseline_name(&self) -> Option<&'a str> {
        let (server, baseline) = self.servers.iter().find_map(|server| Some((server, self.baseline_of(server)?)))?;
        Some(server.name_beside(baseline))
    }

    /// The server that another is compared with.
    pub fn baseline_of(&self, server: &Server<'_>) -> Option<&Server<'a>> {
        server.baseline.map(|index| &self.servers[index])
    }

    /// All rows.
    pub fn rows(&self) -> impl Iterator<Item = &Row<'a>> {
        self.groups.iter().flat_map(|group| &group.rows)
    }
}

impl Server<'_> {
    /// The name of `baseline` in a comparison with this one: if only the file differs, the file's.
    pub fn name_beside<'b>(&self, baseline: &Server<'b>) -> &'b str {
        if self.is_counterpart_of(baseline) { baseline.file } else { baseline.name }
    }

    /// Whether it's the same server, measured for another file.
    pub fn is_counterpart_of(&self, other: &Server<'_>) -> bool {
        self.source != other.source && self.own_name == other.own_name
    }
}

/// The servers of one or several files. Each is compared with the one of the same name in the first file that has it;
/// if no two files have a name in common, with the first server.
fn servers(all: &[Results]) -> Vec<Server<'_>> {
    let mut servers = Vec::<Server<'_>>::new();
    for (source, results) in all.iter().enumerate() {
        for Subject { name, .. } in &results.subjects {
            let own_name = results.label.as_ref().and_then(|label| name.strip_prefix(label)?.strip_prefix(BETWEEN));
            let file = results.label.as_deref().unwrap_or_default();
            servers.push(Server { name, own_name: own_name.unwrap_or(name), file, source, baseline: None });
        }
    }
    let counterpart = |server: &Server<'_>| servers.iter().position(|other| server.is_counterpart_of(other));
    let counterparts: Vec<Option<usize>> = servers.iter().map(counterpart).collect();
    let are_compared_by_name = counterparts.iter().any(Option::is_some);
    for (index, (server, counterpart)) in servers.iter_mut().zip(counterparts).enumerate() {
        let baseline = if are_compared_by_name { counterpart } else { Some(0) };
        server.baseline = baseline.filter(|&baseline| baseline < index);
    }
    servers
}

/// The separator between a file's label and a server's name.
pub const BETWEEN: &str = ": ";

fn groups(rows: Vec<Row<'_>>) -> Vec<Group<'_>> {
    let axes: Vec<Axis> = rows.iter().map(|row| axis(row.point, &rows)).collect();
    let mut groups = Vec::<Group<'_>>::new();
    for (row, axis) in rows.into_iter().zip(axes) {
        match groups.iter_mut().find(|group| group.axis == axis && axis.joins(group.rows[0].point, row.point)) {
            Some(group) => group.rows.push(row),
            None => groups.push(Group { axis, rows: vec![row] }),
        }
    }
    for group in &mut groups {
        let axis = group.axis;
        group.rows.sort_by(|a, b| axis.of(a.point).total_cmp(&axis.of(b.point)).then(a.subject.cmp(&b.subject)));
    }
    groups
}

/// The number in which a point differs from the comparable ones.
fn axis(point: &Point, rows: &[Row<'_>]) -> Axis {
    let same_but_rate = |other: &Point| Axis::Rate.joins(point, other) && other.pace != point.pace;
    match Axis::of_workload(point.workload) {
        Axis::Connections if rows.iter().any(|row| same_but_rate(row.point)) => Axis::Rate,
        axis => axis,
    }
}

impl Axis {
    /// The number in which the points of a workload differ, apart from the rate.
    pub fn of_workload(workload: Workload) -> Axis {
        match workload {
            Workload::Idle => Axis::Idle,
            Workload::Echo
            | Workload::App
            | Workload::AppClose
            | Workload::Connect
            | Workload::Stream
            | Workload::Slow
            | Workload::Raw => Axis::Connections,
        }
    }

    /// The value of this number at a point.
    pub fn of(self, point: &Point) -> f64 {
        match (self, point.pace) {
            (Axis::Connections, _) => point.connections.into(),
            (Axis::Idle, _) => point.idle.into(),
            (Axis::Rate, Pace::Open { rate_per_second, .. }) => rate_per_second,
            (Axis::Rate, Pace::Closed) => 0.0,
        }
    }

    /// Whether two points differ in nothing else. The rate of an open loop may differ as well.
    fn joins(self, a: &Point, b: &Point) -> bool {
        let alike = a.workload == b.workload && a.size == b.size && a.request == b.request && a.depth == b.depth;
        let connections = self == Axis::Connections || a.connections == b.connections;
        let idle = self == Axis::Idle || a.idle == b.idle;
        alike && connections && idle && schedule(a) == schedule(b)
    }
}

fn schedule(point: &Point) -> Option<Schedule> {
    match point.pace {
        Pace::Closed => None,
        Pace::Open { schedule, .. } => Some(schedule),
    }
}

impl<'a> Group<'a> {
    /// The points, each with its rows.
    pub fn points(&self) -> Vec<&[Row<'a>]> {
        self.rows.chunk_by(|a, b| a.point == b.point).collect()
    }

    /// Whether requests were due regardless of the servers.
    pub fn is_open(&self) -> bool {
        self.rows[0].point.pace.is_open()
    }

    /// The servers that were measured here.
    pub fn subjects(&self) -> BTreeSet<usize> {
        self.rows.iter().map(|row| row.subject).collect()
    }

    /// The baseline's row at the same point as a server's, if there is one.
    fn beside(&self, row: &Row<'_>) -> Option<&Row<'a>> {
        self.rows.iter().find(|other| Some(other.subject) == row.baseline && other.point == row.point)
    }

    /// Compares a row with the baseline's at the same point. The conclusion takes into account that there are other
    /// points.
    pub fn compare(&self, row: &Row<'_>, figure: Figure) -> Option<Comparison> {
        let ratio = self.ratio(row, figure)?;
        if self.is_doubtful(row, figure) {
            return Some(Comparison { ratio, verdict: None });
        }
        let family = self.rows.iter().filter(|other| other.subject == row.subject && !self.is_doubtful(other, figure));
        let family: Vec<(&Point, Ratio)> =
            family.filter_map(|other| Some((other.point, self.ratio(other, figure)?))).collect();
        let own = family.iter().position(|(point, _)| *point == row.point)?;
        let ratios: Vec<Ratio> = family.into_iter().map(|(_, ratio)| ratio).collect();
        Some(Comparison { ratio, verdict: Some(differences(&ratios)[own]) })
    }

    fn ratio(&self, row: &Row<'_>, figure: Figure) -> Option<Ratio> {
        let first = self.beside(row)?;
        if !figure.compares_at(row.point) {
            return None;
        }
        match first.source == row.source {
            true => Ratio::paired(row.judged(figure).filter_map(|run| {
                let of_first = first.judged(figure).find(|other| other.round == run.round)?;
                Some((figure.of(run)?, figure.of(of_first)?))
            })),
            false => Ratio::unpaired(row.values(figure), first.values(figure)),
        }
    }

    /// Whether a figure of a row, or of the one it's compared with, is in doubt.
    fn is_doubtful(&self, row: &Row<'_>, figure: Figure) -> bool {
        row.is_doubtful(figure) || self.beside(row).is_some_and(|first| first.is_doubtful(figure))
    }
}

impl<'a> Row<'a> {
    /// A figure over the rounds that count.
    pub fn spread(&self, figure: Figure) -> Option<Spread> {
        Spread::of(self.values(figure))
    }

    fn values(&self, figure: Figure) -> impl Iterator<Item = f64> {
        self.judged(figure).filter_map(move |run| figure.of(run))
    }

    /// The runs that count for a figure: those without doubt about it, or all if the row is [in
    /// doubt](Row::is_doubtful).
    pub fn judged(&self, figure: Figure) -> impl Iterator<Item = &'a Run> {
        let is_doubtful = self.is_doubtful(figure);
        self.runs.iter().copied().filter(move |run| is_doubtful || figure.is_sound_in(run))
    }

    /// The latencies of the rounds that count.
    pub fn latency(&self) -> Histogram {
        Histogram::merged(self.judged(Figure::LatencyP99).map(|run| &run.latency))
    }

    /// The errors in all rounds, by kind.
    pub fn errors(&self) -> BTreeMap<&str, u64> {
        let mut errors = BTreeMap::new();
        for (kind, &count) in self.runs.iter().flat_map(|run| &run.errors) {
            *errors.entry(kind.as_str()).or_default() += count;
        }
        errors
    }

    /// The reasons for the doubts about its runs.
    pub fn doubts(&self) -> Vec<&str> {
        told_once(self.runs.iter().filter_map(|run| run.doubt.as_deref()))
    }

    /// Whether the generator was [hardly faster](Run::is_close) in any of its runs.
    pub fn is_close(&self) -> bool {
        self.runs.iter().any(|run| run.is_close())
    }

    /// Whether a figure has no verdict: the server failed in a round, or rounds are in doubt and fewer than
    /// [`ROUNDS_MIN`] others are left.
    pub fn is_doubtful(&self, figure: Figure) -> bool {
        let sound = self.runs.iter().filter(|run| figure.is_sound_in(run)).count();
        let has_failed = |run: &&Run| run.doubt.is_some() && matches!(run.doubt_cause, None | Some(Cause::Server));
        self.runs.iter().any(has_failed) || (sound < self.runs.len() && sound < ROUNDS_MIN)
    }
}

/// Merges doubts of several runs that differ only in their numbers.
pub fn told_once<'a>(doubts: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let by_words: BTreeMap<String, &str> =
        doubts.map(|doubt| (doubt.replace(|c: char| c.is_ascii_digit(), ""), doubt)).collect();
    by_words.into_values().collect()
}

impl Figure {
    /// All figures, in the order of reports.
    pub const ALL: [Figure; 26] = [
        Figure::RequestsPerSecond,
        Figure::BytesPerSecond,
        Figure::LatencyP50,
        Figure::LatencyP90,
        Figure::LatencyP99,
        Figure::LatencyP999,
        Figure::LatencyMax,
        Figure::ServiceP50,
        Figure::ServiceP99,
        Figure::ConnectP50,
        Figure::ConnectP99,
        Figure::Errors,
        Figure::Unsent,
        Figure::CpuPerRequest,
        Figure::UserPerRequest,
        Figure::SystemPerRequest,
        Figure::CpuPerGigabyte,
        Figure::MemoryAtRest,
        Figure::MemoryPerConnection,
        Figure::MemoryPeak,
        Figure::Threads,
        Figure::Processes,
        Figure::SwitchesPerRequest,
        Figure::SystemCallsPerRequest,
        Figure::GeneratorBusy,
        Figure::LagP99,
    ];

    /// The figures in which servers are compared.
    pub const COMPARED: [Figure; 4] =
        [Figure::RequestsPerSecond, Figure::LatencyP99, Figure::CpuPerRequest, Figure::MemoryPerConnection];

    /// The figure's value for a run, if known.
    pub fn of(self, run: &Run) -> Option<f64> {
        let value = match self {
            Figure::RequestsPerSecond => run.replies as f64 / run.seconds,
            Figure::BytesPerSecond => run.reply_bytes as f64 / run.seconds,
            Figure::LatencyP50 => seconds(&run.latency, 0.5)?,
            Figure::LatencyP90 => seconds(&run.latency, 0.9)?,
            Figure::LatencyP99 => seconds(&run.latency, 0.99)?,
            Figure::LatencyP999 => seconds(&run.latency, 0.999)?,
            Figure::LatencyMax => seconds(&run.latency, 1.0)?,
            Figure::ServiceP50 => seconds(run.service.as_ref()?, 0.5)?,
            Figure::ServiceP99 => seconds(run.service.as_ref()?, 0.99)?,
            Figure::ConnectP50 => seconds(run.connect.as_ref()?, 0.5)?,
            Figure::ConnectP99 => seconds(run.connect.as_ref()?, 0.99)?,
            Figure::Errors => run.errors.values().sum::<u64>() as f64,
            Figure::Unsent => run.unsent as f64,
            Figure::CpuPerRequest => run.server.as_ref()?.cpu_seconds() / run.replies as f64,
            Figure::UserPerRequest => run.server.as_ref()?.user_seconds / run.replies as f64,
            Figure::SystemPerRequest => run.server.as_ref()?.system_seconds / run.replies as f64,
            Figure::CpuPerGigabyte => run.server.as_ref()?.cpu_seconds() / (run.reply_bytes as f64 / 1e9),
            Figure::MemoryAtRest => run.server.as_ref()?.memory_at_rest? as f64,
            Figure::MemoryPerConnection => memory_per_connection(run)?,
            Figure::MemoryPeak => run.server.as_ref()?.memory_peak? as f64,
            Figure::Threads => run.server.as_ref()?.threads.into(),
            Figure::Processes => run.server.as_ref()?.processes.into(),
            Figure::SwitchesPerRequest => {
                let server = run.server.as_ref()?;
                (server.voluntary_switches? + server.involuntary_switches?) as f64 / run.replies as f64
            }
            Figure::SystemCallsPerRequest => run.server.as_ref()?.system_calls_per_request?,
            Figure::GeneratorBusy => run.generator.busy,
            Figure::LagP99 => seconds(run.generator.lag.as_ref()?, 0.99)?,
        };
        // Without replies, there are no figures per reply.
        value.is_finite().then_some(value)
    }

    /// Whether a run's value may be judged. The server's own use of the machine is counted exactly even if its load was in
    /// doubt; but its cost per request changes if requests arrive in bursts.
    fn is_sound_in(self, run: &Run) -> bool {
        match run.doubt_cause {
            _ if run.doubt.is_none() => true,
            Some(Cause::Generator | Cause::Disturbance) => self.is_need() || self.is_size(),
            Some(Cause::HeavyDisturbance) => self.is_size(),
            Some(Cause::Server) | None => false,
        }
    }

    /// Whether it's the server's cost of a request or a byte, which doesn't depend on its speed.
    fn is_need(self) -> bool {
        matches!(
            self,
            Figure::CpuPerRequest
                | Figure::UserPerRequest
                | Figure::SystemPerRequest
                | Figure::CpuPerGigabyte
                | Figure::SystemCallsPerRequest
        )
    }

    /// Whether it's the server's size: its memory, threads and processes.
    fn is_size(self) -> bool {
        matches!(
            self,
            Figure::MemoryAtRest
                | Figure::MemoryPerConnection
                | Figure::MemoryPeak
                | Figure::Threads
                | Figure::Processes
        )
    }

    /// Whether it's a time that clients wait.
    pub fn is_latency(self) -> bool {
        matches!(
            self,
            Figure::LatencyP50
                | Figure::LatencyP90
                | Figure::LatencyP99
                | Figure::LatencyP999
                | Figure::LatencyMax
                | Figure::ServiceP50
                | Figure::ServiceP99
        )
    }

    /// Whether more of it is better.
    pub fn more_is_better(self) -> bool {
        matches!(self, Figure::RequestsPerSecond | Figure::BytesPerSecond)
    }

    /// Whether it depends on the server: at a given rate, the number of replies doesn't.
    fn compares_at(self, point: &Point) -> bool {
        !point.pace.is_open() || !matches!(self, Figure::RequestsPerSecond | Figure::BytesPerSecond)
    }
}

fn seconds(histogram: &Histogram, q: f64) -> Option<f64> {
    histogram.quantile(q).map(|nanoseconds| nanoseconds as f64 / 1e9)
}

/// Memory may have shrunk in the meantime; that counts as zero.
fn memory_per_connection(run: &Run) -> Option<f64> {
    let server = run.server.as_ref()?;
    let connections = f64::from(run.point.connections) + f64::from(run.point.idle);
    Some(server.memory_connected?.saturating_sub(server.memory_at_rest?) as f64 / connections)
}
