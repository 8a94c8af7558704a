//! The `multiconn` program.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use multiconn::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(status) => ExitCode::from(status),
        Err(failure) => {
            // If even this can't be written, the exit status still reports the failure.
            let _ = writeln!(io::stderr(), "multiconn: {failure}");
            ExitCode::from(failure.status())
        }
    }
}
