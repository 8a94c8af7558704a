//! `--access-log FILE`: a line of JSON for each connection that a server has served.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use clap::Args;
use serde::Serializer as _;
use serde::ser::SerializeMap;
use serde_json::json;

use super::failure::Failure;
use super::trace::HEADING;
use super::writer::Writer;
use crate::models::Config;
use crate::session::{End, Role};
use crate::text::reason;
use crate::trace::{Connection, Event, LevelFilter, Record, Subscriber, Tally};

/// Where to write the access log.
#[derive(Debug, Args)]
pub struct AccessLogOption {
    /// Write a line of JSON to FILE when a connection has ended: its peer, its bytes and messages, its duration, and how it
    /// ended; '-' is standard output. SIGHUP opens FILE again
    #[arg(long, help_heading = HEADING, display_order = 98, value_name = "FILE")]
    access_log: Option<PathBuf>,
}

impl AccessLogOption {
    /// Opens the log of a server of `protocol`, if the option is given. `has_messages` says whether the protocol counts
    /// messages.
    ///
    /// # Errors
    /// If the file can't be opened.
    pub fn open(&self, protocol: &str, has_messages: bool) -> Result<Option<Arc<AccessLog>>, Failure> {
        let Some(path) = self.access_log.clone() else { return Ok(None) };
        let is_stdout = path.as_os_str() == "-";
        let opened = if is_stdout { stdout() } else { open(&path) };
        let file = opened.map_err(|error| Failure::of_writing_file(&path, &error))?;
        let shown = if is_stdout { "standard output".to_owned() } else { path.display().to_string() };
        let failed = move |error: &io::Error| {
            log::warn!(
                "Cannot write the access log to {shown}: {}; its lines are dropped until that works",
                reason(error)
            );
        };
        let reopen = move || if is_stdout { None } else { reopened(&path) };
        let writer = Writer::reopening(file, dropped, reopen, failed);
        Ok(Some(Arc::new(AccessLog { writer, protocol: protocol.to_owned(), has_messages })))
    }
}

fn stdout() -> io::Result<File> {
    io::stdout().as_fd().try_clone_to_owned().map(File::from)
}

fn open(path: &Path) -> io::Result<File> {
    File::options().create(true).append(true).open(path)
}

fn reopened(path: &Path) -> Option<File> {
    let file = open(path);
    if let Err(error) = &file {
        log::error!("Cannot reopen the access log {}: {}; the old file stays in use", path.display(), reason(error));
    }
    file.ok()
}

/// The line that stands for dropped ones.
fn dropped(lines: u64) -> String {
    format!("{}\n", json!({ "dropped": lines }))
}

/// Writes a line for each connection that has ended.
pub struct AccessLog {
    writer: Writer,
    protocol: String,
    has_messages: bool,
}

impl AccessLog {
    /// Makes the log receive the trace of a server with this configuration.
    pub fn subscribe(self: &Arc<Self>, config: &mut Config) {
        config.subscribe(Arc::clone(self));
    }

    /// Waits for a short time until everything is written.
    pub fn finish(&self) {
        self.writer.finish();
    }

    fn line(&self, now: SystemTime, connection: Connection<'_>, end: &End, age: Duration, tally: Tally) -> Vec<u8> {
        let mut line = Vec::new();
        let mut serializer = serde_json::Serializer::new(&mut line);
        let mut write = || {
            let mut entries = serializer.serialize_map(None)?;
            entries.serialize_entry("time", &humantime::format_rfc3339_millis(now).to_string())?;
            entries.serialize_entry("peer", &connection.peer.addr)?;
            entries.serialize_entry("protocol", &self.protocol)?;
            if self.has_messages {
                entries.serialize_entry("messages", &tally.messages)?;
            }
            entries.serialize_entry("bytes_in", &tally.bytes_in)?;
            entries.serialize_entry("bytes_out", &tally.bytes_out)?;
            entries.serialize_entry("duration", &(age.as_micros() as f64 / 1e6))?;
            entries.serialize_entry("end", end.kind().name())?;
            if !matches!(end, End::Finished) {
                entries.serialize_entry("why", &end.to_string())?;
            }
            entries.end()
        };
        let written: serde_json::Result<()> = write();
        debug_assert!(written.is_ok(), "memory takes all of it");
        line.push(b'\n');
        line
    }
}

impl Subscriber for Arc<AccessLog> {
    fn level(&self) -> LevelFilter {
        LevelFilter::Info
    }

    fn wants_tallies(&self) -> bool {
        true
    }

    fn record(&self, record: &Record<'_>) {
        match (record.connection, &record.event) {
            (None, Event::Reloaded) => self.writer.reopen(),
            (Some(connection), Event::Closed { end, age, tally }) if connection.peer.role == Role::Accepted => {
                let (age, tally) = (age.unwrap_or_default(), tally.unwrap_or_default());
                self.writer.push(&self.line(SystemTime::now(), connection, end, age, tally));
            }
            _ => {}
        }
    }

    fn flush(&self) {
        self.finish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Peer;

    fn line(has_messages: bool, end: &End) -> String {
        let (reader, file) = io::pipe().unwrap();
        drop(reader);
        let log = AccessLog { writer: Writer::new(file, dropped), protocol: "app".to_owned(), has_messages };
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_883_805_204);
        let peer = Peer::accepted(([192, 0, 2, 1], 56324).into());
        let tally = Tally { messages: 2, bytes_in: 300, bytes_out: 4000 };
        let line = log.line(now, Connection { id: 7, peer: &peer }, end, Duration::from_micros(1_500_250), tally);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn a_line_says_who_how_much_how_long_and_how_it_ended() {
        assert_eq!(
            line(true, &End::Finished),
            r#"{"time":"2026-11-28T16:36:45.204Z","peer":"192.0.2.1:56324","protocol":"app","messages":2,"bytes_in":300,"bytes_out":4000,"duration":1.50025,"end":"finished"}"#
                .to_owned()
                + "\n"
        );
    }

    #[test]
    fn it_has_no_messages_if_the_protocol_has_none_and_says_why_if_something_is_wrong() {
        let line = line(false, &End::Idle(Duration::from_secs(60)));
        assert!(!line.contains("messages"), "{line}");
        assert!(line.ends_with("\"end\":\"idle\",\"why\":\"idle for 60s\"}\n"), "{line}");
    }
}
