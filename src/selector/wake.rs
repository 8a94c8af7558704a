//! Waking a selector from outside: a real one through a socket pair, like `signal.set_wakeup_fd` in Python, and a
//! simulated one by a flag.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::task::{self, Wake};

use crate::sync::atomic::{AtomicBool, Ordering};

/// A handle that makes a selector's `select` return. Clones wake the same selector.
#[derive(Clone, Debug)]
pub struct Waker(Sends);

#[derive(Clone, Debug)]
enum Sends {
    Byte(Arc<WakeSocket>),
    Flag(Arc<WakeFlag>),
}

impl Waker {
    /// Makes the current `select` return, or else the next one.
    pub fn wake(&self) {
        match self {
            Waker(Sends::Byte(socket)) => socket.wake_by_ref(),
            Waker(Sends::Flag(flag)) => flag.wake_by_ref(),
        }
    }

    /// The socket for signal handlers: a byte written to it wakes the selector.
    ///
    /// # Errors
    /// If the selector has none, as a simulated one.
    pub fn socket(&self) -> io::Result<Arc<WakeSocket>> {
        match self {
            Waker(Sends::Byte(socket)) => Ok(Arc::clone(socket)),
            Waker(Sends::Flag(_)) => {
                Err(io::Error::new(io::ErrorKind::Unsupported, "its selector isn't woken by a socket"))
            }
        }
    }
}

/// A socket to which a byte is written to wake a selector.
#[derive(Debug)]
pub struct WakeSocket(UnixStream);

impl Wake for WakeSocket {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // If the pair is full, enough wake-ups are pending; no other error is possible while the receiver lives.
        let _ = (&self.0).write(&[1]);
    }
}

/// The same waker in the standard library's form.
impl From<Waker> for task::Waker {
    fn from(waker: Waker) -> Self {
        match waker {
            Waker(Sends::Byte(socket)) => task::Waker::from(socket),
            Waker(Sends::Flag(flag)) => task::Waker::from(flag),
        }
    }
}

impl AsFd for WakeSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The selector's end, to be watched for reading.
#[derive(Debug)]
pub struct WakeFd {
    receiver: UnixStream,
}

impl WakeFd {
    /// Creates a waker and the end that it wakes.
    ///
    /// # Errors
    /// If the system has no socket pair left.
    pub fn new() -> io::Result<(Waker, WakeFd)> {
        let (sender, receiver) = UnixStream::pair()?;
        sender.set_nonblocking(true)?;
        receiver.set_nonblocking(true)?;
        Ok((Waker(Sends::Byte(Arc::new(WakeSocket(sender)))), WakeFd { receiver }))
    }

    /// Takes all pending wake-ups, and returns whether there were any.
    pub fn take(&self) -> bool {
        let mut bytes = [0; 64];
        let mut woken = false;
        while matches!((&self.receiver).read(&mut bytes), Ok(len) if len > 0) {
            woken = true;
        }
        woken
    }
}

impl AsFd for WakeFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.receiver.as_fd()
    }
}

/// A flag that wakes a selector which never sleeps in the system, such as a simulated one.
#[derive(Debug)]
pub struct WakeFlag {
    is_set: AtomicBool,
}

impl WakeFlag {
    /// Creates a waker and the flag that it sets.
    pub fn new() -> (Waker, Arc<WakeFlag>) {
        let flag = Arc::new(WakeFlag { is_set: AtomicBool::new(false) });
        (Waker(Sends::Flag(Arc::clone(&flag))), flag)
    }

    /// Takes all pending wake-ups, and returns whether there were any.
    pub fn take(&self) -> bool {
        // Checked in every turn, so it's only written when set.
        self.is_set.load(Ordering::Acquire) && self.is_set.swap(false, Ordering::AcqRel)
    }
}

impl Wake for WakeFlag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Not a store, or `take` would see what came before the last of several threads' wake-ups, and not before others.
        self.is_set.swap(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wake_up_is_taken_once() {
        let (fd_waker, fd) = WakeFd::new().unwrap();
        let (flag_waker, flag) = WakeFlag::new();
        assert!(!fd.take() && !flag.take());
        for waker in [fd_waker.clone(), flag_waker.clone()] {
            waker.wake();
            task::Waker::from(waker).wake();
        }
        assert!(fd.take() && flag.take());
        assert!(!fd.take() && !flag.take());
    }

    #[test]
    fn a_flag_has_no_socket_for_signal_handlers() {
        let (fd_waker, _fd) = WakeFd::new().unwrap();
        assert!(fd_waker.socket().is_ok());
        assert_eq!(WakeFlag::new().0.socket().unwrap_err().kind(), io::ErrorKind::Unsupported);
    }
}
