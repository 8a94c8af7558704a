//! System calls that no crate wraps in the form we need. Only this module may use `unsafe`.
//!
//! Each wrapper is safe for every caller; a comment at each call says why.

#![allow(unsafe_code, reason = "this module has the calls that need it; it is denied everywhere else")]
#![warn(clippy::undocumented_unsafe_blocks)]

#[cfg(feature = "cli")]
mod interface;
#[cfg(feature = "cli")]
mod passed;
mod programs;
mod signals;
#[cfg(feature = "cli")]
mod start;

use std::error::Error;
use std::fmt;
use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::ptr;
use std::time::Duration;

use libc::{c_int, c_short};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::Pid;

pub use programs::{end_with_parent, prepare_program};
#[cfg(feature = "cli")]
pub use programs::{raise_descriptor_limit, start_on};
#[cfg(feature = "cli")]
pub use signals::is_ignored;
pub use signals::{on_signal, stop_ignoring, unblock};

#[cfg(feature = "cli")]
pub use interface::interface_index;
#[cfg(feature = "cli")]
pub use passed::passed_descriptors;
#[cfg(feature = "cli")]
pub use start::stdout_was_closed;

/// The bytes in a TCP socket's queues: received and not read, and sent and not confirmed. `None` if the system doesn't
/// say.
#[cfg(target_os = "linux")]
pub fn queues(socket: &impl AsFd) -> Option<(usize, usize)> {
    let fd = socket.as_fd().as_raw_fd();
    let ask = |request| {
        let mut bytes: c_int = 0;
        // SAFETY: The descriptor is open, and both requests write one int to where the pointer leads.
        let result = unsafe { libc::ioctl(fd, request, &raw mut bytes) };
        usize::try_from(bytes).ok().filter(|_| result == 0)
    };
    Some((ask(libc::FIONREAD)?, ask(libc::TIOCOUTQ)?))
}

/// A descriptor for [`poll`], with the requested events and the result.
///
/// To the system, it's only a number, so it may outlive its source: a closed descriptor is reported as broken, and a
/// reused number is watched in its new meaning.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct PollFd(libc::pollfd);

/// Events that are reported whether requested or not.
const BROKEN: c_short = libc::POLLERR | libc::POLLHUP | libc::POLLNVAL;
/// The peer has ended its sending side. On systems without this event, only reading reveals it.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
const READ_CLOSED: c_short = libc::POLLRDHUP;
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
const READ_CLOSED: c_short = 0;

impl PollFd {
    /// An entry that poll(2) ignores.
    pub const NONE: PollFd = PollFd(libc::pollfd { fd: -1, events: 0, revents: 0 });

    /// Asks whether a descriptor is readable, writable, or either. Errors are reported in any case.
    pub fn new(fd: &impl AsFd, readable: bool, writable: bool) -> PollFd {
        let read = if readable { libc::POLLIN | READ_CLOSED } else { 0 };
        let write = if writable { libc::POLLOUT } else { 0 };
        PollFd(libc::pollfd { fd: fd.as_fd().as_raw_fd(), events: read | write, revents: 0 })
    }

    /// Also asks for hang-ups; implied when readability is asked for. A hang-up lasts, so every later call reports it.
    /// Some systems can't ask for it alone.
    pub fn with_hangup(mut self) -> PollFd {
        self.0.events |= READ_CLOSED;
        self
    }

    /// The descriptor's number.
    pub fn fd(&self) -> RawFd {
        self.0.fd
    }

    /// Whether the last [`poll`] counted it as ready.
    pub fn is_ready(&self) -> bool {
        self.0.revents != 0
    }

    /// Whether there was something to read: data, the end or an error.
    pub fn is_readable(&self) -> bool {
        self.found(libc::POLLIN | READ_CLOSED | BROKEN)
    }

