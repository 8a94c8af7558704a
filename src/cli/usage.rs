//! Parsing a program's command line, and showing help, the version and usage errors.

use std::env;
use std::ffi::OsString;
use std::io;

use anstream::{AutoStream, ColorChoice};
use clap::{Command, FromArgMatches};

use super::failure::{Failure, WRONG_USAGE};
use super::stdout::print;
use super::{environment, stderr, two_words};

/// Calls `run` with the parsed command line and [environment], or shows help, the version or a usage error. Returns the exit status.
///
/// # Errors
/// If `run` fails, if standard output can't be written, or if an address is two words.
pub fn parse_and_run<T: FromArgMatches>(
    command: Command,
    run: impl FnOnce(T) -> Result<u8, Failure>,
) -> Result<u8, Failure> {
    let mut command = environment::read(command);
    let args: Vec<OsString> = env::args_os().collect();
    let matches = command.try_get_matches_from_mut(&args);
    let parsed = matches.and_then(|matches| T::from_arg_matches(&matches).map_err(|error| error.format(&mut command)));
    match parsed {
        Err(shown) if !shown.use_stderr() => show(&shown),
        parsed => {
            two_words::check(&command, args.get(1..).unwrap_or_default())?;
            parsed.map_or_else(
                |shown| {
                    let status = show(&shown)?;
                    environment::note(&command, &args, &shown).iter().for_each(|note| stderr::print(note));
                    Ok(status)
                },
                run,
            )
        }
    }
}

/// Shows help or the version on standard output, or wrong usage on standard error, and returns the exit status.
///
/// # Errors
/// If standard output can't be written.
fn show(shown: &clap::Error) -> Result<u8, Failure> {
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
