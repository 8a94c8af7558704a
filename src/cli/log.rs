//! Logging and its levels.

use std::env;
use std::io::Write;
use std::thread;

use clap::Args;
use env_logger::{Builder, Env, Target};
use log::LevelFilter;

/// How much to log.
#[derive(Clone, Copy, Debug, Args)]
pub struct Verbosity {
    /// Log more: messages (-v); bytes, state transitions and interest changes (-vv)
    #[arg(short, long, global = true, display_order = 100, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    verbose: u8,
    /// Log errors only
    #[arg(short, long, global = true, display_order = 101)]
    pub quiet: bool,
}

impl Verbosity {
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
    match verbosity.level() {
        None => Builder::from_env(Env::default().default_filter_or(default.as_str())).init(),
        // RUST_LOG is not read: its filters for single modules would override a level for all.
        Some(level) => ours(level).init(),
    }
}

/// The same, also for the crate that uses this one and for its other dependencies.
pub fn start_all(verbosity: Verbosity, default: LevelFilter) {
    match verbosity.level() {
        None => start(verbosity, default),
        Some(level) => Builder::new().filter_level(level).init(),
    }
}

/// Logs to standard output as a transcript: each event with its side, taken from the thread's name.
pub fn start_transcript(verbosity: Verbosity) {
    ours(verbosity.level().unwrap_or(LevelFilter::Debug))
        .target(Target::Pipe(Box::new(super::standard::output())))
        .format(|out, record| {
            let thread = thread::current();
            let name = thread.name().filter(|&name| name != "main").unwrap_or("client");
            writeln!(out, "{}{}", side(name), record.args())
        })
        .init();
}

/// A logger for this crate's messages, down to `level`.
fn ours(level: LevelFilter) -> Builder {
    let mut builder = Builder::new();
    builder.filter_module(env!("CARGO_CRATE_NAME"), level);
    builder.parse_write_style(&env::var("RUST_LOG_STYLE").unwrap_or_default());
    builder
}

/// The margin of a transcript line for side `name`.
pub fn side(name: &str) -> String {
    format!("{name:>12} | ")
}
