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

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, fcntl_getfl, open};
use rustix::io::Errno;
use rustix::net::{Shutdown, shutdown};
use rustix::termios::{isatty, ttyname};

use crate::selector::{WakeFd, Waker};
use crate::sys::{self, PollFd};

/// Bytes in a sink from which on nothing more is read for it.
pub const HIGH_WATER: usize = 64 << 10;
/// Bytes read at once.
const CHUNK_LEN: usize = 16 << 10;

/// A descriptor that closes itself when nobody has it any more. A connection is a source and a sink.
pub type Fd = Rc<dyn AsFd>;

/// What is done to bytes on their way.
pub trait Filter {
    /// Hands on what these bytes become.
    fn pass(&mut self, bytes: &[u8], out: &mut VecDeque<u8>);

    /// Hands on what is still to come after the last of them.
    fn end(&mut self, _out: &mut VecDeque<u8>) {}
}

/// Bytes as they are.
pub struct Plain;

impl Filter for Plain {
    fn pass(&mut self, bytes: &[u8], out: &mut VecDeque<u8>) {
        out.extend(bytes);
    }
}

/// The way from a source to a sink.
pub struct Route {
    to: SinkId,
    filter: Box<dyn Filter>,
}

impl Route {
    pub fn new(to: SinkId, filter: impl Filter + 'static) -> Route {
        Route { to, filter: Box::new(filter) }
    }
}

/// What becomes of a source when a sink that it feeds is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unwanted {
    /// It's closed: a program that writes to it is told so.
    Close,
    /// It's read to its end: a peer that only listens once it has said everything can do so.
    Drop,
}

/// What becomes of a sink when all is written and nothing feeds it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtEnd {
    /// It's let go of, which closes it unless somebody else has it.
    LetGo,
    /// A connection's sending side is ended: the peer reads the end, and may go on sending.
    HalfClose,
}

/// A source of this relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceId(usize);

/// A sink of this relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SinkId(usize);

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

struct Source {
    /// None once it has ended.
    fd: Option<Fd>,
    routes: Vec<Route>,
    unwanted: Unwanted,
    received: u64,
    error: Option<io::Error>,
}

struct Sink {
    /// None once it has ended or is gone.
    fd: Option<Fd>,
    buffer: VecDeque<u8>,
    /// Most bytes to write at once.
    piece_len_max: usize,
    at_end: AtEnd,
    /// How long it may take nothing of what is there for it.
    write_timeout: Option<Duration>,
    /// When it last took something, or was first asked to.
    taken_at: Instant,
    /// What it was gone of.
    error: Option<io::Error>,
}

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
    /// Where the system has no socket pair left to be woken by.
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
    /// Where the system can't tell whether it blocks.
    pub fn add_sink(&mut self, fd: Fd, at_end: AtEnd, write_timeout: Option<Duration>) -> io::Result<SinkId> {
        let blocks = !fcntl_getfl(&fd)?.contains(OFlags::NONBLOCK);
        self.sinks.push(Sink {
            fd: Some(fd),
            buffer: VecDeque::new(),
            piece_len_max: if blocks { libc::PIPE_BUF } else { usize::MAX },
            at_end,
            write_timeout,
            taken_at: Instant::now(),
            error: None,
        });
        Ok(SinkId(self.sinks.len() - 1))
    }

    /// Reads from `fd` from now on, for all of `routes`; without any, what comes is dropped.
    pub fn add_source(&mut self, fd: Fd, routes: Vec<Route>, unwanted: Unwanted) -> SourceId {
        self.sources.push(Source { fd: Some(fd), routes, unwanted, received: 0, error: None });
        SourceId(self.sources.len() - 1)
    }

    /// Sends bytes of our own, however many, by all of `routes`.
    pub fn push(&mut self, bytes: &[u8], routes: Vec<Route>) {
        let now = Instant::now();
        for Route { to, mut filter } in routes {
            self.sinks[to.0].take(now, |out| {
                filter.pass(bytes, out);
                filter.end(out);
            });
        }
    }

    /// Waits until something can go on, and moves what can be moved without waiting. Returns at `deadline` in any case, if
    /// there is one.
    ///
    /// # Errors
    /// Where the system refuses to wait. What goes wrong with a descriptor is kept with it.
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
        self.sources[source.0].fd.is_none()
    }

    /// How many bytes have come from a source.
    pub fn received(&self, source: SourceId) -> u64 {
        self.sources[source.0].received
    }

    /// What a source ended with, if that was an error.
    pub fn read_error(&self, source: SourceId) -> Option<&io::Error> {
        self.sources[source.0].error.as_ref()
    }

    /// Whether nothing more goes to a sink: all is written, or it's gone.
    pub fn is_done(&self, sink: SinkId) -> bool {
        self.sinks[sink.0].fd.is_none()
    }

    /// How many bytes a sink has not taken yet; or never will, if it's gone.
    pub fn unwritten(&self, sink: SinkId) -> usize {
        self.sinks[sink.0].buffer.len()
    }

    /// What a sink is gone of.
    pub fn write_error(&self, sink: SinkId) -> Option<&io::Error> {
        self.sinks[sink.0].error.as_ref()
    }

    /// Lets go of every source and sink that has this descriptor.
    pub fn let_go(&mut self, fd: &Fd) {
        let is_it =
            |held: &Option<Fd>| held.as_ref().is_some_and(|held| ptr::addr_eq(Rc::as_ptr(held), Rc::as_ptr(fd)));
        for source in self.sources.iter_mut().filter(|source| is_it(&source.fd)) {
            source.fd = None;
        }
        for sink in self.sinks.iter_mut().filter(|sink| is_it(&sink.fd)) {
            sink.fd = None;
        }
        self.settle(Instant::now());
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
        for source in self.sources.iter_mut().filter(|source| source.fd.is_some()) {
            if source.unwanted == Unwanted::Close && source.routes.iter().any(|route| self.sinks[route.to.0].is_gone())
            {
                source.end(&mut self.sinks, now);
                ended = true;
            }
        }
        for (index, sink) in self.sinks.iter_mut().enumerate() {
            let mut feeding =
                self.sources.iter().filter(|source| source.fd.is_some()).flat_map(|source| &source.routes);
            if sink.buffer.is_empty() && !feeding.any(|route| route.to.0 == index) {
                ended |= sink.end();
            }
        }
        ended
    }
}

