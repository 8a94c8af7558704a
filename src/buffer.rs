//! Bytes on their way in and out.
//!
//! A session sees two views that live for one call: [`Input`], what has come and is not used yet, and [`Output`], where
//! its replies go. What is left over when the call ends goes into a `Rest`, one for each direction of a connection,
//! which owns heap memory only while there is something in it.

use std::io;

/// Bytes received and not used yet: a slice and a cursor.
#[derive(Debug)]
pub struct Input<'a> {
    bytes: &'a [u8],
    used: usize,
}

impl<'a> Input<'a> {
    /// A view of `bytes`, none of them used.
    pub fn new(bytes: &'a [u8]) -> Self {
        Input { bytes, used: 0 }
    }

    /// The bytes not used yet.
    pub fn remaining(&self) -> &'a [u8] {
        &self.bytes[self.used..]
    }

    /// How many bytes are not used yet.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.used
    }

    /// Whether every byte is used.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes have been used.
    pub fn used(&self) -> usize {
        self.used
    }

    /// Uses the next `len` bytes, or none and `None` where fewer are here.
    pub fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let taken = self.remaining().get(..len)?;
        self.used += len;
        Some(taken)
    }

    /// Uses all that is here.
    pub fn take_all(&mut self) -> &'a [u8] {
        let taken = self.remaining();
        self.used = self.bytes.len();
        taken
    }

    /// Uses everything up to and including the first `delimiter`, which is not part of what is returned.
    pub fn take_until(&mut self, delimiter: u8) -> Option<&'a [u8]> {
        let end = self.remaining().iter().position(|&byte| byte == delimiter)?;
        let taken = &self.remaining()[..end];
        self.used += end + 1;
        Some(taken)
    }
}

/// Where a session puts the bytes it sends.
///
/// It consists of a queue, and of a slice of the input that is [lent](Output::lend) to be sent as it is, without a copy.
#[derive(Debug)]
pub struct Output<'a> {
    queue: &'a mut Vec<u8>,
    sent: usize,
    lent: &'a [u8],
    high_water: usize,
}

impl<'a> Output<'a> {
    /// An output that appends to `queue`, of which the first `sent` bytes have gone, and is full from `high_water`
    /// bytes on.
    pub fn new(queue: &'a mut Vec<u8>, sent: usize, high_water: usize) -> Self {
        debug_assert!(sent <= queue.len());
        Output { queue, sent, lent: &[], high_water }
    }

    /// How many bytes wait to be sent.
    pub fn len(&self) -> usize {
        self.queue.len() - self.sent + self.lent.len()
    }

    /// Whether nothing waits to be sent.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether less than the high-water mark waits: the time to make another reply. A reply, once begun, may go over it.
    pub fn has_room(&self) -> bool {
        self.len() < self.high_water
    }

    /// Appends a copy of `bytes`.
    pub fn push(&mut self, bytes: &[u8]) {
        self.queue().extend_from_slice(bytes);
    }

    /// The queue itself, to append to. What stands in it already is not to be touched.
    pub fn queue(&mut self) -> &mut Vec<u8> {
        // What was lent comes before what is appended now.
        self.queue.extend_from_slice(std::mem::take(&mut self.lent));
        self.queue
    }

    /// Appends `bytes` of the input without copying them, if they can be sent from where they are.
    pub fn lend(&mut self, bytes: &'a [u8]) {
        if self.lent.is_empty() {
            self.lent = bytes;
        } else {
            self.push(bytes);
        }
    }

    /// What to send, in order: the rest of the queue, then what was lent.
    pub(crate) fn parts(&self) -> (&[u8], &'a [u8]) {
        (&self.queue[self.sent..], self.lent)
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

/// What a call left over, in one direction of a connection. Owns no heap memory while it is empty.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    bytes: Vec<u8>,
    used: usize,
}

impl Rest {
    /// Used bytes are kept until there are this many, so that small steps do not move the rest each time.
    const COMPACT_LEN: usize = 4096;

    /// What is left of two parts, in order.
    pub fn of(first: &[u8], second: &[u8]) -> Rest {
        Rest { bytes: [first, second].concat(), used: 0 }
    }

    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[self.used..]
    }

    pub fn len(&self) -> usize {
        self.bytes.len() - self.used
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Drops the first `len` bytes, and the memory once it is mostly used bytes.
    pub fn consume(&mut self, len: usize) {
        self.used += len;
        debug_assert!(self.used <= self.bytes.len());
        if self.is_empty() {
            *self = Rest::default();
        } else if self.used >= Self::COMPACT_LEN && self.used >= self.len() {
            *self = Rest { bytes: self.as_slice().to_vec(), used: 0 };
        }
    }

    /// Drops what is in it and keeps the memory, for one that is used over and over.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.used = 0;
    }

    /// An output that appends to this rest.
    pub fn output(&mut self, high_water: usize) -> Output<'_> {
        let sent = self.used;
        Output::new(&mut self.bytes, sent, high_water)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_is_used_from_the_front() {
        let mut input = Input::new(b"ab\ncdef");
        assert_eq!(input.take_until(b'\n'), Some(&b"ab"[..]));
        assert_eq!(input.take_until(b'\n'), None);
        assert_eq!(input.take(5), None);
        assert_eq!(input.take(2), Some(&b"cd"[..]));
        assert_eq!((input.used(), input.len()), (5, 2));
        assert_eq!(input.take_all(), b"ef");
        assert!(input.is_empty());
    }

    #[test]
    fn what_was_lent_keeps_its_place() {
        let mut queue = b"gone, first".to_vec();
        let mut output = Output::new(&mut queue, 6, 16);
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
    fn an_empty_rest_owns_no_memory() {
        let mut rest = Rest::default();
        rest.extend(&[7; 10_000]);
        rest.consume(9_000);
        assert_eq!(rest.as_slice(), [7; 1000]);
        assert!(rest.bytes.capacity() < 2000, "used bytes are dropped once they outweigh the rest");
        rest.consume(1000);
        assert_eq!(rest.bytes.capacity(), 0);
    }
}
