//! A report as one page that needs nothing but itself: no script, no font, no network. It is well-formed XML too.

use std::fmt::Write;

use super::super::results::{Results, Slice};
use super::super::stats::Spread;
use super::super::summary::{Figure, Group, Row, Summary};
use super::document::{DOUBT, Document, Section};
use super::grid::{Cell, Grid, Mark};
use super::plot::{Axis, Bars, Dot, Lines, Series, Stretch, Strips};
use super::words::{self, Unit, plain};

/// A report as a page.
pub fn html(all: &[Results]) -> String {
    let summary = Summary::of(all);
    let document = Document::of(all, &summary);
    let mut page =
        format!("{HEAD}<title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n", escaped(&document.title));
    header(&mut page, &document, &summary);
    for (index, (section, group)) in document.sections.iter().zip(&summary.groups).enumerate() {
        part(&mut page, index + 1, section, group);
    }
    sources(&mut page, &document);
    page.push_str(READING);
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

/// Text as it stands in XML, in an element or a quoted attribute.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // No characters of XML.
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

fn header(page: &mut String, document: &Document, summary: &Summary<'_>) {
    let _ = writeln!(page, "<main>\n<header>\n<h1>{}</h1>", escaped(&document.title));
    for source in &document.sources {
        let facts = &source.facts;
        let fact = |name: &str| facts.iter().find(|fact| fact.0 == name).map_or("", |fact| fact.1.as_str());
        let _ = writeln!(
            page,
            "<p class=\"when\">{} · {} · {} · version {}</p>",
            escaped(&source.title),
            escaped(fact("Processor")),
            escaped(fact("System")),
            escaped(fact("Version"))
        );
    }
    list(page, "notes", &document.notes);
    if document.sections.len() > 1 {
        page.push_str("<nav aria-label=\"What was measured\">\n<ul>\n");
        for (index, section) in document.sections.iter().enumerate() {
            let _ = writeln!(page, "<li><a href=\"#part-{}\">{}</a></li>", index + 1, escaped(&section.title));
        }
        page.push_str("</ul>\n</nav>\n");
    }
    if let (Some(first), true) = (summary.first(), summary.subjects.len() > 1) {
        let _ = writeln!(page, "<p>All servers are held against <b>{}</b>.</p>", escaped(&first.name));
    }
    page.push_str("</header>\n");
}

fn list(page: &mut String, class: &str, items: &[String]) {
    if items.is_empty() {
        return;
    }
    let _ = writeln!(page, "<ul class=\"{class}\">");
    for item in items {
        let _ = writeln!(page, "<li>{}</li>", escaped(item));
    }
    page.push_str("</ul>\n");
}

fn part(page: &mut String, number: usize, section: &Section, group: &Group<'_>) {
    let _ = writeln!(page, "<section id=\"part-{number}\">\n<h2>{}</h2>", escaped(&capital(&section.title)));
    if !section.verdicts.is_empty() {
        page.push_str("<h3>What the comparison says</h3>\n<div class=\"verdicts\">\n");
        let mut servers = Vec::new();
        for verdict in &section.verdicts {
            if !servers.contains(&&verdict.server) {
                servers.push(&verdict.server);
            }
        }
        for server in servers {
            let _ = writeln!(page, "<div><h4>{}</h4>\n<dl>", escaped(server));
            for verdict in section.verdicts.iter().filter(|verdict| verdict.server == *server) {
                let said: Vec<String> = verdict.said.iter().map(|said| with_faint_interval(said)).collect();
                let _ = writeln!(page, "<dt>{}</dt><dd>{}</dd>", escaped(&verdict.point), said.join("; "));
            }
            page.push_str("</dl></div>\n");
        }
        page.push_str("</div>\n");
    }
    if !section.doubts.is_empty() {
        let _ = writeln!(page, "<h3>Doubts and errors ({DOUBT})</h3>");
        list(page, "doubts", &section.doubts);
    }
    page.push_str("<div class=\"plots\">\n");
    let plots = [
        ("throughput", "Throughput", "requests per second", Figure::RequestsPerSecond),
        ("cpu", "Processor time per request", "server CPU time per request", Figure::CpuPerRequest),
        ("p99", "Latency, 99th percentile,", "99th percentile of the latency", Figure::LatencyP99),
        ("memory", "Memory per connection", "memory per connection", Figure::MemoryPerConnection),
    ];
    for (name, title, y_title, figure) in plots {
        over_points(page, &format!("part-{number}-{name}"), title, y_title, figure, group);
    }
    page.push_str("</div>\n<div class=\"plots\">\n");
    for (index, rows) in group.points().into_iter().enumerate() {
        let at = words::point(group.axis, rows[0].point);
        percentiles(page, &format!("part-{number}-percentiles-{}", index + 1), &at, rows);
        over_time(page, &format!("part-{number}-time-{}", index + 1), &at, rows);
    }
    page.push_str("</div>\n<h3>All figures</h3>\n");
    for grid in &section.grids {
        table(page, grid);
    }
    page.push_str("</section>\n");
}

/// A verdict whose interval stays on one line, and behind the words.
fn with_faint_interval(said: &str) -> String {
    match said.rsplit_once(" (") {
        Some((words, interval)) => format!("{} <span class=\"interval\">({}</span>", escaped(words), escaped(interval)),
        None => escaped(said),
    }
}

/// A figure by connections, or whatever the points differ in.
fn over_points(page: &mut String, id: &str, title: &str, y_title: &str, figure: Figure, group: &Group<'_>) {
    let dot = |row: &Row<'_>| {
        let spread = row.spread(figure)?;
        let at = words::point(group.axis, row.point);
        Some(Dot {
            x: group.axis.of(row.point),
            y: spread.median,
            range: (spread.count > 1).then_some((spread.min, spread.max)),
            is_doubtful: row.is_doubtful(),
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
        return;
    }
    let by = group.axis.title();
    let mut grid = Grid::new(format!("{title}, median of the rounds"));
    grid.key("server", false, series.iter().map(|series| series.name.as_str().into()).collect());
    for &x in &xs {
        let cells = series.iter().map(|series| {
            let dot = series.dots.iter().find(|dot| dot.x == x);
            dot.map(|dot| figure.show(dot.y).into()).unwrap_or_default()
        });
        grid.column(&Unit::Count.show_short(x), true, cells.collect());
    }
    if xs.len() == 1 {
        let only = words::point(group.axis, group.rows[0].point);
        let bars: Vec<(usize, String, Dot)> =
            series.drain(..).filter_map(|mut series| Some((series.style, series.name, series.dots.pop()?))).collect();
        let title = format!("{title} at {only}");
        let description = format!("A bar for each of {}.", words::counted(bars.len() as u64, "server"));
        let max = ys.iter().copied().fold(0.0, f64::max);
        let plot = Bars {
            id: id.into(),
            title: title.clone(),
            description,
            x: Axis::linear(y_title, figure.unit(), max),
            bars,
        };
        return figure_of(page, &title, RANGES, &plot.svg(), &grid);
    }
    let title = format!("{title} by {by}");
    let plot = Lines {
        id: id.into(),
        title: title.clone(),
        description: format!("A line for each of {}.", words::counted(series.len() as u64, "server")),
        x: Axis::of_points(by, Unit::Count, &xs),
        y: Axis::of_values(y_title, figure.unit(), &ys),
        series,
    };
    figure_of(page, &title, RANGES, &plot.svg(), &grid);
}

const RANGES: &str = "Medians; thin bars go from the lowest to the highest round. Hollow: in doubt.";

/// The latency by percentile, on HdrHistogram's axis, of all rounds together.
fn percentiles(page: &mut String, id: &str, at: &str, rows: &[Row<'_>]) {
    let mut grid = Grid::new(format!("Latency by percentile, {at}"));
    let mut series = Vec::new();
    let mut cells: Vec<Vec<Cell>> = vec![Vec::new(); PERCENTILES.len() + 1];
    for row in rows {
        let latency = row.latency();
        let (count, Some(max)) = (latency.count(), latency.max()) else { continue };
        let seconds = |q: f64| latency.quantile(q).map(|nanoseconds| nanoseconds as f64 / 1e9);
        // Where the last value of all is.
        let end = (count as f64).log10().min(PERCENTILES_X_MAX);
        let place = |q: f64| (1.0 - q).log10().abs();
        let mut dots = Vec::new();
        for (column, &(q, name)) in cells.iter_mut().zip(&PERCENTILES) {
            // Above that, there is nothing but the longest again.
            let value = seconds(q).filter(|_| place(q) <= end + 1e-9);
            column.push(value.map(|value| Unit::Seconds.show(value).into()).unwrap_or_default());
            dots.extend(value.map(|value| Dot {
                x: place(q),
                y: value,
                range: None,
                is_doubtful: row.is_doubtful(),
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
        return;
    }
    grid.key("server", false, series.iter().map(|series| series.name.as_str().into()).collect());
    for (column, name) in cells.into_iter().zip(PERCENTILES.iter().map(|(_, name)| *name).chain(["longest"])) {
        grid.column(name, true, column);
    }
    let values: Vec<f64> = series.iter().flat_map(|series| &series.line).map(|point| point.1).collect();
    let x_max = series.iter().flat_map(|series| &series.line).map(|point| point.0).fold(0.0, f64::max);
    let title = format!("Latency by percentile, {at}");
    let plot = Lines {
        id: id.into(),
        title: title.clone(),
        description: format!("A rising line for each of {}.", words::counted(series.len() as u64, "server")),
        x: Axis::of_percentiles(x_max),
        y: Axis::log("latency, logarithmic", Unit::Seconds, &values),
        series,
    };
    let caption = "All rounds together. Each further nine of the percentile takes as much room. Hollow: in doubt.";
    figure_of(page, &title, caption, &plot.svg(), &grid);
}

/// The latency in the course of time, round after round.
fn over_time(page: &mut String, id: &str, at: &str, rows: &[Row<'_>]) {
    let mut strips = Vec::new();
    let mut grid = Grid::new(format!("Latency over time, {at}"));
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
        return;
    }
    grid.key("server", false, names);
    grid.column("p99, median slice", true, typical);
    grid.column("p99, worst slice", true, worst);
    grid.column("longest", true, longest);
    grid.column("slices without a reply", true, gaps);
    let title = format!("Latency over time, {at}");
    let description = format!("A strip for each of {}.", words::counted(strips.len() as u64, "server"));
    let plot = Strips { id: id.into(), title: title.clone(), description, strips };
    let caption = "The rounds one after the other, a strip for each server; in slices of time.";
    figure_of(page, &title, caption, &plot.svg(), &grid);
}

fn figure_of(page: &mut String, title: &str, caption: &str, svg: &str, grid: &Grid) {
    let _ = writeln!(
        page,
        "<figure>\n<figcaption><b>{}</b> {}</figcaption>\n<div class=\"plot\">{svg}</div>",
        escaped(title),
        escaped(caption)
    );
    table(page, grid);
    page.push_str("</figure>\n");
}

fn table(page: &mut String, grid: &Grid) {
    let title = escaped(&grid.title);
    let _ = writeln!(
        page,
        "<div class=\"wide\" role=\"region\" tabindex=\"0\" aria-label=\"{title}\">\n<table>\n<caption>{title}</caption>\n<thead><tr>"
    );
    for column in &grid.columns {
        let class = if column.is_number { " class=\"n\"" } else { "" };
        let _ = writeln!(page, "<th scope=\"col\"{class}>{}</th>", escaped(&column.title));
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for row in &grid.rows {
        page.push_str("<tr>");
        for (column, cell) in grid.columns.iter().zip(row) {
            let mut classes = Vec::new();
            if column.is_number {
                classes.push("n");
            }
            classes.extend(match cell.mark {
                Mark::None => None,
                Mark::Better => Some("better"),
                Mark::Worse => Some("worse"),
                Mark::Doubt => Some("doubtful"),
            });
            let class = match classes[..] {
                [] => String::new(),
                _ => format!(" class=\"{}\"", classes.join(" ")),
            };
            let (open, close) = if column.is_key { ("th scope=\"row\"", "th") } else { ("td", "td") };
            let _ = write!(page, "<{open}{class}>{}</{close}>", escaped(&cell.text));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody>\n</table>\n</div>\n");
}

fn sources(page: &mut String, document: &Document) {
    page.push_str("<section id=\"sources\">\n<h2>Where and how it was measured</h2>\n");
    for source in &document.sources {
        let _ = writeln!(page, "<h3>{}</h3>\n<dl>", escaped(&source.title));
        for (name, value) in &source.facts {
            let _ = writeln!(page, "<dt>{}</dt><dd>{}</dd>", escaped(name), escaped(value));
        }
        page.push_str("</dl>\n");
    }
    page.push_str("</section>\n");
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}

/// Percentiles that are marked and told.
const PERCENTILES: [(f64, &str); 7] = [
    (0.0, "0 %"),
    (0.5, "50 %"),
    (0.9, "90 %"),
    (0.99, "99 %"),
    (0.999, "99.9 %"),
    (0.9999, "99.99 %"),
    (0.99999, "99.999 %"),
];

/// Nines that are plotted at most.
const PERCENTILES_X_MAX: f64 = 6.0;
const PERCENTILE_STEP: f64 = 0.05;

/// The policy lets nothing in, whatever names and notes say.
const HEAD: &str = r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="color-scheme" content="light dark"/>
<link rel="icon" href="data:,"/>
"#;

const READING: &str = "<section id=\"reading\">
<h2>How to read it</h2>
<ul>
<li>In a <b>closed loop</b> each request goes out when a reply has come: it tells how much a server can do. In an <b>open \
loop</b> requests are due at a constant rate, whatever the server does, and latency counts from then: it tells how long \
callers wait. Service time counts from the moment the request was sent.</li>
<li>Figures are <b>medians</b> over the rounds. Servers took turns in each round, and ratios are of the same round. The \
interval has the true ratio in it in 95 of 100 cases (Student's, of the logarithms).</li>
<li>A <b>difference</b> is claimed where the whole interval lies beyond 2 % either way, and the more points there are in a \
plot, the clearer it has to be, since one of many is apart by chance. “No difference” means that the interval lies within \
2 %; “no difference shown” that more rounds might show one.</li>
<li>A row in <b>doubt</b> (*, hollow marks) says as much about the load generator as about the server. No verdict is drawn \
from it.</li>
</ul>
</section>
";

const STYLE: &str = include_str!("page.css");
