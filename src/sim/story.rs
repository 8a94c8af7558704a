//! The story of a run: the trace as a hash, and what the oracles need of it.

use std::cell::{Ref, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::coverage::Coverage;
use super::ledger::Ledger;
use super::turns::Turns;
use crate::exchange::Stage;
use crate::selector::{Interest, Readiness};
use crate::trace::{Event, Record, RunEnd, Subscriber};

/// A subscriber that follows the story of a run. Nothing is formatted for that, so it costs little.
#[derive(Debug)]
pub struct Story {
    epoch: Instant,
    seen: RefCell<Seen>,
    ledger: Rc<RefCell<Ledger>>,
}

/// What has been seen of the trace.
#[derive(Debug, Default)]
struct Seen {
    /// The current turn, and its time.
    turn: u64,
    at: Duration,
    /// The connection of the last event, or zero.
    id: u64,
    /// The numbers of the connections to which something has happened in it.
    touched: Vec<u64>,
    /// Nothing has happened in it.
    is_empty: bool,
    hash: Hash,
    coverage: Coverage,
    happened: Happened,
    turns: Turns,
}

/// How often something has happened that calls for the system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Happened {
    /// Runs of connections.
    pub runs: u64,
    /// Reads that have found bytes, or the end.
    pub reads: u64,
    /// Writes that have moved bytes.
    pub writes: u64,
    /// Changes of interest.
    pub changes: u64,
    /// Timers that were set.
    pub timers: u64,
    /// Turns without any other event.
    pub empty_turns: u64,
}

impl Story {
    /// A story that begins at `epoch`.
    pub fn new(epoch: Instant, ledger: Rc<RefCell<Ledger>>) -> Self {
        Story { epoch, seen: RefCell::default(), ledger }
    }

    /// The same, of sessions that may yield before their shares are used up.
    #[must_use]
    pub fn with_sessions_that_yield(self, may_yield: bool) -> Self {
        self.seen.borrow_mut().turns = Turns::new(may_yield);
        self
    }

    /// Its beginning.
    pub fn epoch(&self) -> Instant {
        self.epoch
    }

    /// The hash of everything that has happened. It is the same on every machine.
    pub fn hash(&self) -> u64 {
        self.seen.borrow().hash.0
    }

    /// The numbers of the connections to which something has happened in the last turn.
    pub fn touched(&self) -> Ref<'_, [u64]> {
        Ref::map(self.seen.borrow(), |seen| &seen.touched[..])
    }

    /// The rows of the tables that were taken, and the kinds of events.
    pub fn coverage(&self) -> Coverage {
        self.seen.borrow().coverage
    }

    /// What has happened, in numbers.
    pub fn happened(&self) -> Happened {
        self.seen.borrow().happened
    }

    /// What is wrong with the turns, and with the runs in them.
    pub fn wrong(&self) -> Option<String> {
        self.seen.borrow().turns.wrong().map(str::to_owned)
    }
}

impl Subscriber for Story {
    fn record(&self, record: &Record<'_>) {
        let at = self.seen.borrow_mut().sees(record, self.epoch);
        enter(&mut self.ledger.borrow_mut(), record, at);
    }
}

impl Seen {
    /// Records an event, and returns the time of its turn.
    fn sees(&mut self, record: &Record<'_>, epoch: Instant) -> Duration {
        if record.turn != self.turn {
            self.turn = record.turn;
            self.at = record.at.saturating_duration_since(epoch);
            self.hash.add(nanos(self.at));
            self.touched.clear();
        }
        let id = record.connection.map_or(0, |connection| connection.id);
        if id != self.id {
            self.id = id;
            self.hash.add(id);
        }
        if id != 0 && self.touched.last() != Some(&id) {
            self.touched.push(id);
        }
        self.hash.event(&record.event);
        self.coverage.saw(&record.event);
        self.counts(&record.event);
        self.turns.record(self.at, record);
        self.at
    }

    fn counts(&mut self, event: &Event<'_>) {
        let happened = &mut self.happened;
        match event {
            Event::TurnBegun { .. } => happened.empty_turns += u64::from(self.is_empty),
            Event::RunBegun => happened.runs += 1,
            Event::Received { .. } | Event::InputEnded => happened.reads += 1,
            Event::Sent { .. } => happened.writes += 1,
            Event::InterestChanged { .. } => happened.changes += 1,
            Event::TimerSet { .. } => happened.timers += 1,
            _ => {}
        }
        self.is_empty = matches!(event, Event::TurnBegun { .. });
    }
}

/// Enters an event into the ledger.
fn enter(ledger: &mut Ledger, record: &Record<'_>, at: Duration) {
    let id = record.connection.map_or(0, |connection| connection.id);
    if let Some(served) = ledger.of(id).and_then(|conversation| conversation.served.as_mut()) {
        served.balance.record(&record.event);
        served.stages.record(&record.event);
        match &record.event {
            Event::Moved { to: Stage::Lingering, .. } => served.lingering = Some(at),
            Event::RunBegun => {
                served.runs += 1;
                let waited = served.runnable_since.take().map_or(0, |since| record.turn - since);
                served.turns_waited = served.turns_waited.max(waited);
            }
            Event::Selected { .. } | Event::Woken | Event::RunEnded { how: RunEnd::Yields, .. } => {
                served.runnable_since.get_or_insert(record.turn);
            }
            Event::Sent { left, .. } => served.unsent = *left,
            _ => {}
        }
    }
    match &record.event {
        Event::Moved { to: Stage::Draining | Stage::Closed, .. } => ledger.done(id, at),
        Event::Reloaded => ledger.reloads += 1,
        Event::Received { bytes } => ledger.received(id, bytes.len(), at),
        Event::Accepted | Event::Refused { .. } => {
            let is_refused = matches!(record.event, Event::Refused { .. });
            if let Some(connection) = record.connection {
                ledger.accepted(id, connection.peer.addr, at, is_refused);
            }
        }
        Event::Stopping { .. } => ledger.stops(at),
        Event::Panicked { place, message } => ledger.panics(id, at, *place, message),
        Event::Closed { end, .. } => ledger.closed(id, at, end.kind()),
        _ => {}
    }
}

