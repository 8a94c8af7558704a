//! Slices to send in one call.

use std::io::IoSlice;

/// Consecutive bytes in slices, at most a given number of bytes.
#[derive(Debug)]
pub(crate) struct Slices<'a> {
    slices: [IoSlice<'a>; SLICES_MAX],
    /// The number of slices in use.
    count: usize,
    /// The number of their bytes.
    len: usize,
    len_max: usize,
}

/// The most slices sent at once.
const SLICES_MAX: usize = 16;

impl<'a> Slices<'a> {
    pub fn new(len_max: usize) -> Self {
        Slices { slices: [IoSlice::new(&[]); SLICES_MAX], count: 0, len: 0, len_max }
    }

    /// Adds the beginning of `bytes` that fits, and returns its length.
    pub fn add(&mut self, bytes: &'a [u8]) -> usize {
        if self.is_full() || bytes.is_empty() {
            return 0;
        }
        let bytes = &bytes[..bytes.len().min(self.len_max - self.len)];
        self.slices[self.count] = IoSlice::new(bytes);
        self.count += 1;
        self.len += bytes.len();
        bytes.len()
    }

    /// Whether nothing more fits.
    pub fn is_full(&self) -> bool {
        self.count == SLICES_MAX || self.len == self.len_max
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Copies the bytes to the beginning of `buffer`, which has room for them, and returns their number.
    pub fn copy_to(&self, buffer: &mut [u8]) -> usize {
        let mut len = 0;
        for slice in self.as_slice() {
            buffer[len..len + slice.len()].copy_from_slice(slice);
            len += slice.len();
        }
        len
    }

    pub fn as_slice(&self) -> &[IoSlice<'a>] {
        &self.slices[..self.count]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_hold_so_many_bytes_in_so_many_slices() {
        let mut slices = Slices::new(5);
        assert_eq!([slices.add(b"one"), slices.add(b""), slices.add(b"two"), slices.add(b"three")], [3, 0, 2, 0]);
        assert_eq!(slices.as_slice().iter().map(|slice| slice.to_vec()).collect::<Vec<_>>(), [&b"one"[..], b"tw"]);
        let mut buffer = *b"......";
        assert_eq!((slices.copy_to(&mut buffer), slices.len(), &buffer), (5, 5, b"onetw."));
        let mut slices = Slices::new(1000);
        assert_eq!((0..20).map(|_| slices.add(b"x")).sum::<usize>(), SLICES_MAX);
        assert!(slices.is_full());
    }
}
