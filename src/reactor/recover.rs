//! Going on after a panic in a session, or in its service: that connection ends, and no other.
//!
//! The reactor records the connection that it is calling a session or the service for. A panic ends the work of the turn;
//! the connection on record is closed with a reset, and the rest of the work is done then.

use std::mem;

use super::Reactor;
use super::id::ConnectionId;
use crate::connection::Scratch;
use crate::panics::{self, Caught};
use crate::places::Place;
use crate::selector::{Selector, Stream};
use crate::session::{End, Peer, Service};

/// The connection that a panic concerns.
#[derive(Clone, Copy, Debug)]
pub(super) enum Concerned {
    /// None: the panic is a bug of ours.
    Nothing,
    /// This one, whose session is being called.
    Session(ConnectionId),
    /// A connection that has ended, while the service is being informed.
    Ended,
}

/// A connection just accepted, to be served or refused.
#[derive(Debug)]
pub(super) struct Newcomer<S> {
    pub stream: S,
    pub peer: Peer,
    /// `None` if no place was left, not even for a refusal.
    pub place: Option<Place>,
}

impl<S: Selector, V: Service> Reactor<S, V> {
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
        if let Some(mut newcomer) = newcomer {
            log::error!("The service panicked when it accepted {}: {caught}", newcomer.peer);
            newcomer.stream.reset_on_close();
            drop(newcomer);
            return self.accepting.connection_closed(&mut self.selector, self.now);
        }
        match concerned {
            Concerned::Session(id) => {
                let Some(slot) = self.slots.get_mut(id) else { return };
                log::error!("The session of {} panicked: {caught}", slot.connection.name());
                slot.connection.panicked();
                self.close(id, End::Panicked);
            }
            Concerned::Ended => log::error!("The service panicked when a connection had ended: {caught}"),
            Concerned::Nothing => {}
        }
    }

    /// Informs the service that a connection has ended.
    pub(super) fn tell_end(&mut self, session: V::Session, peer: &Peer, end: End) {
        self.concerned = Concerned::Ended;
        self.service.ended(session, peer, end);
        self.concerned = Concerned::Nothing;
    }
}