/// A hash of numbers, in order.
#[derive(Clone, Copy, Debug, Default)]
struct Hash(u64);

impl Hash {
    fn add(&mut self, number: u64) {
        // FxHash's step: a rotation, an exclusive or and a multiplication.
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    /// Adds a length, of which the greatest means "more than can be counted".
    fn len(&mut self, len: usize) {
        self.add(if len == usize::MAX { u64::MAX } else { len as u64 });
    }

    /// Adds an event: its kind and its figures, but not its words, which say the same.
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::TurnBegun { waited, events } => {
                self.add(1);
                self.add(nanos(*waited));
                self.len(*events);
            }
            Event::Selected { readiness } => {
                let Readiness { readable, writable, read_closed, urgent } = *readiness;
                self.add(2);
                self.flags([readable, writable, read_closed, urgent]);
            }
            Event::Woken => self.add(3),
            Event::Accepted => self.add(4),
            Event::Refused { .. } => self.add(5),
            Event::Missed { .. } => self.add(6),
            Event::AcceptingPaused { is_news, .. } => self.add(7 + (u64::from(*is_news) << 8)),
            Event::AcceptingResumed => self.add(8),
            Event::Opening => self.add(9),
            Event::CannotConnect { .. } => self.add(10),
            Event::RunBegun => self.add(11),
            Event::Received { bytes } => {
                self.add(12);
                self.len(bytes.len());
            }
            Event::InputEnded => self.add(13),
            Event::Stepped(step) => {
                self.add(14);
                self.len(step.got);
                self.len(step.want.unwrap_or(0));
            }
            Event::Moved { from, event, to } => {
                self.add(15);
                self.add(*from as u64 + ((*event as u64) << 8) + ((*to as u64) << 16));
            }
            Event::Replied { len } => {
                self.add(16);
                self.len(*len);
            }
            Event::Sent { bytes, left } => {
                self.add(17);
                self.len(bytes.len());
                self.len(*left);
            }
            Event::Dropped { len } => {
                self.add(18);
                self.len(*len);
            }
            Event::OutputEnded => self.add(19),
            Event::RunEnded { input, output, .. } => {
                self.add(20);
                self.len(*input);
                self.len(*output);
            }
            Event::InterestChanged { from, to } => {
                self.add(21);
                self.interest(*from);
                self.interest(*to);
            }
            Event::TimerSet { after } => {
                self.add(22);
                self.add(nanos(*after));
            }
            Event::TimerFired { is_due } => self.add(23 + (u64::from(*is_due) << 8)),
            Event::Stopping { open, .. } => {
                self.add(24);
                self.len(*open);
            }
            Event::Reloaded => self.add(25),
            Event::Panicked { .. } => self.add(26),
            Event::Closed { end, .. } => {
                self.add(27);
                self.add(end.kind() as u64);
            }
            Event::Introduced { .. } => self.add(28),
            Event::StopDelayed { delay } => {
                self.add(29);
                self.add(nanos(*delay));
            }
            // Measured times differ from run to run, and nobody asks for snapshots.
            Event::TurnEnded { .. } | Event::ConnectionIs(_) | Event::LoopIs(_) => {}
        }
    }

    fn interest(&mut self, interest: Interest) {
        let Interest { readable, writable, hangup, error } = interest;
        self.flags([readable, writable, hangup, error]);
    }

    fn flags(&mut self, flags: [bool; 4]) {
        self.add(flags.iter().fold(0, |bits, &flag| bits << 1 | u64::from(flag)));
    }
}

/// A length of time in nanoseconds; a run lasts hours at most.
fn nanos(time: Duration) -> u64 {
    time.as_secs() * 1_000_000_000 + u64::from(time.subsec_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Step;
    use crate::session::{End, SessionError};
    use crate::trace::Bytes;

    #[test]
    fn a_hash_is_the_same_on_every_machine() {
        let mut hash = Hash::default();
        let error = std::io::Error::from_raw_os_error(1);
        let end = End::Failed(SessionError::other("of the system's words"));
        for event in [
            Event::TurnBegun { waited: Duration::from_secs(5), events: 1 },
            Event::Missed { why: &error },
            Event::Received { bytes: Bytes::new(3, &[]) },
            Event::Stepped(Step { from: "idle", event: "bytes", to: "protoheader", got: 0, want: None }),
            Event::Replied { len: usize::MAX },
            Event::Closed { end: &end, age: None, tally: None },
        ] {
            hash.event(&event);
        }
        assert_eq!(hash.0, 0xee01_5c64_0b64_0975);
    }
}
