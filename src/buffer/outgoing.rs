//! Data that waits to be sent.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice, Read};
use std::mem;
use std::os::unix::fs::FileExt;

use super::Rest;

/// Data that waits to be sent, in order: the tutorial's `_send_buffer`.
///
/// It holds bytes, followed by chunks appended by a [session](crate::session::Session) that need not be in memory: a
/// gigabyte on disk takes no gigabyte here. It owns no heap memory while it is empty.
///
/// Reading takes bytes out, whatever kind of chunk they come from.
#[doc(alias = "_send_buffer")]
#[derive(Debug, Default)]
pub struct Outgoing {
    /// The bytes to send first.
    bytes: Rest,
    /// The chunks to send next; the first is not a chunk of bytes.
    chunks: VecDeque<Chunk>,
}

#[derive(Debug)]
pub(super) enum Chunk {
    Bytes(Vec<u8>),
    File(FileRange),
    Repeat(Repeat),
}

/// The next data to send.
#[derive(Debug)]
pub(crate) enum Front<'a> {
    Bytes(&'a [u8]),
    File(&'a FileRange),
    Repeat(&'a Repeat),
}

impl Outgoing {
    /// The number of waiting bytes, or `usize::MAX` if there are more.
    pub fn len(&self) -> usize {
        match self.chunks.is_empty() {
            true => self.bytes.len(),
            false => self.chunks.iter().fold(self.bytes.len(), |len, chunk| len.saturating_add(chunk.len())),
        }
    }

    /// Whether no data waits.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.chunks.is_empty()
    }

    /// The bytes to send first: all the data, unless chunks follow.
    pub fn head(&self) -> &[u8] {
        self.bytes.as_slice()
    }

    /// Whether chunks follow the [first bytes](Self::head).
    pub(super) fn has_chunks(&self) -> bool {
        !self.chunks.is_empty()
    }

    /// The last bytes, for appending.
    pub(super) fn end(&mut self) -> &mut Vec<u8> {
        if self.chunks.is_empty() {
            return &mut self.bytes.bytes;
        }
        if !matches!(self.chunks.back(), Some(Chunk::Bytes(_))) {
            self.chunks.push_back(Chunk::Bytes(Vec::new()));
        }
        match self.chunks.back_mut() {
            Some(Chunk::Bytes(bytes)) => bytes,
            Some(Chunk::File(_) | Chunk::Repeat(_)) | None => unreachable!("it was made to be bytes"),
        }
    }

    pub(super) fn push(&mut self, chunk: Chunk) {
        if chunk.len() > 0 {
            self.chunks.push_back(chunk);
        }
    }

    pub(super) fn append(&mut self, other: Outgoing) {
        self.end().extend_from_slice(other.head());
        for chunk in other.chunks {
            self.push(chunk);
        }
    }

    /// The next data, if any.
    pub(crate) fn front(&self) -> Option<Front<'_>> {
        if !self.bytes.is_empty() {
            return Some(Front::Bytes(self.head()));
        }
        self.chunks.front().map(|chunk| match chunk {
            Chunk::Bytes(bytes) => Front::Bytes(bytes),
            Chunk::File(range) => Front::File(range),
            Chunk::Repeat(repeat) => Front::Repeat(repeat),
        })
    }

    /// Drops `len` bytes of the next data.
    pub(crate) fn consume(&mut self, len: usize) {
        if !self.bytes.is_empty() {
            self.bytes.consume(len);
        } else if let Some(chunk) = self.chunks.front_mut() {
            chunk.consume(len);
        }
        self.bring_forward();
    }

    /// Takes the data that remains once `sent` bytes have gone, of this and of the `lent` slice behind its bytes. The
    /// memory of its bytes stays here for reuse.
    pub(crate) fn take_rest(&mut self, lent: &[u8], sent: usize) -> Outgoing {
        let own = self.head();
        let left = [&own[sent.min(own.len())..], &lent[sent.saturating_sub(own.len())..]].concat();
        let mut rest = Outgoing { bytes: Rest::from(left), chunks: mem::take(&mut self.chunks) };
        rest.bring_forward();
        self.clear();
        rest
    }

    /// The number of bytes that its memory has room for.
    #[cfg(feature = "models")]
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.bytes.capacity()
    }

    /// Drops all data and keeps the memory of its bytes, for repeated use.
    pub fn clear(&mut self) {
        self.bytes.clear();
        if !self.chunks.is_empty() {
            self.chunks = VecDeque::new();
        }
    }

    /// Drops used-up chunks at the front, and moves a leading chunk of bytes to `bytes`.
    fn bring_forward(&mut self) {
        if !self.bytes.is_empty() {
            return;
        }
        while self.chunks.front().is_some_and(|chunk| chunk.len() == 0 || matches!(chunk, Chunk::Bytes(_))) {
            if let Some(Chunk::Bytes(bytes)) = self.chunks.pop_front() {
                self.bytes = Rest::from(bytes);
                break;
            }
        }
        if self.chunks.is_empty() {
            self.chunks = VecDeque::new();
        }
    }
}

