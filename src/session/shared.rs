//! A service shared by several threads.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::forward::forward_service;
use super::{Connect, End, Peer, Service};

/// A service that is locked while a connection begins or ends; running sessions need no lock on it.
#[derive(Debug)]
pub(crate) struct SharedService<V>(Arc<Mutex<V>>);

impl<V> SharedService<V> {
    pub fn new(service: V) -> Self {
        SharedService(Arc::new(Mutex::new(service)))
    }

    pub fn lock(&self) -> MutexGuard<'_, V> {
        // A panic on one connection must not affect the others.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V> Clone for SharedService<V> {
    fn clone(&self) -> Self {
        SharedService(Arc::clone(&self.0))
    }
}

impl<V: Service> Service for SharedService<V> {
    type Session = V::Session;

    fn accept(&mut self, peer: &Peer) -> V::Session {
        self.lock().accept(peer)
    }

    fn accept_from(&mut self, listener: usize, peer: &Peer) -> V::Session {
        self.lock().accept_from(listener, peer)
    }

    fn ended(&mut self, session: V::Session, peer: &Peer, end: End) {
        self.lock().ended(session, peer, end);
    }

    fn shares_state(&self) -> bool {
        self.lock().shares_state()
    }

    fn next_connect(&mut self) -> Option<Connect<V::Session>> {
        self.lock().next_connect()
    }

    forward_service!(lock());
}
