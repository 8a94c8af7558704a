//! What makes sessions, and holds what they share.

use std::net::SocketAddr;

use super::{End, Peer, Session};

/// Makes the sessions of one server or client, and holds what they share.
///
/// A panic in one of its sessions, or in a call for one connection, ends that connection and no other. So what sessions
/// share is to be whole at every place where a panic can happen: changed in one go after all that may fail, or put right by
/// [`ended`](Service::ended), which is called for a session that has panicked as well. A `Mutex` that was locked meanwhile
/// is poisoned, and it's up to the service whether that matters.
pub trait Service {
    /// The protocol.
    type Session: Session;

    /// A session for a connection just accepted.
    fn accept(&mut self, peer: &Peer) -> Self::Session;

    /// Takes back a session whose connection is closed, or never came about.
    fn ended(&mut self, _session: Self::Session, _peer: &Peer, _end: End) {}

    /// Reads again what it reads from files.
    fn reload(&mut self) {}

    /// Whether what happens on one connection can be seen on another. Such a service can't be served by processes that
    /// share nothing.
    fn shares_state(&self) -> bool {
        false
    }

    /// Whether it opens connections of its own, as a proxy does. Such a service can be served by a reactor only: there the
    /// connections it accepts and those it opens run side by side.
    fn opens_connections(&self) -> bool {
        false
    }

    /// The next connection to open, if it [opens any](Service::opens_connections). It is asked after its sessions have run,
    /// until there is none; so a session has a connection opened by leaving word with what it shares with its service.
    fn next_connect(&mut self) -> Option<Connect<Self::Session>> {
        None
    }
}

/// A connection to open.
#[derive(Debug)]
#[must_use = "the reactor opens what the service returns"]
pub struct Connect<T> {
    /// Where to: the first of these that lets us.
    pub addresses: Vec<SocketAddr>,
    /// What runs on it. However it ends, [`Service::ended`] gets it back.
    pub session: T,
}

/// A function that makes sessions is a service.
impl<T: Session, F: FnMut(&Peer) -> T> Service for F {
    type Session = T;

    fn accept(&mut self, peer: &Peer) -> T {
        self(peer)
    }
}
