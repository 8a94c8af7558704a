//! One connection: a stream, a session, and what is known of both.
//!
//! What happens between them is in `serve.rs`, how bytes move in `transfer.rs`, and the way to the close in `close.rs`.

mod close;
mod serve;
mod transfer;

use std::collections::VecDeque;
use std::mem;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::id::ConnectionId;
use super::{Config, Scratch};
use crate::buffer::Rest;
use crate::selector::{Interest, Readiness, Stream};
use crate::session::{End, Peer, Progress, Session};

/// Most bytes read from a connection, and most sent to it with more to come, before it's another's turn.
const BYTES_PER_TURN: usize = 256 << 10;
/// How soon a session that does not move its deadline when it has passed is asked again.
const TICK: Duration = Duration::from_millis(1);

/// A connection in the slab. While it waits and nothing is left over, it owns no heap memory.
#[derive(Debug)]
pub(super) struct Connection<S, T> {
    pub stream: S,
    pub session: T,
    pub peer: Peer,
    /// Tells it from those that had its slot before.
    pub generation: u32,
    /// It's only there to be told that it's one too many.
    pub is_refused: bool,
    /// What we have asked the system to tell us of.
    pub interest: Interest,
    /// What it has told us, and nothing has contradicted since: an edge is kept until `WouldBlock` takes it away.
    readiness: Readiness,
    state: ConnectionState,
    /// Why the session stopped last time.
    progress: Progress,
    /// The peer's FIN has been read.
    input_ended: bool,
    /// It is in the runnable queue.
    is_runnable: bool,
    /// What was received and not used.
    input: Rest,
    /// What was not sent.
    output: Rest,
    /// When the peer must have taken some of the output that is left over.
    write_deadline: Option<Instant>,
    /// When to run it though nothing happens.
    deadline: Option<Instant>,
    /// When its timer goes off: at its deadline, or before.
    timer: Option<Instant>,
    /// The deadline has passed, and it has not run since.
    is_due: bool,
}

#[derive(Debug)]
pub(super) enum ConnectionState {
    /// Being opened by us.
    Connecting {
        until: Instant,
        /// Addresses to try if this one fails.
        others: VecDeque<SocketAddr>,
    },
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
    Lingering {
        end: Box<End>,
        until: Instant,
        /// Bytes that may be dropped yet.
        left: usize,
    },
}

/// What a run of a connection came to.
pub(super) enum Outcome {
    /// It has nothing to do before one of these.
    Wait { interest: Interest, deadline: Option<Instant> },
    /// It has had its turn, and has more to do.
    Yield,
    /// It could not be opened.
    NotConnected(End),
    /// It is over.
    Close(End),
}

/// What a timer that has gone off means.
pub(super) enum Alarm {
    /// It's time.
    Due,
    /// The deadline has moved on.
    Early { later: Instant },
    /// Nothing any more.
    Stale,
}

impl<S, T> Connection<S, T> {
    pub fn new(stream: S, session: T, peer: Peer, state: ConnectionState) -> Self {
        let is_open = !matches!(state, ConnectionState::Connecting { .. });
        Connection {
            stream,
            session,
            peer,
            generation: 0,
            is_refused: false,
            interest: Interest::NONE,
            // A fresh socket has room, and often the first bytes have come along with the connection: trying saves the
            // registration, and with it two system calls, where they are all there is.
            readiness: Readiness { readable: is_open, writable: is_open, read_closed: false },
            state,
            progress: Progress::Yield,
            input_ended: false,
            is_runnable: false,
            input: Rest::default(),
            output: Rest::default(),
            write_deadline: None,
            deadline: None,
            timer: None,
            is_due: false,
        }
    }

    pub fn id(&self, key: usize) -> ConnectionId {
        ConnectionId::new(key, self.generation)
    }

    /// What the log calls it.
    pub fn name(&self) -> String {
        match self.peer.number {
            Some(_) => self.peer.to_string(),
            None => format!("connection to {}", self.peer),
        }
    }

