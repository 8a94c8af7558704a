//! Standard output as a sink.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::termios::{isatty, ttyname};

use super::Fd;
use crate::sys;

/// Standard output, opened so that writes don't block. A terminal is reopened for that, since it's unknown how much it
/// accepts.
///
/// # Errors
/// If this process was started without one.
pub fn standard_output() -> io::Result<Fd> {
    if sys::stdout_was_closed() {
        return Err(Errno::BADF.into());
    }
    let stdout = io::stdout();
    Ok(match reopened(stdout.as_fd()) {
        Some(terminal) => Rc::new(terminal),
        None => Rc::new(stdout),
    })
}

fn reopened(terminal: BorrowedFd<'_>) -> Option<OwnedFd> {
    if !isatty(terminal) {
        return None;
    }
    let name = ttyname(terminal, Vec::new()).ok()?;
    open(name, OFlags::WRONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()).ok()
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;

    use rustix::fs::fcntl_getfl;
    use rustix::pty::{OpenptFlags, openpt, ptsname, unlockpt};

    use super::*;
    use crate::relay::tests::plain;
    use crate::relay::{AtEnd, Relay};

    #[test]
    fn a_terminal_that_nobody_reads_blocks_nobody_and_is_not_changed() {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        unlockpt(&controller).unwrap();
        let name = ptsname(&controller, Vec::new()).unwrap();
        let terminal = open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let mut relay = Relay::new().unwrap();
        let ours = reopened(terminal.as_fd()).expect("it's a terminal");
        let to = relay.add_sink(Rc::new(ours), AtEnd::LetGo, None).unwrap();
        relay.push(&[b'x'; 1 << 20], plain(to));
        // A blocking write would block forever.
        relay.run_until_idle();
        assert!(relay.unwritten(to) > 0);
        assert!(!fcntl_getfl(&terminal).unwrap().contains(OFlags::NONBLOCK));
        let mut controller = File::from(controller);
        let mut piece = [0; 4096];
        while !relay.is_done(to) {
            assert!(controller.read(&mut piece).unwrap() > 0);
            relay.run_until_idle_or(|relay| relay.is_done(to));
        }
        assert!(reopened(File::open("/dev/null").unwrap().as_fd()).is_none());
    }
}
