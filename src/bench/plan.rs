//! What is measured when: every server at every point, in turn, so that what changes with time changes for all of them.

use super::results::{Pace, Point, Run, Schedule, Workload};
use super::stats::Spread;

/// The part of the lowest throughput at which latencies are compared: high enough to tell servers apart, and low enough
/// for all of them to keep up.
pub const LATENCY_LOAD: f64 = 0.7;

/// A measurement that is to be made: of the subject of this number, in this round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// From 0, in the order in which they were named.
    pub subject: usize,
    /// From 1.
    pub round: u32,
}

/// The measurements at one point: all subjects, then all again, so that neighbours can be paired.
pub fn turns(subjects: usize, rounds: u32) -> impl Iterator<Item = Turn> {
    (1..=rounds).flat_map(move |round| (0..subjects).map(move |subject| Turn { subject, round }))
}

/// The workloads, sizes and numbers to be combined.
#[derive(Clone, Debug)]
pub struct Grid {
    /// In the order asked for.
    pub workloads: Vec<Workload>,
    /// Busy connections.
    pub connections: Vec<u32>,
    /// Silent ones beside them; if none are given, what fits the workload.
    pub idle: Vec<u32>,
    /// Bytes; if none are given, what fits the workload.
    pub sizes: Vec<u64>,
    /// Requests on their way at once.
    pub depths: Vec<u32>,
}

/// Silent connections of the workload that is about them.
const IDLE: [u32; 3] = [0, 100, 1000];

impl Grid {
    /// Every point of it, in the closed loop.
    pub fn points(&self) -> Vec<Point> {
        let mut points = Vec::new();
        for &workload in &self.workloads {
            let idle = match (self.idle.as_slice(), workload) {
                ([], Workload::Idle) => IDLE.to_vec(),
                ([], _) => vec![0],
                (given, _) => given.to_vec(),
            };
            let sizes = match (self.sizes.as_slice(), workload) {
                ([], workload) => vec![super::meet::size_by_default(workload)],
                (_, Workload::Connect) => vec![0],
                (given, _) => given.to_vec(),
            };
            // There is one request on a connection that serves for no more.
            let depths = match workload {
                Workload::AppClose | Workload::Connect => vec![1],
                Workload::Echo | Workload::App | Workload::Idle | Workload::Stream | Workload::Slow => {
                    self.depths.clone()
                }
            };
            for &size in &sizes {
                for &depth in &depths {
                    for &connections in &self.connections {
                        for &idle in &idle {
                            points.push(Point { workload, connections, idle, size, depth, pace: Pace::Closed });
                        }
                    }
                }
            }
        }
        points
    }
}

/// The rate at which latencies are compared at `point`, from what was measured there in the closed loop: a part of the
/// lowest of the subjects' medians. Those that answer nobody don't count.
pub fn latency_rate(runs: &[Run], point: &Point) -> Option<f64> {
    let mut names: Vec<&str> = runs.iter().map(|run| run.subject.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let medians = names.into_iter().filter_map(|name| throughput(runs, name, point));
    medians.min_by(f64::total_cmp).map(|lowest| round(lowest * LATENCY_LOAD))
}

/// The median of a subject's throughput at `point`, in replies a second.
pub fn throughput(runs: &[Run], subject: &str, point: &Point) -> Option<f64> {
    let rate = |run: &Run| run.replies as f64 / run.seconds;
    let of_it = runs.iter().filter(|run| run.subject == subject && run.point == *point && run.seconds > 0.0);
    let rates = of_it.map(rate).filter(|&rate| rate > 0.0);
    Spread::of(rates).map(|spread| spread.median)
}

/// The same point with requests due at `rate`.
pub fn at_rate(point: &Point, rate: f64, schedule: Schedule) -> Point {
    Point { pace: Pace::Open { rate_per_second: rate, schedule }, ..point.clone() }
}

/// A rate that people can read: three digits of it.
fn round(rate: f64) -> f64 {
    let unit = 10f64.powf((rate.log10() - 2.0).floor());
    (rate / unit).round() * unit
}
