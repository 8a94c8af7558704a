//! What is shown instead of running a command: help, the version, and wrong usage.

use std::io;

use anstream::{AutoStream, ColorChoice};

use super::failure::{Failure, WRONG_USAGE};
use super::stderr;
use super::stdout::print;

/// Shows help or the version on standard output, or wrong usage on standard error, and returns the exit status.
///
/// # Errors
/// If standard output can't be written.
pub fn show(shown: &clap::Error) -> Result<u8, Failure> {
    let is_wrong = shown.use_stderr();
    let colors = if is_wrong { AutoStream::choice(&io::stderr()) } else { AutoStream::choice(&io::stdout()) };
    let text = match colors {
        ColorChoice::Never => shown.render().to_string(),
        ColorChoice::Always | ColorChoice::AlwaysAnsi | ColorChoice::Auto => shown.render().ansi().to_string(),
    };
    if is_wrong {
        stderr::print(&text);
        return Ok(WRONG_USAGE);
    }
    print(text.as_bytes())?;
    Ok(0)
}
