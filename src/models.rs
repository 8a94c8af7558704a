//! The concurrency models: the ways to serve many clients, side by side.
//!
//! All models serve the same sessions, with the same limits and timeouts; they differ in which thread or process waits,
//! and for what. Each file describes one model: how it works, what it costs, and when it's the right choice.
//! `docs/models.md` compares them.
//!
//! | model | what waits | for |
//! |---|---|---|
//! | [`Reactor`](Model::Reactor) | one thread for all | epoll or kqueue |
//! | [`Poll`](Model::Poll) | one thread for all | poll(2) |
//! | [`Select`](Model::Select) | one thread for all | select(2) |
//! | [`Sequential`](Model::Sequential) | one thread for one client; the others in the backlog | its socket |
//! | [`Threads`](Model::Threads) | a thread for each | its socket |
//! | [`Pool`](Model::Pool) | a worker for each; those without one in a queue, then in the backlog | its socket |
//! | [`Fork`](Model::Fork) | a process for each | its socket |
//!
//! ```
//! use std::thread;
//! use multiconn::models::{self, Config, Model};
//! use multiconn::protocols::echo::EchoService;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Listens on a free port of 127.0.0.1, unless the configuration says otherwise.
//! let server = models::serve(Model::Threads, EchoService::default(), Config::default())?;
//! println!("Listening on {}", server.addresses()[0]);
//! let handle = server.handle().clone();
//! let running = thread::spawn(|| server.run());
//! // …
//! handle.stop();
//! running.join().expect("no panic")?;
//! # Ok(())
//! # }
//! ```

mod accept;
mod blocking;
mod bound;
pub(crate) mod capacity;
mod copies;
mod fork;
mod inherited;
pub(crate) mod limits;
mod listen;
mod orders;
mod poll;
mod pool;
mod reactor;
mod select;
mod sequential;
mod stop;
mod threads;
mod unix;
mod work;
mod workers;

use std::fmt;
use std::io;
use std::mem;
use std::net::Ipv4Addr;
use std::num::NonZero;
use std::slice;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::address::Addr;
use crate::connection;
use crate::panics;
use crate::reactor::{Config as ReactorConfig, Handle};
use crate::selector::SocketListener;
use crate::session::Service;
use crate::text::reason;
use crate::trace::{self, Log};
use accept::Desk;
pub use bound::Bound;
use capacity::Capacity;
pub use copies::{Copies, Kind};
pub(crate) use inherited::Inherited;
#[cfg(feature = "cli")]
pub(crate) use listen::listen_alone;
pub(crate) use listen::{Listening, Sockets, listen};
use orders::Orders;
pub use work::{Busy, BusySession, Work};

/// A way to serve many clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// One thread for all connections, on epoll or kqueue; or several such threads.
    Reactor,
    /// The same on poll(2).
    Poll,
    /// The same on select(2), only for descriptors below 1024.
    Select,
    /// One client at a time.
    Sequential,
    /// A thread for each connection.
    Threads,
    /// A fixed number of threads, which take connections from a queue.
    Pool,
    /// A process for each connection.
    Fork,
}

impl Model {
    /// All the models.
    pub const ALL: [Model; 7] =
        [Model::Reactor, Model::Poll, Model::Select, Model::Sequential, Model::Threads, Model::Pool, Model::Fork];

