//! The other side of a connection: its script, and the outcome.

use std::time::Duration;

use super::SimNet;
use super::agenda::{Action, Happening, Packet};
use super::link::{Link, inet_client_addr};
use crate::address::Addr;
use crate::selector::Interest;

/// A peer of the program under test. Clones are the same peer.
///
/// By default, it reads everything as it comes, and ends its side when ours has ended. Actions scripted for a past time
/// happen in the next select; sends after its end or a reset are ignored.
#[derive(Clone, Debug)]
pub struct SimPeer {
    pub(super) net: SimNet,
    pub(super) id: usize,
}

/// Scripting.
impl SimPeer {
    /// `bytes` arrive at `time`.
    pub fn send_at(&self, time: Duration, bytes: impl AsRef<[u8]>) -> &Self {
        self.schedule(time, Action::Send(Packet::Bytes(bytes.as_ref().to_vec())))
    }

    /// `bytes` are sent now.
    pub fn send(&self, bytes: &[u8]) -> &Self {
        self.net.network().send_bytes(self.id, bytes);
        self
    }

    /// `bytes` arrive one after the other, the first at `time` and each `pause` after the one before.
    pub fn drip_at(&self, time: Duration, pause: Duration, bytes: impl AsRef<[u8]>) -> &Self {
        for (byte, n) in bytes.as_ref().iter().zip(0..) {
            self.send_at(time + pause * n, [*byte]);
        }
        self
    }

    /// From `time` on, `bytes` arrive over and over, as fast as they are read, until the peer ends or is reset.
    pub fn flood_at(&self, time: Duration, bytes: impl AsRef<[u8]>) -> &Self {
        // Larger pieces fill the buffer faster.
        let bytes = bytes.as_ref().repeat(4096);
        self.schedule(time, Action::Send(Packet::Flood(bytes.into())))
    }

    /// Ends its sending side at `time`: a FIN, after which it goes on reading.
    pub fn end_at(&self, time: Duration) -> &Self {
        self.schedule(time, Action::Send(Packet::End))
    }

    /// Closes at `time`: sends a FIN, and answers later data with a reset.
    pub fn close_at(&self, time: Duration) -> &Self {
        self.schedule(time, Action::Close)
    }

    /// Resets the connection at `time`.
    pub fn reset_at(&self, time: Duration) -> &Self {
        self.schedule(time, Action::Reset)
    }

    /// Reads up to `len` bytes at `time`, for a peer that doesn't read of its own accord.
    pub fn read_at(&self, time: Duration, len: usize) -> &Self {
        self.schedule(time, Action::Read(len))
    }

    /// From `time` on, reads everything as it comes.
    pub fn read_all_from(&self, time: Duration) -> &Self {
        self.schedule(time, Action::ReadAll)
    }

    /// Reads only what [`read_at`](SimPeer::read_at) says.
    pub fn reads_nothing(&self) -> &Self {
        self.change(|link, _| link.reads_all = false)
    }

    /// Sets how many unread bytes can be on their way to it before a write would block; 256 KiB by default.
    pub fn window(&self, len: usize) -> &Self {
        self.change(|link, _| link.set_window(len))
    }

    /// Reports writability only if there is room for `len` bytes, though a write finds any room there is: Linux waits
    /// for a third of the socket's buffer.
    pub fn room_reported_from(&self, len: usize) -> &Self {
        self.change(|link, _| link.set_room_reported(len))
    }

    /// Does not end its side when ours has ended.
    pub fn keeps_open(&self) -> &Self {
        self.change(|link, _| link.keeps_open = true)
    }

    /// Replies to received bytes with the result of `answer`.
    pub fn answers(&self, answer: impl FnMut(&[u8]) -> Vec<u8> + 'static) -> &Self {
        self.change(|link, _| link.answers = Some(Box::new(answer)))
    }

    fn schedule(&self, time: Duration, action: Action) -> &Self {
        self.net.network().schedule(time, Happening::Act(self.id, action));
        self
    }

    fn change(&self, what: impl FnOnce(&mut Link, Duration)) -> &Self {
        self.net.network().with_link(self.id, what);
        self
    }
}

/// Results.
impl SimPeer {
    /// Its address, if it is a client, and not one of a Unix socket.
    pub fn addr(&self) -> Addr {
        inet_client_addr(self.id)
    }

    /// The network it is on.
    pub fn net(&self) -> &SimNet {
        &self.net
    }

    /// The bytes it has received and read.
    pub fn received(&self) -> Vec<u8> {
        self.with_received(<[u8]>::to_vec)
    }

    /// Looks at the bytes it has received and read.
    pub fn with_received<R>(&self, look: impl FnOnce(&[u8]) -> R) -> R {
        self.look(|link| look(&link.received))
    }

    /// The time when it last received bytes.
    pub fn received_at(&self) -> Option<Duration> {
        self.look(|link| link.received_at)
    }

    /// The number of its bytes that were read.
    pub fn taken(&self) -> usize {
        self.look(|link| link.taken)
    }

    /// The time when its connection was accepted, or when it accepted one.
    pub fn accepted(&self) -> Option<Duration> {
        self.look(|link| link.accepted)
    }

    /// The time when it read the end of the stream, after everything before it.
    pub fn end_seen(&self) -> Option<Duration> {
        self.look(|link| link.end_seen)
    }

    /// The time when it was reset; its unread data is lost. A reset happens when the connection is closed with input
    /// unread, when the peer sends data after that, or when nothing listens.
    pub fn reset_seen(&self) -> Option<Duration> {
        self.look(|link| link.reset_seen)
    }

    /// The time when the program under test closed the connection.
    pub fn closed(&self) -> Option<Duration> {
        self.look(|link| link.closed)
    }

    /// The program's current interest in its connection.
    pub fn interest(&self) -> Interest {
        self.look(Link::interest)
    }

    fn look<R>(&self, at: impl FnOnce(&Link) -> R) -> R {
        self.net.settle();
        at(self.net.network().link(self.id))
    }
}
