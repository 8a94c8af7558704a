//! A thread for each connection: the threaded server, and `socketserver.ThreadingMixIn`.
//!
//! One thread accepts; each connection gets its own thread, which waits only for its client. So no connection waits for
//! another, and a slow handler delays only its own client. A session that panics takes down only its own connection.
//! The cost is a thread to start and a stack to keep for each connection, and a scheduler switch for each message. It's
//! right for some hundreds of clients, and for handlers that block. `docs/models.md` has the numbers.
//!
//! While `threads_max` threads are at work, no connection is accepted: new ones wait in the backlog.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Scope};

use super::accept::{Crew, Desk, accept};
use super::blocking::{self, Caller};
use super::stop::StopSignal;
use super::{Config, Run};
use crate::connection::Scratch;
use crate::places::{Place, Places};
use crate::session::shared::SharedService;
use crate::session::{Reload, Service};

pub(super) fn server<'a, V>(desk: Desk, service: V, config: Config) -> io::Result<Run<'a>>
where
    V: Service<Session: Send> + Send + 'a,
{
    let service = SharedService::new(service);
    let places = Places::waking(config.threads_max, desk.orders.handle().waker().clone().into());
    let stop = StopSignal::new()?;
    Ok(Box::new(move || {
        // All threads end within this scope.
        thread::scope(|scope| {
            let crew = &mut Threads { service, config: &config, places, stop: &stop, scope };
            accept(desk.stopping_after(config.stop_delay), crew, config.connection.drain_timeout).map(drop)
        })
    }))
}

struct Threads<'scope, 'env, V> {
    service: SharedService<V>,
    config: &'scope Config,
    places: Places,
    stop: &'scope StopSignal,
    scope: &'scope Scope<'scope, 'env>,
}

impl<'env, V: Service<Session: Send> + Send + 'env> Crew for Threads<'_, 'env, V> {
    fn has_room(&self) -> bool {
        self.places.has_room()
    }

    fn take(&mut self, caller: Caller, _desk: &mut Desk) -> Result<(), (Caller, io::Error)> {
        // If no thread can be started, the closure is dropped, but not the connection.
        let Some(place) = self.places.take() else { return Err((caller, io::Error::other("all threads are busy"))) };
        let job = Arc::new(Mutex::new(Some((caller, place))));
        let work = {
            let (job, mut service, config, stop) = (Arc::clone(&job), self.service.clone(), self.config, self.stop);
            move || {
                if let Some((caller, _place)) = taken(&job) {
                    blocking::serve(&mut service, caller, config, &mut Scratch::default(), &mut stop.watch());
                }
            }
        };
        let name = "connection".to_owned();
        match thread::Builder::new().name(name).stack_size(blocking::STACK_LEN).spawn_scoped(self.scope, work) {
            Ok(_) => Ok(()),
            Err(error) => Err((taken(&job).expect("no thread has taken it").0, error)),
        }
    }

    fn refuse(&mut self, caller: Caller, why: &str) {
        blocking::refuse(&mut self.service, caller, why, self.config);
    }

    fn reload(&mut self) -> Option<Reload> {
        self.service.reload()
    }

    fn stop(&mut self) {
        self.stop.raise();
    }

    fn open(&self) -> usize {
        self.places.taken()
    }
}

fn taken(job: &Mutex<Option<(Caller, Place)>>) -> Option<(Caller, Place)> {
    job.lock().unwrap_or_else(PoisonError::into_inner).take()
}
