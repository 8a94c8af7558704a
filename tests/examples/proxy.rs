//! The proxy: bytes and ends both ways, back-pressure, and failures.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use multiconn::reactor::Config;
use multiconn::selector::sim::SimPeer;

use crate::support::{Server, millis, received, seconds};

#[allow(dead_code)]
#[path = "../../docs/examples/proxy.rs"]
mod example;

use example::{OUTPUT_LEN_MAX, PIPE_LEN_MAX, Proxy};

/// Most bytes of one read, which a session may leave in its input.
const READ_LEN: usize = 64 << 10;

fn upstream_addr() -> SocketAddr {
    SocketAddr::from(([10, 254, 0, 1], 80))
}

/// A proxy, and the upstream servers' ends of the connections that it opens, which follow `script`.
fn proxy(script: impl Fn(&SimPeer) -> &SimPeer + 'static) -> (Server<Proxy>, Rc<RefCell<Vec<SimPeer>>>) {
    let server = Server::new(Proxy::new(vec![upstream_addr()]), Config::default());
    let upstreams = Rc::new(RefCell::new(Vec::new()));
    let opened = Rc::clone(&upstreams);
    server.net.server(upstream_addr(), move |peer| {
        script(&peer);
        opened.borrow_mut().push(peer);
    });
    (server, upstreams)
}

/// The ends of all connections.
fn ends(server: &Server<Proxy>) -> Vec<String> {
    server.ends.borrow().iter().map(|(.., end)| end.clone()).collect()
}

