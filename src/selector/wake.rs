//! Waking a selector from outside through a socket pair, like `signal.set_wakeup_fd` in Python.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::task::{self, Wake};

/// A handle that makes a selector's `select` return. Clones wake the same selector.
#[derive(Clone, Debug)]
pub struct Waker {
    sender: Arc<Sender>,
}

#[derive(Debug)]
struct Sender(UnixStream);

impl Waker {
    /// Makes the current `select` return, or else the next one.
    pub fn wake(&self) {
        self.sender.wake_by_ref();
    }
}

impl Wake for Sender {
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
        task::Waker::from(waker.sender)
    }
}

/// The descriptor for signal handlers: a byte written to it wakes the selector.
impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.sender.0.as_fd()
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
        Ok((Waker { sender: Arc::new(Sender(sender)) }, WakeFd { receiver }))
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
