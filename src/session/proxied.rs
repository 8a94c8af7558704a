//! A service behind a proxy, which says with a [header](crate::codec::proxy) whose connection each one is.
//!
//! The header is read in front of the session, which begins after it, with the client as its
//! [peer](SessionIo::peer): so every protocol, model and limit is the same as without a proxy. A service that is not
//! [`Proxied`] has none of this.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Connect, End, Peer, Progress, Reload, Service, Session, SessionError, SessionIo, State};
use crate::address::{Addr, Network};
use crate::buffer::Output;
use crate::codec::proxy;

/// The trusted proxies, and the time that a header may take.
#[derive(Clone, Debug)]
pub struct Proxies {
    /// The networks of the proxies. Connections from other addresses are closed. A peer on a Unix socket is always
    /// trusted, since the file's mode limits who can connect.
    pub from: Vec<Network>,
    /// How long the whole header may take to arrive.
    pub timeout: Duration,
}

impl Default for Proxies {
    /// The default: proxies on this machine, and five seconds. A lost packet is sent again after one to three.
    fn default() -> Self {
        Proxies { from: Network::LOOPBACK.to_vec(), timeout: Duration::from_secs(5) }
    }
}

impl Proxies {
    fn include(&self, addr: Addr) -> bool {
        addr.inet().is_none_or(|addr| self.from.iter().any(|network| network.contains(addr.ip())))
    }
}

/// A service, each of whose connections begins with a header. Its type doesn't depend on the service's, so that the
/// loops are compiled once for all.
pub struct Proxied<'a> {
    house: Arc<House<'a>>,
}

/// The state shared by all its sessions.
struct House<'a> {
    host: Box<dyn Host<'a> + 'a>,
    proxies: Proxies,
}

impl<'a> Proxied<'a> {
    /// Expects a header on each connection that `service` accepts.
    pub fn new<V: Service<Session: Send> + Send + 'a>(service: V, proxies: Proxies) -> Self {
        Proxied { house: Arc::new(House { host: Box::new(Shared(Arc::new(Mutex::new(service)))), proxies }) }
    }

    fn session(&self, stage: Stage<'a>) -> ProxiedSession<'a> {
        ProxiedSession { house: Arc::clone(&self.house), stage }
    }
}

impl<'a> Service for Proxied<'a> {
    type Session = ProxiedSession<'a>;

    fn accept(&mut self, peer: &Peer) -> Self::Session {
        self.accept_from(0, peer)
    }

    fn accept_from(&mut self, listener: usize, peer: &Peer) -> Self::Session {
        self.session(Stage::Header { listener, peer: *peer, until: None })
    }

    fn ended(&mut self, session: Self::Session, peer: &Peer, end: End) {
        if let Stage::Served(guest) = session.stage {
            guest.ended(peer, end);
        }
    }

    fn reload(&mut self) -> Option<Reload> {
        self.house.host.reload()
    }

    fn shares_state(&self) -> bool {
        self.house.host.shares_state()
    }

    fn opens_connections(&self) -> bool {
        self.house.host.opens_connections()
    }

    /// The connections that it opens have no headers.
    fn next_connect(&mut self) -> Option<Connect<Self::Session>> {
        let Connect { addresses, session } = self.house.host.next_connect()?;
        Some(Connect { addresses, session: self.session(Stage::Served(session)) })
    }
}

/// A session, and the header before it.
pub struct ProxiedSession<'a> {
    house: Arc<House<'a>>,
    stage: Stage<'a>,
}

enum Stage<'a> {
    /// The header isn't complete.
    Header { listener: usize, peer: Peer, until: Option<Instant> },
    /// It is, and the next call comes from the client.
    Introduced { listener: usize },
    /// The service's own session.
    Served(Box<dyn Guest + 'a>),
}

impl ProxiedSession<'_> {
    /// Reads the header, and returns how far it has come.
    fn read_header(&self, until: Instant, io: &mut SessionIo<'_>, now: Instant) -> Result<Header, SessionError> {
        let proxies = &self.house.proxies;
        if !proxies.include(io.peer().addr) {
            return Err(SessionError::violation(Refusal::Untrusted));
        }
        let unused = io.input().remaining();
        let came = unused.len();
        match proxy::parse(unused).map_err(SessionError::violation)? {
            Some(header) => {
                io.input().take(header.len);
                if let Some(client) = header.client {
                    io.introduce(client.into());
                }
                Ok(Header::Complete)
            }
            // A health check that only connects.
            None if io.input_ended() && came == 0 => Ok(Header::Incomplete(Progress::Finished)),
            None if io.input_ended() => Err(SessionError::input_ended(Refusal::Cut)),
            None if now >= until => Err(SessionError::timed_out(Refusal::TooSlow(proxies.timeout))),
            None => Ok(Header::Incomplete(Progress::NeedInput)),
        }
    }
}

/// The progress of a header.
enum Header {
    Complete,
    Incomplete(Progress),
}

