//! Accepting connections, and pausing when the system or the limit allows no more.

use std::io;
use std::mem;
use std::time::Instant;

use super::id::{ConnectionId, Watched};
use super::recover::{Concerned, Newcomer};
use super::{Config, Reactor};
use crate::address::Addr;
use crate::connection::{Connection, Share};
use crate::places::{Place, Places};
use crate::selector::{AcceptError, RETRY_AFTER, Selector};
use crate::session::{Peer, Service};
use crate::trace::{Event, Subscriber, Tracer};

/// The most connections accepted from one listener in a turn.
const ACCEPTS_PER_TURN: usize = 64;
/// The default of [`Config::refusals_max`].
pub const REFUSALS_MAX: usize = 32;

/// The listeners of a reactor.
#[derive(Debug)]
pub(super) struct Accepting<L> {
    listeners: Vec<Listening<L>>,
    /// The time of the next attempt; while it's set, no listener is watched.
    paused: Option<Instant>,
    /// Why the latest pause began.
    why: String,
    /// Whether the log already says that no connection can be accepted.
    told: bool,
    /// Places for served connections, of this reactor and of those that share its limit.
    places: Places,
    /// Places for connections that are being refused, shared likewise.
    refusals: Places,
}

#[derive(Debug)]
struct Listening<L> {
    listener: L,
    /// Its number among all listeners of the reactor.
    number: usize,
    /// There may be a connection to accept.
    ready: bool,
}

impl<L> Accepting<L> {
    /// Creates the listeners of a reactor with the limits of `config`.
    pub fn new(config: &Config) -> Self {
        let (places, refusals) = (Places::new(config.connections_max), Places::new(config.refusals_max));
        Accepting { listeners: Vec::new(), paused: None, why: String::new(), told: false, places, refusals }
    }

    /// Adds a listener, with its number among all listeners of the reactor.
    pub fn add<S: Selector<Listener = L>>(
        &mut self,
        selector: &mut S,
        mut listener: L,
        number: usize,
    ) -> io::Result<()> {
        selector.watch_listener(&mut listener, Watched::listener_token(self.listeners.len()))?;
        self.listeners.push(Listening { listener, number, ready: true });
        Ok(())
    }

    pub fn len(&self) -> usize {
        self.listeners.len()
    }

    pub fn set_ready(&mut self, index: usize) {
        if let Some(listening) = self.listeners.get_mut(index) {
            listening.ready = true;
        }
    }

    /// Whether there may be a connection to accept right now.
    pub fn is_runnable(&self) -> bool {
        self.paused.is_none() && self.listeners.iter().any(|listening| listening.ready)
    }

    pub fn retry_at(&self) -> Option<Instant> {
        self.paused
    }

    /// Why accepting pauses, if it does.
    pub fn why_paused(&self) -> Option<&str> {
        self.paused.map(|_| self.why.as_str())
    }

    /// Whether no connection will ever be accepted again.
    pub fn is_over(&self) -> bool {
        self.listeners.is_empty()
    }

    /// The places for served connections, and those for refusals.
    pub fn places(&self) -> [&Places; 2] {
        [&self.places, &self.refusals]
    }

    /// Stops accepting, and closes the listeners.
    pub fn end<S: Selector<Listener = L>>(&mut self, selector: &mut S) {
        self.pause(selector, None);
        self.listeners.clear();
    }

    /// Counts connections, served and refused, together with `other`.
    pub fn count_with(&mut self, other: &Accepting<L>) {
        self.places = other.places.clone();
        self.refusals = other.refusals.clone();
    }

    /// Resumes accepting, if paused, after a connection has closed, since that may have freed what was missing.
    pub fn connection_closed<S: Selector<Listener = L>>(&mut self, selector: &mut S, now: Instant, trace: Tracer<'_>) {
        if self.paused.is_some() {
            self.resume(selector, now, trace);
        }
    }

    fn pause<S: Selector<Listener = L>>(&mut self, selector: &mut S, until: Option<Instant>) {
        if self.paused.is_none() {
            for (index, listening) in self.listeners.iter_mut().enumerate() {
                // Failure does no harm: the listener's events are only noted.
                let _ = selector.unwatch_listener(&mut listening.listener, Watched::listener_token(index));
            }
        }
        self.paused = until;
    }

    fn resume<S: Selector<Listener = L>>(&mut self, selector: &mut S, now: Instant, trace: Tracer<'_>) {
        self.paused = None;
        trace.own_step(|| Event::AcceptingResumed);
        for (index, listening) in self.listeners.iter_mut().enumerate() {
            listening.ready = true;
            if let Err(error) = selector.watch_listener(&mut listening.listener, Watched::listener_token(index)) {
                let why = &format!("a listener can't be watched: {}", crate::text::reason(&error));
                trace.emit_own(Event::AcceptingPaused { why, is_news: true });
                self.why.clone_from(why);
                return self.pause(selector, Some(now + RETRY_AFTER));
            }
        }
    }
}

