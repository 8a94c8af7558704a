//! The order of measurements: every server at every point, in turn, so that changes over time affect all of them.

use super::raw::Exchange;
use super::results::{Pace, Point, Run, Schedule, Workload};
use super::stats::Spread;

/// The share of the lowest throughput at which latencies are compared: high enough to distinguish servers, and low
/// enough for all of them to keep up.
pub const LATENCY_LOAD: f64 = 0.7;

/// A measurement to make: of this subject, in this round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The subject's number, from 0, in the order given.
    pub subject: usize,
    /// The round, from 1.
    pub round: u32,
}

/// The measurements at one point: all subjects, then all again, so that neighbours can be paired.
pub fn turns(subjects: usize, rounds: u32) -> impl Iterator<Item = Turn> {
    (1..=rounds).flat_map(move |round| (0..subjects).map(move |subject| Turn { subject, round }))
}

/// The number of consecutive disturbed rounds, beyond the planned ones, after which no further round is measured.
const IN_VAIN_MAX: u32 = 2;

/// The number of the next round at `point` beyond the `planned` ones, if there is to be another.
///
/// A round that was disturbed is measured again, so that there are as many others as planned. But there are at most half
/// as many rounds more, and none after `IN_VAIN_MAX` of them were disturbed in a row: a lasting disturbance would
/// affect the next round, too.
pub fn another_round(runs: &[Run], point: &Point, planned: u32) -> Option<u32> {
    let is_disturbed =
        |round: u32| runs.iter().any(|run| run.point == *point && run.round == round && run.is_disturbed());
    let made = runs.iter().filter(|run| run.point == *point).map(|run| run.round).max()?;
    let further = made.saturating_sub(planned);
    let missing = (1..=made).filter(|&round| is_disturbed(round)).count() > further as usize;
    let in_vain = further >= IN_VAIN_MAX && (made + 1 - IN_VAIN_MAX..=made).all(is_disturbed);
    (missing && !in_vain && further < planned / 2).then_some(made + 1)
}

/// The workloads, sizes and numbers to combine.
#[derive(Clone, Debug)]
pub struct Grid {
    /// In the order requested.
    pub workloads: Vec<Workload>,
    /// Busy connections.
    pub connections: Vec<u32>,
    /// Silent connections beside them; if empty, the workload's default.
    pub idle: Vec<u32>,
    /// Message sizes in bytes; if empty, the workload's default.
    pub sizes: Vec<u64>,
    /// Requests in flight at once.
    pub depths: Vec<u32>,
    /// The requests and replies of the workload `raw`.
    pub exchange: Option<Exchange>,
}

/// The silent connections of the `idle` workload.
const IDLE: [u32; 3] = [0, 100, 1000];

impl Grid {
    /// All its points, in the closed loop.
    pub fn points(&self) -> Vec<Point> {
        let mut points = Vec::new();
        for &workload in &self.workloads {
            let idle = match (self.idle.as_slice(), workload) {
                ([], Workload::Idle) => IDLE.to_vec(),
                ([], _) => vec![0],
                (given, _) => given.to_vec(),
            };
            let sizes = match (self.sizes.as_slice(), workload) {
                (_, Workload::Raw) => {
                    vec![self.exchange.as_ref().map_or(0, |exchange| exchange.request(0).len() as u64)]
                }
                ([], workload) => vec![super::meet::size_by_default(workload)],
                (_, Workload::Connect) => vec![0],
                (given, _) => given.to_vec(),
            };
            let request = match workload {
                Workload::Raw => self.exchange.as_ref().map(Exchange::name),
                Workload::Echo
                | Workload::App
                | Workload::AppClose
                | Workload::Connect
                | Workload::Idle
                | Workload::Stream
                | Workload::Slow => None,
            };
            // A connection used for a single request has only one in flight.
            let depths = match workload {
                Workload::AppClose | Workload::Connect => vec![1],
                Workload::Echo | Workload::App | Workload::Idle | Workload::Stream | Workload::Slow | Workload::Raw => {
                    self.depths.clone()
                }
            };
            for &size in &sizes {
                for &depth in &depths {
                    for &connections in &self.connections {
                        for &idle in &idle {
                            let request = request.clone();
                            points.push(Point {
                                workload,
                                connections,
                                idle,
                                size,
                                request,
                                depth,
                                pace: Pace::Closed,
                            });
                        }
                    }
                }
            }
        }
        points
    }
}

/// The rate at which latencies are compared at `point`: a share of the lowest of the subjects' median throughputs in
/// the closed loop there. Servers without replies don't count.
pub fn latency_rate(runs: &[Run], point: &Point) -> Option<f64> {
    let mut names: Vec<&str> = runs.iter().map(|run| run.subject.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let medians = names.into_iter().filter_map(|name| throughput(runs, name, point));
    medians.min_by(f64::total_cmp).map(|lowest| round(lowest * LATENCY_LOAD))
}

/// The median throughput of a subject at `point`, in replies a second, in the undisturbed rounds if there are any.
pub fn throughput(runs: &[Run], subject: &str, point: &Point) -> Option<f64> {
    let rate = |run: &Run| run.replies as f64 / run.seconds;
    let of_it = || runs.iter().filter(|run| run.subject == subject && run.point == *point && run.seconds > 0.0);
    let undisturbed = Spread::of(of_it().filter(|run| !run.is_disturbed()).map(rate).filter(|&rate| rate > 0.0));
    let spread = undisturbed.or_else(|| Spread::of(of_it().map(rate).filter(|&rate| rate > 0.0)));
    spread.map(|spread| spread.median)
}

/// The same point with requests due at `rate`.
pub fn at_rate(point: &Point, rate: f64, schedule: Schedule) -> Point {
    Point { pace: Pace::Open { rate_per_second: rate, schedule }, ..point.clone() }
}

/// Rounds a rate to three digits.
fn round(rate: f64) -> f64 {
    let unit = 10f64.powf((rate.log10() - 2.0).floor());
    (rate / unit).round() * unit
}
