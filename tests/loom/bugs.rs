//! Bugs in the state that threads share. The simulation finds none of them, since it has a single thread.

use crate::bug::Bug;

pub const BUGS: &[Bug] = &[
    Bug {
        name: "flag-cleared-late",
        what: "The inbox clears its flag after it has taken the connections, and so hides one that comes in between",
        file: "reactor/inbox.rs",
        before: "        self.is_full.store(false, Ordering::Release);
        std::mem::take(&mut self.woken.lock().unwrap_or_else(PoisonError::into_inner))",
        after: "        let woken = std::mem::take(&mut *self.woken.lock().unwrap_or_else(PoisonError::into_inner));
        self.is_full.store(false, Ordering::Release);
        woken",
    },
    Bug {
        name: "woken-before-listed",
        what: "A wake-up wakes the loop before the inbox has the connection",
        file: "reactor/inbox.rs",
        before: "        self.inbox.woken.lock().unwrap_or_else(PoisonError::into_inner).push(self.id);
        if !self.inbox.is_full.swap(true, Ordering::AcqRel) {
            self.inbox.waker.wake();
        }",
        after: "        if !self.inbox.is_full.swap(true, Ordering::AcqRel) {
            self.inbox.waker.wake();
        }
        self.inbox.woken.lock().unwrap_or_else(PoisonError::into_inner).push(self.id);",
    },
    Bug {
        name: "woken-not-taken",
        what: "The inbox keeps the connections that it delivers, and delivers them again",
        file: "reactor/inbox.rs",
        before: "std::mem::take(&mut self.woken.lock().unwrap_or_else(PoisonError::into_inner))",
        after: "self.woken.lock().unwrap_or_else(PoisonError::into_inner).clone()",
    },
    Bug {
        name: "wake-up-hidden",
        what: "A second wake-up hides what came before the first",
        file: "selector/wake.rs",
        before: "self.is_set.swap(true, Ordering::Release);",
        after: "self.is_set.store(true, Ordering::Release);",
    },
    Bug {
        name: "wake-up-relaxed",
        what: "A wake-up doesn't order what came before it",
        file: "selector/wake.rs",
        before: "self.is_set.swap(true, Ordering::Release);",
        after: "self.is_set.swap(true, Ordering::Relaxed);",
    },
    Bug {
        name: "stop-wakes-first",
        what: "A stop wakes the loop before it is noted",
        file: "reactor/handle.rs",
        before: "        self.stopped.store(true, Ordering::Release);
        self.waker.wake();",
        after: "        self.waker.wake();
        self.stopped.store(true, Ordering::Release);",
    },
    Bug {
        name: "reload-hidden",
        what: "A second request to reload hides what came before the first",
        file: "reactor/handle.rs",
        before: "self.reload.swap(true, Ordering::Release);",
        after: "self.reload.store(true, Ordering::Release);",
    },
    Bug {
        name: "reload-forgotten",
        what: "A request during a reload is forgotten",
        file: "reactor/handle.rs",
        before: "            && !self.is_reloading.load(Ordering::Acquire)
            && self.reload.swap(false, Ordering::AcqRel)",
        after: "            && self.reload.swap(false, Ordering::AcqRel)
            && !self.is_reloading.load(Ordering::Acquire)",
    },
    Bug {
        name: "reload-end-untold",
        what: "The end of a reload doesn't wake the loop, though a request may wait for it",
        file: "reactor/handle.rs",
        before: "        handle.is_reloading.store(false, Ordering::Release);
        handle.waker.wake();",
        after: "        handle.is_reloading.store(false, Ordering::Release);",
    },
    Bug {
        name: "place-taken-twice",
        what: "Two threads find the same place free, and both take it",
        file: "places.rs",
        before: "        let mut taken = self.lock();
        if taken.places >= self.0.max {
            return None;
        }
        taken.places += 1;",
        after: "        if !self.has_room() {
            return None;
        }
        self.lock().places += 1;",
    },
    Bug {
        name: "place-freed-late",
        what: "A place wakes the loop that waits for it before it is free",
        file: "places.rs",
        before: "        taken.places -= 1;
        let is_awaited = taken.waiting > 0;
        drop(taken);
        if is_awaited {
            places.0.freed.notify_all();
        }
        if were_all {
            places.0.waker.wake_by_ref();
        }",
        after: "        drop(taken);
        if were_all {
            places.0.waker.wake_by_ref();
        }
        places.lock().places -= 1;
        places.0.freed.notify_all();",
    },
    Bug {
        name: "place-lost",
        what: "A place that is freed while another is being taken is lost",
        file: "places.rs",
        before: "        taken.places -= 1;
        let is_awaited = taken.waiting > 0;
        drop(taken);",
        after: "        let left = taken.places - 1;
        let is_awaited = taken.waiting > 0;
        drop(taken);
        places.lock().places = left;",
    },
];
