//! Services, which make sessions and hold their shared state.

use super::{End, Peer, Session};
use crate::address::Addr;

/// A factory for the sessions of one server or client, which also holds their shared state.
///
/// A panic in one of its sessions, or in a call for one connection, ends only that connection. So shared state must be
/// consistent wherever a panic can happen: either change it in one step after everything that may fail, or repair it in
/// [`ended`](Service::ended), which is also called for a session that has panicked, but not after a panic in
/// [`accept`](Service::accept). A `Mutex` that was locked meanwhile is poisoned; the service decides whether that
/// matters.
///
/// ```
/// use std::cell::Cell;
/// use std::rc::Rc;
/// use std::time::Instant;
///
/// use multiconn::session::testing::{Harness, PEER};
/// use multiconn::session::{End, Peer, Progress, Service, Session, SessionError, SessionIo};
///
/// /// Tells each peer how many are connected.
/// #[derive(Default)]
/// struct Census {
///     present: Rc<Cell<u32>>,
/// }
///
/// struct Visitor {
///     present: Rc<Cell<u32>>,
/// }
///
/// impl Service for Census {
///     type Session = Visitor;
///
///     fn accept(&mut self, _peer: &Peer) -> Visitor {
///         self.present.set(self.present.get() + 1);
///         Visitor { present: Rc::clone(&self.present) }
///     }
///
///     fn ended(&mut self, _visitor: Visitor, _peer: &Peer, _end: End) {
///         self.present.set(self.present.get() - 1);
///     }
///
///     fn shares_state(&self) -> bool {
///         true
///     }
/// }
///
/// impl Session for Visitor {
///     fn advance(&mut self, io: &mut SessionIo<'_>, _now: Instant) -> Result<Progress, SessionError> {
///         io.output().push(format!("{} connected\n", self.present.get()).as_bytes());
///         Ok(Progress::Finished)
///     }
/// }
///
/// let mut census = Census::default();
/// let _first = census.accept(&PEER);
/// let mut second = Harness::new(census.accept(&PEER));
/// assert_eq!(second.call(Instant::now())?, Progress::Finished);
/// assert_eq!(second.take_output(), b"2 connected\n");
/// # Ok::<(), SessionError>(())
/// ```
pub trait Service {
    /// The protocol.
    type Session: Session;

    /// Creates a session for a connection just accepted.
    fn accept(&mut self, peer: &Peer) -> Self::Session;

    /// Creates a session for a connection just accepted by a reactor, from its listener of this number: they are numbered
    /// from 0, in the order in which they were added.
    fn accept_from(&mut self, _listener: usize, peer: &Peer) -> Self::Session {
        self.accept(peer)
    }

    /// Takes back a session whose connection is closed or was never opened.
    fn ended(&mut self, _session: Self::Session, _peer: &Peer, _end: End) {}

    /// Reads its files again, such as at SIGHUP.
    ///
    /// All connections may wait for this call. Work that takes time, such as reading a file, belongs in the returned
    /// [`Reload`].
    fn reload(&mut self) -> Option<Reload> {
        log::warn!("There is nothing to reload: this server keeps no files in memory");
        None
    }

    /// Whether one connection's actions can affect other connections. Such a service can't be served by processes that
    /// share nothing.
    fn shares_state(&self) -> bool {
        false
    }

    /// Whether its sessions count messages, with [`begin_message`](super::SessionIo::begin_message). Snapshots and
    /// metrics of others have no number of messages.
    fn has_messages(&self) -> bool {
        false
    }

    /// Whether it opens connections, as a proxy does. Such a service requires a reactor, which runs the connections it
    /// accepts and those it opens side by side.
    fn opens_connections(&self) -> bool {
        false
    }

    /// The next connection to open, if it [opens any](Service::opens_connections). The reactor calls this after
    /// sessions have run, until it returns `None`; so a session opens a connection by storing a request in the state
    /// that it shares with its service.
    fn next_connect(&mut self) -> Option<Connect<Self::Session>> {
        None
    }
}

/// The part of a reload that takes time. It runs in a thread of its own while connections go on, and puts the result
/// where sessions find it.
///
/// A request to reload that comes meanwhile is carried out afterwards, and several count as one. A stop doesn't wait
/// for it. Under `Model::Fork`, it runs in the accept loop, since a process with several threads can't fork safely.
pub type Reload = Box<dyn FnOnce() + Send>;

/// A connection to open.
#[derive(Debug)]
#[must_use = "the reactor opens what the service returns"]
pub struct Connect<T> {
    /// The addresses to try; the first that accepts is used.
    pub addresses: Vec<Addr>,
    /// The session to run on it. [`Service::ended`] gets it back, however it ends.
    pub session: T,
}

/// Any function that makes sessions is a service.
impl<T: Session, F: FnMut(&Peer) -> T> Service for F {
    type Session = T;

    fn accept(&mut self, peer: &Peer) -> T {
        self(peer)
    }
}
