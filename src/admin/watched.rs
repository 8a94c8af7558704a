//! The service of a server that can be watched: its own sessions, and an administrator's.

use std::sync::Arc;
use std::time::Instant;

use super::Hub;
use super::session::AdminSession;
use crate::buffer::Output;
use crate::session::forward::forward_service;
use crate::session::{Connect, End, Peer, Progress, Service, Session, SessionError, SessionIo, State};

/// Serves `V`'s sessions, and an administrator's to connections from the [hub's listener](Hub::serves_from) if there is a
/// hub. So one type, with one copy of the loop's code, serves with an administrator and without.
#[derive(Debug)]
pub struct Watched<V> {
    service: V,
    hub: Option<Arc<Hub>>,
}

impl<V> Watched<V> {
    /// Adds the sessions that show what `hub` receives.
    pub fn new(service: V, hub: Option<Arc<Hub>>) -> Self {
        Watched { service, hub }
    }
}

/// A session of either kind.
#[derive(Debug)]
pub enum WatchedSession<T> {
    /// A served one.
    Served(T),
    /// An administrator's.
    Admin(Box<AdminSession>),
}

impl<V: Service> Service for Watched<V> {
    type Session = WatchedSession<V::Session>;

    fn accept(&mut self, peer: &Peer) -> Self::Session {
        WatchedSession::Served(self.service.accept(peer))
    }

    fn accept_from(&mut self, listener: usize, peer: &Peer) -> Self::Session {
        if let Some(hub) = self.hub.as_ref().filter(|hub| hub.is_served_from(listener)) {
            return WatchedSession::Admin(Box::new(AdminSession::new(hub)));
        }
        WatchedSession::Served(self.service.accept_from(listener, peer))
    }

    fn ended(&mut self, session: Self::Session, peer: &Peer, end: End) {
        if let WatchedSession::Served(session) = session {
            self.service.ended(session, peer, end);
        }
    }

    forward_service!(service);

    fn shares_state(&self) -> bool {
        self.service.shares_state()
    }

    fn next_connect(&mut self) -> Option<Connect<Self::Session>> {
        let Connect { addresses, session } = self.service.next_connect()?;
        Some(Connect { addresses, session: WatchedSession::Served(session) })
    }
}

impl<T: Session> Session for WatchedSession<T> {
    #[inline]
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        match self {
            WatchedSession::Served(session) => session.advance(io, now),
            WatchedSession::Admin(session) => session.advance(io, now),
        }
    }

    #[inline]
    fn deadline(&self) -> Option<Instant> {
        match self {
            WatchedSession::Served(session) => session.deadline(),
            WatchedSession::Admin(session) => session.deadline(),
        }
    }

    #[inline]
    fn is_idle(&self) -> bool {
        match self {
            WatchedSession::Served(session) => session.is_idle(),
            WatchedSession::Admin(session) => session.is_idle(),
        }
    }

    fn refuse(&mut self, output: &mut Output<'_>, why: &str) {
        match self {
            WatchedSession::Served(session) => session.refuse(output, why),
            WatchedSession::Admin(session) => session.refuse(output, why),
        }
    }

    fn state(&self, unused: usize) -> State {
        match self {
            WatchedSession::Served(session) => session.state(unused),
            WatchedSession::Admin(session) => session.state(unused),
        }
    }
}
