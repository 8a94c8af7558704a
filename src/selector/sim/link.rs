//! One connection on a simulated network, with both its ends: ours, under test, and the peer's.

use std::collections::VecDeque;
use std::io;
use std::io::IoSlice;
use std::mem;
use std::rc::Rc;
use std::time::Duration;

use super::Trigger;
use crate::address::Addr;
use crate::selector::{Event, Interest, Readiness, Token};

/// The bytes that the two sockets hold before a write would block.
const WINDOW_LEN: usize = 256 << 10;
/// The bytes of a flood that are always available.
const FLOOD_LEN: usize = 256 << 10;
/// The bytes that are allocated at first for those on their way.
const QUEUE_LEN: usize = 120;

/// A peer's reply to received bytes.
pub(super) type Answers = Box<dyn FnMut(&[u8]) -> Vec<u8>>;

pub(super) struct Link {
    opening: Opening,
    registration: Option<(Token, Interest)>,
    /// Changes since the last report, in each direction.
    read_edge: bool,
    write_edge: bool,
    /// It will be reported as ready, although it may not be.
    pub is_spurious: bool,
    /// The link is in the network's list of sources that may be ready, or will be.
    pub is_listed: bool,
    /// The peer is about to react.
    pub is_reacting: bool,

    /// Bytes that have arrived and are not read yet.
    input: VecDeque<u8>,
    /// Bytes that arrive over and over, without end.
    flood: Option<Rc<[u8]>>,
    /// The peer's FIN has arrived.
    input_ended: bool,
    /// The peer's reset has arrived.
    is_reset: bool,
    /// The peer has closed, so data that we send is answered with a reset.
    is_gone: bool,
    /// The number of bytes that we have read.
    pub taken: usize,
    /// The time at which everything that the peer has sent in order has arrived.
    pub arrived_by: Duration,

    /// Bytes sent to the peer that it has not read.
    unread: VecDeque<u8>,
    window: usize,
    /// A fault has closed the window.
    window_closed: bool,
    /// Less room than this is not reported, though a write would find it.
    room_reported: usize,
    /// A write has filled the window.
    is_blocked: bool,
    /// Our FIN has been sent.
    output_ended: bool,
    /// We close with a reset.
    pub resets_on_close: bool,

    pub reads_all: bool,
    pub keeps_open: bool,
    /// The peer has ended its side because ours has ended.
    pub has_followed_end: bool,
    pub answers: Option<Answers>,
    /// The number of received bytes that have been answered.
    pub answered: usize,
    pub received: Vec<u8>,
    pub received_at: Option<Duration>,
    pub accepted: Option<Duration>,
    pub end_seen: Option<Duration>,
    pub reset_seen: Option<Duration>,
    pub closed: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    Begun,
    Done,
    Failed(io::ErrorKind),
}

impl Link {
    /// A connection opened by a client.
    pub fn new() -> Self {
        Link {
            opening: Opening::Done,
            registration: None,
            read_edge: false,
            write_edge: false,
            is_spurious: false,
            is_listed: false,
            is_reacting: false,
            input: VecDeque::new(),
            flood: None,
            input_ended: false,
            is_reset: false,
            is_gone: false,
            taken: 0,
            arrived_by: Duration::ZERO,
            unread: VecDeque::new(),
            window: WINDOW_LEN,
            window_closed: false,
            room_reported: 1,
            is_blocked: false,
            output_ended: false,
            resets_on_close: false,
            reads_all: true,
            keeps_open: false,
            has_followed_end: false,
            answers: None,
            answered: 0,
            received: Vec::new(),
            received_at: None,
            accepted: None,
            end_seen: None,
            reset_seen: None,
            closed: None,
        }
    }

    /// A connection that we are opening.
    pub fn opening() -> Self {
        Link { opening: Opening::Begun, ..Link::new() }
    }

    // Opening and closing by the network.

    pub fn accept(&mut self, now: Duration) {
        self.accepted = Some(now);
    }

    /// Nothing listens at the client's destination.
    pub fn refuse(&mut self, now: Duration) {
        self.closed = Some(now);
        self.reset_peer(now);
    }

    pub fn opened(&mut self, outcome: Opening, now: Duration) {
        self.opening = outcome;
        self.accepted = (outcome == Opening::Done).then_some(now);
        self.write_edge = true;
    }

    // Actions of the peer.

    pub fn arrive(&mut self, bytes: &[u8], now: Duration) {
        if self.may_arrive(now) {
            allocate(&mut self.input);
            self.input.extend(bytes);
            self.read_edge = true;
        }
    }

    pub fn arrive_forever(&mut self, bytes: Rc<[u8]>, now: Duration) {
        if self.may_arrive(now) {
            self.flood = Some(bytes);
            self.read_edge = true;
        }
    }

    /// Whether data that the peer sends at `now` can arrive.
    fn may_arrive(&mut self, now: Duration) -> bool {
        let can_send = !(self.input_ended || self.is_reset);
        if can_send && self.closed.is_some() {
            self.reset_peer(now);
        }
        can_send && self.closed.is_none()
    }

