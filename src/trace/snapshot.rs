//! Snapshots: how a loop and its connections are at the end of a turn, for subscribers that ask.

use std::time::Duration;

use super::Totals;
use crate::exchange::Stage;
use crate::machine::named;
use crate::selector::{Interest, Queues};
use crate::session::{End, State};

/// The connections that a snapshot shows: with many, it takes several turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Portion {
    /// Where to begin: 0, or the last one's [`next`](LoopIs::next).
    pub from: usize,
    /// The most connections.
    pub count: usize,
}

/// A connection as it is.
#[derive(Debug)]
#[non_exhaustive]
pub struct ConnectionIs<'a> {
    /// The time since its first run, if that is known.
    pub age: Option<Duration>,
    /// Its stage.
    pub stage: Stage,
    /// The interest registered with the system.
    pub interest: Interest,
    /// The session's state.
    pub state: State,
    /// Whether the session has begun some work.
    pub begun: bool,
    /// Bytes of unused input.
    pub input: usize,
    /// Bytes of unsent output, or `usize::MAX` if there are more.
    pub output: usize,
    /// The bytes that wait in the system, if it says so.
    pub queues: Option<Queues>,
    /// The time until its next deadline, and what that is for.
    pub deadline: Option<(Duration, DeadlineFor)>,
    /// What it has done so far, if that is counted.
    pub tally: Option<Tally>,
    /// Whether the protocol has messages. If not, none are counted.
    pub has_messages: bool,
    /// The error with which it ends.
    pub last_error: Option<&'a End>,
}

named! {
    /// What a connection's deadline is for.
    pub enum DeadlineFor {
        /// The connection opens.
        Opening = "opening",
        /// The session's own deadline.
        Session = "session",
        /// The peer accepts some output.
        Write = "write",
        /// The peer sends something.
        Idle = "idle",
        /// The peer closes.
        Close = "close",
    }
}

/// What a connection has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages that its session has begun.
    pub messages: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
}

/// A loop as it is.
#[derive(Debug)]
#[non_exhaustive]
pub struct LoopIs<'a> {
    /// The number of open connections.
    pub open: usize,
    /// Those that are runnable.
    pub runnable: usize,
    /// Timers, obsolete ones included.
    pub timers: usize,
    /// Why accepting pauses, if it does.
    pub paused: Option<&'a str>,
    /// Whether the loop is stopping.
    pub stopping: bool,
    /// What it has done so far.
    pub totals: &'a Totals,
    /// Whether the protocol has messages. If not, none are counted.
    pub has_messages: bool,
    /// Where the next [`Portion`] begins, if there is one.
    pub next: Option<usize>,
}