impl Read for Outgoing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = match self.front() {
            Some(Front::Bytes(mut bytes)) => bytes.read(buffer)?,
            Some(Front::File(range)) => range.read(buffer)?,
            Some(Front::Repeat(repeat)) => repeat.upcoming().read(buffer)?,
            None => 0,
        };
        self.consume(len);
        Ok(len)
    }
}

impl Chunk {
    fn len(&self) -> usize {
        match self {
            Chunk::Bytes(bytes) => bytes.len(),
            Chunk::File(FileRange { left, .. }) | Chunk::Repeat(Repeat { left, .. }) => counted(*left),
        }
    }

    fn consume(&mut self, len: usize) {
        match self {
            Chunk::Bytes(_) => unreachable!("bytes are brought forward before they are used"),
            Chunk::File(range) => {
                range.offset += len as u64;
                range.left -= len as u64;
            }
            Chunk::Repeat(repeat) => {
                repeat.at = (repeat.at + len) % repeat.block.len();
                repeat.left -= len as u64;
            }
        }
    }
}

/// A range of an open file.
#[derive(Debug)]
pub(crate) struct FileRange {
    file: File,
    offset: u64,
    left: u64,
}

impl FileRange {
    pub(super) fn new(file: File, offset: u64, len: u64) -> Self {
        FileRange { file, offset, left: len }
    }

    pub fn file(&self) -> &File {
        &self.file
    }

    /// The offset of the range in the file.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The number of bytes, or `usize::MAX` if there are more.
    pub fn len(&self) -> usize {
        counted(self.left)
    }

    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = buffer.len().min(self.len());
        match self.file.read_at(&mut buffer[..len], self.offset)? {
            0 if len > 0 => Err(Self::cut_short()),
            len => Ok(len),
        }
    }

    /// The error for a file that ends before the range does.
    pub fn cut_short() -> io::Error {
        io::Error::new(io::ErrorKind::UnexpectedEof, "the file has become shorter while it was sent")
    }
}

/// The same bytes, repeated.
#[derive(Debug)]
pub(crate) struct Repeat {
    /// The bytes, repeated often enough to be worth a system call.
    block: Box<[u8]>,
    /// The index in the block of the next byte.
    at: usize,
    /// The number of bytes to come.
    left: u64,
}

/// The most slices sent at once.
const SLICES_MAX: usize = 16;

impl Repeat {
    /// `SLICES_MAX` slices of this length fill a socket's buffer in one call.
    const BLOCK_LEN: usize = 16 << 10;

    pub(super) fn new(bytes: &[u8], times: u64) -> Self {
        let left = (bytes.len() as u64).saturating_mul(times);
        let copies = Self::BLOCK_LEN.div_ceil(bytes.len().max(1)).min(usize::try_from(times).unwrap_or(usize::MAX));
        Repeat { block: bytes.repeat(copies).into(), at: 0, left }
    }

