//! A report as Markdown, with tables in GitHub's syntax.

use std::fmt::Write;

use super::super::results::Results;
use super::super::summary::Summary;
use super::answer::{Answer, Sentence};
use super::document::Document;
use super::grid::{Cell, Grid};
use super::words::{counted, plain};

/// The most rows in the table of a comment.
const ROWS_MAX: usize = 7;
/// The most tasks in it.
const TASKS_MAX: usize = 3;
/// The most sentences in it, on all tasks.
const SENTENCES_MAX: usize = 6;
/// The most conditions in it.
const OUTCOMES_MAX: usize = 3;
/// The most doubts and notes in it.
const NOTES_MAX: usize = 3;

/// Formats a whole report as Markdown.
pub fn markdown(all: &[Results]) -> String {
    let document = Document::of(all, &Summary::of(all));
    let mut text = format!("# {}\n", escaped(&document.title));
    for answer in &document.answers {
        sentences(&mut text, answer, usize::MAX);
        table(&mut text, &answer.grid);
    }
    list(&mut text, &document.notes);
    for section in &document.sections {
        let _ = write!(text, "\n## {}\n", escaped(&section.title));
        let verdicts = section.verdicts.iter();
        let verdicts: Vec<String> = verdicts
            .map(|verdict| format!("{}, {}: {}.", verdict.server, verdict.point, verdict.said.join("; ")))
            .collect();
        list(&mut text, &verdicts);
        for grid in &section.grids {
            table(&mut text, grid);
        }
        list(&mut text, &section.doubts);
    }
    for source in &document.provenances {
        let _ = write!(text, "\n## {}\n\n", escaped(&source.title));
        for (name, value) in &source.facts {
            let _ = writeln!(text, "- {}: {}", escaped(name), escaped(value));
        }
    }
    text
}

/// Formats the answer as a short comment of some 25 lines at most, with the outcomes of conditions first.
pub fn comment(all: &[Results], outcomes: &[String]) -> String {
    let document = Document::of(all, &Summary::of(all));
    let mut text = format!("**{}**\n", escaped(&document.title));
    list(&mut text, &shortened(outcomes.to_vec(), OUTCOMES_MAX, "condition"));
    let sentences_max = SENTENCES_MAX / document.answers.len().clamp(1, TASKS_MAX);
    for answer in document.answers.iter().take(TASKS_MAX) {
        sentences(&mut text, answer, sentences_max);
    }
    let mut notes = [document.doubts(), document.notes.clone()].concat();
    match &document.answers[..] {
        [answer] => {
            let mut grid = answer.grid.clone();
            // The highest loads are at the end.
            let mut left_out = grid.rows.len().saturating_sub(ROWS_MAX);
            // A point is shown with all its servers, unless there are too many.
            let is_same = |a: usize, b: usize| grid.rows[a][0].text == grid.rows[b][0].text;
            let rest = (left_out..grid.rows.len()).find(|&row| left_out == 0 || !is_same(row, left_out - 1));
            left_out = rest.unwrap_or(left_out);
            grid.rows.drain(..left_out);
            grid.legend.insert(0, grid.title.clone());
            grid.title.clear();
            if left_out > 0 {
                grid.legend.push(format!("{} with --full", counted(left_out as u64, "more row")));
            }
            table(&mut text, &grid);
        }
        answers if answers.len() > TASKS_MAX => {
            notes.insert(0, format!("{} with --full", counted((answers.len() - TASKS_MAX) as u64, "more task")));
        }
        _ => {}
    }
    list(&mut text, &shortened(notes, NOTES_MAX, "note"));
    text
}

/// The first items of a list, and the number of those left out.
fn shortened(mut items: Vec<String>, max: usize, thing: &str) -> Vec<String> {
    if items.len() > max {
        let more = items.len() - (max - 1);
        items.truncate(max - 1);
        items.push(format!("{} with --full", counted(more as u64, &format!("more {thing}"))));
    }
    items
}

fn sentences(text: &mut String, answer: &Answer, max: usize) {
    if let Some(title) = &answer.title {
        let _ = write!(text, "\n**{}**\n", escaped(title));
    }
    let said = |sentence: &Sentence| format!("**{}**: {}", escaped(&sentence.server), escaped(&sentence.said));
    let items = answer.sentences.iter().map(said).collect();
    lines(text, &shortened(items, max, "server"));
}

fn list(text: &mut String, items: &[String]) {
    lines(text, &items.iter().map(|item| escaped(item)).collect::<Vec<_>>());
}

/// Writes a list of items that are escaped already.
fn lines(text: &mut String, items: &[String]) {
    if !items.is_empty() {
        text.push('\n');
    }
    for item in items {
        let _ = writeln!(text, "- {item}");
    }
}

fn table(text: &mut String, grid: &Grid) {
    if grid.is_empty() {
        return;
    }
    if !grid.title.is_empty() {
        let _ = write!(text, "\n**{}**\n", escaped(&grid.title));
    }
    text.push('\n');
    let heads = grid.columns.iter().map(|column| escaped(&column.title)).collect::<Vec<_>>();
    let _ = writeln!(text, "| {} |", heads.join(" | "));
    let rules = grid.columns.iter().map(|column| if column.is_number { "---:" } else { "---" }).collect::<Vec<_>>();
    let _ = writeln!(text, "| {} |", rules.join(" | "));
    for row in &grid.rows {
        let signed = |cell: &Cell| format!("{} {}", escaped(&cell.text), cell.mark.sign()).trim_end().to_owned();
        let cells = row.iter().map(signed).collect::<Vec<_>>();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    if !grid.legend.is_empty() {
        let _ = writeln!(text, "\n{}", escaped(&grid.legend.join("; ")));
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
