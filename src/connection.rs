//! One connection: a stream, a session, and what is known of both.
//!
//! What happens between them is in `serve.rs`, how bytes move in `transfer.rs`, and the way to the close in `close.rs`.
//! Nothing in here waits: a [run](Connection::run) goes as far as it can, and says what it would have to wait for. Who
//! waits, and for how many connections at once, is what concurrency models differ in.

mod close;
mod left_over;
mod serve;
mod transfer;

use std::collections::VecDeque;
use std::mem;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::buffer::Outgoing;
use crate::selector::{Interest, Readiness, Stream};
use crate::session::{End, Peer, Progress, Session, Wakers};
use left_over::LeftOver;

/// Most bytes read from a connection, and most sent to it with more to come, before it's another's turn.
const BYTES_PER_TURN: usize = 256 << 10;
/// How soon a session that does not move its deadline when it has passed is asked again.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// Limits and timeouts of connections, whatever the protocol. Those of messages are the protocol's.
///
/// Timeouts are added to the time, which panics where the sum is beyond the clock: for "never", a year does, and
/// `Duration::MAX` does not.
#[derive(Clone, Debug)]
pub struct Config {
    /// Most connections served at once. One above it is accepted, told so in the protocol's own way, and closed.
    pub connections_max: usize,
    /// How long a peer may take none of the output that waits for it.
    pub write_timeout: Duration,
    /// How long, after a stop, what has begun may take to finish.
    pub drain_timeout: Duration,
    /// How long, after our side has ended, input is read and dropped until the peer ends its own.
    pub linger_timeout: Duration,
    /// Most bytes dropped in that time.
    pub linger_len_max: usize,
    /// Bytes of waiting output from which on no further input is read or used: back-pressure.
    pub output_high_water: usize,
    /// How long to wait for a connection of our own to open, for each address tried.
    pub connect_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            connections_max: 1000,
            write_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(10),
            linger_timeout: Duration::from_secs(2),
            linger_len_max: 16 << 20,
            output_high_water: 64 << 10,
            connect_timeout: Duration::from_secs(10),
        }
    }
}

/// A connection. While it waits and nothing is left over, it owns no heap memory; and since nearly all do that nearly all
/// the time, what is rare is behind a pointer.
#[derive(Debug)]
pub(crate) struct Connection<S, T> {
    pub stream: S,
    pub session: T,
    pub peer: Peer,
    /// What the system has told us, and nothing has contradicted since: an edge is kept until `WouldBlock` takes it away.
    readiness: Readiness,
    state: ConnectionState,
    /// Why the session stopped last time.
    progress: Progress,
    /// The peer's FIN has been read.
    input_ended: bool,
    /// The peer's FIN is known of, and the session has been told, be it read or not.
    hung_up: bool,
    /// The session is to be called though nothing has come: its deadline has passed, or it was woken.
    is_due: bool,
    left_over: LeftOver,
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

#[derive(Debug)]
pub(crate) enum ConnectionState {
    /// Being opened by us.
    Connecting(Box<Connecting>),
    /// Served.
    Open,
    /// The session is done; what it left in the output is being sent.
    Draining {
        end: Box<End>,
        /// Whether input may still be on its way, at which a close would answer with a reset, and with that destroy
        /// what the peer has not read yet.
        linger: bool,
    },
    /// Our side has ended; input is dropped until the peer ends its own.
    Lingering(Box<Lingering>),
}

#[derive(Debug)]
pub(crate) struct Connecting {
    pub until: Instant,
    /// Addresses to try if this one fails.
    pub others: VecDeque<SocketAddr>,
}

#[derive(Debug)]
pub(crate) struct Lingering {
    end: End,
    until: Instant,
    /// Bytes that may be dropped yet.
    left: usize,
}

/// What a run of a connection came to.
pub(crate) enum Outcome {
    /// It has nothing to do before one of these.
    Wait { interest: Interest, deadline: Option<Instant> },
    /// It has had its turn, and has more to do.
    Yield,
    /// It could not be opened.
    NotConnected(End),
    /// It is over.
    Close(End),
}

impl<S, T> Connection<S, T> {
    pub fn new(stream: S, session: T, peer: Peer, state: ConnectionState) -> Self {
        let is_open = !matches!(state, ConnectionState::Connecting(_));
        Connection {
            stream,
            session,
            peer,
            // A fresh socket has room, and often the first bytes have come along with the connection: trying saves the
            // registration, and with it two system calls, where they are all there is.
            readiness: Readiness { readable: is_open, writable: is_open, read_closed: false },
            state,
            progress: Progress::Yield,
            input_ended: false,
            hung_up: false,
            is_due: false,
            left_over: LeftOver::default(),
        }
    }

