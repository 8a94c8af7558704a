//! A relay: moves bytes between descriptors, with one small loop that waits for whatever can proceed.
//!
//! A *source* is read, and its bytes go to one or more *sinks*, each along a route with a [`Filter`]. A source is read
//! only while all its sinks have room, and a sink is polled for writing only while it has bytes. So memory is bounded,
//! and a slow sink throttles only its own sources. When a source ends, the sinks that no other source feeds end too,
//! once they have written everything. When a sink fails, each source that feeds it is either closed, or read with its
//! bytes dropped, as its [`Unwanted`] says.
//!
//! The relay never blocks. Descriptors of our own should be non-blocking, and each write takes as much as fits.
//! Descriptors that we share with other processes, such as standard input and output, must not be made non-blocking,
//! since the flag belongs to the open file and not to the descriptor. They are read only once poll(2) reports data, and
//! written only as much as a pipe with room is sure to take.

mod route;
mod sink;
mod source;
mod stdout;

use std::io;
use std::os::fd::AsFd;
use std::ptr;
use std::rc::Rc;
use std::time::{Duration, Instant};

pub use route::{Filter, Plain, Route};
pub use sink::{AtEnd, SinkId};
pub use source::{SourceId, Unwanted};
pub use stdout::standard_output;

use crate::selector::{WakeFd, Waker};
use crate::sys::{self, PollFd};
use sink::Sink;
use source::Source;

/// The loop, and all its sources and sinks.
pub struct Relay {
    sources: Vec<Source>,
    sinks: Vec<Sink>,
    waker: Waker,
    wake_fd: WakeFd,
    now: Instant,
    moved_at: Instant,
    poll_fds: Vec<PollFd>,
    chunk: Box<[u8]>,
}

impl Relay {
    /// Creates a relay without sources or sinks.
    ///
    /// # Errors
    /// If the system has no socket pair left for the waker.
    pub fn new() -> io::Result<Relay> {
        let (waker, wake_fd) = WakeFd::new()?;
        let now = Instant::now();
        Ok(Relay {
            sources: Vec::new(),
            sinks: Vec::new(),
            waker,
            wake_fd,
            now,
            moved_at: now,
            poll_fds: Vec::new(),
            chunk: vec![0; CHUNK_LEN].into(),
        })
    }

    /// A waker that makes [`turn`](Relay::turn) return, from a signal handler or another thread.
    pub fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Adds `fd` as a sink. Without a `write_timeout`, a write may take any time.
    ///
    /// # Errors
    /// If the system can't say whether it blocks.
    pub fn add_sink(&mut self, fd: Fd, at_end: AtEnd, write_timeout: Option<Duration>) -> io::Result<SinkId> {
        self.sinks.push(Sink::new(fd, at_end, write_timeout, Instant::now())?);
        Ok(SinkId(self.sinks.len() - 1))
    }

    /// Adds `fd` as a source for all of `routes`; without any, its bytes are dropped.
    pub fn add_source(&mut self, fd: Fd, routes: Vec<Route>, unwanted: Unwanted) -> SourceId {
        self.sources.push(Source::new(fd, routes, unwanted));
        SourceId(self.sources.len() - 1)
    }

    /// Sends bytes of our own, of any length, along all of `routes`.
    pub fn push(&mut self, bytes: &[u8], routes: Vec<Route>) {
        let now = Instant::now();
        for mut route in routes {
            route.pass(bytes, &mut self.sinks, now);
            route.end(&mut self.sinks, now);
        }
    }

    /// Waits until something can proceed, and moves all bytes that can move without waiting. Returns at `deadline` at
    /// the latest, if there is one.
    ///
    /// # Errors
    /// If waiting fails. An error on a descriptor is kept with its source or sink.
    pub fn turn(&mut self, deadline: Option<Instant>) -> io::Result<Turn> {
        let first_deadline = self.sinks.iter().filter_map(Sink::deadline).chain(deadline).min();
        let woken = self.wait(first_deadline)?;
        let now = Instant::now();
        self.now = now;
        let mut moved = false;
        for (sink, found) in self.sinks.iter_mut().zip(&self.poll_fds) {
            moved |= found.is_ready() && sink.write(now);
            moved |= sink.expire(now);
        }
        for (source, found) in self.sources.iter_mut().zip(&self.poll_fds[self.sinks.len()..]) {
            moved |= found.is_readable() && source.read(&mut self.chunk, &mut self.sinks, now);
        }
        moved |= self.settle(now);
        if moved {
            self.moved_at = now;
            return Ok(Turn::Moved);
        }
        Ok(if !woken && deadline.is_some_and(|deadline| now >= deadline) { Turn::Idle } else { Turn::Woken })
    }

