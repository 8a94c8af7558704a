//! The section on objectives: the highest rates at which servers keep them, from the results of searches, not their
//! trials.

use super::super::results::{Kept, Point, Results};
use super::super::stats::Spread;
use super::super::summary::{Axis, Figure, told_once};
use super::grid::{Cell, Grid};
use super::section::{Section, doubtful};
use super::words;

/// Creates a section for each objective and its request, in the order of the searches.
pub fn sections(all: &[Results]) -> Vec<Section> {
    let mut searches = Vec::<Searches<'_>>::new();
    for results in all {
        for kept in &results.kept {
            let title = title(kept, results);
            let index = searches.iter().position(|other| other.title == title).unwrap_or_else(|| {
                let axis = Axis::of_workload(kept.point.workload);
                searches.push(Searches { title, axis, rows: Vec::new() });
                searches.len() - 1
            });
            searches[index].add(kept, kept.doubt(&results.runs));
        }
    }
    searches.into_iter().map(Searches::section).collect()
}

fn title(kept: &Kept, results: &Results) -> String {
    let Kept { point, objective, .. } = kept;
    let work = words::work(Axis::of_workload(point.workload), point);
    let pace = kept.trials(&results.runs).next().map_or("open loop", |run| words::pace(run.point.pace));
    format!("highest rate that keeps {objective}: {work}, {pace}")
}

/// Searches at points that differ in one number.
struct Searches<'a> {
    title: String,
    axis: Axis,
    rows: Vec<SearchRow<'a>>,
}

/// Searches for one server at one point, in all rounds.
struct SearchRow<'a> {
    name: &'a str,
    point: &'a Point,
    /// The rates found, in requests a second, one per round.
    rates: Vec<f64>,
    doubts: Vec<&'a str>,
}

impl<'a> Searches<'a> {
    fn add(&mut self, kept: &'a Kept, doubt: Option<&'a str>) {
        let rate = kept.rate_per_second.unwrap_or(0.0);
        match self.rows.iter_mut().find(|row| row.name == kept.subject && *row.point == kept.point) {
            Some(row) => {
                row.rates.push(rate);
                row.doubts.extend(doubt);
            }
            None => {
                let doubts = doubt.into_iter().collect();
                self.rows.push(SearchRow { name: &kept.subject, point: &kept.point, rates: vec![rate], doubts });
            }
        }
    }

    fn section(self) -> Section {
        let Searches { title, axis, mut rows } = self;
        // Servers stay in the order of their turns.
        rows.sort_by(|a, b| axis.of(a.point).total_cmp(&axis.of(b.point)));
        let rounds = rows.iter().map(|row| row.rates.len()).max().unwrap_or(0);
        let mut grid = Grid::new(format!("Highest rate (median of {})", words::counted(rounds as u64, "round")));
        grid.key(axis.title(), true, rows.iter().map(|row| words::grouped(axis.of(row.point) as u64).into()).collect());
        grid.key("server", false, rows.iter().map(SearchRow::server).collect());
        let spreads = || rows.iter().map(|row| Spread::of(row.rates.iter().copied()));
        let median = |spread: Spread| FIGURE.show(spread.median).into();
        grid.column(FIGURE.title(), true, spreads().map(|spread| spread.map(median).unwrap_or_default()).collect());
        let range = |spread: Spread| words::range(FIGURE, spread).into();
        grid.column("lowest–highest", true, spreads().map(|spread| spread.map(range).unwrap_or_default()).collect());
        let doubts = rows.iter().flat_map(|row| {
            let at = format!("{}, {}", row.name, words::point(axis, row.point));
            told_once(row.doubts.iter().copied()).into_iter().map(move |why| format!("{at}: {why}"))
        });
        Section { title, verdicts: Vec::new(), doubts: doubts.collect(), grids: vec![grid] }
    }
}

impl SearchRow<'_> {
    fn server(&self) -> Cell {
        match self.doubts.is_empty() {
            true => self.name.into(),
            false => doubtful(self.name),
        }
    }
}

/// The figure that formats rates.
const FIGURE: Figure = Figure::RequestsPerSecond;
