//! Signals: what they do, whether they are ignored, and whether they arrive at all.

use std::io;
use std::mem;
use std::os::fd::AsFd;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use libc::c_int;
use signal_hook::SigId;
use signal_hook::low_level::register;

/// Makes `signal` set a flag and then write a byte to `waker`, so that the woken thread finds the flag set. This lasts
/// until it is unregistered.
///
/// The waker must not block when it is full.
///
/// # Errors
/// If the signal can't be handled.
pub fn on_signal(signal: c_int, flag: Arc<AtomicBool>, waker: impl AsFd + Send + Sync + 'static) -> io::Result<SigId> {
    let set_and_wake = move || {
        flag.store(true, Ordering::Release);
        // A full waker has woken already.
        let _ = rustix::io::write(&waker, &[1]);
    };
    // SAFETY: a handler may interrupt any code. This one stores to an atomic and makes one system call; it doesn't
    // allocate, lock or panic, and the registry keeps errno.
    unsafe { register(signal, set_and_wake) }
}

/// Whether `signal` is ignored.
pub fn is_ignored(signal: c_int) -> bool {
    // SAFETY: it has only integers, optional functions and sets of bits, for which zero is a valid value.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: without a new action it changes nothing, and it writes to a structure that is ours.
    let found = unsafe { libc::sigaction(signal, ptr::null(), &mut action) };
    found == 0 && action.sa_sigaction == libc::SIG_IGN
}

/// Gives `signal` its default effect if it is ignored. A process that ignores SIGCHLD never learns how its children
/// have ended.
pub fn stop_ignoring(signal: c_int) {
    if is_ignored(signal) {
        // SAFETY: the default is no code of ours. It replaces no handler: the signal was ignored.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// Lets signals arrive in this thread, and in those that it starts from now on.
pub fn unblock(signals: &[c_int]) {
    // SAFETY: a set is integers, for which zero is a valid value; it's ours, and borrowed for each call. A number that
    // is no signal is refused. The mask decides only when handlers run, which must cope with any time.
    unsafe {
        let mut set: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&mut set);
        for &signal in signals {
            libc::sigaddset(&mut set, signal);
        }
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &set, ptr::null_mut());
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use libc::{SIGURG, SIGWINCH};
    use signal_hook::low_level::{raise, unregister};

    use super::*;

    #[test]
    fn a_signal_sets_its_flag_and_wakes() {
        let (waker, mut woken) = UnixStream::pair().unwrap();
        let flag = Arc::new(AtomicBool::new(false));
        let id = on_signal(SIGURG, Arc::clone(&flag), waker).unwrap();
        assert!(!flag.load(Ordering::Acquire));
        raise(SIGURG).unwrap();
        woken.read_exact(&mut [0]).unwrap();
        assert!(flag.load(Ordering::Acquire));
        assert!(unregister(id));
    }

    #[test]
    fn an_ignored_signal_is_found_and_heeded_again() {
        assert!(!is_ignored(SIGWINCH));
        // SAFETY: nothing in these tests needs it, and its default effect is none.
        unsafe { libc::signal(SIGWINCH, libc::SIG_IGN) };
        assert!(is_ignored(SIGWINCH));
        stop_ignoring(SIGWINCH);
        assert!(!is_ignored(SIGWINCH));
    }

    #[test]
    fn a_blocked_signal_arrives_once_it_is_unblocked() {
        let (waker, mut woken) = UnixStream::pair().unwrap();
        woken.set_nonblocking(true).unwrap();
        let id = on_signal(libc::SIGUSR2, Arc::default(), waker).unwrap();
        // SAFETY: as in `unblock`.
        unsafe {
            let mut set: libc::sigset_t = mem::zeroed();
            libc::sigemptyset(&mut set);
            libc::sigaddset(&mut set, libc::SIGUSR2);
            libc::pthread_sigmask(libc::SIG_BLOCK, &set, ptr::null_mut());
        }
        raise(libc::SIGUSR2).unwrap();
        assert!(woken.read(&mut [0]).is_err());
        unblock(&[libc::SIGUSR2]);
        assert_eq!(woken.read(&mut [0]).unwrap(), 1);
        assert!(unregister(id));
    }
}
