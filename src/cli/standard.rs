//! Standard input and output that wait for data or room, even if they don't block.
//!
//! A process that shares one of them may have made it non-blocking: the flag belongs to the open file, not to the
//! descriptor. Clearing it would affect that process. So a read or a write that would block is repeated once poll(2)
//! reports that it can go on.

use std::io::{self, Read, Stdin, Stdout, Write};
use std::os::fd::AsFd;

use rustix::io::{Errno, read, write};

use crate::sys::{self, PollFd};

/// A stream whose reads and writes wait, whether or not it blocks. It has no buffer.
#[derive(Debug)]
pub struct Waiting<F> {
    stream: F,
    /// Whether it was closed when the program started.
    is_closed: bool,
}

/// Standard input.
pub fn input() -> Waiting<Stdin> {
    Waiting { stream: io::stdin(), is_closed: false }
}

/// Standard output. If the program was started without one, writing fails, as on a full disk.
pub fn output() -> Waiting<Stdout> {
    Waiting { stream: io::stdout(), is_closed: sys::stdout_was_closed() }
}

/// Reads standard input up to the end of a line, and no further. Returns whether a line has come.
pub fn line_read() -> bool {
    let mut input = input();
    let mut byte = [0];
    loop {
        match input.read(&mut byte) {
            Ok(1..) if byte == *b"\n" => return true,
            Ok(1..) => {}
            Ok(0) | Err(_) => return false,
        }
    }
}

impl<F: AsFd> Waiting<F> {
    /// Repeats `call` while it would have to wait or is interrupted.
    fn repeat(&self, poll_fd: PollFd, mut call: impl FnMut(&F) -> Result<usize, Errno>) -> io::Result<usize> {
        if self.is_closed {
            return Err(Errno::BADF.into());
        }
        loop {
            match call(&self.stream) {
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => match sys::poll(&mut [poll_fd], None) {
                    Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                    Ok(_) | Err(_) => {}
                },
                result => return Ok(result?),
            }
        }
    }
}

impl<F: AsFd> Read for Waiting<F> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.repeat(PollFd::new(&self.stream, true, false), |stream| read(stream, &mut *bytes))
    }
}

impl<F: AsFd> Write for Waiting<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.repeat(PollFd::new(&self.stream, false, true), |stream| write(stream, bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::thread;

    use rustix::fs::{OFlags, fcntl_getfl};
    use rustix::io::ioctl_fionbio;

    use super::*;

    #[test]
    fn a_stream_that_does_not_block_is_waited_for_and_not_changed() {
        let (reader, writer) = io::pipe().unwrap();
        let [reader, writer] = [OwnedFd::from(reader), OwnedFd::from(writer)];
        for end in [&reader, &writer] {
            ioctl_fionbio(end, true).unwrap();
        }
        let theirs = writer.try_clone().unwrap();
        let [from, mut to] = [reader, writer].map(|stream| Waiting { stream, is_closed: false });
        // Far more than a pipe holds, in either order.
        let all: Vec<u8> = (0..1 << 20).map(|number: u32| (number % 251) as u8).collect();
        let mut came = Vec::new();
        thread::scope(|scope| {
            let all = &all;
            scope.spawn(move || to.write_all(all).unwrap());
            from.take(all.len() as u64).read_to_end(&mut came).unwrap();
        });
        assert!(came == all);
        assert!(fcntl_getfl(&theirs).unwrap().contains(OFlags::NONBLOCK));
    }

    #[test]
    fn a_stream_that_was_closed_takes_nothing() {
        let mut closed = Waiting { stream: std::fs::File::create("/dev/null").unwrap(), is_closed: true };
        assert_eq!(Errno::from_io_error(&closed.write(b"x").unwrap_err()), Some(Errno::BADF));
    }
}
