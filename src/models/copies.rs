//! Copies of a server's listening sockets, for the server that comes after it.
//!
//! A socket listens until its last descriptor is closed, in whichever process. So the server after this one, in a process of
//! its own, can get the sockets themselves, with the connections that wait in their backlogs: no connection is refused or
//! lost, as those on a socket would be that is closed and opened anew.
//!
//! While the copies are open, the sockets listen. So a stop closes them first, and a forked child has none.

use std::fmt;
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
    is_closed: bool,
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

    /// Adds a copy of each socket of an address, with its name among those of systemd.
    pub(super) fn add_all(&self, listening: &Listening, name: Option<&str>) -> io::Result<()> {
        let kind = name.map_or(Kind::Served, |name| Kind::Systemd(name.to_owned()));
        for socket in &listening.sockets {
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

    /// The copies, unless they are closed.
    pub fn all(&self) -> Vec<(Kind, Arc<SocketListener>)> {
        self.lock().copies.clone()
    }

    /// Whether they are closed.
    pub fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// Sets whether the files of Unix sockets stay when the sockets are closed, because they belong to another server. If
    /// they don't, the server before this one has left, and the sockets that no address wants are closed.
    pub fn keep_files(&self, stay: bool) {
        let unwanted = {
            let mut held = self.lock();
            held.copies.iter().for_each(|(_, copy)| copy.keep_file(stay));
            if stay { Vec::new() } else { mem::take(&mut held.unwanted) }
        };
        for bound in unwanted {
            bound.keep_file(stay);
        }
    }

    /// Closes them.
    pub fn close(&self) {
        let held = mem::replace(&mut *self.lock(), Held { is_closed: true, ..Held::default() });
        drop(held);
        self.waker.wake();
    }

    /// Logs from a thread beside a server that may fork. A fork waits meanwhile: its child would wait for the logger's lock
    /// forever.
    pub fn log(&self, level: log::Level, what: impl fmt::Display) {
        let _held = self.lock();
        log::log!(level, "{what}");
    }
}

impl Held {
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
