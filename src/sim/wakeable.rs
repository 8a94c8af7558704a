//! Sessions that the network's faults wake from outside: at any moment, twice, or after their end.

use std::time::Instant;

use crate::selector::sim::SimNet;
use crate::session::forward::{forward_service, forward_session};
use crate::session::{Connect, End, Peer, Progress, Service, Session, SessionError, SessionIo};

/// A service whose sessions leave a waker with the network.
pub(super) struct Wakeable<V> {
    pub service: V,
    /// The network, if it has faults that wake sessions.
    pub net: Option<SimNet>,
}

/// A session that leaves a waker with the network when it is first called.
pub(super) struct WakeableSession<T> {
    session: T,
    net: Option<SimNet>,
}

impl<V: Service> Wakeable<V> {
    fn session(&self, session: V::Session) -> WakeableSession<V::Session> {
        WakeableSession { session, net: self.net.clone() }
    }
}

impl<V: Service> Service for Wakeable<V> {
    type Session = WakeableSession<V::Session>;

    fn accept(&mut self, peer: &Peer) -> Self::Session {
        let session = self.service.accept(peer);
        self.session(session)
    }

    fn ended(&mut self, session: Self::Session, peer: &Peer, end: End) {
        self.service.ended(session.session, peer, end);
    }

    forward_service!(service);

    fn shares_state(&self) -> bool {
        self.service.shares_state()
    }

    fn next_connect(&mut self) -> Option<Connect<Self::Session>> {
        let Connect { addresses, session } = self.service.next_connect()?;
        Some(Connect { addresses, session: self.session(session) })
    }
}

impl<T: Session> Session for WakeableSession<T> {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        if let Some(net) = self.net.take() {
            net.keep_waker(io.waker());
        }
        self.session.advance(io, now)
    }

    forward_session!(session);
}