    /// The model's name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Model::Reactor => "reactor",
            Model::Poll => "poll",
            Model::Select => "select",
            Model::Sequential => "sequential",
            Model::Threads => "threads",
            Model::Pool => "pool",
            Model::Fork => "fork",
        }
    }

    /// Whether one thread serves many connections.
    pub fn is_reactor(self) -> bool {
        match self {
            Model::Reactor | Model::Poll | Model::Select => true,
            Model::Sequential | Model::Threads | Model::Pool | Model::Fork => false,
        }
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How the children of [`Model::Fork`] are reaped, so that none remains a zombie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reap {
    /// Checked in each round of the accept loop: at least twice a second while there are children.
    Loop,
    /// Checked when SIGCHLD arrives, which [`serve`] unblocks in its thread.
    Signal,
}

/// Where and how to serve.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen. Each entry lists one host name's addresses, all bound to the same port; if that is 0, they
    /// share a free one. Addresses of an IP version that the machine lacks are skipped. An entry can also be the name of
    /// a Unix socket. If its file was left by a server that is gone, it's replaced; it's removed when the server stops.
    pub names: Vec<Vec<Addr>>,
    /// Sockets that listen already, besides those of `names`. Workers share each of them.
    pub bound: Vec<Bound>,
    /// Listening sockets of a server before this one. An address in `names` gets those of the same address instead of a new
    /// one, with the options that they have; port 0 gets one of the same IP address. The others are closed.
    pub inherited: Vec<Bound>,
    /// Receives a copy of each listening socket, for the server after this one. A stop closes the copies.
    pub copies: Option<Copies>,
    /// Connections that may wait to be accepted, for each address.
    pub backlog: i32,
    /// The congestion control of its connections, if the system offers several: reno, cubic, bbr. `None` is the
    /// system's default.
    pub congestion_control: Option<String>,
    /// The mode of the files of Unix sockets; connecting requires write permission. `None` leaves it to the umask.
    pub socket_mode: Option<u32>,
    /// The connection limit under [`Model::Reactor`], [`Model::Poll`] and [`Model::Select`]; see
    /// [`reactor::Config`](ReactorConfig::connections_max).
    pub connections_max: usize,
    /// The limit of connections being refused at once under these models; see
    /// [`reactor::Config`](ReactorConfig::refusals_max).
    pub refusals_max: usize,
    /// How long these models busy-poll before they sleep; see [`reactor::Config`](ReactorConfig::spin).
    pub spin: Duration,
    /// How long connections are still accepted after the order to stop, so that a load balancer can find out and send its
    /// clients elsewhere. [`Model::Sequential`] and [`Model::Fork`] stop at once.
    pub stop_delay: Duration,
    /// Limits and timeouts of each connection.
    pub connection: connection::Config,
    /// A subscriber to everything that the loops and threads do, besides the log.
    pub subscriber: Option<trace::Shared>,
    /// A listener [apart](crate::reactor::Reactor::add_listener_apart) from the others, under [`Model::Reactor`],
    /// [`Model::Poll`] and [`Model::Select`]; with several workers, it's the first one's. Its number is that of the
    /// [addresses](Server::addresses).
    pub apart: Option<Apart>,
    /// Threads with a reactor each, which share the connections, under [`Model::Reactor`], [`Model::Poll`] and
    /// [`Model::Select`].
    pub workers: usize,
    /// The connection limit under [`Model::Threads`]; others wait in the backlog.
    pub threads_max: usize,
    /// The number of workers of [`Model::Pool`], and the capacity of its queue.
    pub pool_size: usize,
    /// The connection limit under [`Model::Fork`]; others wait in the backlog.
    pub children_max: usize,
    /// How the children of [`Model::Fork`] are reaped.
    pub reap: Reap,
}

/// A listener apart from those that a server serves.
#[derive(Clone, Debug)]
pub struct Apart {
    /// The bound socket.
    pub listener: Arc<SocketListener>,
    /// The most connections at once; others wait.
    pub places: usize,
}

impl Default for Config {
    /// The default listens on a free port of 127.0.0.1, with as many threads and processes as the system allows, up to
    /// the usual numbers.
    fn default() -> Self {
        Config {
            names: vec![vec![Addr::from((Ipv4Addr::LOCALHOST, 0))]],
            bound: Vec::new(),
            inherited: Vec::new(),
            copies: None,
            backlog: 1024,
            congestion_control: None,
            socket_mode: None,
            connections_max: ReactorConfig::default().connections_max,
            refusals_max: ReactorConfig::default().refusals_max,
            spin: Duration::ZERO,
            stop_delay: Duration::ZERO,
            connection: connection::Config::default(),
            subscriber: None,
            apart: None,
            workers: 1,
            threads_max: Capacity::at_most(4096, Capacity::of_threads()),
            pool_size: Capacity::at_most(cores(), Capacity::of_threads()),
            children_max: Capacity::at_most(1024, Capacity::of_children()),
            reap: Reap::Signal,
        }
    }
}

/// The subscribers of all models: the log, and the configured one.
pub(crate) type Subscribers = (Log, Option<trace::Shared>);

impl Config {
    /// Adds a subscriber to the trace, beside the configured one.
    pub(crate) fn subscribe(&mut self, subscriber: impl trace::Subscriber + Send + Sync + 'static) {
        self.subscriber = Some(match self.subscriber.take() {
            Some(other) => trace::Shared::new((other, subscriber)),
            None => trace::Shared::new(subscriber),
        });
    }

    fn subscribers(&self) -> Subscribers {
        (Log, self.subscriber.clone())
    }

    /// The configuration of each reactor.
    fn of_reactor(&self) -> ReactorConfig {
        let Config { connections_max, refusals_max, spin, stop_delay, ref connection, .. } = *self;
        ReactorConfig { connections_max, refusals_max, spin, stop_delay, connection: connection.clone() }
    }
}