    /// The time of the last turn, or of creation if there was none.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The time when a byte last moved or a descriptor last ended.
    pub fn moved_at(&self) -> Instant {
        self.moved_at
    }

    /// Whether a source has ended.
    pub fn has_ended(&self, source: SourceId) -> bool {
        self.sources[source.0].fd().is_none()
    }

    /// The number of bytes received from a source.
    pub fn received(&self, source: SourceId) -> u64 {
        self.sources[source.0].received()
    }

    /// The error that ended a source, if any.
    pub fn read_error(&self, source: SourceId) -> Option<&io::Error> {
        self.sources[source.0].error()
    }

    /// Whether a sink is done: all is written, or it has failed.
    pub fn is_done(&self, sink: SinkId) -> bool {
        self.sinks[sink.0].is_gone()
    }

    /// The number of bytes a sink has not accepted yet, or never will if it has failed.
    pub fn unwritten(&self, sink: SinkId) -> usize {
        self.sinks[sink.0].unwritten()
    }

    /// The error that ended a sink, if any.
    pub fn write_error(&self, sink: SinkId) -> Option<&io::Error> {
        self.sinks[sink.0].error()
    }

    /// Removes every source and sink with this descriptor.
    pub fn let_go(&mut self, fd: &Fd) {
        let is_it = |held: Option<&Fd>| held.is_some_and(|held| ptr::addr_eq(Rc::as_ptr(held), Rc::as_ptr(fd)));
        let now = Instant::now();
        for source in self.sources.iter_mut().filter(|source| is_it(source.fd())) {
            source.end(&mut self.sinks, now);
        }
        for sink in self.sinks.iter_mut().filter(|sink| is_it(sink.fd())) {
            sink.let_go();
        }
        self.settle(now);
    }

