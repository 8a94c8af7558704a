//! Logging and its levels.

use std::env;
use std::io::{self, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};
use clap::Args;
use env_logger::{Builder, Env, Target, WriteStyle};
use jiff::Zoned;
use log::{LevelFilter, Log, Metadata, Record};

use super::demo::Transcript;
use super::trace::HEADING;
use super::{stderr, systemd};

/// How much to log.
#[derive(Clone, Copy, Debug, Args)]
pub struct Verbosity {
    /// Log more: messages (-v); also bytes, state transitions and changes of interest (-vv)
    #[arg(short, long, global = true, help_heading = HEADING, display_order = 100, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    verbose: u8,
    /// Log errors only
    #[arg(short, long, global = true, help_heading = HEADING, display_order = 101)]
    pub quiet: bool,
}

impl Verbosity {
    /// Whether more is to be logged.
    pub fn is_verbose(self) -> bool {
        self.verbose > 0
    }

    /// The same, with all details if more is to be logged.
    pub fn in_detail(self) -> Verbosity {
        Verbosity { verbose: if self.is_verbose() { u8::MAX } else { 0 }, ..self }
    }

    /// The level that `-v` or `-q` sets, if given.
    fn level(self) -> Option<LevelFilter> {
        match (self.quiet, self.verbose) {
            (true, _) => Some(LevelFilter::Error),
            (false, 0) => None,
            (false, 1) => Some(LevelFilter::Debug),
            (false, _) => Some(LevelFilter::Trace),
        }
    }
}

/// Logs to standard error at the level set by `-v` or `-q`, or else by `RUST_LOG`, or else at `default`.
pub fn start(verbosity: Verbosity, default: LevelFilter) {
    // With a level, RUST_LOG is not read: its filters for single modules would override a level for all.
    start_with(verbosity.level().map_or_else(|| from_env(default), ours));
}

/// Like [`start`], but also logs for the crate that uses this one and for its other dependencies.
pub fn start_all(verbosity: Verbosity, default: LevelFilter) {
    let all = |level| {
        let mut builder = Builder::new();
        builder.filter_level(level);
        builder
    };
    start_with(verbosity.level().map_or_else(|| from_env(default), all));
}

/// Logs to a transcript: each event with its side, taken from the thread's name.
pub fn start_transcript(verbosity: Verbosity) -> &'static Transcript {
    static TRANSCRIPT: Transcript = Transcript::new();
    log::set_max_level(verbosity.level().unwrap_or(LevelFilter::Debug));
    log::set_logger(&TRANSCRIPT).expect("it is the only logger");
    &TRANSCRIPT
}

/// A logger for this crate's messages, down to `level`.
fn ours(level: LevelFilter) -> Builder {
    let mut builder = Builder::new();
    builder.filter_module(env!("CARGO_CRATE_NAME"), level);
    builder
}

fn from_env(default: LevelFilter) -> Builder {
    Builder::from_env(Env::default().default_filter_or(default.as_str()))
}

/// Starts a logger to standard error. On a terminal its lines are short, unless `RUST_LOG` is set; in the journal they
/// always are.
fn start_with(mut builder: Builder) {
    if systemd::is_journal() {
        // The journal has the time.
        builder.format(|out, record| writeln!(out, "{}{}", systemd::prefix(record.level()), record.args()));
    } else if io::stderr().is_terminal() && env::var_os("RUST_LOG").is_none() {
        builder.format(|out, record| {
            let (time, level) = (Zoned::now().strftime("%H:%M:%S%.3f"), record.level());
            let style = out.default_level_style(level);
            writeln!(out, "{time} {style}{level:<5}{style:#} {}", record.args())
        });
    }
    let logger = builder.write_style(style()).target(Target::Pipe(Box::new(stderr::writer()))).build();
    log::set_max_level(logger.filter());
    log::set_boxed_logger(Box::new(Logger(logger))).expect("it is the only logger");
}

/// Whether lines on standard error have colors.
fn style() -> WriteStyle {
    match env::var("RUST_LOG_STYLE").as_deref() {
        Ok("always") => WriteStyle::Always,
        Ok("never") => WriteStyle::Never,
        _ => match AutoStream::choice(&io::stderr()) {
            ColorChoice::Never => WriteStyle::Never,
            _ => WriteStyle::Always,
        },
    }
}

/// The logger to standard error. Its flush waits for a short time until everything is printed.
struct Logger(env_logger::Logger);

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        self.0.log(record);
    }

    fn flush(&self) {
        stderr::finish();
    }
}