    /// Whether there was room to write, or an error that a write will return.
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

/// Calls poll(2): waits until one of `fds` is ready or `timeout` has passed, and returns how many are ready. Waits
/// forever without a timeout.
///
/// # Errors
/// `Interrupted` if a signal arrived; otherwise if the system refuses.
pub fn poll(fds: &mut [PollFd], timeout: Option<Duration>) -> io::Result<usize> {
    let len = libc::nfds_t::try_from(fds.len()).map_err(io::Error::other)?;
    // SAFETY: a PollFd is a pollfd and nothing else, so these are `len` of them, borrowed for the whole call. It writes
    // only to their revents, for which every value is valid, and it has no other effect on the descriptors.
    let count = unsafe { libc::poll(fds.as_mut_ptr().cast::<libc::pollfd>(), len, milliseconds(timeout)) };
    counted(count)
}

/// The process that returns from a [`fork`].
#[derive(Debug)]
pub enum Fork {
    /// The original process, with the child's id.
    Parent(Pid),
    /// The new process, in which only this thread exists.
    Child,
}

/// Makes a copy of this process: fork(2).
///
/// In the child, a lock that another thread held stays locked forever. So a process that forks should have one thread,
/// or the child should use no lock of another.
///
/// # Errors
/// If there are too many processes, or there is too little memory.
pub fn fork() -> io::Result<Fork> {
    // SAFETY: the child has a copy of all memory, and one thread that continues from here, so memory stays valid. Locks
    // of other threads stay locked: waiting for one may hang, but gives no access to inconsistent data. The C library
    // keeps the allocator usable in the child.
    let pid = unsafe { libc::fork() };
    match pid {
        0 => Ok(Fork::Child),
        1.. => Ok(Fork::Parent(Pid::from_raw(pid).expect("it is not 0"))),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Returns memory that has been freed to the system, where the C library would keep it: malloc_trim(3).
pub fn trim_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it takes no pointer, and touches only the allocator's free memory, under the allocator's own locks.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Ends this process at once, without the normal clean-up: _exit(2).
pub fn exit_now(status: c_int) -> ! {
    // SAFETY: nothing of the process remains that could be in a bad state.
    unsafe { libc::_exit(status) }
}

/// Makes the number of `fd` refer to a copy of `with`: dup2(2).
///
/// # Errors
/// If the system refuses.
pub fn replace(fd: &impl AsFd, with: &impl AsFd) -> io::Result<()> {
    // SAFETY: both are open, and so is `fd` afterwards, for its owner to close.
    if unsafe { libc::dup2(with.as_fd().as_raw_fd(), fd.as_fd().as_raw_fd()) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(fcntl_setfd(fd, FdFlags::CLOEXEC)?)
}

/// Converts a timeout for poll(2), rounded up: otherwise a wait would end a little early, again and again. Longer
/// timeouts are capped; callers wait again.
fn milliseconds(timeout: Option<Duration>) -> c_int {
    let Some(timeout) = timeout else { return -1 };
    c_int::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(c_int::MAX)
}

/// Descriptors for [`select`]: a bit for each number below [`FdSet::LEN`].
#[derive(Clone, Copy)]
pub struct FdSet(libc::fd_set);

impl FdSet {
    /// The size of the set. The system's `FD_SET` writes beyond the set for a higher descriptor.
    pub const LEN: usize = libc::FD_SETSIZE;

    /// An empty set.
    pub fn new() -> FdSet {
        // SAFETY: a set is an array of integers, for which zero is a valid value.
        FdSet(unsafe { mem::zeroed() })
    }

    /// A descriptor's index in every set.
    ///
    /// # Errors
    /// If the descriptor is too high.
    pub fn index(fd: RawFd) -> Result<usize, BeyondFdSet> {
        usize::try_from(fd).ok().filter(|&index| index < FdSet::LEN).ok_or(BeyondFdSet(fd))
    }

    /// Adds or removes a descriptor.
    ///
    /// # Panics
    /// If `index` isn't an [index](FdSet::index).
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

    /// Whether a descriptor is in the set.
    ///
    /// # Panics
    /// If `index` isn't an [index](FdSet::index).
    pub fn has(&self, index: usize) -> bool {
        // SAFETY: the bit is one of the set's.
        unsafe { libc::FD_ISSET(bit(index), &self.0) }
    }
}

/// Checks an index, since `FD_SET` and the others don't.
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

/// Calls select(2): waits until one of the first `len` descriptors is ready for what its sets ask, or `timeout` has
/// passed. Waits forever without a timeout. Leaves only the ready descriptors in the sets, and returns the sum of their
/// numbers in both.
///
/// # Errors
/// `Interrupted` if a signal arrived; otherwise if the system refuses, such as when a descriptor isn't open. The sets
/// are undefined then.
pub fn select(len: usize, readable: &mut FdSet, writable: &mut FdSet, timeout: Option<Duration>) -> io::Result<usize> {
    // The call reads as many bits as `len` says.
    let len = len.min(FdSet::LEN) as c_int;
    let mut timeout = timeout.map(microseconds);
    let timeout = timeout.as_mut().map_or(ptr::null_mut(), ptr::from_mut);
    // SAFETY: both sets are borrowed for the whole call and have at least `len` bits, and all bits are valid; a null
    // third set means an empty one; the timeout is null, or valid and borrowed, and may be written to.
    let count = unsafe { libc::select(len, &mut readable.0, &mut writable.0, ptr::null_mut(), timeout) };
    counted(count)
}

/// Converts a timeout for select(2): rounded up like [`milliseconds`], and capped at what every system accepts.
fn microseconds(timeout: Duration) -> libc::timeval {
    // macOS and the BSDs refuse more.
    const LONGEST: Duration = Duration::from_secs(100_000_000);
    let micros = timeout.min(LONGEST).as_nanos().div_ceil(1000);
    // At most this long, it fits every system's types.
    libc::timeval { tv_sec: (micros / 1_000_000) as _, tv_usec: (micros % 1_000_000) as _ }
}

/// Converts the result of poll and select: a number of descriptors, or -1 for an error.
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
        // A length above the maximum counts as the maximum.
        assert_eq!(select(usize::MAX, &mut readable, &mut writable, None).unwrap(), 2);
        assert!(readable.has(first) && !readable.has(second));
        assert!(writable.has(first) && !writable.has(second));
        // Descriptors at or above `len` are ignored.
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
