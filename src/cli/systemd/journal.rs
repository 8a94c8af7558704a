//! The priority of log lines in the journal: systemd reads it from a prefix such as `<6>`, see sd-daemon(3).

use std::env;
use std::io;
use std::sync::LazyLock;

use log::Level;
use rustix::fs::fstat;

/// Whether standard error is the journal: JOURNAL_STREAM has its device and its inode.
pub fn is_journal() -> bool {
    static IS_JOURNAL: LazyLock<bool> = LazyLock::new(|| {
        let Some(stream) = env::var_os("JOURNAL_STREAM") else { return false };
        fstat(io::stderr()).is_ok_and(|stat| stream == *format!("{}:{}", stat.st_dev, stat.st_ino))
    });
    *IS_JOURNAL
}

/// The prefix of a line of this level.
pub fn prefix(level: Level) -> &'static str {
    match level {
        Level::Error => "<3>",
        Level::Warn => "<4>",
        Level::Info => "<6>",
        Level::Debug | Level::Trace => "<7>",
    }
}

/// `text`, each line with the prefix of this level if it goes to the journal.
pub fn with_prefix(level: Level, text: &str) -> String {
    match is_journal() {
        true => text.split_inclusive('\n').flat_map(|line| [prefix(level), line]).collect(),
        false => text.to_owned(),
    }
}
