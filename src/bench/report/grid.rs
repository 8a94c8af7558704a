//! A table, independent of the output format.

use super::super::results::FASTER_BY;

/// Columns and rows of text.
#[derive(Clone, Debug)]
pub struct Grid {
    /// The table's subject.
    pub title: String,
    /// The heads of its columns.
    pub columns: Vec<Column>,
    /// The rows, with a cell for each column.
    pub rows: Vec<Vec<Cell>>,
    /// The meanings of the marks in it.
    pub legend: Vec<String>,
}

/// The head of a column.
#[derive(Clone, Debug)]
pub struct Column {
    /// The column's title.
    pub title: String,
    /// Whether it identifies the row; such columns come first.
    pub is_key: bool,
    /// Whether it has numbers, which are right-aligned.
    pub is_number: bool,
}

/// A cell.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    /// The text.
    pub text: String,
    /// The highlighting, which every output format also shows as a sign.
    pub mark: Mark,
}

/// The sign of a row or figure in doubt.
pub const DOUBT: &str = "*";
/// The sign of a row for which the generator was hardly faster than the server.
pub const CLOSE: &str = "~";
/// The sign of a figure that is better than the baseline's.
pub const BETTER: &str = "▲";
/// The sign of a worse one.
pub const WORSE: &str = "▼";

/// The highlighting of a cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mark {
    /// No highlighting.
    #[default]
    None,
    /// Better than the baseline.
    Better,
    /// Worse than the baseline.
    Worse,
    /// In doubt, or failed.
    Doubt,
}

impl Grid {
    /// Creates a table without columns.
    pub fn new(title: impl Into<String>) -> Grid {
        Grid { title: title.into(), columns: Vec::new(), rows: Vec::new(), legend: Vec::new() }
    }

    /// Adds a column, if any of its cells (one for each row) has text.
    pub fn column(&mut self, title: &str, is_number: bool, cells: Vec<Cell>) {
        if cells.iter().any(|cell| !cell.text.is_empty()) {
            self.push(title, false, is_number, cells);
        }
    }

    /// Adds a key column, which identifies the row.
    pub fn key(&mut self, title: &str, is_number: bool, cells: Vec<Cell>) {
        self.push(title, true, is_number, cells);
    }

    fn push(&mut self, title: &str, is_key: bool, is_number: bool, cells: Vec<Cell>) {
        self.rows.resize(cells.len(), Vec::new());
        for (row, cell) in self.rows.iter_mut().zip(cells) {
            row.push(cell);
        }
        self.columns.push(Column { title: title.into(), is_key, is_number });
    }

    /// The same table with an explanation of each kind of mark in it. `baseline` is the server or file in the comparison.
    pub fn explained(mut self, baseline: Option<&str>) -> Grid {
        let cells = || self.rows.iter().flatten();
        let has = |mark| cells().any(|cell| cell.mark == mark);
        let baseline = baseline.map(|baseline| format!(" than {baseline}")).unwrap_or_default();
        let difference = match (has(Mark::Better), has(Mark::Worse)) {
            (true, true) => Some(format!("{BETTER} better, {WORSE} worse{baseline}")),
            (true, false) => Some(format!("{BETTER} better{baseline}")),
            (false, true) => Some(format!("{WORSE} worse{baseline}")),
            (false, false) => None,
        };
        let ends_with = |mark: &str| cells().any(|cell| cell.text.ends_with(&format!(" {mark}")));
        let doubt = ends_with(DOUBT).then(|| format!("{DOUBT} in doubt; the reasons are listed"));
        let close = ends_with(CLOSE).then(|| {
            format!(
                "{CLOSE} the generator was busy for more than two thirds of the time, so it could not be {FASTER_BY} times \
                 as fast as this server; but the server had no processor time left, so the figures are the server's"
            )
        });
        self.legend = [difference, doubt, close].into_iter().flatten().collect();
        self
    }

    /// The number of key columns.
    pub fn keys(&self) -> usize {
        self.columns.iter().take_while(|column| column.is_key).count()
    }

    /// Whether it has no columns besides its keys.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() || self.columns.len() == self.keys()
    }
}

impl Mark {
    /// The sign that shows it without colours. Doubt has its sign in the text.
    pub fn sign(self) -> &'static str {
        match self {
            Mark::Better => BETTER,
            Mark::Worse => WORSE,
            Mark::None | Mark::Doubt => "",
        }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell { text, mark: Mark::None }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        Cell::from(text.to_owned())
    }
}
