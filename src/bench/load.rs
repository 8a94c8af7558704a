//! The load generator: one thread that never sleeps, with all connections in one loop.
//!
//! It has two modes. In the **closed loop**, each reply triggers the next request, so that a server gets as much load
//! as it can handle: this measures capacity. In the **open loop**, requests are due at times fixed in advance
//! ([`Timetable`](super::schedule::Timetable)), and wait if no connection is free: a stalled server keeps getting
//! requests, and each one's delay counts from the moment it was due. The generator also records its own lateness and
//! the share of its time spent working: a generator with no time left measures itself.

mod addresses;
mod dialog;
mod generator;
mod link;
mod talk;
mod tally;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use super::results::Pace;
use crate::address::Addr;
use crate::codec::proxy::Version;
use generator::Generator;
pub use talk::{Once, Talk};
pub(super) use tally::Tally;
pub use tally::UNANSWERED;

/// A load on a server.
#[derive(Clone, Copy, Debug)]
pub struct Load<'a> {
    /// The server's address.
    pub target: Addr,
    /// The PROXY header with which each connection begins, if there is one.
    pub send_proxy: Option<Version>,
    /// The bytes to send and to expect.
    pub talk: &'a Talk,
    /// The number of connections that make requests.
    pub busy: usize,
    /// The number of connections that send a byte now and then.
    pub dripping: usize,
    /// The number of connections that are silent after one request.
    pub idle: usize,
    /// Requests in flight at once on each connection.
    pub depth: usize,
    /// How requests are timed.
    pub pace: Pace,
    /// The seed of a Poisson schedule.
    pub seed: u64,
    /// The duration of the load before the measurement.
    pub warmup: Duration,
    /// The duration of the measurement.
    pub duration: Duration,
    /// Whether to poll for events without sleeping. On a processor shared with the servers, that would slow them down.
    pub spin: bool,
    /// Counts replies before the measured time, for counters that run during the warm-up.
    pub warmup_replies: &'a AtomicU64,
    /// Set to end the run early.
    pub interrupted: &'a AtomicBool,
}

/// The last part of the warm-up. The server isn't inspected in it, so that inspections don't affect the measurement.
pub const SETTLING: Duration = Duration::from_millis(100);

/// The moments of a run at which an observer may inspect the server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Moment {
    /// All connections are open and nothing is sent.
    Connected,
    /// The load has begun, and is not measured yet.
    Loaded,
    /// Only [`SETTLING`] is left of the warm-up: counters that run during the warm-up must stop.
    Settling,
    /// The measured time begins.
    Begun,
    /// Progress of the measurement.
    Underway {
        /// Correct replies so far.
        replies: u64,
        /// Seconds since the beginning of the measured time.
        seconds: f64,
    },
    /// The measured time is half over.
    Halfway,
    /// The measured time is over.
    Over,
    /// Nothing more is sent, and the connections are about to be closed.
    Closing,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// It was measured to the end.
    Whole,
    /// It was interrupted.
    Interrupted,
    /// No connection was left, or too many errors followed each other.
    NoServer,
}

/// The result of a run.
#[derive(Debug)]
pub struct Measured {
    /// How it ended.
    pub finish: Finish,
    /// The measured time.
    pub seconds: f64,
    /// Counts and times.
    pub tally: Tally,
    /// The share of the measured time in which the generator was working, from 0 to 1.
    pub busy: f64,
    /// Processor time that the generator used in the measured time.
    pub cpu_seconds: f64,
}

impl Load<'_> {
    /// Generates the load, reports the moments of the run to `watch`, and returns the result. The run ends in any case,
    /// whatever the server does.
    ///
    /// # Errors
    /// If the system refuses a required resource. Errors on connections are counted instead.
    pub fn run(&self, watch: &mut dyn FnMut(Moment)) -> io::Result<Measured> {
        let mut generator = Generator::new(self)?;
        if self.talk.once().is_none() {
            generator.open_all()?;
        }
        watch(Moment::Connected);
        generator.start();
        watch(Moment::Loaded);
        generator.go_on(watch)?;
        watch(Moment::Closing);
        Ok(generator.finish())
    }

    fn connections(&self) -> usize {
        self.busy + self.dripping + self.idle
    }
}
