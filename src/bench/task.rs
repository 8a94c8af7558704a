//! Tasks: the same requests in the closed and the open loop, and the loop that each figure comes from.

use super::results::Point;
use super::summary::{Axis, Comparison, Figure, Group, Row, Summary};

/// One task, in both loops.
#[derive(Debug)]
pub struct Task<'s, 'a> {
    /// The groups of its points.
    pub groups: Vec<&'s Group<'a>>,
}

/// All tasks, in the order of their first measurements.
pub fn tasks<'s, 'a>(summary: &'s Summary<'a>) -> Vec<Task<'s, 'a>> {
    let mut tasks = Vec::<Task<'s, 'a>>::new();
    for group in &summary.groups {
        match tasks.iter_mut().find(|task| is_same(task.point(), group.rows[0].point)) {
            Some(task) => task.groups.push(group),
            None => tasks.push(Task { groups: vec![group] }),
        }
    }
    tasks
}

/// Whether two points belong to one task: they differ at most in how many connections there are, and in the timing.
fn is_same(a: &Point, b: &Point) -> bool {
    let has_same_rest = match Axis::of_workload(a.workload) {
        Axis::Connections | Axis::Rate => a.idle == b.idle,
        Axis::Idle => a.connections == b.connections,
    };
    has_same_rest && a.workload == b.workload && a.size == b.size && a.request == b.request && a.depth == b.depth
}

impl<'s, 'a> Task<'s, 'a> {
    /// One of its points.
    pub fn point(&self) -> &'a Point {
        self.groups[0].rows[0].point
    }

    /// Whether `group` is one of its groups, and it has both loops.
    pub fn has_both(&self, group: &Group<'_>) -> bool {
        let is_open = |wanted| self.groups.iter().any(|group| group.is_open() == wanted);
        self.has(group.rows[0].point) && is_open(true) && is_open(false)
    }

    /// Whether `point` belongs to it.
    pub fn has(&self, point: &Point) -> bool {
        is_same(self.point(), point)
    }

    /// The groups that a figure comes from. Latencies come from the open loop, if there is one; throughput and resource
    /// use come from the closed loop, if there is one.
    pub fn groups_of(&self, figure: Figure) -> impl Iterator<Item = &'s Group<'a>> {
        let is_preferred = move |group: &Group<'_>| group.is_open() == figure.is_latency();
        let any = self.groups.iter().any(|group| is_preferred(group));
        self.groups.iter().copied().filter(move |group| !any || is_preferred(group))
    }

    /// A server's rows with a figure.
    pub fn rows_of(&self, figure: Figure, subject: usize) -> impl Iterator<Item = (&'s Group<'a>, &'s Row<'a>)> {
        let rows = self.groups_of(figure).flat_map(|group| group.rows.iter().map(move |row| (group, row)));
        rows.filter(move |(_, row)| row.subject == subject && row.spread(figure).is_some())
    }

    /// A server's comparisons in a figure, at all points.
    pub fn comparisons(&self, figure: Figure, subject: usize) -> Vec<(Axis, &'a Point, Comparison)> {
        let compared =
            |(group, row): (&'s Group<'a>, &'s Row<'a>)| Some((group.axis, row.point, group.compare(row, figure)?));
        self.rows_of(figure, subject).filter_map(compared).collect()
    }

    /// The figures that answer which server is better: processor time, and the latency at a given load. Throughput
    /// stands in for either, since on one processor it follows from the processor time.
    pub fn answers(&self) -> Vec<Figure> {
        let has = |figure| {
            let is_open = move |group: &&Group<'_>| figure != Figure::LatencyP99 || group.is_open();
            self.groups_of(figure)
                .filter(is_open)
                .any(|group| group.rows.iter().any(|row| row.spread(figure).is_some()))
        };
        let mut figures: Vec<Figure> =
            [Figure::CpuPerRequest, Figure::LatencyP99].into_iter().filter(|&figure| has(figure)).collect();
        if figures.len() < 2 && self.groups.iter().any(|group| !group.is_open()) {
            figures.insert(
                figures.iter().filter(|&&figure| figure == Figure::CpuPerRequest).count(),
                Figure::RequestsPerSecond,
            );
        }
        figures
    }
}
