//! Bytes on their way in and out.
//!
//! During one call, a session has two views: [`Input`], the bytes received and not used yet, and [`Output`], the
//! destination of its replies. When the call ends, the remainder is kept for each direction of a connection: a `Rest`
//! of the input, and [`Outgoing`] data. These own heap memory only while they contain anything.

mod contents;
mod outgoing;
mod output;
mod slices;
mod tail;

pub use contents::Contents;
pub use outgoing::Outgoing;
pub(crate) use outgoing::{FileRange, Front};
pub use output::Output;
pub(crate) use slices::Slices;
pub use tail::Tail;

/// Bytes received and not used yet, as a slice and a cursor: a view of the tutorial's `_recv_buffer`.
#[doc(alias = "_recv_buffer")]
#[derive(Debug)]
pub struct Input<'a> {
    bytes: &'a [u8],
    used: usize,
}

impl<'a> Input<'a> {
    /// Creates a view of `bytes`, none of them used.
    pub fn new(bytes: &'a [u8]) -> Self {
        Input { bytes, used: 0 }
    }

    /// The bytes not used yet.
    pub fn remaining(&self) -> &'a [u8] {
        &self.bytes[self.used..]
    }

    /// The number of bytes not used yet.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.used
    }

    /// Whether every byte is used.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of bytes used.
    pub fn used(&self) -> usize {
        self.used
    }

    /// Uses the next `len` bytes, or returns `None` if there are fewer.
    pub fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let taken = self.remaining().get(..len)?;
        self.used += len;
        Some(taken)
    }

    /// Uses all remaining bytes.
    pub fn take_all(&mut self) -> &'a [u8] {
        let taken = self.remaining();
        self.used = self.bytes.len();
        taken
    }

    /// Uses everything up to and including the first `delimiter`, and returns it without the delimiter.
    pub fn take_until(&mut self, delimiter: u8) -> Option<&'a [u8]> {
        let end = self.remaining().iter().position(|&byte| byte == delimiter)?;
        let taken = &self.remaining()[..end];
        self.used += end + 1;
        Some(taken)
    }
}

/// Bytes left over from a call, as in the tutorial's `_recv_buffer`. Owns no heap memory while empty.
#[doc(alias = "_recv_buffer")]
#[derive(Debug, Default)]
pub(crate) struct Rest {
    bytes: Vec<u8>,
    used: usize,
}

impl Rest {
    /// Used bytes are kept up to this number, so that small steps don't move the rest each time.
    const COMPACT_LEN: usize = 4096;

    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[self.used..]
    }

    pub fn len(&self) -> usize {
        self.bytes.len() - self.used
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The memory that it owns, in bytes.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// The most memory that contents of this length may take. Growth doubles it, and used bytes count too until they
    /// are dropped.
    pub fn capacity_max(&self) -> usize {
        2 * (self.len() + self.len().max(Self::COMPACT_LEN))
    }

    pub fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Drops the first `len` bytes, and frees the memory once it mostly holds used bytes.
    pub fn consume(&mut self, len: usize) {
        self.used += len;
        debug_assert!(self.used <= self.bytes.len());
        if self.is_empty() {
            *self = Rest::default();
        } else if self.used >= Self::COMPACT_LEN && self.used >= self.len() {
            *self = Rest { bytes: self.as_slice().to_vec(), used: 0 };
        }
    }

    /// Frees the memory that the contents don't need.
    pub fn trim(&mut self) {
        self.bytes.drain(..self.used);
        self.used = 0;
        self.bytes.shrink_to_fit();
    }

    /// Drops the contents and keeps the memory, for repeated use.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.used = 0;
    }
}

impl From<Vec<u8>> for Rest {
    fn from(bytes: Vec<u8>) -> Self {
        Rest { bytes, used: 0 }
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
