//! Telling the story of one world: in the log's words, and as the lines of a trace.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use log::LevelFilter;

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
    error: Option<io::Error>,
}

impl<'a> Telling<'a> {
    /// Tells it to the log down to `level`, and to the file `trace`, until it is `interrupted`.
    pub fn to(level: LevelFilter, trace: Option<&Path>, interrupted: &'a AtomicBool) -> Result<Self, Failure> {
        let open = |path: &Path| {
            let mut file = BufWriter::new(File::create(path)?);
            // A world begins at no time of day.
            file.write_all(json::header("1970-01-01T00:00:00Z").as_bytes())?;
            Ok((path.to_owned(), file))
        };
        let named = |path: &Path| open(path).map_err(|error| Failure::of_writing_file(path, &error));
        Ok(Telling { interrupted, level, trace: trace.map(named).transpose()?, error: None })
    }

    /// Runs `world`, and tells what happens.
    pub fn tell<W: Scene>(&mut self, world: &W) -> Run {
        log::set_max_level(self.level);
        let file = self.trace.as_mut().map(|(_, file)| RefCell::new(file));
        let (interrupted, error) = (self.interrupted, RefCell::new(None));
        let teller = Teller { interrupted, began: Cell::new(None), file, error, log: self.level };
        let run = world.run_with(&teller);
        log::set_max_level(LevelFilter::Off);
        self.error = teller.error.into_inner();
        run
    }

    /// Writes what is left.
    pub fn finish(&mut self) -> Result<(), Failure> {
        log::logger().flush();
        let Some((path, file)) = &mut self.trace else { return Ok(()) };
        let written = self.error.take().map_or_else(|| file.flush(), Err);
        written.map_err(|error| Failure::of_writing_file(path, &error))
    }
}

struct Teller<'a> {
    interrupted: &'a AtomicBool,
    began: Cell<Option<Instant>>,
    file: Option<RefCell<&'a mut BufWriter<File>>>,
    error: RefCell<Option<io::Error>>,
    log: LevelFilter,
}

impl Subscriber for Teller<'_> {
    fn level(&self) -> LevelFilter {
        if self.file.is_some() { LevelFilter::Trace } else { self.log }
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