    pub fn end(&mut self) {
        self.flood = None;
        self.input_ended = true;
        self.read_edge = true;
    }

    /// The peer closes: it takes no more.
    pub fn leave(&mut self) {
        self.is_gone = true;
    }

    pub fn reset(&mut self) {
        self.is_reset = true;
        self.flood = None;
        // Unread data is lost on both sides, as on most systems.
        self.input.clear();
        self.unread.clear();
        self.read_edge = true;
        self.write_edge = true;
    }

    /// The peer reads up to `len` bytes, and the end after the last.
    pub fn take(&mut self, len: usize, now: Duration) {
        let len = len.min(self.unread.len());
        let (first, second) = self.unread.as_slices();
        let first = &first[..first.len().min(len)];
        self.received.extend_from_slice(first);
        self.received.extend_from_slice(&second[..len - first.len()]);
        self.unread.drain(..len);
        if len > 0 {
            self.received_at = Some(now);
        }
        self.unblock();
        if self.may_see_end() && self.unread.is_empty() {
            self.end_seen = Some(now);
        }
    }

    pub fn set_window(&mut self, len: usize) {
        self.window = len;
    }

    /// Closes the window or opens it again, whatever its size.
    pub fn close_window(&mut self, is_closed: bool) {
        self.window_closed = is_closed;
        // It was not writable, blocked or not.
        self.is_blocked |= !is_closed;
        self.unblock();
    }

    fn unblock(&mut self) {
        if self.is_blocked && self.room() >= self.room_reported {
            self.is_blocked = false;
            self.write_edge = true;
        }
    }

    pub fn set_room_reported(&mut self, len: usize) {
        self.room_reported = len;
    }

    pub fn room(&self) -> usize {
        if self.window_closed { 0 } else { self.window.saturating_sub(self.unread.len()) }
    }

    /// Whether the peer has something to do of its own accord.
    pub fn reacts(&self) -> bool {
        let may_read = self.reads_all && !(self.is_gone || self.is_reset);
        may_read && (!self.unread.is_empty() || self.may_see_end()) || self.is_unanswered()
    }

    fn may_see_end(&self) -> bool {
        self.output_ended && self.end_seen.is_none() && self.reset_seen.is_none()
    }

    pub fn is_unanswered(&self) -> bool {
        self.answers.is_some() && self.answered < self.received.len()
    }

    /// Whether the peer now ends its own side because ours has ended.
    pub fn follows_end(&self) -> bool {
        let has_ended = self.has_followed_end || self.input_ended;
        self.end_seen.is_some() && !self.keeps_open && !has_ended && !self.is_reset
    }

    // Our actions.

