//! Printing on standard output.

use std::io::{self, IsTerminal, Write};

use super::failure::Failure;
use super::{standard, stderr};
use crate::text::printable;

/// Writes data to standard output, after everything logged so far.
pub fn print(bytes: &[u8]) -> Result<(), Failure> {
    stderr::finish();
    standard::output().write_all(bytes).map_err(|error| cannot_print(&error))
}

/// Writes data from a peer to standard output as a line; on a terminal, as [`printable`] text.
pub fn print_line(bytes: &[u8]) -> Result<(), Failure> {
    match io::stdout().is_terminal() {
        true => print(format!("{}\n", printable(bytes)).as_bytes()),
        false => print(&[bytes, b"\n"].concat()),
    }
}

/// The failure to write to standard output.
pub fn cannot_print(error: &io::Error) -> Failure {
    Failure::of_writing("standard output", error)
}
