//! A process for each connection: the forking server, and `socketserver.ForkingMixIn`.
//!
//! One process accepts; for each connection it forks, and the child serves its client and exits. Nothing is shared, so
//! nothing is locked, and a child can crash, leak or be killed without harm to the others. For the same reason, no
//! connection sees another's changes, which rules out some protocols. It's the most expensive model: it starts a
//! process and copies page tables for each connection, and switches address spaces for each message. It's right where
//! clients must be isolated from each other. `docs/models.md` has the numbers.
//!
//! A child that has ended remains a zombie until its parent reaps it. The texts show two ways: check in each round of
//! the accept loop, or on SIGCHLD. Both are here, as [`Reap`]. We only wait for our own children, one by one, since the
//! program may have others.
//!
//! While `children_max` children are at work, no connection is accepted: new ones wait in the backlog.

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
use super::{Config, Copies, Reap, Run};
use crate::connection::Scratch;
use crate::reactor::{Handle, carry_out};
use crate::selector::{WakeFd, Waker};
use crate::session::{Reload, Service};
use crate::sys::{self, Fork, PollFd};
use crate::text::{count, reason};
use crate::trace::Subscriber;

/// The interval between checks for ended children without a signal: the same as in `socketserver`.
const REAP_EVERY: Duration = Duration::from_millis(500);
/// The same, while the accept loop waits for nothing else.
const REAP_OFTEN: Duration = Duration::from_millis(10);
/// How long after the drain timeout a child is killed.
const GRACE: Duration = Duration::from_secs(1);

pub(super) fn server<'a, V: Service + Send + 'a>(desk: Desk, service: V, config: Config) -> io::Result<Run<'a>> {
    let sigchld = match config.reap {
        Reap::Loop => None,
        Reap::Signal => Some(SigChld::new(desk.orders.handle())?),
    };
    let stop = StopSignal::new()?;
    Ok(Box::new(move || {
        let drain_timeout = config.connection.drain_timeout;
        // Made before the first fork, so that all children inherit it.
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
    /// The children not yet reaped.
    pids: HashSet<Pid>,
    sigchld: Option<SigChld>,
}

impl<V: Service> Crew for Children<V> {
    fn has_room(&self) -> bool {
        self.pids.len() < self.config.children_max
    }

    fn take(&mut self, caller: Caller, desk: &mut Desk) -> Result<(), (Caller, io::Error)> {
        // The child's waker, made here, where a failure only delays the connection.
        let wakes_child = match WakeFd::new() {
            Ok(pair) => pair,
            Err(error) => return Err((caller, error)),
        };
        let copies = self.config.copies.clone();
        // Held during the fork, so that no other thread holds this lock in the child.
        let copies = copies.as_ref().map(Copies::lock);
        match sys::fork() {
            // The child has the connection now: our copy must be closed, or the client would never see its end.
            Ok(Fork::Parent(child)) => {
                self.pids.insert(child);
                Ok(())
            }
            Ok(Fork::Child) => {
                copies.iter().for_each(|copies| copies.close_in_child(&wakes_child.1));
                drop(copies);
                self.serve(caller, desk, wakes_child)
            }
            Err(error) => Err((caller, error)),
        }
    }

    fn refuse(&mut self, caller: Caller, why: &str) {
        blocking::refuse(&mut self.service, caller, why, &self.config);
    }

    /// Reloads in this thread: a fork while another thread works would copy the locks that it holds.
    fn reload(&mut self) -> Option<Reload> {
        if let Some(reload) = self.service.reload() {
            carry_out(reload);
        }
        None
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
    /// Runs the child, from start to exit.
    fn serve(&mut self, caller: Caller, desk: &mut Desk, wakes_child: (Waker, WakeFd)) -> ! {
        desk.listeners.clear();
        // With the parent as the only writer, the pipe reports its death.
        self.stop.close_writer();
        if let Err(error) = desk.orders.take_over(&wakes_child) {
            log::warn!("A signal to only the process of {} may be noticed late: {}", caller.addr, reason(&error));
        }
        drop(wakes_child);
        let mut interrupt = ChildInterrupt { stop: self.stop.watch(), orders: &desk.orders };
        let served = panic::catch_unwind(AssertUnwindSafe(|| {
            blocking::serve(&mut self.service, caller, &self.config, &mut self.scratch, &mut interrupt);
        }));
        self.config.subscribers().flush();
        // No other clean-up: everything here is a copy of the parent's, which cleans up its own.
        sys::exit_now(i32::from(served.is_err()))
    }

    /// Reaps the children that have ended.
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
            // Other code has already reaped it.
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
                log::warn!("Killing {} still running", count(self.pids.len(), "process"));
                for &pid in &self.pids {
                    // This fails only if the process has ended.
                    let _ = kill_process(pid, Signal::KILL);
                }
            }
            let patience = if self.sigchld.is_some() && !left.is_zero() { left } else { REAP_OFTEN };
            orders.wait(Some(patience))?;
        }
    }
}

/// The interrupt of a child: it stops on the parent's order or on a signal to itself.
struct ChildInterrupt<'a> {
    stop: StopWatch<'a>,
    orders: &'a Orders,
}

impl Interrupt for ChildInterrupt<'_> {
    fn watched(&self) -> [PollFd; 2] {
        let [pipe, _] = self.stop.watched();
        [pipe, PollFd::new(self.orders, true, false)]
    }

    fn take(&mut self, [pipe, orders]: [PollFd; 2]) -> Option<Word> {
        let word = self.stop.take([pipe, PollFd::NONE]);
        if orders.is_readable() {
            self.orders.woken();
        }
        word.or_else(|| self.orders.is_stopped().then_some(Word::Stop))
    }
}

/// The SIGCHLD handler while the server runs: it wakes the accept loop.
struct SigChld {
    has_come: Arc<AtomicBool>,
    registered: SigId,
}

impl SigChld {
    fn new(handle: &Handle) -> io::Result<Self> {
        let has_come = Arc::new(AtomicBool::new(false));
        let registered = sys::on_signal(SIGCHLD, Arc::clone(&has_come), handle.waker().socket()?)?;
        // The parent process may have blocked it.
        sys::unblock(&[SIGCHLD]);
        Ok(SigChld { has_come, registered })
    }

    fn has_come(&self) -> bool {
        self.has_come.swap(false, Ordering::AcqRel)
    }
}

impl Drop for SigChld {
    fn drop(&mut self) {
        unregister(self.registered);
    }
}
