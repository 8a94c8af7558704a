//! What is logged, and how much of it.

use std::io::Write;
use std::thread;

use env_logger::{Builder, Env, Target};
use log::LevelFilter;

use super::Verbosity;

/// Logs to standard error: what `-v` and `-q` say, or else `RUST_LOG`, or else down to `default`.
pub fn start(verbosity: Verbosity, default: LevelFilter) {
    let level = match (verbosity.quiet, verbosity.verbose) {
        (true, _) => LevelFilter::Error,
        (false, 0) => return Builder::from_env(Env::default().default_filter_or(default.as_str())).init(),
        (false, 1) => LevelFilter::Debug,
        (false, _) => LevelFilter::Trace,
    };
    Builder::new().filter_module(env!("CARGO_CRATE_NAME"), level).init();
}

/// Logs to standard output as a transcript: what happens, and on which side, which is told by the thread's name.
pub fn start_transcript(verbosity: Verbosity) {
    let level = match (verbosity.quiet, verbosity.verbose) {
        (true, _) => LevelFilter::Error,
        (false, 0) => LevelFilter::Debug,
        (false, _) => LevelFilter::Trace,
    };
    Builder::new()
        .filter_module(env!("CARGO_CRATE_NAME"), level)
        .target(Target::Stdout)
        .format(|out, record| {
            let thread = thread::current();
            let name = thread.name().filter(|&name| name != "main").unwrap_or("client");
            writeln!(out, "{}{}", side(name), record.args())
        })
        .init();
}

/// The margin of a transcript's line that belongs to `name`.
pub fn side(name: &str) -> String {
    format!("{name:>12} | ")
}
