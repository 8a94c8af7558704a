//! Administrators on a simulated network, in virtual time: how their requests arrive, how long they may take, and what
//! a slow reader costs.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use multiconn::admin::{Hub, PLACES, Watched, Watching};
use multiconn::connection;
use multiconn::protocols::echo::EchoService;
use multiconn::reactor::{Config, Reactor};
use multiconn::selector::sim::{SimNet, SimPeer, SimSelector};
use serde_json::Value;

/// An echo server that one client at a time can use, and that can be watched.
struct Server {
    net: SimNet,
    reactor: Reactor<SimSelector, Watched<EchoService>, Watching>,
}

const HOST: &str = "Host: 10.255.0.1:9000\r\n";

fn served_addr() -> SocketAddr {
    SocketAddr::from(([10, 255, 0, 1], 65432))
}

fn admin_addr() -> SocketAddr {
    SocketAddr::from(([10, 255, 0, 1], 9000))
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

impl Server {
    fn new() -> Self {
        let net = SimNet::new(1);
        let hub = Arc::new(Hub::new("1970-01-01T00:00:00Z", false));
        let service = Watched::new(EchoService::default(), Some(Arc::clone(&hub)));
        let connection = connection::Config { idle_timeout: seconds(15), ..connection::Config::default() };
        let config = Config { connections_max: 1, ..Config::from(connection) };
        let mut reactor = Reactor::with_subscriber(net.selector(), service, config, Watching(Arc::clone(&hub)));
        reactor.add_listener(net.listener(served_addr())).unwrap();
        reactor.add_listener_apart(net.listener(admin_addr()), PLACES).unwrap();
        hub.serves_from(1);
        Server { net, reactor }
    }

    fn served(&self, time: Duration) -> SimPeer {
        self.net.client_at(time, served_addr())
    }

    fn admin(&self, time: Duration) -> SimPeer {
        self.net.client_at(time, admin_addr())
    }

    /// An administrator that asks for a path.
    fn asks(&self, time: Duration, path: &str) -> SimPeer {
        let peer = self.admin(time);
        peer.send_at(time, format!("GET {path} HTTP/1.1\r\n{HOST}\r\n"));
        peer
    }

    fn run_until(&mut self, time: Duration) {
        let handle = self.reactor.handle();
        self.net.at(time, move || handle.stop());
        self.reactor.run().unwrap();
        assert_eq!(self.net.open_streams(), 0, "every stream is closed");
    }
}

fn text(peer: &SimPeer) -> String {
    String::from_utf8(peer.received()).unwrap()
}

/// The events that a reader has received, without the header.
fn events(peer: &SimPeer) -> Vec<Value> {
    let text = text(peer);
    let lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
    lines.skip(1).map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_request_may_arrive_in_any_two_pieces_or_byte_by_byte() {
    let mut server = Server::new();
    for (path, body) in [("/healthz", "ok\n"), ("/readyz", "ready\n"), ("/nowhere", "no such path\n")] {
        let mut time = server.net.now() + seconds(1);
        let request = format!("GET {path} HTTP/1.1\r\n{HOST}Accept: */*\r\n\r\n");
        let mut peers = Vec::new();
        for cut in 0..=request.len() {
            let peer = server.admin(time);
            peer.send_at(time, &request[..cut]).send_at(time + millis(20), &request[cut..]);
            peers.push(peer);
            time += millis(40);
        }
        let peer = server.admin(time);
        peer.drip_at(time, millis(10), &request);
        peers.push(peer);
        time += seconds(5);
        let is_over = Rc::new(Cell::new(false));
        let mark = Rc::clone(&is_over);
        server.net.at(time, move || mark.set(true));
        while !is_over.get() {
            server.reactor.turn().unwrap();
        }
        for peer in peers {
            let (head, found) = text(&peer).split_once("\r\n\r\n").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
            assert_eq!(found, body, "{head}");
            assert!(head.ends_with(&format!("Connection: close\r\nContent-Length: {}", body.len())), "{head}");
            assert!(peer.end_seen().is_some() && peer.reset_seen().is_none());
        }
    }
    server.run_until(seconds(100));
}

#[test]
fn a_request_has_ten_seconds_however_it_drips() {
    let mut server = Server::new();
    let (silent, half, drips) = (server.admin(seconds(1)), server.admin(seconds(2)), server.admin(seconds(3)));
    half.send_at(seconds(2), "GET / HTTP/1.1\r\n");
    drips.drip_at(seconds(3), seconds(1), format!("GET /events HTTP/1.1\r\n{HOST}\r\n"));
    server.run_until(seconds(60));
    for (peer, began) in [(silent, 1), (half, 2), (drips, 3)] {
        assert!(text(&peer).starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{}", text(&peer));
        let took = peer.received_at().unwrap() - seconds(began);
        assert!((seconds(10)..seconds(10) + millis(1)).contains(&took), "{took:?}");
    }
}

#[test]
fn a_reader_of_events_has_no_timeout() {
    let mut server = Server::new();
    let reader = server.asks(seconds(1), "/events");
    let late = server.served(seconds(100));
    server.run_until(seconds(102));
    let is_late = |event: &Value| event["event"] == "accepted" && event["peer"] == late.addr().to_string();
    assert!(events(&reader).iter().any(is_late));
}

#[test]
fn the_host_must_be_the_address_on_which_the_request_came() {
    let mut server = Server::new();
    let hosts = [
        ("Host: 10.255.0.1:9000\r\n", "200 OK"),
        ("Host: localhost:9000\r\n", "200 OK"),
        ("Host: evil.example:9000\r\n", "403 Forbidden"),
        ("Host: 10.255.0.1\r\n", "403 Forbidden"),
        ("Host: 10.255.0.1:65432\r\n", "403 Forbidden"),
        ("Host: 10.255.0.1:9000\r\nHost: evil.example:9000\r\n", "403 Forbidden"),
        ("", "403 Forbidden"),
    ];
    let peers = hosts.map(|(host, _)| {
        let peer = server.admin(seconds(1));
        peer.send_at(seconds(1), format!("GET /healthz HTTP/1.1\r\n{host}\r\n"));
        peer
    });
    server.run_until(seconds(20));
    for (peer, (host, status)) in peers.iter().zip(hosts) {
        assert!(text(peer).starts_with(&format!("HTTP/1.1 {status}\r\n")), "{host}: {}", text(peer));
    }
}

#[test]
fn the_33rd_waits_for_a_place_and_served_ones_need_none() {
    let mut server = Server::new();
    let readers: Vec<_> = (0..PLACES).map(|_| server.asks(seconds(1), "/events")).collect();
    let next = server.asks(seconds(2), "/healthz");
    let served = server.served(seconds(3));
    served.send_at(seconds(3), "hello").end_at(seconds(4));
    readers[7].close_at(seconds(5));
    server.run_until(seconds(6));
    assert_eq!((served.received(), served.end_seen()), (b"hello".to_vec(), Some(seconds(4))));
    assert!(next.accepted().unwrap() >= seconds(5), "it has to wait");
    assert!(text(&next).ends_with("\r\n\r\nok\n"));
    let all_but_one = readers.iter().filter(|reader| reader.addr() != readers[7].addr());
    all_but_one.for_each(|reader| assert!(events(reader).iter().any(|event| event["event"] == "closed")));
}

#[test]
fn a_slow_reader_loses_the_oldest_and_is_told_how_many() {
    let mut server = Server::new();
    let fast = server.asks(seconds(1), "/events");
    let slow = server.asks(seconds(2), "/events");
    slow.window(4096).reads_nothing().read_all_from(seconds(20));
    let served = server.served(seconds(3));
    for message in 0..500 {
        served.send_at(seconds(3) + millis(10) * message, "hello");
    }
    server.run_until(seconds(60));
    assert_eq!(served.received().len(), 500 * 5, "nobody waits for it");
    let (all, some) = (events(&fast), events(&slow));
    let lost = |events: &[Value]| -> u64 { events.iter().filter_map(|event| event["lines"].as_u64()).sum() };
    let lines = |events: &[Value]| events.iter().filter(|event| event["event"] != "lines_dropped").count() as u64;
    assert_eq!(lost(&all), 0);
    assert!(lost(&some) > 1000, "{} lines lost", lost(&some));
    let first = all.iter().position(|event| *event == some[0]).expect("both have it") as u64;
    assert_eq!(first + lines(&some) + lost(&some), lines(&all), "each line has come or is counted");
    // Those that it has are the newest, apart from those that were on their way.
    assert_eq!(some.last(), all.last());
}
