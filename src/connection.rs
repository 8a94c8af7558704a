//! One connection: a stream, a session, and the state of both.
//!
//! `serve.rs` handles what happens between them, `interest.rs` the interest registered with the system, `transfer.rs`
//! the movement of bytes, and `close.rs` the close. Its stages are those of [`exchange`]. Nothing in here waits:
//! `Connection::run` goes as far as it can, and returns what it would have to wait for. Concurrency models differ in
//! which thread waits, and for how many connections at once.

mod alone;
mod audit;
mod budget;
mod close;
mod interest;
mod left_over;
mod memory;
mod serve;
mod snapshot;
mod transfer;

use std::cell::Cell;
use std::collections::VecDeque;
use std::mem;
use std::time::{Duration, Instant};

use crate::address::Addr;
use crate::buffer::Outgoing;
use crate::exchange::{self, Event, Stage};
use crate::selector::{Interest, Readiness, Stopwatch, Stream};
use crate::session::{End, MakeWaker, Peer, Progress, Session};
use crate::trace::{self, RunEnd, Tracer};
pub(crate) use alone::{Caller, Found, Wait, Word, hold};
pub(crate) use budget::{Budget, Share};
use close::{Draining, Lingering};
use left_over::LeftOver;
pub use memory::Memory;

/// The interval between calls of a session that leaves its deadline unchanged after it has passed.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// Limits and timeouts of connections, for any protocol. Limits of messages belong to the protocol.
///
/// Each timeout is added to the current time, which panics if the sum is beyond the clock's range: for "never", use a
/// year, not `Duration::MAX`.
#[derive(Clone, Debug)]
pub struct Config {
    /// How long a session may be [idle](Session::is_idle) with no output waiting, and nothing received or sent.
    pub idle_timeout: Duration,
    /// How long a peer may accept none of its waiting output.
    pub write_timeout: Duration,
    /// How long work in progress may take to finish after a stop.
    pub drain_timeout: Duration,
    /// How long input is read and dropped after our side has ended, until the peer ends its own. After a conversation
    /// that has ended in order, such a connection makes way for a new one that finds no other place.
    pub linger_timeout: Duration,
    /// The most bytes dropped in that time.
    pub linger_len_max: usize,
    /// The amount of waiting output at which no further input is read or used: back-pressure. 0 counts as 1.
    pub output_high_water: usize,
    /// The most bytes of input that a session may leave unused, such as the beginning of a message. A protocol's own
    /// limit on messages, which it can explain to its peer, must be lower.
    pub input_len_max: usize,
    /// The limit on unused input and unsent output of all connections that have this configuration or a clone of it.
    /// Above it, the connection with the most is ended.
    pub memory: Memory,
    /// How long to wait for an outgoing connection to open, for each address tried.
    pub connect_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            idle_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(10),
            linger_timeout: Duration::from_secs(2),
            linger_len_max: 16 << 20,
            output_high_water: 64 << 10,
            input_len_max: 16 << 20,
            memory: Memory::new(512 << 20),
            connect_timeout: Duration::from_secs(10),
        }
    }
}

/// A connection. An idle one with nothing left over owns no heap memory. Most connections are idle, so rarely used
/// state is boxed.
#[derive(Debug)]
pub(crate) struct Connection<S, T> {
    pub stream: S,
    pub session: T,
    pub peer: Peer,
    state: ConnectionState,
    /// The readiness that the system has reported: an edge is kept until `WouldBlock` clears it.
    readable: bool,
    writable: bool,
    /// A short read doesn't mean that the stream is empty.
    urgent: bool,
    input_end: InputEnd,
    /// The system has reported something though the end of input is known: that end again, or an error.
    may_be_broken: bool,
    output_end: OutputEnd,
    /// Why the session stopped last time.
    progress: Progress,
    /// The session is to be called even without input: its deadline has passed, or it was woken.
    is_due: bool,
    /// The session knows that the server is stopping.
    knows_stop: bool,
    /// The session will never use any input.
    ignores_input: bool,
    /// The time when it will have been idle for too long, if it's idle.
    idle_until: Option<Instant>,
    left_over: LeftOver,
    /// Output has had to wait for room, so the system may hold much of it.
    output_has_waited: bool,
}

