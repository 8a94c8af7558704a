//! select(2) by hand: sets of bits, one for each descriptor.
//!
//! The sets of watched descriptors are kept, and copied for each call, which overwrites them with the ready ones. A
//! bit's index is the descriptor's number: the system, and then we, go through every number up to the highest, watched
//! or not. The sets end at [`FdSet::LEN`]: a higher descriptor can't be watched at all.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::{Duration, Instant};

use super::socket::{SocketListener, SocketStream};
use super::{Event, Interest, Readiness, Selector, Token, WakeFd, Waker};
use crate::address::Addr;
use crate::sys::{self, FdSet};

/// The token of the wake-up descriptor.
const WAKE: Token = Token(usize::MAX);

/// A selector on select(2), which reports readiness as long as it lasts, for descriptors below the limit.
///
/// It can't report that a peer has ended its sending side, or that a connection is broken, before a read finds out:
/// [`Interest::hangup`] and [`Interest::error`] have no effect. If a registered stream is dropped without being
/// [closed](Selector::close), every [`select`](Selector::select) fails.
#[derive(Debug)]
pub struct SelectSelector {
    /// Descriptors watched for reading.
    reading: FdSet,
    /// Descriptors watched for writing.
    writing: FdSet,
    /// The token of each watched descriptor, up to the highest.
    tokens: Vec<Option<Token>>,
    waker: Waker,
    wake_fd: WakeFd,
}

impl SelectSelector {
    /// Creates a selector that watches nothing.
    ///
    /// # Errors
    /// If the system has no descriptors left, or only ones that are too high.
    pub fn new() -> io::Result<Self> {
        let (waker, wake_fd) = WakeFd::new()?;
        let fd = wake_fd.as_fd().as_raw_fd();
        let (reading, writing) = (FdSet::new(), FdSet::new());
        let mut selector = SelectSelector { reading, writing, tokens: Vec::new(), waker, wake_fd };
        selector.watch(fd, WAKE, Interest::READ)?;
        Ok(selector)
    }

    /// Watches a descriptor, or changes its interest.
    fn watch(&mut self, fd: RawFd, token: Token, interest: Interest) -> io::Result<()> {
        let index = FdSet::index(fd).map_err(io::Error::other)?;
        if index >= self.tokens.len() {
            self.tokens.resize(index + 1, None);
        }
        self.tokens[index] = Some(token);
        self.reading.set(index, interest.readable);
        self.writing.set(index, interest.writable);
        Ok(())
    }

    fn unwatch(&mut self, fd: RawFd) -> io::Result<()> {
        let index = self.watched(fd)?;
        self.tokens[index] = None;
        self.reading.set(index, false);
        self.writing.set(index, false);
        // Nothing above the highest needs checking.
        let len = self.tokens.iter().rposition(Option::is_some).map_or(0, |highest| highest + 1);
        self.tokens.truncate(len);
        Ok(())
    }

    /// The index of a watched descriptor.
    fn watched(&self, fd: RawFd) -> io::Result<usize> {
        let index = FdSet::index(fd).map_err(io::Error::other)?;
        match self.tokens.get(index) {
            Some(Some(_)) => Ok(index),
            Some(None) | None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl Selector for SelectSelector {
    type Stream = SocketStream;
    type Listener = SocketListener;

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn select(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        let (mut readable, mut writable) = (self.reading, self.writing);
        let mut bits = match sys::select(self.tokens.len(), &mut readable, &mut writable, timeout) {
            // A signal arrived; anything its handler left for us is read as a wake-up.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            result => result?,
        };
        for (index, token) in self.tokens.iter().enumerate() {
            if bits == 0 {
                break;
            }
            let Some(token) = *token else { continue };
            let (readable, writable) = (readable.has(index), writable.has(index));
            // select(2) counts a descriptor once for each set.
            bits = bits.saturating_sub(usize::from(readable) + usize::from(writable));
            if token == WAKE && readable {
                self.wake_fd.take();
            } else if readable || writable {
                events.push(Event { token, readiness: Readiness { readable, writable, ..Readiness::default() } });
            }
        }
        Ok(())
    }

    fn waker(&self) -> Waker {
        self.waker.clone()
    }

    fn can_watch(&self, stream: &SocketStream) -> Result<(), String> {
        FdSet::index(stream.as_raw_fd()).map(drop).map_err(|beyond| beyond.to_string())
    }

    fn register(&mut self, stream: &mut SocketStream, token: Token, interest: Interest) -> io::Result<()> {
        self.watch(stream.as_raw_fd(), token, interest)
    }

    fn reregister(&mut self, stream: &mut SocketStream, token: Token, interest: Interest) -> io::Result<()> {
        self.watched(stream.as_raw_fd())?;
        self.watch(stream.as_raw_fd(), token, interest)
    }

    fn deregister(&mut self, stream: &mut SocketStream, _token: Token) -> io::Result<()> {
        self.unwatch(stream.as_raw_fd())
    }

    fn close(&mut self, stream: SocketStream, _token: Token) {
        // The bits must go before its number is reused. A stream that was never registered has none.
        let _ = self.unwatch(stream.as_raw_fd());
        drop(stream);
    }

    fn watch_listener(&mut self, listener: &mut SocketListener, token: Token) -> io::Result<()> {
        self.watch(listener.as_raw_fd(), token, Interest::READ)
    }

    fn unwatch_listener(&mut self, listener: &mut SocketListener, _token: Token) -> io::Result<()> {
        self.unwatch(listener.as_raw_fd())
    }

    fn accept(&mut self, listener: &mut SocketListener) -> io::Result<(SocketStream, Addr)> {
        listener.accept()
    }

    fn connect(&mut self, addr: Addr) -> io::Result<SocketStream> {
        let stream = SocketStream::connect(addr)?;
        self.can_watch(&stream).map_err(io::Error::other)?;
        Ok(stream)
    }
}
