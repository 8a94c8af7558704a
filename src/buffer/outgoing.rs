//! Data that waits to be sent.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::mem;
use std::sync::Arc;

use super::{Contents, Rest, Slices};

/// Data that waits to be sent, in order: the tutorial's `_send_buffer`.
///
/// It holds bytes, followed by chunks that need no memory of their own, appended by a
/// [session](crate::session::Session). A gigabyte on disk takes no gigabyte here, and bytes for many peers are in
/// memory once. It owns no heap memory while it is empty.
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
    Shared(Shared),
}

/// The next data to send.
#[expect(clippy::large_enum_variant, reason = "it lives on the stack, for one system call")]
#[derive(Debug)]
pub(crate) enum Front<'a> {
    Memory(Slices<'a>),
    File(&'a FileRange),
}

impl Outgoing {
    /// The number of waiting bytes, or `usize::MAX` if there are more.
    pub fn len(&self) -> usize {
        match self.chunks.is_empty() {
            true => self.bytes.len(),
            false => self.chunks.iter().fold(self.bytes.len(), |len, chunk| len.saturating_add(chunk.len())),
        }
    }

    /// The memory that it owns for data, in bytes. Each holder of shared bytes counts an equal part of them.
    pub(crate) fn capacity(&self) -> usize {
        self.chunks.iter().fold(self.bytes.capacity(), |sum, chunk| sum + chunk.capacity())
    }

    /// The most memory that bytes of this length may take, or `None` if chunks follow.
    pub(crate) fn capacity_max(&self) -> Option<usize> {
        self.chunks.is_empty().then(|| self.bytes.capacity_max())
    }

    /// Frees the memory that its data doesn't need.
    pub(crate) fn trim(&mut self) {
        self.bytes.trim();
        for chunk in &mut self.chunks {
            if let Chunk::Bytes(bytes) = chunk {
                bytes.shrink_to_fit();
            }
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
            Some(Chunk::File(_) | Chunk::Repeat(_) | Chunk::Shared(_)) | None => {
                unreachable!("it has just been made a chunk of bytes")
            }
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

    /// The next data, if any: a range of a file, or at most `len_max` bytes in memory.
    pub(crate) fn front(&self, len_max: usize) -> Option<Front<'_>> {
        let mut slices = Slices::new(len_max);
        slices.add(self.head());
        for chunk in &self.chunks {
            match chunk {
                _ if slices.is_full() => break,
                Chunk::Bytes(bytes) => _ = slices.add(bytes),
                Chunk::Shared(shared) => _ = slices.add(shared.upcoming()),
                Chunk::Repeat(repeat) => repeat.add_to(&mut slices),
                Chunk::File(range) if slices.len() == 0 => return Some(Front::File(range)),
                Chunk::File(_) => break,
            }
        }
        (slices.len() > 0).then_some(Front::Memory(slices))
    }

    /// Drops the next `len` bytes, which must exist.
    pub(crate) fn consume(&mut self, mut len: usize) {
        while len > 0 {
            let used = if !self.bytes.is_empty() {
                let used = len.min(self.bytes.len());
                self.bytes.consume(used);
                used
            } else if let Some(chunk) = self.chunks.front_mut() {
                let used = len.min(chunk.len());
                chunk.consume(used);
                used
            } else {
                unreachable!("{len} bytes more than there are")
            };
            len -= used;
            self.bring_forward();
        }
    }

    /// Takes the data that remains once `sent` bytes of this, and of the `lent` slice behind its bytes, have been sent.
    /// The memory of its bytes stays here for reuse.
    pub(crate) fn take_rest(&mut self, lent: &[u8], sent: usize) -> Outgoing {
        let own = self.head();
        let of_lent = sent.saturating_sub(own.len());
        let of_chunks = of_lent.saturating_sub(lent.len());
        let left = [&own[sent.min(own.len())..], &lent[of_lent.min(lent.len())..]].concat();
        let mut rest = Outgoing { bytes: Rest::from(left), chunks: mem::take(&mut self.chunks) };
        rest.bring_forward();
        rest.consume(of_chunks);
        self.clear();
        rest
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
        let len = match self.front(buffer.len()) {
            Some(Front::Memory(slices)) => slices.copy_to(buffer),
            Some(Front::File(range)) => range.read(buffer)?,
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
            Chunk::Shared(shared) => shared.upcoming().len(),
        }
    }

    fn capacity(&self) -> usize {
        match self {
            Chunk::Bytes(bytes) => bytes.capacity(),
            Chunk::Repeat(repeat) => repeat.block.len(),
            Chunk::Shared(shared) => shared.part(),
            Chunk::File(_) => 0,
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
            Chunk::Shared(shared) => shared.at += len,
        }
    }
}

/// A range of an open file.
#[derive(Debug)]
pub(crate) struct FileRange {
    file: Box<dyn Contents>,
    offset: u64,
    left: u64,
}

impl FileRange {
    pub(super) fn new(file: Box<dyn Contents>, offset: u64, len: u64) -> Self {
        FileRange { file, offset, left: len }
    }

    pub fn file(&self) -> &dyn Contents {
        &*self.file
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
    /// The index of the next byte in the block.
    at: usize,
    /// The number of bytes to come.
    left: u64,
}

impl Repeat {
    /// The length of a block: as many such slices as one call sends fill a socket's buffer.
    const BLOCK_LEN: usize = 16 << 10;

    pub(super) fn new(bytes: &[u8], times: u64) -> Self {
        let left = (bytes.len() as u64).saturating_mul(times);
        let copies = Self::BLOCK_LEN.div_ceil(bytes.len().max(1)).min(usize::try_from(times).unwrap_or(usize::MAX));
        Repeat { block: bytes.repeat(copies).into(), at: 0, left }
    }

    /// Adds the next bytes to `slices`, until these are full.
    fn add_to<'a>(&'a self, slices: &mut Slices<'a>) {
        let (mut slice, mut left) = (&self.block[self.at..], counted(self.left));
        while left > 0 && !slices.is_full() {
            left -= slices.add(&slice[..slice.len().min(left)]);
            slice = &self.block;
        }
    }
}

/// Bytes that other queues may hold as well.
#[derive(Debug)]
pub(super) struct Shared {
    bytes: Arc<[u8]>,
    /// The index of the next byte.
    at: usize,
}

impl Shared {
    pub(super) fn new(bytes: Arc<[u8]>) -> Self {
        Shared { bytes, at: 0 }
    }

    fn upcoming(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    /// One holder's equal part of its memory, which changes as holders come and go.
    fn part(&self) -> usize {
        self.bytes.len().div_ceil(Arc::strong_count(&self.bytes))
    }
}

/// Converts a length to `usize`, capped at its maximum.
fn counted(len: u64) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;

    use super::*;

    fn file(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file
    }

    /// Bytes, files, repetitions and shared bytes in various orders, and the bytes they stand for.
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
        let shared = Arc::from([b's'; 5000]);
        output.push_shared(&shared);
        output.push(b" then ");
        output.push_shared(&shared);
        output.push_shared(&Arc::from(*b""));
        output.push_shared(&Arc::from(*b" short "));
        (0..40).for_each(|_| output.push_shared(&shared));
        output.push_file(file(b"0123456789"), 8, 2);
        output.push(b" last");
        let all = [
            &b"first 3456ababab between two whole"[..],
            &[b'x'; 100_000],
            &[b's'; 5000],
            b" then ",
            &[b's'; 5000],
            b" short ",
            &[b's'; 200_000],
            b"89 last",
        ];
        let all = all.concat();
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
                outgoing.front(1).is_none() && outgoing.chunks.capacity() == 0 && outgoing.bytes.bytes.capacity() == 0
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
        for sent in [2, 6] {
            let (mut outgoing, all) = mixed();
            let mut out = Vec::new();
            outgoing.take_rest(b"", sent).read_to_end(&mut out).unwrap();
            assert!(out == all[sent..]);
        }
        for sent in 0..=11 {
            let mut outgoing = Outgoing::default();
            let mut output = outgoing.output(9);
            output.push(b"own ");
            output.push_repeated(b"again ", 2);
            output.push(b"end");
            assert_eq!(io::read_to_string(outgoing.take_rest(b"", sent)).unwrap(), &"own again again end"[sent..]);
        }
        let (mut outgoing, all) = mixed();
        let mut rest = outgoing.take_rest(b"", 6);
        assert!(matches!(rest.front(1), Some(Front::File(_))));
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

    /// The next bytes in memory, none if a file is next.
    fn next_bytes(outgoing: &Outgoing, len_max: usize) -> Vec<u8> {
        match outgoing.front(len_max) {
            Some(Front::Memory(slices)) => {
                let mut bytes = vec![0; slices.len()];
                assert_eq!(slices.copy_to(&mut bytes), slices.len());
                bytes
            }
            Some(Front::File(_)) | None => Vec::new(),
        }
    }

    #[test]
    fn slices_go_on_from_chunk_to_chunk_up_to_a_file() {
        let (mut outgoing, all) = mixed();
        let mut lens = Vec::new();
        let mut at = 0;
        while !outgoing.is_empty() {
            let bytes = next_bytes(&outgoing, usize::MAX);
            assert!(all[at..].starts_with(&bytes));
            // A file's bytes are read.
            let len = if bytes.is_empty() { outgoing.read(&mut [0; 100]).unwrap() } else { bytes.len() };
            lens.push((bytes.len(), len));
            outgoing.consume(bytes.len());
            at += len;
        }
        // Sixteen slices at most.
        let first = 5 * 20_000 + 5000 + 6 + 5000 + 7 + 7 * 5000;
        let expected = [(6, 6), (0, 4), (19, 19), (0, 5), (first, first), (80_000, 80_000), (80_000, 80_000)];
        assert_eq!(lens[..7], expected);
        assert_eq!(lens[7..], [(5000, 5000), (0, 2), (5, 5)]);
        assert_eq!(at, all.len());
    }

    #[test]
    fn slices_of_a_repetition_follow_each_other() {
        let mut outgoing = Outgoing::default();
        outgoing.output(9).push_repeated(b"abc", 1_000_000);
        assert!(outgoing.capacity() < 20_000 && outgoing.capacity().is_multiple_of(3));
        let mut expected = b"abc".iter().cycle();
        for len_max in [1, 5, 100_000, 1 << 20].into_iter().cycle() {
            let bytes = next_bytes(&outgoing, len_max);
            if bytes.is_empty() {
                break;
            }
            assert!(bytes.len() <= len_max);
            assert!(bytes.iter().all(|byte| Some(byte) == expected.next()));
            outgoing.consume(bytes.len());
        }
        assert!(outgoing.is_empty());
        assert_eq!(expected.next(), Some(&b'a'));
    }

    #[test]
    fn shared_bytes_are_held_once_and_counted_in_equal_parts() {
        let shared: Arc<[u8]> = vec![7; 12_000].into();
        let mut queues = [Outgoing::default(), Outgoing::default(), Outgoing::default()];
        for queue in &mut queues {
            queue.output(9).push_shared(&shared);
        }
        assert_eq!(queues.each_ref().map(Outgoing::capacity), [3000; 3], "the caller holds it as well");
        let whole = shared.as_ptr();
        drop(shared);
        queues[0].consume(2000);
        let Some(Front::Memory(slices)) = queues[0].front(usize::MAX) else { unreachable!() };
        assert_eq!((slices.as_slice()[0].as_ptr(), slices.len()), (whole.wrapping_add(2000), 10_000));
        assert_eq!(queues.each_ref().map(Outgoing::capacity), [4000; 3]);
        queues[1].clear();
        queues[2].consume(12_000);
        assert_eq!(queues.each_ref().map(Outgoing::capacity), [12_000, 0, 0], "the last holds it alone");
    }

    #[test]
    fn what_is_trimmed_has_no_more_memory_than_data() {
        let mut outgoing = Outgoing::default();
        let mut output = outgoing.output(9);
        (0..1025).for_each(|_| output.push(b"byte"));
        output.push_repeated(b"ab", 3);
        (0..1025).for_each(|_| output.push(b"byte"));
        outgoing.consume(2000);
        assert!(outgoing.capacity() > outgoing.len() + 4000);
        outgoing.trim();
        assert_eq!(outgoing.capacity(), outgoing.len());
        assert_eq!(io::read_to_string(outgoing).unwrap(), "byte".repeat(525) + "ababab" + &"byte".repeat(1025));
    }

    #[test]
    fn long_bytes_are_held_once() {
        assert_eq!(Repeat::new(&[1; 1_000_000], 10_000).block.len(), 1_000_000);
        assert_eq!(Repeat::new(b"ab", 3).block.len(), 6);
    }
}
