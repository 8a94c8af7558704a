//! A section of a report: comparable points, or the results of searches at them.

use super::grid::{Cell, DOUBT, Grid, Mark};

/// A section about comparable points.
#[derive(Debug)]
pub struct Section {
    /// The request.
    pub title: String,
    /// The results of the comparison for each server and point.
    pub verdicts: Vec<Verdict>,
    /// Why some rows have no verdict, and the errors.
    pub doubts: Vec<String>,
    /// All figures.
    pub grids: Vec<Grid>,
}

/// The result of the comparison for a server at a point.
#[derive(Debug)]
pub struct Verdict {
    /// The server's name.
    pub server: String,
    /// The point, in words.
    pub point: String,
    /// The result for each compared figure, in words.
    pub said: Vec<String>,
}

/// The name of a server whose row is in doubt.
pub fn doubtful(name: &str) -> Cell {
    Cell { text: format!("{name} {DOUBT}"), mark: Mark::Doubt }
}
