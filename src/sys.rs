//! System calls that no crate wraps in the shape we need: the one place where `unsafe` may stand.
//!
//! Each is wrapped so that no caller can misuse it; what makes it safe is said at each call.

#![allow(unsafe_code, reason = "here are the calls that need it; everywhere else it is denied")]
#![warn(clippy::undocumented_unsafe_blocks)]

use std::error::Error;
use std::fmt;
use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, RawFd};
#[cfg(feature = "cli")]
use std::os::{fd::OwnedFd, unix::process::CommandExt};
#[cfg(feature = "cli")]
use std::process::Command;
use std::ptr;
use std::time::Duration;

use libc::{c_int, c_short};
use rustix::process::Pid;
#[cfg(all(feature = "cli", target_os = "linux"))]
use rustix::process::Signal;
#[cfg(feature = "cli")]
use rustix::process::{ioctl_tiocsctty, setsid};

/// A descriptor for [`poll`]: what is asked of it, and what was found.
///
/// It's no more than a number to the system, so it may outlive what it was made of: a descriptor that isn't open is
/// reported as broken, and one that is another's by now is watched in its place.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct PollFd(libc::pollfd);

/// Whatever is asked, these are told.
const BROKEN: c_short = libc::POLLERR | libc::POLLHUP | libc::POLLNVAL;
/// The peer has ended its sending side. Where the system has no such event, it's found out by reading.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
const READ_CLOSED: c_short = libc::POLLRDHUP;
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
const READ_CLOSED: c_short = 0;

impl PollFd {
    /// One that is not looked at.
    pub const NONE: PollFd = PollFd(libc::pollfd { fd: -1, events: 0, revents: 0 });

    /// A descriptor that is asked whether it's readable, writable, or either. Whether it's broken is told in any case.
    pub fn new(fd: &impl AsFd, readable: bool, writable: bool) -> PollFd {
        let read = if readable { libc::POLLIN | READ_CLOSED } else { 0 };
        let write = if writable { libc::POLLOUT } else { 0 };
        PollFd(libc::pollfd { fd: fd.as_fd().as_raw_fd(), events: read | write, revents: 0 })
    }

    /// The same, asked whether the peer has ended its sending side as well, which who asks whether it's readable has
    /// asked already. That lasts, so it's told in every call from then on. Some systems have no way to ask for it alone.
    pub fn with_hangup(mut self) -> PollFd {
        self.0.events |= READ_CLOSED;
        self
    }

    /// Its number.
    pub fn fd(&self) -> RawFd {
        self.0.fd
    }

    /// Whether the last [`poll`] has counted it.
    pub fn is_ready(&self) -> bool {
        self.0.revents != 0
    }

    /// Whether there was something to read, be it the end or an error.
    pub fn is_readable(&self) -> bool {
        self.found(libc::POLLIN | READ_CLOSED | BROKEN)
    }

    /// Whether there was room to write, or an error to be met by writing.
    pub fn is_writable(&self) -> bool {
        self.found(libc::POLLOUT | BROKEN)
    }

    /// Whether the peer had ended its sending side, or it's broken.
    pub fn is_read_closed(&self) -> bool {
        self.found(READ_CLOSED | BROKEN)
    }

    fn found(&self, events: c_short) -> bool {
        self.0.revents & events != 0
    }
}

/// Waits until one of `fds` is ready, or `timeout` has passed, or forever without one, and returns how many are: poll(2).
///
/// # Errors
/// `Interrupted` when a signal has come; otherwise where the system refuses.
pub fn poll(fds: &mut [PollFd], timeout: Option<Duration>) -> io::Result<usize> {
    let len = libc::nfds_t::try_from(fds.len()).map_err(io::Error::other)?;
    // SAFETY: a PollFd is a pollfd and nothing else, so these are `len` of them, which are ours for as long as the call
    // takes. It writes to their revents only, for which every value is valid, and whatever their descriptors are, it
    // does no more to them than look.
    let count = unsafe { libc::poll(fds.as_mut_ptr().cast::<libc::pollfd>(), len, milliseconds(timeout)) };
    counted(count)
}

