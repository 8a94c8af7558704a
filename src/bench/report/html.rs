//! A report as one self-contained page: no script, font or network. It is well-formed XML, too.

use std::fmt::Write;
use std::iter;

use super::super::results::Results;
use super::super::summary::{Group, Summary};
use super::super::task::tasks;
use super::document::Document;
use super::escape::escaped;
use super::grid::{Grid, Mark};
use super::plot::{self, Drawing, WIDTH};
use super::plotted::{self, Plotted};
use super::section::Section;
use super::words;

/// Formats a report as a page.
pub fn html(all: &[Results]) -> String {
    let summary = Summary::of(all);
    let document = Document::of(all, &summary);
    let mut page = format!(
        "{HEAD}<title>{}</title>\n<style>{}{STYLE}</style>\n</head>\n<body>\n",
        escaped(&document.title),
        plot::STYLE
    );
    header(&mut page, &document);
    // The sections of groups come first, then those of objectives, which have no plots.
    let groups = summary.groups.iter().map(Some).chain(iter::repeat(None));
    for (index, (section, group)) in document.sections.iter().zip(groups).enumerate() {
        let has_open = group.is_some_and(|group| tasks(&summary).iter().any(|task| task.has_both(group)));
        part(&mut page, index + 1, section, group, has_open);
    }
    sources(&mut page, &document);
    page.push_str(READING);
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn header(page: &mut String, document: &Document) {
    let _ = writeln!(page, "<main>\n<header>\n<h1>{}</h1>", escaped(&document.title));
    for answer in &document.answers {
        if let Some(title) = &answer.title {
            let _ = writeln!(page, "<h3>{}</h3>", escaped(&capital(title)));
        }
        page.push_str("<ul class=\"answer\">\n");
        for sentence in &answer.sentences {
            let _ = writeln!(page, "<li><b>{}</b>: {}</li>", escaped(&sentence.server), escaped(&sentence.said));
        }
        page.push_str("</ul>\n");
        if !answer.grid.is_empty() {
            table(page, &answer.grid);
        }
    }
    list(page, "notes", &document.notes);
    for source in &document.provenances {
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
    // A page of one screen needs no index.
    if document.sections.iter().any(|section| section.grids.iter().any(|grid| grid.rows.len() > 1))
        && document.sections.len() > 1
    {
        page.push_str("<nav aria-label=\"Measurements\">\n<ul>\n");
        for (index, section) in document.sections.iter().enumerate() {
            let _ = writeln!(page, "<li><a href=\"#part-{}\">{}</a></li>", index + 1, escaped(&section.title));
        }
        page.push_str("</ul>\n</nav>\n");
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

/// Writes a section. Plots and tables that few readers need are folded, among them the latencies in the closed loop if
/// there is an open loop, too.
fn part(page: &mut String, number: usize, section: &Section, group: Option<&Group<'_>>, has_open: bool) {
    let _ = writeln!(page, "<section id=\"part-{number}\">\n<h2>{}</h2>", escaped(&capital(&section.title)));
    list(page, "doubts", &section.doubts);
    let Some(group) = group else {
        section.grids.iter().for_each(|grid| table(page, grid));
        page.push_str("</section>\n");
        return;
    };
    let (over_points, at_points) = (plotted::over_points(group), plotted::at_points(group));
    // A single bar says no more than the table.
    let is_alone = group.rows.len() == 1;
    let (mut shown, mut folded) = if is_alone { (Vec::new(), over_points) } else { (over_points, Vec::new()) };
    let is_closed_of_both = has_open && !group.is_open();
    let more = if group.points().len() == 1 && !is_closed_of_both { &mut shown } else { &mut folded };
    more.extend(at_points);
    figures(page, number, &shown);
    let plots = match (folded.len(), shown.len()) {
        (0, _) => String::new(),
        (count, 0) => format!("{}, ", words::counted(count as u64, "plot")),
        (count, _) => format!("{}, ", words::counted(count as u64, "more plot")),
    };
    let _ = writeln!(page, "<details>\n<summary>{}</summary>", capital(&format!("{plots}all figures and verdicts")));
    figures(page, number, &folded);
    verdicts(page, section);
    section.grids.iter().for_each(|grid| table(page, grid));
    page.push_str("</details>\n</section>\n");
}

fn verdicts(page: &mut String, section: &Section) {
    if section.verdicts.is_empty() {
        return;
    }
    page.push_str("<div class=\"verdicts\">\n");
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

fn figures(page: &mut String, number: usize, plots: &[Plotted]) {
    if plots.is_empty() {
        return;
    }
    page.push_str("<div class=\"plots\">\n");
    plots.iter().for_each(|plotted| figure(page, number, plotted));
    page.push_str("</div>\n");
}

/// Formats a verdict with its interval unbroken, and less prominent than the words.
fn with_faint_interval(said: &str) -> String {
    match said.rsplit_once(" (") {
        Some((words, interval)) => format!("{} <span class=\"interval\">({}</span>", escaped(words), escaped(interval)),
        None => escaped(said),
    }
}

fn figure(page: &mut String, part: usize, plotted: &Plotted) {
    let Plotted { id, title, description, caption, drawing: Drawing { elements, height }, grid, .. } = plotted;
    let (id, title) = (format!("part-{part}-{id}"), escaped(title));
    let _ = writeln!(
        page,
        "<figure>\n<figcaption><b>{title}</b> {}</figcaption>\n\
         <div class=\"plot\"><svg viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" \
         aria-labelledby=\"{id}-title {id}-desc\" id=\"{id}\">\n\
         <title id=\"{id}-title\">{title}</title>\n<desc id=\"{id}-desc\">{}</desc>\n{elements}</svg>\n</div>",
        escaped(caption),
        escaped(description)
    );
    page.push_str("<details>\n<summary>In numbers</summary>\n");
    table(page, grid);
    page.push_str("</details>\n</figure>\n");
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
    page.push_str("</tbody>\n</table>\n");
    for meaning in &grid.legend {
        let _ = writeln!(page, "<p class=\"legend\">{}</p>", escaped(meaning));
    }
    page.push_str("</div>\n");
}

fn sources(page: &mut String, document: &Document) {
    page.push_str("<details id=\"sources\">\n<summary>How and where it was measured</summary>\n");
    for source in &document.provenances {
        let _ = writeln!(page, "<h3>{}</h3>\n<dl>", escaped(&source.title));
        for (name, value) in &source.facts {
            let _ = writeln!(page, "<dt>{}</dt><dd>{}</dd>", escaped(name), escaped(value));
        }
        page.push_str("</dl>\n");
    }
    page.push_str("</details>\n");
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}

/// The policy allows no external content, whatever names and notes contain.
const HEAD: &str = r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="color-scheme" content="light dark"/>
<link rel="icon" href="data:,"/>
"#;

const READING: &str = "<details id=\"reading\">
<summary>How to read this page</summary>
<ul>
<li>In a <b>closed loop</b>, a client sends its next request when the last is answered. This measures the capacity of a \
server. In an <b>open loop</b>, requests are due at a constant rate, and latency counts from when a request was due. This \
measures how long clients wait. Service time counts from when the request was sent.</li>
<li>Figures are <b>medians</b> of the rounds. Servers take turns, and ratios compare servers within a round. The interval \
contains the true ratio in 95 of 100 cases (Student's interval, of the logarithms).</li>
<li>A <b>difference</b> is claimed if the whole interval lies beyond 2 %. The more points a plot has, the clearer a \
difference has to be, since one of many may differ by chance. “No difference”: the interval lies within 2 %. “No \
difference shown”: it doesn't, and more rounds may show one.</li>
<li>A figure <b>in doubt</b> (* in tables, hollow in plots) may show a limit of the load generator, a failure of the \
server, or a disturbance of the machine. It has no verdict.</li>
</ul>
</details>
";

const STYLE: &str = include_str!("page.css");
