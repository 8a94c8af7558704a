//! The plots of results, and their contents.

use super::super::results::{Point, Slice};
use super::super::stats::Spread;
use super::super::summary::{Figure, Group, Row};
use super::grid::{Cell, Grid};
use super::plot::{Axis, Bars, Dot, Drawing, Lines, Series, Stretch, Strips};
use super::words::{self, Unit};

/// A plot, with its descriptions.
#[derive(Debug)]
pub struct Plotted {
    /// An identifier that is unique within its group: `throughput`, `time-2`.
    pub id: String,
    /// A stable name: the plot's subject and the request, in characters that are safe in file names.
    pub name: String,
    /// The plot's subject.
    pub title: String,
    /// The text alternative to the drawing.
    pub description: String,
    /// The caption, which explains how to read the plot.
    pub caption: String,
    /// The plot.
    pub drawing: Drawing,
    /// The plotted values.
    pub grid: Grid,
}

/// Plots of a group's figures over the number in which its points differ.
pub fn over_points(group: &Group<'_>) -> Vec<Plotted> {
    let plots = [
        ("throughput", "Throughput", "requests per second", Figure::RequestsPerSecond),
        ("cpu", "Processor time per request", "server CPU time per request", Figure::CpuPerRequest),
        ("p99", "Latency, 99th percentile,", "99th percentile of the latency", Figure::LatencyP99),
        ("memory", "Memory per connection", "memory per connection", Figure::MemoryPerConnection),
    ];
    let plots = plots.into_iter();
    plots.filter_map(|(id, title, y_title, figure)| by_points(id, title, y_title, figure, group)).collect()
}

/// Plots of the latencies at each point of a group.
pub fn at_points(group: &Group<'_>) -> Vec<Plotted> {
    let points = group.points().into_iter().zip(1..);
    let plots = points.flat_map(|(rows, number)| {
        [percentiles(format!("percentiles-{number}"), group, rows), over_time(format!("time-{number}"), group, rows)]
    });
    plots.flatten().collect()
}

/// Plots a figure by connections, or by another number in which the points differ.
fn by_points(id: &str, title: &str, y_title: &str, figure: Figure, group: &Group<'_>) -> Option<Plotted> {
    let dot = |row: &Row<'_>| {
        let spread = row.spread(figure)?;
        let at = words::point(group.axis, row.point);
        Some(Dot {
            x: group.axis.of(row.point),
            y: spread.median,
            range: (spread.count > 1).then_some((spread.min, spread.max)),
            is_doubtful: row.is_doubtful(figure),
            label: format!("{}, {at}: {}", row.name, figure.show(spread.median)),
        })
    };
    let mut series: Vec<Series> = group
        .subjects()
        .into_iter()
        .filter_map(|subject| {
            let rows: Vec<&Row<'_>> = group.rows.iter().filter(|row| row.subject == subject).collect();
            let dots: Vec<Dot> = rows.iter().filter_map(|row| dot(row)).collect();
            let line = dots.iter().map(|dot| (dot.x, dot.y)).collect();
            (!dots.is_empty()).then(|| Series { style: subject, name: rows[0].name.into(), line, dots })
        })
        .collect();
    let dots = || series.iter().flat_map(|series| &series.dots);
    let mut xs: Vec<f64> = dots().map(|dot| dot.x).collect();
    xs.sort_by(f64::total_cmp);
    xs.dedup();
    let ys: Vec<f64> = dots().flat_map(|dot| dot.range.map_or([dot.y, dot.y], |(low, high)| [low, high])).collect();
    if xs.is_empty() {
        return None;
    }
    let caption = ranges(dots().any(|dot| dot.range.is_some()), dots().any(|dot| dot.is_doubtful));
    let by = group.axis.title();
    let mut grid = Grid::new(format!("{}, median of the rounds", title.trim_end_matches(',')));
    grid.key("server", false, series.iter().map(|series| series.name.as_str().into()).collect());
    for &x in &xs {
        let cells = series.iter().map(|series| {
            let dot = series.dots.iter().find(|dot| dot.x == x);
            dot.map(|dot| figure.show(dot.y).into()).unwrap_or_default()
        });
        grid.column(&Unit::Count.show_short(x), true, cells.collect());
    }
    if xs.len() == 1 {
        let only = group.rows.iter().find(|row| group.axis.of(row.point) == xs[0])?.point;
        let name = name(&format!("{title} at"), group, Some(only));
        let bars: Vec<(usize, String, Dot)> =
            series.drain(..).filter_map(|mut series| Some((series.style, series.name, series.dots.pop()?))).collect();
        let title = format!("{title} at {}", words::point(group.axis, only));
        let description = format!("A bar for each of {}.", words::counted(bars.len() as u64, "server"));
        let max = ys.iter().copied().fold(0.0, f64::max);
        let drawing = Bars { x: Axis::linear(y_title, figure.unit(), max), bars }.draw();
        return Some(Plotted { id: id.into(), name, title, description, caption, drawing, grid });
    }
    let title = format!("{title} by {by}");
    let name = name(&title, group, None);
    let description = format!("A line for each of {}.", words::counted(series.len() as u64, "server"));
    let plot =
        Lines { x: Axis::of_points(by, Unit::Count, &xs), y: Axis::of_values(y_title, figure.unit(), &ys), series };
    Some(Plotted { id: id.into(), name, title, description, caption, drawing: plot.draw(), grid })
}

