//! Why a command failed.

use std::fmt;
use std::io;
use std::path::Path;

use rustix::io::Errno;

use crate::text::{printable_line, reason};

/// Why a command failed: one line for the user.
#[derive(Clone, Debug)]
pub struct Failure {
    text: String,
    status: u8,
    /// Whether the only problem is that nobody reads the output any more.
    is_unread: bool,
}

/// Shows a single line that is safe for a terminal, whatever names and peers' words are in it.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable_line(&self.text))
    }
}

impl std::error::Error for Failure {}

/// The exit status after wrong usage.
pub(super) const WRONG_USAGE: u8 = 2;

impl Failure {
    /// A failure with exit status 1.
    pub(super) fn new(message: impl Into<String>) -> Failure {
        Failure::with_status(1, message)
    }

    /// A failure caused by wrong usage, with exit status 2.
    pub(super) fn of_usage(message: impl Into<String>) -> Failure {
        Failure::with_status(WRONG_USAGE, message)
    }

    pub(super) fn with_status(status: u8, message: impl Into<String>) -> Failure {
        Failure { text: message.into(), status, is_unread: false }
    }

    /// The same failure with a hint added.
    pub(super) fn with_hint(self, hint: &str) -> Failure {
        Failure { text: format!("{} ({hint})", self.text), ..self }
    }

    /// The exit status.
    pub(super) fn status(&self) -> u8 {
        self.status
    }

    /// All of `failures` in one line, with the exit status of the first.
    pub(super) fn all_of(failures: Vec<Failure>) -> Result<(), Failure> {
        let joined = |all: Failure, next: Failure| Failure { text: format!("{}; {}", all.text, next.text), ..all };
        failures.into_iter().reduce(joined).map_or(Ok(()), Err)
    }

    /// A failure of the event loop itself.
    pub(super) fn of_loop(error: &io::Error) -> Failure {
        Failure::new(format!("the event loop failed: {}", reason(error)))
    }

    /// A failure to write to the file `path`, which need not exist.
    pub(super) fn of_writing_file(path: &Path, error: &io::Error) -> Failure {
        let to = path.display().to_string();
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        match folder.is_some_and(|folder| error.kind() == io::ErrorKind::NotFound && !folder.exists()) {
            true => Failure::new(format!("cannot write to {to}: {}", reason_of_folder(error))),
            false => Failure::of_writing(&to, error),
        }
    }

    /// A failure to write to `to`, a file or a stream.
    pub(super) fn of_writing(to: &str, error: &io::Error) -> Failure {
        let why = match error.kind() {
            io::ErrorKind::BrokenPipe => "nobody reads it".into(),
            _ if Errno::from_io_error(error) == Some(Errno::BADF) => "it is closed".into(),
            _ => reason(error),
        };
        let is_unread = error.kind() == io::ErrorKind::BrokenPipe;
        Failure { is_unread, ..Failure::new(format!("cannot write to {to}: {why}")) }
    }
}

/// The reason why a path can't be reached whose last name need not exist: if something is missing, it is a folder.
pub(super) fn reason_of_folder(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such folder".into(),
        _ => reason(error),
    }
}

/// Ignores a failure to write to a closed pipe: its reader may leave at any time, as `head` does.
pub(super) fn unless_unread(result: Result<(), Failure>) -> Result<(), Failure> {
    match result {
        Err(failure) if failure.is_unread => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_line_that_is_safe_for_a_terminal() {
        let failure = Failure::new("cannot write to a\nb\x1b[1m\u{202e}🐶").with_hint("a hint");
        assert_eq!(failure.to_string(), "cannot write to a\\nb\\u{1b}[1m\\u{202e}🐶 (a hint)");
    }
}