/// The number of threads that can run at once.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// A listening server, which serves once it's [run](Server::run).
#[must_use = "it serves when it's run"]
pub struct Server<'a> {
    addresses: Vec<Addr>,
    prepared: Prepared<'a>,
}

/// A model that is ready to run.
struct Prepared<'a> {
    handle: Handle,
    /// The handles of its loops.
    loops: Vec<Handle>,
    run: Run<'a>,
}

impl<'a> Prepared<'a> {
    /// A single loop.
    fn alone(handle: Handle, run: Run<'a>) -> Self {
        Prepared { loops: vec![handle.clone()], handle, run }
    }
}

/// The main loop of a model, which returns once it's stopped.
type Run<'a> = Box<dyn FnOnce() -> io::Result<()> + Send + 'a>;

impl Server<'_> {
    /// The addresses it listens on, with the actual ports.
    pub fn addresses(&self) -> &[Addr] {
        &self.addresses
    }

    /// The handle that stops it or makes its service reload.
    pub fn handle(&self) -> &Handle {
        &self.prepared.handle
    }

    /// The handles of its loops: one for each worker, or that of the loop that accepts. Only [ask](Handle::ask) them for
    /// signs of life; the server's own [handle](Self::handle) is there for orders.
    pub fn loops(&self) -> &[Handle] {
        &self.prepared.loops
    }

    /// Serves until it's [stopped](Handle::stop) and work in progress is done. When it returns, all its threads and
    /// processes have ended, and its sockets are closed; only the thread of a [reload](crate::session::Reload) may be
    /// running still.
    ///
    /// # Errors
    /// If the system refuses a resource that the model requires. No peer can cause an error.
    pub fn run(self) -> io::Result<()> {
        (self.prepared.run)()
    }
}

impl fmt::Debug for Server<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

/// Prepares to serve the sessions of `service`: listens, and returns the server to run.
///
/// Run [`Model::Fork`] in a single-threaded process: a lock that another thread holds at the fork would stay locked in
/// the child. The other models have no such requirement. The children inherit all descriptors of the process. The
/// service's `accept` and `ended` are called in the child, on a copy of the service. Before it exits, the child flushes
/// the logger of the crate `log`.
///
/// # Errors
/// If it can't listen, the service can't be served by this model, or the system doesn't allow that many threads or
/// processes.
pub fn serve<'a, V>(model: Model, service: V, mut config: Config) -> Result<Server<'a>, ServeError>
where
    V: Service<Session: Send> + Send + 'a,
{
    if model == Model::Fork && service.shares_state() {
        return Err(ServeError::SharesState { model });
    }
    if !model.is_reactor() && service.opens_connections() {
        return Err(ServeError::OpensConnections { model });
    }
    limits::check(model, &config)?;
    limits::log(model, &config);
    let workers = if model.is_reactor() { config.workers.max(1) } else { 1 };
    let mut listening = Vec::new();
    let bound = mem::take(&mut config.bound);
    let congestion_control = config.congestion_control.as_deref();
    let sockets = Sockets { backlog: config.backlog, workers, congestion_control, mode: config.socket_mode };
    let mut inherited = Inherited::new(mem::take(&mut config.inherited), config.names.iter().flatten());
    let copies = config.copies.clone();
    let copy = |listening: &[Listening], name: Option<&str>| -> io::Result<()> {
        let Some(copies) = &copies else { return Ok(()) };
        listening.iter().try_for_each(|listening| copies.add_all(listening, name))
    };
    for name in &config.names {
        listening.extend(listen(name, &sockets, &mut inherited)?);
    }
    copy(&listening, None).map_err(ServeError::SetUp)?;
    // Nothing else holds them, so that they close when the server stops.
    for bound in bound {
        let (addr, name) = (bound.addr(), bound.name().map(str::to_owned));
        let sockets = Bound::shared_by(vec![bound], workers);
        let shared = sockets.map(|sockets| Listening { addr, sockets, different: 1 });
        let shared = shared.map_err(|error| ServeError::Listen { addr, error })?;
        copy(slice::from_ref(&shared), name.as_deref()).map_err(ServeError::SetUp)?;
        listening.push(shared);
    }
    if let Some(copies) = &copies {
        copies.leave(inherited.into_rest());
        config.subscribe(copies.clone());
    }
    let addresses = listening.iter().map(|listening| listening.addr).collect();
    let prepared = prepare(model, service, config, listening).map_err(ServeError::SetUp)?;
    Ok(Server { addresses, prepared })
}

