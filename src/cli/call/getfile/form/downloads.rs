//! The list of downloads: starting, cancelling, resuming and removing them, and its JSON for the page.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::task::Waker;
use std::time::Duration;

use serde_json::{Value, json};

use super::fields::{Checked, Errors, Fields, Root};
use super::names::{Found, Names};
use super::transfer::{Attempt, Phase, Transfer};
use crate::address::Addr;
use crate::cli::address::Address;
use crate::cli::call::getfile::failed::{self, Field};
use crate::cli::download::{Download, Kept, Progress};
use crate::client::Conversation;
use crate::session::{End, Peer};
use crate::text::printable;

/// The most connections of downloads at once.
pub const CONNECTIONS_MAX: usize = 16;
/// The most entries. A new one takes the place of the oldest that has ended.
pub const ENTRIES_MAX: usize = 200;

/// The options of the command line that apply to all downloads.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Whether existing files are replaced.
    pub force: bool,
    /// Whether to request files as the texts' client does.
    pub plain: bool,
    /// How long to wait for a connection, and for progress on it.
    pub timeout: Duration,
}

/// The downloads, the newest last.
#[derive(Debug)]
pub struct Downloads {
    root: Root,
    settings: Settings,
    entries: Vec<Entry>,
    /// The numbers of the last entry and of the last attempt.
    last_entry: u64,
    last_attempt: u64,
    /// Increases with each change except for progress.
    version: u64,
    /// The number of attempts that have a connection or will get one. A cancelled attempt counts until the loop has
    /// closed its connection.
    connections: usize,
    names: Names,
    wanted: VecDeque<(Vec<Addr>, Transfer)>,
    /// The readers to wake at the next change.
    readers: Vec<Waker>,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    fields: Fields,
    address: Address,
    path: PathBuf,
    state: State,
    version: u64,
}

#[derive(Debug)]
enum State {
    Running(Attempt),
    Ended { how: How, progress: Option<Progress>, kept: Option<Kept> },
}

#[derive(Debug)]
enum How {
    Done,
    Cancelled,
    Failed(Field, String),
}

/// Why a download was not started.
#[derive(Debug)]
pub enum NotStarted {
    /// Fields are wrong.
    Errors(Errors),
    /// An earlier transfer has left this many bytes, and the request doesn't say whether to resume it.
    Begun(u64),
    /// Too many are running.
    TooMany,
}

/// The error for an entry that doesn't exist, or whose state doesn't allow the action.
#[derive(Debug)]
pub struct Impossible;

impl Downloads {
    /// Creates an empty list.
    pub fn new(root: Root, settings: Settings, names: Names) -> Self {
        Downloads {
            root,
            settings,
            entries: Vec::new(),
            last_entry: 0,
            last_attempt: 0,
            version: 1,
            connections: 0,
            names,
            wanted: VecDeque::new(),
            readers: Vec::new(),
        }
    }

    /// The path of the folder for all files, as printable text.
    pub fn root_shown(&self) -> String {
        printable(self.root.path().as_os_str().as_encoded_bytes())
    }

    /// Starts a download, and returns the number of its entry.
    pub fn start(&mut self, fields: Fields) -> Result<u64, NotStarted> {
        if self.connections >= CONNECTIONS_MAX {
            return Err(NotStarted::TooMany);
        }
        let Checked { address, place } = fields.check(&self.root).map_err(NotStarted::Errors)?;
        let path = place.path().to_owned();
        let resume = !self.settings.plain && fields.resume != Some(false);
        let download = Download::at(place, self.settings.force, resume)
            .map_err(|failure| NotStarted::Errors(vec![(Field::Folder, failure.to_string())]))?;
        if download.offset() > 0 && fields.resume.is_none() {
            return Err(NotStarted::Begun(download.keep().map_or(0, |kept| kept.len)));
        }
        if self.entries.len() >= ENTRIES_MAX
            && let Some(oldest) = self.entries.iter().position(|entry| matches!(entry.state, State::Ended { .. }))
        {
            self.entries.remove(oldest);
        }
        self.last_entry += 1;
        let state = State::Running(self.attempt(download, &address));
        let version = self.changed();
        self.entries.push(Entry { number: self.last_entry, fields, address, path, state, version });
        Ok(self.last_entry)
    }

    fn attempt(&mut self, download: Download, address: &Address) -> Attempt {
        self.last_attempt += 1;
        self.connections += 1;
        self.names.look_up(self.last_attempt, address);
        Attempt::new(self.last_attempt, download)
    }

