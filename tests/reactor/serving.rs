//! Connections that go well, and those that break off.

use std::cell::Cell;
use std::rc::Rc;

use multiconn::protocols::app::{AppService, Request};
use multiconn::protocols::echo::EchoService;
use multiconn::reactor::Config;
use multiconn::selector::sim::{Counts, Fault, FaultKind, Random, SimNet};

use crate::support::{MORPHEUS, RING, Server, app_server, echo_server, message, millis, replies, search, seconds};

#[test]
fn echo_is_served_until_the_peer_ends() {
    let mut server = echo_server(Config::default());
    let peer = server.client_at(seconds(1));
    peer.send_at(seconds(2), "Message 1 from client.").send_at(seconds(3), "Message 2 from client.");
    let early = Rc::new(Cell::new(0));
    let (seen, watched) = (Rc::clone(&early), peer.clone());
    server.net.at(millis(2500), move || seen.set(watched.received().len()));
    peer.end_at(seconds(4));
    server.run_until(seconds(5));
    assert_eq!(peer.received(), b"Message 1 from client.Message 2 from client.");
    assert_eq!(early.get(), 22, "the first was echoed before the second came");
    assert_eq!((peer.end_seen(), peer.reset_seen()), (Some(seconds(4)), None));
    assert_eq!(server.end_of(&peer), (seconds(4), "finished".into()));
}

#[test]
fn turns_can_be_taken_one_by_one() {
    let mut server = echo_server(Config::default());
    let peer = server.client_at(seconds(1));
    peer.send_at(seconds(2), "hello").end_at(seconds(3));
    while peer.received().is_empty() {
        assert!(server.reactor.turn().unwrap(), "there is a listener");
    }
    assert_eq!(server.net.now(), seconds(2), "a turn is over when what has come is served");
    server.stop_at(seconds(4));
    while server.reactor.turn().unwrap() {}
    assert_eq!((server.net.now(), server.net.open_streams()), (seconds(4), 0));
    // A turn more would wait forever, which the simulated network does not allow.
    assert!(!server.reactor.turn().unwrap());
}

#[test]
fn echo_of_what_comes_with_the_end() {
    let mut server = echo_server(Config::default());
    let peer = server.client_at(seconds(1));
    let bytes: Vec<u8> = (0..1_000_000u32).map(|n| n as u8).collect();
    peer.send_at(seconds(1), &bytes).end_at(seconds(1));
    server.run_until(seconds(2));
    assert!(peer.received() == bytes, "all came back, and in order");
    assert_eq!(peer.reset_seen(), None);
    assert_eq!(server.end_of(&peer).1, "finished");
}

#[test]
fn app_answers_one_request_and_closes() {
    let mut server = app_server(Config::default());
    let peer = server.client_at(seconds(1));
    peer.send_at(seconds(2), search("morpheus", false));
    server.run_until(seconds(9));
    assert_eq!(replies(&peer.received()), [MORPHEUS]);
    assert_eq!((peer.end_seen(), peer.reset_seen()), (Some(seconds(2)), None));
}

#[test]
fn app_answers_pipelined_requests_in_order() {
    let mut server = app_server(Config::default());
    let peer = server.client_at(seconds(1));
    let requests = [
        search("ring", true),
        message(&Request::Sum(vec![1, 2, -5]), true),
        message(&Request::Binary(b"0123456789abc".to_vec()), true),
        search("nothing", false),
    ];
    peer.send_at(seconds(1), requests.concat());
    server.run_until(seconds(9));
    let expected = [RING, "-2", "First 10 bytes of request: 0123456789", "No match for 'nothing'."];
    assert_eq!(replies(&peer.received()), expected);
    assert_eq!(peer.end_seen(), Some(seconds(1)));
}

