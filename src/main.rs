//! The `multiconn` program.

use std::process::ExitCode;

use multiconn::cli::Cli;

fn main() -> ExitCode {
    match Cli::read_and_run() {
        Ok(status) => ExitCode::from(status),
        Err(failure) => failure.report("multiconn"),
    }
}