    /// Cancels a download. Its bytes are kept, so that it can be resumed.
    pub fn cancel(&mut self, number: u64) -> Result<(), Impossible> {
        let entry = self.entry(number)?;
        let State::Running(attempt) = &entry.state else { return Err(Impossible) };
        let (progress, download) = (attempt.progress(), attempt.end());
        self.settle(number, State::Ended { how: How::Cancelled, progress, kept: download.and_then(Download::keep) });
        Ok(())
    }

    /// Resumes a download that has failed or was cancelled, from the bytes that were kept.
    pub fn resume(&mut self, number: u64) -> Result<(), NotResumed> {
        if self.connections >= CONNECTIONS_MAX {
            return Err(NotResumed::TooMany);
        }
        let entry = self.entry(number).map_err(|Impossible| NotResumed::Impossible)?;
        let State::Ended { how: How::Cancelled | How::Failed(..), kept, .. } = &entry.state else {
            return Err(NotResumed::Impossible);
        };
        let (kept, fields, address) = (kept.clone(), entry.fields.clone(), entry.address.clone());
        let Settings { force, plain, .. } = self.settings;
        let state = match fields.check(&self.root).map(|checked| Download::at(checked.place, force, !plain)) {
            Ok(Ok(download)) => State::Running(self.attempt(download, &address)),
            Ok(Err(failure)) => {
                State::Ended { how: How::Failed(Field::Folder, failure.to_string()), progress: None, kept }
            }
            // Only the folder can have changed.
            Err(errors) => {
                let why = errors.into_iter().map(|(_, why)| why).collect::<Vec<_>>().join("; ");
                State::Ended { how: How::Failed(Field::Folder, why), progress: None, kept }
            }
        };
        self.settle(number, state);
        Ok(())
    }

    /// Removes an entry that has ended from the list. Its file, or the part of it, stays.
    pub fn remove(&mut self, number: u64) -> Result<(), Impossible> {
        if matches!(self.entry(number)?.state, State::Running(_)) {
            return Err(Impossible);
        }
        self.entries.retain(|entry| entry.number != number);
        self.changed();
        Ok(())
    }

    /// The next connection to open.
    pub fn next_connect(&mut self) -> Option<(Vec<Addr>, Transfer)> {
        while let Some((attempt, found)) = self.names.next() {
            self.found(attempt, found);
        }
        self.wanted.pop_front()
    }

    fn found(&mut self, attempt: u64, found: Found) {
        let Settings { plain, timeout, .. } = self.settings;
        let running =
            self.of_attempt(attempt).map(|(number, attempt, entry)| (number, attempt, entry.fields.file.clone()));
        let Some((number, attempt, file)) = running else {
            // It was cancelled.
            self.connections -= 1;
            return;
        };
        match found {
            Ok(addresses) => self.wanted.push_back((addresses, attempt.session(file.as_bytes(), plain, timeout))),
            Err(failure) => {
                self.connections -= 1;
                let (progress, download) = (attempt.progress(), attempt.end());
                let how = How::Failed(Field::Server, failure.to_string());
                self.settle(number, State::Ended { how, progress, kept: download.and_then(Download::keep) });
            }
        }
    }

    /// Takes back the session of a connection that has ended, or could not be opened.
    pub fn ended(&mut self, transfer: Transfer, peer: &Peer, end: End) {
        self.connections -= 1;
        let plain = self.settings.plain;
        let Some((number, attempt, entry)) = self.of_attempt(transfer.number()) else { return };
        if matches!(end, End::Stopped) || transfer.is_interrupted() {
            return;
        }
        let (name, progress) = (attempt.name().unwrap_or_default(), attempt.progress());
        let conversation = Conversation { peer: *peer, session: (), end };
        let failed = failed::why(&conversation, &entry.address, entry.fields.file.as_bytes(), &name, plain);
        let Some(download) = attempt.end() else { return };
        let (how, kept) = match failed {
            None => match download.finish() {
                Ok(()) => (How::Done, None),
                Err(failure) => (How::Failed(Field::Folder, failure.to_string()), None),
            },
            Some(failed) => (How::Failed(failed.field, failed.failure.to_string()), download.keep()),
        };
        self.settle(number, State::Ended { how, progress, kept });
    }

    /// Ends all running downloads, and returns a line about each.
    pub fn interrupt(&mut self) -> Vec<String> {
        let plain = self.settings.plain;
        let running = self.entries.iter().filter_map(|entry| match &entry.state {
            State::Running(attempt) => Some((entry, attempt.end()?)),
            State::Ended { .. } => None,
        });
        let line = |(entry, download): (&Entry, Download)| {
            let file = printable(entry.fields.file.as_bytes());
            let hint = if plain { "" } else { "; --resume goes on from there" };
            let kept = download.keep().map(|kept| format!(" ({kept}{hint})")).unwrap_or_default();
            format!("getting '{file}' from {} was interrupted{kept}", entry.address)
        };
        running.map(line).collect()
    }

