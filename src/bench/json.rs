//! Results in a file: JSON with a schema, which `docs/benchmarks-results.md` describes.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use super::results::{Histogram, Results};
use super::whole::write_whole;
use crate::text::reason;

/// The value of [`Results::schema`] in files written by this version.
pub const SCHEMA: &str = "multiconn-bench/1";

impl Results {
    /// Reads results from a file.
    ///
    /// # Errors
    /// If it can't be read, is not JSON, follows another schema, or has impossible values.
    pub fn read(path: &Path) -> Result<Results, ReadError> {
        let text = fs::read(path).map_err(ReadError::Io)?;
        Results::from_json(&text)
    }

    /// Reads results from JSON.
    ///
    /// # Errors
    /// If it is not JSON, follows another schema, or has impossible values.
    pub fn from_json(text: &[u8]) -> Result<Results, ReadError> {
        let value: serde_json::Value =
            serde_json::from_slice(text).map_err(|error| ReadError::NotJson(error.to_string()))?;
        match value.get("schema") {
            Some(serde_json::Value::String(schema)) if schema == SCHEMA => {}
            other => return Err(ReadError::Schema(other.map(|schema| schema.to_string()))),
        }
        // Parse the text again, so that an error has its position.
        let results: Results = serde_json::from_slice(text).map_err(|error| ReadError::Invalid(error.to_string()))?;
        results.check().map_err(ReadError::Invalid)?;
        Ok(results)
    }

    /// Writes the results to a file, either completely or not at all.
    ///
    /// # Errors
    /// If it can't be written. An earlier file is then left unchanged.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut text = serde_json::to_vec(self)?;
        text.push(b'\n');
        write_whole(path, &text)
    }

    /// Checks the properties that readers rely on beyond the types.
    fn check(&self) -> Result<(), String> {
        for (index, subject) in self.subjects.iter().enumerate() {
            if self.subjects[..index].iter().any(|other| other.name == subject.name) {
                return Err(format!("two subjects are called {:?}", subject.name));
            }
        }
        for (index, run) in self.runs.iter().enumerate() {
            let fail = |why: &str| Err(format!("run {}: {why}", index + 1));
            if !self.subjects.iter().any(|subject| subject.name == run.subject) {
                return fail(&format!("no subject is called {:?}", run.subject));
            }
            let histograms =
                [Some(&run.latency), run.service.as_ref(), run.connect.as_ref(), run.generator.lag.as_ref()];
            if !histograms.into_iter().flatten().all(Histogram::is_ascending) {
                return fail("a histogram's values don't ascend");
            }
            if !run.over_time.windows(2).all(|pair| pair[0].until < pair[1].until) {
                return fail("the time slices are not in order");
            }
        }
        Ok(())
    }
}

impl Histogram {
    fn is_ascending(&self) -> bool {
        self.buckets.windows(2).all(|pair| pair[0].0 < pair[1].0)
    }
}

/// The error when results can't be read.
#[derive(Debug)]
pub enum ReadError {
    /// The file can't be read.
    Io(io::Error),
    /// It's not JSON; the reason, with its position.
    NotJson(String),
    /// It is JSON with another schema, given here if it has one.
    Schema(Option<String>),
    /// A value is impossible or missing.
    Invalid(String),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Io(error) => f.write_str(&reason(error)),
            ReadError::NotJson(why) => write!(f, "it is not JSON: {why}"),
            ReadError::Schema(None) => {
                write!(f, "it is not the result of a benchmark: it has no \"schema\" of {SCHEMA:?}")
            }
            ReadError::Schema(Some(schema)) => {
                let schema = schema.chars().take(SCHEMA_SHOWN_MAX).collect::<String>();
                write!(f, "its schema is {schema}; only {SCHEMA:?} is supported")
            }
            ReadError::Invalid(why) => write!(f, "it does not follow its schema: {why}"),
        }
    }
}

impl std::error::Error for ReadError {}

/// The most characters of a foreign schema to show.
const SCHEMA_SHOWN_MAX: usize = 60;
