//! The receiving half of a client.

use std::time::{Duration, Instant};

use super::{AppError, Patience};
use crate::message::{Limits, Message, MessageReader, Position};
use crate::session::{Progress, SessionError, SessionIo};
use crate::text::Escaped;

/// Reads replies within limits, and gives up after a time without progress in either direction.
#[derive(Debug)]
pub(super) struct Replies {
    reader: MessageReader,
    limits: Limits,
    timeout: Duration,
    patience: Patience,
    /// The number of unsent bytes last time: fewer now means progress.
    unsent: usize,
}

impl Replies {
    pub fn new(limits: Limits, timeout: Duration) -> Self {
        Replies { reader: MessageReader::default(), limits, timeout, patience: Patience::default(), unsent: 0 }
    }

    /// Maximum nesting of lists and objects.
    pub fn depth_max(&self) -> usize {
        self.limits.depth_max
    }

    /// Begins a new wait if some output has been sent since [`remember_output`](Self::remember_output).
    pub fn check_output(&mut self, io: &mut SessionIo<'_>) {
        if io.output().len() < self.unsent {
            self.restart();
        }
    }

    /// Remembers how much output is unsent.
    pub fn remember_output(&mut self, io: &mut SessionIo<'_>) {
        self.unsent = io.output().len();
    }

    /// Begins a new wait.
    pub fn restart(&mut self) {
        self.patience.restart();
    }

    /// Reads a reply, if all of it has arrived.
    pub fn read<'a>(&mut self, io: &mut SessionIo<'a>) -> Result<Option<Message<'a>>, SessionError> {
        let steps = io.steps();
        let message = self.reader.read_noting(io.input(), &self.limits, steps).map_err(AppError::from)?;
        if let Some(message) = &message {
            log::debug!("Received response {} from {}", Escaped(message.content), io.peer());
            self.restart();
        }
        Ok(message)
    }

    /// How much of the next reply has arrived, given this number of `unused` bytes.
    pub fn position(&self, unused: usize) -> Position {
        self.reader.position(unused)
    }

    /// Waits for more of a reply that has arrived up to `position`.
    pub fn wait(&mut self, position: Position, now: Instant) -> Result<Progress, SessionError> {
        match self.patience.observe(position, Some(self.timeout), now) {
            Some(timeout) => Err(AppError::TooSlow { position, timeout }.into()),
            None => Ok(Progress::NeedEither),
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.patience.deadline()
    }
}
