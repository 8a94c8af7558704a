//! The files of a simulated system.

use std::io;
use std::rc::Rc;
use std::sync::Arc;

use super::SimNet;
use crate::buffer::Contents;
use crate::folder::{Files, FolderError, MemoryFolder};

/// A folder of a simulated system: its files are in memory, and the faults of the network's system strike them.
#[derive(Clone, Debug)]
pub struct SimFolder {
    net: SimNet,
    files: Rc<MemoryFolder>,
}

/// An open file of a [`SimFolder`].
#[derive(Debug)]
pub struct SimFile {
    contents: Arc<[u8]>,
    /// Each open file holds one of these, so that the network can count them.
    _open: Arc<()>,
}

impl SimNet {
    /// The folder with these `files`, for a server on this network.
    pub fn folder(&self, files: Rc<MemoryFolder>) -> SimFolder {
        SimFolder { net: self.clone(), files }
    }

    /// By how many the open files have outnumbered the open streams on the side under test.
    pub fn spare_files(&self) -> usize {
        self.network().spare_files
    }
}

impl Files for SimFolder {
    type File = SimFile;

    fn file(&self, path: &[u8]) -> Result<(SimFile, u64), FolderError> {
        let (contents, len) = self.files.file(path)?;
        let open = self.net.network().open_file().map_err(FolderError::System)?;
        Ok((SimFile { contents, _open: open }, len))
    }
}

impl Contents for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.contents.read_at(buffer, offset)
    }
}
