//! The accept loop of the blocking models: accepts connections one by one, and gives each to the crew.

use std::io;
use std::mem;
use std::time::{Duration, Instant};

use super::Subscribers;
use super::blocking::Caller;
use super::orders::{Orders, wait};
use crate::reactor::DelayedStop;
use crate::selector::{AcceptError, RETRY_AFTER, SocketListener};
use crate::session::Reload;
use crate::sys::PollFd;
use crate::text::reason;
use crate::trace::{Event, Trace};

/// The threads or processes that serve the accepted connections.
pub(super) trait Crew {
    /// Whether the crew can serve one more connection. If not, connections wait in the backlog until the orders' waker
    /// is woken.
    fn has_room(&self) -> bool;

    /// Serves a connection, here or in another thread or process.
    ///
    /// # Errors
    /// The connection, and why it can't be served now.
    fn take(&mut self, caller: Caller, desk: &mut Desk) -> Result<(), (Caller, io::Error)>;

    /// Tells a client why it can't be served, in this thread.
    fn refuse(&mut self, caller: Caller, why: &str);

    /// Makes the service reload. Returns what is left to do in a thread of its own.
    fn reload(&mut self) -> Option<Reload>;

    /// Tells the crew to finish work in progress, including connections that are still queued.
    fn stop(&mut self);

    /// The number of connections being served.
    fn open(&self) -> usize;

    /// Does periodic upkeep. Called at least once between two connections, and as often as [`Crew::patience`] says.
    fn look_after(&mut self) {}

    /// The longest wait of the accept loop between two calls of [`Crew::look_after`].
    fn patience(&self) -> Option<Duration> {
        None
    }
}

/// The listeners, and the server's orders.
#[derive(Debug)]
pub(super) struct Desk {
    /// Empty once a stop is known, or that no more connections are to be accepted.
    pub listeners: Vec<SocketListener>,
    is_stopping: bool,
    /// The order to stop.
    delayed_stop: DelayedStop,
    pub orders: Orders,
    /// The trace of the accept loop.
    pub trace: Trace<Subscribers>,
}

impl Desk {
    pub fn new(listeners: Vec<SocketListener>, orders: Orders, subscribers: Subscribers) -> Self {
        let (delayed_stop, trace) = (DelayedStop::by(Duration::ZERO), Trace::new(subscribers, Instant::now()));
        Desk { listeners, is_stopping: false, delayed_stop, orders, trace }
    }

    /// Lets connections be accepted for this long after an order to stop.
    #[must_use]
    pub fn stopping_after(self, delay: Duration) -> Self {
        Desk { delayed_stop: DelayedStop::by(delay), ..self }
    }

    /// Closes the listeners if an order says so. Traces a stop, once, with the number of `open` connections. Returns
    /// whether it is one, and its time has come.
    pub fn obey(&mut self, open: usize, timeout: Duration) -> bool {
        let stops = self.is_stopping || self.orders.is_stopped() && self.stop_time() <= Instant::now();
        if stops && !mem::replace(&mut self.is_stopping, true) {
            self.trace.own().emit_own(Event::Stopping { open, timeout });
        }
        if stops || self.orders.accepts_no_more() {
            // Waiting clients need not wait any longer.
            self.listeners.clear();
        }
        stops
    }

    /// When to look at the orders again, unless there are others: at the end of a delay.
    fn next_order(&self) -> Option<Instant> {
        self.delayed_stop.at().filter(|_| !self.is_stopping)
    }

    /// The time of the stop that has been ordered: now, unless it is delayed.
    fn stop_time(&mut self) -> Instant {
        match self.listeners.is_empty() {
            true => Instant::now(),
            false => self.delayed_stop.time(Instant::now(), self.trace.own()),
        }
    }
}

/// Accepts connections for `crew` until the desk stops; then closes the listeners, stops the crew, and returns the orders. A
/// connection that can't be served by then is held until it can be, for at most `drain_timeout`.
///
/// # Errors
/// If waiting fails.
pub(super) fn accept(desk: Desk, crew: &mut impl Crew, drain_timeout: Duration) -> io::Result<Orders> {
    let mut acceptor = Acceptor { desk, held: None, retry_at: None, told: false, accepted: 0, fds: Vec::new() };
    let mut stopping: Option<Instant> = None;
    loop {
        acceptor.desk.trace.begin_turn(Instant::now());
        crew.look_after();
        if acceptor.desk.orders.takes_reload() {
            acceptor.desk.trace.own().emit_own(Event::Reloaded);
            acceptor.desk.orders.handle().run(crew.reload());
        }
        let open = crew.open() + usize::from(acceptor.held.is_some());
        if acceptor.desk.obey(open, drain_timeout) && stopping.is_none() {
            crew.stop();
            stopping = Some(Instant::now() + drain_timeout);
        }
        if crew.has_room()
            && acceptor.retry_at.is_none()
            && let Some(caller) = acceptor.held.take()
        {
            acceptor.give(caller, crew);
        }
        if stopping.is_some_and(|until| acceptor.held.is_none() || Instant::now() >= until) {
            return Ok(acceptor.desk.orders);
        }
        if let Err(error) = acceptor.wait(crew) {
            crew.stop();
            return Err(error);
        }
        acceptor.accept_what_waits(crew);
    }
}

