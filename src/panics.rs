//! Catching panics, with the place where each happened.
//!
//! A caught panic has its message, but not its place: only the panic hook gets that. So our hook is put before the
//! existing one. In a thread that is catching, it records the place, and leaves it to the catcher to report the panic;
//! in any other thread it calls the existing hook.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

/// A caught panic.
pub(crate) struct Caught {
    payload: Box<dyn Any + Send>,
    place: Option<String>,
}

thread_local! {
    static IS_CATCHING: Cell<bool> = const { Cell::new(false) };
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Puts our hook before the existing one, once: without it the place of a panic is unknown.
pub(crate) fn prepare() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| match IS_CATCHING.get() {
            true => PLACE.set(info.location().map(ToString::to_string)),
            false => before(info),
        }));
    });
}

/// Runs `work`, which must leave nothing broken behind when it panics.
///
/// # Errors
/// The panic that ended it.
pub(crate) fn catch<R>(work: impl FnOnce() -> R) -> Result<R, Caught> {
    let was_catching = IS_CATCHING.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    IS_CATCHING.set(was_catching);
    result.map_err(|payload| Caught { payload, place: PLACE.take() })
}

impl Caught {
    /// Resumes the panic, without another report.
    pub fn resume(self) -> ! {
        panic::resume_unwind(self.payload)
    }
}

/// The panic's message and place.
impl fmt::Display for Caught {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| self.payload.downcast_ref::<String>().map(String::as_str));
        f.write_str(text.unwrap_or("without a word"))?;
        match &self.place {
            Some(place) => write!(f, ", at {place}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_caught_with_its_words_and_its_place() {
        prepare();
        let caught = catch(|| panic!("number {}", 7)).unwrap_err().to_string();
        assert!(caught.starts_with("number 7, at src/panics.rs:"), "{caught}");
        let caught = catch(|| panic::panic_any(7)).unwrap_err().to_string();
        assert!(caught.starts_with("without a word, at "), "{caught}");
        assert_eq!(catch(|| 7).ok(), Some(7));
    }

    #[test]
    fn one_that_catches_within_another_leaves_it_catching() {
        let _ = catch(|| catch(|| panic!("inner")).map(drop).map_err(drop));
        assert!(!IS_CATCHING.get());
    }
}