    /// Waits, and stores the results in the sinks', the sources' and the waker's descriptors. Returns whether the waker
    /// was used.
    fn wait(&mut self, deadline: Option<Instant>) -> io::Result<bool> {
        self.poll_fds.clear();
        self.poll_fds.extend(self.sinks.iter().map(Sink::poll_fd));
        self.poll_fds.extend(self.sources.iter().map(|source| source.poll_fd(&self.sinks)));
        self.poll_fds.push(PollFd::new(&self.wake_fd, true, false));
        let timeout = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match sys::poll(&mut self.poll_fds, timeout) {
            Ok(_) => Ok(self.wake_fd.take()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                // The old results are still in them.
                self.poll_fds.fill(PollFd::NONE);
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    /// Ends sources and sinks that have nothing more to do, and returns whether there were any.
    fn settle(&mut self, now: Instant) -> bool {
        let mut ended = false;
        for source in &mut self.sources {
            if source.is_to_close(&self.sinks) {
                source.end(&mut self.sinks, now);
                ended = true;
            }
        }
        for (index, sink) in self.sinks.iter_mut().enumerate() {
            if !self.sources.iter().any(|source| source.feeds(SinkId(index))) {
                ended |= sink.end();
            }
        }
        ended
    }
}

/// The outcome of [`Relay::turn`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Something moved or ended.
    Moved,
    /// Nothing moved, but the [`Waker`] was used or a signal arrived.
    Woken,
    /// Nothing moved before the deadline.
    Idle,
}

/// A shared descriptor that is closed with its last owner. A connection is both a source and a sink.
pub type Fd = Rc<dyn AsFd>;

/// Maximum bytes read at once.
const CHUNK_LEN: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{PipeReader, PipeWriter, Read, Seek, Write};
    use std::os::unix::net::UnixStream;

    use rustix::io::ioctl_fionbio;

    use super::*;
    use crate::relay::sink::HIGH_WATER;

    /// Far longer than anything takes: a test waits this long for what must happen.
    pub const PATIENCE: Duration = Duration::from_secs(20);
    pub const SOON: Duration = Duration::from_millis(20);

    /// Both ends of a connection; the first is the relay's.
    pub fn connection() -> (Fd, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        theirs.set_read_timeout(Some(PATIENCE)).unwrap();
        (Rc::new(ours), theirs)
    }

    /// A sink, with the end from which it can be read.
    pub fn sink(relay: &mut Relay) -> (SinkId, UnixStream) {
        let (ours, theirs) = connection();
        (relay.add_sink(ours, AtEnd::LetGo, None).unwrap(), theirs)
    }

    pub fn plain(to: SinkId) -> Vec<Route> {
        vec![Route::new(to, Plain)]
    }

    /// A pipe whose reading end is a source for `to` alone.
    pub fn source(relay: &mut Relay, to: SinkId) -> (SourceId, PipeWriter) {
        let (reader, writer) = io::pipe().unwrap();
        (relay.add_source(Rc::new(reader), plain(to), Unwanted::Close), writer)
    }

    impl Relay {
        pub fn run_until(&mut self, done: impl Fn(&Relay) -> bool) {
            let until = Instant::now() + PATIENCE;
            while !done(self) {
                assert_ne!(self.turn(Some(until)).unwrap(), Turn::Idle, "nothing goes on");
            }
        }

        /// Moves all that can move.
        pub fn run_until_idle(&mut self) {
            while self.turn(Some(Instant::now() + SOON)).unwrap() != Turn::Idle {}
        }

        /// The same, without waiting for more, and only until `done`.
        pub fn run_until_idle_or(&mut self, done: impl Fn(&Relay) -> bool) {
            while !done(self) && self.turn(Some(Instant::now())).unwrap() != Turn::Idle {}
        }
    }

    pub fn to_end(mut reader: impl Read) -> Vec<u8> {
        let mut got = Vec::new();
        reader.read_to_end(&mut got).unwrap();
        got
    }

    pub fn numbers(len: usize) -> Vec<u8> {
        (0..len).map(|index| (index % 251) as u8).collect()
    }

    #[test]
    fn what_goes_in_comes_out_however_it_is_split() {
        let all = numbers(40);
        for first in 0..=all.len() {
            for second in first..=all.len() {
                let mut relay = Relay::new().unwrap();
                let (to, reader) = sink(&mut relay);
                let (from, mut writer) = source(&mut relay, to);
                for (count, piece) in [&all[..first], &all[first..second], &all[second..]].into_iter().enumerate() {
                    writer.write_all(piece).unwrap();
                    let so_far = [first, second, all.len()][count] as u64;
                    relay.run_until(|relay| relay.received(from) == so_far && relay.unwritten(to) == 0);
                }
                drop(writer);
                relay.run_until(|relay| relay.is_done(to));
                assert!(relay.has_ended(from) && relay.read_error(from).is_none() && relay.write_error(to).is_none());
                assert_eq!(to_end(reader), all);
            }
        }
    }

    #[test]
    fn a_sink_ends_with_the_last_that_feeds_it() {
        let mut relay = Relay::new().unwrap();
        let (to, reader) = sink(&mut relay);
        let (first, one) = source(&mut relay, to);
        let (_, mut other) = source(&mut relay, to);
        drop(one);
        relay.run_until(|relay| relay.has_ended(first));
        assert!(!relay.is_done(to));
        other.write_all(b"late").unwrap();
        drop(other);
        relay.run_until(|relay| relay.is_done(to));
        assert_eq!(to_end(reader), b"late");
    }

    #[test]
    fn who_is_slow_is_waited_for_in_bounded_memory() {
        let all = numbers(2 << 20);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&all).unwrap();
        file.rewind().unwrap();
        let mut relay = Relay::new().unwrap();
        let (to, mut reader) = sink(&mut relay);
        let from = relay.add_source(Rc::new(file), plain(to), Unwanted::Close);
        relay.run_until_idle();
        assert!((HIGH_WATER..HIGH_WATER + CHUNK_LEN).contains(&relay.unwritten(to)), "{}", relay.unwritten(to));
        let before = relay.received(from);
        assert!(before < all.len() as u64, "the rest is still where it was");
        relay.run_until_idle();
        assert_eq!(relay.received(from), before);

        let mut got = Vec::new();
        let mut piece = vec![0; 50_000];
        while got.len() < all.len() {
            let len = reader.read(&mut piece).unwrap();
            got.extend_from_slice(&piece[..len]);
            relay.run_until_idle_or(|relay| relay.is_done(to));
            assert!(relay.unwritten(to) < HIGH_WATER + CHUNK_LEN);
        }
        assert!(got == all);
    }

