//! The `multiconn` program.

use std::process::ExitCode;

use clap::Parser;
use multiconn::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("multiconn: {failure}");
            ExitCode::FAILURE
        }
    }
}
