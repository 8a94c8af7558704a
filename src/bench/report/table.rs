//! A report on a terminal.

use std::env;
use std::fmt::Write;
use std::io::{self, IsTerminal};

use unicode_width::UnicodeWidthStr;

use super::super::results::Results;
use super::super::summary::Summary;
use super::answer::Answer;
use super::document::Document;
use super::grid::{Cell, Grid, Mark};
use super::words::plain;

/// The terminal's properties.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// The width in characters.
    pub width: usize,
    /// Whether it may have colours.
    pub has_colours: bool,
}

/// Formats a report for standard output, as wide as the terminal, with colours if it may have them: the answer, or
/// everything.
pub fn table(all: &[Results], is_full: bool) -> String {
    let look = Look::of_standard_output();
    if is_full { render(all, look) } else { brief(all, look) }
}

impl Look {
    /// The properties of standard output. Without a terminal, there are no colours, and 100 columns.
    pub fn of_standard_output() -> Look {
        let out = io::stdout();
        let width = terminal_size::terminal_size_of(&out).map_or(WIDTH, |(width, _)| usize::from(width.0));
        let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        Look { width, has_colours: out.is_terminal() && !is_set("NO_COLOR") && !is_dumb }
    }
}

/// Formats a whole report for a terminal like this, with the answer at the end.
pub fn render(all: &[Results], look: Look) -> String {
    let document = Document::of(all, &Summary::of(all));
    let mut page = Page { text: String::new(), look };
    for section in &document.sections {
        page.line(&section.title, Style::Title);
        for grid in &section.grids {
            page.blank();
            page.grid(grid);
        }
        if !section.doubts.is_empty() {
            page.blank();
        }
        page.list(&section.doubts, Style::Doubt);
        page.blank();
    }
    page.list(&document.notes, Style::Plain);
    page.answers(&document);
    page.text
}

/// Formats the answer for a terminal like this: notes and doubts, a small table, and a sentence for each server.
pub fn brief(all: &[Results], look: Look) -> String {
    let document = Document::of(all, &Summary::of(all));
    let mut page = Page { text: String::new(), look };
    page.list(&document.notes, Style::Plain);
    page.list(&document.doubts(), Style::Doubt);
    page.answers(&document);
    page.text
}

struct Page {
    text: String,
    look: Look,
}

#[derive(Clone, Copy)]
enum Style {
    Plain,
    Title,
    Head,
    Faint,
    Better,
    Worse,
    Doubt,
}

impl Page {
    fn blank(&mut self) {
        self.text.push('\n');
    }

    fn line(&mut self, text: &str, style: Style) {
        self.wrapped("", text, style);
    }

    fn styled(&mut self, text: &str, style: Style) {
        let code = match style {
            _ if !self.look.has_colours => "",
            Style::Plain => "",
            Style::Title => "1",
            Style::Head | Style::Faint => "2",
            Style::Better => "32",
            Style::Worse => "31",
            Style::Doubt => "33",
        };
        let _ = match code {
            "" => write!(self.text, "{text}"),
            code => write!(self.text, "\x1b[{code}m{text}\x1b[0m"),
        };
    }

    fn list(&mut self, items: &[String], style: Style) {
        for item in items {
            self.wrapped("-", item, style);
        }
    }

    /// Writes the tables of all answers, and then their sentences.
    fn answers(&mut self, document: &Document) {
        for Answer { title, grid, .. } in document.answers.iter().filter(|answer| !answer.grid.is_empty()) {
            if !self.text.is_empty() {
                self.blank();
            }
            if let Some(title) = title {
                self.line(title, Style::Title);
            }
            self.grid(grid);
        }
        for Answer { title, sentences, .. } in &document.answers {
            self.blank();
            if let Some(title) = title {
                self.line(title, Style::Title);
            }
            for sentence in sentences {
                self.line(&format!("{}: {}", sentence.server, sentence.said), Style::Title);
            }
        }
    }

    /// Writes a paragraph, with a bullet if given.
    fn wrapped(&mut self, bullet: &str, text: &str, style: Style) {
        let indent = " ".repeat(bullet.width());
        let mut line = String::from(bullet);
        for word in words(&plain(text)) {
            let begun = line.width() > indent.width();
            if begun && line.width() + 1 + word.width() > self.look.width {
                self.styled(&line, style);
                self.text.push('\n');
                line.clone_from(&indent);
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&word);
        }
        self.styled(&line, style);
        self.text.push('\n');
    }