    #[test]
    fn the_slowest_of_several_sinks_is_waited_for() {
        let mut relay = Relay::new().unwrap();
        let ((slow, slow_reader), (quick, mut quick_reader)) = (sink(&mut relay), sink(&mut relay));
        let routes = vec![Route::new(slow, Plain), Route::new(quick, Plain)];
        let source = relay.add_source(Rc::new(File::open("/dev/zero").unwrap()), routes, Unwanted::Close);
        quick_reader.set_nonblocking(true).unwrap();
        let mut piece = vec![0; 1 << 20];
        let mut read_all = || while matches!(quick_reader.read(&mut piece), Ok(1..)) {};
        while relay.unwritten(slow) < HIGH_WATER || relay.unwritten(quick) > 0 {
            relay.turn(Some(Instant::now() + PATIENCE)).unwrap();
            read_all();
        }
        relay.run_until_idle();
        assert!(relay.unwritten(slow) < HIGH_WATER + CHUNK_LEN && !relay.has_ended(source));
        // A failed sink takes its sources along, if they are to be closed.
        drop(slow_reader);
        relay.run_until(|relay| relay.is_done(slow));
        assert!(relay.write_error(slow).is_some() && relay.unwritten(slow) > 0);
        relay.run_until(|relay| relay.has_ended(source));
    }

    #[test]
    fn a_turn_ends_at_its_deadline_or_when_it_is_woken() {
        let mut relay = Relay::new().unwrap();
        let (to, _reader) = sink(&mut relay);
        let (_, _writer) = source(&mut relay, to);
        let until = Instant::now() + SOON;
        while relay.turn(Some(until)).unwrap() != Turn::Idle {}
        assert!(relay.now() >= until && relay.moved_at() < until);
        relay.waker().wake();
        assert_eq!(relay.turn(None).unwrap(), Turn::Woken);
        let waker = relay.waker().clone();
        std::thread::scope(|scope| {
            scope.spawn(move || waker.wake());
            assert_eq!(relay.turn(None).unwrap(), Turn::Woken);
        });
    }

    #[test]
    fn letting_go_of_a_descriptor_closes_it_on_both_ways() {
        let mut relay = Relay::new().unwrap();
        let (ours, peer) = connection();
        let to = relay.add_sink(Rc::clone(&ours), AtEnd::LetGo, None).unwrap();
        let (back, _reader) = sink(&mut relay);
        let from = relay.add_source(Rc::clone(&ours), plain(back), Unwanted::Drop);
        let (input, _writer) = source(&mut relay, to);
        relay.let_go(&ours);
        drop(ours);
        assert!(relay.is_done(to) && relay.has_ended(from) && relay.is_done(back) && relay.has_ended(input));
        assert_eq!(to_end(peer), b"");
    }

    #[test]
    fn both_ways_at_once_through_pipes_that_do_not_block() {
        // An echo: the relay reads back what it writes into a pipe.
        let (reader, writer): (PipeReader, PipeWriter) = io::pipe().unwrap();
        for end in [reader.as_fd(), writer.as_fd()] {
            ioctl_fionbio(end, true).unwrap();
        }
        let mut relay = Relay::new().unwrap();
        let (ours, mut peer) = connection();
        let to_echo = relay.add_sink(Rc::new(writer), AtEnd::LetGo, None).unwrap();
        let to_peer = relay.add_sink(Rc::clone(&ours), AtEnd::HalfClose, None).unwrap();
        relay.add_source(ours, plain(to_echo), Unwanted::Drop);
        relay.add_source(Rc::new(reader), plain(to_peer), Unwanted::Close);
        let all = numbers(3 << 20);
        std::thread::scope(|scope| {
            let mut sender = peer.try_clone().unwrap();
            scope.spawn({
                let all = &all;
                move || {
                    sender.write_all(all).unwrap();
                    sender.shutdown(std::net::Shutdown::Write).unwrap();
                }
            });
            let got = scope.spawn(move || {
                let mut got = Vec::new();
                peer.read_to_end(&mut got).unwrap();
                got
            });
            relay.run_until(|relay| relay.is_done(to_peer));
            assert!(got.join().unwrap() == all);
        });
    }
}
