//! What comes before the sessions of a service: a proxy's [header](crate::codec::proxy), which says whose connection
//! each one is, and the [admission](super::admission) of the client.
//!
//! The session begins after that, with the client as its [peer](SessionIo::peer): so every protocol and model is the
//! same as without a proxy. A service that is not [`Proxied`] has none of this.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::admission::{Admission, Pass};
use super::forward::{forward_service, forward_session};
use super::shared::SharedService;
use super::{Connect, End, Peer, Progress, Reload, Service, Session, SessionError, SessionIo, State};
use crate::address::{Addr, Network};
use crate::buffer::Output;
use crate::codec::proxy;

/// The trusted proxies, and the time that a header may take.
#[derive(Clone, Debug)]
pub struct Proxies {
    /// The networks of the proxies. Connections from other addresses are closed. A peer on a Unix socket is always
    /// trusted, since the mode of the file limits access.
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

/// What each connection has to pass before its session begins.
#[derive(Debug, Default)]
pub struct Entry {
    /// Each connection begins with a header of one of these proxies.
    pub proxies: Option<Proxies>,
    /// Limits on the clients, which are those that the headers name.
    pub admission: Option<Arc<Admission>>,
}

impl Entry {
    /// Whether every connection passes.
    pub fn is_open(&self) -> bool {
        self.proxies.is_none() && self.admission.is_none()
    }
}

impl From<Proxies> for Entry {
    fn from(proxies: Proxies) -> Self {
        Entry { proxies: Some(proxies), ..Entry::default() }
    }
}

impl From<Admission> for Entry {
    fn from(admission: Admission) -> Self {
        Entry { admission: Some(Arc::new(admission)), ..Entry::default() }
    }
}

/// A service whose connections pass an [`Entry`]. Its type doesn't depend on the service's, so that the loops are compiled
/// once for all.
pub struct Proxied<'a> {
    house: Arc<House<'a>>,
}

/// The state shared by all its sessions.
struct House<'a> {
    host: Box<dyn Host<'a> + 'a>,
    entry: Entry,
}

impl<'a> Proxied<'a> {
    /// Makes each connection that `service` accepts pass `entry`.
    pub fn new<V: Service<Session: Send> + Send + 'a>(service: V, entry: impl Into<Entry>) -> Self {
        let host = Box::new(SharedService::new(service));
        Proxied { house: Arc::new(House { host, entry: entry.into() }) }
    }

    fn session(&self, stage: Stage<'a>) -> ProxiedSession<'a> {
        ProxiedSession { house: Arc::clone(&self.house), stage, pass: None }
    }
}

impl<'a> Service for Proxied<'a> {
    type Session = ProxiedSession<'a>;

    fn accept(&mut self, peer: &Peer) -> Self::Session {
        self.accept_from(0, peer)
    }

    fn accept_from(&mut self, listener: usize, peer: &Peer) -> Self::Session {
        let peer = *peer;
        self.session(match self.house.entry.proxies {
            Some(_) => Stage::Header { listener, peer, until: None },
            None => Stage::Introduced { listener, peer },
        })
    }

    fn ended(&mut self, session: Self::Session, peer: &Peer, end: End) {
        if let Stage::Served(guest) = session.stage {
            guest.ended(peer, end);
        }
    }

    fn shares_state(&self) -> bool {
        self.house.entry.admission.is_some() || self.house.host.shares_state()
    }

    /// The connections that it opens have no headers.
    fn next_connect(&mut self) -> Option<Connect<Self::Session>> {
        let Connect { addresses, session } = self.house.host.next_connect()?;
        Some(Connect { addresses, session: self.session(Stage::Served(session)) })
    }

    forward_service!(house.host);
}

/// A session, and what comes before it.
pub struct ProxiedSession<'a> {
    house: Arc<House<'a>>,
    stage: Stage<'a>,
    /// Its client's admission, which ends with it.
    pass: Option<Pass>,
}

enum Stage<'a> {
    /// The header isn't complete.
    Header { listener: usize, peer: Peer, until: Option<Instant> },
    /// It is, or there is none, and the next call comes from the client.
    Introduced { listener: usize, peer: Peer },
    /// The service's own session.
    Served(Box<dyn Guest + 'a>),
}

