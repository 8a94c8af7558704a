//! Servers behind a proxy, with a header before each session.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use multiconn::address::{Addr, UnixAddr};
use multiconn::codec::proxy::{Version, write};
use multiconn::message::Limits;
use multiconn::protocols::app::{AppService, Timeouts};
use multiconn::protocols::echo::EchoService;
use multiconn::reactor::{Config, Reactor};
use multiconn::selector::sim::SimNet;
use multiconn::session::proxied::{Proxied, Proxies};
use multiconn::session::{End, Peer, Service};
use multiconn::trace::{Event, Record, Subscriber};

use crate::support::{RING, Server, millis, replies, run, search, seconds, server_addr};

fn client() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 56324))
}

fn header(version: Version) -> Vec<u8> {
    write(version, Some(client()), Some(SocketAddr::from(([192, 0, 2, 11], 443))))
}

/// Proxies in the simulated network, whose clients are in 10.0.0.0/8.
fn proxies() -> Proxies {
    Proxies { from: vec!["10.0.0.0/8".parse().unwrap()], timeout: seconds(5) }
}

fn echo() -> Server<Proxied<'static>> {
    Server::new(Proxied::new(EchoService::default(), proxies()), Config::default())
}

/// The address and the end of the only connection that has ended.
fn end(server: &Server<Proxied<'static>>) -> (String, Duration, String) {
    let log = server.log.borrow();
    assert_eq!(log.ends.len(), 1);
    (log.ends[0].peer.to_string(), log.ends[0].at, log.ends[0].end.to_string())
}

#[test]
fn a_connection_is_the_clients_wherever_its_header_is_split() {
    for version in [Version::V1, Version::V2] {
        let sent = [&header(version)[..], b"hello"].concat();
        for split in 1..sent.len() {
            let mut server = echo();
            let peer = server.client_at(seconds(1));
            peer.send_at(seconds(2), &sent[..split]).send_at(seconds(3), &sent[split..]).end_at(seconds(4));
            server.run_until(seconds(9));
            assert_eq!(peer.received(), b"hello", "{version:?} at {split}");
            assert_eq!(end(&server), (client().to_string(), seconds(4), "finished".into()), "{version:?} at {split}");
        }
    }
}

#[test]
fn a_header_may_come_byte_by_byte_and_with_requests_behind_it() {
    let service = AppService::new(Limits::default(), Timeouts::default());
    let mut server = Server::new(Proxied::new(service, proxies()), Config::default());
    let sent = [&header(Version::V2)[..], &search("ring", true), &search("ring", false)].concat();
    let dripping = server.client_at(seconds(1));
    dripping.drip_at(seconds(1), millis(10), &sent);
    let at_once = server.client_at(seconds(1));
    at_once.send_at(seconds(1), &sent);
    server.run_until(seconds(20));
    for peer in [dripping, at_once] {
        assert_eq!(replies(&peer.received()), [RING, RING]);
    }
}

#[test]
fn a_health_check_is_served_as_the_proxys_own() {
    let mut server = echo();
    let peer = server.client_at(seconds(1));
    peer.send_at(seconds(2), [&write(Version::V2, None, None)[..], b"hello"].concat()).end_at(seconds(3));
    server.run_until(seconds(9));
    assert_eq!(peer.received(), b"hello");
    assert_eq!(end(&server), (peer.addr().to_string(), seconds(3), "finished".into()));
}

#[test]
fn one_that_only_connects_is_no_error() {
    let mut server = echo();
    server.client_at(seconds(1)).end_at(seconds(2));
    server.run_until(seconds(9));
    assert_eq!(end(&server).2, "finished");
}

#[test]
fn a_header_must_come_whole_in_time() {
    let whole = header(Version::V1);
    for come in [0, 1, whole.len() - 1] {
        let mut server = echo();
        let peer = server.client_at(seconds(1));
        peer.send_at(seconds(1), &whole[..come]);
        server.run_until(seconds(20));
        let (_, at, how) = end(&server);
        assert_eq!((at.as_secs(), &how[..]), (6, "no whole PROXY header within 5s"), "{come} bytes");
        assert_eq!(peer.received(), b"");
    }
}

#[test]
fn what_is_no_header_or_is_cut_off_is_an_error_and_gets_no_answer() {
    for (sent, how) in [
        (&b"hello"[..], "no PROXY header comes first"),
        (b"PROXY TCP4 1.2.3.4\r\n", "the PROXY line is malformed"),
        (b"PROXY TCP4 1.2.3.4", "the PROXY header was cut off"),
    ] {
        let mut server = echo();
        let peer = server.client_at(seconds(1));
        peer.send_at(seconds(2), sent).end_at(seconds(3));
        server.run_until(seconds(9));
        assert_eq!(end(&server).2, how);
        assert_eq!(peer.received(), b"");
    }
}

