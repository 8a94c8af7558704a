//! A fixed number of threads that take connections from a queue.
//!
//! One thread accepts and puts each connection into a queue; a fixed number of workers, by default one per core, take
//! them out one at a time, and serve each to its end. The threads are started once, and their number doesn't grow with
//! the clients: that bounds memory, and the load on whatever the handlers use. A client that keeps its connection keeps
//! its worker, idle or not; when such clients occupy all workers, everybody else waits. The pool is right where clients
//! ask and leave, and the work behind a request must only run a limited number of times at once. `docs/models.md` has
//! the numbers.
//!
//! The queue holds as many connections as there are workers. While it's full, no connection is accepted: new ones wait
//! in the backlog.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::accept::{Crew, Desk, accept};
use super::blocking::{self, Caller};
use super::stop::StopSignal;
use super::{Config, Run, no_thread};
use crate::connection::Scratch;
use crate::places::{Place, Places};
use crate::session::shared::SharedService;
use crate::session::{Reload, Service};

pub(super) fn server<'a, V>(desk: Desk, service: V, config: Config) -> io::Result<Run<'a>>
where
    V: Service<Session: Send> + Send + 'a,
{
    let (queue, callers) = mpsc::channel();
    let work = Work { callers: Mutex::new(callers), busy: AtomicUsize::new(0), stop: StopSignal::new()? };
    let places = Places::waking(config.pool_size, desk.orders.handle().waker().clone().into());
    let service = SharedService::new(service);
    Ok(Box::new(move || {
        // All workers end within this scope.
        thread::scope(|scope| {
            for number in 1..=config.pool_size {
                let (service, work, config) = (service.clone(), &work, &config);
                let builder = thread::Builder::new().name(format!("worker {number}")).stack_size(blocking::STACK_LEN);
                // If one can't be started, the others end when the queue is dropped.
                builder
                    .spawn_scoped(scope, move || work.serve(service, config))
                    .map_err(|error| no_thread(number, config.pool_size, &error))?;
            }
            let crew = &mut Pool { service, config: &config, queue, places, work: &work };
            accept(desk.stopping_after(config.stop_delay), crew, config.connection.drain_timeout).map(drop)
        })
    }))
}

/// The state shared by the workers.
struct Work {
    callers: Mutex<Receiver<(Caller, Place)>>,
    /// The number of workers with a connection.
    busy: AtomicUsize,
    stop: StopSignal,
}

impl Work {
    /// Serves connections until the queue is closed and empty; those accepted before a stop are still in it.
    fn serve<V: Service>(&self, mut service: SharedService<V>, config: &Config) {
        let mut scratch = Scratch::default();
        while let Some((caller, place)) = self.next() {
            self.busy.fetch_add(1, Ordering::Relaxed);
            drop(place);
            blocking::serve(&mut service, caller, config, &mut scratch, &mut self.stop.watch());
            self.busy.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Waits for the next connection; the other workers wait for the lock.
    fn next(&self) -> Option<(Caller, Place)> {
        self.callers.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
    }
}

struct Pool<'scope, V> {
    service: SharedService<V>,
    config: &'scope Config,
    queue: Sender<(Caller, Place)>,
    /// The free places in the queue.
    places: Places,
    work: &'scope Work,
}

impl<V: Service> Crew for Pool<'_, V> {
    fn has_room(&self) -> bool {
        self.places.has_room()
    }

    fn take(&mut self, caller: Caller, _desk: &mut Desk) -> Result<(), (Caller, io::Error)> {
        let Some(place) = self.places.take() else { return Err((caller, io::Error::other("the queue is full"))) };
        let sent = self.queue.send((caller, place));
        sent.map_err(|back| (back.0.0, io::Error::other("the workers are gone")))
    }

    fn refuse(&mut self, caller: Caller, why: &str) {
        blocking::refuse(&mut self.service, caller, why, self.config);
    }

    fn reload(&mut self) -> Option<Reload> {
        self.service.reload()
    }

    fn stop(&mut self) {
        self.work.stop.raise();
    }

    fn open(&self) -> usize {
        self.places.taken() + self.work.busy.load(Ordering::Relaxed)
    }
}
