//! A table, independent of the output format.

/// Columns and rows of text.
#[derive(Clone, Debug)]
pub struct Grid {
    /// The table's subject.
    pub title: String,
    /// The heads of its columns.
    pub columns: Vec<Column>,
    /// As many cells each as there are columns.
    pub rows: Vec<Vec<Cell>>,
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
    /// The highlighting; the text says the same.
    pub mark: Mark,
}

/// The highlighting of a cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mark {
    /// No highlighting.
    #[default]
    None,
    /// Better than the first server.
    Better,
    /// Worse than the first server.
    Worse,
    /// In doubt, or failed.
    Doubt,
}

impl Grid {
    /// Creates a table without columns.
    pub fn new(title: impl Into<String>) -> Grid {
        Grid { title: title.into(), columns: Vec::new(), rows: Vec::new() }
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

    /// The number of key columns.
    pub fn keys(&self) -> usize {
        self.columns.iter().take_while(|column| column.is_key).count()
    }

    /// Whether it has no columns besides its keys.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() || self.columns.len() == self.keys()
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
