//! The output of a session.

use std::io;
use std::sync::Arc;

use super::outgoing::{Chunk, FileRange, Front, Outgoing, Repeat, Shared};
use super::{Contents, Tail};

/// The output of a session: a view of the tutorial's `_send_buffer`.
///
/// It consists of a queue, and of a slice of the input that is [lent](Output::lend), so that it is sent without a copy.
/// Data too large for memory goes into the queue as a [file](Output::push_file) or as bytes to be
/// [repeated](Output::push_repeated), and is sent from there, as are bytes [shared](Output::push_shared) with other
/// connections.
#[doc(alias = "_send_buffer")]
#[derive(Debug)]
pub struct Output<'a> {
    queue: &'a mut Outgoing,
    lent: &'a [u8],
    high_water: usize,
}

/// The fewest bytes worth sharing.
const SHARED_LEN_MIN: usize = 4 << 10;

impl Outgoing {
    /// Creates an output that appends to this queue, and is full from `high_water` bytes on.
    pub fn output(&mut self, high_water: usize) -> Output<'_> {
        Output::new(self, high_water)
    }
}

impl<'a> Output<'a> {
    /// Creates an output that appends to `queue`, and is full from `high_water` bytes on.
    pub fn new(queue: &'a mut Outgoing, high_water: usize) -> Self {
        Output { queue, lent: &[], high_water }
    }

    /// The number of bytes that wait to be sent.
    pub fn len(&self) -> usize {
        self.queue.len().saturating_add(self.lent.len())
    }

    /// Whether no bytes wait to be sent.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether less than the high-water mark waits, so that another reply may begin. A reply, once begun, may exceed
    /// the mark.
    pub fn has_room(&self) -> bool {
        self.len() < self.high_water
    }

    /// Appends a copy of `bytes`.
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) {
        self.tail().extend_from_slice(bytes);
    }

    /// The end of the output, for writing in several steps.
    #[inline]
    pub fn tail(&mut self) -> Tail<'_> {
        self.keep_lent();
        Tail::from(self.queue.end())
    }

    /// Moves the lent slice into the queue, before data is appended behind it or the input goes away.
    #[inline]
    pub(crate) fn keep_lent(&mut self) {
        let lent = std::mem::take(&mut self.lent);
        if !lent.is_empty() {
            self.queue.end().extend_from_slice(lent);
        }
    }

    /// Appends `bytes` of the input without copying them, if they can be sent from where they are.
    pub fn lend(&mut self, bytes: &'a [u8]) {
        if self.lent.is_empty() && !self.queue.has_chunks() {
            self.lent = bytes;
        } else {
            self.push(bytes);
        }
    }

    /// Appends `len` bytes of `file`, starting at `offset`. If it's a file on disk, they are sent without being read into
    /// this process, where the system supports that. If the file has become shorter by then, or can't be read, the
    /// connection breaks.
    pub fn push_file(&mut self, file: impl Contents + 'static, offset: u64, len: u64) {
        self.push_chunk(Chunk::File(FileRange::new(Box::new(file), offset, len)));
    }

    /// Appends `bytes`, repeated `times` times. Memory holds only as many repetitions as fill a buffer.
    pub fn push_repeated(&mut self, bytes: &[u8], times: u64) {
        self.push_chunk(Chunk::Repeat(Repeat::new(bytes, times)));
    }

    /// Appends `bytes` that are in memory once for all connections to which they are sent. Fewer than 4 KiB are copied,
    /// which costs less.
    ///
    /// The memory is freed when its last holder has dropped it. The limit on [the memory of all
    /// connections](crate::connection::Memory) counts it in equal parts, one for each holder: each connection that has
    /// yet to send it, and the caller, if it keeps it. A connection's part is computed whenever it runs.
    pub fn push_shared(&mut self, bytes: &Arc<[u8]>) {
        if bytes.len() < SHARED_LEN_MIN {
            self.push(bytes);
        } else {
            self.push_chunk(Chunk::Shared(Shared::new(Arc::clone(bytes))));
        }
    }

    /// Appends the contents of `other`.
    pub fn append(&mut self, other: Outgoing) {
        self.keep_lent();
        self.queue.append(other);
    }

    fn push_chunk(&mut self, chunk: Chunk) {
        self.keep_lent();
        self.queue.push(chunk);
    }

    /// Takes the data of the queue and the lent slice that remains once `sent` bytes have been sent.
    pub(crate) fn take_rest(&mut self, sent: usize) -> Outgoing {
        self.queue.take_rest(std::mem::take(&mut self.lent), sent)
    }

    /// Whether there is more data than [`parts`](Self::parts) returns.
    pub(crate) fn has_chunks(&self) -> bool {
        self.queue.has_chunks()
    }

    /// The next data, if chunks are part of it: nothing is lent then.
    pub(crate) fn front(&self, len_max: usize) -> Option<Front<'_>> {
        debug_assert!(self.lent.is_empty());
        self.queue.front(len_max)
    }

    /// The data to send first, in order: bytes of the queue, then the lent slice.
    pub(crate) fn parts(&self) -> (&[u8], &'a [u8]) {
        (self.queue.head(), self.lent)
    }
}

impl io::Write for Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_lent_keeps_its_place() {
        let mut queue = Outgoing::default();
        queue.output(16).push(b"gone, first");
        queue.consume(6);
        let mut output = queue.output(16);
        output.lend(b", second");
        assert_eq!(output.parts(), (&b"first"[..], &b", second"[..]));
        assert!(output.has_room());
        output.push(b", third");
        assert_eq!(output.parts(), (&b"first, second, third"[..], &b""[..]));
        assert_eq!(output.len(), 20);
        assert!(!output.has_room());
        output.lend(b", fourth");
        output.lend(b", fifth");
        assert_eq!(output.parts().0, b"first, second, third, fourth, fifth");
    }

    #[test]
    fn what_is_lent_after_a_chunk_waits_behind_it() {
        let mut queue = Outgoing::default();
        let mut output = queue.output(16);
        output.lend(b"1");
        output.push_repeated(b"ab", 3);
        output.lend(b"2");
        output.push(b"3");
        assert_eq!((output.len(), output.parts()), (9, (&b"1"[..], &b""[..])));
        assert_eq!(io::read_to_string(queue).unwrap(), "1ababab23");
    }

    #[test]
    fn long_bytes_are_shared_and_short_ones_are_copied() {
        for (len, holders) in [(0, 1), (SHARED_LEN_MIN - 1, 1), (SHARED_LEN_MIN, 3)] {
            let bytes: Arc<[u8]> = vec![b's'; len].into();
            let mut queue = Outgoing::default();
            let mut output = queue.output(16);
            output.lend(b"lent ");
            output.push_shared(&bytes);
            output.push_shared(&bytes);
            output.push(b" last");
            assert_eq!((output.len(), Arc::strong_count(&bytes)), (2 * len + 10, holders), "{len} bytes");
            assert_eq!(io::read_to_string(queue).unwrap(), format!("lent {} last", "s".repeat(2 * len)));
            assert_eq!(Arc::strong_count(&bytes), 1);
        }
    }
}