#[test]
fn half_close_still_gets_the_reply() {
    let mut server = app_server(Config::default());
    let with_request = server.client_at(seconds(1));
    with_request.send_at(seconds(2), search("morpheus", true)).end_at(seconds(2));
    let before_accept = server.client_at(seconds(1));
    before_accept.send_at(seconds(1), search("ring", true)).end_at(seconds(1));
    let in_mid_message = server.client_at(seconds(1));
    in_mid_message.send_at(seconds(2), &search("ring", true)[..50]).end_at(seconds(3));
    server.run_until(seconds(9));
    assert_eq!(replies(&with_request.received()), [MORPHEUS]);
    assert_eq!(with_request.end_seen(), Some(seconds(2)));
    assert_eq!(replies(&before_accept.received()), [RING]);
    assert_eq!(in_mid_message.received(), b"", "there is nobody left to tell");
    let (at, end) = server.end_of(&in_mid_message);
    assert_eq!((at, end.contains("peer closed in mid-message")), (seconds(3), true), "{end}");
}

#[test]
fn a_reset_closes_its_own_connection_in_every_phase() {
    let request = search("morpheus", true);
    let content_at = request.len() - 10;
    for sent in [0, 1, 2, 40, content_at, request.len()] {
        let mut server = app_server(Config::default());
        let neighbour = server.client_at(seconds(1));
        neighbour.send_at(seconds(2), &request);
        let peer = server.client_at(seconds(1));
        peer.send_at(seconds(2), &request[..sent]).reset_at(seconds(3));
        neighbour.send_at(seconds(3), &request).send_at(seconds(4), search("ring", false));
        server.run_until(seconds(9));
        let (at, end) = server.end_of(&peer);
        assert_eq!((at, end.as_str()), (seconds(3), "connection reset by peer"), "after {sent} bytes");
        assert_eq!(replies(&neighbour.received()), [MORPHEUS, MORPHEUS, RING], "after {sent} bytes");
    }
}

#[test]
fn a_reset_while_a_reply_waits_closes_its_own_connection() {
    let mut server = app_server(Config::default());
    let neighbour = server.client_at(seconds(1));
    neighbour.send_at(seconds(4), search("ring", false));
    let peer = server.client_at(seconds(1));
    // With a window for half a reply, and one for none: the rest waits, first in the queue, then behind it.
    peer.window(50).reads_nothing().send_at(seconds(2), search("morpheus", true).repeat(3)).reset_at(seconds(3));
    let last = server.client_at(seconds(1));
    last.window(50).reads_nothing().send_at(seconds(2), search("morpheus", false)).reset_at(seconds(3));
    server.run_until(seconds(9));
    for peer in [&peer, &last] {
        let (at, end) = server.end_of(peer);
        assert_eq!((at, end.as_str()), (seconds(3), "peer has closed the connection"));
        assert_eq!(peer.received(), b"");
    }
    assert_eq!(replies(&neighbour.received()), [RING]);
}

#[test]
fn a_peer_that_closes_before_its_reply_costs_nothing() {
    let mut server = app_server(Config::default());
    let peer = server.client_at(seconds(1));
    peer.send_at(seconds(2), search("morpheus", true)).close_at(seconds(2));
    server.run_until(seconds(9));
    assert_eq!(server.end_of(&peer).0, seconds(2));
    assert_eq!(peer.received(), b"");
}

#[test]
fn the_same_replies_however_the_bytes_come() {
    let requests = [search("ring", true), message(&Request::Binary(vec![b'x'; 300]), true), search("morpheus", false)];
    let bytes = requests.concat();
    let expected = [RING, "First 10 bytes of request: xxxxxxxxxx", MORPHEUS];
    for seed in 0..200 {
        let net = SimNet::new(seed);
        net.split_reads();
        let mut app = Server::on(&net, AppService::default(), Config::default());
        let peers = [1, 2, 3].map(|n| {
            let peer = app.client_at(seconds(1));
            peer.send_at(seconds(n), &bytes[..70]).send_at(seconds(4), &bytes[70..]).window(64 + seed as usize);
            peer
        });
        app.run_until(seconds(9));
        for peer in peers {
            assert_eq!(replies(&peer.received()), expected, "seed {seed}");
            assert_eq!((peer.end_seen(), peer.reset_seen()), (Some(seconds(4)), None), "seed {seed}");
        }
    }
    for seed in 0..20 {
        let net = SimNet::new(seed);
        net.split_reads();
        let mut echo = Server::on(&net, EchoService::default(), Config::default());
        let peer = echo.client_at(seconds(1));
        let bytes: Vec<u8> = (0..100_000u32).map(|n| (n % 251) as u8).collect();
        peer.window(1000).send_at(seconds(1), &bytes).end_at(seconds(2));
        echo.run_until(seconds(9));
        assert!(peer.received() == bytes, "seed {seed}");
    }
}

