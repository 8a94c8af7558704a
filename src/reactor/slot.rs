//! A connection's place in the reactor: what the loop knows of it, beside what it is.

use std::collections::VecDeque;
use std::mem;
use std::time::Instant;

use super::id::ConnectionId;
use crate::connection::{Connection, TICK};
use crate::places::Place;
use crate::selector::{Interest, Stream};
use crate::session::Session;

/// A connection in the slab.
#[derive(Debug)]
pub(super) struct Slot<S, T> {
    pub connection: Connection<S, T>,
    /// Tells it from those that had the slot before.
    pub generation: u32,
    /// Its place among those that are served, or refused, at once.
    pub place: Option<Place>,
    /// It's only there to be told that it can't be served.
    pub is_refused: bool,
    /// What we have asked the system to tell us of.
    pub interest: Interest,
    /// It is in the runnable queue.
    is_runnable: bool,
    /// When its timer goes off: at its deadline, or before.
    timer: Option<Instant>,
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

impl<S, T> Slot<S, T> {
    pub fn new(connection: Connection<S, T>, generation: u32, place: Option<Place>, is_refused: bool) -> Self {
        let interest = Interest::NONE;
        Slot { connection, generation, place, is_refused, interest, is_runnable: false, timer: None }
    }

    pub fn enqueue(&mut self, id: ConnectionId, runnable: &mut VecDeque<ConnectionId>) {
        if !mem::replace(&mut self.is_runnable, true) {
            runnable.push_back(id);
        }
    }

    /// Takes note that it is no longer in the runnable queue.
    pub fn dequeued(&mut self) {
        self.is_runnable = false;
    }

    /// Sets its timer so that it's run at its `deadline` though nothing happens, and returns when that goes off; nothing where
    /// the one that is set goes off in time.
    pub fn set_timer(&mut self, deadline: Option<Instant>, now: Instant) -> Option<Instant> {
        let deadline = deadline.map(|deadline| if deadline > now { deadline } else { now + TICK });
        if self.timer.is_some_and(|timer| deadline.is_none_or(|deadline| timer <= deadline)) {
            return None;
        }
        self.timer = deadline;
        self.timer
    }

    /// Whether its timer is the one that goes off at `when`; any other that was set for it is stale.
    pub fn has_timer_at(&self, when: Instant) -> bool {
        self.timer == Some(when)
    }
}

impl<S: Stream, T: Session> Slot<S, T> {
    /// Its timer of `when` has gone off.
    pub fn timer_went_off(&mut self, when: Instant, now: Instant) -> Alarm {
        if !self.has_timer_at(when) {
            return Alarm::Stale;
        }
        let deadline = self.connection.deadline();
        self.timer = deadline.filter(|&deadline| deadline > now);
        match (self.timer, deadline) {
            (Some(later), _) => Alarm::Early { later },
            (None, None) => Alarm::Stale,
            (None, Some(_)) => {
                self.connection.due();
                // One that is going to run anyway must not run now: it would still be in the queue, and from then on have
                // two turns.
                if self.is_runnable { Alarm::Stale } else { Alarm::Due }
            }
        }
    }
}
