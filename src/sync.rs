//! The types of state that threads share: the standard library's, or those of [loom](https://docs.rs/loom), with which
//! `tests/loom` tries all orders of the threads' steps.
//!
//! `Arc` is the standard library's in either case, since [`Wake`](std::task::Wake) requires it.

#[cfg(loom)]
pub use loom::{
    sync::{Condvar, Mutex, MutexGuard, atomic},
    thread,
};
#[cfg(not(loom))]
pub use std::{
    sync::{Condvar, Mutex, MutexGuard, atomic},
    thread,
};
