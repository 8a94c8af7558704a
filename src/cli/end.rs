//! The end of a program: its failure, its exit status, and the output that is still to be written.

use std::process::ExitCode;

use super::failure::Failure;
use super::{explain, stderr, trace};

/// Ends `program`: reports its failure, waits briefly until all output is written, and returns the exit status.
pub fn end(program: &str, result: Result<u8, Failure>) -> ExitCode {
    let status = result.unwrap_or_else(|failure| {
        stderr::print(&format!("{program}: {failure}\n"));
        failure.status()
    });
    explain::finish();
    trace::finish();
    stderr::finish();
    ExitCode::from(status)
}
