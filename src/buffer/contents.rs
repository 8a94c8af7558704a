//! The contents of a file, wherever they are.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// The contents of an open file: on disk, in memory, in an archive. An [output](super::Output::push_file) reads them piece
/// by piece as the peer takes them, so they need not fit into memory.
///
/// ```
/// use std::io;
///
/// use multiconn::buffer::{Contents, Outgoing};
///
/// /// A file that is nothing but zeros.
/// #[derive(Debug)]
/// struct Zeros;
///
/// impl Contents for Zeros {
///     fn read_at(&self, buffer: &mut [u8], _offset: u64) -> io::Result<usize> {
///         buffer.fill(0);
///         Ok(buffer.len())
///     }
/// }
///
/// let mut outgoing = Outgoing::default();
/// outgoing.output(64 << 10).push_file(Zeros, 0, 1 << 40);
/// assert_eq!(outgoing.len(), 1 << 40);
/// ```
pub trait Contents: fmt::Debug + Send + Sync {
    /// Reads some bytes from `offset` on, and returns how many: 0 at the end.
    ///
    /// # Errors
    /// If they can't be read.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// The file of the system that has the same bytes at the same offsets, if there is one. The system can send it
    /// without reading it into this process.
    fn as_file(&self) -> Option<&File> {
        None
    }
}

/// A file on disk.
impl Contents for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }

    fn as_file(&self) -> Option<&File> {
        Some(self)
    }
}

/// A file that is part of the program, as [`include_bytes!`] returns it.
impl Contents for &'static [u8] {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(copy(self, buffer, offset))
    }
}

/// A file in memory.
impl Contents for Arc<[u8]> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(copy(self, buffer, offset))
    }
}

fn copy(bytes: &[u8], buffer: &mut [u8], offset: u64) -> usize {
    let rest = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)).unwrap_or_default();
    let len = rest.len().min(buffer.len());
    buffer[..len].copy_from_slice(&rest[..len]);
    len
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_up_to_its_end() {
        let files: [&dyn Contents; 2] = [&&b"contents"[..], &Arc::<[u8]>::from(*b"contents")];
        for file in files {
            assert!(file.as_file().is_none());
            for (offset, expected) in [(0, "cont"), (5, "nts"), (8, ""), (9, ""), (u64::MAX, "")] {
                let mut buffer = [0; 4];
                let len = file.read_at(&mut buffer, offset).unwrap();
                assert_eq!(&buffer[..len], expected.as_bytes(), "at {offset}");
            }
        }
    }
}
