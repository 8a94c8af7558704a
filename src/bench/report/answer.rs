//! The answer of a report: a sentence for each server, and the small table behind it.

use std::collections::BTreeSet;

use super::super::results::{Pace, Point, Results};
use super::super::stats::{Difference, Ratio, Spread};
use super::super::summary::{Axis, Comparison, Figure, Row, Server, Summary};
use super::super::task::{Task, tasks};
use super::grid::{Cell, DOUBT, Grid, Mark};
use super::{objectives, words};

/// The answer for one task.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The task, if there are several.
    pub title: Option<String>,
    /// A sentence for each server.
    pub sentences: Vec<Sentence>,
    /// The main figures.
    pub grid: Grid,
}

/// A sentence about a server.
#[derive(Clone, Debug)]
pub struct Sentence {
    /// The server's name.
    pub server: String,
    /// How it compares, or its figures if it isn't compared.
    pub said: String,
}

/// Creates an answer for each task.
pub fn answers(all: &[Results], summary: &Summary<'_>) -> Vec<Answer> {
    let tasks = tasks(summary);
    let has_several = tasks.len() > 1;
    let answer = |task: &Task<'_, '_>| {
        let title = words::work(Axis::of_workload(task.point().workload), task.point());
        let sentences = summary.servers.iter().enumerate().filter_map(|(subject, server)| {
            Some(Sentence { server: heading(server, summary), said: said(task, subject, all, summary)? })
        });
        Answer { title: has_several.then_some(title), sentences: sentences.collect(), grid: grid(task, all, summary) }
    };
    tasks.iter().map(answer).collect()
}

/// The server's name. The file is left out if there are only two, and the sentence names the other one.
fn heading(server: &Server<'_>, summary: &Summary<'_>) -> String {
    let files: BTreeSet<&str> = summary.servers.iter().map(|server| server.file).collect();
    let is_beside_counterpart = summary.baseline_of(server).is_some_and(|baseline| server.is_counterpart_of(baseline));
    if is_beside_counterpart && files.len() == 2 { server.own_name.into() } else { server.name.into() }
}

fn said(task: &Task<'_, '_>, subject: usize, all: &[Results], summary: &Summary<'_>) -> Option<String> {
    let server = &summary.servers[subject];
    let kept = objectives::kept(all, task, server.name);
    let parts = match summary.baseline_of(server) {
        Some(baseline) => compared(task, subject, server.name_beside(baseline)),
        // Its figures are in the comparison of the other file's server.
        None if summary
            .servers
            .iter()
            .any(|other| other.baseline == Some(subject) && other.is_counterpart_of(server)) =>
        {
            Vec::new()
        }
        None => figures(task, subject),
    };
    let between = if parts.iter().any(|part| part.contains(" at ")) { "; " } else { ", " };
    let said = parts.into_iter().chain(kept).collect::<Vec<_>>().join(between);
    (!said.is_empty()).then_some(said)
}

/// The figures of a server by itself.
fn figures(task: &Task<'_, '_>, subject: usize) -> Vec<String> {
    let mut figures = task.answers();
    if !figures.contains(&Figure::RequestsPerSecond) && task.groups.iter().any(|group| !group.is_open()) {
        figures.push(Figure::RequestsPerSecond);
    }
    let figure = |figure: Figure| {
        let medians = task.rows_of(figure, subject).filter_map(|(_, row)| Some(row.spread(figure)?.median));
        let range = words::range(figure, Spread::of(medians)?);
        let is_doubtful = task.rows_of(figure, subject).any(|(_, row)| row.is_doubtful(figure));
        let doubt = if is_doubtful { format!(" (in doubt {DOUBT})") } else { String::new() };
        Some(match figure {
            Figure::LatencyP99 => format!("p99 {range}{doubt}"),
            other => format!("{range} {}{doubt}", name(other)),
        })
    };
    figures.into_iter().filter_map(figure).collect()
}

