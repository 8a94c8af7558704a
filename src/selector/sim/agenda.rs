//! What will happen on a simulated network, in order.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use super::SimNet;

/// Happenings by time, and for the same time in the order in which they were scheduled.
#[derive(Default)]
pub(super) struct Agenda {
    heap: BinaryHeap<Entry>,
    /// Those that were due when they were scheduled, in order: a heap would sort them for nothing.
    due: VecDeque<Entry>,
    scheduled: u64,
}

struct Entry {
    time: Duration,
    number: u64,
    what: Happening,
}

pub(super) enum Happening {
    /// A script's call. It gets the network as an argument, since holding it would keep it alive.
    Call(Box<dyn FnOnce(&SimNet)>),
    /// The peer on a link does what its script says.
    Act(usize, Action),
    /// The peer on a link does what follows from what it has received.
    React(usize),
    /// What the peer on a link has sent arrives.
    Arrive(usize, Packet),
    /// The client on a link arrives at its destination.
    Knock(usize, SocketAddr),
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
    Connect(SocketAddr),
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
        let entry = Entry { time, number: self.scheduled, what };
        if time <= now && self.due.back().is_none_or(|last| last.time <= time) {
            self.due.push_back(entry);
        } else {
            self.heap.push(entry);
        }
    }

    pub fn next_time(&self) -> Option<Duration> {
        self.next().map(|entry| entry.time)
    }

    fn next(&self) -> Option<&Entry> {
        self.heap.peek().max(self.due.front())
    }

    /// Removes and returns the next that is due at `now`.
    pub fn take_due(&mut self, now: Duration) -> Option<Happening> {
        let next = self.next().filter(|entry| entry.time <= now)?;
        let is_first = self.due.front().is_some_and(|entry| entry.number == next.number);
        if is_first { self.due.pop_front() } else { self.heap.pop() }.map(|entry| entry.what)
    }
}

impl Entry {
    fn key(&self) -> (Duration, u64) {
        (self.time, self.number)
    }
}

/// The greatest entry is the earliest.
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        other.key().cmp(&self.key())
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Entry {}
