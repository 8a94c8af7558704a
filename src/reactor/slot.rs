//! A connection's slot in the reactor: the loop's own data about it.

use std::mem;
use std::time::Instant;

use super::id::ConnectionId;
use super::runnable::Runnable;
use crate::connection::{Connection, TICK};
use crate::places::Place;
use crate::selector::{Interest, Stream};
use crate::session::Session;

/// A connection in the slab.
#[derive(Debug)]
pub(super) struct Slot<S, T> {
    pub connection: Connection<S, T>,
    /// Distinguishes it from the slot's former connections.
    pub generation: u32,
    /// Its place among the connections being served, or being refused.
    pub place: Option<Place>,
    /// The interest registered with the system.
    pub interest: Interest,
    /// It is queued as runnable.
    is_runnable: bool,
    /// It had much to do in its last run.
    is_busy: bool,
    /// The time when its timer fires: at its deadline or earlier.
    timer: Option<Instant>,
}

/// The meaning of a timer that has fired.
pub(super) enum Alarm {
    /// The deadline has come.
    Due,
    /// The deadline has moved on.
    Early { later: Instant },
    /// The timer is obsolete.
    Stale,
}

impl<S, T> Slot<S, T> {
    pub fn new(connection: Connection<S, T>, generation: u32, place: Option<Place>) -> Self {
        let interest = Interest::NONE;
        Slot { connection, generation, place, interest, is_runnable: false, is_busy: false, timer: None }
    }

    /// Queues it as runnable, unless it is queued already.
    pub fn enqueue(&mut self, id: ConnectionId, runnable: &mut Runnable) {
        if !mem::replace(&mut self.is_runnable, true) {
            runnable.add(id, self.is_busy);
        }
    }

    /// Whether it is queued as runnable.
    pub fn is_runnable(&self) -> bool {
        self.is_runnable
    }

    /// The time when its timer fires.
    pub fn timer(&self) -> Option<Instant> {
        self.timer
    }

    /// Records that it is no longer queued as runnable.
    pub fn dequeued(&mut self) {
        self.is_runnable = false;
    }

    /// Records whether it had much to do in its last run.
    pub fn set_busy(&mut self, is_busy: bool) {
        self.is_busy = is_busy;
    }

    /// Sets its timer so that it runs at its `deadline` even without events. Returns the new timer's time, or `None` if
    /// the existing timer fires early enough.
    pub fn set_timer(&mut self, deadline: Option<Instant>, now: Instant) -> Option<Instant> {
        let deadline = deadline.map(|deadline| if deadline > now { deadline } else { now + TICK });
        if self.timer.is_some_and(|timer| deadline.is_none_or(|deadline| timer <= deadline)) {
            return None;
        }
        self.timer = deadline;
        self.timer
    }

    /// Whether its current timer is the one that fires at `when`; any other timer for it is stale.
    pub fn has_timer_at(&self, when: Instant) -> bool {
        self.timer == Some(when)
    }
}

impl<S: Stream, T: Session> Slot<S, T> {
    /// Handles its timer for `when`, which has fired.
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
                self.connection.deadline_passed(now);
                // If it's already queued, running it now would leave it in the queue, and it would get two turns from
                // then on.
                if self.is_runnable { Alarm::Stale } else { Alarm::Due }
            }
        }
    }
}
