//! The contents of a report, in order, independent of the output format.

use super::super::load::UNANSWERED;
use super::super::results::{Results, Workload};
use super::super::stats::ROUNDS_MIN;
use super::super::summary::{Comparison, Figure, Group, Row, Summary};
use super::answer::{Answer, answers};
use super::grid::{CLOSE, Cell, Grid, Mark};
use super::section::{Section, Verdict, doubtful};
use super::{objectives, words};

/// A report in words and tables.
#[derive(Debug)]
pub struct Document {
    /// The report's subject.
    pub title: String,
    /// The answer to which server is better, for each task.
    pub answers: Vec<Answer>,
    /// Notes about the whole report.
    pub notes: Vec<String>,
    /// One for each group of points, and then one for each objective searched for at such a group.
    pub sections: Vec<Section>,
    /// The sources of the results.
    pub provenances: Vec<Provenance>,
}

/// The source of results.
#[derive(Debug)]
pub struct Provenance {
    /// The time of the measurement.
    pub title: String,
    /// The measured servers and the conditions.
    pub facts: Vec<(String, String)>,
}

impl Document {
    /// The report of one call of `bench`, or of several together; `summary` is made from the same results.
    pub fn of(all: &[Results], summary: &Summary<'_>) -> Document {
        Document {
            title: title(summary),
            answers: answers(all, summary),
            notes: notes(all, summary),
            sections: summary
                .groups
                .iter()
                .map(|group| section(group, summary))
                .chain(objectives::sections(all))
                .collect(),
            provenances: all.iter().map(provenance).collect(),
        }
    }
}

impl Document {
    /// The doubts and errors of all sections.
    pub fn doubts(&self) -> Vec<String> {
        self.sections.iter().flat_map(|section| section.doubts.clone()).collect()
    }
}

fn title(summary: &Summary<'_>) -> String {
    let names: Vec<&str> = summary.servers.iter().map(|server| server.name).collect();
    match names[..] {
        [] => "multiconn bench".into(),
        [one] => format!("multiconn bench: {one}"),
        [first, second] => format!("multiconn bench: {first} and {second}"),
        [first, ref others @ ..] => format!("multiconn bench: {first} and {} others", others.len()),
    }
}

fn notes(all: &[Results], summary: &Summary<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    if summary.groups.is_empty() {
        notes.push("Nothing was measured.".into());
    }
    if all.iter().any(|results| results.ended_early) {
        notes.push("The bench ended early: not everything was measured.".into());
    }
    if all.len() > 1 {
        notes.push(
            "The files were measured one after the other, not in turns: changes on the machine in between affect the \
             ratios, but not their intervals."
                .into(),
        );
        let machine = |results: &Results| (results.machine.processor.clone(), results.machine.kernel.clone());
        if all.windows(2).any(|pair| machine(&pair[0]) != machine(&pair[1])) {
            notes.push("The files come from different machines or kernels, which affects the ratios, too.".into());
        }
    }
    let rounds = summary.rows().map(|row| row.runs.len()).min().unwrap_or(ROUNDS_MIN);
    if rounds < ROUNDS_MIN && summary.baseline_name().is_some() {
        notes.push(format!(
            "Fewer than {ROUNDS_MIN} rounds give no interval and no verdict; use --rounds {ROUNDS_MIN}."
        ));
    }
    let has_timeouts = |row: &Row<'_>| row.runs.iter().any(|run| run.unsent > 0 || run.errors.contains_key(UNANSWERED));
    if summary.rows().any(has_timeouts) {
        notes.push("Requests that timed out count with the timeout as their latency.".into());
    }
    notes.extend(all.iter().flat_map(|results| results.notes.clone()));
    let mut seen = std::collections::BTreeSet::new();
    notes.retain(|note| seen.insert(note.clone()));
    notes
}

