//! The file by which a listening Unix socket is found.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};

/// The file of a Unix socket that listens. Dropping it removes the file, unless the file is to [stay](Self::stays),
/// another has taken its place, or this is a child process of the one that made it.
#[derive(Debug)]
pub struct SocketFile {
    path: &'static Path,
    /// The device and the inode. No other file can have the same while the socket is open.
    identity: (u64, u64),
    owner: u32,
    stays: AtomicBool,
}

impl SocketFile {
    /// The file at `path`, of a socket that this process has.
    ///
    /// # Errors
    /// If it's gone already.
    #[cfg_attr(not(feature = "models"), expect(dead_code, reason = "only the models make such files"))]
    pub fn new(path: &'static Path) -> io::Result<SocketFile> {
        Ok(SocketFile { path, identity: identity(path)?, owner: process::id(), stays: AtomicBool::new(false) })
    }

    /// Sets whether the file stays, since another process has the socket as well.
    pub fn stays(&self, stays: bool) {
        self.stays.store(stays, Ordering::Release);
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.stays.load(Ordering::Acquire)
            || self.owner != process::id()
            || !identity(self.path).is_ok_and(|identity| identity == self.identity)
        {
            return;
        }
        if let Err(error) = fs::remove_file(self.path) {
            log::warn!("Cannot remove {}: {}", self.path.display(), crate::text::reason(&error));
        }
    }
}
