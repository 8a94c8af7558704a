//! Results in rows: one server at one point, over all rounds; grouped by what fits in one plot.

use std::collections::{BTreeMap, BTreeSet};

use super::results::{Histogram, Pace, Point, Results, Run, Schedule, Subject, Workload};
use super::stats::{Difference, Ratio, Spread, differences};

/// One or more [`Results`] in rows, without trials, each of which has its own rate.
#[derive(Debug)]
pub struct Summary<'a> {
    /// All servers; the others are compared with the first.
    pub subjects: Vec<&'a Subject>,
    /// The rows, grouped by what fits in one plot, in the order of the first measurements.
    pub groups: Vec<Group<'a>>,
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
    /// The server's index in [`Summary::subjects`].
    pub subject: usize,
    /// Its name.
    pub name: &'a str,
    /// The index of its results: only within the same results were servers measured in turns.
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

/// A comparison of a server with the first at the same point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// The ratio to the first.
    pub ratio: Ratio,
    /// The conclusion, unless a run of either is in doubt.
    pub verdict: Option<Difference>,
}

impl<'a> Summary<'a> {
    /// The summary of one call of `bench`, or of several together, whose servers have unique names.
    pub fn of(all: &'a [Results]) -> Summary<'a> {
        let mut subjects = Vec::new();
        let mut rows = Vec::<Row<'a>>::new();
        for (source, results) in all.iter().enumerate() {
            let before = subjects.len();
            subjects.extend(&results.subjects);
            for run in results.runs.iter().filter(|run| !run.is_trial) {
                let found = results.subjects.iter().position(|subject| subject.name == run.subject);
                let Some(subject) = found.map(|index| before + index) else { continue };
                match rows.iter_mut().find(|row| row.subject == subject && *row.point == run.point) {
                    Some(row) => row.runs.push(run),
                    None => {
                        rows.push(Row { subject, name: &run.subject, source, point: &run.point, runs: vec![run] });
                    }
                }
            }
        }
        Summary { subjects, groups: groups(rows) }
    }

    /// The server that the others are compared with.
    pub fn first(&self) -> Option<&'a Subject> {
        self.subjects.first().copied()
    }

    /// All rows.
    pub fn rows(&self) -> impl Iterator<Item = &Row<'a>> {
        self.groups.iter().flat_map(|group| &group.rows)
    }
}

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
        let alike = a.workload == b.workload && a.size == b.size && a.depth == b.depth;
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

    /// The servers that were measured here.
    pub fn subjects(&self) -> BTreeSet<usize> {
        self.rows.iter().map(|row| row.subject).collect()
    }

    /// A server's row at the same point as another's, if there is one.
    fn beside(&self, row: &Row<'_>, subject: usize) -> Option<&Row<'a>> {
        self.rows.iter().find(|other| other.subject == subject && other.point == row.point)
    }

    /// Compares a row with the first server's at the same point. The conclusion takes into account that there are other
    /// points.
    pub fn compare(&self, row: &Row<'_>, figure: Figure) -> Option<Comparison> {
        let ratio = self.ratio(row, figure)?;
        if self.is_doubtful(row) {
            return Some(Comparison { ratio, verdict: None });
        }
        let family = self.rows.iter().filter(|other| other.subject == row.subject && !self.is_doubtful(other));
        let family: Vec<(&Point, Ratio)> =
            family.filter_map(|other| Some((other.point, self.ratio(other, figure)?))).collect();
        let own = family.iter().position(|(point, _)| *point == row.point)?;
        let ratios: Vec<Ratio> = family.into_iter().map(|(_, ratio)| ratio).collect();
        Some(Comparison { ratio, verdict: Some(differences(&ratios)[own]) })
    }

    fn ratio(&self, row: &Row<'_>, figure: Figure) -> Option<Ratio> {
        let first = self.beside(row, 0).filter(|first| first.subject != row.subject)?;
        if !figure.compares_at(row.point) {
            return None;
        }
        match first.source == row.source {
            true => Ratio::paired(row.runs.iter().filter_map(|run| {
                let of_first = first.runs.iter().find(|other| other.round == run.round)?;
                Some((figure.of(run)?, figure.of(of_first)?))
            })),
            false => Ratio::unpaired(row.values(figure), first.values(figure)),
        }
    }

    /// Whether a row, or the one it's compared with, is in doubt.
    fn is_doubtful(&self, row: &Row<'_>) -> bool {
        row.is_doubtful() || self.beside(row, 0).is_some_and(Row::is_doubtful)
    }
}

impl Row<'_> {
    /// A figure over all rounds.
    pub fn spread(&self, figure: Figure) -> Option<Spread> {
        Spread::of(self.values(figure))
    }

    fn values(&self, figure: Figure) -> impl Iterator<Item = f64> {
        self.runs.iter().filter_map(move |run| figure.of(run))
    }

    /// The latencies of all rounds.
    pub fn latency(&self) -> Histogram {
        Histogram::merged(self.runs.iter().map(|run| &run.latency))
    }

    /// The errors in all rounds, by kind.
    pub fn errors(&self) -> BTreeMap<&str, u64> {
        let mut errors = BTreeMap::new();
        for (kind, &count) in self.runs.iter().flat_map(|run| &run.errors) {
            *errors.entry(kind.as_str()).or_default() += count;
        }
        errors
    }

    /// The reasons for which it has no verdict.
    pub fn doubts(&self) -> Vec<&str> {
        told_once(self.runs.iter().filter_map(|run| run.doubt.as_deref()))
    }

    /// Whether the generator was [hardly faster](Run::is_close) in any of its runs.
    pub fn is_close(&self) -> bool {
        self.runs.iter().any(|run| run.is_close())
    }

    /// Whether any of its runs is in doubt.
    pub fn is_doubtful(&self) -> bool {
        self.runs.iter().any(|run| run.doubt.is_some())
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
