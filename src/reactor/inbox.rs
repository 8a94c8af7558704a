//! Sessions woken from other threads.

use std::sync::{Arc, PoisonError};
use std::task::{Wake, Waker};

use super::id::ConnectionId;
use crate::selector;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, Ordering};

/// Connections whose sessions were woken since the reactor's last check.
#[derive(Debug)]
pub(super) struct Inbox {
    woken: Mutex<Vec<ConnectionId>>,
    /// Whether there are any: checked in every turn, since that costs less than a lock.
    is_full: AtomicBool,
    /// Wakes the reactor.
    waker: selector::Waker,
}

impl Inbox {
    pub fn new(waker: selector::Waker) -> Arc<Self> {
        Arc::new(Inbox { woken: Mutex::default(), is_full: AtomicBool::new(false), waker })
    }

    /// A waker for the session of connection `id`. Once that is closed it does nothing: its id is not reused.
    pub fn waker(self: &Arc<Self>, id: ConnectionId) -> Waker {
        Waker::from(Arc::new(SessionWaker { inbox: Arc::clone(self), id }))
    }

    /// Takes the connections that were woken.
    pub fn take(&self) -> Vec<ConnectionId> {
        if !self.is_full.load(Ordering::Acquire) {
            return Vec::new();
        }
        // The order matters: a later entry finds the flag cleared, and sets it again.
        self.is_full.store(false, Ordering::Release);
        std::mem::take(&mut self.woken.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[derive(Debug)]
struct SessionWaker {
    inbox: Arc<Inbox>,
    id: ConnectionId,
}

impl Wake for SessionWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.inbox.woken.lock().unwrap_or_else(PoisonError::into_inner).push(self.id);
        if !self.inbox.is_full.swap(true, Ordering::AcqRel) {
            self.inbox.waker.wake();
        }
    }
}