impl Source {
    /// What to ask of it. It's not even looked at while it may not be read, since its end would be told over and over.
    fn poll_fd(&self, sinks: &[Sink]) -> PollFd {
        let has_room = |route: &Route| sinks[route.to.0].buffer.len() < HIGH_WATER || sinks[route.to.0].is_gone();
        match &self.fd {
            Some(fd) if self.routes.iter().all(has_room) => PollFd::new(fd, true, false),
            _ => PollFd::NONE,
        }
    }

    fn read(&mut self, chunk: &mut [u8], sinks: &mut [Sink], now: Instant) -> bool {
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
            sinks[route.to.0].take(now, |out| route.filter.pass(chunk, out));
        }
        true
    }

    fn end(&mut self, sinks: &mut [Sink], now: Instant) {
        self.fd = None;
        for route in &mut self.routes {
            sinks[route.to.0].take(now, |out| route.filter.end(out));
        }
    }
}

impl Sink {
    fn is_gone(&self) -> bool {
        self.fd.is_none()
    }

    /// What to ask of it: whether it's broken, at least.
    fn poll_fd(&self) -> PollFd {
        self.fd.as_ref().map_or(PollFd::NONE, |fd| PollFd::new(fd, false, !self.buffer.is_empty()))
    }

    fn deadline(&self) -> Option<Instant> {
        let is_waited_for = self.fd.is_some() && !self.buffer.is_empty();
        self.write_timeout.filter(|_| is_waited_for).map(|timeout| self.taken_at + timeout)
    }

    /// Has something put into its buffer, unless it's gone.
    fn take(&mut self, now: Instant, put: impl FnOnce(&mut VecDeque<u8>)) {
        if self.is_gone() {
            return;
        }
        if self.buffer.is_empty() {
            self.taken_at = now;
        }
        put(&mut self.buffer);
    }

    fn write(&mut self, now: Instant) -> bool {
        let Some(fd) = &self.fd else { return false };
        let (bytes, _) = self.buffer.as_slices();
        if bytes.is_empty() {
            // Nothing was asked, so it's broken.
            return self.fail(io::ErrorKind::BrokenPipe.into());
        }
        match rustix::io::write(fd, &bytes[..bytes.len().min(self.piece_len_max)]) {
            Ok(len) => {
                self.buffer.drain(..len);
                self.taken_at = now;
                len > 0
            }
            Err(Errno::AGAIN | Errno::INTR) => false,
            Err(errno) => self.fail(errno.into()),
        }
    }

    fn expire(&mut self, now: Instant) -> bool {
        self.deadline().is_some_and(|deadline| now >= deadline) && self.fail(io::ErrorKind::TimedOut.into())
    }

    fn fail(&mut self, error: io::Error) -> bool {
        self.error = Some(error);
        self.fd = None;
        true
    }

    /// All is written, and nothing more comes.
    fn end(&mut self) -> bool {
        let Some(fd) = self.fd.take() else { return false };
        match self.at_end {
            AtEnd::LetGo => {}
            AtEnd::HalfClose => {
                // It fails only where the connection is broken, which is found out by reading.
                let _ = shutdown(fd, Shutdown::Write);
            }
        }
        true
    }
}