#[test]
fn a_warm_message_costs_one_read_and_one_write() {
    let mut app = app_server(Config::default());
    let peer = app.client_at(seconds(1));
    let counts: Rc<Cell<[Counts; 2]>> = Rc::default();
    for n in 0..12 {
        peer.send_at(seconds(2 + n), search("morpheus", true));
    }
    for (index, at) in [(0, millis(2500)), (1, millis(12_500))] {
        let (counts, net) = (Rc::clone(&counts), app.net.clone());
        app.net.at(at, move || {
            let mut both = counts.get();
            both[index] = net.counts();
            counts.set(both);
        });
    }
    app.run_until(seconds(20));
    let [before, after] = counts.get();
    let expected = Counts { selects: 10, reads: 10, writes: 10, ..Counts::default() };
    assert_eq!(after - before, expected, "for ten messages");
    assert_eq!(replies(&peer.received()).len(), 12);
}

#[test]
fn a_request_that_comes_along_costs_no_registration() {
    let mut app = app_server(Config::default());
    app.client_at(seconds(1)).send_at(seconds(1), search("morpheus", false));
    app.run_until(seconds(2));
    let Counts { reads, writes, registers, reregisters, deregisters, .. } = app.net.counts();
    // The other read finds that the client has closed.
    assert_eq!([reads, writes, registers, reregisters, deregisters], [2, 1, 0, 0, 0]);
}

#[test]
fn a_reload_reaches_the_service() {
    let mut server = app_server(Config::default());
    let handle = server.reactor.handle();
    server.net.at(seconds(1), {
        let handle = handle.clone();
        move || handle.reload()
    });
    server.net.at(seconds(2), move || handle.reload());
    server.run_until(seconds(3));
    assert_eq!(server.log.borrow().reloads, 2);
}

#[test]
fn a_reload_reads_the_dictionary_again() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), r#"{"who": "the old one"}"#).unwrap();
    let path = file.path().to_owned();
    let service = AppService::with_dictionary(Default::default(), Default::default(), path.clone()).unwrap();
    let mut server = Server::new(service, Config::default());
    let peer = server.client_at(seconds(1));
    peer.send_at(seconds(2), search("who", true)).send_at(seconds(4), search("who", true));
    for (at, text) in [(3, r#"{"who": "the new one"}"#), (5, "no dictionary")] {
        let (handle, path) = (server.reactor.handle(), path.clone());
        server.net.at(seconds(at), move || {
            std::fs::write(path, text).unwrap();
            handle.reload();
        });
    }
    peer.send_at(seconds(6), search("who", false));
    server.run_until(seconds(7));
    assert_eq!(replies(&peer.received()), ["the old one", "the new one", "the new one"]);
}

#[test]
fn a_reply_cut_off_because_the_connection_cannot_be_watched_does_not_look_whole() {
    let mut app = app_server(Config::default());
    let no_space = FaultKind::RegisterFails(28);
    app.net.inject(Fault { kind: no_space, during: millis(900)..seconds(2), random: Random::new(1) });
    let peer = app.client_at(seconds(1));
    peer.window(10).send_at(seconds(1), search("ring", true));
    app.run_until(seconds(3));
    assert_eq!((peer.reset_seen(), peer.end_seen()), (Some(seconds(1)), None));
    assert_eq!(app.end_of(&peer), (seconds(1), "no space left on device".into()));
}
