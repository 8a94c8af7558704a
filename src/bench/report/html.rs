//! A report as one self-contained page: no script, font or network. It is well-formed XML, too.

use std::fmt::Write;
use std::iter;

use super::super::results::Results;
use super::super::summary::{Group, Summary};
use super::document::Document;
use super::escape::escaped;
use super::grid::{Grid, Mark};
use super::plot::{self, Drawing, WIDTH};
use super::plotted::{self, Plotted};
use super::section::{DOUBT, Section};

/// Formats a report as a page.
pub fn html(all: &[Results]) -> String {
    let summary = Summary::of(all);
    let document = Document::of(all, &summary);
    let mut page = format!(
        "{HEAD}<title>{}</title>\n<style>{}{STYLE}</style>\n</head>\n<body>\n",
        escaped(&document.title),
        plot::STYLE
    );
    header(&mut page, &document, &summary);
    // The sections of groups come first, then those of objectives, which have no plots.
    let groups = summary.groups.iter().map(Some).chain(iter::repeat(None));
    for (index, (section, group)) in document.sections.iter().zip(groups).enumerate() {
        part(&mut page, index + 1, section, group);
    }
    sources(&mut page, &document);
    page.push_str(READING);
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn header(page: &mut String, document: &Document, summary: &Summary<'_>) {
    let _ = writeln!(page, "<main>\n<header>\n<h1>{}</h1>", escaped(&document.title));
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

fn part(page: &mut String, number: usize, section: &Section, group: Option<&Group<'_>>) {
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
    if let Some(group) = group {
        page.push_str("<div class=\"plots\">\n");
        for plotted in plotted::over_points(group) {
            figure(page, number, &plotted);
        }
        page.push_str("</div>\n<div class=\"plots\">\n");
        for plotted in plotted::at_points(group) {
            figure(page, number, &plotted);
        }
        page.push_str("</div>\n<h3>All figures</h3>\n");
    }
    for grid in &section.grids {
        table(page, grid);
    }
    page.push_str("</section>\n");
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
    for source in &document.provenances {
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
