//! The trace: everything that a loop does, step by step, as events.
//!
//! There is one vocabulary for it. The [log](Log), the [lines of JSON](json) and whatever else shows a loop at work are
//! [`Subscriber`]s of the same events, so they all agree. Events are emitted where things happen: by the
//! [reactor](crate::reactor), by the [connections](crate::connection) and, through [`Steps`](crate::machine::Steps), by
//! the sessions.
//!
//! ```
//! use std::cell::RefCell;
//!
//! use multiconn::trace::{Event, Record, Subscriber};
//!
//! /// Counts the bytes received.
//! #[derive(Default)]
//! struct Received(RefCell<usize>);
//!
//! impl Subscriber for Received {
//!     fn record(&self, record: &Record<'_>) {
//!         if let Event::Received { bytes } = record.event {
//!             *self.0.borrow_mut() += bytes.len();
//!         }
//!     }
//! }
//! ```
//!
//! Pass a subscriber to [`Reactor::with_subscriber`](crate::reactor::Reactor::with_subscriber). Without one, a reactor
//! has `()`, and creates no events.

pub mod json;
mod kind;
mod log;
mod snapshot;
mod totals;

use std::fmt;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use ::log::LevelFilter;

pub use self::kind::Kind;
pub use self::log::Log;
pub use self::snapshot::{ConnectionIs, DeadlineFor, LoopIs, Portion, Tally};
pub use self::totals::Totals;
use crate::address::Addr;
use crate::exchange;
use crate::machine::Step;
use crate::selector::{Interest, Readiness, Waker};
use crate::session::{End, Peer, Progress, State};
use crate::text::count;

/// A receiver of events.
pub trait Subscriber {
    /// The most detailed [level](Event::level) of the events that it receives. The loop asks before each turn.
    fn level(&self) -> LevelFilter {
        LevelFilter::Trace
    }

    /// Receives the waker of a loop that will ask and tell it: a subscriber whose wants change while the loop sleeps can
    /// have it ask again.
    fn attached(&self, _waker: Waker) {}

    /// What it wants of the turn that begins. The loop asks before each turn; by default it gets the events of its
    /// [level](Subscriber::level), and nothing that the loop has to measure or look up.
    fn wants(&self) -> Wants {
        Wants::events(self.level())
    }

    /// Whether it wants to know how long each connection was open and what it has done, in [`Event::Closed`]. The loop asks
    /// once, before it serves.
    fn wants_tallies(&self) -> bool {
        false
    }

    /// Receives an event.
    fn record(&self, record: &Record<'_>);

    /// Waits for a short time until everything that it has received is written. A forked process calls this before it
    /// exits.
    fn flush(&self) {}
}

/// What a [`Subscriber`] wants of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wants {
    /// The most detailed level of events.
    pub level: LevelFilter,
    /// The time that each part of the turn takes, as [`Event::TurnEnded`], and each run, in [`Event::RunEnded`].
    pub times: bool,
    /// A portion of a snapshot at the end of the turn: [`Event::ConnectionIs`] for each of its connections, then
    /// [`Event::LoopIs`].
    pub snapshot: Option<Portion>,
}

impl Wants {
    /// The events of this level, and nothing else.
    #[inline]
    pub const fn events(level: LevelFilter) -> Self {
        Wants { level, times: false, snapshot: None }
    }

    /// What two subscribers want together. If both want a snapshot, they get the first one's portion.
    fn and(self, other: Wants) -> Wants {
        Wants {
            level: self.level.max(other.level),
            times: self.times || other.times,
            snapshot: self.snapshot.or(other.snapshot),
        }
    }
}

/// Receives nothing.
impl Subscriber for () {
    #[inline]
    fn level(&self) -> LevelFilter {
        LevelFilter::Off
    }

    #[inline]
    fn record(&self, _record: &Record<'_>) {}
}

impl<T: Subscriber + ?Sized> Subscriber for &T {
    fn level(&self) -> LevelFilter {
        (**self).level()
    }