/// Which of the two processes this is, after a [`fork`].
#[derive(Debug)]
pub enum Fork {
    /// The one that was there before, and the child's id.
    Parent(Pid),
    /// The new one, in which there is this thread and no other.
    Child,
}

/// Makes a copy of this process: fork(2).
///
/// In the child a lock that another thread held stays locked for ever. So a process that forks had better have one thread.
///
/// # Errors
/// If there are too many processes, or there is too little memory.
pub fn fork() -> io::Result<Fork> {
    // SAFETY: the child has a copy of all memory, and one thread that goes on from here, so what holds of memory goes on
    // to hold. What the other threads had locked stays locked, which may be waited for in vain, but lets nobody at what is
    // half done. The allocator, which is used in the child, is made for it by the C library.
    let pid = unsafe { libc::fork() };
    match pid {
        0 => Ok(Fork::Child),
        1.. => Ok(Fork::Parent(Pid::from_raw(pid).expect("it is not 0"))),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Lets the program that `command` will start begin a session of its own, which `terminal` controls.
#[cfg(feature = "cli")]
pub fn start_on(command: &mut Command, terminal: OwnedFd) {
    let begin = move || {
        setsid()?;
        Ok(ioctl_tiocsctty(&terminal)?)
    };
    // SAFETY: in the child, where nothing may allocate or lock, it makes two system calls and no more.
    unsafe { command.pre_exec(begin) };
}

/// Ends this process, without anything that is done at a normal end: _exit(2).
pub fn exit_now(status: c_int) -> ! {
    // SAFETY: of the process nothing is left that could be in a bad state.
    unsafe { libc::_exit(status) }
}

/// Has a process that is yet to be started ended when the thread that starts it ends, even where that is killed: on Linux.
#[cfg(feature = "cli")]
pub fn end_with_parent(command: &mut Command) {
    #[cfg(target_os = "linux")]
    {
        let end_with_it = || Ok(rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?);
        // SAFETY: it's run in the child between fork and exec, where it does one system call, and neither allocates nor locks.
        unsafe { std::os::unix::process::CommandExt::pre_exec(command, end_with_it) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = command;
}

/// Rounded up, or a deadline would be met a little early, again and again. As long as it can be where it's longer: who
/// waits does so again.
fn milliseconds(timeout: Option<Duration>) -> c_int {
    let Some(timeout) = timeout else { return -1 };
    c_int::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(c_int::MAX)
}

/// Descriptors for [`select`]: a bit for each number below [`FdSet::LEN`].
#[derive(Clone, Copy)]
pub struct FdSet(libc::fd_set);

impl FdSet {
    /// How many there is room for. The system's `FD_SET` writes beyond its set for a descriptor that is higher.
    pub const LEN: usize = libc::FD_SETSIZE;

    /// A set of none.
    pub fn new() -> FdSet {
        // SAFETY: a set is an array of integers, for which zero is a value.
        FdSet(unsafe { mem::zeroed() })
    }

    /// A descriptor's place in every set.
    ///
    /// # Errors
    /// If it has none: it's too high.
    pub fn index(fd: RawFd) -> Result<usize, BeyondFdSet> {
        usize::try_from(fd).ok().filter(|&index| index < FdSet::LEN).ok_or(BeyondFdSet(fd))
    }

    /// Puts a descriptor in or takes it out.
    ///
    /// # Panics
    /// If `index` is no [index](FdSet::index).
    pub fn set(&mut self, index: usize, is_in: bool) {
        let fd = bit(index);
        if is_in {
            // SAFETY: the bit is one of the set's, and the set is ours.
            unsafe { libc::FD_SET(fd, &mut self.0) }
        } else {
            // SAFETY: likewise.
            unsafe { libc::FD_CLR(fd, &mut self.0) }
        }
    }

    /// Whether a descriptor is in.
    ///
    /// # Panics
    /// If `index` is no [index](FdSet::index).
    pub fn has(&self, index: usize) -> bool {
        // SAFETY: the bit is one of the set's.
        unsafe { libc::FD_ISSET(bit(index), &self.0) }
    }
}

/// What `FD_SET` and the others don't check.
fn bit(index: usize) -> c_int {
    assert!(index < FdSet::LEN, "descriptor {index} is in no set");
    index as c_int
}

impl fmt::Debug for FdSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries((0..FdSet::LEN).filter(|&index| self.has(index))).finish()
    }
}

/// A descriptor that is too high for an [`FdSet`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BeyondFdSet(RawFd);

impl fmt::Display for BeyondFdSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "descriptor {} is beyond what select(2) can watch (FD_SETSIZE is {})", self.0, FdSet::LEN)
    }
}

