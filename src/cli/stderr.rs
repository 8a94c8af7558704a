//! Printing on standard error: the log, failures and panics, in this order, through one queue.
//!
//! Only the end of the process waits for standard error, and not for long.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io;
use std::panic;
use std::sync::OnceLock;
use std::thread;

use log::Level;

use super::systemd::with_prefix;
use super::writer::Writer;
use crate::text::count;

static WRITER: OnceLock<Writer> = OnceLock::new();

/// Opens it for `program`, and prints panics there from now on.
pub fn open(program: &'static str) {
    let note = move |dropped| {
        let dropped = count(dropped, "log line");
        with_prefix(Level::Warn, &format!("{program}: {dropped} dropped: standard error could not be written\n"))
    };
    if WRITER.set(Writer::new(io::stderr(), note)).is_ok() {
        panic::set_hook(Box::new(|panic| {
            let thread = thread::current();
            let trace = Backtrace::capture();
            let trace = match trace.status() {
                BacktraceStatus::Captured => format!("stack backtrace:\n{trace}"),
                _ => "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace".into(),
            };
            print_now(&format!("thread '{}' {panic}\n{trace}\n", thread.name().unwrap_or("<unnamed>")));
        }));
    }
}

/// The writer to standard error, which must be open.
pub fn writer() -> &'static Writer {
    WRITER.get().expect("standard error is opened first")
}

/// Prints `text`, whole lines, if standard error is open. In the journal, they are errors.
pub fn print(text: &str) {
    if let Some(writer) = WRITER.get() {
        writer.push(with_prefix(Level::Error, text).as_bytes());
    }
}

/// Prints `text`, and [waits](finish) until everything is printed.
pub fn print_now(text: &str) {
    print(text);
    finish();
}

/// Waits for a short time until everything is printed.
pub fn finish() {
    if let Some(writer) = WRITER.get() {
        writer.finish();
    }
}