    /// What the log calls it.
    pub fn name(&self) -> String {
        match self.peer.number {
            Some(_) => self.peer.to_string(),
            None => format!("connection to {}", self.peer),
        }
    }

    /// Takes note of what the system tells.
    pub fn ready(&mut self, readiness: Readiness) {
        self.readiness.readable |= readiness.readable;
        self.readiness.writable |= readiness.writable;
        self.readiness.read_closed |= readiness.read_closed;
    }

    /// Takes note that its deadline has passed, or that its session was woken.
    pub fn due(&mut self) {
        self.is_due = true;
    }

    /// Makes it one that is told `words`, and closed.
    pub fn refuse(&mut self, words: Outgoing, write_deadline: Instant) {
        self.state = ConnectionState::Draining { end: Box::new(End::Refused), linger: true };
        self.left_over.keep_output(words, write_deadline);
    }

    /// How it ends when it's cut off now.
    pub fn take_end(&mut self) -> End {
        match mem::replace(&mut self.state, ConnectionState::Open) {
            ConnectionState::Connecting(_) | ConnectionState::Open => End::Cut,
            ConnectionState::Draining { end, .. } if !self.left_over.has_output() => *end,
            ConnectionState::Draining { .. } => End::Cut,
            ConnectionState::Lingering(lingering) => lingering.end,
        }
    }

    pub fn take_other_addresses(&mut self) -> VecDeque<SocketAddr> {
        match &mut self.state {
            ConnectionState::Connecting(connecting) => mem::take(&mut connecting.others),
            ConnectionState::Open | ConnectionState::Draining { .. } | ConnectionState::Lingering(_) => VecDeque::new(),
        }
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
    pub wakers: Wakers<'a>,
}

impl<S: Stream, T: Session> Connection<S, T> {
    /// Goes on until it has to wait, has had its share, or is over.
    pub fn run(&mut self, turn: &mut Turn<'_>) -> Outcome {
        match &self.state {
            ConnectionState::Connecting(connecting) => self.finish_connecting(connecting.until, turn),
            ConnectionState::Open => self.serve(turn),
            ConnectionState::Draining { .. } => self.drain(turn),
            ConnectionState::Lingering(_) => self.linger(turn),
        }
    }

    fn finish_connecting(&mut self, until: Instant, turn: &mut Turn<'_>) -> Outcome {
        if mem::take(&mut self.readiness.writable) {
            match self.stream.connected() {
                Ok(true) => {
                    self.state = ConnectionState::Open;
                    self.readiness.writable = true;
                    return self.serve(turn);
                }
                Ok(false) => {}
                Err(error) => return Outcome::NotConnected(End::ConnectFailed(error)),
            }
        }
        if turn.now >= until {
            return Outcome::NotConnected(End::ConnectTimedOut(turn.config.connect_timeout));
        }
        if turn.stopping {
            return Outcome::Close(End::Stopped);
        }
        Outcome::Wait { interest: Interest::WRITE, deadline: self.deadline() }
    }

    /// When to run it though nothing happens.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            ConnectionState::Connecting(connecting) => Some(connecting.until),
            ConnectionState::Open => {
                let deadlines = [self.session_deadline(), self.left_over.write_deadline()];
                deadlines.into_iter().flatten().min()
            }
            ConnectionState::Draining { .. } => self.left_over.write_deadline(),
            ConnectionState::Lingering(lingering) => Some(lingering.until),
        }
    }

    fn session_deadline(&self) -> Option<Instant> {
        match self.progress {
            Progress::NeedInput | Progress::NeedEither | Progress::Working => self.session.deadline(),
            // A session that waits for room can do nothing at its deadline; the write deadline is what counts.
            Progress::NeedRoom | Progress::Yield | Progress::Finished => None,
        }
    }
}
