//! Waiting for Enter to be pressed.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;

/// A keyboard for which sessions wait in their order of arrival. Clones are the same keyboard.
///
/// Each Enter is for one session. If no session waits, it's kept for the next one, like all type-ahead.
#[derive(Clone, Debug, Default)]
pub struct Keyboard(Arc<Mutex<KeyboardState>>);

#[derive(Debug, Default)]
struct KeyboardState {
    waiting: VecDeque<Weak<Ticket>>,
    /// The number of times that Enter was pressed while no session waited.
    ahead: usize,
    has_ended: bool,
}

#[derive(Debug)]
struct Ticket {
    is_over: AtomicBool,
    waker: Waker,
}

/// A session's place in the queue. Dropping it gives it up.
#[derive(Debug)]
pub(super) struct EnterWait {
    keyboard: Keyboard,
    ticket: Arc<Ticket>,
}

impl Keyboard {
    /// Reports that Enter was pressed.
    pub fn enter(&self) {
        let mut state = self.state();
        // Skip sessions that are just going away.
        while let Some(ticket) = state.waiting.pop_front() {
            if let Some(ticket) = ticket.upgrade() {
                return ticket.call();
            }
        }
        state.ahead += 1;
    }

    /// Reports that Enter will not be pressed any more.
    pub fn end(&self) {
        let mut state = self.state();
        state.has_ended = true;
        for ticket in state.waiting.drain(..).filter_map(|ticket| ticket.upgrade()) {
            ticket.waker.wake_by_ref();
        }
    }

    pub(super) fn wait(&self, waker: Waker) -> EnterWait {
        let ticket = Arc::new(Ticket { is_over: AtomicBool::new(false), waker });
        let mut state = self.state();
        match state.ahead {
            0 => state.waiting.push_back(Arc::downgrade(&ticket)),
            ahead => {
                state.ahead = ahead - 1;
                ticket.is_over.store(true, Ordering::Release);
            }
        }
        drop(state);
        EnterWait { keyboard: self.clone(), ticket }
    }

    fn state(&self) -> MutexGuard<'_, KeyboardState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    fn call(&self) {
        self.is_over.store(true, Ordering::Release);
        self.waker.wake_by_ref();
    }
}

impl EnterWait {
    /// Whether Enter was pressed for this session.
    ///
    /// # Errors
    /// If it will not be pressed any more.
    pub fn is_over(&self) -> Result<bool, NobodyAtTheKeyboard> {
        match self.ticket.is_over.load(Ordering::Acquire) {
            true => Ok(true),
            false if self.keyboard.state().has_ended => Err(NobodyAtTheKeyboard),
            false => Ok(false),
        }
    }
}

/// Removes the place from the queue, so that places of closed sessions don't accumulate while no key is pressed.
impl Drop for EnterWait {
    fn drop(&mut self) {
        let ticket = Arc::downgrade(&self.ticket);
        self.keyboard.state().waiting.retain(|other| !other.ptr_eq(&ticket));
    }
}

/// The keyboard's input has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NobodyAtTheKeyboard;

impl fmt::Display for NobodyAtTheKeyboard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("standard input has ended, so nobody will press Enter")
    }
}

impl Error for NobodyAtTheKeyboard {}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(keyboard: &Keyboard) -> EnterWait {
        keyboard.wait(Waker::noop().clone())
    }

    #[test]
    fn each_enter_is_for_one_in_order() {
        let keyboard = Keyboard::default();
        let [first, gone, third] = [(); 3].map(|()| wait(&keyboard));
        drop(gone);
        keyboard.enter();
        assert_eq!((first.is_over(), third.is_over()), (Ok(true), Ok(false)));
        keyboard.enter();
        assert_eq!(third.is_over(), Ok(true));
    }

    #[test]
    fn nothing_is_kept_of_those_that_are_gone() {
        let keyboard = Keyboard::default();
        let waiting = wait(&keyboard);
        (0..100).for_each(|_| drop(wait(&keyboard)));
        assert_eq!(keyboard.state().waiting.len(), 1);
        keyboard.enter();
        assert_eq!(waiting.is_over(), Ok(true));
        assert_eq!(keyboard.state().ahead, 0);
    }

    #[test]
    fn what_is_typed_ahead_counts() {
        let keyboard = Keyboard::default();
        keyboard.enter();
        assert_eq!(wait(&keyboard).is_over(), Ok(true));
        assert_eq!(wait(&keyboard).is_over(), Ok(false));
    }

    #[test]
    fn after_the_end_nobody_waits_in_vain() {
        let keyboard = Keyboard::default();
        keyboard.enter();
        let (ahead, waiting) = (wait(&keyboard), wait(&keyboard));
        keyboard.end();
        assert_eq!(ahead.is_over(), Ok(true));
        assert_eq!(waiting.is_over(), Err(NobodyAtTheKeyboard));
        assert_eq!(wait(&keyboard).is_over(), Err(NobodyAtTheKeyboard));
    }
}
