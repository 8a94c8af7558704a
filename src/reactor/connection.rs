//! One connection: a stream, a session, and what happens between them.

use std::collections::VecDeque;
use std::io;
use std::io::IoSlice;
use std::mem;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::id::ConnectionId;
use super::{Config, Scratch};
use crate::buffer::{Input, Rest};
use crate::selector::{Interest, Readiness, Stream};
use crate::session::{End, Peer, Progress, Session, SessionError, SessionIo};

/// Most bytes read from a connection, and most sent to it with more to come, before it's another's turn.
const BYTES_PER_TURN: usize = 256 << 10;
/// Most messages that a session may begin before it's another's turn.
const MESSAGES_PER_TURN: u32 = 256;
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
        end: End,
        /// Whether input may still be on its way, at which a close would answer with a reset, and with that destroy
        /// what the peer has not read yet.
        linger: bool,
    },
    /// Our side has ended; input is dropped until the peer ends its own.
    Lingering {
        end: End,
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
        self.state = ConnectionState::Draining { end: End::Refused, linger: true };
        self.output = words;
        self.write_deadline = Some(write_deadline);
    }

    /// Sets when to run it though nothing happens, and returns when a timer is to be set for that, if there is none that
    /// goes off in time.
    pub fn set_deadline(&mut self, deadline: Option<Instant>, now: Instant) -> Option<Instant> {
        self.deadline = deadline.map(|deadline| deadline.max(now + TICK));
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
            // It is going to run anyway. Run now, it would still be in the queue, and from then on have two turns.
            (None, Some(_)) if self.is_runnable => Alarm::Stale,
            (None, Some(_)) => Alarm::Due,
            (None, None) => Alarm::Stale,
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
            ConnectionState::Draining { end, .. } if self.output.is_empty() => end,
            ConnectionState::Draining { .. } => End::Cut,
            ConnectionState::Lingering { end, .. } => end,
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

/// What one read brought.
enum Received {
    Nothing,
    Bytes(usize),
    End,
}

/// What one call of the session came to.
struct Advanced {
    result: Result<Progress, SessionError>,
    /// Bytes that were sent at once.
    sent: usize,
    /// The session left the output full; what was sent has made room again.
    was_full: bool,
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

    /// Lets the session work on what there is, and the stream take what the session makes of it.
    fn serve(&mut self, turn: &mut Turn<'_>) -> Outcome {
        let mut bytes_left = BYTES_PER_TURN;
        let mut messages_left = MESSAGES_PER_TURN;
        let mut sendable_left = BYTES_PER_TURN;
        let mut room_made = false;
        let mut due = self.session.deadline().is_some_and(|deadline| turn.now >= deadline);
        loop {
            // What is left over goes out first, since the session may wait for the room.
            match self.flush(turn) {
                Ok(sent) => {
                    room_made |= sent > 0;
                    sendable_left = sendable_left.saturating_sub(sent);
                }
                Err(error) => return Outcome::Close(End::Broken(error)),
            }
            if self.write_is_overdue(turn) {
                return Outcome::Close(End::WriteTimedOut(turn.config.write_timeout));
            }
            let is_full = self.output.len() >= turn.config.output_high_water;
            let (reads, goes_on) = match self.progress {
                Progress::NeedInput => (!is_full, false),
                Progress::NeedRoom => (false, !is_full),
                Progress::NeedEither => (true, room_made && !is_full),
                Progress::Yield | Progress::Finished => (false, true),
            };
            if reads && bytes_left == 0 || goes_on && sendable_left == 0 {
                if goes_on {
                    // It is yet to be told of the room.
                    self.progress = Progress::Yield;
                }
                return Outcome::Yield;
            }
            let mut received = 0;
            let mut has_news = goes_on || mem::take(&mut due);
            if reads {
                match self.receive(turn.scratch) {
                    Ok(Received::Nothing) => {}
                    Ok(Received::Bytes(len)) => {
                        received = len;
                        bytes_left = bytes_left.saturating_sub(len);
                        has_news = true;
                    }
                    Ok(Received::End) => has_news = true,
                    Err(error) => return Outcome::Close(End::Broken(error)),
                }
            }
            if !has_news {
                return self.wait(turn);
            }
            if self.progress == Progress::Yield && messages_left == 0 {
                return Outcome::Yield;
            }
            let Advanced { result, sent, was_full } = match self.advance(received, &mut messages_left, turn) {
                Ok(advanced) => advanced,
                Err(error) => return Outcome::Close(End::Broken(error)),
            };
            sendable_left = sendable_left.saturating_sub(sent);
            room_made = was_full && sent > 0;
            match result {
                Ok(Progress::Finished) => {
                    // Once the peer has ended its side, or while nothing more has come, a close resets nothing. What
                    // comes while output waits is not looked at, so then there may be something.
                    let may_have_more = self.readiness.readable || !self.input.is_empty() || !self.output.is_empty();
                    let linger = !self.input_ended && may_have_more;
                    return self.finish(End::Finished, linger, turn);
                }
                Ok(progress) => self.progress = progress,
                Err(error) => {
                    let linger = !self.input_ended;
                    return self.finish(End::Failed(error), linger, turn);
                }
            }
        }
    }

    /// One call of the session, with `received` bytes that have just come; what it has to send is sent at once, as far
    /// as the stream takes it.
    fn advance(&mut self, received: usize, messages_left: &mut u32, turn: &mut Turn<'_>) -> io::Result<Advanced> {
        let fresh = &turn.scratch.input[..received];
        let appended = !self.input.is_empty();
        if appended {
            self.input.extend(fresh);
        }
        // With nothing left over from before, the session writes to the buffer that all connections share.
        let shares = self.output.is_empty();
        if shares {
            mem::swap(&mut self.output, &mut turn.scratch.output);
        }
        let mut io = SessionIo {
            input: Input::new(if appended { self.input.as_slice() } else { fresh }),
            output: self.output.output(turn.config.output_high_water),
            input_ended: self.input_ended,
            messages_left: *messages_left,
            peer: &self.peer,
        };
        let result = self.session.advance(&mut io, turn.now);
        *messages_left = io.messages_left;
        let was_full = !io.output.has_room();
        let used = io.input.used();

        let mut sent = Ok(0);
        if shares {
            let (queue, lent) = io.output.parts();
            let len = queue.len() + lent.len();
            // Write before asking for writability: most replies fit into the socket's buffer, and that saves two system
            // calls.
            if len > 0 && self.readiness.writable {
                sent = write(&mut self.stream, &mut self.readiness, queue, lent);
            }
            let mut rest = Rest::default();
            if let Ok(sent) = sent
                && sent < len
            {
                rest.extend(&queue[sent.min(queue.len())..]);
                rest.extend(&lent[sent.saturating_sub(queue.len())..]);
                self.write_deadline = Some(turn.now + turn.config.write_timeout);
            }
            mem::swap(&mut self.output, &mut turn.scratch.output);
            turn.scratch.output.clear();
            self.output = rest;
        } else {
            // The lent bytes are about to go.
            io.output.queue();
        }

        if appended {
            self.input.consume(used);
        } else {
            self.input.extend(&turn.scratch.input[used..received]);
        }
        sent.map(|sent| Advanced { result, sent, was_full })
    }

    /// Reads once, if there may be something to read.
    fn receive(&mut self, scratch: &mut Scratch) -> io::Result<Received> {
        if !self.readiness.readable || self.input_ended {
            return Ok(Received::Nothing);
        }
        match self.stream.read(&mut scratch.input) {
            Ok(0) => {
                self.input_ended = true;
                log::trace!("{} has ended its sending side", self.peer);
                Ok(Received::End)
            }
            Ok(len) => {
                log::trace!("Read {len} bytes from {}", self.peer);
                // A short read has emptied the socket: what comes later is another edge, unless the end is there too.
                self.readiness.readable = len == scratch.input.len() || self.readiness.read_closed;
                Ok(Received::Bytes(len))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.readiness.readable = false;
                Ok(Received::Nothing)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Received::Nothing),
            Err(error) => Err(error),
        }
    }

    /// Sends what is left over, as far as the stream takes it, and returns how much that was.
    fn flush(&mut self, turn: &Turn<'_>) -> io::Result<usize> {
        if self.output.is_empty() || !self.readiness.writable {
            return Ok(0);
        }
        let sent = write(&mut self.stream, &mut self.readiness, self.output.as_slice(), &[])?;
        self.output.consume(sent);
        if sent > 0 {
            self.write_deadline = Some(turn.now + turn.config.write_timeout);
        }
        Ok(sent)
    }

    fn write_is_overdue(&self, turn: &Turn<'_>) -> bool {
        !self.output.is_empty() && self.write_deadline.is_some_and(|deadline| turn.now >= deadline)
    }

    fn wait(&mut self, turn: &mut Turn<'_>) -> Outcome {
        // What was not read, since the output was full, has come all the same.
        let is_held_back = self.readiness.readable && !self.input_ended;
        let has_begun = !self.session.is_idle() || !self.input.is_empty() || is_held_back;
        if turn.stopping && !has_begun {
            return self.finish(End::Stopped, !self.input_ended, turn);
        }
        let is_full = self.output.len() >= turn.config.output_high_water;
        let (readable, session_deadline) = match self.progress {
            Progress::NeedInput => (!is_full, self.session.deadline()),
            Progress::NeedEither => (true, self.session.deadline()),
            // A session that waits for room can do nothing at its deadline; the write deadline is what counts.
            Progress::NeedRoom | Progress::Yield | Progress::Finished => (false, None),
        };
        let interest = Interest { readable: readable && !self.input_ended, writable: !self.output.is_empty() };
        let write_deadline = self.write_deadline.filter(|_| interest.writable);
        Outcome::Wait { interest, deadline: session_deadline.into_iter().chain(write_deadline).min() }
    }

    /// The session is done: from here on there is only the rest of its output, and then the close.
    fn finish(&mut self, end: End, linger: bool, turn: &mut Turn<'_>) -> Outcome {
        // A client has nothing that the other side waits for.
        if self.peer.number.is_some() || (self.output.is_empty() && !linger) {
            return Outcome::Close(end);
        }
        self.state = ConnectionState::Draining { end, linger };
        self.drain(turn)
    }

    fn drain(&mut self, turn: &mut Turn<'_>) -> Outcome {
        self.input = Rest::default();
        let flushed = self.flush(turn);
        let ConnectionState::Draining { end, linger } = &mut self.state else { unreachable!("it is draining") };
        let linger = *linger;
        match flushed {
            Err(error) => return Outcome::Close(End::Broken(error)),
            Ok(_) if !self.output.is_empty() => {
                if self.write_is_overdue(turn) {
                    return Outcome::Close(End::WriteTimedOut(turn.config.write_timeout));
                }
                return Outcome::Wait { interest: Interest::WRITE, deadline: self.write_deadline };
            }
            Ok(_) => {}
        }
        let end = mem::replace(end, End::Finished);
        if !linger || self.stream.end_output().is_err() {
            return Outcome::Close(end);
        }
        let until = turn.now + turn.config.linger_timeout;
        self.state = ConnectionState::Lingering { end, until, left: turn.config.linger_len_max };
        self.linger(turn)
    }

    fn linger(&mut self, turn: &mut Turn<'_>) -> Outcome {
        let ConnectionState::Lingering { until, mut left, .. } = self.state else { unreachable!("it is lingering") };
        let mut has_more = false;
        let mut bytes_left = BYTES_PER_TURN;
        let is_over = turn.now >= until
            || loop {
                if bytes_left == 0 {
                    has_more = true;
                    break false;
                }
                match self.receive(turn.scratch) {
                    Ok(Received::Nothing) => break false,
                    Ok(Received::Bytes(len)) => {
                        bytes_left = bytes_left.saturating_sub(len);
                        left = left.saturating_sub(len);
                        if left == 0 {
                            break true;
                        }
                    }
                    Ok(Received::End) | Err(_) => break true,
                }
            };
        if is_over {
            return Outcome::Close(self.take_end());
        }
        if let ConnectionState::Lingering { left: stored, .. } = &mut self.state {
            *stored = left;
        }
        if has_more {
            return Outcome::Yield;
        }
        Outcome::Wait { interest: Interest::READ, deadline: Some(until) }
    }
}

/// Writes `first`, then `second`, as far as the stream takes them, and returns how much that was. A short write has
/// filled the socket: room is another edge.
fn write<S: Stream>(stream: &mut S, readiness: &mut Readiness, first: &[u8], second: &[u8]) -> io::Result<usize> {
    let result = match (first, second) {
        (_, []) => stream.write(first),
        ([], _) => stream.write(second),
        _ => stream.write_vectored(&[IoSlice::new(first), IoSlice::new(second)]),
    };
    let sent = match result {
        Ok(sent) => sent,
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => 0,
        Err(error) => return Err(error),
    };
    readiness.writable = sent == first.len() + second.len();
    Ok(sent)
}