struct Acceptor {
    desk: Desk,
    /// A connection that can't be served yet.
    held: Option<Caller>,
    /// When to accept again after a failure.
    retry_at: Option<Instant>,
    /// Whether the log already says that connections have to wait.
    told: bool,
    /// The number of connections accepted so far.
    accepted: u32,
    /// The descriptors to wait for: the orders, then the listeners, if they are included.
    fds: Vec<PollFd>,
}

impl Acceptor {
    fn wait(&mut self, crew: &impl Crew) -> io::Result<()> {
        let accepts = self.held.is_none() && self.retry_at.is_none() && crew.has_room();
        let listeners = if accepts { &self.desk.listeners[..] } else { &[] };
        self.fds.clear();
        self.fds.push(PollFd::new(&self.desk.orders, true, false));
        self.fds.extend(listeners.iter().map(|listener| PollFd::new(listener, true, false)));
        let next = self.retry_at.into_iter().chain(self.desk.next_order()).min();
        let next = next.map(|time| time.saturating_duration_since(Instant::now()));
        wait(&mut self.fds, [next, crew.patience()].into_iter().flatten().min())?;
        if self.fds[0].is_ready() {
            self.desk.orders.woken();
            // Most likely a worker has become free, and with it a descriptor or a thread.
            self.retry_at = None;
        }
        self.retry_at = self.retry_at.filter(|&time| Instant::now() < time);
        Ok(())
    }

    /// Accepts one connection from each listener that has any.
    fn accept_what_waits(&mut self, crew: &mut impl Crew) {
        for index in 1..self.fds.len() {
            if !self.fds[index].is_readable() || self.held.is_some() || !crew.has_room() {
                continue;
            }
            // A crew that serves in this thread may have closed them after a stop.
            let Some(listener) = self.desk.listeners.get(index - 1) else { return };
            match listener.accept() {
                Ok((stream, addr)) => {
                    self.accepted += 1;
                    let caller = Caller { stream, addr, number: self.accepted };
                    self.give(caller, crew);
                }
                Err(error) => match AcceptError::of(&error) {
                    AcceptError::NoneWaits => {}
                    AcceptError::ThisConnection => self.desk.trace.own().emit_own(Event::Missed { why: &error }),
                    AcceptError::Ours => self.pause(&reason(&error)),
                },
            }
        }
    }

    fn give(&mut self, caller: Caller, crew: &mut impl Crew) {
        match crew.take(caller, &mut self.desk) {
            Ok(()) => self.told = false,
            // No connection will close and free what is missing.
            Err((caller, error)) if crew.open() == 0 => crew.refuse(caller, &reason(&error)),
            Err((caller, error)) => {
                self.pause(&format!("{} can't be served: {}", caller.addr, reason(&error)));
                self.held = Some(caller);
            }
        }
    }

    /// Stops accepting for a while.
    fn pause(&mut self, why: &str) {
        let is_news = !mem::replace(&mut self.told, true);
        self.desk.trace.own().emit_own(Event::AcceptingPaused { why, is_news });
        self.retry_at = Some(Instant::now() + RETRY_AFTER);
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;
    use crate::selector;
    use crate::trace::Log;

    /// Refuses at first, and then a stop is ordered.
    struct Hesitant {
        /// Those that it serves already.
        others: usize,
        calls: u32,
        refused: Vec<String>,
        told_to_stop: bool,
        taken: Vec<Caller>,
    }

    impl Crew for Hesitant {
        fn has_room(&self) -> bool {
            true
        }

        fn take(&mut self, caller: Caller, desk: &mut Desk) -> Result<(), (Caller, io::Error)> {
            self.calls += 1;
            if self.calls == 1 {
                desk.orders.handle().stop();
                return Err((caller, io::ErrorKind::WouldBlock.into()));
            }
            self.taken.push(caller);
            Ok(())
        }

        fn refuse(&mut self, _caller: Caller, why: &str) {
            self.refused.push(why.to_owned());
        }

        fn reload(&mut self) -> Option<Reload> {
            None
        }

        fn stop(&mut self) {
            self.told_to_stop = true;
        }

        fn open(&self) -> usize {
            self.others + self.taken.len()
        }
    }

    fn stopped_with_one_held(drain_timeout: Duration, others: usize) -> Hesitant {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let listeners = vec![selector::listener(listener).unwrap()];
        let desk = Desk::new(listeners, Orders::new().unwrap(), (Log, None));
        let mut crew = Hesitant { others, calls: 0, refused: Vec::new(), told_to_stop: false, taken: Vec::new() };
        accept(desk, &mut crew, drain_timeout).unwrap();
        assert!(crew.told_to_stop);
        assert!(crew.taken.iter().all(|caller| caller.addr == client.local_addr().unwrap().into()));
        crew
    }

    #[test]
    fn a_connection_that_is_held_at_a_stop_is_served_yet() {
        let crew = stopped_with_one_held(Duration::from_secs(60), 1);
        assert_eq!((crew.taken.len(), crew.refused.len()), (1, 0));
    }

    #[test]
    fn it_is_not_held_for_ever() {
        assert_eq!(stopped_with_one_held(Duration::ZERO, 1).taken.len(), 0);
    }

    #[test]
    fn where_no_other_will_make_room_it_is_refused() {
        let crew = stopped_with_one_held(Duration::from_secs(60), 0);
        assert_eq!((crew.taken.len(), crew.refused), (0, vec!["operation would block".to_owned()]));
    }
}