/// The caption of plots over points.
fn ranges(has_ranges: bool, has_doubt: bool) -> String {
    let ranges =
        if has_ranges { "Medians; thin bars go from the lowest to the highest round." } else { "A single round." };
    with_hollow(ranges, has_doubt)
}

fn with_hollow(caption: &str, has_doubt: bool) -> String {
    if has_doubt { format!("{caption} Hollow: in doubt.") } else { caption.into() }
}

/// Plots the latency by percentile, on HdrHistogram's axis, for all rounds together.
fn percentiles(id: String, group: &Group<'_>, rows: &[Row<'_>]) -> Option<Plotted> {
    let title = format!("Latency by percentile, {}", words::point(group.axis, rows[0].point));
    let name = name("Latency by percentile", group, Some(rows[0].point));
    let mut grid = Grid::new(title.as_str());
    let mut series = Vec::new();
    let mut cells: Vec<Vec<Cell>> = vec![Vec::new(); PERCENTILES.len() + 1];
    for row in rows {
        let latency = row.latency();
        let (count, Some(max)) = (latency.count(), latency.max()) else { continue };
        let seconds = |q: f64| latency.quantile(q).map(|nanoseconds| nanoseconds as f64 / 1e9);
        // The position of the largest value.
        let end = (count as f64).log10().min(PERCENTILES_X_MAX);
        let place = |q: f64| (1.0 - q).log10().abs();
        let mut dots = Vec::new();
        for (column, &(q, name)) in cells.iter_mut().zip(&PERCENTILES) {
            // Beyond that position, the curve would only repeat the maximum.
            let value = seconds(q).filter(|_| place(q) <= end + 1e-9);
            column.push(value.map(|value| Unit::Seconds.show(value).into()).unwrap_or_default());
            dots.extend(value.map(|value| Dot {
                x: place(q),
                y: value,
                range: None,
                is_doubtful: row.is_doubtful(Figure::LatencyP99),
                label: format!("{}, {name}: {}", row.name, Unit::Seconds.show(value)),
            }));
        }
        if let Some(column) = cells.last_mut() {
            column.push(Unit::Seconds.show(max as f64 / 1e9).into());
        }
        let steps = (end / PERCENTILE_STEP) as usize;
        let places =
            (0..=steps).map(|step| step as f64 * PERCENTILE_STEP).chain(dots.iter().map(|dot| dot.x)).chain([end]);
        let mut places: Vec<f64> = places.collect();
        places.sort_by(f64::total_cmp);
        places.dedup();
        let line = places.into_iter().filter_map(|x| Some((x, seconds(1.0 - 10f64.powf(-x))?))).collect();
        series.push(Series { style: row.subject, name: row.name.into(), line, dots });
    }
    if series.is_empty() {
        return None;
    }
    grid.key("server", false, series.iter().map(|series| series.name.as_str().into()).collect());
    for (column, name) in cells.into_iter().zip(PERCENTILES.iter().map(|(_, name)| *name).chain(["longest"])) {
        grid.column(name, true, column);
    }
    let values: Vec<f64> = series.iter().flat_map(|series| &series.line).map(|point| point.1).collect();
    let x_max = series.iter().flat_map(|series| &series.line).map(|point| point.0).fold(0.0, f64::max);
    let description = format!("A rising line for each of {}.", words::counted(series.len() as u64, "server"));
    let has_doubt = series.iter().flat_map(|series| &series.dots).any(|dot| dot.is_doubtful);
    let plot =
        Lines { x: Axis::of_percentiles(x_max), y: Axis::log("latency, logarithmic", Unit::Seconds, &values), series };
    let caption = with_hollow("All rounds together. Each additional nine takes the same space.", has_doubt);
    Some(Plotted { id, name, title, description, caption, drawing: plot.draw(), grid })
}

