//! Sinks: each writes as much as its descriptor accepts.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_getfl};
use rustix::io::Errno;
use rustix::net::{Shutdown, shutdown};

use super::Fd;
use crate::sys::PollFd;

/// Number of buffered bytes at which a sink's sources are no longer read.
pub const HIGH_WATER: usize = 64 << 10;

/// A sink of this relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SinkId(pub(super) usize);

/// How a sink ends once all is written and no source feeds it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtEnd {
    /// The descriptor is released, which closes it unless it has another owner.
    LetGo,
    /// A connection's sending side is ended: the peer reads the end, and may keep sending.
    HalfClose,
}

pub struct Sink {
    /// `None` once it has ended or failed.
    fd: Option<Fd>,
    buffer: VecDeque<u8>,
    /// Maximum bytes to write at once.
    piece_len_max: usize,
    at_end: AtEnd,
    /// How long it may accept nothing while bytes wait.
    write_timeout: Option<Duration>,
    /// When it last accepted bytes, or was first asked to.
    taken_at: Instant,
    /// The error with which it failed.
    error: Option<io::Error>,
}

impl Sink {
    /// # Errors
    /// If the system can't say whether `fd` blocks.
    pub fn new(fd: Fd, at_end: AtEnd, write_timeout: Option<Duration>, now: Instant) -> io::Result<Sink> {
        let blocks = !fcntl_getfl(&fd)?.contains(OFlags::NONBLOCK);
        Ok(Sink {
            fd: Some(fd),
            buffer: VecDeque::new(),
            piece_len_max: if blocks { libc::PIPE_BUF } else { usize::MAX },
            at_end,
            write_timeout,
            taken_at: now,
            error: None,
        })
    }

    /// The entry for poll(2), which reports at least whether it's broken.
    pub fn poll_fd(&self) -> PollFd {
        self.fd.as_ref().map_or(PollFd::NONE, |fd| PollFd::new(fd, false, !self.buffer.is_empty()))
    }

    /// The time at which it will have accepted nothing for too long.
    pub fn deadline(&self) -> Option<Instant> {
        let is_waited_for = self.fd.is_some() && !self.buffer.is_empty();
        self.write_timeout.filter(|_| is_waited_for).map(|timeout| self.taken_at + timeout)
    }

    /// Calls `put` to add bytes to its buffer, unless it has failed.
    pub fn take(&mut self, now: Instant, put: impl FnOnce(&mut VecDeque<u8>)) {
        if self.is_gone() {
            return;
        }
        if self.buffer.is_empty() {
            self.taken_at = now;
        }
        put(&mut self.buffer);
    }

    /// Writes as much as it accepts once it's ready. Returns whether it accepted any or failed.
    pub fn write(&mut self, now: Instant) -> bool {
        let Some(fd) = &self.fd else { return false };
        let (bytes, _) = self.buffer.as_slices();
        if bytes.is_empty() {
            // It was not polled for writing, so this event means it's broken.
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

    /// Fails it if its deadline has passed, and returns whether it did.
    pub fn expire(&mut self, now: Instant) -> bool {
        self.deadline().is_some_and(|deadline| now >= deadline) && self.fail(io::ErrorKind::TimedOut.into())
    }

    fn fail(&mut self, error: io::Error) -> bool {
        self.error = Some(error);
        self.let_go();
        true
    }

    /// Ends it if all is written and no more will come. Returns whether it ended just now.
    pub fn end(&mut self) -> bool {
        if !self.buffer.is_empty() {
            return false;
        }

        let Some(fd) = self.fd.take() else { return false };
        match self.at_end {
            AtEnd::LetGo => {}
            AtEnd::HalfClose => {
                // This fails only if the connection is broken, which reading will report.
                let _ = shutdown(fd, Shutdown::Write);
            }
        }
        true
    }

    pub fn let_go(&mut self) {
        self.fd = None;
    }

    /// Its descriptor, unless it has ended or failed.
    pub fn fd(&self) -> Option<&Fd> {
        self.fd.as_ref()
    }

    pub fn is_gone(&self) -> bool {
        self.fd.is_none()
    }

    /// Whether more may be read for it. A failed sink has room for everything.
    pub fn has_room(&self) -> bool {
        self.buffer.len() < HIGH_WATER || self.is_gone()
    }

    pub fn unwritten(&self) -> usize {
        self.buffer.len()
    }

    pub fn error(&self) -> Option<&io::Error> {
        self.error.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Write};
    use std::rc::Rc;

    use super::*;
    use crate::relay::tests::{SOON, connection, numbers, plain, sink, source, to_end};
    use crate::relay::{Relay, Unwanted};

    #[test]
    fn what_is_shared_with_others_never_blocks_us_and_is_not_changed() {
        let (mut reader, writer) = io::pipe().unwrap();
        let theirs = writer.try_clone().unwrap();
        let mut relay = Relay::new().unwrap();
        let to = relay.add_sink(Rc::new(writer), AtEnd::LetGo, None).unwrap();
        let all = numbers(1 << 20);
        relay.push(&all, plain(to));
        // A blocking write would block forever.
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
}
