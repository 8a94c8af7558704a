//! Telling the story of one world: in the log's words, as the lines of a trace, and as a page.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use log::LevelFilter;

use crate::admin::page;
use crate::bench::whole::write_whole;
use crate::cli::failure::Failure;
use crate::sim::{Run, Scene};
use crate::trace::{Event, Log, Record, Subscriber, json};

/// Where the story is told.
#[derive(Debug)]
pub struct Telling<'a> {
    /// Ends the story.
    pub interrupted: &'a AtomicBool,
    level: LevelFilter,
    trace: Option<(PathBuf, BufWriter<File>)>,
    page: Option<Page>,
    error: Option<io::Error>,
}

/// The page to write.
#[derive(Debug)]
struct Page {
    path: PathBuf,
    title: String,
    /// The lines of the trace.
    lines: Vec<u8>,
}

impl Page {
    fn write(&self) -> io::Result<()> {
        // Two runs of a world write the same file, so the nonce depends on the story alone.
        let mut hasher = DefaultHasher::new();
        self.lines.hash(&mut hasher);
        let nonce = format!("{:016x}", hasher.finish());
        let lines = String::from_utf8_lossy(&self.lines);
        let story = page::Story { title: &self.title, lines: &lines };
        write_whole(&self.path, page::document(&nonce, Some(story)).as_bytes())
    }
}

impl<'a> Telling<'a> {
    /// Tells it to the log down to `level`, to the file `trace`, and on a page with a path and a title, until it is
    /// `interrupted`.
    pub fn to(
        level: LevelFilter,
        trace: Option<&Path>,
        page: Option<(&Path, String)>,
        interrupted: &'a AtomicBool,
    ) -> Result<Self, Failure> {
        // A world begins at no time of day.
        let header = json::header("1970-01-01T00:00:00Z");
        let open = |path: &Path| {
            let mut file = BufWriter::new(File::create(path)?);
            file.write_all(header.as_bytes())?;
            Ok((path.to_owned(), file))
        };
        let named = |path: &Path| open(path).map_err(|error| Failure::of_writing_file(path, &error));
        let trace = trace.map(named).transpose()?;
        let page = page.map(|(path, title)| Page { path: path.to_owned(), title, lines: header.into_bytes() });
        Ok(Telling { interrupted, level, trace, page, error: None })
    }

    /// Runs `world`, and tells what happens.
    pub fn tell<W: Scene>(&mut self, world: &W) -> Run {
        log::set_max_level(self.level);
        let file = self.trace.as_mut().map(|(_, file)| RefCell::new(file));
        let page = self.page.as_mut().map(|page| RefCell::new(&mut page.lines));
        let (interrupted, error) = (self.interrupted, RefCell::new(None));
        let teller = Teller { interrupted, began: Cell::new(None), file, page, error, log: self.level };
        let run = world.run_with(&teller);
        log::set_max_level(LevelFilter::Off);
        self.error = teller.error.into_inner();
        run
    }

    /// Writes what is left.
    pub fn finish(&mut self) -> Result<(), Failure> {
        log::logger().flush();
        if let Some((path, file)) = &mut self.trace {
            let written = self.error.take().map_or_else(|| file.flush(), Err);
            written.map_err(|error| Failure::of_writing_file(path, &error))?;
        }
        let Some(page) = &self.page else { return Ok(()) };
        page.write().map_err(|error| Failure::of_writing_file(&page.path, &error))
    }
}

struct Teller<'a> {
    interrupted: &'a AtomicBool,
    began: Cell<Option<Instant>>,
    file: Option<RefCell<&'a mut BufWriter<File>>>,
    page: Option<RefCell<&'a mut Vec<u8>>>,
    error: RefCell<Option<io::Error>>,
    log: LevelFilter,
}

impl Subscriber for Teller<'_> {
    fn level(&self) -> LevelFilter {
        if self.file.is_some() || self.page.is_some() { LevelFilter::Trace } else { self.log }
    }

    fn record(&self, record: &Record<'_>) {
        if self.interrupted.load(Ordering::Relaxed) {
            return log::set_max_level(LevelFilter::Off);
        }
        let time = self.time(record);
        if let Some(file) = &self.file
            && let Err(error) = json::write(&mut **file.borrow_mut(), record, time, None)
        {
            self.error.borrow_mut().get_or_insert(error);
        }
        if let Some(page) = &self.page {
            // A vector takes every line.
            let _ = json::write(&mut **page.borrow_mut(), record, time, None);
        }
        if let Event::TurnBegun { .. } = record.event {
            log::trace!("Turn {} at {time:?}", record.turn);
        }
        if record.event.level() <= self.log {
            Log.record(record);
        }
    }
}

impl Teller<'_> {
    /// The virtual time since the first turn.
    fn time(&self, record: &Record<'_>) -> Duration {
        let began = self.began.get().unwrap_or(record.at);
        self.began.set(Some(began));
        record.at.saturating_duration_since(began)
    }
}
