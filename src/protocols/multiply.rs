//! A string, sent back ten thousand times: a demonstration that TCP is a stream.
//!
//! The texts' `tms` and `tmc`. The client sends a string, the server sends it back a configured number of times, and
//! the client shows the chunks in which it arrives. They don't match the server's writes: a stream has no boundaries.

mod client;
mod keyboard;

use std::time::{Duration, Instant};

pub use client::{Chunk, MultiplyClient, MultiplyError, Summary};
pub use keyboard::Keyboard;

use super::line::{LineLimits, LineReader, PAUSE};
use crate::session::{Peer, Progress, Service, Session, SessionError, SessionIo};
use crate::text::{Escaped, count};
use keyboard::EnterWait;

/// The texts' port.
pub const PORT: u16 = 2000;

/// Makes the server's sessions.
#[derive(Clone, Debug)]
pub struct MultiplyService {
    /// The string's limits.
    pub limits: LineLimits,
    /// The number of times it is sent back.
    pub times: u64,
    /// The keyboard on which Enter must be pressed first, if any.
    pub keyboard: Option<Keyboard>,
}

impl Default for MultiplyService {
    /// The defaults: at most a million bytes, in half a minute, 10,000 times.
    fn default() -> Self {
        let limits = LineLimits { len_max: 1_000_000, timeout: Duration::from_secs(30), pause: Some(PAUSE) };
        MultiplyService { limits, times: 10_000, keyboard: None }
    }
}

impl Service for MultiplyService {
    type Session = MultiplyServer;

    fn accept(&mut self, _peer: &Peer) -> MultiplyServer {
        let state = MultiplyState::Reading(LineReader::new(self.limits));
        MultiplyServer { times: self.times, keyboard: self.keyboard.clone(), state }
    }

    fn shares_state(&self) -> bool {
        // Processes that read the same keyboard would take each other's keys.
        self.keyboard.is_some()
    }
}

/// The server's side.
#[derive(Debug)]
pub struct MultiplyServer {
    times: u64,
    keyboard: Option<Keyboard>,
    state: MultiplyState,
}

#[derive(Debug)]
enum MultiplyState {
    Reading(LineReader),
    /// The string will be sent back once Enter is pressed.
    Waiting {
        string: Vec<u8>,
        wait: EnterWait,
    },
}

impl Session for MultiplyServer {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        match &mut self.state {
            MultiplyState::Reading(line) => {
                let Some(string) = line.read(io, now)? else { return Ok(Progress::NeedInput) };
                log::debug!("Read {} from {}", Escaped(string), io.peer());
                let Some(keyboard) = &self.keyboard else {
                    return Ok(send(io, string, self.times));
                };
                log::info!(
                    "Press Enter to send {} {} to {}",
                    count(string.len(), "byte"),
                    count(self.times, "time"),
                    io.peer()
                );
                let wait = keyboard.wait(io.waker());
                self.state = MultiplyState::Waiting { string: string.to_vec(), wait };
                self.advance(io, now)
            }
            MultiplyState::Waiting { string, wait } => match wait.is_over() {
                Ok(true) => Ok(send(io, string, self.times)),
                Ok(false) => Ok(Progress::Working),
                Err(error) => Err(SessionError::other(error)),
            },
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.state {
            MultiplyState::Reading(line) => line.deadline(),
            MultiplyState::Waiting { .. } => None,
        }
    }

    fn is_idle(&self) -> bool {
        match &self.state {
            MultiplyState::Reading(line) => line.is_idle(),
            MultiplyState::Waiting { .. } => false,
        }
    }
}

fn send(io: &mut SessionIo<'_>, string: &[u8], times: u64) -> Progress {
    log::debug!("Sending {} {} to {}", count(string.len(), "byte"), count(times, "time"), io.peer());
    io.output().push_repeated(string, times);
    Progress::Finished
}
