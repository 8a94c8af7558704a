//! The other side of a connection: its script, and what became of it.

use std::net::SocketAddr;
use std::time::Duration;

use super::SimNet;
use super::link::{Link, client_addr};
use crate::selector::Interest;

/// A peer of the program under test. Clones are the same peer.
///
/// Unless the script says otherwise, it reads everything as it comes, and when our side has ended it ends its own.
/// What is scripted for a time that has passed happens in the next select; what it would send after it has ended or was
/// reset does not happen.
#[derive(Clone, Debug)]
pub struct SimPeer {
    pub(super) net: SimNet,
    pub(super) id: usize,
}

/// The script.
impl SimPeer {
    /// `bytes` arrive at `time`.
    pub fn send_at(&self, time: Duration, bytes: impl AsRef<[u8]>) -> &Self {
        let bytes = bytes.as_ref().to_vec();
        self.schedule(time, move |link, now| link.arrive(&bytes, now))
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
        // In larger pieces they are sooner there.
        let bytes = bytes.as_ref().repeat(4096);
        self.schedule(time, move |link, now| link.arrive_forever(bytes.into(), now))
    }

    /// Ends its sending side at `time`: a FIN, after which it goes on reading.
    pub fn end_at(&self, time: Duration) -> &Self {
        self.schedule(time, |link, _| link.end())
    }

    /// Closes at `time`: a FIN, and what is sent to it from then on is answered with a reset.
    pub fn close_at(&self, time: Duration) -> &Self {
        self.schedule(time, |link, _| link.leave())
    }

    /// Resets the connection at `time`.
    pub fn reset_at(&self, time: Duration) -> &Self {
        self.schedule(time, |link, _| link.reset())
    }

    /// Reads up to `len` bytes at `time`: for a peer that reads nothing by itself.
    pub fn read_at(&self, time: Duration, len: usize) -> &Self {
        self.schedule(time, move |link, now| link.take(len, now))
    }

    /// From `time` on, reads everything as it comes.
    pub fn read_all_from(&self, time: Duration) -> &Self {
        self.schedule(time, |link, _| link.reads_all = true)
    }

    /// Reads nothing but what [`read_at`](SimPeer::read_at) says.
    pub fn reads_nothing(&self) -> &Self {
        self.change(|link, _| link.reads_all = false)
    }

    /// Sets how many bytes can be on their way to it, unread, before a write would block: otherwise 256 KiB.
    pub fn window(&self, len: usize) -> &Self {
        self.change(|link, _| link.set_window(len))
    }

    /// Lets writability be told of only where there is room for `len` bytes, though a write finds any room there is: Linux
    /// waits for a third of the socket's buffer.
    pub fn room_reported_from(&self, len: usize) -> &Self {
        self.change(|link, _| link.set_room_reported(len))
    }

    /// Does not end its side when ours has ended.
    pub fn keeps_open(&self) -> &Self {
        self.change(|link, _| link.keeps_open = true)
    }

    /// Sends what `answer` makes of the bytes that it receives, whenever it receives some.
    pub fn answers(&self, answer: impl FnMut(&[u8]) -> Vec<u8> + 'static) -> &Self {
        self.change(|link, _| link.answers = Some(Box::new(answer)))
    }

    fn schedule(&self, time: Duration, what: impl FnOnce(&mut Link, Duration) + 'static) -> &Self {
        let id = self.id;
        self.net.world().schedule(time, move |net| net.world().with_link(id, what));
        self
    }

    fn change(&self, what: impl FnOnce(&mut Link, Duration)) -> &Self {
        self.net.world().with_link(self.id, what);
        self
    }

    /// Does by itself what the script has it do.
    pub(super) fn react(&self) {
        let mut answers = None;
        let mut received = Vec::new();
        self.change(|link, now| {
            link.is_reacting = false;
            if link.reads_all {
                link.take(usize::MAX, now);
            }
            if link.is_unanswered() {
                received = link.received[link.answered..].to_vec();
                link.answered = link.received.len();
                answers = link.answers.take();
            }
        });
        // Called while nothing is borrowed, since it may well look at the network.
        if let Some(mut answer) = answers {
            let bytes = answer(&received);
            self.change(|link, now| {
                link.answers = Some(answer);
                if !bytes.is_empty() {
                    link.arrive(&bytes, now);
                }
            });
        }
        self.change(|link, _| {
            if link.follows_end() {
                link.end();
            }
        });
    }
}

/// What became of it.
impl SimPeer {
    /// Where it comes from, if it is a client.
    pub fn addr(&self) -> SocketAddr {
        client_addr(self.id)
    }

    /// The network that it is on.
    pub fn net(&self) -> &SimNet {
        &self.net
    }

    /// What it has received and read.
    pub fn received(&self) -> Vec<u8> {
        self.look(|link| link.received.clone())
    }

    /// How many of the bytes that it sent were read.
    pub fn taken(&self) -> usize {
        self.look(|link| link.taken)
    }

    /// When its connection was accepted, or its own accept came about.
    pub fn accepted(&self) -> Option<Duration> {
        self.look(|link| link.accepted)
    }

    /// When it read the end of the stream, having read everything before it.
    pub fn end_seen(&self) -> Option<Duration> {
        self.look(|link| link.end_seen)
    }

    /// When it was reset; what it had not read by then is lost. It is reset where the connection is closed with input
    /// unread, where it sends something after that, and where nothing listens.
    pub fn reset_seen(&self) -> Option<Duration> {
        self.look(|link| link.reset_seen)
    }

    /// When the connection was closed by the program under test.
    pub fn closed(&self) -> Option<Duration> {
        self.look(|link| link.closed)
    }

    /// What the program under test asks to be told of its connection at present.
    pub fn interest(&self) -> Interest {
        self.look(Link::interest)
    }

    fn look<R>(&self, at: impl FnOnce(&Link) -> R) -> R {
        self.net.settle();
        at(self.net.world().link(self.id))
    }
}