    fn attached(&self, waker: Waker) {
        (**self).attached(waker);
    }

    fn wants(&self) -> Wants {
        (**self).wants()
    }

    fn wants_tallies(&self) -> bool {
        (**self).wants_tallies()
    }

    fn record(&self, record: &Record<'_>) {
        (**self).record(record);
    }

    fn flush(&self) {
        (**self).flush();
    }
}

/// A subscriber that several loops share.
#[derive(Clone)]
pub struct Shared(Arc<dyn Subscriber + Send + Sync>);

impl Shared {
    /// Shares `subscriber`.
    pub fn new(subscriber: impl Subscriber + Send + Sync + 'static) -> Self {
        Shared(Arc::new(subscriber))
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Subscriber for Shared {
    fn level(&self) -> LevelFilter {
        self.0.level()
    }

    fn attached(&self, waker: Waker) {
        self.0.attached(waker);
    }

    fn wants(&self) -> Wants {
        self.0.wants()
    }

    fn wants_tallies(&self) -> bool {
        self.0.wants_tallies()
    }

    fn record(&self, record: &Record<'_>) {
        self.0.record(record);
    }

    fn flush(&self) {
        self.0.flush();
    }
}

/// Receives nothing if it is `None`.
impl<T: Subscriber> Subscriber for Option<T> {
    fn level(&self) -> LevelFilter {
        self.as_ref().map_or(LevelFilter::Off, T::level)
    }

    fn attached(&self, waker: Waker) {
        if let Some(subscriber) = self {
            subscriber.attached(waker);
        }
    }

    fn wants(&self) -> Wants {
        self.as_ref().map_or(Wants::events(LevelFilter::Off), T::wants)
    }

    fn wants_tallies(&self) -> bool {
        self.as_ref().is_some_and(T::wants_tallies)
    }

    fn record(&self, record: &Record<'_>) {
        if let Some(subscriber) = self {
            subscriber.record(record);
        }
    }

    fn flush(&self) {
        self.iter().for_each(T::flush);
    }
}

/// Each receives the events of its level.
impl<A: Subscriber, B: Subscriber> Subscriber for (A, B) {
    fn level(&self) -> LevelFilter {
        self.0.level().max(self.1.level())
    }

    fn attached(&self, waker: Waker) {
        self.0.attached(waker.clone());
        self.1.attached(waker);
    }

    fn wants(&self) -> Wants {
        self.0.wants().and(self.1.wants())
    }

    fn wants_tallies(&self) -> bool {
        self.0.wants_tallies() || self.1.wants_tallies()
    }

    fn record(&self, record: &Record<'_>) {
        let level = record.event.level();
        if level <= self.0.level() {
            self.0.record(record);
        }
        if level <= self.1.level() {
            self.1.record(record);
        }
    }

    fn flush(&self) {
        self.0.flush();
        self.1.flush();
    }
}

/// An event, with its circumstances.
#[derive(Debug)]
pub struct Record<'a> {
    /// The number of the loop's turn, from 1; under a blocking model, of the connection's wait.
    pub turn: u64,
    /// The time at the beginning of the turn.
    pub at: Instant,
    /// The connection that it happens to, if it happens to one.
    pub connection: Option<Connection<'a>>,
    /// What happens.
    pub event: Event<'a>,
}

/// A connection in the trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection<'a> {
    /// Its number among all connections of the loop, from 1. No two have the same.
    pub id: u64,
    /// Its other side.
    pub peer: &'a Peer,
}

/// What a loop does.
///
/// The order within a turn: [`TurnBegun`](Event::TurnBegun), then an event for each connection or listener that the
/// selector reported, then the runs of connections, accepting, and timers.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A turn has begun: `select` has returned, after it has waited for this long.
    TurnBegun {
        /// The time in `select`, including busy-polling.
        waited: Duration,
        /// The number of events that it has returned.
        events: usize,
    },
    /// The selector has reported readiness, of a connection or, without one, of a listener.
    Selected {
        /// What it is ready for.
        readiness: Readiness,
    },
    /// A session was woken, by another thread or by another session.
    Woken,
    /// A connection was accepted, and is served.
    Accepted,
    /// A connection was accepted only to be refused.
    Refused {
        /// The reason.
        why: &'a str,
    },
    /// A proxy has named its client: from now on, the peer's address is the client's.
    Introduced {
        /// The proxy's address.
        by: Addr,
    },
    /// A connection was gone before it was accepted.
    Missed {
        /// The system's error.
        why: &'a io::Error,
    },
    /// Accepting has paused: the system, or this server, has no room for another connection.
    AcceptingPaused {
        /// The reason.
        why: &'a str,
        /// Whether the reason is worth a line in the log and no earlier pause has logged it.
        is_news: bool,
    },
    /// Accepting goes on.
    AcceptingResumed,
    /// We begin to open a connection.
    Opening,
    /// An address can't be connected to.
    CannotConnect {
        /// The address.
        addr: Addr,
        /// The reason.
        why: &'a str,
    },
    /// A connection's run has begun.
    RunBegun,
    /// The peer's bytes were received: the tutorial's `_read`.
    Received {
        /// The bytes.
        bytes: Bytes<'a>,
    },
    /// The peer has ended its sending side.
    InputEnded,
    /// The session has made a step, such as from one part of a message to the next.
    Stepped(Step),
    /// The connection has gone from one stage to another, or to the same: a row of the table of [`exchange`].
    Moved {
        /// The stage before.
        from: exchange::Stage,
        /// What has happened.
        event: exchange::Event,
        /// The stage after.
        to: exchange::Stage,
    },
    /// The session has added to its output.
    Replied {
        /// The number of bytes, or `usize::MAX` if there are more.
        len: usize,
    },
    /// The stream has accepted output, in one write: the tutorial's `_write`.
    Sent {
        /// The bytes.
        bytes: Bytes<'a>,
        /// The bytes of output that are left, or `usize::MAX` if there are more.
        left: usize,
    },
    /// Output was dropped, since our sending side has ended.
    Dropped {
        /// The number of bytes.
        len: usize,
    },
    /// Our sending side has ended.
    OutputEnded,
    /// A connection's run has ended.
    RunEnded {
        /// The way in which it has ended.
        how: RunEnd,
        /// The session's state.
        state: State,
        /// Bytes of unused input.
        input: usize,
        /// Bytes of unsent output, or `usize::MAX` if there are more.
        output: usize,
        /// The work of the run, as the loop accounts for it: a fixed part, the bytes moved, and a part for each message.
        work: usize,
        /// The memory for unused input and unsent output, in bytes.
        memory: usize,
        /// The time that it took, if a subscriber [wants](Wants::times) that.
        took: Option<Duration>,
    },
    /// The interest registered with the system has changed: the tutorial's `_set_selector_events_mask`.
    InterestChanged {
        /// The interest before.
        from: Interest,
        /// The interest after.
        to: Interest,
    },
    /// A timer was set.
    TimerSet {
        /// The time until it fires.
        after: Duration,
    },
    /// A timer has fired.
    TimerFired {
        /// Whether the connection's deadline has passed. It may have moved on.
        is_due: bool,
    },
    /// A stop was ordered, but the loop still accepts connections for a while.
    StopDelayed {
        /// The time until it stops.
        delay: Duration,
    },
    /// The loop stops: it accepts no more connections.
    Stopping {
        /// The number of open connections.
        open: usize,
        /// How long they have to finish.
        timeout: Duration,
    },
    /// The service reads its files again.
    Reloaded,
    /// A session, or the service, has panicked.
    Panicked {
        /// The code that was called.
        place: PanicIn,
        /// The panic's message, and its place in the source.
        message: &'a str,
    },
    /// A connection is closed.
    Closed {
        /// The way in which it has ended.
        end: &'a End,
        /// The time since its first run, if a subscriber [wants](Subscriber::wants_tallies) that.
        age: Option<Duration>,
        /// What it has done, likewise.
        tally: Option<Tally>,
    },
    /// A turn has ended, whose parts took these times. Emitted if a subscriber [wants](Wants::times) that.
    TurnEnded {
        /// The time in `select`, if the turn before was measured as well.
        select: Option<Duration>,
        /// Noting what is ready, woken or ordered.
        dispatch: Duration,
        /// The runs of connections.
        run: Duration,
        /// Accepting.
        accept: Duration,
        /// Timers, the runs that they cause, and the rest.
        timers: Duration,
        /// How often something was done for connections of listeners apart, which emit no events: runs, accepted
        /// connections and timers.
        apart: usize,
    },
    /// A connection as it is at the end of the turn. Emitted if a subscriber [wants](Wants::snapshot) that.
    ConnectionIs(&'a ConnectionIs<'a>),
    /// The loop as it is, after the connections of a portion. Emitted likewise.
    LoopIs(&'a LoopIs<'a>),
}

