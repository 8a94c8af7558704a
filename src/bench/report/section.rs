//! A section of a report: points that can stand beside each other, or what searches at them have found.

use super::grid::{Cell, Grid, Mark};

/// Points that can stand beside each other.
#[derive(Debug)]
pub struct Section {
    /// What was asked for.
    pub title: String,
    /// What the comparison says, for each server and point.
    pub verdicts: Vec<Verdict>,
    /// Why there is no verdict of some rows, and what went wrong.
    pub doubts: Vec<String>,
    /// All figures.
    pub grids: Vec<Grid>,
}

/// What the comparison says of a server at a point.
#[derive(Debug)]
pub struct Verdict {
    /// The server's name.
    pub server: String,
    /// The point, in words.
    pub point: String,
    /// Of each figure that was compared, in words.
    pub said: Vec<String>,
}

/// What stands for a row in doubt.
pub const DOUBT: &str = "*";

/// The name of a server whose row is in doubt.
pub fn doubtful(name: &str) -> Cell {
    Cell { text: format!("{name} {DOUBT}"), mark: Mark::Doubt }
}
