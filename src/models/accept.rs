//! The accept loop of the blocking models: takes connections one by one, and gives each to somebody who serves it.

use std::io;
use std::time::{Duration, Instant};

use super::blocking::Caller;
use super::orders::{Orders, wait};
use crate::connection::log_stop;
use crate::selector::{AcceptError, RETRY_AFTER, TcpListener};
use crate::sys::PollFd;
use crate::text::reason;

/// Who serves the connections that are accepted.
pub(super) trait Crew {
    /// Whether there is somebody for one more connection. Where there isn't, connections wait in the backlog until the
    /// orders' waker is woken.
    fn has_room(&self) -> bool;

    /// Serves a connection, or has it served.
    ///
    /// # Errors
    /// The connection, and why nobody could be found for it now.
    fn take(&mut self, caller: Caller, desk: &mut Desk) -> Result<(), (Caller, io::Error)>;

    /// Lets the service reload.
    fn reload(&mut self);

    /// Tells those who serve to finish what has begun, and those who are yet to serve as well.
    fn stop(&mut self);

    /// How many connections are served.
    fn open(&self) -> usize;

    /// Looks after those who serve. Called at least once between two connections, and as often as [`Crew::patience`] says.
    fn look_after(&mut self) {}

    /// How long the accept loop may wait before they are looked after again.
    fn patience(&self) -> Option<Duration> {
        None
    }
}

/// Where connections come in, and orders.
#[derive(Debug)]
pub(super) struct Desk {
    /// None once it's known that there is a stop.
    pub listeners: Vec<TcpListener>,
    pub orders: Orders,
}

/// Accepts connections for `crew` until there is an order to stop; then the listeners are closed, the crew is told, and the
/// orders are returned. A connection that nobody could be found for until then is waited with, up to `drain_timeout`.
///
/// # Errors
/// If the system refuses to wait.
pub(super) fn accept(desk: Desk, crew: &mut impl Crew, drain_timeout: Duration) -> io::Result<Orders> {
    let mut acceptor = Acceptor { desk, held: None, retry_at: None, told: false, fds: Vec::new() };
    let mut stopping: Option<Instant> = None;
    loop {
        crew.look_after();
        if acceptor.desk.orders.takes_reload() {
            crew.reload();
        }
        if stopping.is_none() && acceptor.desk.orders.is_stopped() {
            if !acceptor.desk.listeners.is_empty() {
                log_stop(crew.open() + usize::from(acceptor.held.is_some()), drain_timeout);
                acceptor.desk.listeners.clear();
            }
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
    /// A connection that nobody could be found for.
    held: Option<Caller>,
    /// When to accept again after that has failed.
    retry_at: Option<Instant>,
    /// Whether the log has it already that connections have to wait.
    told: bool,
    /// What was waited for: the orders, then the listeners, if they were.
    fds: Vec<PollFd>,
}

impl Acceptor {
    fn wait(&mut self, crew: &impl Crew) -> io::Result<()> {
        let accepts = self.held.is_none() && self.retry_at.is_none() && crew.has_room();
        let listeners = if accepts { &self.desk.listeners[..] } else { &[] };
        self.fds.clear();
        self.fds.push(PollFd::new(&self.desk.orders, true, false));
        self.fds.extend(listeners.iter().map(|listener| PollFd::new(listener, true, false)));
        let retry = self.retry_at.map(|time| time.saturating_duration_since(Instant::now()));
        wait(&mut self.fds, [retry, crew.patience()].into_iter().flatten().min())?;
        if self.fds[0].is_ready() {
            self.desk.orders.woken();
            // Somebody has come free, most likely, and with that a descriptor or a thread.
            self.retry_at = None;
        }
        self.retry_at = self.retry_at.filter(|&time| Instant::now() < time);
        Ok(())
    }

    /// One connection of each listener that has some.
    fn accept_what_waits(&mut self, crew: &mut impl Crew) {
        for index in 1..self.fds.len() {
            if !self.fds[index].is_readable() || self.held.is_some() || !crew.has_room() {
                continue;
            }
            // A crew that serves in this thread may have closed them, at a stop.
            let Some(listener) = self.desk.listeners.get(index - 1) else { return };
            match listener.accept() {
                Ok((stream, addr)) => self.give(Caller { stream, addr }, crew),
                Err(error) => match AcceptError::of(&error) {
                    AcceptError::NoneWaits => {}
                    AcceptError::ThisConnection => {
                        log::debug!("A connection was gone before it was accepted: {}", reason(&error));
                    }
                    AcceptError::Ours => self.pause(&format!("Cannot accept: {}", reason(&error))),
                },
            }
        }
    }

    fn give(&mut self, caller: Caller, crew: &mut impl Crew) {
        match crew.take(caller, &mut self.desk) {
            Ok(()) => self.told = false,
            Err((caller, error)) => {
                self.pause(&format!("Cannot serve {}: {}", caller.addr, reason(&error)));
                self.held = Some(caller);
            }
        }
    }

    /// Accepts nothing for a while.
    fn pause(&mut self, why: &str) {
        if !self.told {
            log::warn!("{why}; new connections wait until one closes");
            self.told = true;
        }
        self.retry_at = Some(Instant::now() + RETRY_AFTER);
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;
    use crate::selector;

    /// Finds nobody at first, and then there is a stop.
    struct Hesitant {
        calls: u32,
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

        fn reload(&mut self) {}

        fn stop(&mut self) {
            self.told_to_stop = true;
        }

        fn open(&self) -> usize {
            self.taken.len()
        }
    }

    fn stopped_with_one_held(drain_timeout: Duration) -> Hesitant {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let desk = Desk { listeners: vec![selector::listener(listener).unwrap()], orders: Orders::new().unwrap() };
        let mut crew = Hesitant { calls: 0, told_to_stop: false, taken: Vec::new() };
        accept(desk, &mut crew, drain_timeout).unwrap();
        assert!(crew.told_to_stop);
        assert!(crew.taken.iter().all(|caller| caller.addr == client.local_addr().unwrap()));
        crew
    }

    #[test]
    fn a_connection_that_is_held_at_a_stop_is_served_yet() {
        assert_eq!(stopped_with_one_held(Duration::from_secs(60)).taken.len(), 1);
    }

    #[test]
    fn it_is_not_held_for_ever() {
        assert_eq!(stopped_with_one_held(Duration::ZERO).taken.len(), 0);
    }
}