/// Bytes in transit, borrowed for the time of the event. Nothing is copied.
#[derive(Clone, Copy)]
pub struct Bytes<'a> {
    len: usize,
    /// At least `len` bytes, unless they are in a file.
    slices: &'a [IoSlice<'a>],
}

impl<'a> Bytes<'a> {
    /// The first `len` bytes of `slices`. Without slices, the system sends the bytes from a file, and this process has
    /// not read them.
    pub fn new(len: usize, slices: &'a [IoSlice<'a>]) -> Self {
        Bytes { len, slices }
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes, in order; none if the system sends them from a file.
    pub fn slices(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut left = self.len;
        self.slices.iter().map(move |slice| {
            let shown = &slice[..slice.len().min(left)];
            left -= shown.len();
            shown
        })
    }
}

/// The number of bytes.
impl fmt::Debug for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", count(self.len, "byte"))
    }
}

/// The code in which a panic has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PanicIn {
    /// The session.
    Session,
    /// The service, when it was asked for a session.
    Accept,
    /// The service, when it learned of a connection's end.
    Ended,
}

/// The way in which a run has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// The connection waits, for what its session has asked for.
    Waits(Progress),
    /// It has more to do in the next turn.
    Yields,
    /// It is over.
    Ends,
}

/// The name in logs and JSON.
impl fmt::Display for RunEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RunEnd::Waits(Progress::NeedInput) => "waits for input",
            RunEnd::Waits(Progress::NeedRoom) => "waits for room",
            RunEnd::Waits(Progress::NeedEither) => "waits for input or room",
            RunEnd::Waits(Progress::Working) => "works",
            RunEnd::Waits(Progress::Yield | Progress::Finished) => "waits",
            RunEnd::Yields => "yields",
            RunEnd::Ends => "ends",
        })
    }
}