/// Standard output, which may be written without waiting: a terminal is opened once more for that, since how much it takes
/// is not to be known.
pub fn standard_output() -> Fd {
    let stdout = io::stdout();
    match reopened(stdout.as_fd()) {
        Some(terminal) => Rc::new(terminal),
        None => Rc::new(stdout),
    }
}

fn reopened(terminal: BorrowedFd<'_>) -> Option<OwnedFd> {
    if !isatty(terminal) {
        return None;
    }
    let name = ttyname(terminal, Vec::new()).ok()?;
    open(name, OFlags::WRONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()).ok()
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{PipeReader, PipeWriter, Read, Seek, Write};
    use std::os::unix::net::UnixStream;

    use rustix::io::ioctl_fionbio;
    use rustix::pty::{OpenptFlags, openpt, ptsname, unlockpt};

    use super::*;

    /// Far longer than anything takes: what is waited for has to happen.
    const PATIENCE: Duration = Duration::from_secs(20);
    const SOON: Duration = Duration::from_millis(20);

    /// Both ends of a connection, of which the first is the relay's.
    fn connection() -> (Fd, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        theirs.set_read_timeout(Some(PATIENCE)).unwrap();
        (Rc::new(ours), theirs)
    }

    /// A sink that somebody reads.
    fn sink(relay: &mut Relay) -> (SinkId, UnixStream) {
        let (ours, theirs) = connection();
        (relay.add_sink(ours, AtEnd::LetGo, None).unwrap(), theirs)
    }

    fn plain(to: SinkId) -> Vec<Route> {
        vec![Route::new(to, Plain)]
    }

    /// A pipe with a source at its end, for `to` alone.
    fn source(relay: &mut Relay, to: SinkId) -> (SourceId, PipeWriter) {
        let (reader, writer) = io::pipe().unwrap();
        (relay.add_source(Rc::new(reader), plain(to), Unwanted::Close), writer)
    }

    impl Relay {
        fn run_until(&mut self, done: impl Fn(&Relay) -> bool) {
            let until = Instant::now() + PATIENCE;
            while !done(self) {
                assert_ne!(self.turn(Some(until)).unwrap(), Turn::Idle, "nothing goes on");
            }
        }

        /// Moves all that can be moved.
        fn run_until_idle(&mut self) {
            while self.turn(Some(Instant::now() + SOON)).unwrap() != Turn::Idle {}
        }
    }

    fn to_end(mut reader: impl Read) -> Vec<u8> {
        let mut got = Vec::new();
        reader.read_to_end(&mut got).unwrap();
        got
    }

    fn numbers(len: usize) -> Vec<u8> {
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

    /// A mark before each piece, and one at the end.
    struct Marked;

    impl Filter for Marked {
        fn pass(&mut self, bytes: &[u8], out: &mut VecDeque<u8>) {
            out.push_back(b'<');
            out.extend(bytes);
        }

        fn end(&mut self, out: &mut VecDeque<u8>) {
            out.push_back(b'>');
        }
    }

    #[test]
    fn a_filter_has_the_last_word() {
        let mut relay = Relay::new().unwrap();
        let (to, reader) = sink(&mut relay);
        relay.push(b"ours", vec![Route::new(to, Marked)]);
        let (from_pipe, mut writer) = io::pipe().unwrap();
        relay.add_source(Rc::new(from_pipe), vec![Route::new(to, Marked)], Unwanted::Close);
        writer.write_all(b"theirs").unwrap();
        drop(writer);
        relay.run_until(|relay| relay.is_done(to));
        assert_eq!(to_end(reader), b"<ours><theirs>");
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

    impl Relay {
        fn run_until_idle_or(&mut self, done: impl Fn(&Relay) -> bool) {
            while !done(self) && self.turn(Some(Instant::now())).unwrap() != Turn::Idle {}
        }
    }

    #[test]
    fn the_end_is_told_and_the_other_way_stays_open() {
        let mut relay = Relay::new().unwrap();
        let (ours, mut peer) = connection();
        let (back, reader) = sink(&mut relay);
        let to = relay.add_sink(Rc::clone(&ours), AtEnd::HalfClose, None).unwrap();
        let from_peer = relay.add_source(ours, plain(back), Unwanted::Drop);
        let (_, mut writer) = source(&mut relay, to);
        writer.write_all(b"question").unwrap();
        drop(writer);
        relay.run_until(|relay| relay.is_done(to));
        let mut question = Vec::new();
        peer.read_to_end(&mut question).unwrap();
        assert_eq!(question, b"question");
        assert!(!relay.has_ended(from_peer));
        peer.write_all(b"answer").unwrap();
        drop(peer);
        relay.run_until(|relay| relay.is_done(back));
        assert_eq!(to_end(reader), b"answer");
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
    fn who_writes_for_nobody_is_told() {
        let mut relay = Relay::new().unwrap();
        let (to, reader) = sink(&mut relay);
        let (from, mut writer) = source(&mut relay, to);
        // Nothing waits to be written: that it's gone is found out all the same.
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
    fn one_that_takes_nothing_is_given_up() {
        let mut relay = Relay::new().unwrap();
        let (ours, _peer) = connection();
        let to = relay.add_sink(ours, AtEnd::LetGo, Some(SOON)).unwrap();
        relay.add_source(Rc::new(File::open("/dev/zero").unwrap()), plain(to), Unwanted::Close);
        relay.run_until(|relay| relay.is_done(to));
        assert_eq!(relay.write_error(to).unwrap().kind(), io::ErrorKind::TimedOut);
        assert!(relay.unwritten(to) >= HIGH_WATER);
    }

    #[test]
    fn nothing_to_write_is_no_reason_to_give_up() {
        let mut relay = Relay::new().unwrap();
        let (ours, peer) = connection();
        let to = relay.add_sink(ours, AtEnd::LetGo, Some(SOON)).unwrap();
        let (_, mut writer) = source(&mut relay, to);
        relay.run_until_idle();
        relay.turn(Some(Instant::now() + 2 * SOON)).unwrap();
        writer.write_all(b"late").unwrap();
        drop(writer);
        relay.run_until(|relay| relay.is_done(to));
        assert!(relay.write_error(to).is_none());
        assert_eq!(to_end(peer), b"late");
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
    fn an_end_that_can_not_be_taken_yet_is_not_asked_for() {
        let mut relay = Relay::new().unwrap();
        let (to, reader) = sink(&mut relay);
        relay.push(&numbers(1 << 20), plain(to));
        let (from, writer) = source(&mut relay, to);
        drop(writer);
        relay.run_until_idle();
        // It would be told of at once, again and again.
        assert_eq!(relay.turn(Some(Instant::now() + SOON)).unwrap(), Turn::Idle);
        assert!(!relay.has_ended(from));
        std::thread::scope(|scope| {
            let got = scope.spawn(|| to_end(reader));
            relay.run_until(|relay| relay.is_done(to));
            assert!(got.join().unwrap() == numbers(1 << 20));
        });
    }

    #[test]
    fn what_is_shared_with_others_never_blocks_us_and_is_not_changed() {
        let (mut reader, writer) = io::pipe().unwrap();
        let theirs = writer.try_clone().unwrap();
        let mut relay = Relay::new().unwrap();
        let to = relay.add_sink(Rc::new(writer), AtEnd::LetGo, None).unwrap();
        let all = numbers(1 << 20);
        relay.push(&all, plain(to));
        // Were it to block, it would do so for ever.
        relay.run_until_idle();
        assert!(!fcntl_getfl(&theirs).unwrap().contains(OFlags::NONBLOCK));
        let mut got = Vec::new();
        let mut piece = [0; 1000];
        while got.len() < all.len() {
            let len = reader.read(&mut piece).unwrap();
            got.extend_from_slice(&piece[..len]);
            relay.run_until_idle_or(|relay| relay.is_done(to));
        }
        assert!(got == all && relay.is_done(to));
    }

    #[test]
    fn a_terminal_that_nobody_reads_blocks_nobody_and_is_not_changed() {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        unlockpt(&controller).unwrap();
        let name = ptsname(&controller, Vec::new()).unwrap();
        let terminal = open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let mut relay = Relay::new().unwrap();
        let ours = reopened(terminal.as_fd()).expect("it's a terminal");
        let to = relay.add_sink(Rc::new(ours), AtEnd::LetGo, None).unwrap();
        relay.push(&[b'x'; 1 << 20], plain(to));
        // Were it to block, it would do so for ever.
        relay.run_until_idle();
        assert!(relay.unwritten(to) > 0);
        assert!(!fcntl_getfl(&terminal).unwrap().contains(OFlags::NONBLOCK));
        let mut controller = File::from(controller);
        let mut piece = [0; 4096];
        while !relay.is_done(to) {
            assert!(controller.read(&mut piece).unwrap() > 0);
            relay.run_until_idle_or(|relay| relay.is_done(to));
        }
        assert!(reopened(File::open("/dev/null").unwrap().as_fd()).is_none());
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
    fn an_error_of_reading_is_kept() {
        let mut relay = Relay::new().unwrap();
        let (to, reader) = sink(&mut relay);
        let from = relay.add_source(Rc::new(File::open("/").unwrap()), plain(to), Unwanted::Close);
        relay.run_until(|relay| relay.is_done(to));
        assert_eq!(relay.read_error(from).unwrap().kind(), io::ErrorKind::IsADirectory);
        assert_eq!(to_end(reader), b"");
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
