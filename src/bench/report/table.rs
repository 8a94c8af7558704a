//! A report on a terminal.

use std::env;
use std::fmt::Write;
use std::io::{self, IsTerminal};

use unicode_width::UnicodeWidthStr;

use super::super::results::Results;
use super::super::summary::Summary;
use super::document::Document;
use super::grid::{Cell, Grid, Mark};
use super::section::DOUBT;
use super::words::plain;

/// The terminal's properties.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// The width in characters.
    pub width: usize,
    /// Whether it may have colours.
    pub has_colours: bool,
}

/// Formats a report for standard output: as wide as the terminal, and with colours if it wants them.
pub fn table(all: &[Results]) -> String {
    render(all, Look::of_standard_output())
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

/// Formats a report for a terminal like this.
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
        for doubt in &section.doubts {
            page.wrapped(DOUBT, doubt, Style::Doubt);
        }
        page.blank();
    }
    for note in &document.notes {
        page.wrapped("-", note, Style::Plain);
    }
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

    /// Writes a paragraph, with a bullet if given.
    fn wrapped(&mut self, bullet: &str, text: &str, style: Style) {
        let indent = " ".repeat(bullet.width());
        let mut line = String::from(bullet);
        for word in plain(text).split_whitespace() {
            let begun = line.width() > indent.width();
            if begun && line.width() + 1 + word.width() > self.look.width {
                self.styled(&line, style);
                self.text.push('\n');
                line.clone_from(&indent);
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
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
            let title = if begin == keys { grid.title.clone() } else { format!("{}, further", grid.title) };
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
    }

    fn row(&mut self, grid: &Grid, shown: &[usize], widths: &[usize], cells: &[Cell], style: Option<Style>) {
        let last = cells.len() - 1;
        for (index, (&column, cell)) in shown.iter().zip(cells).enumerate() {
            let text = plain(&cell.text);
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
    let cells = grid.rows.iter().map(|row| plain(&row[column].text).width());
    cells.max().unwrap_or(0).max(plain(&grid.columns[column].title).width())
}

/// The width without a terminal.
const WIDTH: usize = 100;

/// The gap between columns.
const GAP: usize = 2;