impl<S: Selector, V: Service, T: Subscriber> Reactor<S, V, T> {
    /// Accepts waiting connections, a batch from each listener.
    pub(super) fn accept(&mut self) {
        if self.accepting.paused.is_some_and(|retry_at| self.now >= retry_at) {
            self.accepting.resume(&mut self.selector, self.now, self.trace.own());
        }
        if let Some((stream, addr, listener)) = self.one_too_many.take() {
            if !self.accepting.places.has_room() {
                self.make_way();
            }
            match self.accepting.places.take() {
                Some(place) => self.admit(stream, addr, listener, place),
                None => self.refuse_one_too_many(stream, addr, listener),
            }
        }
        for index in 0..self.accepting.listeners.len() {
            for _ in 0..ACCEPTS_PER_TURN {
                if !self.accepting.is_runnable() || self.one_too_many.is_some() || !self.accept_one(index) {
                    break;
                }
            }
        }
    }

    /// Accepts one connection, and returns whether to try for another.
    fn accept_one(&mut self, index: usize) -> bool {
        if !self.accepting.places.has_room() && !self.accepting.refusals.has_room() {
            let why = "all places are taken, including those for refusals";
            self.trace.own().emit_own(Event::AcceptingPaused { why, is_news: false });
            self.accepting.why = why.to_owned();
            self.accepting.pause(&mut self.selector, Some(self.now + RETRY_AFTER));
            return false;
        }
        let listening = &mut self.accepting.listeners[index];
        if !listening.ready {
            return false;
        }
        let listener = listening.number;
        match self.selector.accept(&mut listening.listener) {
            Ok((stream, addr)) => {
                self.accepting.told = false;
                match self.accepting.places.take() {
                    Some(place) => self.admit(stream, addr, listener, place),
                    None => self.one_too_many = Some((stream, addr, listener)),
                }
                true
            }
            Err(error) => match AcceptError::of(&error) {
                AcceptError::NoneWaits => {
                    listening.ready = false;
                    false
                }
                AcceptError::ThisConnection => {
                    self.trace.own().emit_own(Event::Missed { why: &error });
                    true
                }
                AcceptError::Ours => {
                    let is_news = !mem::replace(&mut self.accepting.told, true);
                    let why = crate::text::reason(&error);
                    self.trace.own().emit_own(Event::AcceptingPaused { why: &why, is_news });
                    self.accepting.why = why;
                    self.accepting.pause(&mut self.selector, Some(self.now + RETRY_AFTER));
                    false
                }
            },
        }
    }

    /// Serves a connection in its `place`.
    fn admit(&mut self, stream: S::Stream, addr: Addr, listener: usize, place: Place) {
        if let Err(why) = self.selector.can_watch(&stream) {
            drop(place);
            return self.refuse(stream, addr, listener, &why, &why);
        }
        let peer = Peer::accepted(addr);
        let number = self.slots.next_number();
        self.trace.of(number).emit(&peer, Event::Accepted);
        self.totals.accepted += 1;
        let Some(id) = self.welcome(Newcomer { stream, peer, place: Some(place), number, listener }) else { return };
        self.run_connection(id, Share::FIRST);
    }

    fn refuse_one_too_many(&mut self, stream: S::Stream, addr: Addr, listener: usize) {
        let (log, reply) = match self.config.connections_max {
            1 => ("the only one is in use".into(), "its only connection is in use".into()),
            max => (format!("all {max} are in use"), format!("all {max} connections are in use")),
        };
        self.refuse(stream, addr, listener, &log, &reply);
    }

    /// Lets the session send the reason in its protocol's format, then closes the connection.
    fn refuse(&mut self, stream: S::Stream, addr: Addr, listener: usize, logged: &str, told: &str) {
        let peer = Peer::accepted(addr);
        let number = self.slots.next_number();
        self.trace.of(number).emit(&peer, Event::Refused { why: logged });
        self.totals.refused += 1;
        let place = self.accepting.refusals.take();
        let Some(id) = self.welcome(Newcomer { stream, peer, place, number, listener }) else { return };
        self.concerned = Concerned::Session(id);
        if let Some(slot) = self.slots.get_mut(id) {
            slot.connection.refuse(told, &self.config.connection, self.now);
        }
        self.run_connection(id, Share::FIRST);
    }

    /// Gets a session for a connection, and gives both a slot. If the service panics, the connection is not lost.
    pub(super) fn welcome(&mut self, newcomer: Newcomer<S::Stream>) -> Option<ConnectionId> {
        let (peer, listener) = (newcomer.peer, newcomer.listener);
        self.newcomer = Some(newcomer);
        let session = self.service.accept_from(listener, &peer);
        let Newcomer { stream, place, number, .. } = self.newcomer.take()?;
        self.begun += 1;
        Some(self.slots.insert(Connection::accepted(stream, session, peer), place, number))
    }
}
