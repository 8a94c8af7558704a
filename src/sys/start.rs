//! The state in which this process was started, noted before std changes it.

use std::sync::atomic::{AtomicBool, Ordering};

static STDOUT_WAS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Whether this process was started without a standard output. std opens /dev/null in its place, which accepts
/// everything, so no write reveals it.
///
/// An open /dev/null is no sign of that: parents that discard the output open it in the same way.
pub fn stdout_was_closed() -> bool {
    STDOUT_WAS_CLOSED.load(Ordering::Relaxed)
}

extern "C" fn note() {
    // SAFETY: it takes any number and only reads the flags of that descriptor.
    let is_closed = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) } < 0;
    STDOUT_WAS_CLOSED.store(is_closed, Ordering::Relaxed);
}

/// The loader calls each function of this section before `main`, and so before std's own start.
// SAFETY: the section is a list of pointers to such functions. This one needs nothing of std that is set up later.
#[used]
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array"))]
static NOTE: extern "C" fn() = note;