/// Our knowledge of the peer's FIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum InputEnd {
    /// No sign of it.
    Open,
    /// The system has reported it, or a broken connection.
    Reported,
    /// The session has learnt of it, though unread bytes may precede it.
    Told,
    /// It has been read.
    Read,
}

/// The state of our own FIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OutputEnd {
    Open,
    /// To be sent after the output.
    Wanted,
    Sent,
}

/// Buffers shared by all connections while they run, so that an idle one needs none.
#[derive(Debug)]
pub(crate) struct Scratch {
    input: Box<[u8]>,
    output: Outgoing,
}

thread_local! {
    /// The input buffer of the thread's last loop. Clearing another takes as long as ten turns, and a simulation makes
    /// thousands of loops.
    static SPARE: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

impl Default for Scratch {
    fn default() -> Self {
        let spare = SPARE.try_with(Cell::take).ok().flatten();
        Scratch { input: spare.unwrap_or_else(|| vec![0; READ_LEN].into()), output: Outgoing::default() }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let input = mem::take(&mut self.input);
        // At the end of a thread there is no next loop.
        let _ = SPARE.try_with(|spare| spare.set(Some(input)));
    }
}

impl Scratch {
    /// Whether a long reply has left behind more memory than an idle connection should hold.
    pub fn is_large(&self) -> bool {
        self.output.capacity() > KEPT_LEN
    }

    /// Frees that memory.
    pub fn give_back(&mut self) {
        if self.is_large() {
            self.output = Outgoing::default();
        }
    }
}

/// The most memory kept for output while a connection with buffers of its own is idle.
const KEPT_LEN: usize = 64 << 10;

/// The most bytes read at once.
const READ_LEN: usize = 64 << 10;

/// The stage of a connection, with its data.
#[derive(Debug)]
pub(crate) enum ConnectionState {
    /// We are opening it.
    Connecting(Box<Connecting>),
    /// Its session is called with input.
    Served(Served),
    /// The session is done; its remaining output is being sent.
    Draining(Box<Draining>),
    /// Our side has ended; input is dropped until the peer ends its side.
    Lingering(Box<Lingering>),
    /// Over, or in the middle of a step: the step takes the state out, and this one remains if it panics.
    Closed,
}

/// What a served connection is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Served {
    /// A request.
    Receiving,
    /// Its reply, or room to send earlier output.
    Responding,
}

