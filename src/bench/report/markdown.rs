//! A report as Markdown, with tables in GitHub's syntax.

use std::fmt::Write;

use super::super::results::Results;
use super::super::summary::Summary;
use super::document::Document;
use super::grid::Grid;
use super::section::DOUBT;
use super::words::plain;

/// Formats a report as Markdown.
pub fn markdown(all: &[Results]) -> String {
    let document = Document::of(all, &Summary::of(all));
    let mut text = format!("# {}\n", escaped(&document.title));
    list(&mut text, "", &document.notes);
    for section in &document.sections {
        let _ = write!(text, "\n## {}\n", escaped(&section.title));
        let verdicts = section.verdicts.iter();
        let verdicts: Vec<String> = verdicts
            .map(|verdict| format!("{}, {}: {}.", verdict.server, verdict.point, verdict.said.join("; ")))
            .collect();
        list(&mut text, "", &verdicts);
        for grid in &section.grids {
            table(&mut text, grid);
        }
        list(&mut text, &format!("\\{DOUBT} "), &section.doubts);
    }
    for source in &document.provenances {
        let _ = write!(text, "\n## {}\n\n", escaped(&source.title));
        for (name, value) in &source.facts {
            let _ = writeln!(text, "- {}: {}", escaped(name), escaped(value));
        }
    }
    text
}

fn list(text: &mut String, mark: &str, items: &[String]) {
    if !items.is_empty() {
        text.push('\n');
    }
    for item in items {
        let _ = writeln!(text, "- {mark}{}", escaped(item));
    }
}

fn table(text: &mut String, grid: &Grid) {
    let _ = write!(text, "\n**{}**\n\n", escaped(&grid.title));
    let heads = grid.columns.iter().map(|column| escaped(&column.title)).collect::<Vec<_>>();
    let _ = writeln!(text, "| {} |", heads.join(" | "));
    let rules = grid.columns.iter().map(|column| if column.is_number { "---:" } else { "---" }).collect::<Vec<_>>();
    let _ = writeln!(text, "| {} |", rules.join(" | "));
    for row in &grid.rows {
        let cells = row.iter().map(|cell| escaped(&cell.text)).collect::<Vec<_>>();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
}

/// Escapes text so that it has no formatting, on one line.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in plain(text).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            // Characters with a meaning within a line.
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '!' => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
    }
    // An address would automatically become a link.
    escaped.replace("://", ":\u{2060}//").replace("www.", "www\\.")
}