    fn entry(&mut self, number: u64) -> Result<&mut Entry, Impossible> {
        self.entries.iter_mut().find(|entry| entry.number == number).ok_or(Impossible)
    }

    /// The entry that makes the attempt of this number, with its own number.
    fn of_attempt(&self, number: u64) -> Option<(u64, Attempt, &Entry)> {
        self.entries.iter().find_map(|entry| match &entry.state {
            State::Running(attempt) if attempt.number() == number => Some((entry.number, attempt.clone(), entry)),
            _ => None,
        })
    }

    fn settle(&mut self, number: u64, state: State) {
        let version = self.changed();
        if let Ok(entry) = self.entry(number) {
            (entry.state, entry.version) = (state, version);
        }
    }

    fn changed(&mut self) -> u64 {
        self.version += 1;
        self.readers.drain(..).for_each(Waker::wake);
        self.version
    }

    /// Wakes a reader at the next change.
    pub fn wake_at_change(&mut self, waker: &Waker) {
        if !self.readers.iter().any(|reader| reader.will_wake(waker)) {
            self.readers.push(waker.clone());
        }
    }

    /// Whether any download is running, so that its progress changes.
    pub fn is_any_running(&self) -> bool {
        self.entries.iter().any(|entry| matches!(entry.state, State::Running(_)))
    }

    /// The present version.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The running entries, those that have changed since `version`, and the numbers of all entries.
    pub fn since(&self, version: u64) -> Value {
        let has_changed = |entry: &&Entry| entry.version > version || matches!(entry.state, State::Running(_));
        let entries: Vec<Value> = self.entries.iter().filter(has_changed).map(|entry| self.shown(entry)).collect();
        let all: Vec<u64> = self.entries.iter().map(|entry| entry.number).collect();
        json!({ "all": all, "entries": entries })
    }

    fn shown(&self, entry: &Entry) -> Value {
        let Fields { server, port, file, folder, .. } = &entry.fields;
        let path = |path: &Path| printable(path.as_os_str().as_encoded_bytes());
        let (state, progress, kept, failed) = match &entry.state {
            State::Running(attempt) => {
                let state = match attempt.phase() {
                    Phase::LookingUp => "looking up",
                    Phase::Connecting => "connecting",
                    Phase::Receiving => "receiving",
                };
                (state, attempt.progress(), None, None)
            }
            State::Ended { how, progress, kept } => {
                let (state, failed) = match how {
                    How::Done => ("done", None),
                    How::Cancelled => ("cancelled", None),
                    How::Failed(field, why) => ("failed", Some((field.name(), why))),
                };
                (state, *progress, kept.as_ref(), failed)
            }
        };
        json!({
            "id": entry.number,
            "server": server,
            "port": port,
            "file": file,
            "folder": folder,
            "address": entry.address.to_string(),
            "path": path(&entry.path),
            "in": entry.path.parent().map(path),
            "state": state,
            "bytes": progress.map(|progress| progress.bytes),
            "len": progress.and_then(|progress| progress.len),
            "rate": progress.map(|progress| progress.rate),
            "left": progress.and_then(|progress| progress.left),
            "kept": kept.map(|kept| kept.len),
            "resumes": !self.settings.plain && kept.is_some(),
            "field": failed.map(|(field, _)| field),
            "why": failed.map(|(_, why)| why),
        })
    }
}

/// Why a download was not resumed.
#[derive(Debug)]
pub enum NotResumed {
    /// The entry doesn't exist, is running, or is done.
    Impossible,
    /// Too many are running.
    TooMany,
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::selector::{MioSelector, Selector};

    fn fields(file: &str) -> Fields {
        serde_json::from_value(json!({ "server": "127.0.0.1", "file": file })).unwrap()
    }

    #[test]
    fn a_new_entry_replaces_the_oldest_that_has_ended() {
        let dir = TempDir::new().unwrap();
        let settings = Settings { force: false, plain: false, timeout: Duration::from_secs(10) };
        let names = Names::new(MioSelector::new().unwrap().waker());
        let mut downloads = Downloads::new(Root::open(dir.path()).unwrap(), settings, names);
        let running = downloads.start(fields("running")).unwrap();
        for _ in 0..=ENTRIES_MAX {
            let number = downloads.start(fields("a")).unwrap();
            downloads.cancel(number).unwrap();
            // The result of the look-up ends the attempt.
            drop(downloads.next_connect());
        }
        let shown = downloads.since(0);
        let all: Vec<u64> = serde_json::from_value(shown["all"].clone()).unwrap();
        assert_eq!((all.len(), all[0], all[1]), (ENTRIES_MAX, running, running + 3));
        assert_eq!(downloads.connections, 1);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "the part of the one that is running");
    }
}
