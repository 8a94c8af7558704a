//! `--explain`: a conversation as a person would draw it.
//!
//! It is another subscriber of the [trace](crate::trace), so it shows exactly what happens. A client writes its drawing
//! directly, and waits while the terminal is stopped. A server never waits for a terminal: its lines go through a queue.

mod drawing;
mod parts;

use std::io::{self, IsTerminal, Write};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;

use self::drawing::Drawing;
use super::failure::{Failure, unless_unread};
use super::paint::{DIM, Paint};
use super::stdout::print;
use super::writer::Writer;
use super::{standard, stderr, units};
use crate::selector::Interest;
use crate::text::count;
use crate::trace::{Event, Record, RunEnd, Shared, Subscriber};

static EXPLAIN: OnceLock<Arc<Explain>> = OnceLock::new();

/// Longer than anybody looks at a step.
const NEVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// The pause between pieces, unless it is given.
const PAUSE: Duration = Duration::from_millis(100);

/// How to show a client's conversation, and how to slow it down for that.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct ExplainCall {
    /// Draw the conversation: each message in its parts, each transition, each wait
    #[arg(long)]
    explain: bool,
    /// Stop at each wait of the drawing until Enter is pressed; the client's timeouts don't apply
    #[arg(long, requires = "explain")]
    step: bool,
    /// Send each request in N pieces [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pieces: Option<u32>,
    /// Pause between the pieces [default: 100ms]
    #[arg(long, value_name = "TIME", requires = "pieces", value_parser = units::timeout)]
    pause: Option<Duration>,
}

impl ExplainCall {
    /// Begins the drawing, if it is wanted.
    pub fn start(self) {
        if self.explain {
            let sink = Sink::Now { is_open: true, steps: self.step };
            let _ = EXPLAIN.set(Arc::new(Explain::new(sink)));
        }
    }

    /// Whether each wait is also for Enter.
    pub fn steps(self) -> bool {
        self.step
    }

    /// The number of pieces of each request, and the pause between them.
    pub fn pieces(self) -> (usize, Duration) {
        (self.pieces.map_or(1, |pieces| pieces as usize), self.pause.unwrap_or(PAUSE))
    }

    /// The timeout to use: `timeout`, or none with steps.
    pub fn timeout(self, timeout: Duration) -> Duration {
        if self.step { NEVER } else { timeout }
    }
}

/// How to show a server's conversations.
#[derive(Clone, Copy, Debug, Args)]
pub struct ExplainServe {
    /// Draw the conversations, each line with the port of its client: each message in its parts, each transition, each
    /// wait. The log then has only warnings and errors, unless -v is given
    #[arg(long)]
    explain: bool,
}

impl ExplainServe {
    /// Begins the drawing, if it is wanted.
    pub fn start(self) {
        if self.explain {
            let note =
                |dropped| format!("… {} dropped: standard output could not be written\n", count(dropped, "line"));
            let sink = Sink::Queue(Writer::new(io::stdout(), note));
            let _ = EXPLAIN.set(Arc::new(Explain::new(sink)));
        }
    }

    /// Whether the conversations are drawn.
    pub fn is_on(self) -> bool {
        self.explain
    }
}

/// The subscriber that draws, if there is one.
pub fn subscriber() -> Option<Shared> {
    EXPLAIN.get().map(|explain| Shared::new(Arc::clone(explain)))
}

/// Whether conversations are drawn.
pub fn is_on() -> bool {
    EXPLAIN.get().is_some()
}

/// Waits briefly until everything is written.
pub fn finish() {
    if let Some(explain) = EXPLAIN.get() {
        explain.flush();
    }
}

/// What a client prints besides the drawing.
pub enum Words {
    /// Data for standard output.
    Answer(Vec<u8>),
    /// A prompt or a failure, for standard error.
    Note(String),
}

/// Prints `words` at once, or with a drawing once that has caught up: where it next waits or ends.
pub fn say(words: Words) -> Result<(), Failure> {
    match EXPLAIN.get() {
        None => words.print(),
        Some(explain) => {
            explain.page().words.push(words);
            Ok(())
        }
    }
}

/// Prints the words that are left at the end of a conversation.
///
/// # Errors
/// The first failure to print an answer with a drawing. A reader that leaves is none.
pub fn say_the_rest() -> Result<(), Failure> {
    let Some(explain) = EXPLAIN.get() else { return Ok(()) };
    let mut page = explain.page();
    page.say();
    mem::replace(&mut page.said, Ok(()))
}

