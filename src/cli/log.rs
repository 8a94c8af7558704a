//! What is logged, and how much of it.

use env_logger::{Builder, Env};
use log::LevelFilter;

use super::Verbosity;

/// Logs to standard error: what `-v` and `-q` say, or else `RUST_LOG`, or else down to `default`.
pub fn start(verbosity: Verbosity, default: LevelFilter) {
    let mut builder = Builder::from_env(Env::default().default_filter_or(default.as_str()));
    let level = match (verbosity.quiet, verbosity.verbose) {
        (true, _) => Some(LevelFilter::Error),
        (false, 0) => None,
        (false, 1) => Some(LevelFilter::Debug),
        (false, _) => Some(LevelFilter::Trace),
    };
    if let Some(level) = level {
        builder.filter_level(level);
    }
    builder.init();
}