fn prepare<'a, V>(model: Model, service: V, config: Config, listening: Vec<Listening>) -> io::Result<Prepared<'a>>
where
    V: Service<Session: Send> + Send + 'a,
{
    let subscribers = config.subscribers();
    match model {
        Model::Reactor => reactor::server(listening, service, config),
        Model::Poll => poll::server(listening, service, config),
        Model::Select => select::server(listening, service, config),
        Model::Sequential => with_desk(listening, subscribers, |desk| Ok(sequential::server(desk, service, config))),
        Model::Threads => with_desk(listening, subscribers, |desk| threads::server(desk, service, config)),
        Model::Pool => with_desk(listening, subscribers, |desk| pool::server(desk, service, config)),
        Model::Fork => with_desk(listening, subscribers, |desk| fork::server(desk, service, config)),
    }
}

/// Prepares a blocking model, which accepts connections in one thread.
fn with_desk<'a>(
    listening: Vec<Listening>,
    subscribers: Subscribers,
    prepare: impl FnOnce(Desk) -> io::Result<Run<'a>>,
) -> io::Result<Prepared<'a>> {
    panics::prepare();
    let listeners = listening.into_iter().flat_map(|listening| listening.sockets).collect();
    let desk = Desk::new(listeners, Orders::new()?, subscribers);
    let handle = desk.orders.handle().clone();
    Ok(Prepared::alone(handle, prepare(desk)?))
}

/// The error when thread `number` of `count` can't be started, all of which are required.
fn no_thread(number: usize, count: usize, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot start thread {number} of {count}: {}", reason(error)))
}

/// Why a server can't be created.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServeError {
    /// An address can't be listened on.
    Listen {
        /// The address.
        addr: Addr,
        /// Why.
        error: io::Error,
    },
    /// The service [shares state](Service::shares_state) between connections, which [`Model::Fork`] can't do.
    SharesState {
        /// The model that can't.
        model: Model,
    },
    /// The service [opens connections](Service::opens_connections), which this model can't run beside accepted ones.
    OpensConnections {
        /// The model that can't.
        model: Model,
    },
    /// The system allows fewer threads or processes.
    TooMany {
        /// The number in the configuration.
        number: usize,
        /// `threads` or `processes`.
        what: &'static str,
        /// The number that the system allows.
        max: usize,
        /// The limit in question.
        limit: String,
    },
    /// The system refuses another required resource.
    SetUp(io::Error),
}

impl ServeError {
    /// The error's text, with a name for the service.
    pub(crate) fn about(&self, service: &str) -> String {
        let able = |able: fn(Model) -> bool| -> String {
            let names: Vec<_> = Model::ALL.into_iter().filter(|&model| able(model)).map(Model::name).collect();
            names.join(", ")
        };
        match self {
            Self::Listen { addr, error } => {
                let hint = match (error.kind(), addr) {
                    (io::ErrorKind::PermissionDenied, Addr::Inet(addr)) if addr.port() < 1024 => {
                        " (ports below 1024 need privileges)"
                    }
                    (io::ErrorKind::AddrInUse, Addr::Inet(_)) => {
                        " (is a server running there already? port 0 picks a free one)"
                    }
                    _ => "",
                };
                let why = match error.kind() {
                    io::ErrorKind::AddrNotAvailable => "not an address of this machine".into(),
                    io::ErrorKind::AddrInUse if addr.unix().is_some() => "a server listens there already".into(),
                    // The socket itself is not there yet.
                    io::ErrorKind::NotFound if addr.unix().is_some() => "its directory does not exist".into(),
                    _ => reason(error),
                };
                format!("cannot listen on {addr}: {why}{hint}")
            }
            Self::SharesState { model } => format!(
                "cannot serve {service} under the model {model}: its connections share state, and what one process \
                 changes no other would see (models that can: {})",
                able(|model| model != Model::Fork)
            ),
            Self::OpensConnections { model } => format!(
                "cannot serve {service} under the model {model}: it opens connections of its own, which takes a reactor \
                 (models that can: {})",
                able(Model::is_reactor)
            ),
            Self::TooMany { number, what, max, limit } => {
                format!(
                    "{number} {what} are more than the {max} that {limit} allows; choose fewer, or raise that limit"
                )
            }
            Self::SetUp(error) => format!("cannot set up the server: {}", reason(error)),
        }
    }
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.about("this service"))
    }
}

impl std::error::Error for ServeError {}
