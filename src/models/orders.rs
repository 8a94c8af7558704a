//! Orders to a server from outside, in a form that its own thread can wait for.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use crate::reactor::Handle;
use crate::selector::{WakeFd, Waker};
use crate::sys::{self, PollFd};

/// The receiving end of a [`Handle`].
#[derive(Debug)]
pub(super) struct Orders {
    handle: Handle,
    wake_fd: WakeFd,
}

impl Orders {
    pub fn new() -> io::Result<Self> {
        let (waker, wake_fd) = WakeFd::new()?;
        Ok(Orders { handle: Handle::new(waker), wake_fd })
    }

    /// The sending end.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Whether to stop.
    pub fn is_stopped(&self) -> bool {
        self.handle.is_stopped()
    }

    /// Whether to accept no more connections, and go on with the others.
    pub fn accepts_no_more(&self) -> bool {
        self.handle.accepts_no_more()
    }

    /// Whether to reload; true once for each request.
    pub fn takes_reload(&self) -> bool {
        self.handle.takes_reload()
    }

    /// Makes these the orders of this process, a fork of the one that created them. With its own `pair`, its signals wake
    /// it from now on, and not the original.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn take_over(&self, pair: &(Waker, WakeFd)) -> io::Result<()> {
        let (waker, wake_fd) = pair;
        sys::replace(&self.handle.waker().socket()?, &waker.socket()?)?;
        sys::replace(&self.wake_fd, wake_fd)?;
        // A signal that arrived meanwhile has woken the original.
        self.handle.waker().wake();
        Ok(())
    }

    /// Waits until the handle is used, its waker is woken, a signal arrives, or `timeout` has passed.
    pub fn wait(&self, timeout: Option<Duration>) -> io::Result<()> {
        wait(&mut [PollFd::new(self, true, false)], timeout)?;
        self.woken();
        Ok(())
    }

    /// Takes all pending wake-ups, and gives a sign of life if it's wanted. Check for their other causes only after this.
    pub fn woken(&self) {
        self.wake_fd.take();
        self.handle.answer();
    }
}

/// The descriptor becomes readable when the handle is used or its waker woken.
impl AsFd for Orders {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake_fd.as_fd()
    }
}

/// Waits for one of `fds`, a signal, or until `timeout` has passed.
pub(super) fn wait(fds: &mut [PollFd], timeout: Option<Duration>) -> io::Result<()> {
    match sys::poll(fds, timeout) {
        Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
        Err(_) | Ok(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_takes_the_wake_up_gives_the_sign_of_life() {
        let orders = Orders::new().unwrap();
        assert!(orders.handle().has_answered());
        orders.handle().ask();
        assert!(!orders.handle().has_answered());
        // A thread that goes on to serve a client for long would not take another wake-up.
        orders.wait(None).unwrap();
        assert!(orders.handle().has_answered());
    }
}