impl Error for BeyondFdSet {}

/// Waits until one of the first `len` descriptors is ready to be read or written, if it's in the set for that, or `timeout`
/// has passed, or forever without one. Leaves in the sets those that are, and returns how many that makes in both:
/// select(2).
///
/// # Errors
/// `Interrupted` when a signal has come; otherwise where the system refuses, such as when one of them isn't open. The sets
/// are worth nothing then.
pub fn select(len: usize, readable: &mut FdSet, writable: &mut FdSet, timeout: Option<Duration>) -> io::Result<usize> {
    // The call looks at as many bits as it is told there are.
    let len = len.min(FdSet::LEN) as c_int;
    let mut timeout = timeout.map(microseconds);
    let timeout = timeout.as_mut().map_or(ptr::null_mut(), ptr::from_mut);
    // SAFETY: both sets are ours for as long as the call takes and have `len` bits at least, and any bits are valid in
    // them; a third set that is null is one of none; the timeout is null, or ours and valid, and may be written to.
    let count = unsafe { libc::select(len, &mut readable.0, &mut writable.0, ptr::null_mut(), timeout) };
    counted(count)
}

/// Rounded up, and as long as every system takes it, as [`milliseconds`] are.
fn microseconds(timeout: Duration) -> libc::timeval {
    // macOS and the BSDs refuse more.
    const LONGEST: Duration = Duration::from_secs(100_000_000);
    let micros = timeout.min(LONGEST).as_nanos().div_ceil(1000);
    // So short a time fits every system's types.
    libc::timeval { tv_sec: (micros / 1_000_000) as _, tv_usec: (micros % 1_000_000) as _ }
}

