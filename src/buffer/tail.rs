//! Appending to bytes that must not change.

use std::io;

/// The end of some bytes: appended bytes can be read and changed until this is dropped, while earlier ones are out of
/// reach.
#[derive(Debug)]
pub struct Tail<'a> {
    bytes: &'a mut Vec<u8>,
    /// The number of bytes before it.
    start: usize,
}

impl<'a> From<&'a mut Vec<u8>> for Tail<'a> {
    #[inline]
    fn from(bytes: &'a mut Vec<u8>) -> Self {
        Tail { start: bytes.len(), bytes }
    }
}

/// The end of a tail: bytes appended to it are in both.
impl<'a> From<&'a mut Tail<'_>> for Tail<'a> {
    #[inline]
    fn from(tail: &'a mut Tail<'_>) -> Self {
        Tail::from(&mut *tail.bytes)
    }
}

impl Tail<'_> {
    /// Appends a copy of `bytes`.
    #[inline]
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends one byte.
    #[inline]
    pub fn push(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    /// Reserves space for `additional` bytes, so that appending them allocates at most once.
    #[inline]
    pub fn reserve(&mut self, additional: usize) {
        self.bytes.reserve(additional);
    }

    /// Reserves space for `additional` bytes and no more, for when few more will follow.
    #[inline]
    pub fn reserve_exact(&mut self, additional: usize) {
        self.bytes.reserve_exact(additional);
    }

    /// Keeps only the first `len` of the appended bytes.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        self.bytes.truncate(self.start + len);
    }

    /// The number of appended bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Whether no bytes were appended.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The appended bytes.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// The appended bytes, for changing.
    #[inline]
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..]
    }
}

impl Extend<u8> for Tail<'_> {
    fn extend<I: IntoIterator<Item = u8>>(&mut self, bytes: I) {
        self.bytes.extend(bytes);
    }
}

impl io::Write for Tail<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stood_before_is_out_of_reach() {
        let mut bytes = b"before".to_vec();
        let mut tail = Tail::from(&mut bytes);
        assert!(tail.is_empty());
        tail.extend_from_slice(b"cab");
        tail.as_mut_slice().sort_unstable();
        let mut end = Tail::from(&mut tail);
        end.push(b'd');
        assert_eq!((end.as_slice(), end.len()), (&b"d"[..], 1));
        assert_eq!(tail.as_slice(), b"abcd");
        assert_eq!(bytes, b"beforeabcd");
    }
}