impl Event<'_> {
    /// Its level: from errors to the smallest steps.
    #[inline]
    pub fn level(&self) -> LevelFilter {
        match self {
            Event::Panicked { .. } => LevelFilter::Error,
            Event::Refused { .. } | Event::AcceptingPaused { is_news: true, .. } => LevelFilter::Warn,
            Event::Accepted
            | Event::Introduced { .. }
            | Event::Opening
            | Event::CannotConnect { .. }
            | Event::StopDelayed { .. }
            | Event::Stopping { .. }
            | Event::Closed { .. }
            | Event::Reloaded
            // Only subscribers that ask for these cause them, at any level from here on.
            | Event::TurnEnded { .. }
            | Event::ConnectionIs(_)
            | Event::LoopIs(_) => LevelFilter::Info,
            Event::Missed { .. } => LevelFilter::Debug,
            Event::TurnBegun { .. }
            | Event::Selected { .. }
            | Event::Woken
            | Event::AcceptingPaused { is_news: false, .. }
            | Event::AcceptingResumed
            | Event::RunBegun
            | Event::Received { .. }
            | Event::InputEnded
            | Event::Stepped(_)
            | Event::Moved { .. }
            | Event::Replied { .. }
            | Event::Sent { .. }
            | Event::Dropped { .. }
            | Event::OutputEnded
            | Event::RunEnded { .. }
            | Event::InterestChanged { .. }
            | Event::TimerSet { .. }
            | Event::TimerFired { .. } => LevelFilter::Trace,
        }
    }
}