    pub fn watch(&mut self, token: Token, interest: Interest, again: bool) -> io::Result<()> {
        if interest == Interest::NONE {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if self.registration.is_some() != again {
            return Err(if again { io::ErrorKind::NotFound } else { io::ErrorKind::AlreadyExists }.into());
        }
        self.registration = Some((token, interest));
        self.read_edge = self.is_readable();
        self.write_edge = self.is_writable();
        Ok(())
    }

    pub fn unwatch(&mut self) -> io::Result<()> {
        self.registration.take().map(|_| ()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Reads at most `len_max` bytes, or none though there are some.
    pub fn read(&mut self, buffer: &mut [u8], len_max: io::Result<usize>) -> io::Result<usize> {
        self.check_open()?;
        if self.is_reset {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if self.input.is_empty() {
            return if self.input_ended { Ok(0) } else { Err(io::ErrorKind::WouldBlock.into()) };
        }
        let len = match len_max {
            Ok(len_max) => buffer.len().min(len_max).min(self.input.len()),
            Err(error) => {
                self.read_edge = true;
                return Err(error);
            }
        };
        io::Read::read_exact(&mut self.input, &mut buffer[..len])?;
        self.taken += len;
        // A short read meant that there was no more data. If it was shortened on purpose, the rest arrives now.
        if len < buffer.len() && !self.input.is_empty() {
            self.read_edge = true;
        }
        Ok(len)
    }

    /// Writes at most `len_max` bytes, or none though there is room.
    pub fn write(&mut self, parts: &[IoSlice<'_>], len_max: io::Result<usize>) -> io::Result<usize> {
        self.check_open()?;
        if self.is_reset || self.output_ended {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let len = parts.iter().map(|part| part.len()).sum::<usize>();
        if self.is_gone && len > 0 {
            self.reset();
            return Ok(len);
        }
        let room = self.room();
        self.is_blocked = len > room;
        if room == 0 && len > 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let len_max = match len_max {
            Ok(len_max) => len_max,
            Err(error) => {
                self.write_edge = true;
                return Err(error);
            }
        };
        // A short write meant that there is no more room. If it's shortened on purpose, the rest of the room comes now.
        self.write_edge |= len_max < len.min(room);
        let accepted = room.min(len_max);
        allocate(&mut self.unread);
        let mut left = accepted;
        for part in parts {
            let taken = &part[..part.len().min(left)];
            self.unread.extend(taken);
            left -= taken.len();
        }
        Ok(accepted - left)
    }

    pub fn end_output(&mut self) -> io::Result<()> {
        self.check_open()?;
        if self.is_reset {
            return Err(io::ErrorKind::NotConnected.into());
        }
        self.output_ended = true;
        Ok(())
    }

    pub fn connected(&self) -> io::Result<bool> {
        if self.is_reset {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        match self.opening {
            Opening::Begun => Ok(false),
            Opening::Done => Ok(true),
            Opening::Failed(kind) => Err(kind.into()),
        }
    }

    pub fn close(&mut self, now: Duration) {
        self.closed = Some(now);
        self.registration = None;
        if self.is_reset {
            return;
        }
        // A close with unread input is a reset: RFC 1122, 4.2.2.13.
        if self.input.is_empty() && self.flood.is_none() && !self.resets_on_close {
            self.output_ended = true;
        } else {
            self.reset_peer(now);
        }
    }

    fn reset_peer(&mut self, now: Duration) {
        self.unread.clear();
        self.flood = None;
        self.reset_seen.get_or_insert(now);
    }

    fn check_open(&self) -> io::Result<()> {
        match self.opening {
            Opening::Done => Ok(()),
            Opening::Begun | Opening::Failed(_) => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    // Readiness.

    /// The number of bytes that a read can find now.
    pub fn readable_len(&mut self) -> usize {
        while let Some(bytes) = self.flood.as_ref().filter(|_| self.input.len() < FLOOD_LEN) {
            self.input.extend(bytes.iter());
        }
        self.input.len()
    }

    fn is_readable(&self) -> bool {
        !self.input.is_empty() || self.flood.is_some() || self.input_ended || self.is_broken()
    }

    fn is_writable(&self) -> bool {
        self.is_broken() || self.opening == Opening::Done && self.room() >= self.room_reported
    }

    fn is_broken(&self) -> bool {
        self.is_reset || matches!(self.opening, Opening::Failed(_))
    }

    pub fn interest(&self) -> Interest {
        self.registration.map_or(Interest::NONE, |(_, interest)| interest)
    }

    /// Whether there may be something to report.
    pub fn may_be_ready(&self, trigger: Trigger) -> bool {
        self.registration.is_some_and(|(_, interest)| {
            let has_edge = self.read_edge || self.write_edge || self.is_spurious;
            has_edge || trigger == Trigger::Level && self.readiness(interest, true, true).is_some()
        })
    }

    /// The event to report, if any, and whether the link is ready as long as nothing is done about it. Edge-triggered,
    /// it is reported only for changes since the last report.
    pub fn take_event(&mut self, trigger: Trigger) -> (Option<Event>, bool) {
        let (read_edge, write_edge) = (mem::take(&mut self.read_edge), mem::take(&mut self.write_edge));
        let is_spurious = mem::take(&mut self.is_spurious);
        let is_level = trigger == Trigger::Level;
        let event = self.registration.and_then(|(token, interest)| {
            let ready = self.readiness(interest, read_edge || is_level, write_edge || is_level);
            let (readable, writable) = (is_spurious && interest.readable, is_spurious && interest.writable);
            let readiness = if readable || writable {
                let ready = ready.unwrap_or_default();
                Some(Readiness { readable: ready.readable || readable, writable: ready.writable || writable, ..ready })
            } else {
                ready
            };
            readiness.map(|readiness| Event { token, readiness })
        });
        self.is_listed = is_level && event.is_some();
        (event, self.is_listed)
    }

    /// What `interest` is told of reading and of writing.
    fn readiness(&self, interest: Interest, read: bool, write: bool) -> Option<Readiness> {
        if self.is_broken() {
            // Reported regardless of interest: epoll_ctl(2), EPOLLERR and EPOLLHUP.
            let broken = Readiness { readable: true, writable: true, read_closed: true, urgent: false };
            return (read || write).then_some(broken);
        }
        // Interest in a hang-up alone doesn't report data that came before it.
        let wants_read = interest.readable || interest.hangup && self.input_ended;
        let readable = read && wants_read && self.is_readable();
        let writable = write && interest.writable && self.is_writable();
        let read_closed = readable && self.input_ended;
        (readable || writable).then_some(Readiness { readable, writable, read_closed, urgent: false })
    }
}

/// Allocates enough for most queues at once, instead of little by little.
fn allocate(queue: &mut VecDeque<u8>) {
    if queue.capacity() == 0 {
        queue.reserve(QUEUE_LEN);
    }
}

/// The address of the client on link `id`, as a listener on `own` sees it.
pub(super) fn client_addr(id: usize, own: Addr) -> Addr {
    match own {
        Addr::Inet(_) => inet_client_addr(id),
        Addr::Unix(own) => Addr::Unix(own.peer(id as u32 + 1)),
    }
}

/// The address of the client on link `id`, if it's not a Unix socket.
pub(super) fn inet_client_addr(id: usize) -> Addr {
    let [.., a, b, c] = (id as u64).to_be_bytes();
    Addr::from(([10, a, b, c], 40_000))
}