/// How a server compares with another, in each figure.
fn compared(task: &Task<'_, '_>, subject: usize, baseline: &str) -> Vec<String> {
    let mut has_named_baseline = false;
    let mut parts = Vec::new();
    for figure in task.answers() {
        if task.rows_of(figure, subject).next().is_none() {
            continue;
        }
        let comparisons = task.comparisons(figure, subject);
        if comparisons.is_empty() {
            parts.push(format!("{} not compared (measured at different points)", name(figure)));
            continue;
        }
        let mut verdicts = Vec::<(Option<Difference>, Vec<_>)>::new();
        for comparison in comparisons {
            match verdicts.iter_mut().find(|(verdict, _)| *verdict == comparison.2.verdict) {
                Some((_, same)) => same.push(comparison),
                None => verdicts.push((comparison.2.verdict, vec![comparison])),
            }
        }
        let has_several = verdicts.len() > 1;
        let clauses = verdicts.iter().enumerate().map(|(index, (verdict, same))| {
            let at = if has_several { format!(" at {}", points(same)) } else { String::new() };
            let ratios: Vec<Ratio> = same.iter().map(|(_, _, comparison)| comparison.ratio).collect();
            let is_a_difference = matches!(verdict, Some(Difference::Higher | Difference::Lower | Difference::Unknown));
            let other = if is_a_difference && !has_named_baseline { Some(baseline) } else { None };
            has_named_baseline |= is_a_difference;
            clause(figure, *verdict, &ratios, (index == 0).then(|| name(figure)), other, &at)
        });
        parts.push(clauses.collect::<Vec<_>>().join(", "));
    }
    if let (false, Some(last)) = (has_named_baseline, parts.last_mut()) {
        last.push_str(&format!(", compared with {baseline}"));
    }
    parts
}

/// Formats one verdict. The `name` of the figure and the `baseline` are missing if an earlier clause has them.
fn clause(
    figure: Figure,
    verdict: Option<Difference>,
    ratios: &[Ratio],
    name: Option<&str>,
    baseline: Option<&str>,
    at: &str,
) -> String {
    let values = Spread::of(ratios.iter().map(|ratio| ratio.value));
    let (min, max) = values.map_or((1.0, 1.0), |values| (values.min, values.max));
    let intervals = || ratios.iter().filter_map(|ratio| ratio.interval);
    let low = intervals().map(|interval| interval.0).reduce(f64::min);
    let high = intervals().map(|interval| interval.1).reduce(f64::max);
    let interval = low.zip(high).map(|interval| format!(" ({} ×)", words::factors(interval))).unwrap_or_default();
    let subject = name.map(|name| format!("{name} ")).unwrap_or_default();
    let object = name.map(|name| format!(" {name}")).unwrap_or_default();
    let than = baseline.map(|baseline| format!(" than {baseline}")).unwrap_or_default();
    let (less, more, ..) = figure.in_words();
    match verdict {
        None => format!("{subject}in doubt {DOUBT}{at}"),
        Some(Difference::Negligible) => format!("{subject}no difference{at}"),
        Some(Difference::NotShown) => format!("{subject}no difference shown{at}"),
        Some(Difference::Lower) => {
            let percent = words::percents(100.0 * (1.0 - max), 100.0 * (1.0 - min));
            format!("{percent} {less}{object}{than}{at}{interval}")
        }
        Some(Difference::Higher) if max < 2.0 => {
            let percent = words::percents(100.0 * (min - 1.0), 100.0 * (max - 1.0));
            format!("{percent} {more}{object}{than}{at}{interval}")
        }
        Some(Difference::Higher | Difference::Unknown) => {
            let of = baseline.map(|baseline| format!(" of {baseline}")).unwrap_or_default();
            let the = name.map(|name| format!(" the {name}")).unwrap_or_default();
            let few = if verdict == Some(Difference::Unknown) { " (too few rounds for a verdict)" } else { "" };
            format!("{} times{the}{of}{at}{interval}{few}", words::factors((min, max)))
        }
    }
}

/// The points of some comparisons, in words.
fn points(compared: &[(Axis, &Point, Comparison)]) -> String {
    let axis = compared[0].0;
    let mut numbers: Vec<String> = Vec::new();
    for (axis, point, _) in compared {
        let number = words::number(*axis, point);
        if !numbers.contains(&number) {
            numbers.push(number);
        }
    }
    let is_one = numbers == ["1"];
    let last = numbers.pop().unwrap_or_default();
    let all = if numbers.is_empty() { last } else { format!("{} and {last}", numbers.join(", ")) };
    match axis {
        Axis::Rate => format!("{all} requests/s"),
        Axis::Connections | Axis::Idle if is_one => format!("{all} {}", axis.title().trim_end_matches('s')),
        Axis::Connections | Axis::Idle => format!("{all} {}", axis.title()),
    }
}

/// The short name of a figure in a sentence.
fn name(figure: Figure) -> &'static str {
    match figure {
        Figure::LatencyP99 => "p99",
        other => other.in_words().2,
    }
}

/// A row of the small table.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Key {
    /// The number of connections, or of idle ones.
    at: f64,
    /// The rate, if the server was measured at several.
    rate: Option<f64>,
    /// The server that it's compared with, so that both are next to each other.
    baseline: usize,
    subject: usize,
}

