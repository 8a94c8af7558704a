//! Control of a reactor from outside its thread.

use std::fmt;
// No other state is ordered by the sign of life, so the models of loom leave it out.
use std::sync::atomic::AtomicBool as Flag;
use std::sync::{Arc, OnceLock};

use crate::panics;
use crate::selector::Waker;
use crate::session::Reload;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::thread;
use crate::text::reason;

/// Stops a reactor, or makes it reload. Clones control the same reactor.
#[derive(Clone, Debug)]
pub struct Handle {
    stopped: Arc<AtomicBool>,
    accepts_no_more: Arc<AtomicBool>,
    reload: Arc<AtomicBool>,
    /// Whether the thread of a reload is running.
    is_reloading: Arc<AtomicBool>,
    reload_observer: Arc<OnceLock<Observer>>,
    /// Whether a sign of life is wanted, which the next turn gives.
    is_asked: Arc<Flag>,
    waker: Waker,
}

/// What happens to a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReloadPhase {
    Begun,
    Ended,
}

struct Observer(Box<dyn Fn(ReloadPhase) + Send + Sync>);

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").finish_non_exhaustive()
    }
}

impl Handle {
    pub(crate) fn new(waker: Waker) -> Self {
        Handle {
            stopped: Arc::default(),
            accepts_no_more: Arc::default(),
            reload: Arc::default(),
            is_reloading: Arc::default(),
            reload_observer: Arc::default(),
            is_asked: Arc::default(),
            waker,
        }
    }

    /// Makes the reactor stop accepting, after [a delay](super::Config::stop_delay) if there is one, finish work in
    /// progress, and then return from [`run`](super::Reactor::run).
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Makes the reactor close its listeners, also those apart, while its connections go on. [`run`](super::Reactor::run)
    /// returns when the last of them is closed. [Stop](Self::stop) it some time later: a client that has just connected
    /// may not have sent its request yet, and a stop would close its connection.
    pub fn stop_accepting(&self) {
        self.accepts_no_more.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Makes the service [reload](crate::session::Service::reload).
    pub fn reload(&self) {
        // Not a store, or the reload would see what came before the last of several threads' requests, and not before
        // others.
        self.reload.swap(true, Ordering::Release);
        self.waker.wake();
    }

    /// Wakes the reactor and asks it for a sign of life: its next turn [answers](Self::has_answered).
    pub fn ask(&self) {
        self.is_asked.store(true, Ordering::Relaxed);
        self.waker.wake();
    }

    /// Whether a turn has begun since the reactor was last [asked](Self::ask).
    pub fn has_answered(&self) -> bool {
        !self.is_asked.load(Ordering::Relaxed)
    }

    /// Gives the sign of life, if it is wanted. Checked in every turn, so it's only written when set.
    pub(crate) fn answer(&self) {
        if self.is_asked.load(Ordering::Relaxed) {
            self.is_asked.store(false, Ordering::Relaxed);
        }
    }

    /// Calls `observe` when a reload begins and when it has ended. Only the first observer counts.
    #[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "only the program has one"))]
    pub(crate) fn observe_reloads(&self, observe: impl Fn(ReloadPhase) + Send + Sync + 'static) {
        let _ = self.reload_observer.set(Observer(Box::new(observe)));
    }

    fn tell_observer(&self, phase: ReloadPhase) {
        if let Some(Observer(observe)) = self.reload_observer.get() {
            observe(phase);
        }
    }

    /// For a signal handler: the flag to set to `true`, before waking, to stop.
    pub fn stop_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stopped)
    }

    /// For a signal handler: the flag to set to `true`, before waking, to reload.
    pub fn reload_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.reload)
    }

    /// For a signal handler: the waker of the reactor. Each child of a forking server replaces its descriptor by one of
    /// its own; a copy of that would still wake the parent.
    pub fn waker(&self) -> &Waker {
        &self.waker
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    pub(crate) fn accepts_no_more(&self) -> bool {
        self.accepts_no_more.load(Ordering::Acquire)
    }

    /// Whether to reload; true once for each request, which [`run`](Self::run) follows. A request during a reload counts
    /// when that has ended.
    pub(crate) fn takes_reload(&self) -> bool {
        // Checked in every turn, so it's only written when set.
        let takes = self.reload.load(Ordering::Acquire)
            && !self.is_reloading.load(Ordering::Acquire)
            && self.reload.swap(false, Ordering::AcqRel);
        if takes {
            self.tell_observer(ReloadPhase::Begun);
        }
        takes
    }

    /// Runs the rest of a reload in a thread of its own, which nobody waits for. `None` is a reload without one.
    pub(crate) fn run(&self, reload: Option<Reload>) {
        let Some(reload) = reload else { return self.tell_observer(ReloadPhase::Ended) };
        self.is_reloading.store(true, Ordering::Release);
        let reloading = Reloading(self.clone());
        let work = move || {
            let _reloading = reloading;
            carry_out(reload);
        };
        if let Err(error) = thread::Builder::new().name("reload".to_owned()).spawn(work) {
            log::error!("Cannot reload: cannot start a thread: {}; try again later", reason(&error));
        }
    }
}

/// Runs `reload` in this thread. A panic ends only that.
pub(crate) fn carry_out(reload: Reload) {
    if let Err(panic) = panics::catch(reload) {
        log::error!("The service panicked when it reloaded: {panic}");
    }
}

/// A reload in progress. At its end, the reactor checks for another request.
struct Reloading(Handle);

impl Drop for Reloading {
    fn drop(&mut self) {
        let Reloading(handle) = self;
        handle.tell_observer(ReloadPhase::Ended);
        handle.is_reloading.store(false, Ordering::Release);
        handle.waker.wake();
    }
}