impl ProxiedSession<'_> {
    /// Begins the session, unless its client is not admitted: then the session refuses it.
    fn begin(&mut self, listener: usize, io: &mut SessionIo<'_>, now: Instant) -> Result<(), SessionError> {
        let mut guest = self.house.host.accept_from(listener, io.peer());
        let admitted = self.house.entry.admission.as_ref().map(|admission| admission.admit(io.peer().addr, now));
        if let Some(Err(denied)) = &admitted {
            guest.refuse(io.output(), &format!("{denied}; try again later"));
        }
        self.stage = Stage::Served(guest);
        self.pass = admitted.transpose().map_err(SessionError::refused)?;
        Ok(())
    }

    /// Reads the header. Returns whether it's complete, or how the session goes on without it.
    fn read_header(
        proxies: &Proxies,
        until: Instant,
        io: &mut SessionIo<'_>,
        now: Instant,
    ) -> Result<Header, SessionError> {
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
            match (&mut self.stage, &self.house.entry.proxies) {
                (Stage::Served(guest), _) => return guest.advance(io, now),
                (Stage::Header { listener, peer, until }, Some(proxies)) => {
                    let (listener, peer) = (*listener, *peer);
                    let until = *until.get_or_insert(now + proxies.timeout);
                    return match Self::read_header(proxies, until, io, now)? {
                        Header::Complete => {
                            self.stage = Stage::Introduced { listener, peer };
                            Ok(Progress::Yield)
                        }
                        Header::Incomplete(progress) => Ok(progress),
                    };
                }
                (Stage::Introduced { listener, .. } | Stage::Header { listener, .. }, _) => {
                    let listener = *listener;
                    self.begin(listener, io, now)?;
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

    /// Refuses in the protocol's own format, before any header or admission.
    fn refuse(&mut self, output: &mut Output<'_>, why: &str) {
        if let Stage::Header { listener, peer, .. } | Stage::Introduced { listener, peer } = &self.stage {
            self.stage = Stage::Served(self.house.host.accept_from(*listener, peer));
        }
        if let Stage::Served(guest) = &mut self.stage {
            guest.refuse(output, why);
        }
    }

    fn state(&self, unused: usize) -> State {
        match &self.stage {
            Stage::Header { .. } => State::named("PROXY header"),
            Stage::Introduced { .. } => State::named("admission"),
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

    forward_session!(session);
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
    fn has_messages(&self) -> bool;
    fn opens_connections(&self) -> bool;
    fn next_connect(&self) -> Option<Connect<Box<dyn Guest + 'a>>>;
}

/// A session of any type, which finds the way back to its service.
trait Guest: Session + Send {
    fn ended(self: Box<Self>, peer: &Peer, end: End);
}

/// A guest of this service.
fn guest<'a, V>(service: &SharedService<V>, session: V::Session) -> Box<dyn Guest + 'a>
where
    V: Service<Session: Send> + Send + 'a,
{
    Box::new(Visitor { session, service: service.clone() })
}

impl<'a, V: Service<Session: Send> + Send + 'a> Host<'a> for SharedService<V> {
    fn accept_from(&self, listener: usize, peer: &Peer) -> Box<dyn Guest + 'a> {
        let session = self.lock().accept_from(listener, peer);
        guest(self, session)
    }

    fn reload(&self) -> Option<Reload> {
        self.lock().reload()
    }

    fn shares_state(&self) -> bool {
        self.lock().shares_state()
    }

    fn has_messages(&self) -> bool {
        self.lock().has_messages()
    }

    fn opens_connections(&self) -> bool {
        self.lock().opens_connections()
    }

    fn next_connect(&self) -> Option<Connect<Box<dyn Guest + 'a>>> {
        let Connect { addresses, session } = self.lock().next_connect()?;
        Some(Connect { addresses, session: guest(self, session) })
    }
}

struct Visitor<V: Service> {
    session: V::Session,
    service: SharedService<V>,
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

    forward_session!(session);
}