    /// Writes a table, or several below each other if it's wider than the terminal, each with the key columns.
    fn grid(&mut self, grid: &Grid) {
        let widths: Vec<usize> = (0..grid.columns.len()).map(|column| width(grid, column)).collect();
        let keys = grid.keys();
        let keys_width: usize = widths[..keys].iter().map(|width| width + GAP).sum();
        let mut next = keys;
        while next < grid.columns.len() {
            let begin = next;
            let mut used = keys_width;
            while next < grid.columns.len() && (next == begin || used + widths[next] <= self.look.width) {
                used += widths[next] + GAP;
                next += 1;
            }
            let title = if begin == keys { grid.title.clone() } else { format!("{}, continued", grid.title) };
            if begin > keys {
                self.blank();
            }
            self.line(&title, Style::Faint);
            let shown: Vec<usize> = (0..keys).chain(begin..next).collect();
            let heads: Vec<Cell> = shown.iter().map(|&column| grid.columns[column].title.as_str().into()).collect();
            self.row(grid, &shown, &widths, &heads, Some(Style::Head));
            let mut above: Option<&[Cell]> = None;
            for row in &grid.rows {
                let mut cells: Vec<Cell> = shown.iter().map(|&column| row[column].clone()).collect();
                // Don't repeat the value above.
                if above.is_some_and(|above| above[0].text == row[0].text) && keys > 1 {
                    cells[0] = Cell::default();
                }
                above = Some(row);
                self.row(grid, &shown, &widths, &cells, None);
            }
        }
        for meaning in &grid.legend {
            self.line(meaning, Style::Faint);
        }
    }

    fn row(&mut self, grid: &Grid, shown: &[usize], widths: &[usize], cells: &[Cell], style: Option<Style>) {
        let last = cells.len() - 1;
        for (index, (&column, cell)) in shown.iter().zip(cells).enumerate() {
            let text = match style {
                Some(_) => plain(&cell.text) + room_for_sign(grid, column),
                None => signed(grid, column, cell),
            };
            let room = " ".repeat(widths[column].saturating_sub(text.width()));
            let style = style.unwrap_or(match cell.mark {
                Mark::None => Style::Plain,
                Mark::Better => Style::Better,
                Mark::Worse => Style::Worse,
                Mark::Doubt => Style::Doubt,
            });
            if grid.columns[column].is_number {
                self.text.push_str(&room);
                self.styled(&text, style);
            } else {
                self.styled(&text, style);
                if index < last {
                    self.text.push_str(&room);
                }
            }
            if index < last {
                self.text.push_str(&" ".repeat(GAP));
            }
        }
        while self.text.ends_with(' ') {
            self.text.pop();
        }
        self.text.push('\n');
    }
}

fn width(grid: &Grid, column: usize) -> usize {
    let cells = grid.rows.iter().map(|row| signed(grid, column, &row[column]).width());
    let title = plain(&grid.columns[column].title) + room_for_sign(grid, column);
    cells.max().unwrap_or(0).max(title.width())
}

/// A cell's text with its sign, or room for one if others in a column of numbers have signs.
fn signed(grid: &Grid, column: usize, cell: &Cell) -> String {
    match cell.mark.sign() {
        "" => plain(&cell.text) + room_for_sign(grid, column),
        sign => format!("{} {sign}", plain(&cell.text)),
    }
}

fn room_for_sign(grid: &Grid, column: usize) -> &'static str {
    let has_sign = grid.rows.iter().any(|row| !row[column].mark.sign().is_empty());
    if grid.columns[column].is_number && has_sign { "  " } else { "" }
}

/// The words of a text; a percent or multiplication sign stays with its number.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::<String>::new();
    for word in text.split_whitespace() {
        match words.last_mut() {
            Some(last) if word.starts_with(['%', '×']) => *last = format!("{last} {word}"),
            Some(_) | None => words.push(word.into()),
        }
    }
    words
}

/// The width without a terminal.
const WIDTH: usize = 100;

/// The gap between columns.
const GAP: usize = 2;
