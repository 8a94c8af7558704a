//! A stop signal for many threads or processes at once: a pipe with a byte in it that is never read.
//!
//! All of them poll it. A process that sees it closed without the byte has lost its parent.

use std::io::{self, PipeReader, PipeWriter, Write};

use super::blocking::{Interrupt, Word};
use crate::sys::PollFd;

#[derive(Debug)]
pub(super) struct StopSignal {
    reader: PipeReader,
    writer: Option<PipeWriter>,
}

impl StopSignal {
    pub fn new() -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        Ok(StopSignal { reader, writer: Some(writer) })
    }

    /// Raises the signal for all current and future watchers.
    pub fn raise(&self) {
        if let Some(mut writer) = self.writer.as_ref() {
            // The pipe has room for one byte, and its reader is open.
            let _ = writer.write(&[1]);
        }
    }

    /// Closes the sending end here, so that the pipe closes once all other owners are gone.
    pub fn close_writer(&mut self) {
        self.writer = None;
    }

    pub fn watch(&self) -> StopWatch<'_> {
        StopWatch { signal: self, raised: false }
    }
}

/// Watches a [`StopSignal`] for one connection.
#[derive(Debug)]
pub(super) struct StopWatch<'a> {
    signal: &'a StopSignal,
    raised: bool,
}

impl Interrupt for StopWatch<'_> {
    fn watched(&self) -> [PollFd; 2] {
        // The byte stays; once it's known, only the close matters.
        [PollFd::new(&self.signal.reader, !self.raised, false), PollFd::NONE]
    }

    fn take(&mut self, [pipe, _]: [PollFd; 2]) -> Option<Word> {
        if pipe.is_read_closed() {
            return Some(Word::Cut);
        }
        self.raised |= pipe.is_readable();
        self.raised.then_some(Word::Stop)
    }
}