fn section(group: &Group<'_>, summary: &Summary<'_>) -> Section {
    let mut verdicts = Vec::new();
    for row in &group.rows {
        let compared: Vec<(Figure, Comparison)> =
            Figure::COMPARED.into_iter().filter_map(|figure| Some((figure, group.compare(row, figure)?))).collect();
        let said = match compared.iter().all(|(_, comparison)| comparison.verdict.is_none()) {
            // The reason is the same for each figure.
            true => vec!["no verdict, since a run of either server is in doubt".into()],
            false => compared.iter().map(|(figure, comparison)| words::sentence(*figure, comparison)).collect(),
        };
        if !compared.is_empty() {
            let point = words::point(group.axis, row.point);
            verdicts.push(Verdict { server: row.name.into(), point, said });
        }
    }
    let mut doubts = Vec::new();
    for row in &group.rows {
        let at = format!("{}, {}", row.name, words::point(group.axis, row.point));
        let left_out = row.runs.len() - row.judged(Figure::RequestsPerSecond).count();
        let left_out = match left_out {
            0 => String::new(),
            count => format!("{count} of {} left out: ", words::counted(row.runs.len() as u64, "round")),
        };
        doubts.extend(row.doubts().iter().map(|why| format!("{at}: {left_out}{why}")));
        let errors: Vec<String> = row
            .errors()
            .iter()
            .filter(|&(_, &count)| count > 0)
            .map(|(kind, &count)| format!("{} × {kind}", words::Grouped(count)))
            .collect();
        if !errors.is_empty() {
            doubts.push(format!("{at}: errors: {}", errors.join(", ")));
        }
    }
    let grids = [
        comparison_grid(group, summary),
        load_grid(group),
        latency_grid(group),
        server_grid(group),
        generator_grid(group),
    ];
    let grids = grids.into_iter().filter(|grid| !grid.is_empty());
    let grids = grids.map(|grid| grid.explained(summary.baseline_name())).collect();
    Section { title: words::group(group), verdicts, doubts, grids }
}

/// A table with a row for each row of the group, and the key columns that identify it. A row is marked if any of
/// `figures` is in doubt.
fn keyed(group: &Group<'_>, title: impl Into<String>, figures: &[Figure]) -> Grid {
    let mut grid = Grid::new(title);
    let points = group.rows.iter().map(|row| match group.axis.of(row.point) {
        value if value == value.trunc() => words::Grouped(value as u64).to_string().into(),
        value => format!("{value:.1}").into(),
    });
    grid.key(group.axis.title(), true, points.collect());
    let is_doubtful = |row: &Row<'_>| figures.iter().any(|&figure| row.is_doubtful(figure));
    let names = group.rows.iter().map(|row| match (is_doubtful(row), row.is_close()) {
        (true, _) => doubtful(row.name),
        (false, true) => format!("{} {CLOSE}", row.name).into(),
        (false, false) => row.name.into(),
    });
    grid.key("server", false, names.collect());
    grid
}

fn load_grid(group: &Group<'_>) -> Grid {
    let rounds = group.rows.iter().map(|row| row.judged(Figure::RequestsPerSecond).count()).max().unwrap_or(0);
    let title = format!("Throughput (median of {})", words::counted(rounds as u64, "round"));
    let mut grid = keyed(group, title, &[Figure::RequestsPerSecond]);
    column(&mut grid, group, Figure::RequestsPerSecond);
    let ranges = group.rows.iter().map(|row| match row.spread(Figure::RequestsPerSecond) {
        Some(spread) => words::range(Figure::RequestsPerSecond, spread).into(),
        None => Cell::default(),
    });
    grid.column("lowest–highest", true, ranges.collect());
    for figure in [Figure::BytesPerSecond, Figure::ConnectP50, Figure::ConnectP99, Figure::Unsent, Figure::Errors] {
        column(&mut grid, group, figure);
    }
    grid
}

fn generator_grid(group: &Group<'_>) -> Grid {
    let mut grid = keyed(group, "The load generator", &[Figure::RequestsPerSecond]);
    column(&mut grid, group, Figure::GeneratorBusy);
    column(&mut grid, group, Figure::LagP99);
    grid
}

