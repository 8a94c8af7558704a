//! What is logged, and how much of it.

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
    /// The level that `-v` and `-q` ask for, if they are given.
    fn level(self) -> Option<LevelFilter> {
        match (self.quiet, self.verbose) {
            (true, _) => Some(LevelFilter::Error),
            (false, 0) => None,
            (false, 1) => Some(LevelFilter::Debug),
            (false, _) => Some(LevelFilter::Trace),
        }
    }
}

/// Logs to standard error: what `-v` and `-q` say, or else `RUST_LOG`, or else down to `default`.
pub fn start(verbosity: Verbosity, default: LevelFilter) {
    match verbosity.level() {
        None => Builder::from_env(Env::default().default_filter_or(default.as_str())).init(),
        // What RUST_LOG says of single modules would be stronger than a level for all, so it is not even read.
        Some(level) => ours(level).init(),
    }
}

/// The same with what the crate says that uses this one, and all others that it uses.
pub fn start_all(verbosity: Verbosity, default: LevelFilter) {
    match verbosity.level() {
        None => start(verbosity, default),
        Some(level) => Builder::new().filter_level(level).init(),
    }
}

/// Logs to standard output as a transcript: what happens, and on which side, which is told by the thread's name.
pub fn start_transcript(verbosity: Verbosity) {
    ours(verbosity.level().unwrap_or(LevelFilter::Debug))
        .target(Target::Stdout)
        .format(|out, record| {
            let thread = thread::current();
            let name = thread.name().filter(|&name| name != "main").unwrap_or("client");
            writeln!(out, "{}{}", side(name), record.args())
        })
        .init();
}

/// A logger of what this crate says, down to `level`.
fn ours(level: LevelFilter) -> Builder {
    let mut builder = Builder::new();
    builder.filter_module(env!("CARGO_CRATE_NAME"), level);
    builder.parse_write_style(&env::var("RUST_LOG_STYLE").unwrap_or_default());
    builder
}

/// The margin of a transcript's line that belongs to `name`.
pub fn side(name: &str) -> String {
    format!("{name:>12} | ")
}
