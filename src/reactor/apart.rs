//! Listeners apart: for connections that look after the server, such as an administrator's, beside those it serves.
//!
//! They share the loop and the thread with the served connections, and nothing else:
//!
//! - They have places of their own. While these are taken, further connections wait in the backlog.
//! - They run after all others, a few in a turn.
//! - They are not in the [trace](crate::trace), or a connection that shows the trace would cause events without end.
//! - They don't keep the loop from ending, and they outlast the served connections: after a stop, a new connection can
//!   still find out that the server is stopping.

use std::io;
use std::time::Instant;

use super::Reactor;
use super::id::Watched;
use super::recover::Newcomer;
use crate::address::Addr;
use crate::connection::{Share, earlier};
use crate::panics;
use crate::places::{Place, Places};
use crate::selector::{AcceptError, RETRY_AFTER, Readiness, Selector};
use crate::session::{Peer, Service};
use crate::trace::Subscriber;

/// The listeners apart of a reactor.
#[derive(Debug)]
pub(super) struct Apart<L> {
    listeners: Vec<Listening<L>>,
    /// The places of listeners that are closed already, whose connections go on.
    places_before: Vec<Places>,
    /// A listener is ready, or not watched. If none is, which is usual, a turn asks nothing else.
    is_due: bool,
    /// The loop has ended, and with it these connections.
    pub is_ending: bool,
}

#[derive(Debug)]
struct Listening<L> {
    listener: L,
    /// Its number among all listeners of the reactor.
    number: usize,
    places: Places,
    /// There may be a connection to accept.
    ready: bool,
    /// It's unwatched while no place is left, or none can be accepted.
    is_watched: bool,
    /// The time of the next attempt, after the system had no room.
    retry_at: Option<Instant>,
}

impl<L> Listening<L> {
    fn can_be_watched(&self, now: Instant) -> bool {
        self.places.has_room() && self.retry_at.is_none_or(|retry_at| now >= retry_at)
    }
}

impl<L> Default for Apart<L> {
    fn default() -> Self {
        Apart { listeners: Vec::new(), places_before: Vec::new(), is_due: false, is_ending: false }
    }
}

impl<L> Apart<L> {
    pub fn len(&self) -> usize {
        self.listeners.len()
    }

    pub fn set_ready(&mut self, index: usize) {
        if let Some(listening) = self.listeners.get_mut(index) {
            listening.ready = true;
            self.is_due = true;
        }
    }

    /// Whether there may be a connection to accept right now.
    #[inline]
    pub fn is_runnable(&self, now: Instant) -> bool {
        let mut listeners = self.listeners.iter();
        self.is_due
            && listeners
                .any(|listening| if listening.is_watched { listening.ready } else { listening.can_be_watched(now) })
    }

    /// The time of the next attempt to accept, if one has failed.
    #[inline]
    pub fn retry_at(&self) -> Option<Instant> {
        if !self.is_due {
            return None;
        }
        let waiting = self.listeners.iter().filter(|listening| !listening.is_watched && listening.places.has_room());
        waiting.filter_map(|listening| listening.retry_at).fold(None, |one, other| earlier(one, Some(other)))
    }

    /// The number of places taken.
    pub fn taken(&self) -> usize {
        let open = self.listeners.iter().map(|listening| &listening.places);
        open.chain(&self.places_before).map(Places::taken).sum()
    }
}

impl<S: Selector, V: Service, T: Subscriber> Reactor<S, V, T> {
    /// Accepts connections from `listener` beside the served ones, such as an administrator's: at most `places` at once,
    /// while others wait in the backlog. They don't count against
    /// [`connections_max`](super::Config::connections_max), run after all others, emit no events, and end with the
    /// loop, without keeping it from ending. A stop leaves this listener open until then.
    ///
    /// With such a listener, [snapshots](crate::trace::Wants::snapshot) tell what each connection has done so far.
    ///
    /// # Errors
    /// If it can't be watched.
    pub fn add_listener_apart(&mut self, mut listener: S::Listener, places: usize) -> io::Result<()> {
        let token = Watched::listener_apart_token(self.apart.len());
        self.selector.watch_listener(&mut listener, token)?;
        self.tallies.get_or_insert_default();
        let number = self.next_listener();
        let places = Places::new(places);
        self.apart.listeners.push(Listening {
            listener,
            number,
            places,
            ready: true,
            is_watched: true,
            retry_at: None,
        });
        self.apart.is_due = true;
        Ok(())
    }

