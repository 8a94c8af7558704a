//! The story of a run: the trace as a hash, and what the oracles need of it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::coverage::Coverage;
use super::ledger::{Conversation, Ending, Ledger};
use crate::exchange::Stage;
use crate::selector::{Interest, Readiness};
use crate::trace::{Event, Record, Subscriber};

/// A subscriber that follows the story of a run. Nothing is formatted for that, so it costs little.
#[derive(Debug)]
pub struct Story {
    epoch: Instant,
    ledger: Rc<RefCell<Ledger>>,
    hash: Cell<Hash>,
    coverage: Cell<Coverage>,
    happened: Cell<Happened>,
    /// Nothing has happened in the current turn.
    is_empty: Cell<bool>,
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
        Story {
            epoch,
            ledger,
            hash: Cell::default(),
            coverage: Cell::default(),
            happened: Cell::default(),
            is_empty: Cell::new(false),
        }
    }

    /// The hash of everything that has happened. It is the same on every machine of the same byte order.
    pub fn hash(&self) -> u64 {
        self.hash.get().0
    }

    /// The rows of the tables that were taken.
    pub fn coverage(&self) -> Coverage {
        self.coverage.get()
    }

    /// What has happened, in numbers.
    pub fn happened(&self) -> Happened {
        self.happened.get()
    }

    fn counts(&self, event: &Event<'_>) {
        let mut happened = self.happened.get();
        match event {
            Event::TurnBegun { .. } => happened.empty_turns += u64::from(self.is_empty.get()),
            Event::RunBegun => happened.runs += 1,
            Event::Received { .. } | Event::InputEnded => happened.reads += 1,
            Event::Sent { .. } => happened.writes += 1,
            Event::InterestChanged { .. } => happened.changes += 1,
            Event::TimerSet { .. } => happened.timers += 1,
            _ => {}
        }
        self.is_empty.set(matches!(event, Event::TurnBegun { .. }));
        self.happened.set(happened);
    }

    fn covers(&self, record: impl FnOnce(&mut Coverage)) {
        let mut coverage = self.coverage.get();
        record(&mut coverage);
        self.coverage.set(coverage);
    }

    fn learns(&self, id: u64, what: impl FnOnce(&mut Conversation)) {
        if let Some(conversation) = self.ledger.borrow_mut().of(id) {
            what(conversation);
        }
    }
}

impl Subscriber for Story {
    fn record(&self, record: &Record<'_>) {
        let at = record.at.saturating_duration_since(self.epoch);
        let id = record.connection.map_or(0, |connection| connection.id);
        let mut hash = self.hash.get();
        hash.add(nanos(at));
        hash.add(id);
        hash.event(&record.event);
        self.hash.set(hash);
        self.counts(&record.event);
        self.learns(id, |conversation| {
            if let Some(served) = &mut conversation.served {
                served.stages.record(&record.event);
            }
        });
        match &record.event {
            Event::Stepped(step) => self.covers(|coverage| coverage.stepped(step)),
            Event::Moved { from, event, to } => {
                self.covers(|coverage| coverage.moved(*from, *event));
                if matches!(to, Stage::Draining | Stage::Closed) {
                    self.learns(id, |conversation| conversation.is_done(at));
                }
            }
            Event::Received { .. } => self.learns(id, |conversation| {
                if let Some(served) = &mut conversation.served {
                    served.reads += 1;
                    served.unsent_at_reads = served.unsent_at_reads.max(served.unsent);
                }
            }),
            Event::Sent { left, .. } => self.learns(id, |conversation| {
                if let Some(served) = &mut conversation.served {
                    served.unsent = *left;
                }
            }),
            Event::Accepted | Event::Refused { .. } => {
                let is_refused = matches!(record.event, Event::Refused { .. });
                if let Some(connection) = record.connection {
                    self.ledger.borrow_mut().accepted(id, connection.peer.addr, at, is_refused);
                }
            }
            Event::Stopping { .. } => self.ledger.borrow_mut().stopping = Some(at),
            Event::Panicked { message, .. } => {
                self.ledger.borrow_mut().panicked.get_or_insert_with(|| (*message).to_owned());
            }
            Event::Closed { end } => self.ledger.borrow_mut().closed(id, at, Ending::from(*end)),
            _ => {}
        }
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

    fn len(&mut self, len: usize) {
        self.add(len as u64);
    }

    fn words(&mut self, text: &str) {
        text.bytes().for_each(|byte| self.add(byte.into()));
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
            Event::Missed { why } => {
                self.add(6);
                self.words(why);
            }
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
            Event::Closed { end } => {
                self.add(27);
                self.add(Ending::from(*end) as u64);
            }
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
