//! The `multiconn` program.

use std::process::ExitCode;

use clap::Parser;
use multiconn::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(status) => ExitCode::from(status),
        Err(failure) => failure.report("multiconn"),
    }
}
