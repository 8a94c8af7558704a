//! A limited number of places. While all are taken, connections wait in the backlog.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::selector::Waker;

#[derive(Clone, Debug)]
pub(super) struct Places {
    taken: Arc<AtomicUsize>,
    max: usize,
    /// Wakes who waits for a place.
    waker: Waker,
}

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub(super) struct Place(Places);

impl Places {
    pub fn new(max: usize, waker: Waker) -> Self {
        Places { taken: Arc::default(), max, waker }
    }

    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }

    /// Whether there is one left.
    pub fn has_room(&self) -> bool {
        self.taken() < self.max
    }

    /// Takes one. There is one taker, who has seen that there is room.
    pub fn take(&self) -> Place {
        self.taken.fetch_add(1, Ordering::AcqRel);
        Place(self.clone())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Only who gives back the last place can be waited for.
        if self.0.taken.fetch_sub(1, Ordering::AcqRel) == self.0.max {
            self.0.waker.wake();
        }
    }
}
