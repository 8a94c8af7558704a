//! One connection: a stream, a session, and what is known of both.
//!
//! What happens between them is in `serve.rs`, what it asks of the system in `interest.rs`, how bytes move in
//! `transfer.rs`, and the way to the close in `close.rs`. The stages it goes through are those of
//! [`exchange`]. Nothing in here waits: `Connection::run` goes as far as it can, and says what it
//! would have to wait for. Which thread waits, and for how many connections at once, is what concurrency models differ in.

mod budget;
mod close;
mod interest;
mod left_over;
mod serve;
mod transfer;

use std::collections::VecDeque;
use std::mem;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::buffer::Outgoing;
use crate::exchange::{self, Event, Stage};
use crate::selector::{Interest, Readiness, Stream};
use crate::session::{End, MakeWaker, Peer, Progress, Role, Session};
use close::{Draining, Lingering};
use left_over::LeftOver;

/// How soon a session that does not move its deadline when it has passed is asked again.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// Limits and timeouts of connections, whatever the protocol. Those of messages are the protocol's.
///
/// Timeouts are added to the time, which panics where the sum is beyond the clock: for "never", a year does, and
/// `Duration::MAX` does not.
#[derive(Clone, Debug)]
pub struct Config {
    /// How long a session may be [idle](Session::is_idle) with no output waiting: nothing comes, and nothing is sent.
    pub idle_timeout: Duration,
    /// How long a peer may take none of the output that waits for it.
    pub write_timeout: Duration,
    /// How long, after a stop, what has begun may take to finish.
    pub drain_timeout: Duration,
    /// How long, after our side has ended, input is read and dropped until the peer ends its own.
    pub linger_timeout: Duration,
    /// Most bytes dropped in that time.
    pub linger_len_max: usize,
    /// Bytes of waiting output from which on no further input is read or used: back-pressure. 0 counts as 1.
    pub output_high_water: usize,
    /// Most bytes of input that a session may leave unused, such as the beginning of a message. A protocol's own limit on
    /// messages, which it can explain to its peer, is to be below this one.
    pub input_len_max: usize,
    /// How long to wait for a connection of our own to open, for each address tried.
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
            connect_timeout: Duration::from_secs(10),
        }
    }
}

/// A connection. While it waits and nothing is left over, it owns no heap memory. Most connections are idle, so rarely
/// used state is boxed.
#[derive(Debug)]
pub(crate) struct Connection<S, T> {
    pub stream: S,
    pub session: T,
    pub peer: Peer,
    state: ConnectionState,
    /// What the system has told us, and nothing has contradicted since: an edge is kept until `WouldBlock` takes it away.
    readable: bool,
    writable: bool,
    input_end: InputEnd,
    output_end: OutputEnd,
    /// Why the session stopped last time.
    progress: Progress,
    /// The session is to be called though nothing has come: its deadline has passed, or it was woken.
    is_due: bool,
    /// The session knows that the server stops.
    knows_stop: bool,
    /// The session will never use any input.
    ignores_input: bool,
    /// When it has been idle for too long, if it's idle.
    idle_until: Option<Instant>,
    left_over: LeftOver,
}

/// What is known of the peer's FIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum InputEnd {
    /// Nothing.
    Open,
    /// The system has reported it, or that the connection is broken.
    Reported,
    /// The session has been told, though unread bytes may come before it.
    Told,
    /// It has been read.
    Read,
}

/// What has become of our own FIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OutputEnd {
    Open,
    /// It's to be sent after the output.
    Wanted,
    Sent,
}

/// Buffers that every connection uses while it runs, so that one that waits needs none.
#[derive(Debug)]
pub(crate) struct Scratch {
    input: Box<[u8]>,
    output: Outgoing,
}

impl Default for Scratch {
    fn default() -> Self {
        Scratch { input: vec![0; READ_LEN].into(), output: Outgoing::default() }
    }
}

/// Bytes read at once.
const READ_LEN: usize = 64 << 10;

/// The stage of a connection, and what belongs to it.
#[derive(Debug)]
pub(crate) enum ConnectionState {
    /// Being opened by us.
    Connecting(Box<Connecting>),
    /// Its session is called with what comes.
    Served(Served),
    /// The session is done; what it left in the output is being sent.
    Draining(Box<Draining>),
    /// Our side has ended; input is dropped until the peer ends its own.
    Lingering(Box<Lingering>),
    /// Over; or in the middle of a step, which takes the state, and leaves this one if it panics.
    Closed,
}

/// What a served connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Served {
    /// A request.
    Receiving,
    /// Its reply, or for the peer to take what was sent before.
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
    /// Addresses to try if this one fails.
    pub others: VecDeque<SocketAddr>,
}

/// What a run of a connection came to.
pub(crate) enum Outcome {
    /// It has nothing to do before one of these.
    Wait { interest: Interest, deadline: Option<Instant> },
    /// It has had its turn, and has more to do.
    Yield,
    /// It could not be opened. There may be other addresses to try.
    NotConnected { end: End, others: VecDeque<SocketAddr> },
    /// It is over.
    Close(End),
}

impl<S, T> Connection<S, T> {
    /// A connection that was accepted.
    pub fn accepted(stream: S, session: T, peer: Peer) -> Self {
        Connection::new(stream, session, peer, ConnectionState::Served(Served::Receiving))
    }

