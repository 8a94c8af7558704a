//! What will happen on a simulated network, in order.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use slab::Slab;

use super::SimNet;
use crate::address::Addr;

/// Happenings by time, and for the same time in the order in which they were scheduled.
#[derive(Default)]
pub(super) struct Agenda {
    heap: BinaryHeap<Reverse<Entry>>,
    /// Those that were due when they were scheduled, in order: a heap would sort them for nothing.
    due: VecDeque<Entry>,
    scheduled: u32,
    /// Kept apart from the entries, so that only these are moved to sort them.
    happenings: Slab<Happening>,
}

/// Small, and in the order of its fields.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    /// In nanoseconds, which are compared faster.
    time: u64,
    number: u32,
    /// The place among the happenings.
    key: u32,
}

pub(super) enum Happening {
    /// A script's call. It gets the network as an argument, since holding it would keep it alive.
    Call(Box<dyn FnOnce(&SimNet)>),
    /// The alarm with this index rings, with a number of its own.
    Ring(usize, u64),
    /// The peer on a link does what its script says.
    Act(usize, Action),
    /// The peer on a link does what follows from what it has received.
    React(usize),
    /// What the peer on a link has sent arrives.
    Arrive(usize, Packet),
    /// The client on a link arrives at its destination.
    Knock(usize, Addr),
    /// A source that has become ready is reported from now on.
    Report(Source),
    /// A fault begins, strikes or ends: the one with this index.
    Strike(usize),
}

/// A source of events.
#[derive(Clone, Copy)]
pub(super) enum Source {
    Link(usize),
    Listener(usize),
}

/// What a peer does.
pub(super) enum Action {
    Connect(Addr),
    Send(Packet),
    Close,
    Reset,
    Read(usize),
    ReadAll,
}

/// What travels from a peer to the program under test, in order.
pub(super) enum Packet {
    Bytes(Vec<u8>),
    /// Bytes over and over, without end.
    Flood(Rc<[u8]>),
    End,
    Reset,
}

impl Agenda {
    pub fn add(&mut self, time: Duration, what: Happening, now: Duration) {
        self.scheduled += 1;
        let key = u32::try_from(self.happenings.insert(what)).expect("few happenings");
        let (time, now) = (nanos(time), nanos(now));
        let entry = Entry { time, number: self.scheduled, key };
        if time <= now && self.due.back().is_none_or(|last| last.time <= time) {
            self.due.push_back(entry);
        } else {
            self.heap.push(Reverse(entry));
        }
    }

    pub fn next_time(&self) -> Option<Duration> {
        self.next().map(|entry| Duration::from_nanos(entry.time))
    }

    fn next(&self) -> Option<&Entry> {
        match (self.heap.peek(), self.due.front()) {
            (Some(Reverse(later)), Some(due)) => Some(later.min(due)),
            (later, due) => later.map(|Reverse(entry)| entry).or(due),
        }
    }

    /// Removes and returns the next that is due at `now`.
    pub fn take_due(&mut self, now: Duration) -> Option<Happening> {
        let next = *self.next().filter(|entry| entry.time <= nanos(now))?;
        if self.due.front() == Some(&next) {
            self.due.pop_front();
        } else {
            self.heap.pop();
        }
        Some(self.happenings.remove(next.key as usize))
    }
}

/// A time in nanoseconds, or the last one.
fn nanos(time: Duration) -> u64 {
    time.as_secs().saturating_mul(1_000_000_000).saturating_add(time.subsec_nanos().into())
}
