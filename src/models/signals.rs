//! Signals, passed on to a thread that waits for something else.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::SigId;
use signal_hook::low_level::unregister;
use signal_hook::{flag, low_level::pipe};

use crate::selector::Waker;

/// Makes `signal` set a flag and then wake, so that the woken thread finds it set. Both actions last until they are
/// unregistered.
pub(crate) fn set_and_wake(signal: i32, set: Arc<AtomicBool>, waker: &Waker) -> io::Result<[SigId; 2]> {
    let waker: OwnedFd = waker.as_fd().try_clone_to_owned()?;
    let sets = flag::register(signal, set)?;
    match pipe::register(signal, waker) {
        Ok(wakes) => Ok([sets, wakes]),
        Err(error) => {
            unregister(sets);
            Err(error)
        }
    }
}
