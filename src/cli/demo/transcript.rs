//! The lines of both sides, shown a screen at a time.

use std::io::{self, IsTerminal};
use std::mem;
use std::sync::{Mutex, PoisonError};
use std::thread;

use clap::builder::styling::Style;
use log::{Log, Metadata, Record};

use crate::cli::explain::wait_for_enter;
use crate::cli::failure::Failure;
use crate::cli::paint::{BOLD, CYAN, GREEN, PLAIN, Paint, YELLOW};
use crate::cli::stdout::print;
use crate::cli::wrap::wrap;

/// The columns and rows of a terminal that doesn't report its own.
const SIZE: (usize, usize) = (80, 24);
/// The columns of a terminal's margin: `client ` or `server `.
const MARGIN: usize = 7;

/// Lines that are not shown yet, in the order of the events. As the logger, it receives a line for each event.
#[derive(Debug)]
pub struct Transcript(Mutex<Vec<Line>>);

#[derive(Debug)]
struct Line {
    speaker: Speaker,
    text: String,
}

#[derive(Debug, PartialEq, Eq)]
enum Speaker {
    Client,
    /// The server of this name.
    Server(String),
    /// The person at the terminal.
    User,
    /// The command that the person runs.
    Command,
}

impl Transcript {
    /// No lines.
    pub const fn new() -> Transcript {
        Transcript(Mutex::new(Vec::new()))
    }

    /// The user's command.
    pub fn command(&self, command: &str) {
        self.push(Speaker::User, format!("$ {command}"));
    }

    /// Lines that the command prints.
    pub fn print(&self, text: &str) {
        text.lines().for_each(|line| self.push(Speaker::Command, line.to_owned()));
    }

    /// A line of the server of this name.
    pub fn server(&self, name: &str, text: &str) {
        self.push(Speaker::Server(name.to_owned()), text.to_owned());
    }

    fn push(&self, speaker: Speaker, text: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Line { speaker, text });
    }

    fn take(&self) -> Vec<Line> {
        mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Log for Transcript {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with(env!("CARGO_CRATE_NAME"))
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let thread = thread::current();
            let speaker = match thread.name() {
                Some(name) if name != "main" => Speaker::Server(name.to_owned()),
                _ => Speaker::Client,
            };
            self.push(speaker, record.args().to_string());
        }
    }

    fn flush(&self) {}
}

/// Shows a transcript: on a terminal a screen at a time, and otherwise straight through, with whole lines.
#[derive(Debug)]
pub struct Screens {
    pub transcript: &'static Transcript,
    paint: Paint,
    /// On a terminal, the columns, and the rows except the last, which is for the prompt.
    size: Option<(usize, usize)>,
    /// Whether a full screen waits for Enter.
    waits: bool,
    /// The rows of this screen so far.
    rows: usize,
}

impl Screens {
    /// Shows what is in `transcript`.
    pub fn new(transcript: &'static Transcript) -> Screens {
        let out = io::stdout();
        let size = out.is_terminal().then(|| {
            let size = terminal_size::terminal_size_of(&out);
            let (width, height) = size.map_or(SIZE, |(width, height)| (width.0.into(), height.0.into()));
            // A terminal that doesn't know reports zero.
            let known = |size: usize, default: usize| if size == 0 { default } else { size };
            (known(width, SIZE.0).max(2 * MARGIN), known(height, SIZE.1).max(2) - 1)
        });
        let waits = size.is_some() && io::stdin().is_terminal();
        Screens { transcript, paint: Paint::of_standard_output(), size, waits, rows: 0 }
    }

    /// Shows the lines so far, on one screen if they fit.
    pub fn show(&mut self) -> Result<(), Failure> {
        let lines = self.transcript.take();
        let Some((width, height)) = self.size else {
            return print(lines.iter().map(whole).collect::<String>().as_bytes());
        };
        let mut rows: Vec<String> = lines.iter().flat_map(|line| broken(line, width, self.paint)).collect();
        if self.rows + rows.len() > height {
            self.turn(&mut rows);
        }
        while self.rows + rows.len() > height {
            let mut rest = rows.split_off(height - self.rows);
            self.print(&rows)?;
            self.turn(&mut rest);
            rows = rest;
        }
        self.print(&rows)
    }

    fn print(&mut self, rows: &[String]) -> Result<(), Failure> {
        self.rows += rows.len();
        print(rows.iter().map(|row| format!("{row}\n")).collect::<String>().as_bytes())
    }

    /// Begins a screen with `rows`, which need no gap there.
    fn turn(&mut self, rows: &mut Vec<String>) {
        if self.rows > 0 && self.waits {
            self.waits = wait_for_enter("-- Enter: next --");
        }
        self.rows = 0;
        if rows.first().is_some_and(String::is_empty) {
            rows.remove(0);
        }
    }
}

/// A line as it appears in a file.
fn whole(line: &Line) -> String {
    let text = &line.text;
    match &line.speaker {
        Speaker::Client => format!("{:>12} | {text}\n", "client"),
        Speaker::Server(name) => format!("{name:>12} | {text}\n"),
        Speaker::User => format!("\n{text}\n"),
        Speaker::Command => format!("{text}\n"),
    }
}

/// The rows of a line on a terminal of `width` columns.
fn broken(line: &Line, width: usize, paint: Paint) -> Vec<String> {
    let with = |margin: &str, of_margin: Style, of_text: Style| -> Vec<String> {
        let room = width - margin.len();
        let margin = paint.paint(of_margin, margin);
        wrap(&line.text, room, room).iter().map(|row| format!("{margin}{}", paint.paint(of_text, row))).collect()
    };
    match line.speaker {
        Speaker::Client => with("client ", CYAN, PLAIN),
        Speaker::Server(_) => with("server ", YELLOW, PLAIN),
        Speaker::User => [vec![String::new()], with("", PLAIN, BOLD)].concat(),
        Speaker::Command => with("", PLAIN, GREEN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_whole_in_a_file_and_broken_on_a_terminal() {
        let line = |speaker, text: &str| Line { speaker, text: text.into() };
        let said = line(Speaker::Server("echo server".into()), "Echoing 'a few words' to 127.0.0.1:5000");
        assert_eq!(whole(&said), " echo server | Echoing 'a few words' to 127.0.0.1:5000\n");
        assert_eq!(broken(&said, 30, Paint::default()), ["server Echoing 'a few words'", "server to 127.0.0.1:5000"]);
        assert_eq!(broken(&line(Speaker::User, "$ x"), 30, Paint::default()), ["", "$ x"]);
        assert_eq!(broken(&line(Speaker::Client, "x"), 30, Paint::always()), ["\u{1b}[36mclient \u{1b}[0mx"]);
    }
}
