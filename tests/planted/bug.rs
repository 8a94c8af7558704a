//! A bug that can be planted.

/// A bug that can be planted.
pub struct Bug {
    /// Its name in the table.
    pub name: &'static str,
    /// What goes wrong.
    pub what: &'static str,
    /// The file in `src`.
    pub file: &'static str,
    /// The code, which must occur exactly once in the file, and its replacement.
    pub before: &'static str,
    pub after: &'static str,
}
