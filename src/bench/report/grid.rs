//! A table, however it's written in the end.

/// Columns and rows of text.
#[derive(Clone, Debug)]
pub struct Grid {
    /// What it shows.
    pub title: String,
    /// The heads of its columns.
    pub columns: Vec<Column>,
    /// As many cells each as there are columns.
    pub rows: Vec<Vec<Cell>>,
}

/// The head of a column.
#[derive(Clone, Debug)]
pub struct Column {
    /// What is in it.
    pub title: String,
    /// Whether it tells what the row is about; those come first.
    pub is_key: bool,
    /// Whether it has numbers, which stand to the right.
    pub is_number: bool,
}

/// What stands in a column of a row.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    /// As it's read.
    pub text: String,
    /// What is to be seen of it at once; the text says so too.
    pub mark: Mark,
}

/// What is to be seen of a cell at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mark {
    /// Nothing.
    #[default]
    None,
    /// It's better than the first.
    Better,
    /// It's worse than the first.
    Worse,
    /// It's in doubt, or has gone wrong.
    Doubt,
}

impl Grid {
    /// One that has no columns yet.
    pub fn new(title: impl Into<String>) -> Grid {
        Grid { title: title.into(), columns: Vec::new(), rows: Vec::new() }
    }

    /// Adds a column, if any of its cells (one for each row) has text.
    pub fn column(&mut self, title: &str, is_number: bool, cells: Vec<Cell>) {
        if cells.iter().any(|cell| !cell.text.is_empty()) {
            self.push(title, false, is_number, cells);
        }
    }

    /// Adds a column that tells what the row is about.
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

    /// How many columns tell what a row is about.
    pub fn keys(&self) -> usize {
        self.columns.iter().take_while(|column| column.is_key).count()
    }

    /// Whether it has anything to tell.
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
