//! Limits on the connections of a client, and on the rate of new ones.

use std::net::SocketAddr;
use std::num::NonZero;
use std::sync::Arc;

use multiconn::codec::proxy::{Version, write};
use multiconn::message::Limits;
use multiconn::protocols::app::{AppService, Timeouts};
use multiconn::reactor::{Config, Reactor};
use multiconn::selector::sim::{SimNet, SimPeer};
use multiconn::session::admission::Admission;
use multiconn::session::proxied::{Entry, Proxied, Proxies};
use multiconn::session::{EndKind, Service};

use crate::support::{RING, Server, millis, replies, run, search, seconds, server_addr};

const ANOTHER: &str = "Error: this address has 1 connection already; try again later";
const TOO_FAST: &str = "Error: connections come faster than 2/s; try again later";

fn app(entry: impl Into<Entry>) -> Server<Proxied<'static>> {
    let service = AppService::new(Limits::default(), Timeouts::default());
    Server::new(Proxied::new(service, entry), Config::default())
}

fn one_per_peer() -> Admission {
    Admission::new(NonZero::new(1), None)
}

fn two_a_second() -> Admission {
    Admission::new(None, Some("2/s".parse().unwrap()))
}

/// How many connections were refused.
fn refused(server: &Server<Proxied<'static>>) -> usize {
    server.log.borrow().ends.iter().filter(|ended| ended.end.kind() == EndKind::Refused).count()
}

#[test]
fn a_burst_above_the_rate_is_refused_in_the_protocols_format_until_tokens_come() {
    let mut server = app(two_a_second());
    let ask_at = |time| server.client_at(time).send_at(time, search("ring", false)).clone();
    let burst = [1000, 1000, 1000, 1100].map(millis).map(&ask_at);
    let later = [1501, 1600, 2002, 10_000].map(millis).map(&ask_at);
    server.run_until(seconds(20));
    let reply = |peer: &SimPeer| replies(&peer.received())[0].clone();
    assert_eq!(burst.each_ref().map(reply), [RING, RING, TOO_FAST, TOO_FAST]);
    assert_eq!(later.each_ref().map(reply), [RING, TOO_FAST, RING, RING]);
    assert_eq!(refused(&server), 3);
}

fn header(client: &str) -> Vec<u8> {
    let addr: SocketAddr = client.parse().unwrap();
    write(Version::V2, Some(addr), Some(SocketAddr::from(([192, 0, 2, 11], 443))))
}

#[test]
fn behind_a_proxy_the_client_counts_and_its_place_is_free_when_it_has_left() {
    let proxies = Proxies { from: vec!["10.0.0.0/8".parse().unwrap()], timeout: seconds(5) };
    let entry = Entry { proxies: Some(proxies), admission: Some(Arc::new(one_per_peer())) };
    let service = AppService::new(Limits::default(), Timeouts::default());
    let net = SimNet::new(1);
    // The usual server of these tests would keep the sessions that have ended.
    let mut reactor = Reactor::new(net.selector(), Proxied::new(service, entry), Config::default());
    reactor.add_listener(net.listener(server_addr())).unwrap();
    let ask = |from: u64, client: &str, until: u64| {
        let peer = net.client_at(seconds(from), server_addr());
        peer.send_at(seconds(from), header(client)).send_at(seconds(until), search("ring", false)).clone()
    };
    let first = ask(1, "192.0.2.1:1000", 4);
    let second = ask(2, "192.0.2.1:1001", 2);
    let other = ask(2, "192.0.2.2:1000", 2);
    let next = ask(6, "192.0.2.1:1002", 6);
    let handle = reactor.handle();
    net.at(seconds(9), move || handle.stop());
    run(&mut reactor).unwrap();
    assert_eq!([first, second, other, next].map(|peer| replies(&peer.received())), [[RING], [ANOTHER], [RING], [RING]]);
}

#[test]
fn a_connection_whose_header_never_comes_takes_no_token() {
    let proxies = Proxies { from: vec!["10.0.0.0/8".parse().unwrap()], timeout: seconds(5) };
    let mut server = app(Entry { proxies: Some(proxies), admission: Some(Arc::new(two_a_second())) });
    for _ in 0..10 {
        server.client_at(seconds(1)).end_at(seconds(1));
    }
    let peer = server.client_at(seconds(1));
    peer.send_at(seconds(1), [header("192.0.2.1:1000"), search("ring", false)].concat());
    server.run_until(seconds(20));
    assert_eq!(replies(&peer.received()), [RING]);
}

#[test]
fn a_service_with_such_limits_shares_state() {
    let service = || AppService::new(Limits::default(), Timeouts::default());
    assert!(Proxied::new(service(), one_per_peer()).shares_state());
    assert!(!Proxied::new(service(), Proxies::default()).shares_state());
}