/// Bytes without a pattern that a lost or doubled piece would leave intact.
fn noise(len: usize) -> Vec<u8> {
    (0..len as u64).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

#[test]
fn each_connection_has_one_of_its_own_upstream() {
    let (mut server, upstreams) = proxy(|peer| peer.answers(<[u8]>::to_ascii_uppercase));
    let (one, two) = (server.client_at(seconds(1)), server.client_at(seconds(1)));
    one.send_at(seconds(1), "hello").send_at(seconds(2), " world").end_at(seconds(3));
    two.send_at(seconds(2), "other").end_at(seconds(3));
    server.run_until(seconds(4));
    assert_eq!((received(&one), received(&two)), ("HELLO WORLD".into(), "OTHER".into()));
    assert_eq!(upstreams.borrow().len(), 2);
    assert_eq!(ends(&server), ["finished"; 4]);
}

#[test]
fn the_client_may_end_its_side_first() {
    let (mut server, upstreams) = proxy(|peer| peer.keeps_open().send_at(seconds(5), "reply").end_at(seconds(6)));
    let client = server.client_at(seconds(1));
    client.send_at(seconds(2), "request").end_at(seconds(2));
    server.run_until(seconds(7));
    let upstream = &upstreams.borrow()[0];
    assert_eq!((received(upstream), upstream.end_seen()), ("request".into(), Some(seconds(2))));
    assert_eq!((received(&client), client.end_seen()), ("reply".into(), Some(seconds(6))));
    assert_eq!(ends(&server), ["finished"; 2]);
}

#[test]
fn the_upstream_server_may_end_its_side_first() {
    // It goes on reading, slowly: none of the bytes that come after its end are lost.
    let (mut server, upstreams) = proxy(|peer| {
        peer.send_at(seconds(2), "greeting").end_at(seconds(2));
        peer.window(1000).reads_nothing().read_all_from(seconds(10))
    });
    let client = server.client_at(seconds(1));
    client.keeps_open().send_at(seconds(3), noise(200_000)).end_at(seconds(4));
    server.run_until(seconds(20));
    let upstream = &upstreams.borrow()[0];
    assert_eq!((received(&client), client.end_seen()), ("greeting".into(), Some(seconds(2))));
    assert!(upstream.received() == noise(200_000), "{} bytes", upstream.received().len());
    assert_eq!(upstream.end_seen().map(|at| at.as_secs()), Some(10));
    assert_eq!(ends(&server), ["finished"; 2]);
}

#[test]
fn a_slow_client_slows_down_the_upstream_server_and_not_itself() {
    let (mut server, upstreams) = proxy(|peer| peer.send_at(seconds(2), noise(1_000_000)));
    let client = server.client_at(seconds(1));
    client.window(10_000).reads_nothing().read_all_from(seconds(20));
    client.send_at(seconds(5), "go on").end_at(seconds(30));
    let opened = Rc::clone(&upstreams);
    server.net.at(seconds(15), move || {
        let upstream = &opened.borrow()[0];
        let most = 10_000 + OUTPUT_LEN_MAX + PIPE_LEN_MAX + READ_LEN;
        assert!(upstream.taken() <= most, "{} were read, and there is room for {most}", upstream.taken());
        assert_eq!(received(upstream), "go on", "the other direction is free");
    });
    server.run_until(seconds(40));
    assert!(client.received() == noise(1_000_000), "{} bytes", client.received().len());
    assert_eq!(ends(&server), ["finished"; 2]);
}

#[test]
fn a_slow_upstream_server_slows_down_the_client() {
    let (mut server, upstreams) = proxy(|peer| peer.window(10_000).reads_nothing().read_all_from(seconds(20)));
    let client = server.client_at(seconds(1));
    client.send_at(seconds(2), noise(1_000_000)).end_at(seconds(3));
    let seen = client.clone();
    server.net.at(seconds(15), move || {
        let most = 10_000 + OUTPUT_LEN_MAX + PIPE_LEN_MAX + READ_LEN;
        assert!(seen.taken() <= most, "{} were read, and there is room for {most}", seen.taken());
    });
    server.run_until(seconds(40));
    let upstream = &upstreams.borrow()[0];
    assert!(upstream.received() == noise(1_000_000), "{} bytes", upstream.received().len());
    assert_eq!(ends(&server), ["finished"; 2]);
}

#[test]
fn a_refused_upstream_connection_ends_the_client_with_an_error() {
    let (mut server, _) = proxy(|peer| peer);
    server.net.refuse(upstream_addr());
    let client = server.client_at(seconds(1));
    client.send_at(seconds(1), "hello");
    server.run_until(seconds(3));
    let (at, end) = server.end_of(&client);
    assert_eq!(end.to_lowercase(), "10.254.0.1:80: connection refused");
    assert!(at < seconds(2), "{at:?}");
    assert!(client.end_seen().is_some());
}

#[test]
fn a_side_that_fails_ends_the_other() {
    let (mut server, upstreams) = proxy(|peer| peer);
    let (resets, silent) = (server.client_at(seconds(1)), server.client_at(seconds(1)));
    resets.reset_at(seconds(2));
    server.run_until(seconds(100));
    for (client, at) in [(&resets, seconds(2)), (&silent, seconds(61))] {
        let closed = client.closed().unwrap();
        assert!((at..at + millis(10)).contains(&closed), "{closed:?}");
    }
    assert!(upstreams.borrow().iter().all(|upstream| upstream.closed().is_some()));
    assert!(server.end_of(&silent).1.contains("idle for 60s"), "{:?}", server.end_of(&silent));
    assert!(ends(&server).iter().any(|end| *end == format!("{}: idle for 60s", silent.addr())));
}

#[test]
fn a_stop_leaves_time_to_finish() {
    let (mut server, _) = proxy(|peer| peer.send_at(seconds(5), "reply").end_at(seconds(5)));
    let (client, open) = (server.client_at(seconds(1)), server.client_at(seconds(1)));
    client.send_at(seconds(2), "request");
    open.keeps_open();
    server.run_until(seconds(3));
    assert_eq!((received(&client), client.end_seen()), ("reply".into(), Some(seconds(5))));
    assert_eq!(server.end_of(&client).1, "finished");
    assert_eq!(server.end_of(&open), (seconds(13), "server stopped before it was done".into()));
}
