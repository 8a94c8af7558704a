//! A server on a simulated network, and what became of its connections.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use multiconn::address::Addr;
use multiconn::buffer::Input;
use multiconn::message::{Limits, MessageReader};
use multiconn::protocols::app::{AppService, Reply, Request, Timeouts};
use multiconn::protocols::echo::EchoService;
use multiconn::reactor::{Config, Reactor};
use multiconn::selector::Selector;
use multiconn::selector::sim::{SimNet, SimPeer, SimSelector};
use multiconn::session::{Connect, End, Peer, Reload, Service};
use multiconn::trace::Subscriber;

pub fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub fn server_addr() -> Addr {
    Addr::from(([10, 255, 0, 1], 65432))
}

/// Writes down how the connections of a service end.
pub struct Recorder<V: Service> {
    pub service: V,
    net: SimNet,
    log: Rc<RefCell<Log<V::Session>>>,
}

pub struct Log<T> {
    pub ends: Vec<Ended<T>>,
    pub reloads: u32,
}

pub struct Ended<T> {
    pub peer: Peer,
    pub at: Duration,
    pub end: End,
    pub session: T,
}

impl<V: Service> Recorder<V> {
    pub fn new(service: V, net: &SimNet) -> Self {
        let log = Rc::new(RefCell::new(Log { ends: Vec::new(), reloads: 0 }));
        Recorder { service, net: net.clone(), log }
    }

    pub fn log(&self) -> Rc<RefCell<Log<V::Session>>> {
        Rc::clone(&self.log)
    }
}

impl<V: Service> Service for Recorder<V> {
    type Session = V::Session;

    fn accept(&mut self, peer: &Peer) -> V::Session {
        self.service.accept(peer)
    }

    fn ended(&mut self, session: V::Session, peer: &Peer, end: End) {
        self.log.borrow_mut().ends.push(Ended { peer: *peer, at: self.net.now(), end, session });
    }

    fn reload(&mut self) -> Option<Reload> {
        self.log.borrow_mut().reloads += 1;
        // Virtual time would not wait for a thread.
        if let Some(reload) = self.service.reload() {
            reload();
        }
        None
    }

    fn opens_connections(&self) -> bool {
        self.service.opens_connections()
    }

    fn next_connect(&mut self) -> Option<Connect<V::Session>> {
        self.service.next_connect()
    }
}

/// A server that listens from the beginning.
pub struct Server<V: Service> {
    pub net: SimNet,
    pub reactor: Reactor<SimSelector, Recorder<V>>,
    pub log: Rc<RefCell<Log<V::Session>>>,
}

pub fn echo_server(config: impl Into<Config>) -> Server<EchoService> {
    Server::new(EchoService::default(), config)
}

pub fn app_server(config: impl Into<Config>) -> Server<AppService> {
    Server::new(AppService::new(Limits::default(), Timeouts::default()), config)
}

impl<V: Service> Server<V> {
    pub fn new(service: V, config: impl Into<Config>) -> Self {
        Self::on(&SimNet::new(1), service, config)
    }

    pub fn on(net: &SimNet, service: V, config: impl Into<Config>) -> Self {
        let recorder = Recorder::new(service, net);
        let log = recorder.log();
        let mut reactor = Reactor::new(net.selector(), recorder, config);
        reactor.add_listener(net.listener(server_addr())).expect("a listener");
        Server { net: net.clone(), reactor, log }
    }

    pub fn client_at(&self, time: Duration) -> SimPeer {
        self.net.client_at(time, server_addr())
    }

    pub fn stop_at(&self, time: Duration) {
        let handle = self.reactor.handle();
        self.net.at(time, move || handle.stop());
    }

    /// Runs, with a stop at `time`.
    #[track_caller]
    pub fn run_until(&mut self, time: Duration) {
        self.stop_at(time);
        run(&mut self.reactor).expect("it stops in order");
        assert_eq!(self.net.open_streams(), 0, "every stream is closed");
    }

    /// When and how the connection of `peer` ended.
    #[track_caller]
    pub fn end_of(&self, peer: &SimPeer) -> (Duration, String) {
        let log = self.log.borrow();
        let mut ends = log.ends.iter().filter(|ended| ended.peer.addr == peer.addr());
        let ended = ends.next().expect("its connection has ended");
        assert!(ends.next().is_none(), "it ended once");
        (ended.at, ended.end.to_string())
    }
}

/// Runs a reactor, and audits it after each turn.
#[track_caller]
pub fn run<V: Service, T: Subscriber>(reactor: &mut Reactor<impl Selector, V, T>) -> io::Result<()> {
    while reactor.turn()? {
        if let Err(violation) = reactor.audit() {
            panic!("{violation}");
        }
    }
    Ok(())
}

/// The bytes of a request.
pub fn message(request: &Request, keep_alive: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    request.write(&mut bytes, keep_alive);
    bytes
}

/// The bytes of `search value`.
pub fn search(value: &str, keep_alive: bool) -> Vec<u8> {
    message(&Request::Search(value.into()), keep_alive)
}

/// The replies that `bytes` are, all of them whole.
#[track_caller]
pub fn replies(bytes: &[u8]) -> Vec<String> {
    let limits = Limits { content_len_max: 1 << 30, ..Limits::default() };
    let (mut reader, mut input) = (MessageReader::default(), Input::new(bytes));
    let mut replies = Vec::new();
    while let Some(message) = reader.read(&mut input, &limits).expect("a message in order") {
        replies.push(match Reply::from_message(&message, limits.depth_max).expect("a reply in order") {
            Reply::Result(text) => text,
            Reply::Sum(sum) => sum.to_string(),
            Reply::Binary(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        });
    }
    assert!(input.is_empty(), "half a reply: {:?}", input.remaining().escape_ascii().to_string());
    replies
}

pub const MORPHEUS: &str = "Follow the white rabbit. 🐰";
pub const RING: &str = "In the caves beneath the Misty Mountains. 💍";
