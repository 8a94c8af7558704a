//! Descriptors that the parent process has passed.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// Takes the descriptors that systemd has passed, with their names: see sd_listen_fds(3). They are closed in the programs
/// that this process starts. Later calls return none.
///
/// Call it before any descriptor is opened: if the environment lies, the first numbers are somebody else's.
///
/// # Errors
/// If the environment doesn't make sense, or says more than there are.
pub fn passed_descriptors() -> io::Result<Vec<(OwnedFd, String)>> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::Relaxed) {
        return Ok(Vec::new());
    }
    let passed = sd_notify::listen_fds_with_names()?;
    // SAFETY: each of these has just been found open, and this is the only time that they are taken. Nothing else owns
    // them: the parent has addressed them to this process, by its id, and nothing was opened here before.
    Ok(passed.map(|(fd, name)| (unsafe { OwnedFd::from_raw_fd(fd) }, name)).collect())
}
