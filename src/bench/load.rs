//! The load generator: one thread that never sleeps, with all connections in one loop.
//!
//! It works in two ways. In the **closed loop** each reply lets the next request go, so that a server gets as much as it
//! takes: what it's able to do. In the **open loop** requests are due at times that were fixed before
//! ([`Timetable`](super::schedule::Timetable)), and wait for a connection where none is free: a server that stalls is
//! asked on, and what it makes people wait is counted from the moment when each of them came. What the generator itself
//! is late by is recorded beside it, and so is how much of its time is work: a generator that has no time left measures
//! itself.

mod addresses;
mod generator;
mod link;

mod talk;
mod tally;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use super::results::Pace;
use generator::Generator;
pub use talk::{Once, Talk};
pub(super) use tally::Tally;
pub use tally::UNANSWERED;

/// What is asked of a server, and how.
#[derive(Clone, Copy, Debug)]
pub struct Load<'a> {
    /// Where it is.
    pub target: SocketAddr,
    /// What is said.
    pub talk: &'a Talk,
    /// Connections that ask.
    pub busy: usize,
    /// Connections that send a byte now and then.
    pub dripping: usize,
    /// Connections that have asked once and are silent.
    pub idle: usize,
    /// Requests on their way at once on each connection.
    pub depth: usize,
    /// How requests are timed.
    pub pace: Pace,
    /// What a Poisson schedule is drawn from.
    pub seed: u64,
    /// How long there is load before it's measured.
    pub warmup: Duration,
    /// How long is measured.
    pub duration: Duration,
    /// Whether to look for events without a pause. Where servers have no other processor than this that would take it
    /// from them.
    pub spin: bool,
    /// Is raised with each reply that comes before the measured time, for who counts something else meanwhile.
    pub warmup_replies: &'a AtomicU64,
    /// Ends it.
    pub interrupted: &'a AtomicBool,
}

/// The end of the warm-up, in which nobody looks at the server: what looking costs has passed when it's measured.
pub const SETTLING: Duration = Duration::from_millis(100);

/// Moments of a run at which somebody may want to look at the server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Moment {
    /// All connections are open and nothing is sent.
    Connected,
    /// There is load, which is not measured yet.
    Loaded,
    /// The warm-up is over but for [`SETTLING`]: who counts something in it has to stop.
    Settling,
    /// The measured time begins.
    Begun,
    /// So many replies have come in so many seconds of it.
    Underway {
        /// Right replies.
        replies: u64,
        /// Since the beginning of the measured time.
        seconds: f64,
    },
    /// The measured time is half over.
    Halfway,
    /// The measured time is over.
    Over,
    /// Nothing more is sent, and the connections are about to be closed.
    Closing,
}

/// What became of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// All of its time was measured.
    Whole,
    /// It was interrupted.
    Interrupted,
    /// There was no connection left, or no end of errors.
    NoServer,
}

/// What was measured.
#[derive(Debug)]
pub struct Measured {
    /// What became of it.
    pub finish: Finish,
    /// How long was measured.
    pub seconds: f64,
    /// Counts and times.
    pub tally: Tally,
    /// How much of the measured time the generator was at work, from 0 to 1.
    pub busy: f64,
    /// Processor time of the generator in the measured time.
    pub cpu_seconds: f64,
}

impl Load<'_> {
    /// Puts the load on, tells `watch` of the moments as they come, and returns what it was. A run has an end, whatever
    /// the server does.
    ///
    /// # Errors
    /// If the system refuses what nothing goes without. What happens to connections is counted.
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
