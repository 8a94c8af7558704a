//! Closing a connection: the rest of the output, our FIN, and input that is still on its way.

use std::io;
use std::mem;
use std::time::Instant;

#[cfg(feature = "models")]
use super::KEPT_LEN;
use super::memory::Memory;
use super::transfer::Received;
use super::{Config, Connection, ConnectionState, InputEnd, Outcome, OutputEnd, TICK, Turn};
use crate::buffer::Outgoing;
use crate::exchange::{Event, Stage};
use crate::selector::{Interest, Stream};
use crate::session::{End, Role, Session};
use crate::text::count;
use crate::trace::Tracer;

#[derive(Debug)]
pub(crate) struct Draining {
    end: End,
    /// Whether input may still be on its way: closing then would cause a reset, which destroys data that the peer has
    /// not read yet.
    linger: bool,
}

#[derive(Debug)]
pub(crate) struct Lingering {
    end: End,
    until: Instant,
    /// The time to look for input even if the system reports none. Most peers have closed by then.
    first_look: Option<Instant>,
    /// The number of bytes that may still be dropped.
    left: usize,
}

impl Draining {
    /// The way in which the connection ends.
    pub fn end(&self) -> &End {
        &self.end
    }
}

impl Lingering {
    /// The way in which the connection ends.
    pub fn end(&self) -> &End {
        &self.end
    }

    /// The time at which it closes in any case.
    pub fn until(&self) -> Instant {
        self.until
    }

    pub fn deadline(&self) -> Instant {
        self.first_look.unwrap_or(self.until)
    }

    /// Whether it will look for input of its own accord, reported or not.
    pub fn looks_soon(&self) -> bool {
        self.first_look.is_some()
    }
}

impl<S, T: Session> Connection<S, T> {
    /// Lets the session tell the peer in its protocol's format that the server is full, and `why`. After that, the
    /// connection only sends this, or the rest of a reply that has begun.
    pub fn refuse(&mut self, why: &str, config: &Config, now: Instant) {
        self.turn_away(why, End::Refused, config, now);
    }

    fn turn_away(&mut self, why: &str, end: End, config: &Config, now: Instant) {
        if !self.left_over.has_output() {
            let mut words = Outgoing::default();
            let why = format!("the server is full, {why}; try again later");
            self.session.refuse(&mut words.output(config.output_high_water), &why);
            self.left_over.keep_output(words, now, config.write_timeout);
            // Its next run, which charges for what is left over, may be a turn later.
            self.left_over.charge(&config.memory);
        }
        self.state = ConnectionState::Draining(Box::new(Draining { end, linger: true }));
    }
}

impl<S, T> Connection<S, T> {
    /// Whether its session will be called again.
    pub fn is_served(&self) -> bool {
        matches!(self.state, ConnectionState::Served(_))
    }

    /// Whether it holds much input that its session has not used yet.
    #[cfg(feature = "models")]
    pub fn holds_much(&self) -> bool {
        self.left_over.input_len() > KEPT_LEN
    }

    /// Whether it only waits for its peer's close, after a conversation that ended in order.
    pub fn is_leaving(&self) -> bool {
        matches!(&self.state, ConnectionState::Lingering(lingering) if matches!(lingering.end, End::Finished))
    }

    /// Whether output waits to be sent.
    pub fn has_output(&self) -> bool {
        self.left_over.has_output()
    }

    /// Whether it is being refused: it is open only until its peer has the error.
    pub fn is_refused(&self) -> bool {
        match &self.state {
            ConnectionState::Draining(draining) => matches!(draining.end, End::Refused),
            ConnectionState::Lingering(lingering) => matches!(lingering.end, End::Refused),
            ConnectionState::Connecting(_) | ConnectionState::Served(_) | ConnectionState::Closed => false,
        }
    }
}

impl<S: Stream, T> Connection<S, T> {
    /// Applies the last `event` of a connection: if output is left, its close is a reset.
    fn break_off(&mut self, from: Stage, event: Event, trace: Tracer<'_>) {
        self.leads(from, event, trace);
        if self.left_over.has_output() {
            self.stream.reset_on_close();
        }
    }

    /// Ends it because the system refuses to watch it: with a reset, if output is left. A refused peer has been sent most of
    /// the error, if not all; it only misses the time to read it.
    pub fn cannot_be_watched(&mut self, error: io::Error, trace: Tracer<'_>) -> End {
        let end = if self.is_refused() { End::Refused } else { End::Broken(error) };
        self.break_off(self.state.stage(), Event::PeerGone, trace);
        end
    }

    /// Cuts it off, and returns why it ends.
    pub fn cut(&mut self, trace: Tracer<'_>) -> End {
        let stage = self.state.stage();
        self.leads(stage, Event::Cut, trace);
        if self.left_over.has_output() || stage == Stage::Responding {
            self.stream.reset_on_close();
        }
        match mem::replace(&mut self.state, ConnectionState::Closed) {
            ConnectionState::Draining(draining) if !self.left_over.has_output() => draining.end,
            ConnectionState::Lingering(lingering) => lingering.end,
            ConnectionState::Connecting(_)
            | ConnectionState::Served(_)
            | ConnectionState::Draining(_)
            | ConnectionState::Closed => End::Cut,
        }
    }

    /// Prepares its stream for the close. Nothing waits for that, so the system drops data that the peer doesn't accept
    /// within the write timeout.
    pub fn prepare_close(&mut self, config: &Config) {
        if self.output_has_waited {
            self.stream.bound_close(config.write_timeout);
        }
    }