struct Explain {
    page: Mutex<Page>,
    started: Instant,
}

/// The drawing, and its destination.
struct Page {
    drawing: Drawing,
    sink: Sink,
    /// The interest of a client's connection.
    interest: Interest,
    /// Whether a change of it follows, before the connection waits.
    changes_interest: bool,
    /// What is to be printed once the drawing has caught up.
    words: Vec<Words>,
    /// Whether all answers so far could be printed.
    said: Result<(), Failure>,
    /// The time spent waiting for Enter, which no wait includes.
    stood: Duration,
}

/// The destination of the lines.
enum Sink {
    /// Standard output, with waiting. Lines that can't be written are lost.
    Now {
        is_open: bool,
        /// Whether each wait is also for Enter.
        steps: bool,
    },
    /// A queue for standard output.
    Queue(Writer),
}

impl Explain {
    fn new(sink: Sink) -> Explain {
        let drawing = Drawing::new(Paint::of_standard_output());
        let page = Page {
            drawing,
            sink,
            interest: Interest::NONE,
            changes_interest: false,
            words: Vec::new(),
            said: Ok(()),
            stood: Duration::ZERO,
        };
        Explain { page: Mutex::new(page), started: Instant::now() }
    }

    fn page(&self) -> MutexGuard<'_, Page> {
        self.page.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscriber for Arc<Explain> {
    fn record(&self, record: &Record<'_>) {
        let mut page = self.page();
        let time = self.started.elapsed().saturating_sub(page.stood);
        let lines = page.drawing.draw(record, time);
        if !lines.is_empty() {
            page.sink.write(&lines);
        }
        let waits = page.begins_wait(&record.event);
        if waits || matches!(record.event, Event::Closed { .. }) {
            page.say();
        }
        if waits {
            let begun = Instant::now();
            page.sink.step();
            page.stood += begun.elapsed();
        }
    }

    fn flush(&self) {
        if let Sink::Queue(writer) = &self.page().sink {
            writer.finish();
        }
    }
}

impl Page {
    /// Whether `event` is the last one that is drawn before a client's connection waits.
    fn begins_wait(&mut self, event: &Event<'_>) -> bool {
        match event {
            Event::RunEnded { how: RunEnd::Waits(_), output, .. } => {
                // A connection without output needs no room, so such an interest changes now.
                self.changes_interest = self.interest == Interest::NONE || self.interest.writable && *output == 0;
                !self.changes_interest
            }
            Event::InterestChanged { to, .. } => {
                self.interest = *to;
                mem::take(&mut self.changes_interest)
            }
            Event::RunBegun => mem::take(&mut self.changes_interest),
            _ => false,
        }
    }

    /// Prints the words so far.
    fn say(&mut self) {
        for words in mem::take(&mut self.words) {
            let printed = unless_unread(words.print());
            self.said = mem::replace(&mut self.said, Ok(())).and(printed);
        }
    }
}

impl Words {
    fn print(&self) -> Result<(), Failure> {
        match self {
            Words::Answer(bytes) => print(bytes),
            Words::Note(text) => {
                stderr::print_now(text);
                Ok(())
            }
        }
    }
}

impl Sink {
    fn write(&mut self, lines: &str) {
        match self {
            Sink::Now { is_open, .. } => *is_open = *is_open && standard::output().write_all(lines.as_bytes()).is_ok(),
            Sink::Queue(writer) => writer.push(lines.as_bytes()),
        }
    }

    /// Waits for Enter, if steps are wanted and both the input and the output are still open.
    fn step(&mut self) {
        if let Sink::Now { is_open: true, steps: steps @ true } = self {
            *steps = wait_for_enter("-- Enter: next step --");
        }
    }
}

/// Prompts on a terminal, and waits for Enter. Returns whether Enter was pressed, and not the end of input.
pub fn wait_for_enter(prompt: &str) -> bool {
    let is_terminal = io::stdin().is_terminal();
    if is_terminal {
        let prompt = Paint::of_standard_output().paint(DIM, prompt);
        let _ = standard::output().write_all(prompt.as_bytes());
    }
    let has_come = standard::line_read();
    if is_terminal && !has_come {
        let _ = standard::output().write_all(b"\n");
    }
    has_come
}
