//! poll(2) by hand: an array of descriptors, passed to the system at each call.
//!
//! The array is kept from call to call, and a connection that comes, goes, or changes its interest changes one entry.
//! The cost is in each call: the system checks every descriptor, ready or not, and so do we, until we have found as
//! many as it has counted. epoll was designed to avoid that.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

use super::socket::{SocketListener, SocketStream};
use super::{Event, Interest, Readiness, Selector, Token, WakeFd, Waker};
use crate::address::Addr;
use crate::sys::{self, PollFd};

/// The token of the wake-up descriptor.
const WAKE: Token = Token(usize::MAX);

/// A selector on poll(2), which reports readiness as long as it lasts.
#[derive(Debug)]
pub struct PollSelector {
    /// The array for poll(2), in no particular order.
    fds: Vec<PollFd>,
    /// The tokens of `fds`, entry by entry.
    tokens: Vec<Token>,
    /// The index in `fds` of each descriptor. The system assigns the lowest free number, so the length is at most the
    /// highest number of descriptors open at once.
    places: Vec<Option<usize>>,
    waker: Waker,
    wake_fd: WakeFd,
}

impl PollSelector {
    /// Creates a selector that watches nothing.
    ///
    /// # Errors
    /// If the system has no descriptors left.
    pub fn new() -> io::Result<Self> {
        let (waker, wake_fd) = WakeFd::new()?;
        let wake = PollFd::new(&wake_fd, true, false);
        let mut selector = PollSelector { fds: Vec::new(), tokens: Vec::new(), places: Vec::new(), waker, wake_fd };
        selector.add(wake, WAKE);
        Ok(selector)
    }

    fn add(&mut self, fd: PollFd, token: Token) {
        if let Some(place) = self.place(fd.fd()) {
            // A stream was dropped without being closed here, and its descriptor number now belongs to this one.
            self.fds[place] = fd;
            self.tokens[place] = token;
            return;
        }
        let index = index(fd.fd());
        if index >= self.places.len() {
            self.places.resize(index + 1, None);
        }
        self.places[index] = Some(self.fds.len());
        self.fds.push(fd);
        self.tokens.push(token);
    }

    fn remove(&mut self, fd: RawFd) -> io::Result<()> {
        let place = self.place(fd).ok_or(io::ErrorKind::NotFound)?;
        self.places[index(fd)] = None;
        self.fds.swap_remove(place);
        self.tokens.swap_remove(place);
        if let Some(moved) = self.fds.get(place) {
            self.places[index(moved.fd())] = Some(place);
        }
        Ok(())
    }

    fn place(&self, fd: RawFd) -> Option<usize> {
        self.places.get(index(fd)).copied().flatten()
    }
}

fn index(fd: RawFd) -> usize {
    usize::try_from(fd).expect("an open descriptor is not negative")
}

impl Selector for PollSelector {
    type Stream = SocketStream;
    type Listener = SocketListener;

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn select(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        let count = match sys::poll(&mut self.fds, timeout) {
            // A signal arrived; anything its handler left for us is read as a wake-up.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            result => result?,
        };
        let ready = self.fds.iter().zip(&self.tokens).filter(|(fd, _)| fd.is_ready()).take(count);
        for (fd, &token) in ready {
            if token == WAKE {
                self.wake_fd.take();
                continue;
            }
            events.push(Event { token, readiness: Readiness::from(fd) });
        }
        Ok(())
    }

    fn waker(&self) -> Waker {
        self.waker.clone()
    }

    fn register(&mut self, stream: &mut SocketStream, token: Token, interest: Interest) -> io::Result<()> {
        self.add(interest.poll_fd(stream), token);
        Ok(())
    }

    fn reregister(&mut self, stream: &mut SocketStream, token: Token, interest: Interest) -> io::Result<()> {
        let place = self.place(stream.as_raw_fd()).ok_or(io::ErrorKind::NotFound)?;
        self.fds[place] = interest.poll_fd(stream);
        self.tokens[place] = token;
        Ok(())
    }

    fn deregister(&mut self, stream: &mut SocketStream, _token: Token) -> io::Result<()> {
        self.remove(stream.as_raw_fd())
    }

    fn close(&mut self, stream: SocketStream, _token: Token) {
        // The entry must go before its number is reused. A stream that was never registered has none.
        let _ = self.remove(stream.as_raw_fd());
        drop(stream);
    }

    fn watch_listener(&mut self, listener: &mut SocketListener, token: Token) -> io::Result<()> {
        self.add(PollFd::new(listener, true, false), token);
        Ok(())
    }

    fn unwatch_listener(&mut self, listener: &mut SocketListener, _token: Token) -> io::Result<()> {
        self.remove(listener.as_raw_fd())
    }

    fn accept(&mut self, listener: &mut SocketListener) -> io::Result<(SocketStream, Addr)> {
        listener.accept()
    }

    fn connect(&mut self, addr: Addr) -> io::Result<SocketStream> {
        SocketStream::connect(addr)
    }
}

impl Interest {
    /// The entry for poll(2) with this interest. Errors are reported in any case.
    pub(crate) fn poll_fd(self, stream: &SocketStream) -> PollFd {
        let fd = PollFd::new(stream, self.readable, self.writable);
        if self.hangup { fd.with_hangup() } else { fd }
    }
}

/// The readiness that poll(2) found.
impl From<&PollFd> for Readiness {
    fn from(fd: &PollFd) -> Readiness {
        Readiness {
            readable: fd.is_readable(),
            writable: fd.is_writable(),
            read_closed: fd.is_read_closed(),
            urgent: false,
        }
    }
}