    pub fn ready(&mut self, readiness: Readiness) {
        self.readiness.readable |= readiness.readable;
        self.readiness.writable |= readiness.writable;
        self.readiness.read_closed |= readiness.read_closed;
    }

    pub fn enqueue(&mut self, id: ConnectionId, runnable: &mut VecDeque<ConnectionId>) {
        if !mem::replace(&mut self.is_runnable, true) {
            runnable.push_back(id);
        }
    }

    /// Makes it one that is told `words`, and closed.
    pub fn refuse(&mut self, words: Rest, write_deadline: Instant) {
        self.is_refused = true;
        self.state = ConnectionState::Draining { end: Box::new(End::Refused), linger: true };
        self.output = words;
        self.write_deadline = Some(write_deadline);
    }

    /// Sets when to run it though nothing happens, and returns when a timer is to be set for that, if there is none that
    /// goes off in time.
    pub fn set_deadline(&mut self, deadline: Option<Instant>, now: Instant) -> Option<Instant> {
        self.deadline = deadline.map(|deadline| if deadline > now { deadline } else { now + TICK });
        if self.timer.is_some_and(|timer| self.deadline.is_none_or(|deadline| timer <= deadline)) {
            return None;
        }
        self.timer = self.deadline;
        self.timer
    }

    /// Its timer of `when` has gone off.
    pub fn timer_went_off(&mut self, when: Instant, now: Instant) -> Alarm {
        if !self.has_timer_at(when) {
            return Alarm::Stale;
        }
        self.timer = self.deadline.filter(|&deadline| deadline > now);
        match (self.timer, self.deadline) {
            (Some(later), _) => Alarm::Early { later },
            (None, None) => Alarm::Stale,
            (None, Some(_)) => {
                self.is_due = true;
                // One that is going to run anyway must not run now: it would still be in the queue, and from then on have
                // two turns.
                if self.is_runnable { Alarm::Stale } else { Alarm::Due }
            }
        }
    }

    /// Whether its timer is the one that goes off at `when`; any other that was set for it is stale.
    pub fn has_timer_at(&self, when: Instant) -> bool {
        self.timer == Some(when)
    }

    /// How it ends when it's cut off now.
    pub fn take_end(&mut self) -> End {
        match mem::replace(&mut self.state, ConnectionState::Open) {
            ConnectionState::Connecting { .. } | ConnectionState::Open => End::Cut,
            ConnectionState::Draining { end, .. } if self.output.is_empty() => *end,
            ConnectionState::Draining { .. } => End::Cut,
            ConnectionState::Lingering { end, .. } => *end,
        }
    }

    pub fn take_other_addresses(&mut self) -> VecDeque<SocketAddr> {
        match &mut self.state {
            ConnectionState::Connecting { others, .. } => mem::take(others),
            ConnectionState::Open | ConnectionState::Draining { .. } | ConnectionState::Lingering { .. } => {
                VecDeque::new()
            }
        }
    }
}

/// What every run in a turn has in common.
struct Turn<'a> {
    scratch: &'a mut Scratch,
    config: &'a Config,
    now: Instant,
    stopping: bool,
}

impl<S: Stream, T: Session> Connection<S, T> {
    /// Goes on until it has to wait, has had its share, or is over.
    pub fn run(&mut self, scratch: &mut Scratch, config: &Config, now: Instant, stopping: bool) -> Outcome {
        self.is_runnable = false;
        let turn = &mut Turn { scratch, config, now, stopping };
        match self.state {
            ConnectionState::Connecting { until, .. } => self.finish_connecting(until, turn),
            ConnectionState::Open => self.serve(turn),
            ConnectionState::Draining { .. } => self.drain(turn),
            ConnectionState::Lingering { .. } => self.linger(turn),
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
        Outcome::Wait { interest: Interest::WRITE, deadline: Some(until) }
    }
}
