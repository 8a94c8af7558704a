//! One client at a time: the first server of every tutorial.
//!
//! It accepts a connection, serves it to its end, and only then accepts the next. Meanwhile the others wait in the
//! backlog: they are connected, but nothing reads their data. No model is simpler, or answers a single client sooner,
//! and nothing is shared or locked. But one client that keeps its connection keeps all others out until the idle
//! timeout; so it's right where clients ask one question and leave, or where there is only one client. `docs/models.md`
//! has the numbers.

use std::io;
use std::time::Duration;

use super::accept::{Crew, Desk, accept};
use super::blocking::{self, Caller, Interrupt, Word};
use super::{Config, Run};
use crate::connection::Scratch;
use crate::session::{Reload, Service};
use crate::sys::PollFd;

pub(super) fn server<'a, V: Service + Send + 'a>(desk: Desk, service: V, config: Config) -> Run<'a> {
    Box::new(move || {
        let drain_timeout = config.connection.drain_timeout;
        let mut crew = Sequential { service, config, scratch: Scratch::default() };
        accept(desk, &mut crew, drain_timeout).map(drop)
    })
}

struct Sequential<V> {
    service: V,
    config: Config,
    scratch: Scratch,
}

impl<V: Service> Crew for Sequential<V> {
    fn has_room(&self) -> bool {
        true
    }

    fn take(&mut self, caller: Caller, desk: &mut Desk) -> Result<(), (Caller, io::Error)> {
        let mut interrupt = Meanwhile { desk, drain_timeout: self.config.connection.drain_timeout };
        blocking::serve(&mut self.service, caller, &self.config, &mut self.scratch, &mut interrupt);
        Ok(())
    }

    fn refuse(&mut self, caller: Caller, why: &str) {
        blocking::refuse(&mut self.service, caller, why, &self.config);
    }

    fn reload(&mut self) -> Option<Reload> {
        self.service.reload()
    }

    /// No connection is being served while the accept loop waits.
    fn stop(&mut self) {}

    fn open(&self) -> usize {
        0
    }
}

/// The interrupt of the only thread: it learns of a stop while it serves a connection. A reload waits until that is
/// done.
struct Meanwhile<'a> {
    desk: &'a mut Desk,
    drain_timeout: Duration,
}

impl Interrupt for Meanwhile<'_> {
    fn watched(&self) -> [PollFd; 2] {
        [PollFd::new(&self.desk.orders, true, false), PollFd::NONE]
    }

    fn take(&mut self, [orders, _]: [PollFd; 2]) -> Option<Word> {
        if orders.is_readable() {
            self.desk.orders.woken();
        }
        self.desk.obey(1, self.drain_timeout).then_some(Word::Stop)
    }
}
