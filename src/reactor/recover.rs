//! Going on after a panic in a session, or in its service: that connection ends, and no other.
//!
//! The reactor records the connection that it is calling a session or the service for. A panic ends the work of the
//! turn; the connection on record is closed with a reset, and then the rest of the work is done.

use std::mem;

use super::Reactor;
use super::id::ConnectionId;
use crate::connection::Scratch;
use crate::panics::{self, Caught};
use crate::places::Place;
use crate::selector::{Selector, Stream};
use crate::session::{End, Peer, Service};
use crate::trace::{Event, PanicIn, Subscriber, is_apart};

/// The connection that a panic concerns.
#[derive(Clone, Copy, Debug)]
pub(super) enum Concerned {
    /// None: the panic is a bug of ours.
    Nothing,
    /// This one, whose session is being called.
    Session(ConnectionId),
    /// A connection that has ended, while the service is being informed.
    Ended(u32, Peer),
}

/// A connection just accepted, to be served or refused.
#[derive(Debug)]
pub(super) struct Newcomer<S> {
    pub stream: S,
    pub peer: Peer,
    /// `None` if no place was left, not even for a refusal.
    pub place: Option<Place>,
    /// Its number.
    pub number: u32,
    /// The number of the listener that has accepted it.
    pub listener: usize,
}

impl<S: Selector, V: Service, T: Subscriber> Reactor<S, V, T> {
    /// Ends the connection that `caught` concerns, and no other. A panic that concerns none goes on.
    pub(super) fn recover(&mut self, mut caught: Caught) {
        loop {
            // Data left in there would reach the next connection.
            self.scratch = Scratch::default();
            let newcomer = self.newcomer.take();
            let concerned = mem::replace(&mut self.concerned, Concerned::Nothing);
            if newcomer.is_none() && matches!(concerned, Concerned::Nothing) {
                log::error!("The event loop panicked: {caught}");
                caught.resume();
            }
            // The service may panic again, when it is informed of the end.
            match panics::catch(|| self.end_what_is_concerned(newcomer, concerned, &caught)) {
                Ok(()) => return,
                Err(another) => caught = another,
            }
        }
    }

    /// Closes the connection that a panic concerns, with a reset, so that half a reply never looks complete.
    fn end_what_is_concerned(&mut self, newcomer: Option<Newcomer<S::Stream>>, concerned: Concerned, caught: &Caught) {
        let message = caught.to_string();
        let panicked = |place| Event::Panicked { place, message: &message };
        let number = match (&newcomer, concerned) {
            (Some(newcomer), _) => newcomer.number,
            (None, Concerned::Session(id)) => id.generation(),
            (None, Concerned::Ended(number, _)) => number,
            (None, Concerned::Nothing) => 0,
        };
        if is_apart(number) {
            // The trace leaves these connections out.
            log::error!("A connection apart panicked: {message}");
        }
        if let Some(mut newcomer) = newcomer {
            self.trace.of(newcomer.number).emit(&newcomer.peer, panicked(PanicIn::Accept));
            newcomer.stream.reset_on_close();
            drop(newcomer);
            return self.accepting.connection_closed(&mut self.selector, self.now, self.trace.own());
        }
        match concerned {
            Concerned::Session(id) => {
                let Some(slot) = self.slots.get_mut(id) else { return };
                let trace = self.trace.of(id.generation());
                trace.emit(&slot.connection.peer, panicked(PanicIn::Session));
                slot.connection.panicked(trace);
                self.close(id, End::Panicked);
            }
            Concerned::Ended(number, peer) => self.trace.of(number).emit(&peer, panicked(PanicIn::Ended)),
            Concerned::Nothing => {}
        }
    }

    /// Informs the service that a connection has ended.
    pub(super) fn tell_end(&mut self, session: V::Session, number: u32, peer: &Peer, end: End) {
        self.ended += 1;
        self.concerned = Concerned::Ended(number, *peer);
        self.service.ended(session, peer, end);
        self.concerned = Concerned::Nothing;
    }
}