#[test]
fn only_proxies_are_trusted() {
    let from = vec!["10.9.0.0/16".parse().unwrap(), "::1".parse().unwrap()];
    let service = Proxied::new(EchoService::default(), Proxies { from, timeout: seconds(5) });
    let mut server = Server::new(service, Config::default());
    let peer = server.client_at(seconds(1));
    peer.send_at(seconds(2), [&header(Version::V1)[..], b"hello"].concat());
    server.run_until(seconds(9));
    assert_eq!(end(&server).2, "not a trusted proxy");
    assert_eq!(peer.received(), b"");
}

#[test]
fn peers_of_a_unix_socket_are_trusted() {
    let net = SimNet::new(1);
    let service = Proxied::new(EchoService::default(), Proxies { from: Vec::new(), timeout: seconds(5) });
    let mut server = Server::on(&net, service, Config::default());
    let own = Addr::Unix(UnixAddr::new("/run/multiconn.sock").unwrap());
    server.reactor.add_listener(net.listener(own)).unwrap();
    let peer = net.client_at(seconds(1), own);
    peer.send_at(seconds(2), [&header(Version::V2)[..], b"hello"].concat()).end_at(seconds(3));
    server.run_until(seconds(9));
    assert_eq!(end(&server), (client().to_string(), seconds(3), "finished".into()));
    assert_eq!(peer.received(), b"hello");
}

#[test]
fn a_server_that_is_full_says_so_in_its_protocol() {
    let service = AppService::new(Limits::default(), Timeouts::default());
    let config = Config { connections_max: 1, ..Config::default() };
    let mut server = Server::new(Proxied::new(service, proxies()), config);
    let first = server.client_at(seconds(1));
    let second = server.client_at(seconds(2));
    second.send_at(seconds(2), [&header(Version::V1)[..], &search("ring", false)].concat());
    first.send_at(seconds(3), [&header(Version::V1)[..], &search("ring", false)].concat());
    server.run_until(seconds(9));
    assert_eq!(replies(&first.received()), [RING]);
    assert!(replies(&second.received())[0].contains("its only connection is in use"));
}

#[test]
fn a_stop_ends_a_connection_without_a_header() {
    let mut server = echo();
    server.client_at(seconds(1));
    server.run_until(seconds(3));
    assert_eq!((end(&server).1.as_secs(), end(&server).2), (3, "server is stopping".into()));
}

/// Serves for nine seconds.
fn serve(net: &SimNet, service: Proxied<'static>, subscriber: impl Subscriber) {
    let mut reactor = Reactor::with_subscriber(net.selector(), service, Config::default(), subscriber);
    reactor.add_listener(net.listener(server_addr())).unwrap();
    let handle = reactor.handle();
    net.at(seconds(9), move || handle.stop());
    run(&mut reactor).unwrap();
}

/// Notes the peers that its sessions begin and end with.
#[derive(Clone, Default)]
struct Visitors(Arc<Mutex<Vec<String>>>);

impl Service for Visitors {
    type Session = <EchoService as Service>::Session;

    fn accept(&mut self, peer: &Peer) -> Self::Session {
        self.0.lock().unwrap().push(format!("begins: {peer}"));
        EchoService::default().accept(peer)
    }

    fn ended(&mut self, _session: Self::Session, peer: &Peer, end: End) {
        self.0.lock().unwrap().push(format!("{end}: {peer}"));
    }
}

#[test]
fn a_service_knows_the_client_alone() {
    let visitors = Visitors::default();
    let net = SimNet::new(1);
    net.client_at(seconds(1), server_addr()).send_at(seconds(2), header(Version::V2)).end_at(seconds(3));
    // Its header never comes.
    net.client_at(seconds(1), server_addr());
    serve(&net, Proxied::new(visitors.clone(), proxies()), ());
    assert_eq!(*visitors.0.lock().unwrap(), [format!("begins: {}", client()), format!("finished: {}", client())]);
}

/// Notes the peers of the events that a connection begins and ends with.
#[derive(Clone, Default)]
struct Names(Rc<RefCell<Vec<String>>>);

impl Subscriber for Names {
    fn record(&self, record: &Record<'_>) {
        if let (Some(connection), event @ (Event::Accepted | Event::Introduced { .. } | Event::Closed { .. })) =
            (record.connection, &record.event)
        {
            self.0.borrow_mut().push(format!("{} {}", event.kind().name(), connection.peer));
        }
    }
}

#[test]
fn the_trace_has_the_client_from_its_header_on() {
    let (net, names) = (SimNet::new(1), Names::default());
    let service = Proxied::new(EchoService::default(), proxies());
    let peer = net.client_at(seconds(1), server_addr());
    peer.send_at(seconds(2), header(Version::V1)).end_at(seconds(3));
    serve(&net, service, names.clone());
    let (proxy, client) = (peer.addr(), client());
    let expected = [format!("accepted {proxy}"), format!("introduced {client}"), format!("closed {client}")];
    assert_eq!(*names.0.borrow(), expected);
}
