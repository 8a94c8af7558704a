//! Signals: SIGINT and SIGTERM stop the server, a second one ends it at once, SIGHUP reloads.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use crate::models::set_and_wake;
use crate::reactor::Handle;

/// Exit status after a second signal.
const CUT_SHORT: i32 = 1;

/// Connects the signals to `handle`.
pub fn obey(handle: &Handle) -> io::Result<()> {
    let was_one = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The stopping signals come first, so that none is lost. The order of the two calls matters, too: the first
        // signal finds its mark unset and sets it; the second finds it set.
        set_and_wake(signal, handle.stop_flag(), handle.waker())?;
        flag::register_conditional_shutdown(signal, CUT_SHORT, Arc::clone(&was_one))?;
        flag::register(signal, Arc::clone(&was_one))?;
    }
    set_and_wake(SIGHUP, handle.reload_flag(), handle.waker())?;
    Ok(())
}
