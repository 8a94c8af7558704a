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
