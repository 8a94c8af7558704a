//! Telling a reactor what to do, from outside its thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::selector::Waker;

/// Stops a reactor, or makes it reload. Clones are for the same reactor.
#[derive(Clone, Debug)]
pub struct Handle {
    stopped: Arc<AtomicBool>,
    reload: Arc<AtomicBool>,
    waker: Waker,
}

impl Handle {
    pub(crate) fn new(waker: Waker) -> Self {
        Handle { stopped: Arc::default(), reload: Arc::default(), waker }
    }

    /// Lets the reactor accept no more, finish what has begun, and then return from
    /// [`run`](super::Reactor::run).
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Lets the service [reload](crate::session::Service::reload).
    pub fn reload(&self) {
        self.reload.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// For a signal handler: where to store `true`, before waking, to stop.
    pub fn stop_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stopped)
    }

    /// For a signal handler: where to store `true`, before waking, to reload.
    pub fn reload_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.reload)
    }

    /// For a signal handler: what wakes the reactor.
    pub fn waker(&self) -> &Waker {
        &self.waker
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    pub(crate) fn takes_reload(&self) -> bool {
        // Looked at in every turn, so not written where there's nothing to take.
        self.reload.load(Ordering::Acquire) && self.reload.swap(false, Ordering::AcqRel)
    }
}