    /// Records that its session has panicked. Its close is a reset, so that half a reply never looks complete.
    pub fn panicked(&mut self, trace: Tracer<'_>) {
        self.leads(self.state.stage(), Event::Cut, trace);
        self.state = ConnectionState::Closed;
        self.stream.reset_on_close();
    }
}

impl<S: Stream, T: Session> Connection<S, T> {
    /// Whether it must end: all connections together use too much memory, and this one more than its share.
    pub fn is_over_memory(&self, memory: &Memory) -> bool {
        memory.is_over() && self.memory_used() > memory.fair_share()
    }

    /// The memory for its unused input and unsent output, in bytes.
    pub fn memory_used(&self) -> usize {
        self.left_over.charged()
    }

    /// Frees its memory. Returns the end if there is nothing else to do; otherwise the peer still gets an error, and
    /// the close follows.
    pub fn free_memory(&mut self, config: &Config, now: Instant, trace: Tracer<'_>) -> Option<End> {
        let end = End::MemoryOverLimit(config.memory.max());
        if self.peer.role != Role::Accepted || self.left_over.has_output() {
            self.cut(trace);
            return Some(end);
        }
        self.pass(Event::Violation, trace);
        self.left_over.drop_input();
        let why = format!("its connections use {}", count(config.memory.max(), "byte"));
        self.turn_away(&why, end, config, now);
        None
    }

    /// Ends the session's part: from here on, only the rest of its output and the close remain.
    pub(super) fn finish(&mut self, event: Event, end: End, linger: bool, turn: &mut Turn<'_>) -> Outcome {
        // After a deliberate half-close, the server waits for the rest of what a client sends; otherwise it doesn't.
        let sends_rest = self.output_end == OutputEnd::Wanted;
        let (event, linger) = match self.peer.role {
            Role::Accepted => (event, linger),
            Role::Opened(_) if sends_rest && matches!(end, End::Finished) => (event, linger),
            Role::Opened(_) => return self.close(self.state.stage(), Event::Done, end, turn.trace),
        };
        match self.pass(event, turn.trace) {
            Stage::Draining if self.left_over.has_output() || linger => {
                self.drain(Box::new(Draining { end, linger }), turn)
            }
            Stage::Draining => self.close(Stage::Draining, Event::OutputSent, end, turn.trace),
            Stage::Connecting | Stage::Receiving | Stage::Responding | Stage::Lingering | Stage::Closed => {
                Outcome::Close(end)
            }
        }
    }

    /// Makes the last transition. If output is left, the close is a reset, so that data cut short never looks complete,
    /// and the system doesn't keep it for a peer that won't read it.
    pub(super) fn close(&mut self, from: Stage, event: Event, end: End, trace: Tracer<'_>) -> Outcome {
        self.break_off(from, event, trace);
        Outcome::Close(end)
    }

    /// Whether a close waits for input that the peer may still send.
    pub(super) fn lingers(&self) -> bool {
        self.input_end != InputEnd::Read && !self.ignores_input
    }

    pub(super) fn drain(&mut self, draining: Box<Draining>, turn: &mut Turn<'_>) -> Outcome {
        let here = Stage::Draining;
        self.left_over.drop_input();
        if let Err(error) = self.flush(turn) {
            return self.close(here, Event::PeerGone, End::Broken(error), turn.trace);
        }
        if self.left_over.has_output() {
            if !self.can_send() && self.write_is_overdue(turn) {
                return self.close(
                    here,
                    Event::OutputStalled,
                    End::WriteTimedOut(turn.config.write_timeout),
                    turn.trace,
                );
            }
            self.state = ConnectionState::Draining(draining);
            return match self.can_send() {
                true => Outcome::Yield,
                false => Outcome::Wait { interest: Interest::WRITE, deadline: self.deadline() },
            };
        }
        let Draining { end, linger } = *draining;
        if !linger {
            return self.close(here, Event::OutputSent, end, turn.trace);
        }
        if self.output_end != OutputEnd::Sent && self.stream.end_output().is_err() {
            return self.close(here, Event::PeerGone, end, turn.trace);
        }
        self.leads(here, Event::OurEndSent, turn.trace);
        let timeout = match end {
            End::Finished => turn.leave_timeout.min(turn.config.linger_timeout),
            _ => turn.config.linger_timeout,
        };
        let until = turn.now + timeout;
        let first_look = Some(until.min(turn.now + TICK));
        let left = turn.config.linger_len_max;
        self.linger(Box::new(Lingering { end, until, first_look, left }), turn)
    }

    pub(super) fn linger(&mut self, mut lingering: Box<Lingering>, turn: &mut Turn<'_>) -> Outcome {
        if lingering.first_look.is_some_and(|at| turn.now >= at) {
            lingering.first_look = None;
            self.readable = true;
        }
        let event = loop {
            if turn.now >= lingering.until {
                break Event::DeadlinePassed;
            }
            if turn.budget.readable == 0 {
                self.state = ConnectionState::Lingering(lingering);
                return Outcome::Yield;
            }
            match self.receive(turn) {
                Ok(Received::Nothing) => {
                    let (first_look, deadline) = (lingering.first_look, Some(lingering.until));
                    self.state = ConnectionState::Lingering(lingering);
                    return match first_look {
                        Some(deadline) => Outcome::Leave { deadline },
                        None => Outcome::Wait { interest: Interest::READ, deadline },
                    };
                }
                Ok(Received::Bytes(len)) => {
                    lingering.left = lingering.left.saturating_sub(len);
                    if lingering.left == 0 {
                        break Event::Violation;
                    }
                }
                Ok(Received::End) => break Event::InputEnded,
                Err(_) => break Event::PeerGone,
            }
        };
        self.close(Stage::Lingering, event, lingering.end, turn.trace)
    }
}
