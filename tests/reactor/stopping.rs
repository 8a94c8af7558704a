//! A stop: nothing new, and what has begun is finished in time.

use std::cell::RefCell;
use std::rc::Rc;

use multiconn::protocols::app::{AppServer, AppService};
use multiconn::reactor::Config;
use multiconn::selector::sim::SimPeer;
use multiconn::session::{Peer, Reload, Service};
use rustix::io::Errno;

use crate::support::{MORPHEUS, RING, Server, app_server, echo_server, millis, replies, run, search, seconds};

#[test]
fn a_stop_closes_listeners_and_idle_connections_at_once() {
    let mut server = app_server(Config::default());
    let fresh = server.client_at(seconds(1));
    let between = server.client_at(seconds(1));
    between.send_at(seconds(2), search("morpheus", true));
    let late = server.client_at(seconds(5));
    server.run_until(seconds(5));
    assert_eq!(server.net.now(), seconds(5), "there is nothing to wait for");
    for peer in [&fresh, &between] {
        assert_eq!((peer.end_seen(), peer.reset_seen()), (Some(seconds(5)), None));
        assert_eq!(server.end_of(peer).1, "server is stopping");
    }
    assert_eq!(replies(&between.received()), [MORPHEUS]);
    assert_eq!(late.reset_seen(), Some(seconds(5)), "the backlog is closed with the listener");

    let mut echo = echo_server(Config::default());
    let peer = echo.client_at(seconds(1));
    peer.send_at(seconds(2), "hello");
    let never_follows = echo.client_at(seconds(1));
    never_follows.keeps_open();
    echo.run_until(seconds(5));
    assert_eq!((peer.received(), peer.end_seen()), (b"hello".to_vec(), Some(seconds(5))));
    assert_eq!(never_follows.closed(), Some(seconds(7)), "lingering is bounded");
}

#[test]
fn a_delayed_stop_still_accepts_and_serves() {
    let mut server = app_server(Config { stop_delay: seconds(2), ..Config::default() });
    let idle = server.client_at(seconds(1));
    let in_time = server.client_at(seconds(6));
    in_time.send_at(seconds(6), search("morpheus", false));
    let late = server.client_at(seconds(7));
    server.stop_at(seconds(6));
    server.run_until(seconds(5));
    assert_eq!(replies(&in_time.received()), [MORPHEUS]);
    assert_eq!(idle.end_seen(), Some(seconds(7)));
    assert_eq!(late.reset_seen(), Some(seconds(7)), "a second order changes nothing");
    assert_eq!(server.net.now(), seconds(7));
}

#[test]
fn nobody_connects_to_a_server_that_drains() {
    let mut server = app_server(Config::default());
    let busy = server.client_at(seconds(1));
    busy.send_at(seconds(4), &search("morpheus", false)[..20]).send_at(seconds(8), &search("morpheus", false)[20..]);
    let late = server.client_at(seconds(6));
    server.run_until(seconds(5));
    assert_eq!((late.accepted(), late.reset_seen()), (None, Some(seconds(6))));
    assert_eq!(replies(&busy.received()), [MORPHEUS]);
}

#[test]
fn what_has_begun_is_finished_or_cut() {
    let mut server = app_server(Config::default());
    let request = search("morpheus", true);
    let in_header = server.client_at(seconds(1));
    in_header.send_at(seconds(4), &request[..30]).send_at(seconds(12), &request[30..]);
    let in_content = server.client_at(seconds(1));
    in_content.send_at(seconds(4), &request[..request.len() - 5]).send_at(seconds(9), &request[request.len() - 5..]);
    let too_slow = server.client_at(seconds(1));
    too_slow.send_at(millis(4500), &request[..request.len() - 30]).drip_at(seconds(6), seconds(1), [b'x'; 20]);
    let unread = server.client_at(seconds(1));
    unread.window(50).reads_nothing().send_at(seconds(4), &request).read_all_from(seconds(10));
    let never_read = server.client_at(seconds(1));
    never_read.window(50).reads_nothing().send_at(seconds(4), &request);
    server.run_until(seconds(5));
    // Although it asked for the connection to be kept.
    for (peer, at) in [(&in_header, seconds(12)), (&in_content, seconds(9)), (&unread, seconds(10))] {
        assert_eq!(replies(&peer.received()), [MORPHEUS]);
        assert_eq!((peer.end_seen(), peer.reset_seen()), (Some(at), None));
        assert_eq!(server.end_of(peer), (at, "server is stopping".into()));
    }
    for peer in [&too_slow, &never_read] {
        assert_eq!(server.end_of(peer), (seconds(15), "server stopped before it was done".into()));
        assert_eq!(peer.closed(), Some(seconds(15)), "after the drain timeout");
    }
    assert_eq!(server.net.now(), seconds(15));
}

#[test]
fn what_was_sent_before_the_stop_is_served() {
    let mut server = app_server(Config::default());
    let peer = server.client_at(seconds(1));
    peer.send_at(seconds(5), [search("morpheus", true), search("ring", true)].concat());
    let in_backlog = server.client_at(millis(4999));
    in_backlog.send_at(seconds(5), search("ring", true));
    let mut echo = echo_server(Config::default());
    let echoed = echo.client_at(seconds(1));
    echoed.send_at(seconds(5), vec![7; 1_000_000]);
    server.run_until(seconds(5));
    echo.run_until(seconds(5));
    assert_eq!(replies(&peer.received()), [MORPHEUS, RING]);
    assert_eq!(replies(&in_backlog.received()), [RING]);
    assert_eq!(echoed.received().len(), 1_000_000);
    for peer in [peer, in_backlog, echoed] {
        let end_seen = peer.end_seen().expect("it is closed in order");
        assert!((seconds(5)..millis(5001)).contains(&end_seen), "in a few turns: {end_seen:?}");
        assert_eq!(peer.reset_seen(), None);
    }
}