impl ConnectionState {
    fn stage(&self) -> Stage {
        match self {
            ConnectionState::Connecting(_) => Stage::Connecting,
            ConnectionState::Served(Served::Receiving) => Stage::Receiving,
            ConnectionState::Served(Served::Responding) => Stage::Responding,
            ConnectionState::Draining(_) => Stage::Draining,
            ConnectionState::Lingering(_) => Stage::Lingering,
            ConnectionState::Closed => Stage::Closed,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Connecting {
    pub until: Instant,
    /// The addresses to try if this one fails.
    pub others: VecDeque<Addr>,
}

/// The outcome of a connection's run.
pub(crate) enum Outcome {
    /// It has nothing to do before one of these.
    Wait { interest: Interest, deadline: Option<Instant> },
    /// It waits for its peer's close, which most likely comes before this deadline: for such a short time, a
    /// registration isn't worth its system call.
    Leave { deadline: Instant },
    /// It has used up its turn, and has more to do.
    Yield,
    /// It could not be opened. There may be other addresses to try.
    NotConnected { end: End, others: VecDeque<Addr> },
    /// It is over.
    Close(End),
}

impl<S, T> Connection<S, T> {
    /// Creates an accepted connection.
    pub fn accepted(stream: S, session: T, peer: Peer) -> Self {
        Connection::new(stream, session, peer, ConnectionState::Served(Served::Receiving))
    }

    /// Creates a connection that is being opened.
    pub fn opening(stream: S, session: T, peer: Peer, connecting: Connecting) -> Self {
        Connection::new(stream, session, peer, ConnectionState::Connecting(Box::new(connecting)))
    }

    fn new(stream: S, session: T, peer: Peer, state: ConnectionState) -> Self {
        let is_open = matches!(state, ConnectionState::Served(_));
        Connection {
            stream,
            session,
            peer,
            state,
            // A fresh socket has room, and often the first bytes have arrived with the connection. Trying to read at
            // once saves the registration, and with it two system calls, if no more bytes are needed.
            readable: is_open,
            writable: is_open,
            urgent: false,
            input_end: InputEnd::Open,
            may_be_broken: false,
            output_end: OutputEnd::Open,
            // It is called once at the beginning.
            progress: Progress::Yield,
            is_due: false,
            knows_stop: false,
            ignores_input: false,
            idle_until: None,
            left_over: LeftOver::default(),
            output_has_waited: false,
        }
    }

    /// Records readiness that the system has reported.
    pub fn ready(&mut self, readiness: Readiness) {
        self.readable |= readiness.readable;
        self.writable |= readiness.writable;
        self.urgent |= readiness.urgent;
        if readiness.read_closed {
            self.may_be_broken |= self.input_end >= InputEnd::Told;
            self.input_end = self.input_end.max(InputEnd::Reported);
        }
    }

    /// Records that its session was woken.
    pub fn woken(&mut self) {
        self.is_due = true;
    }

    /// The stage that `event` leads to from `stage`, as the table says.
    #[inline]
    fn leads(&self, stage: Stage, event: Event, trace: Tracer<'_>) -> Stage {
        let to = stage.on(event);
        trace.step(&self.peer, || trace::Event::Moved { from: stage, event, to });
        to
    }

    /// Applies `event` to a served connection. An event without a row in the table changes nothing.
    #[inline(always)]
    fn pass(&mut self, event: Event, trace: Tracer<'_>) -> Stage {
        let from = self.state.stage();
        if exchange::next(from, event).is_none() {
            return from;
        }
        let to = self.leads(from, event, trace);
        if let ConnectionState::Served(served) = &mut self.state {
            match to {
                Stage::Receiving => *served = Served::Receiving,
                Stage::Responding => *served = Served::Responding,
                Stage::Connecting | Stage::Draining | Stage::Lingering | Stage::Closed => {}
            }
        }
        to
    }
}

/// The context of a run.
pub(crate) struct Turn<'a> {
    pub scratch: &'a mut Scratch,
    pub config: &'a Config,
    /// The current time.
    pub now: Instant,
    /// Whether to finish work in progress and begin nothing else.
    pub stopping: bool,
    /// How long to wait for the close of a peer whose conversation has ended in order; at most the linger timeout.
    pub leave_timeout: Duration,
    /// Makes wakers for the session.
    pub make_waker: MakeWaker<'a>,
    /// What is left of the connection's share.
    pub budget: Budget,
    /// The time that the run takes, if it's measured.
    pub watch: Stopwatch,
    /// The receiver of what happens.
    pub trace: Tracer<'a>,
}

impl<S: Stream, T: Session> Connection<S, T> {
    /// Proceeds until it has to wait, has used up its turn, or is over: the tutorial's `process_events`.
    #[doc(alias = "process_events")]
    pub fn run(&mut self, turn: &mut Turn<'_>) -> Outcome {
        turn.trace.step(&self.peer, || trace::Event::RunBegun);
        match mem::replace(&mut self.state, ConnectionState::Closed) {
            ConnectionState::Served(served) => {
                self.state = ConnectionState::Served(served);
                self.serve(turn)
            }
            ConnectionState::Connecting(connecting) => self.finish_connecting(connecting, turn),
            ConnectionState::Draining(draining) => self.drain(draining, turn),
            ConnectionState::Lingering(lingering) => self.linger(lingering, turn),
            ConnectionState::Closed => Outcome::Close(End::Panicked),
        }
    }

    /// Accounts for its last run, which ended with `outcome`.
    #[inline]
    pub fn has_run(&mut self, outcome: &Outcome, turn: &Turn<'_>) {
        self.left_over.charge(&turn.config.memory);
        turn.trace.step(&self.peer, || self.run_ended(outcome, turn));
    }

    fn run_ended(&self, outcome: &Outcome, turn: &Turn<'_>) -> trace::Event<'static> {
        let how = match outcome {
            // It needs input, and its output is full.
            Outcome::Wait { interest, .. } if interest.writable && !interest.readable => {
                RunEnd::Waits(Progress::NeedRoom)
            }
            Outcome::Wait { .. } | Outcome::Leave { .. } => RunEnd::Waits(self.progress),
            Outcome::Yield => RunEnd::Yields,
            Outcome::NotConnected { .. } | Outcome::Close(_) => RunEnd::Ends,
        };
        let (input, output) = (self.left_over.input_len(), self.left_over.output_len());
        let (work, memory) = (turn.budget.work(), self.left_over.charged());
        let (state, took) = (self.session.state(input), turn.watch.elapsed());
        trace::Event::RunEnded { how, state, input, output, work, memory, took }
    }

    fn finish_connecting(&mut self, connecting: Box<Connecting>, turn: &mut Turn<'_>) -> Outcome {
        if mem::take(&mut self.writable) {
            match self.stream.connected() {
                Ok(true) => {
                    self.leads(Stage::Connecting, Event::Connected, turn.trace);
                    self.state = ConnectionState::Served(Served::Receiving);
                    self.writable = true;
                    return self.serve(turn);
                }
                Ok(false) => {}
                Err(error) => {
                    self.leads(Stage::Connecting, Event::PeerGone, turn.trace);
                    return Outcome::NotConnected { end: End::ConnectFailed(error), others: connecting.others };
                }
            }
        }
        if turn.now >= connecting.until {
            self.leads(Stage::Connecting, Event::DeadlinePassed, turn.trace);
            let end = End::ConnectTimedOut(turn.config.connect_timeout);
            return Outcome::NotConnected { end, others: connecting.others };
        }
        if turn.stopping {
            self.leads(Stage::Connecting, Event::Stopped, turn.trace);
            return Outcome::Close(End::Stopped);
        }
        self.state = ConnectionState::Connecting(connecting);
        Outcome::Wait { interest: Interest::WRITE, deadline: self.deadline() }
    }

    /// The time at which it must run even without events.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            ConnectionState::Connecting(connecting) => Some(connecting.until),
            ConnectionState::Served(_) => self.served_deadline(),
            ConnectionState::Draining(_) => self.left_over.next_try(),
            ConnectionState::Lingering(lingering) => Some(lingering.deadline()),
            ConnectionState::Closed => None,
        }
    }

    /// Records that its deadline has passed. The session is called only if the deadline was its own.
    pub fn deadline_passed(&mut self, now: Instant) {
        self.is_due |= self.session_deadline().is_some_and(|deadline| now >= deadline);
    }

    /// The deadline of a served connection.
    fn served_deadline(&self) -> Option<Instant> {
        earlier(earlier(self.session_deadline(), self.left_over.next_try()), self.idle_until)
    }

    fn session_deadline(&self) -> Option<Instant> {
        match self.progress {
            Progress::NeedInput | Progress::NeedEither | Progress::Working => self.session.deadline(),
            // A session that waits for room can do nothing at its deadline; the write deadline is the one that counts.
            Progress::NeedRoom | Progress::Yield | Progress::Finished => None,
        }
    }
}

/// The earlier of two deadlines, each of which may be missing.
#[inline]
pub(crate) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, None) => one,
        (None, other) => other,
    }
}
