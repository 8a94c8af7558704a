//! The default selector: mio, which is epoll on Linux and kqueue on macOS and the BSDs.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Poll};

use super::socket::{SocketListener, SocketStream};
use super::{Event, Interest, Readiness, Selector, Token, WakeFd, Waker};
use crate::address::Addr;

/// The most events taken from the system at once.
const EVENTS_PER_SELECT: usize = 1024;
const WAKE: mio::Token = mio::Token(usize::MAX);

/// A selector on epoll or kqueue, edge-triggered.
#[derive(Debug)]
pub struct MioSelector {
    poll: Poll,
    events: Events,
    waker: Waker,
    wake_fd: WakeFd,
}

impl MioSelector {
    /// Creates a selector that watches nothing.
    ///
    /// # Errors
    /// If the system has no descriptors left.
    pub fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let (waker, wake_fd) = WakeFd::new()?;
        let receiver = wake_fd.as_fd().as_raw_fd();
        poll.registry().register(&mut SourceFd(&receiver), WAKE, mio::Interest::READABLE)?;
        Ok(MioSelector { poll, events: Events::with_capacity(EVENTS_PER_SELECT), waker, wake_fd })
    }
}

impl Selector for MioSelector {
    type Stream = SocketStream;
    type Listener = SocketListener;

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn select(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            // A signal arrived; anything its handler left for us is read as a wake-up.
            Err(_) => return Ok(()),
            Ok(()) => {}
        }
        for event in &self.events {
            if event.token() == WAKE {
                self.wake_fd.take();
                continue;
            }
            let broken = event.is_error();
            let readiness = Readiness {
                readable: event.is_readable() || event.is_read_closed() || broken,
                writable: event.is_writable() || event.is_write_closed() || broken,
                read_closed: event.is_read_closed() || broken,
                urgent: event.is_priority(),
            };
            events.push(Event { token: Token(event.token().0), readiness });
        }
        Ok(())
    }

    fn waker(&self) -> Waker {
        self.waker.clone()
    }

    fn register(&mut self, stream: &mut SocketStream, token: Token, interest: Interest) -> io::Result<()> {
        self.poll.registry().register(stream, mio::Token(token.0), mask(interest))
    }

    fn reregister(&mut self, stream: &mut SocketStream, token: Token, interest: Interest) -> io::Result<()> {
        self.poll.registry().reregister(stream, mio::Token(token.0), mask(interest))
    }

    fn deregister(&mut self, stream: &mut SocketStream, _token: Token) -> io::Result<()> {
        self.poll.registry().deregister(stream)
    }

    fn close(&mut self, stream: SocketStream, _token: Token) {
        // Closing a socket's last descriptor removes it from epoll and kqueue: epoll(7), kqueue(2).
        drop(stream);
    }

    fn watch_listener(&mut self, listener: &mut SocketListener, token: Token) -> io::Result<()> {
        self.poll.registry().register(listener, mio::Token(token.0), mio::Interest::READABLE)
    }

    fn unwatch_listener(&mut self, listener: &mut SocketListener, _token: Token) -> io::Result<()> {
        self.poll.registry().deregister(listener)
    }

    fn accept(&mut self, listener: &mut SocketListener) -> io::Result<(SocketStream, Addr)> {
        listener.accept()
    }

    fn connect(&mut self, addr: Addr) -> io::Result<SocketStream> {
        SocketStream::connect(addr)
    }
}

fn mask(interest: Interest) -> mio::Interest {
    // mio can't ask for a hang-up or an error alone. Unread data and a known hang-up are reported only once, since this
    // is edge-triggered.
    match (interest.readable || interest.hangup || interest.error, interest.writable) {
        (true, true) => READABLE | mio::Interest::WRITABLE,
        (_, false) => READABLE,
        (false, true) => mio::Interest::WRITABLE,
    }
}

/// The events reported for input. Only Linux can report urgent data together with the rest.
#[cfg(any(target_os = "linux", target_os = "android"))]
const READABLE: mio::Interest = mio::Interest::READABLE.add(mio::Interest::PRIORITY);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const READABLE: mio::Interest = mio::Interest::READABLE;
