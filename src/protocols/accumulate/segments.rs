//! The string in segments, which replies share.

use std::sync::Arc;

use crate::buffer::Output;

/// A string that only grows: full segments, which all replies share, and an end, which each reply copies.
#[derive(Debug, Default)]
pub(super) struct Segments {
    full: Vec<Arc<[u8]>>,
    end: Vec<u8>,
}

impl Segments {
    /// Length of a full segment in bytes. A reply copies less than this, and sixteen segments fill a socket's buffer in
    /// one call.
    pub const LEN: usize = 16 << 10;

    pub fn len(&self) -> usize {
        self.full.len() * Self::LEN + self.end.len()
    }

    pub fn append(&mut self, mut bytes: &[u8]) {
        while self.end.len() + bytes.len() >= Self::LEN {
            let (rest_of_segment, rest) = bytes.split_at(Self::LEN - self.end.len());
            self.end.extend_from_slice(rest_of_segment);
            self.full.push(Arc::from(self.end.as_slice()));
            self.end.clear();
            bytes = rest;
        }
        self.end.extend_from_slice(bytes);
    }

    /// Appends all of it to `output`.
    pub fn push_to(&self, output: &mut Output<'_>) {
        self.full.iter().for_each(|segment| output.push_shared(segment));
        output.push(&self.end);
    }

    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len());
        self.full.iter().for_each(|segment| bytes.extend_from_slice(segment));
        bytes.extend_from_slice(&self.end);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::buffer::Outgoing;

    #[test]
    fn what_is_appended_is_there_in_order() {
        let bytes: Vec<u8> = (0..5 * Segments::LEN).map(|index| (index % 251) as u8).collect();
        for step in [1, 7, Segments::LEN - 1, Segments::LEN, Segments::LEN + 1, 2 * Segments::LEN, bytes.len()] {
            let (mut segments, mut len) = (Segments::default(), 0);
            for piece in bytes.chunks(step) {
                segments.append(piece);
                len += piece.len();
                assert_eq!(segments.len(), len);
            }
            assert!(segments.to_vec() == bytes, "in steps of {step}");
            assert_eq!((segments.full.len(), segments.end.len()), (5, 0));
        }
    }

    #[test]
    fn a_reply_stays_as_it_was_made() {
        let (mut segments, mut replies) = (Segments::default(), Vec::new());
        for len in [10, Segments::LEN - 11, 1, 2 * Segments::LEN, 5] {
            segments.append(&vec![len as u8; len]);
            let mut reply = Outgoing::default();
            segments.push_to(&mut reply.output(usize::MAX));
            replies.push((reply, segments.to_vec()));
        }
        drop(segments);
        for (mut reply, expected) in replies {
            let mut bytes = Vec::new();
            io::Read::read_to_end(&mut reply, &mut bytes).unwrap();
            assert!(bytes == expected);
        }
    }
}
