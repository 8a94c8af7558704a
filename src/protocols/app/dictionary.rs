//! The dictionary for searches.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::reply::PreparedResult;
use crate::message::ByteOrder;
use crate::text::reason;

/// Values by name, with prepared replies.
#[derive(Clone, Debug)]
pub struct Dictionary {
    /// Sorted: searching a few names, such as the tutorial's three, takes less time than hashing the requested one.
    entries: BTreeMap<String, Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    value: String,
    reply: PreparedResult,
}

impl From<String> for Entry {
    fn from(value: String) -> Self {
        Entry { reply: PreparedResult::new(&value, ByteOrder::NATIVE), value }
    }
}

impl Dictionary {
    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.entries.get(name).map(|entry| entry.value.as_str())
    }

    /// The prepared reply to a search for `name`.
    pub(super) fn reply(&self, name: &str) -> Option<&PreparedResult> {
        self.entries.get(name).map(|entry| &entry.reply)
    }

    /// The same with replies in another byte order than this machine's.
    pub(super) fn replying_in(mut self, byteorder: ByteOrder) -> Self {
        if byteorder != ByteOrder::NATIVE {
            for entry in self.entries.values_mut() {
                entry.reply = PreparedResult::new(&entry.value, byteorder);
            }
        }
        self
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Reads a JSON object of strings from the file `path`.
    ///
    /// # Errors
    /// If it can't be read, or isn't such an object.
    pub fn read(path: &Path) -> Result<Dictionary, DictionaryError> {
        let failed = |cause| DictionaryError::new(path, cause);
        let text = fs::read(path).map_err(|error| failed(Cause::Unreadable(error)))?;
        let entries: BTreeMap<String, String> =
            serde_json::from_slice(&text).map_err(|error| failed(Cause::Invalid(error)))?;
        Ok(entries.into_iter().collect())
    }

    /// The same for a running server: reads only a regular file, because opening a pipe may block.
    ///
    /// # Errors
    /// If it can't be read, or isn't such an object.
    pub fn read_again(path: &Path) -> Result<Dictionary, DictionaryError> {
        if path.exists() && !path.is_file() {
            return Err(DictionaryError::new(path, Cause::NotRegular));
        }
        Self::read(path)
    }
}

impl Default for Dictionary {
    /// The tutorial's dictionary.
    fn default() -> Self {
        [
            ("morpheus", "Follow the white rabbit. 🐰"),
            ("ring", "In the caves beneath the Misty Mountains. 💍"),
            ("🐶", "🐾 Playing ball! 🏐"),
        ]
        .into_iter()
        .collect()
    }
}

impl<T: Into<String>> FromIterator<(T, T)> for Dictionary {
    fn from_iter<I: IntoIterator<Item = (T, T)>>(entries: I) -> Self {
        let entries = entries.into_iter().map(|(name, value)| (name.into(), Entry::from(value.into())));
        Dictionary { entries: entries.collect() }
    }
}

/// A failure to read a dictionary from a file.
#[derive(Debug)]
pub struct DictionaryError {
    path: PathBuf,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    NotRegular,
    Unreadable(io::Error),
    Invalid(serde_json::Error),
}

impl DictionaryError {
    fn new(path: &Path, cause: Cause) -> Self {
        DictionaryError { path: path.to_owned(), cause }
    }
}

impl fmt::Display for DictionaryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.cause {
            Cause::NotRegular => write!(f, "cannot reload the dictionary {path}: not a regular file"),
            Cause::Unreadable(error) => write!(f, "cannot read the dictionary {path}: {}", reason(error)),
            Cause::Invalid(error) => write!(f, "the dictionary {path} is not a JSON object of strings: {error}"),
        }
    }
}

impl std::error::Error for DictionaryError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_regular_file_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let error = Dictionary::read_again(folder.path()).unwrap_err().to_string();
        assert!(error.ends_with(": not a regular file"), "{error}");
        let file = folder.path().join("dictionary.json");
        let error = Dictionary::read_again(&file).unwrap_err().to_string();
        assert!(error.ends_with(": no such file"), "{error}");
        fs::write(&file, r#"{"red": "pill"}"#).unwrap();
        assert_eq!(Dictionary::read_again(&file).unwrap().get("red"), Some("pill"));
    }
}