/// On a reload just before the stop, bytes arrive that no event has reported.
struct Late {
    service: AppService,
    peer: Rc<RefCell<Option<SimPeer>>>,
}

impl Service for Late {
    type Session = AppServer;

    fn accept(&mut self, peer: &Peer) -> AppServer {
        self.service.accept(peer)
    }

    fn reload(&mut self) -> Option<Reload> {
        let peer = self.peer.borrow();
        let peer = peer.as_ref().expect("a peer");
        peer.send_at(seconds(0), search("morpheus", true));
        assert_eq!(peer.taken(), 0, "they are there by now, and unread");
        None
    }
}

#[test]
fn what_came_in_the_turn_of_the_stop_is_served() {
    let peer = Rc::default();
    let late = Late { service: AppService::default(), peer: Rc::clone(&peer) };
    let mut server = Server::new(late, Config::default());
    *peer.borrow_mut() = Some(server.client_at(seconds(1)));
    let handle = server.reactor.handle();
    server.net.at(seconds(5), move || handle.reload());
    server.run_until(seconds(5));
    let peer = peer.take().unwrap();
    assert_eq!(replies(&peer.received()), [MORPHEUS]);
    assert_eq!((peer.end_seen(), peer.reset_seen()), (Some(seconds(5)), None));
}

#[test]
fn what_was_sent_before_the_stop_and_held_back_is_served() {
    // Back-pressure keeps the server from reading what comes last.
    let mut echo = echo_server(Config::default());
    let echoed = echo.client_at(seconds(1));
    echoed.window(1000).reads_nothing().send_at(seconds(2), vec![7; 1_000_000]).read_all_from(seconds(6));
    echo.run_until(seconds(5));
    assert_eq!((echoed.received().len(), echoed.reset_seen()), (1_000_000, None));
    assert_eq!(echo.end_of(&echoed), (seconds(6), "server is stopping".into()));

    let mut server = app_server(Config::default());
    let peer = server.client_at(seconds(1));
    let request = search("morpheus", true);
    peer.window(1000).reads_nothing().send_at(seconds(2), request.repeat(5000)).read_all_from(seconds(6));
    server.run_until(seconds(5));
    assert_eq!(replies(&peer.received()).len(), 5000);
}

#[test]
fn a_stop_while_accepting_pauses_is_a_stop_too() {
    let mut server = echo_server(Config::default());
    server.net.fail_accepts_between(Errno::MFILE.raw_os_error(), seconds(2), seconds(100));
    let peer = server.client_at(seconds(3));
    server.run_until(seconds(5));
    assert_eq!((peer.accepted(), peer.reset_seen()), (None, Some(seconds(5))));
    assert_eq!(server.net.now(), seconds(5));
}

#[test]
fn a_second_stop_changes_nothing() {
    let mut server = app_server(Config::default());
    let peer = server.client_at(seconds(1));
    peer.send_at(seconds(4), &search("morpheus", true)[..30]);
    server.stop_at(seconds(5));
    server.run_until(seconds(9));
    // It is the header's timeout that ends it, before the drain timeout does.
    assert_eq!(server.end_of(&peer).0, seconds(14));
    assert_eq!(server.net.now(), seconds(14));
}

#[test]
fn a_server_stopped_before_it_runs_returns() {
    let mut server = echo_server(Config::default());
    server.reactor.handle().stop();
    run(&mut server.reactor).unwrap();
    assert_eq!(server.net.counts().accepts, 0);
    assert_eq!(server.net.now(), seconds(0) + std::time::Duration::from_micros(1));
}

#[test]
fn a_server_that_accepts_no_more_serves_its_connections_and_ends_with_the_last() {
    let mut server = app_server(Config::default());
    let request = search("morpheus", false);
    let in_header = server.client_at(seconds(1));
    in_header.send_at(seconds(4), &request[..30]).send_at(seconds(9), &request[30..]);
    let fresh = server.client_at(seconds(4));
    fresh.send_at(seconds(8), &request);
    let late = server.client_at(seconds(6));
    let handle = server.reactor.handle();
    server.net.at(seconds(5), move || handle.stop_accepting());
    run(&mut server.reactor).unwrap();
    assert_eq!((late.accepted(), late.reset_seen()), (None, Some(seconds(6))));
    for peer in [&in_header, &fresh] {
        assert_eq!(replies(&peer.received()), [MORPHEUS]);
    }
    assert!(server.net.now() < seconds(10), "{:?}", server.net.now());
}

#[test]
fn a_stop_after_that_is_one_as_usual() {
    let mut server = app_server(Config::default());
    let idle = server.client_at(seconds(1));
    let handle = server.reactor.handle();
    server.net.at(seconds(3), move || handle.stop_accepting());
    server.run_until(seconds(5));
    assert_eq!((idle.end_seen(), server.net.now()), (Some(seconds(5)), seconds(5)));
    assert_eq!(server.end_of(&idle).1, "server is stopping");
}
