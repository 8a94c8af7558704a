//! `--trace FILE`: everything that happens, as lines of JSON.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Instant, SystemTime};

use clap::Args;

use super::explain;
use super::failure::reason_of_folder;
use super::writer::Writer;
use crate::trace::{Record, Shared, Subscriber, json};

/// The heading of the options about logs and traces.
pub const HEADING: &str = "Logging";

static FILE: OnceLock<Arc<TraceFile>> = OnceLock::new();

/// Where to write the trace.
#[derive(Clone, Debug, Args)]
pub struct TraceOption {
    /// Write a trace of all events to FILE, each as a line of JSON
    #[arg(long, global = true, help_heading = HEADING, display_order = 99, value_name = "FILE")]
    trace: Option<PathBuf>,
}

impl TraceOption {
    /// Opens the file, if the option is given, and writes its first line.
    ///
    /// # Errors
    /// Why it can't be opened, in words.
    pub fn open(&self) -> Result<(), String> {
        let Some(path) = &self.trace else { return Ok(()) };
        let file = open(path)
            .map_err(|error| format!("cannot write the trace to {}: {}", path.display(), reason_of_folder(&error)))?;
        let writer = Writer::new(file, json::dropped);
        let now = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        writer.push(json::header(&now).as_bytes());
        // It comes before what a forked process writes.
        writer.finish();
        let _ = FILE.set(Arc::new(TraceFile { writer, started: Instant::now() }));
        Ok(())
    }
}

/// Opens a file that several processes may write to. A regular file is emptied.
fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    if file.metadata()?.is_file() {
        file.set_len(0)?;
    }
    Ok(file)
}

/// The subscribers that write the file and draw what happens, if there are any.
pub fn subscriber() -> Option<Shared> {
    let file = FILE.get().map(|file| Shared::new(Arc::clone(file)));
    match (file, explain::subscriber()) {
        (Some(file), Some(explain)) => Some(Shared::new((file, explain))),
        (one, None) | (None, one) => one,
    }
}

/// Waits for a short time until everything is written.
pub fn finish() {
    if let Some(file) = FILE.get() {
        file.flush();
    }
}

struct TraceFile {
    writer: Writer,
    started: Instant,
}

impl Subscriber for Arc<TraceFile> {
    fn record(&self, record: &Record<'_>) {
        thread_local! {
            static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        // The turn's time would be the same for all of its events.
        let time = self.started.elapsed();
        LINE.with_borrow_mut(|line| {
            line.clear();
            let thread = thread::current();
            let name = thread.name().filter(|&name| name != "main");
            if json::write(line, record, time, name).is_ok() {
                self.writer.push(line);
            }
        });
    }

    fn flush(&self) {
        self.writer.finish();
    }
}
