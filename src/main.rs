//! The `multiconn` program.

use std::process::ExitCode;

use multiconn::cli::Cli;

fn main() -> ExitCode {
    Cli::run()
}