fn latency_grid(group: &Group<'_>) -> Grid {
    let mut grid = keyed(group, "Latency", &[Figure::LatencyP99]);
    for figure in [
        Figure::LatencyP50,
        Figure::LatencyP90,
        Figure::LatencyP99,
        Figure::LatencyP999,
        Figure::LatencyMax,
        Figure::ServiceP50,
        Figure::ServiceP99,
    ] {
        column(&mut grid, group, figure);
    }
    grid
}

fn server_grid(group: &Group<'_>) -> Grid {
    let mut grid = keyed(group, "Resources of the server", &[Figure::CpuPerRequest]);
    for figure in [
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
    ] {
        column(&mut grid, group, figure);
    }
    grid
}

fn column(grid: &mut Grid, group: &Group<'_>, figure: Figure) {
    let cell = |row: &Row<'_>| {
        let Some(spread) = row.spread(figure) else { return Cell::default() };
        // For figures that should be zero, the worst round is shown.
        let is_flaw = matches!(figure, Figure::Errors | Figure::Unsent);
        let value = if is_flaw { spread.max } else { spread.median };
        let mark = if is_flaw && value > 0.0 { Mark::Doubt } else { Mark::None };
        Cell { text: figure.show(value), mark }
    };
    let cells: Vec<Cell> = group.rows.iter().map(cell).collect();
    // Only this workload is about bytes.
    if figure == Figure::CpuPerGigabyte && group.rows[0].point.workload != Workload::Stream {
        return;
    }
    if figure == Figure::Unsent && cells.iter().all(|cell| cell.mark == Mark::None) {
        return;
    }
    grid.column(figure.title(), true, cells);
}

/// A table of ratios to the first server.
fn comparison_grid(group: &Group<'_>, summary: &Summary<'_>) -> Grid {
    let baseline = summary.baseline_name().unwrap_or_default();
    let title = format!("Ratio to {baseline} (95 % interval)");
    let mut grid = keyed(group, title, &Figure::COMPARED);
    for figure in Figure::COMPARED {
        let cells = group.rows.iter().map(|row| match group.compare(row, figure) {
            Some(comparison) => Cell { text: words::verdict(&comparison), mark: words::mark(figure, &comparison) },
            None => Cell::default(),
        });
        let title = match figure {
            Figure::LatencyP99 => "p99 latency",
            other => other.title(),
        };
        grid.column(title, false, cells.collect());
    }
    // The baseline itself has no ratios.
    grid.rows.retain(|row| {
        row[grid.columns.iter().take_while(|column| column.is_key).count()..].iter().any(|cell| !cell.text.is_empty())
    });
    grid
}

fn provenance(results: &Results) -> Provenance {
    let machine = &results.machine;
    let cpus = |cpus: &[u32]| match cpus {
        [] => "any".into(),
        cpus => cpus.iter().map(u32::to_string).collect::<Vec<_>>().join(", "),
    };
    let mut facts = vec![
        ("Command".into(), results.command.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")),
        ("Version".into(), results.version.clone()),
        ("System".into(), format!("{} {}", machine.system, machine.kernel)),
        ("Processor".into(), format!("{}, {}", machine.processor, words::counted(machine.cores.into(), "core"))),
    ];
    if let Some(memory) = machine.memory_bytes {
        facts.push(("Memory".into(), words::Unit::Bytes.show(memory as f64)));
    }
    if let Some(congestion_control) = &machine.congestion_control {
        facts.push(("Congestion control".into(), congestion_control.clone()));
    }
    facts.push((
        "Processors".into(),
        format!("servers on {}, generator on {}", cpus(&machine.server_cpus), cpus(&machine.client_cpus)),
    ));
    facts.push(("Open files".into(), format!("{} at most", words::Grouped(machine.descriptors_max))));
    for subject in &results.subjects {
        facts.push((subject.name.clone(), subject.how.clone()));
    }
    Provenance { title: format!("Measured {}", results.started), facts }
}

/// Quotes a word for a shell.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.into(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}
