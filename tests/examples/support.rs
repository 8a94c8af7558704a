//! A reactor on the simulated network and a record of how its connections end, for the other files in this folder.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use multiconn::reactor::{Config, Reactor};
use multiconn::selector::sim::{SimNet, SimPeer, SimSelector};
use multiconn::session::{Connect, End, Peer, Service};

pub fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// The address that a server under test listens on.
pub fn server_addr() -> SocketAddr {
    SocketAddr::from(([10, 255, 0, 1], 65432))
}

/// The ends of connections: the peer, the time, and the text.
pub type Ends = Rc<RefCell<Vec<(Peer, Duration, String)>>>;

/// A service whose connections' ends are recorded.
pub struct Recorded<V> {
    service: V,
    net: SimNet,
    ends: Ends,
}

impl<V: Service> Service for Recorded<V> {
    type Session = V::Session;

    fn accept(&mut self, peer: &Peer) -> V::Session {
        self.service.accept(peer)
    }

    fn ended(&mut self, session: V::Session, peer: &Peer, end: End) {
        self.ends.borrow_mut().push((*peer, self.net.now(), end.to_string()));
        self.service.ended(session, peer, end);
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
    pub reactor: Reactor<SimSelector, Recorded<V>>,
    pub ends: Ends,
}

impl<V: Service> Server<V> {
    pub fn new(service: V, config: impl Into<Config>) -> Self {
        let (net, ends) = (SimNet::new(1), Ends::default());
        let service = Recorded { service, net: net.clone(), ends: Rc::clone(&ends) };
        let mut reactor = Reactor::new(net.selector(), service, config);
        reactor.add_listener(net.listener(server_addr())).expect("a listener");
        Server { net, reactor, ends }
    }

    pub fn client_at(&self, time: Duration) -> SimPeer {
        self.net.client_at(time, server_addr())
    }

    /// Runs, with a stop at `time`.
    #[track_caller]
    pub fn run_until(&mut self, time: Duration) {
        let handle = self.reactor.handle();
        self.net.at(time, move || handle.stop());
        self.reactor.run().expect("it stops in order");
        assert_eq!(self.net.open_streams(), 0, "every stream is closed");
    }

    /// When and how the connection of `client` ended.
    #[track_caller]
    pub fn end_of(&self, client: &SimPeer) -> (Duration, String) {
        let ends = self.ends.borrow();
        let mut ends = ends.iter().filter(|(peer, ..)| peer.addr == client.addr());
        let (_, at, end) = ends.next().expect("its connection has ended");
        assert!(ends.next().is_none(), "it ended once");
        (*at, end.clone())
    }
}

/// The text that `peer` has received.
pub fn received(peer: &SimPeer) -> String {
    String::from_utf8(peer.received()).expect("text")
}