/// Plots the latency over time, round after round.
fn over_time(id: String, group: &Group<'_>, rows: &[Row<'_>]) -> Option<Plotted> {
    let mut strips = Vec::new();
    let title = format!("Latency over time, {}", words::point(group.axis, rows[0].point));
    let name = name("Latency over time", group, Some(rows[0].point));
    let mut grid = Grid::new(title.as_str());
    let (mut names, mut typical, mut worst, mut longest, mut gaps) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        let runs = row.runs.iter().filter(|run| !run.over_time.is_empty());
        let stretches: Vec<Stretch> = runs
            .map(|run| {
                let values = |slice: &Slice| {
                    let seconds = |nanoseconds: u64| nanoseconds as f64 / 1e9;
                    (slice.replies > 0).then(|| [slice.p50_ns, slice.p99_ns, slice.max_ns].map(seconds))
                };
                Stretch {
                    round: run.round,
                    slices: run.over_time.iter().map(|slice| (slice.until, values(slice))).collect(),
                }
            })
            .collect();
        if !stretches.is_empty() {
            let slices: Vec<Option<[f64; 3]>> =
                stretches.iter().flat_map(|stretch| &stretch.slices).map(|slice| slice.1).collect();
            let spread = Spread::of(slices.iter().flatten().map(|values| values[1]));
            let show = |value: Option<f64>| value.map(|value| Unit::Seconds.show(value).into()).unwrap_or_default();
            names.push(row.name.into());
            typical.push(show(spread.map(|spread| spread.median)));
            worst.push(show(spread.map(|spread| spread.max)));
            longest.push(show(slices.iter().flatten().map(|values| values[2]).reduce(f64::max)));
            gaps.push(slices.iter().filter(|slice| slice.is_none()).count().to_string().into());
            strips.push((row.subject, row.name.to_owned(), stretches));
        }
    }
    if strips.is_empty() {
        return None;
    }
    grid.key("server", false, names);
    grid.column("p99, median slice", true, typical);
    grid.column("p99, worst slice", true, worst);
    grid.column("longest", true, longest);
    grid.column("slices without a reply", true, gaps);
    let description = format!("A strip for each of {}.", words::counted(strips.len() as u64, "server"));
    let drawing = Strips { strips }.draw();
    let caption = "A strip for each server, with its rounds one after the other.".into();
    Some(Plotted { id, name, title, description, caption, drawing, grid })
}

/// A plot's name. It depends on the request only, not on measured values; the rate of an open loop may be one of these.
fn name(what: &str, group: &Group<'_>, at: Option<&Point>) -> String {
    let at = at.map(|point| words::asked(group.axis, point)).unwrap_or_default();
    let words = format!("{what} {at} {}", words::group(group)).to_lowercase().replace("/s ", " per second ");
    let mut name = String::new();
    let mut chars = words.chars().peekable();
    while let Some(c) = chars.next() {
        let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        match c {
            c if c.is_ascii_alphanumeric() => name.push(c),
            // A space within a number.
            ' ' if is_digit(name.chars().next_back()) && is_digit(chars.peek().copied()) => {}
            _ if name.is_empty() || name.ends_with('-') => {}
            _ => name.push('-'),
        }
    }
    name
}

/// The percentiles that are marked and labelled.
const PERCENTILES: [(f64, &str); 7] = [
    (0.0, "0 %"),
    (0.5, "50 %"),
    (0.9, "90 %"),
    (0.99, "99 %"),
    (0.999, "99.9 %"),
    (0.9999, "99.99 %"),
    (0.99999, "99.999 %"),
];

/// The most nines plotted.
const PERCENTILES_X_MAX: f64 = 6.0;
const PERCENTILE_STEP: f64 = 0.05;
