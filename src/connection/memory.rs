//! The memory of all connections together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// A limit on the memory for unused input and unsent output of all connections together. Clones share it.
#[derive(Clone, Debug)]
pub struct Memory(Arc<Account>);

#[derive(Debug)]
struct Account {
    max: usize,
    used: AtomicUsize,
    /// The number of connections that use any.
    users: AtomicUsize,
}

impl Memory {
    /// Creates a limit of `max` bytes.
    pub fn new(max: usize) -> Self {
        Memory(Arc::new(Account { max, used: AtomicUsize::new(0), users: AtomicUsize::new(0) }))
    }

    /// The limit in bytes.
    pub fn max(&self) -> usize {
        self.0.max
    }

    /// The bytes in use.
    pub fn used(&self) -> usize {
        self.0.used.load(Relaxed)
    }

    /// Whether more is in use than the limit.
    pub(crate) fn is_over(&self) -> bool {
        self.used() > self.max()
    }

    /// The number of connections that use any.
    pub(crate) fn users(&self) -> usize {
        self.0.users.load(Relaxed)
    }

    /// The number of its clones: one for each configuration that has it, and one for each connection with data.
    pub(crate) fn sharers(&self) -> usize {
        Arc::strong_count(&self.0)
    }

    /// An equal share for each connection that uses any. Over the limit, at least one connection uses more.
    pub(crate) fn fair_share(&self) -> usize {
        self.0.max / self.users().max(1)
    }
}

/// One connection's part of the memory in use. Dropping it gives it back.
#[derive(Debug, Default)]
pub(super) struct Charge {
    memory: Option<Memory>,
    bytes: usize,
}

impl Charge {
    /// Sets it to `bytes` of `memory`.
    pub fn set(&mut self, bytes: usize, memory: &Memory) {
        let account = &self
            .memory
            .get_or_insert_with(|| {
                memory.0.users.fetch_add(1, Relaxed);
                memory.clone()
            })
            .0;
        if bytes > self.bytes {
            account.used.fetch_add(bytes - self.bytes, Relaxed);
        } else {
            account.used.fetch_sub(self.bytes - bytes, Relaxed);
        }
        self.bytes = bytes;
    }

    /// Whether it has been set, even to no bytes.
    pub fn is_set(&self) -> bool {
        self.memory.is_some()
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if let Some(Memory(account)) = &self.memory {
            account.used.fetch_sub(self.bytes, Relaxed);
            account.users.fetch_sub(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_charged_is_given_back() {
        let memory = Memory::new(100);
        let mut charges = [Charge::default(), Charge::default()];
        charges[0].set(90, &memory);
        assert!(!memory.is_over());
        charges[1].set(20, &memory);
        assert!(memory.is_over());
        assert_eq!((memory.used(), memory.fair_share()), (110, 50));
        charges[0].set(70, &memory);
        assert_eq!((memory.used(), memory.is_over()), (90, false));
        let [first, second] = charges;
        drop(first);
        assert_eq!((memory.used(), memory.fair_share()), (20, 100));
        drop(second);
        assert_eq!(memory.used(), 0);
    }
}
