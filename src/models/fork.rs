//! A process for each connection: the forking server, and `socketserver.ForkingMixIn`.
//!
//! One process accepts; for each connection it forks, and the child serves its client and exits. Nothing is shared, so
//! nothing is locked, and a child can crash, leak or be killed without harm to anybody else. For the same reason nothing
//! that one connection changes is seen by another, which rules out some protocols. It costs the most of all models: a
//! process to start for each connection, page tables to copy for it, and a switch between address spaces for each
//! message. It's right where clients must be kept apart. `docs/models.md` has the numbers.
//!
//! A child that has ended remains as a zombie until its parent asks for it. The texts show two ways: to ask each time
//! round the accept loop, or to be told by SIGCHLD. Both are here, as [`Reap`]. Our own children are asked for one by one,
//! never just any child, since the program may have others.
//!
//! With `children_max` children at work nothing more is accepted until one of them has ended: new connections wait in the
//! backlog.

use std::collections::HashSet;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use signal_hook::SigId;
use signal_hook::consts::SIGCHLD;
use signal_hook::low_level::unregister;

use super::accept::{Crew, Desk, accept};
use super::blocking::{self, Caller, Interrupt, Word};
use super::orders::Orders;
use super::stop::{StopSignal, StopWatch};
use super::{Config, Reap, Run, set_and_wake};
use crate::connection::Scratch;
use crate::reactor::Handle;
use crate::session::Service;
use crate::sys::{self, Fork, PollFd};

/// How often the accept loop looks for children that have ended, if no signal tells: as often as `socketserver` does.
const REAP_EVERY: Duration = Duration::from_millis(500);
/// The same when there is nothing else it waits for.
const REAP_OFTEN: Duration = Duration::from_millis(10);
/// How long after the drain timeout a child may still be there, before it's killed.
const GRACE: Duration = Duration::from_secs(1);

pub(super) fn server<'a, V: Service + Send + 'a>(desk: Desk, service: V, config: Config) -> io::Result<Run<'a>> {
    let sigchld = match config.reap {
        Reap::Loop => None,
        Reap::Signal => Some(SigChld::new(desk.orders.handle())?),
    };
    let stop = StopSignal::new()?;
    Ok(Box::new(move || {
        let drain_timeout = config.connection.drain_timeout;
        // Made once, before there are children, which get it from their parent with everything else.
        let scratch = Scratch::default();
        let mut crew = Children { service, config, stop, scratch, pids: HashSet::new(), sigchld };
        let orders = accept(desk, &mut crew, drain_timeout)?;
        crew.wait_for_all(orders)
    }))
}

struct Children<V> {
    service: V,
    config: Config,
    stop: StopSignal,
    scratch: Scratch,
    /// Those that were not asked for yet.
    pids: HashSet<Pid>,
    sigchld: Option<SigChld>,
}

impl<V: Service> Crew for Children<V> {
    fn has_room(&self) -> bool {
        self.pids.len() < self.config.children_max
    }

    fn take(&mut self, caller: Caller, desk: &mut Desk) -> Result<(), (Caller, io::Error)> {
        match sys::fork() {
            // The connection is the child's now: ours is closed, or the client would never see the end of it.
            Ok(Fork::Parent(child)) => {
                self.pids.insert(child);
                Ok(())
            }
            Ok(Fork::Child) => self.serve(caller, desk),
            Err(error) => Err((caller, error)),
        }
    }

    fn reload(&mut self) {
        self.service.reload();
    }

    fn stop(&mut self) {
        self.stop.raise();
    }

    fn open(&self) -> usize {
        self.pids.len()
    }

    fn look_after(&mut self) {
        if self.sigchld.as_ref().is_none_or(SigChld::has_come) {
            self.reap();
        }
    }

    fn patience(&self) -> Option<Duration> {
        match self.sigchld {
            Some(_) => None,
            None if self.pids.is_empty() => None,
            None if self.has_room() => Some(REAP_EVERY),
            None => Some(REAP_OFTEN),
        }
    }
}

impl<V: Service> Children<V> {
    /// What the child does, all of it.
    fn serve(&mut self, caller: Caller, desk: &mut Desk) -> ! {
        desk.listeners.clear();
        // Held by the parent alone, the pipe tells when that is gone.
        self.stop.close_writer();
        let mut interrupt = ChildInterrupt { stop: self.stop.watch(), handle: desk.orders.handle() };
        let limits = &self.config.connection;
        let served = panic::catch_unwind(AssertUnwindSafe(|| {
            blocking::serve(&mut self.service, caller, limits, &mut self.scratch, &mut interrupt);
        }));
        // Nothing is cleaned up: what we have is a copy of the parent's, who does it for itself.
        sys::exit_now(i32::from(served.is_err()))
    }

    /// Asks for the children that have ended, so that none remains as a zombie.
    fn reap(&mut self) {
        self.pids.retain(|&pid| match waitpid(Some(pid), WaitOptions::NOHANG) {
            Ok(None) => true,
            Ok(Some((_, status))) => {
                if let Some(signal) = status.terminating_signal() {
                    log::error!("The process of a connection, {}, was ended by signal {signal}", pid.as_raw_nonzero());
                }
                false
            }
            Err(rustix::io::Errno::INTR) => true,
            // Somebody else has asked for it.
            Err(_) => false,
        });
    }

    fn wait_for_all(&mut self, orders: Orders) -> io::Result<()> {
        let until = Instant::now() + self.config.connection.drain_timeout + GRACE;
        loop {
            self.reap();
            let left = until.saturating_duration_since(Instant::now());
            if self.pids.is_empty() {
                return Ok(());
            }
            if left.is_zero() {
                log::warn!("Killing {} processes that have not ended", self.pids.len());
                for &pid in &self.pids {
                    // It fails only where the process has ended.
                    let _ = kill_process(pid, Signal::KILL);
                }
            }
            let patience = if self.sigchld.is_some() && !left.is_zero() { left } else { REAP_OFTEN };
            orders.wait(Some(patience))?;
        }
    }
}

/// Besides the parent's word, a signal to the child itself makes it stop.
struct ChildInterrupt<'a> {
    stop: StopWatch<'a>,
    handle: &'a Handle,
}

impl Interrupt for ChildInterrupt<'_> {
    fn watched(&self) -> PollFd {
        self.stop.watched()
    }

    fn take(&mut self, found: PollFd) -> Option<Word> {
        let word = self.stop.take(found);
        word.or_else(|| self.handle.is_stopped().then_some(Word::Stop))
    }
}

/// SIGCHLD while the server runs: it wakes the accept loop.
struct SigChld {
    has_come: Arc<AtomicBool>,
    registered: [SigId; 2],
}

impl SigChld {
    fn new(handle: &Handle) -> io::Result<Self> {
        let has_come = Arc::new(AtomicBool::new(false));
        let registered = set_and_wake(SIGCHLD, Arc::clone(&has_come), handle.waker())?;
        Ok(SigChld { has_come, registered })
    }

    fn has_come(&self) -> bool {
        self.has_come.swap(false, Ordering::AcqRel)
    }
}

impl Drop for SigChld {
    fn drop(&mut self) {
        for id in self.registered {
            unregister(id);
        }
    }
}