    /// A connection that is being opened.
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
            // A fresh socket has room, and often the first bytes have come along with the connection: trying saves the
            // registration, and with it two system calls, where they are all there is.
            readable: is_open,
            writable: is_open,
            input_end: InputEnd::Open,
            output_end: OutputEnd::Open,
            // It is called once at the beginning.
            progress: Progress::Yield,
            is_due: false,
            knows_stop: false,
            ignores_input: false,
            idle_until: None,
            left_over: LeftOver::default(),
        }
    }

    /// What the log calls it.
    pub fn name(&self) -> String {
        match self.peer.role {
            Role::Opened(_) => self.peer.to_string(),
            Role::Accepted => format!("connection to {}", self.peer),
        }
    }

    /// Takes note of what the system tells.
    pub fn ready(&mut self, readiness: Readiness) {
        self.readable |= readiness.readable;
        self.writable |= readiness.writable;
        if readiness.read_closed {
            self.input_end = self.input_end.max(InputEnd::Reported);
        }
    }

    /// Takes note that its deadline has passed, or that its session was woken.
    pub fn due(&mut self) {
        self.is_due = true;
    }

    /// The stage that `event` leads to from `stage`, which is where the connection goes on: the table decides.
    #[inline]
    fn leads(&self, stage: Stage, event: Event) -> Stage {
        let to = stage.on(event);
        log::trace!("{}: {stage} --[ {event} ]--> {to}", self.peer);
        to
    }

    /// Lets `event` happen to a connection that is served. An event that has no row passes it by.
    #[inline(always)]
    fn pass(&mut self, event: Event) -> Stage {
        let from = self.state.stage();
        if exchange::next(from, event).is_none() {
            return from;
        }
        let to = self.leads(from, event);
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

/// Says in the log that a server stops, with so many `open` connections.
pub(crate) fn log_stop(open: usize, drain_timeout: Duration) {
    match open {
        0 => log::info!("Stopping"),
        open => log::info!("Stopping; open connections: {open}, which have up to {drain_timeout:?} to finish"),
    }
}

/// What a run goes by.
pub(crate) struct Turn<'a> {
    pub scratch: &'a mut Scratch,
    pub config: &'a Config,
    /// The time.
    pub now: Instant,
    /// Whether what has begun is to be finished, and nothing else begun.
    pub stopping: bool,
    /// Where the session gets what wakes it.
    pub make_waker: MakeWaker<'a>,
}

impl<S: Stream, T: Session> Connection<S, T> {
    /// Goes on until it has to wait, has had its share, or is over: the tutorial's `process_events`.
    #[doc(alias = "process_events")]
    pub fn run(&mut self, turn: &mut Turn<'_>) -> Outcome {
        if let ConnectionState::Served(_) = self.state {
            return self.serve(turn);
        }
        match mem::replace(&mut self.state, ConnectionState::Closed) {
            ConnectionState::Served(_) => self.serve(turn),
            ConnectionState::Connecting(connecting) => self.finish_connecting(connecting, turn),
            ConnectionState::Draining(draining) => self.drain(draining, turn),
            ConnectionState::Lingering(lingering) => self.linger(lingering, turn),
            ConnectionState::Closed => Outcome::Close(End::Panicked),
        }
    }

    fn finish_connecting(&mut self, connecting: Box<Connecting>, turn: &mut Turn<'_>) -> Outcome {
        if mem::take(&mut self.writable) {
            match self.stream.connected() {
                Ok(true) => {
                    self.leads(Stage::Connecting, Event::Connected);
                    self.state = ConnectionState::Served(Served::Receiving);
                    self.writable = true;
                    return self.serve(turn);
                }
                Ok(false) => {}
                Err(error) => {
                    self.leads(Stage::Connecting, Event::PeerGone);
                    return Outcome::NotConnected { end: End::ConnectFailed(error), others: connecting.others };
                }
            }
        }
        if turn.now >= connecting.until {
            self.leads(Stage::Connecting, Event::DeadlinePassed);
            let end = End::ConnectTimedOut(turn.config.connect_timeout);
            return Outcome::NotConnected { end, others: connecting.others };
        }
        if turn.stopping {
            self.leads(Stage::Connecting, Event::Stopped);
            return Outcome::Close(End::Stopped);
        }
        self.state = ConnectionState::Connecting(connecting);
        Outcome::Wait { interest: Interest::WRITE, deadline: self.deadline() }
    }

    /// When to run it though nothing happens.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            ConnectionState::Connecting(connecting) => Some(connecting.until),
            ConnectionState::Served(_) => self.served_deadline(),
            ConnectionState::Draining(_) => self.left_over.write_deadline(),
            ConnectionState::Lingering(lingering) => Some(lingering.until),
            ConnectionState::Closed => None,
        }
    }

    /// The same of a connection that is served.
    fn served_deadline(&self) -> Option<Instant> {
        earlier(earlier(self.session_deadline(), self.left_over.write_deadline()), self.idle_until)
    }

    fn session_deadline(&self) -> Option<Instant> {
        match self.progress {
            Progress::NeedInput | Progress::NeedEither | Progress::Working => self.session.deadline(),
            // A session that waits for room can do nothing at its deadline; the write deadline is what counts.
            Progress::NeedRoom | Progress::Yield | Progress::Finished => None,
        }
    }
}

/// The earlier of two deadlines, of which there may be one or none.
pub(crate) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, None) => one,
        (None, other) => other,
    }
}
