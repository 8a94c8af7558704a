//! A connection's share of a turn.

use crate::trace::Tally;

/// The size of a share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    /// The bytes read after which no other read begins, and the most bytes sent while more remain.
    pub(super) bytes: usize,
    /// The most messages that a session may begin.
    messages: u32,
}

impl Share {
    /// The share of a busy connection. Smaller ones cost throughput: 500 connections that send without pause get a
    /// third less with shares of 64 KiB. Other connections don't wait for many of these, since a turn is bounded as
    /// well.
    pub const FULL: Share = Share { bytes: 384 << 10, messages: 256 };
    /// The share of a connection that has just become ready. A request of the usual size fits, so a connection that
    /// has more to do is soon recognized.
    pub const FIRST: Share = Share { bytes: 32 << 10, messages: 32 };
    /// The work that using it up takes.
    pub fn work(self) -> usize {
        3 * self.bytes
    }
}

/// What is left of a connection's share of a turn.
#[derive(Debug)]
pub(crate) struct Budget {
    /// Bytes to read.
    pub readable: usize,
    /// Bytes to send with more to come.
    pub sendable: usize,
    /// Messages that the session may begin.
    pub messages: u32,
    share: Share,
    /// Bytes received from the peer so far.
    received: usize,
    /// Bytes used by the session.
    used: usize,
    /// Bytes sent to the peer.
    sent: usize,
}

impl Budget {
    /// The fixed work of a run, and that of a message, as the number of bytes that are moved in about the same time.
    const WORK_PER_RUN: usize = 4 << 10;
    const WORK_PER_MESSAGE: usize = 1 << 10;

    pub fn new(share: Share) -> Self {
        let (readable, sendable, messages) = (share.bytes, share.bytes, share.messages);
        Budget { readable, sendable, messages, share, received: 0, used: 0, sent: 0 }
    }

    /// Adds what was done in this run to what the connection has done.
    #[inline]
    pub fn count(&self, tally: &mut Tally) {
        tally.messages += u64::from(self.begun());
        tally.bytes_in += self.bytes_in() as u64;
        tally.bytes_out += self.bytes_out() as u64;
    }

    /// Records that `len` bytes were received.
    pub fn received(&mut self, len: usize) {
        self.readable = self.readable.saturating_sub(len);
        self.received += len;
    }

    /// Records that `len` bytes were sent.
    pub fn sent(&mut self, len: usize) {
        self.sendable = self.sendable.saturating_sub(len);
        self.sent += len;
    }

    /// Records that the session has used `len` bytes, which may have been received before.
    pub fn used(&mut self, len: usize) {
        self.used += len;
    }

    /// The messages that the session has begun so far.
    pub fn begun(&self) -> u32 {
        self.share.messages - self.messages
    }

    /// The bytes received so far.
    pub fn bytes_in(&self) -> usize {
        self.received
    }

    /// The bytes sent so far.
    pub fn bytes_out(&self) -> usize {
        self.sent
    }

    /// The work so far, in bytes moved.
    pub fn work(&self) -> usize {
        let moved = self.received + self.used + self.sent;
        Self::WORK_PER_RUN + moved + self.begun() as usize * Self::WORK_PER_MESSAGE
    }
}
