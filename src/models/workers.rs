//! The reactor on any selector, in one or more threads.
//!
//! A single reactor runs in the thread that runs the server. Several have a thread each, and a listener each on the
//! same port, so they share only the service, which they lock while a connection begins or ends. A server before this one
//! may have passed on more sockets than there are workers: the surplus comes last, in turn.

use std::io;
use std::slice;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::listen::Listening;
use super::orders::Orders;
use super::{Apart, Config, Prepared, Subscribers, no_thread};
use crate::reactor::{Handle, Reactor};
use crate::selector::{Selector, SocketListener, Waker};
use crate::session::Service;
use crate::session::shared::SharedService;

/// Creates a server with one worker, or as many as `config` says, each with its own selector.
pub(super) fn server<'a, S, V>(
    new_selector: fn() -> io::Result<S>,
    listening: Vec<Listening>,
    service: V,
    config: Config,
) -> io::Result<Prepared<'a>>
where
    S: Selector<Listener = SocketListener, Stream: Send> + Send + 'a,
    V: Service<Session: Send> + Send + 'a,
{
    let workers = config.workers;
    if workers <= 1 {
        let mut reactor = Reactor::with_subscriber(new_selector()?, service, config.of_reactor(), config.subscribers());
        add_listeners(slice::from_mut(&mut reactor), listening, config.apart.as_ref())?;
        return Ok(Prepared::alone(reactor.handle(), Box::new(move || reactor.run())));
    }
    let service = SharedService::new(service);
    let mut reactors: Vec<Reactor<S, SharedService<V>, Subscribers>> = Vec::new();
    for _ in 0..workers {
        let mut reactor =
            Reactor::with_subscriber(new_selector()?, service.clone(), config.of_reactor(), config.subscribers());
        if let Some(first) = reactors.first() {
            reactor.share_limit(first);
        }
        reactors.push(reactor);
    }
    add_listeners(&mut reactors, listening, config.apart.as_ref())?;
    let orders = Orders::new()?;
    let handle = orders.handle().clone();
    let loops = reactors.iter().map(Reactor::handle).collect();
    Ok(Prepared { handle, loops, run: Box::new(move || run(reactors, &orders)) })
}

/// Gives each reactor a socket of each address, then the first one the listener apart, if there is one. What is left is
/// dealt out.
fn add_listeners<S, V>(
    reactors: &mut [Reactor<S, V, Subscribers>],
    listening: Vec<Listening>,
    apart: Option<&Apart>,
) -> io::Result<()>
where
    S: Selector<Listener = SocketListener>,
    V: Service,
{
    let mut surplus = Vec::new();
    for Listening { mut sockets, .. } in listening {
        surplus.extend(sockets.split_off(reactors.len().min(sockets.len())));
        for (reactor, socket) in reactors.iter_mut().zip(sockets) {
            reactor.add_listener(socket)?;
        }
    }
    if let (Some(apart), Some(first)) = (apart, reactors.first_mut()) {
        first.add_listener_apart(apart.listener.try_clone()?, apart.places)?;
    }
    let workers = reactors.len();
    for (number, socket) in surplus.into_iter().enumerate() {
        reactors[number % workers].add_listener(socket)?;
    }
    Ok(())
}

/// Runs all `reactors`, each in a thread, and passes orders on to them. If one fails, all are stopped.
fn run<S, V>(reactors: Vec<Reactor<S, V, Subscribers>>, orders: &Orders) -> io::Result<()>
where
    S: Selector<Listener: Send, Stream: Send> + Send,
    V: Service<Session: Send> + Send,
{
    let handles: Vec<Handle> = reactors.iter().map(Reactor::handle).collect();
    let ended = AtomicUsize::new(0);
    thread::scope(|scope| {
        let mut workers = Vec::new();
        let mut result = Ok(());
        for (number, mut reactor) in (1..).zip(reactors) {
            let ended = Ended { count: &ended, waker: orders.handle().waker().clone() };
            let builder = thread::Builder::new().name(format!("worker {number}"));
            let work = move || {
                let _ended = ended;
                reactor.run()
            };
            match builder.spawn_scoped(scope, work) {
                Ok(worker) => workers.push(worker),
                Err(error) => {
                    result = Err(no_thread(number, handles.len(), &error));
                    break;
                }
            }
        }
        while result.is_ok() && !orders.is_stopped() {
            let may_end = if orders.accepts_no_more() {
                handles.iter().for_each(Handle::stop_accepting);
                // Each ends with the last of its connections.
                workers.len()
            } else {
                1
            };
            if ended.load(Ordering::Acquire) >= may_end {
                break;
            }
            if orders.takes_reload() {
                // They share the service, so one reload suffices.
                handles[0].reload();
            }
            result = orders.wait(None);
        }
        handles.iter().for_each(Handle::stop);
        for worker in workers {
            // Panics in sessions are caught, so this one is a bug of ours. The log has it.
            let ended = worker.join().unwrap_or_else(|_| Err(io::Error::other("a worker panicked")));
            result = result.and(ended);
        }
        result
    })
}

/// Reports to the waiting thread that a worker has ended, for whatever reason.
struct Ended<'a> {
    count: &'a AtomicUsize,
    waker: Waker,
}

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.count.fetch_add(1, Ordering::Release);
        self.waker.wake();
    }
}
