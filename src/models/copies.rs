//! Copies of a server's listening sockets, for the server that comes after it.
//!
//! A socket listens until its last descriptor is closed, in whichever process. So the server after this one, in a process of
//! its own, can get the sockets themselves, with the connections that wait in their backlogs: no connection is refused or
//! lost, as those on a socket would be that is closed and opened anew.
//!
//! While the copies are open, the sockets listen. So a stop closes them first, and a forked child has none.

use std::io;
use std::mem;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use log::LevelFilter;

use super::bound::Bound;
use super::listen::Listening;
use crate::selector::{SocketListener, WakeFd, Waker};
use crate::sys;
use crate::text::reason;
use crate::trace::{Event, Record, Subscriber};

/// What a listening socket is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Clients.
    Served,
    /// Administrators.
    Admin,
    /// The server after this one, which connects to ask for the sockets.
    Control,
    /// Clients or administrators, on a socket that systemd has passed under this name.
    Systemd(String),
}

/// Copies of the listening sockets. Clones are the same ones.
#[derive(Clone, Debug)]
pub struct Copies {
    held: Arc<Mutex<Held>>,
    waker: Waker,
}

#[derive(Debug, Default)]
pub(super) struct Held {
    copies: Vec<(Kind, Arc<SocketListener>)>,
    /// Sockets of the server before this one that no address has taken.
    unwanted: Vec<Bound>,
}

impl Copies {
    /// No copies yet, and a descriptor that is readable once they are closed.
    ///
    /// # Errors
    /// If the system has no socket pair left.
    pub fn new() -> io::Result<(Copies, WakeFd)> {
        let (waker, wake_fd) = WakeFd::new()?;
        Ok((Copies { held: Arc::default(), waker }, wake_fd))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one.
    pub fn add(&self, kind: Kind, copy: Arc<SocketListener>) {
        self.lock().copies.push((kind, copy));
    }

    /// Adds a copy of each different socket of an address, with its name among those of systemd.
    pub(super) fn add_all(&self, listening: &Listening, name: Option<&str>) -> io::Result<()> {
        let kind = name.map_or(Kind::Served, |name| Kind::Systemd(name.to_owned()));
        for socket in &listening.sockets[..listening.different] {
            self.add(kind.clone(), Arc::new(socket.try_clone()?));
        }
        Ok(())
    }

    /// Takes the sockets that no address wants. They are closed once the server before this one has left.
    pub(super) fn leave(&self, unwanted: Vec<Bound>) {
        for bound in &unwanted {
            log::info!("{} is not served any more", bound.addr());
        }
        self.lock().unwanted = unwanted;
    }

    /// The copies. There are none once they are closed.
    pub fn all(&self) -> Vec<(Kind, Arc<SocketListener>)> {
        self.lock().copies.clone()
    }

    /// Sets whether the files of Unix sockets stay when the sockets are closed, because they belong to another server.
    pub fn keep_files(&self, stay: bool) {
        self.lock().keep_files(stay);
    }

    /// Makes the files of Unix sockets this server's own, once `ask` has succeeded. A stop waits meanwhile.
    ///
    /// # Errors
    /// The error of `ask`.
    pub fn own_files_after<E>(&self, ask: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        let held = self.lock();
        ask()?;
        held.keep_files(false);
        Ok(())
    }

    /// Closes the sockets that no address wants, since the server before this one has left. The files of Unix sockets go with
    /// them.
    pub fn close_unwanted(&self) {
        let unwanted = mem::take(&mut self.lock().unwanted);
        for bound in unwanted {
            bound.keep_file(false);
        }
    }

    /// Closes them.
    pub fn close(&self) {
        let held = mem::take(&mut *self.lock());
        drop(held);
        self.waker.wake();
    }

    /// Does some work, such as logging, in a thread beside a server that may fork. A fork waits meanwhile: its child could
    /// wait forever for a lock that this thread holds.
    pub fn without_fork(&self, work: impl FnOnce()) {
        let _held = self.lock();
        work();
    }
}

impl Held {
    fn keep_files(&self, stay: bool) {
        self.copies.iter().for_each(|(_, copy)| copy.keep_file(stay));
    }

    /// Closes the copies in a forked child, by making their numbers refer to `other`.
    pub fn close_in_child(&self, other: &impl AsFd) {
        for (_, copy) in &self.copies {
            if let Err(error) = sys::replace(&**copy, other) {
                log::warn!("A process can't close a listening socket: {}", reason(&error));
            }
        }
    }
}

/// Closes the copies when the server stops, before its own sockets.
impl Subscriber for Copies {
    fn level(&self) -> LevelFilter {
        LevelFilter::Info
    }

    fn record(&self, record: &Record<'_>) {
        if let Event::Stopping { .. } = record.event {
            self.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixListener;
    use std::path::Path;

    use super::*;
    use crate::selector;

    fn copies() -> (Copies, WakeFd) {
        Copies::new().unwrap()
    }

    fn inherited(path: &Path) -> Bound {
        Bound::inherited(UnixListener::bind(path).unwrap().into()).unwrap()
    }

    #[test]
    fn a_socket_listens_until_its_copies_are_closed() {
        let (copies, closed) = copies();
        let listener = selector::listener(TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
        let addr = crate::selector::Listener::local_addr(&listener).unwrap();
        copies.add(Kind::Served, Arc::new(listener));
        TcpStream::connect(addr).unwrap();
        assert!(!closed.take());
        copies.close();
        assert!(closed.take());
        assert!(TcpStream::connect(addr).is_err());
        assert!(copies.all().is_empty());
    }

    #[test]
    fn files_stay_while_another_server_has_the_sockets() {
        let directory = tempfile::tempdir().unwrap();
        for (stays, name) in [(true, "a"), (false, "b")] {
            let path = directory.path().join(name);
            let (copies, _closed) = copies();
            copies.add(Kind::Served, Arc::new(inherited(&path).into_listener().unwrap()));
            copies.keep_files(stays);
            copies.close();
            assert_eq!(path.exists(), stays);
        }
    }

    #[test]
    fn unwanted_sockets_are_closed_when_the_server_before_has_left() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        let (copies, _closed) = copies();
        copies.leave(vec![inherited(&path)]);
        copies.keep_files(false);
        assert!(path.exists());
        copies.close_unwanted();
        assert!(!path.exists());
    }

    #[test]
    fn files_are_this_server_s_own_if_asking_for_them_succeeds() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        let (copies, _closed) = copies();
        copies.add(Kind::Served, Arc::new(inherited(&path).into_listener().unwrap()));
        assert_eq!(copies.own_files_after(|| Err("no")), Err("no"));
        let kept = copies.all();
        copies.close();
        kept.iter().for_each(|(kind, copy)| copies.add(kind.clone(), Arc::clone(copy)));
        drop(kept);
        copies.own_files_after(|| Ok::<_, ()>(())).unwrap();
        assert!(path.exists());
        copies.close();
        assert!(!path.exists());
    }

    #[test]
    fn a_child_makes_the_numbers_refer_to_something_else() {
        let (copies, closed) = copies();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        copies.add(Kind::Served, Arc::new(Bound::new(OwnedFd::from(listener)).unwrap().into_listener().unwrap()));
        copies.lock().close_in_child(&closed);
        assert!(TcpStream::connect(addr).is_err());
    }
}