/// What poll and select return: a number of descriptors, or -1 for an error.
fn counted(count: c_int) -> io::Result<usize> {
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;

    const NOW: Option<Duration> = Some(Duration::ZERO);

    #[test]
    fn milliseconds_are_rounded_up_and_capped() {
        assert_eq!(milliseconds(None), -1);
        let cases = [
            (Duration::ZERO, 0),
            (Duration::from_nanos(1), 1),
            (Duration::from_millis(1), 1),
            (Duration::new(1, 1), 1001),
            (Duration::MAX, c_int::MAX),
        ];
        for (timeout, expected) in cases {
            assert_eq!(milliseconds(Some(timeout)), expected, "{timeout:?}");
        }
    }

    #[test]
    fn microseconds_are_rounded_up_and_capped() {
        let cases = [
            (Duration::ZERO, (0, 0)),
            (Duration::from_nanos(1), (0, 1)),
            (Duration::from_millis(1), (0, 1000)),
            (Duration::new(1, 999_999_001), (2, 0)),
            (Duration::MAX, (100_000_000, 0)),
        ];
        for (timeout, expected) in cases {
            let libc::timeval { tv_sec, tv_usec } = microseconds(timeout);
            assert_eq!((tv_sec, tv_usec), expected, "{timeout:?}");
        }
    }

    #[test]
    fn poll_tells_what_was_asked() {
        let (mut peer, stream) = UnixStream::pair().unwrap();
        let mut fds = [PollFd::new(&stream, true, false), PollFd::new(&stream, false, false)];
        assert_eq!(poll(&mut fds, NOW).unwrap(), 0);
        peer.write_all(b"hello").unwrap();
        assert_eq!(poll(&mut fds, None).unwrap(), 1);
        assert!(fds[0].is_ready() && fds[0].is_readable() && !fds[0].is_writable() && !fds[0].is_read_closed());
        assert!(!fds[1].is_ready());
        fds[0] = PollFd::new(&stream, false, true);
        assert_eq!(poll(&mut fds, None).unwrap(), 1);
        assert!(!fds[0].is_readable() && fds[0].is_writable());
    }

    #[test]
    fn what_is_broken_is_told_unasked() {
        let (peer, stream) = UnixStream::pair().unwrap();
        let mut fds = [PollFd::new(&stream, false, false)];
        drop(peer);
        assert_eq!(poll(&mut fds, None).unwrap(), 1);
        assert!(fds[0].is_readable() && fds[0].is_writable() && fds[0].is_read_closed());
    }

    #[test]
    fn select_leaves_those_that_are_ready() {
        let (mut peer, stream) = UnixStream::pair().unwrap();
        let [first, second] = [&stream, &peer].map(|stream| FdSet::index(stream.as_raw_fd()).unwrap());
        let mut reading = FdSet::new();
        reading.set(first, true);
        reading.set(second, true);
        let (mut readable, mut writable) = (reading, FdSet::new());
        assert_eq!(select(FdSet::LEN, &mut readable, &mut writable, NOW).unwrap(), 0);
        assert!(!readable.has(first) && !readable.has(second));
        peer.write_all(b"hello").unwrap();
        let mut writing = FdSet::new();
        writing.set(first, true);
        let (mut readable, mut writable) = (reading, writing);
        // More than there are is as many as there are.
        assert_eq!(select(usize::MAX, &mut readable, &mut writable, None).unwrap(), 2);
        assert!(readable.has(first) && !readable.has(second));
        assert!(writable.has(first) && !writable.has(second));
        // Who is beyond `len` is not looked at.
        let (mut readable, mut writable) = (reading, writing);
        assert_eq!(select(first.min(second), &mut readable, &mut writable, NOW).unwrap(), 0);
    }

    #[test]
    fn a_set_has_a_first_and_a_last() {
        let last = FdSet::LEN - 1;
        let fd = |index: usize| RawFd::try_from(index).unwrap();
        assert_eq!((FdSet::index(0), FdSet::index(fd(last))), (Ok(0), Ok(last)));
        for fd in [fd(FdSet::LEN), fd(FdSet::LEN) + 1, RawFd::MAX, -1, RawFd::MIN] {
            assert_eq!(FdSet::index(fd), Err(BeyondFdSet(fd)));
        }
        let said = FdSet::index(fd(FdSet::LEN)).unwrap_err().to_string();
        let len = FdSet::LEN;
        assert_eq!(said, format!("descriptor {len} is beyond what select(2) can watch (FD_SETSIZE is {len})"));

        let mut set = FdSet::new();
        assert!((0..FdSet::LEN).all(|index| !set.has(index)));
        for index in [0, 63, 64, last] {
            set.set(index, true);
            assert!(set.has(index));
        }
        assert_eq!(format!("{set:?}"), format!("{{0, 63, 64, {last}}}"));
        set.set(64, false);
        assert_eq!(format!("{set:?}"), format!("{{0, 63, {last}}}"));
    }

    #[test]
    #[should_panic(expected = "is in no set")]
    fn nothing_is_written_beyond_a_set() {
        FdSet::new().set(FdSet::LEN, true);
    }

    #[test]
    #[should_panic(expected = "is in no set")]
    fn nothing_is_read_beyond_a_set() {
        FdSet::new().has(FdSet::LEN);
    }
}