/// The bit of a connection's number that leaves it out of the trace: it belongs to a listener apart.
pub(crate) const APART: u32 = 1 << 31;

/// Whether the connection of this number is left out of the trace.
#[inline]
pub(crate) fn is_apart(number: u32) -> bool {
    number & APART != 0
}

/// The trace of a loop.
#[derive(Debug)]
pub(crate) struct Trace<T> {
    subscriber: T,
    wants: Wants,
    turn: u64,
    at: Instant,
}

impl<T: Subscriber> Trace<T> {
    pub fn new(subscriber: T, now: Instant) -> Self {
        Trace { wants: subscriber.wants(), subscriber, turn: 0, at: now }
    }

    /// Begins a turn.
    pub fn begin_turn(&mut self, now: Instant) {
        self.wants = self.subscriber.wants();
        self.turn += 1;
        self.at = now;
    }

    /// What the subscriber wants of this turn.
    #[inline]
    pub fn wants(&self) -> &Wants {
        &self.wants
    }

    /// The time at the beginning of the turn.
    pub fn at(&self) -> Instant {
        self.at
    }

    /// The number of turns so far.
    pub fn turn(&self) -> u64 {
        self.turn
    }

    /// The trace of one connection, by its number. That of a listener apart is left out.
    pub fn of(&self, connection: u32) -> Tracer<'_> {
        let is_detailed = self.wants.level == LevelFilter::Trace && !is_apart(connection);
        Tracer { sink: self, is_detailed, is_timed: is_detailed && self.wants.times, connection }
    }

    /// The trace of the loop itself.
    pub fn own(&self) -> Tracer<'_> {
        self.of(0)
    }
}

/// A trace, whatever its subscriber.
trait Sink {
    fn record(&self, connection: Option<Connection<'_>>, event: Event<'_>);
}

impl<T: Subscriber> Sink for Trace<T> {
    fn record(&self, connection: Option<Connection<'_>>, event: Event<'_>) {
        if event.level() <= self.wants.level {
            self.subscriber.record(&Record { turn: self.turn, at: self.at, connection, event });
        }
    }
}

/// The trace of a turn, for one connection or for the loop itself.
#[derive(Clone, Copy)]
pub(crate) struct Tracer<'a> {
    sink: &'a dyn Sink,
    /// Whether the smallest steps are received.
    is_detailed: bool,
    /// And how long runs take.
    is_timed: bool,
    connection: u32,
}

impl Tracer<'_> {
    /// Whether the smallest steps are received.
    #[inline]
    pub fn is_detailed(&self) -> bool {
        self.is_detailed
    }

    /// Whether to measure how long runs take.
    #[inline]
    pub fn is_timed(&self) -> bool {
        self.is_timed
    }

    /// Emits a small step of a connection. The event is created only if it is received.
    #[inline]
    pub fn step<'b>(&self, peer: &Peer, event: impl FnOnce() -> Event<'b>) {
        if self.is_detailed {
            self.emit(peer, event());
        }
    }

    /// Emits an event of a connection.
    #[cold]
    pub fn emit(&self, peer: &Peer, event: Event<'_>) {
        if !is_apart(self.connection) {
            self.sink.record(Some(Connection { id: self.connection.into(), peer }), event);
        }
    }

    /// Emits a small step of the loop. The event is created only if it is received.
    #[inline]
    pub fn own_step<'b>(&self, event: impl FnOnce() -> Event<'b>) {
        if self.is_detailed {
            self.emit_own(event());
        }
    }

    /// Emits an event of the loop.
    #[cold]
    pub fn emit_own(&self, event: Event<'_>) {
        self.sink.record(None, event);
    }
}
