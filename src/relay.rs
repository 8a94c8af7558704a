//! A relay: bytes from some descriptors to others, and one small loop that waits for what can go on.
//!
//! A *source* is read, and what it gives goes to one *sink* or several, each way through a [`Filter`]. A source is read
//! only while all its sinks have room, and a sink is waited for only while it has bytes: so memory is bounded, and who is
//! slow slows down who feeds him, and nobody else. When a source ends, the sinks that nothing else feeds end too, once all
//! of theirs is written. A sink that is gone ends the sources that feed it, or else they are read and what they give is
//! dropped: that's asked of each source, as [`Unwanted`].
//!
//! It never blocks. Descriptors of our own had better be non-blocking, and are written as much as they take. Those that we
//! share with others, as standard input and output with the shell and all that it starts, must not be made so, since the
//! flag is the open file's and not the descriptor's. They are read once poll(2) has said that there is something, and
//! written no more than what a pipe that has room is sure to take.

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

/// The loop, and all that it moves bytes between.
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
    /// One that moves nothing yet.
    ///
    /// # Errors
    /// If the system has no socket pair left to be woken by.
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

    /// Makes [`turn`](Relay::turn) return, from a signal handler or another thread.
    pub fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Writes to `fd` from now on. Without a `write_timeout` it may take as long as it likes.
    ///
    /// # Errors
    /// If the system can't tell whether it blocks.
    pub fn add_sink(&mut self, fd: Fd, at_end: AtEnd, write_timeout: Option<Duration>) -> io::Result<SinkId> {
        self.sinks.push(Sink::new(fd, at_end, write_timeout, Instant::now())?);
        Ok(SinkId(self.sinks.len() - 1))
    }

    /// Reads from `fd` from now on, for all of `routes`; without any, what comes is dropped.
    pub fn add_source(&mut self, fd: Fd, routes: Vec<Route>, unwanted: Unwanted) -> SourceId {
        self.sources.push(Source::new(fd, routes, unwanted));
        SourceId(self.sources.len() - 1)
    }

    /// Sends bytes of our own, however many, by all of `routes`.
    pub fn push(&mut self, bytes: &[u8], routes: Vec<Route>) {
        let now = Instant::now();
        for mut route in routes {
            route.pass(bytes, &mut self.sinks, now);
            route.end(&mut self.sinks, now);
        }
    }

    /// Waits until something can go on, and moves what can be moved without waiting. Returns at `deadline` in any case, if
    /// there is one.
    ///
    /// # Errors
    /// If the system refuses to wait. What goes wrong with a descriptor is kept with it.
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

    /// When the last turn was, or else when this was made.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// When something moved last, or ended.
    pub fn moved_at(&self) -> Instant {
        self.moved_at
    }

    /// Whether there is nothing more to come from a source.
    pub fn has_ended(&self, source: SourceId) -> bool {
        self.sources[source.0].fd().is_none()
    }

    /// How many bytes have come from a source.
    pub fn received(&self, source: SourceId) -> u64 {
        self.sources[source.0].received()
    }

    /// What a source ended with, if that was an error.
    pub fn read_error(&self, source: SourceId) -> Option<&io::Error> {
        self.sources[source.0].error()
    }

    /// Whether nothing more goes to a sink: all is written, or it's gone.
    pub fn is_done(&self, sink: SinkId) -> bool {
        self.sinks[sink.0].is_gone()
    }

    /// How many bytes a sink has not taken yet; or never will, if it's gone.
    pub fn unwritten(&self, sink: SinkId) -> usize {
        self.sinks[sink.0].unwritten()
    }

    /// What a sink is gone of.
    pub fn write_error(&self, sink: SinkId) -> Option<&io::Error> {
        self.sinks[sink.0].error()
    }

    /// Lets go of every source and sink that has this descriptor.
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

    /// Waits, and leaves what was found in the descriptors: the sinks', the sources', and that of the waker, which is
    /// told.
    fn wait(&mut self, deadline: Option<Instant>) -> io::Result<bool> {
        self.poll_fds.clear();
        self.poll_fds.extend(self.sinks.iter().map(Sink::poll_fd));
        self.poll_fds.extend(self.sources.iter().map(|source| source.poll_fd(&self.sinks)));
        self.poll_fds.push(PollFd::new(&self.wake_fd, true, false));
        let timeout = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match sys::poll(&mut self.poll_fds, timeout) {
            Ok(_) => Ok(self.wake_fd.take()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                // What is in them is what was found before.
                self.poll_fds.fill(PollFd::NONE);
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    /// Ends what has nothing more to do, and tells whether there was such.
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

/// What [`Relay::turn`] was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Something has moved, or ended.
    Moved,
    /// Nothing has, but the [`Waker`] was used, or a signal has come.
    Woken,
    /// Nothing has until the deadline.
    Idle,
}

/// A descriptor that closes itself when nobody has it any more. A connection is a source and a sink.
pub type Fd = Rc<dyn AsFd>;

/// Bytes read at once.
const CHUNK_LEN: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{PipeReader, PipeWriter, Read, Seek, Write};
    use std::os::unix::net::UnixStream;

    use rustix::io::ioctl_fionbio;

    use super::*;
    use crate::relay::sink::HIGH_WATER;

    /// Far longer than anything takes: what is waited for has to happen.
    pub const PATIENCE: Duration = Duration::from_secs(20);
    pub const SOON: Duration = Duration::from_millis(20);

    /// Both ends of a connection, of which the first is the relay's.
    pub fn connection() -> (Fd, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        theirs.set_read_timeout(Some(PATIENCE)).unwrap();
        (Rc::new(ours), theirs)
    }

    /// A sink that somebody reads.
    pub fn sink(relay: &mut Relay) -> (SinkId, UnixStream) {
        let (ours, theirs) = connection();
        (relay.add_sink(ours, AtEnd::LetGo, None).unwrap(), theirs)
    }

    pub fn plain(to: SinkId) -> Vec<Route> {
        vec![Route::new(to, Plain)]
    }

    /// A pipe with a source at its end, for `to` alone.
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

        /// Moves all that can be moved.
        pub fn run_until_idle(&mut self) {
            while self.turn(Some(Instant::now() + SOON)).unwrap() != Turn::Idle {}
        }

        /// The same, but without waiting for more, and only until then.
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
        // One that is gone takes what feeds it along, if that is to be closed.
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
        // An echo: what the relay writes into a pipe it reads back from it.
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