impl Session for ProxiedSession<'_> {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        loop {
            match &mut self.stage {
                Stage::Served(guest) => return guest.advance(io, now),
                Stage::Introduced { listener } => {
                    self.stage = Stage::Served(self.house.host.accept_from(*listener, io.peer()));
                }
                Stage::Header { listener, until, .. } => {
                    let listener = *listener;
                    let until = *until.get_or_insert(now + self.house.proxies.timeout);
                    return match self.read_header(until, io, now)? {
                        Header::Complete => {
                            self.stage = Stage::Introduced { listener };
                            Ok(Progress::Yield)
                        }
                        Header::Incomplete(progress) => Ok(progress),
                    };
                }
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Header { until, .. } => *until,
            Stage::Introduced { .. } => None,
            Stage::Served(guest) => guest.deadline(),
        }
    }

    fn is_idle(&self) -> bool {
        match &self.stage {
            Stage::Header { .. } | Stage::Introduced { .. } => true,
            Stage::Served(guest) => guest.is_idle(),
        }
    }

    /// Refuses in the protocol's own format, before any header.
    fn refuse(&mut self, output: &mut Output<'_>, why: &str) {
        if let Stage::Header { listener, peer, .. } = &self.stage {
            self.stage = Stage::Served(self.house.host.accept_from(*listener, peer));
        }
        if let Stage::Served(guest) = &mut self.stage {
            guest.refuse(output, why);
        }
    }

    fn state(&self, unused: usize) -> State {
        match &self.stage {
            Stage::Header { .. } | Stage::Introduced { .. } => State::named("PROXY header"),
            Stage::Served(guest) => guest.state(unused),
        }
    }
}

/// A client's session that begins with a header, as a proxy's connection does: it says that the connection is our own.
#[derive(Debug)]
pub struct Introducing<T> {
    session: T,
    /// The version of the header, until it's sent.
    version: Option<proxy::Version>,
}

impl<T> Introducing<T> {
    /// Puts a header of this `version` before what `session` sends, or none.
    pub fn new(session: T, version: Option<proxy::Version>) -> Self {
        Introducing { session, version }
    }

    /// The session itself.
    pub fn into_inner(self) -> T {
        self.session
    }
}

impl<T: Session> Session for Introducing<T> {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        if let Some(version) = self.version.take() {
            let own = io.local_addr().ok().and_then(Addr::inet);
            let header = proxy::write(version, own, io.peer().addr.inet());
            io.output().push(&header);
        }
        self.session.advance(io, now)
    }

    fn deadline(&self) -> Option<Instant> {
        self.session.deadline()
    }

    fn is_idle(&self) -> bool {
        self.session.is_idle()
    }

    fn refuse(&mut self, output: &mut Output<'_>, why: &str) {
        self.session.refuse(output, why);
    }

    fn state(&self, unused: usize) -> State {
        self.session.state(unused)
    }
}

/// Why a connection is refused before its session begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// Its peer is not a trusted proxy.
    Untrusted,
    /// The header was cut off.
    Cut,
    /// The header took longer than this.
    TooSlow(Duration),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untrusted => f.write_str("not a trusted proxy"),
            Self::Cut => f.write_str("the PROXY header was cut off"),
            Self::TooSlow(timeout) => write!(f, "no whole PROXY header within {timeout:?}"),
        }
    }
}

impl std::error::Error for Refusal {}

/// A service of any type.
trait Host<'a>: Send + Sync {
    fn accept_from(&self, listener: usize, peer: &Peer) -> Box<dyn Guest + 'a>;
    fn reload(&self) -> Option<Reload>;
    fn shares_state(&self) -> bool;
    fn opens_connections(&self) -> bool;
    fn next_connect(&self) -> Option<Connect<Box<dyn Guest + 'a>>>;
}

/// A session of any type, which finds the way back to its service.
trait Guest: Session + Send {
    fn ended(self: Box<Self>, peer: &Peer, end: End);
}

struct Shared<V>(Arc<Mutex<V>>);

impl<V> Shared<V> {
    fn lock(&self) -> MutexGuard<'_, V> {
        // A panic on one connection must not affect the others.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a, V: Service<Session: Send> + Send + 'a> Shared<V> {
    fn guest(&self, session: V::Session) -> Box<dyn Guest + 'a> {
        Box::new(Visitor { session, service: Shared(Arc::clone(&self.0)) })
    }
}

impl<'a, V: Service<Session: Send> + Send + 'a> Host<'a> for Shared<V> {
    fn accept_from(&self, listener: usize, peer: &Peer) -> Box<dyn Guest + 'a> {
        let session = self.lock().accept_from(listener, peer);
        self.guest(session)
    }

    fn reload(&self) -> Option<Reload> {
        self.lock().reload()
    }

    fn shares_state(&self) -> bool {
        self.lock().shares_state()
    }

    fn opens_connections(&self) -> bool {
        self.lock().opens_connections()
    }

    fn next_connect(&self) -> Option<Connect<Box<dyn Guest + 'a>>> {
        let Connect { addresses, session } = self.lock().next_connect()?;
        Some(Connect { addresses, session: self.guest(session) })
    }
}

struct Visitor<V: Service> {
    session: V::Session,
    service: Shared<V>,
}

impl<V: Service<Session: Send> + Send> Guest for Visitor<V> {
    fn ended(self: Box<Self>, peer: &Peer, end: End) {
        let Visitor { session, service } = *self;
        service.lock().ended(session, peer, end);
    }
}

impl<V: Service> Session for Visitor<V> {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        self.session.advance(io, now)
    }

    fn deadline(&self) -> Option<Instant> {
        self.session.deadline()
    }

    fn is_idle(&self) -> bool {
        self.session.is_idle()
    }

    fn refuse(&mut self, output: &mut Output<'_>, why: &str) {
        self.session.refuse(output, why);
    }

    fn state(&self, unused: usize) -> State {
        self.session.state(unused)
    }
}