    /// Accepts the connections that wait at the listeners apart, as far as there are places.
    #[inline]
    pub(super) fn accept_apart(&mut self) {
        if self.apart.is_due {
            self.accept_all_apart();
        }
    }

    fn accept_all_apart(&mut self) {
        for index in 0..self.apart.len() {
            self.watch_again(index);
            while let Some((stream, addr, place, listener)) = self.accept_one_apart(index) {
                if self.selector.can_watch(&stream).is_err() {
                    continue;
                }
                self.laps.note_apart();
                let number = self.slots.next_number_apart();
                let peer = Peer::accepted(addr);
                let newcomer = Newcomer { stream, peer, place: Some(place), number, listener };
                if let Some(id) = self.welcome(newcomer)
                    && let Some(slot) = self.slots.get_mut(id)
                {
                    slot.enqueue(id, &mut self.runnable);
                }
            }
        }
        self.apart.is_due = self.apart.listeners.iter().any(|listening| listening.ready || !listening.is_watched);
    }

    /// Watches a listener again, once there is room.
    fn watch_again(&mut self, index: usize) {
        let listening = &mut self.apart.listeners[index];
        if listening.is_watched || !listening.can_be_watched(self.now) {
            return;
        }
        let token = Watched::listener_apart_token(index);
        match self.selector.watch_listener(&mut listening.listener, token) {
            Ok(()) => (listening.is_watched, listening.ready, listening.retry_at) = (true, true, None),
            Err(_) => listening.retry_at = Some(self.now + RETRY_AFTER),
        }
    }

    fn accept_one_apart(&mut self, index: usize) -> Option<(S::Stream, Addr, Place, usize)> {
        let listening = &mut self.apart.listeners[index];
        while listening.is_watched && listening.ready {
            let Some(place) = listening.places.take() else {
                self.unwatch(index);
                return None;
            };
            match self.selector.accept(&mut listening.listener) {
                Ok((stream, addr)) => return Some((stream, addr, place, listening.number)),
                Err(error) => match AcceptError::of(&error) {
                    AcceptError::NoneWaits => listening.ready = false,
                    AcceptError::ThisConnection => {}
                    AcceptError::Ours => {
                        listening.retry_at = Some(self.now + RETRY_AFTER);
                        self.unwatch(index);
                        return None;
                    }
                },
            }
        }
        None
    }

    fn unwatch(&mut self, index: usize) {
        let listening = &mut self.apart.listeners[index];
        listening.is_watched = false;
        // Failure does no harm: the listener's events are only noted.
        let _ = self.selector.unwatch_listener(&mut listening.listener, Watched::listener_apart_token(index));
    }

    /// Closes the listeners apart, while their connections go on.
    pub(super) fn close_listeners_apart(&mut self) {
        for index in 0..self.apart.len() {
            if self.apart.listeners[index].is_watched {
                self.unwatch(index);
            }
        }
        let places = self.apart.listeners.drain(..).map(|listening| listening.places);
        self.apart.places_before.extend(places);
        self.apart.is_due = false;
    }

    /// Ends the connections of listeners apart, when all others have ended: each runs once more, and is closed.
    pub(super) fn end_apart(&mut self) {
        self.apart.is_ending = true;
        while let Err(caught) = panics::catch(|| self.run_and_cut_apart()) {
            self.recover(caught);
        }
        self.apart.listeners.clear();
    }

    fn run_and_cut_apart(&mut self) {
        for id in self.slots.ids().into_iter().filter(|id| id.is_apart()) {
            let Some(slot) = self.slots.get_mut(id) else { continue };
            slot.connection.ready(Readiness { readable: true, ..Readiness::default() });
            self.run_connection(id, Share::FIRST);
            let Some(slot) = self.slots.get_mut(id) else { continue };
            let end = slot.connection.cut(self.trace.of(id.generation()));
            self.close(id, end);
        }
    }
}
