//! Sources: each is read while its sinks have room.

use std::io;
use std::time::Instant;

use rustix::io::Errno;

use super::Fd;
use super::route::Route;
use super::sink::{Sink, SinkId};
use crate::sys::PollFd;

/// A source of this relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceId(pub(super) usize);

/// How a source reacts when a sink that it feeds has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unwanted {
    /// It's closed: a program that writes to it gets an error.
    Close,
    /// It's read to its end: a peer that reads only after sending everything gets to that point.
    Drop,
}

pub struct Source {
    /// `None` once it has ended.
    fd: Option<Fd>,
    routes: Vec<Route>,
    unwanted: Unwanted,
    received: u64,
    error: Option<io::Error>,
}

impl Source {
    pub fn new(fd: Fd, routes: Vec<Route>, unwanted: Unwanted) -> Source {
        Source { fd: Some(fd), routes, unwanted, received: 0, error: None }
    }

    /// The entry for poll(2): none while it may not be read, since its end would be reported over and over.
    pub fn poll_fd(&self, sinks: &[Sink]) -> PollFd {
        match &self.fd {
            Some(fd) if self.routes.iter().all(|route| sinks[route.to().0].has_room()) => PollFd::new(fd, true, false),
            _ => PollFd::NONE,
        }
    }

    /// Reads at most a chunk and moves it to the sinks. Returns whether there was data, the end or an error.
    pub fn read(&mut self, chunk: &mut [u8], sinks: &mut [Sink], now: Instant) -> bool {
        let Some(fd) = &self.fd else { return false };
        let chunk = match rustix::io::read(fd, &mut *chunk) {
            Ok(0) => &[],
            Ok(len) => &chunk[..len],
            Err(Errno::AGAIN | Errno::INTR) => return false,
            Err(errno) => {
                self.error = Some(errno.into());
                &[]
            }
        };
        if chunk.is_empty() {
            self.end(sinks, now);
            return true;
        }
        self.received += chunk.len() as u64;
        for route in &mut self.routes {
            route.pass(chunk, sinks, now);
        }
        true
    }

    pub fn end(&mut self, sinks: &mut [Sink], now: Instant) {
        self.fd = None;
        for route in &mut self.routes {
            route.end(sinks, now);
        }
    }

    /// Whether to close it because a sink that it feeds has failed.
    pub fn is_to_close(&self, sinks: &[Sink]) -> bool {
        let feeds_one_that_is_gone = || self.routes.iter().any(|route| sinks[route.to().0].is_gone());
        self.fd.is_some() && self.unwanted == Unwanted::Close && feeds_one_that_is_gone()
    }

    /// Whether more bytes may come from it for this sink.
    pub fn feeds(&self, sink: SinkId) -> bool {
        self.fd.is_some() && self.routes.iter().any(|route| route.to() == sink)
    }

    /// Its descriptor, unless it has ended.
    pub fn fd(&self) -> Option<&Fd> {
        self.fd.as_ref()
    }

    pub fn received(&self) -> u64 {
        self.received
    }

    pub fn error(&self) -> Option<&io::Error> {
        self.error.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::rc::Rc;

    use super::*;
    use crate::relay::tests::{SOON, connection, numbers, plain, sink, source, to_end};
    use crate::relay::{Relay, Turn};

    #[test]
    fn an_end_that_can_not_be_taken_yet_is_not_asked_for() {
        let mut relay = Relay::new().unwrap();
        let (to, reader) = sink(&mut relay);
        relay.push(&numbers(1 << 20), plain(to));
        let (from, writer) = source(&mut relay, to);
        drop(writer);
        relay.run_until_idle();
        // Otherwise poll(2) would report it at once, again and again.
        assert_eq!(relay.turn(Some(Instant::now() + SOON)).unwrap(), Turn::Idle);
        assert!(!relay.has_ended(from));
        std::thread::scope(|scope| {
            let got = scope.spawn(|| to_end(reader));
            relay.run_until(|relay| relay.is_done(to));
            assert!(got.join().unwrap() == numbers(1 << 20));
        });
    }

    #[test]
    fn who_writes_for_nobody_is_told() {
        let mut relay = Relay::new().unwrap();
        let (to, reader) = sink(&mut relay);
        let (from, mut writer) = source(&mut relay, to);
        // With no bytes to write, the failure is noticed all the same.
        drop(reader);
        relay.run_until(|relay| relay.has_ended(from));
        assert_eq!(relay.write_error(to).unwrap().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(writer.write(b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn who_speaks_to_nobody_can_say_it_all() {
        let mut relay = Relay::new().unwrap();
        let (to, reader) = sink(&mut relay);
        let (ours, mut peer) = connection();
        let from = relay.add_source(ours, plain(to), Unwanted::Drop);
        drop(reader);
        relay.run_until(|relay| relay.is_done(to));
        assert!(!relay.has_ended(from));
        let all = numbers(4 << 20);
        let len = all.len() as u64;
        std::thread::scope(|scope| {
            scope.spawn(move || peer.write_all(&all).unwrap());
            relay.run_until(|relay| relay.has_ended(from));
        });
        assert_eq!((relay.received(from), relay.unwritten(to)), (len, 0));
    }

    #[test]
    fn an_error_of_reading_is_kept() {
        let mut relay = Relay::new().unwrap();
        let (to, reader) = sink(&mut relay);
        let from = relay.add_source(Rc::new(File::open("/").unwrap()), plain(to), Unwanted::Close);
        relay.run_until(|relay| relay.is_done(to));
        assert_eq!(relay.read_error(from).unwrap().kind(), io::ErrorKind::IsADirectory);
        assert_eq!(to_end(reader), b"");
    }
}
