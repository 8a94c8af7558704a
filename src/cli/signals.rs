//! Signals: which arrive at all; and for a server, SIGINT and SIGTERM stop it, a second one ends it at once, SIGHUP
//! reloads.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustix::process::Signal;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::flag;

use crate::reactor::Handle;
use crate::sys;

/// Exit status after a second signal.
const CUT_SHORT: i32 = 1;

/// Makes the signals arrive that we use, whatever the process was started with. Call it first.
///
/// A parent that blocks signals, or ignores SIGCHLD, has its own reasons, and passes both on by accident.
pub fn begin() {
    sys::unblock(&[SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGCHLD]);
    sys::stop_ignoring(SIGCHLD);
}

/// Those of `signals` that are not ignored. The others were ignored when the process was started, as by `nohup` or for
/// a shell's background job, and stay so, here and in the programs that we start.
pub fn heeded<const N: usize>(signals: [Signal; N]) -> impl Iterator<Item = Signal> {
    signals.into_iter().filter(|signal| !sys::is_ignored(signal.as_raw()))
}

/// Connects the signals to `handle`.
pub fn obey(handle: &Handle) -> io::Result<()> {
    let was_one = Arc::new(AtomicBool::new(false));
    for signal in heeded([Signal::INT, Signal::TERM]).map(Signal::as_raw) {
        // The stopping signals come first, so that none is lost. The order of the two calls matters, too: the first
        // signal finds its mark unset and sets it; the second finds it set.
        sys::on_signal(signal, handle.stop_flag(), handle.waker().socket()?)?;
        flag::register_conditional_shutdown(signal, CUT_SHORT, Arc::clone(&was_one))?;
        flag::register(signal, Arc::clone(&was_one))?;
    }
    for signal in heeded([Signal::HUP]).map(Signal::as_raw) {
        sys::on_signal(signal, handle.reload_flag(), handle.waker().socket()?)?;
    }
    Ok(())
}
