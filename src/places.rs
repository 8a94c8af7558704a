//! A limited number of places: for connections, threads, programs.

use std::sync::{Arc, PoisonError};
use std::task::Waker;
#[cfg(feature = "models")]
use std::time::Duration;

use crate::sync::{Condvar, Mutex, MutexGuard};

/// A limited number of places. Clones share them.
#[derive(Clone, Debug)]
pub struct Places(Arc<PlacesTaken>);

#[derive(Debug)]
struct PlacesTaken {
    max: usize,
    taken: Mutex<Taken>,
    /// Notified when a place becomes free, if anyone waits: a notification is a system call even if nobody does.
    freed: Condvar,
    /// Woken when the first place becomes free after all were taken.
    waker: Waker,
}

#[derive(Debug, Default)]
struct Taken {
    places: usize,
    /// The number of threads that wait until all places are free.
    waiting: usize,
}

/// A taken place. Dropping it frees the place.
#[derive(Debug)]
pub struct Place(Places);

impl Places {
    /// Creates `max` places.
    pub fn new(max: usize) -> Self {
        Self::waking(max, Waker::noop().clone())
    }

    /// Creates `max` places. Wakes `waker` when one becomes free after all were taken.
    pub fn waking(max: usize, waker: Waker) -> Self {
        Places(Arc::new(PlacesTaken { max, taken: Mutex::default(), freed: Condvar::new(), waker }))
    }

    /// Takes a place, if one is left.
    pub fn take(&self) -> Option<Place> {
        let mut taken = self.lock();
        if taken.places >= self.0.max {
            return None;
        }
        taken.places += 1;
        Some(Place(self.clone()))
    }

    /// Whether a place is left.
    pub fn has_room(&self) -> bool {
        self.lock().places < self.0.max
    }

    /// The number of places taken.
    pub fn taken(&self) -> usize {
        self.lock().places
    }

    /// The number of clones, except for those of places taken.
    pub fn sharers(&self) -> usize {
        Arc::strong_count(&self.0).saturating_sub(self.taken())
    }

    /// Waits until all are free or `timeout` has passed, and returns how many are still taken.
    #[cfg(feature = "models")]
    pub fn wait_until_free(&self, timeout: Duration) -> usize {
        let mut taken = self.lock();
        taken.waiting += 1;
        let waited = self.0.freed.wait_timeout_while(taken, timeout, |taken| taken.places > 0);
        let mut taken = waited.unwrap_or_else(PoisonError::into_inner).0;
        taken.waiting -= 1;
        taken.places
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Whether it is one of `places`.
    pub fn is_of(&self, places: &Places) -> bool {
        Arc::ptr_eq(&self.0.0, &places.0)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Place(places) = self;
        let mut taken = places.lock();
        let were_all = taken.places == places.0.max;
        taken.places -= 1;
        let is_awaited = taken.waiting > 0;
        drop(taken);
        if is_awaited {
            places.0.freed.notify_all();
        }
        if were_all {
            places.0.waker.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn no_more_are_taken_than_there_are_and_the_first_that_is_free_again_wakes() {
        let count = Arc::new(Count::default());
        let places = Places::waking(2, Arc::clone(&count).into());
        let first = places.take();
        let second = places.clone().take();
        assert!(first.is_some() && second.is_some() && places.take().is_none() && !places.has_room());
        drop(first);
        assert!(places.has_room());
        drop(second);
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
    }
}
