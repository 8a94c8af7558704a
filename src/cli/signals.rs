//! Signals: unblocking them, and obeying them in a server. SIGINT and SIGTERM stop it, a second one ends it at once,
//! SIGHUP reloads. And interrupting other commands.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustix::process::Signal;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::flag;

use super::failure::Failure;
use crate::reactor::Handle;
use crate::sys;
use crate::text::reason;

/// Exit status after a second signal.
const CUT_SHORT: i32 = 1;
/// The exit status of a command after an interruption. A second signal ends the process at once, with the same status.
pub const INTERRUPTED: u8 = 3;

/// Makes the signals that we use arrive, whatever the parent process has blocked. Call it first.
///
/// A parent that blocks signals, or ignores SIGCHLD, does so for itself, and passes that on by accident.
pub fn begin() {
    sys::unblock(&[SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGCHLD]);
    sys::stop_ignoring(SIGCHLD);
}

/// Returns those `signals` that are not ignored. The others were ignored when the process was started, as by `nohup` or
/// for a shell's background job, and stay ignored, here and in the programs that we start.
pub fn heeded<const N: usize>(signals: [Signal; N]) -> impl Iterator<Item = Signal> {
    signals.into_iter().filter(|signal| !sys::is_ignored(signal.as_raw()))
}

/// Connects the signals to `handle`.
pub fn obey(handle: &Handle) -> io::Result<()> {
    let was_one = Arc::new(AtomicBool::new(false));
    for signal in heeded([Signal::INT, Signal::TERM]).map(Signal::as_raw) {
        // The stopping signals come first, so that none is lost.
        sys::on_signal(signal, handle.stop_flag(), handle.waker().socket()?)?;
        mark_first_end_at_second(signal, CUT_SHORT, &was_one)?;
    }
    for signal in heeded([Signal::HUP]).map(Signal::as_raw) {
        sys::on_signal(signal, handle.reload_flag(), handle.waker().socket()?)?;
    }
    Ok(())
}

/// Makes an interruption stop the loop of `handle`. A second one ends the process, except for SIGHUP: a terminal's end may
/// send several.
pub fn stop_when_interrupted(handle: &Handle) -> Result<(), Failure> {
    let was_one = Arc::new(AtomicBool::new(false));
    let register = || {
        for signal in heeded([Signal::INT, Signal::TERM, Signal::HUP]).map(Signal::as_raw) {
            sys::on_signal(signal, handle.stop_flag(), handle.waker().socket()?)?;
        }
        heeded([Signal::INT, Signal::TERM])
            .try_for_each(|signal| mark_first_end_at_second(signal.as_raw(), INTERRUPTED.into(), &was_one))
    };
    register().map_err(|error| cannot_wait(&error))
}

/// Returns a flag that the first signal sets. A second one ends the process, except for SIGHUP: a terminal's end may send
/// several.
pub fn interrupted() -> Result<Arc<AtomicBool>, Failure> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let register = || {
        for signal in heeded([Signal::INT, Signal::TERM]).map(Signal::as_raw) {
            mark_first_end_at_second(signal, INTERRUPTED.into(), &interrupted)?;
        }
        heeded([Signal::HUP]).try_for_each(|hup| flag::register(hup.as_raw(), Arc::clone(&interrupted)).map(drop))
    };
    register().map_err(|error| cannot_wait(&error))?;
    Ok(interrupted)
}

fn cannot_wait(error: &io::Error) -> Failure {
    Failure::new(format!("cannot wait for signals: {}", reason(error)))
}

/// Makes the first signal set `mark`, and the second end the process with `status`.
fn mark_first_end_at_second(signal: i32, status: i32, mark: &Arc<AtomicBool>) -> io::Result<()> {
    // The order matters: the first signal finds the mark unset and sets it; the second finds it set.
    flag::register_conditional_shutdown(signal, status, Arc::clone(mark))?;
    flag::register(signal, Arc::clone(mark))?;
    Ok(())
}
