//! The section on objectives: the highest rates at which servers keep them, from the results of searches, not their
//! trials.

use super::super::results::{Kept, Point, Results};
use super::super::stats::Spread;
use super::super::summary::{Axis, Figure, told_once};
use super::super::task::Task;
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

/// How far a server kept each objective of a task, in words.
pub fn kept(all: &[Results], task: &Task<'_, '_>, server: &str) -> Vec<String> {
    let said = |(objective, rates): (&str, Vec<Highest<'_>>)| {
        let own = rates.iter().filter(|(name, ..)| *name == server).map(|(_, _, rate)| *rate);
        let spread = Spread::of(own)?;
        Some(match spread.max {
            0.0 => format!("{objective} at no rate that was tried"),
            _ => format!("{objective} up to {} requests/s", words::range(FIGURE, spread)),
        })
    };
    highest(all, task).into_iter().filter_map(said).collect()
}

/// A server, a number of connections, and the highest rate that keeps an objective, the median of the rounds.
pub type Highest<'a> = (&'a str, f64, f64);

/// The highest rates that keep each objective of a task.
pub fn highest<'a>(all: &'a [Results], task: &Task<'_, '_>) -> Vec<(&'a str, Vec<Highest<'a>>)> {
    let mut objectives = Vec::<(&str, Vec<Highest<'_>>)>::new();
    let kept = || all.iter().flat_map(|results| &results.kept).filter(|kept| task.has(&kept.point));
    for Kept { subject, point, objective, .. } in kept() {
        let at = Axis::of_workload(point.workload).of(point);
        let index = objectives.iter().position(|(other, _)| *other == objective.as_str()).unwrap_or_else(|| {
            objectives.push((objective.as_str(), Vec::new()));
            objectives.len() - 1
        });
        let rows = &mut objectives[index].1;
        if rows.iter().any(|(name, other, _)| (*name, *other) == (subject.as_str(), at)) {
            continue;
        }
        let same =
            kept().filter(|kept| kept.subject == *subject && kept.point == *point && kept.objective == *objective);
        let median =
            Spread::of(same.map(|kept| kept.rate_per_second.unwrap_or(0.0))).map_or(0.0, |spread| spread.median);
        rows.push((subject.as_str(), at, median));
    }
    objectives
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
        grid.key(
            axis.title(),
            true,
            rows.iter().map(|row| words::Grouped(axis.of(row.point) as u64).to_string().into()).collect(),
        );
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
        Section { title, verdicts: Vec::new(), doubts: doubts.collect(), grids: vec![grid.explained(None)] }
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
