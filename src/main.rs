//! The `multiconn` program.

use std::process::ExitCode;

use clap::Parser;
use multiconn::cli::Cli;

fn main() -> ExitCode {
    Cli::parse().run()
}