fn grid(task: &Task<'_, '_>, all: &[Results], summary: &Summary<'_>) -> Grid {
    let axis = Axis::of_workload(task.point().workload);
    let keys = keys(task, axis);
    let mut grid = Grid::new(title(task));
    let points = keys.iter().map(|key| words::Grouped(key.at as u64).to_string().into());
    grid.key(if axis == Axis::Idle { "idle" } else { "conn." }, true, points.collect());
    if keys.iter().any(|key| key.rate.is_some()) {
        let rate = |rate: f64| words::Unit::PerSecond.show(rate).into();
        grid.key("due/s", true, keys.iter().map(|key| key.rate.map(rate).unwrap_or_default()).collect());
    }
    grid.key("server", false, keys.iter().map(|key| summary.servers[key.subject].name.into()).collect());
    let objectives = objectives::highest(all, task);
    for (figure, title) in [
        (Figure::RequestsPerSecond, "requests/s"),
        (Figure::CpuPerRequest, "CPU/request"),
        (Figure::LatencyP99, "p99"),
        (Figure::MemoryPerConnection, "memory/conn."),
    ] {
        // An objective is more meaningful than latencies of the closed loop.
        if figure == Figure::LatencyP99 && !objectives.is_empty() && task.groups.iter().all(|group| !group.is_open()) {
            continue;
        }
        grid.column(title, true, keys.iter().map(|key| cell(task, axis, figure, *key)).collect());
    }
    for (objective, rates) in objectives {
        let rate = |key: &Key| {
            let found = rates.iter().find(|(name, at, _)| (*name, *at) == (summary.servers[key.subject].name, key.at));
            found.map(|(_, _, rate)| Figure::RequestsPerSecond.show(*rate).into()).unwrap_or_default()
        };
        grid.column(&format!("{objective} up to"), true, keys.iter().map(rate).collect());
    }
    grid.explained(summary.baseline_name())
}

fn keys(task: &Task<'_, '_>, axis: Axis) -> Vec<Key> {
    let rows = || task.groups.iter().flat_map(|group| &group.rows);
    let mut keys = Vec::new();
    for row in rows() {
        let at = axis.of(row.point);
        let is_beside = |other: &&Row<'_>| other.subject == row.subject && axis.of(other.point) == at;
        let rates = rows().filter(is_beside).filter_map(rate).fold(Vec::new(), |mut rates, rate| {
            if !rates.contains(&rate) {
                rates.push(rate);
            }
            rates
        });
        let rate = rate(row).filter(|_| rates.len() > 1);
        let key = Key { at, rate, baseline: row.baseline.unwrap_or(row.subject), subject: row.subject };
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys.sort_by(|a, b| {
        let rates = a.rate.unwrap_or(0.0).total_cmp(&b.rate.unwrap_or(0.0));
        a.at.total_cmp(&b.at).then(rates).then((a.baseline, a.subject).cmp(&(b.baseline, b.subject)))
    });
    keys
}

fn rate(row: &Row<'_>) -> Option<f64> {
    match row.point.pace {
        Pace::Open { rate_per_second, .. } => Some(rate_per_second),
        Pace::Closed => None,
    }
}

fn cell(task: &Task<'_, '_>, axis: Axis, figure: Figure, key: Key) -> Cell {
    let mut found = task
        .rows_of(figure, key.subject)
        .filter(|(_, row)| axis.of(row.point) == key.at && (key.rate.is_none() || rate(row) == key.rate));
    let (Some((group, row)), None) = (found.next(), found.next()) else { return Cell::default() };
    let Some(spread) = row.spread(figure) else { return Cell::default() };
    let text = figure.show(spread.median);
    match row.is_doubtful(figure) {
        true => Cell { text: format!("{text} {DOUBT}"), mark: Mark::Doubt },
        false => {
            let compared = group.compare(row, figure).filter(|compared| compared.verdict.is_some());
            Cell { text, mark: compared.map_or(Mark::None, |compared| words::mark(figure, &compared)) }
        }
    }
}

/// The title of the table: the number of rounds, and the loop that each figure comes from.
fn title(task: &Task<'_, '_>) -> String {
    let rounds = |figure| {
        let rows = task.groups_of(figure).flat_map(|group| &group.rows);
        rows.map(|row| row.judged(figure).count()).max().unwrap_or(0)
    };
    let rounds = rounds(Figure::CpuPerRequest).max(rounds(Figure::LatencyP99));
    let rows = || task.groups.iter().flat_map(|group| &group.rows);
    let rates = Spread::of(rows().filter_map(rate));
    let open = rates.map(|rates| format!("open loop at {} requests/s", words::range(Figure::RequestsPerSecond, rates)));
    let has_closed = task.groups.iter().any(|group| !group.is_open());
    let loops = match (open, has_closed) {
        (Some(open), true) => format!("p99 from the {open}, the rest from the closed loop"),
        (Some(open), false) => open,
        (None, _) => "closed loop".into(),
    };
    format!("Median of {}; {loops}", words::counted(rounds as u64, "round"))
}
