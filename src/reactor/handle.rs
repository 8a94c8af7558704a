//! Control of a reactor from outside its thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::selector::Waker;

/// Stops a reactor, or makes it reload. Clones control the same reactor.
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

    /// Makes the reactor stop accepting, finish work in progress, and then return from [`run`](super::Reactor::run).
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Makes the service [reload](crate::session::Service::reload).
    pub fn reload(&self) {
        self.reload.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// For a signal handler: the flag to set to `true`, before waking, to stop.
    pub fn stop_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stopped)
    }

    /// For a signal handler: the flag to set to `true`, before waking, to reload.
    pub fn reload_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.reload)
    }

    /// For a signal handler: the waker of the reactor. Each child of a forking server replaces its descriptor by one of
    /// its own; a copy of that would still wake the parent.
    pub fn waker(&self) -> &Waker {
        &self.waker
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    pub(crate) fn takes_reload(&self) -> bool {
        // Checked in every turn, so it's only written when set.
        self.reload.load(Ordering::Acquire) && self.reload.swap(false, Ordering::AcqRel)
    }
}