    /// The next data in consecutive slices, at most `len_max` bytes, and the number of these bytes.
    pub fn slices(&self, len_max: usize) -> ([IoSlice<'_>; SLICES_MAX], usize) {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let (mut slice, mut left) = (self.upcoming(), len_max.min(counted(self.left)));
        let mut len = 0;
        for place in &mut slices {
            slice = &slice[..slice.len().min(left)];
            *place = IoSlice::new(slice);
            len += slice.len();
            left -= slice.len();
            slice = &self.block;
        }
        (slices, len)
    }

    /// The next bytes that are contiguous.
    fn upcoming(&self) -> &[u8] {
        let slice = &self.block[self.at..];
        &slice[..slice.len().min(counted(self.left))]
    }
}

/// Converts a length to `usize`, capped at its maximum.
fn counted(len: u64) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file
    }

    /// Bytes, files and repetitions in various orders, and the bytes they stand for.
    fn mixed() -> (Outgoing, Vec<u8>) {
        let mut outgoing = Outgoing::default();
        let mut output = outgoing.output(usize::MAX);
        output.push(b"first ");
        output.push_file(file(b"0123456789"), 3, 4);
        output.push_repeated(b"ab", 3);
        output.push(b" between ");
        output.push_repeated(b"", 1000);
        output.push_repeated(b"never", 0);
        output.push(b"two ");
        output.push_file(file(b"whole"), 0, 5);
        output.push_file(file(b"nothing of it"), 0, 0);
        output.push_repeated(&[b'x'; 20_000], 5);
        output.push(b" last");
        let all = [&b"first 3456ababab between two whole"[..], &[b'x'; 100_000], b" last"].concat();
        (outgoing, all)
    }

    #[test]
    fn it_comes_out_in_order_by_any_steps() {
        for step in [1, 2, 7, 1000, 1 << 20] {
            let (mut outgoing, all) = mixed();
            let mut out = Vec::new();
            let mut buffer = vec![0; step];
            while !outgoing.is_empty() {
                assert_eq!(outgoing.len(), all.len() - out.len());
                let len = outgoing.read(&mut buffer).unwrap();
                assert!(len > 0);
                out.extend_from_slice(&buffer[..len]);
            }
            assert!(out == all, "in steps of {step}");
            assert_eq!(outgoing.len(), 0);
            assert!(
                outgoing.front().is_none() && outgoing.chunks.capacity() == 0 && outgoing.bytes.bytes.capacity() == 0
            );
        }
    }

    #[test]
    fn one_is_appended_to_another() {
        for (before, behind) in [("", ""), ("before", ""), ("", "behind"), ("before", "behind")] {
            let mut outgoing = Outgoing::default();
            outgoing.output(9).push(before.as_bytes());
            let (other, all) = mixed();
            outgoing.output(9).append(other);
            outgoing.output(9).push(behind.as_bytes());
            let mut out = Vec::new();
            outgoing.read_to_end(&mut out).unwrap();
            assert!(out == [before.as_bytes(), &all, behind.as_bytes()].concat());
        }
    }

    #[test]
    fn the_rest_is_what_has_not_gone() {
        for sent in 0..=11 {
            let mut outgoing = Outgoing::default();
            outgoing.output(9).push(b"own");
            let mut rest = outgoing.take_rest(b" and lent", sent.min(12));
            assert_eq!(io::read_to_string(&mut rest).unwrap(), &"own and lent"[sent..]);
            assert!(outgoing.is_empty());
        }
        let (mut outgoing, all) = mixed();
        let mut out = Vec::new();
        outgoing.take_rest(b"", 2).read_to_end(&mut out).unwrap();
        assert!(out == all[2..]);
        let (mut outgoing, all) = mixed();
        let mut rest = outgoing.take_rest(b"", 6);
        assert!(matches!(rest.front(), Some(Front::File(_))));
        let mut out = Vec::new();
        rest.read_to_end(&mut out).unwrap();
        assert!(out == all[6..]);
    }

    #[test]
    fn a_file_that_has_become_shorter_is_an_error() {
        let mut outgoing = Outgoing::default();
        outgoing.output(9).push_file(file(b"short"), 0, 6);
        let mut buffer = [0; 100];
        assert_eq!(outgoing.read(&mut buffer).unwrap(), 5);
        assert_eq!(outgoing.read(&mut buffer).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn slices_of_a_repetition_follow_each_other() {
        let mut repeat = Repeat::new(b"abc", 1_000_000);
        assert!(repeat.block.len() < 20_000 && repeat.block.len().is_multiple_of(3));
        let mut expected = b"abc".iter().cycle();
        let mut left = 3_000_000;
        for len_max in [1, 5, 100_000, 1 << 20].into_iter().cycle() {
            let (slices, len) = repeat.slices(len_max);
            assert_eq!(len, slices.iter().map(|slice| slice.len()).sum::<usize>());
            assert!(len > 0 && len <= len_max);
            assert!(slices.iter().flat_map(|slice| slice.iter()).all(|byte| Some(byte) == expected.next()));
            let mut chunk = Chunk::Repeat(repeat);
            chunk.consume(len);
            let Chunk::Repeat(rest) = chunk else { unreachable!() };
            repeat = rest;
            left -= len;
            if left == 0 {
                break;
            }
        }
        assert_eq!(repeat.left, 0);
    }

    #[test]
    fn long_bytes_are_held_once() {
        assert_eq!(Repeat::new(&[1; 1_000_000], 10_000).block.len(), 1_000_000);
        assert_eq!(Repeat::new(b"ab", 3).block.len(), 6);
    }
}
