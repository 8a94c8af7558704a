//! The limit of connections, and a system that lets none in.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use multiconn::address::{Addr, UnixAddr};
use multiconn::reactor::{Config, REFUSALS_MAX};
use multiconn::selector::sim::Counts;
use multiconn::session::Service;
use rustix::io::Errno;

use crate::support::{MORPHEUS, RING, Server, app_server, echo_server, millis, replies, search, seconds};

const EMFILE: i32 = Errno::MFILE.raw_os_error();
const ECONNABORTED: i32 = Errno::CONNABORTED.raw_os_error();

const FULL: &str = "Error: the server is full, its only connection is in use; try again later";

/// The length of a turn: an excess connection is refused in the turn after it was accepted.
const TURN: Duration = Duration::from_micros(1);

fn one_connection() -> Config {
    Config { connections_max: 1, ..Config::default() }
}

/// The counts at `time`.
fn counts_at<V: Service>(server: &Server<V>, time: Duration) -> Rc<Cell<Counts>> {
    let counts = Rc::new(Cell::new(Counts::default()));
    let (cell, net) = (Rc::clone(&counts), server.net.clone());
    server.net.at(time, move || cell.set(net.counts()));
    counts
}

#[test]
fn one_above_the_limit_is_told_and_closed() {
    let mut app = app_server(one_connection());
    let first = app.client_at(seconds(1));
    first.send_at(seconds(2), search("morpheus", true)).send_at(seconds(5), search("ring", false));
    let refused = app.client_at(seconds(3));
    // What it has sent is unread when it's told.
    refused.send_at(seconds(3), search("morpheus", false).repeat(1000));
    let next = app.client_at(seconds(6));
    next.send_at(seconds(6), search("ring", false));
    app.run_until(seconds(9));
    assert_eq!(replies(&first.received()), [MORPHEUS, RING]);
    assert_eq!(replies(&refused.received()), [FULL]);
    assert_eq!((refused.end_seen(), refused.reset_seen()), (Some(seconds(3) + TURN), None));
    assert_eq!(app.end_of(&refused).1, "over the connection limit");
    assert_eq!(replies(&next.received()), [RING], "when one has closed, the next is served");

    let mut echo = echo_server(one_connection());
    let first = echo.client_at(seconds(1));
    first.send_at(seconds(4), "hello").end_at(seconds(5));
    let refused = echo.client_at(seconds(3));
    refused.send_at(seconds(3), "anyone?");
    echo.run_until(seconds(9));
    assert_eq!(first.received(), b"hello");
    assert_eq!((refused.received(), refused.end_seen()), (vec![], Some(seconds(3) + TURN)));
}

#[test]
fn only_so_many_are_refused_at_once() {
    for refusals_max in [REFUSALS_MAX, 21] {
        let mut server = app_server(Config { refusals_max, ..one_connection() });
        let first = server.client_at(seconds(1));
        first.send_at(seconds(9), search("morpheus", false));
        // They don't follow, so each occupies a place among the refused until lingering ends.
        let others: Vec<_> = (0..40).map(|_| server.client_at(seconds(2)).keeps_open().clone()).collect();
        server.run_until(seconds(10));
        assert_eq!(replies(&first.received()), [MORPHEUS]);
        for (n, peer) in others.iter().enumerate() {
            assert_eq!(replies(&peer.received()), [FULL]);
            let accepted = peer.accepted().unwrap();
            if n < refusals_max {
                assert_eq!(accepted, seconds(2) + TURN * n.try_into().unwrap(), "one in a turn");
            } else {
                assert!((seconds(4)..millis(4100)).contains(&accepted), "number {n} at {accepted:?}");
            }
        }
    }
}

#[test]
fn the_refused_leave_their_place_however_they_end() {
    let mut server = app_server(one_connection());
    let first = server.client_at(seconds(1));
    first.send_at(seconds(20), search("morpheus", false));
    // Reset before they can be told; and, with no room for the words, when they have not read them in time.
    for n in 0..50 {
        server.client_at(seconds(2)).reset_at(seconds(2));
        server.client_at(seconds(2)).window(n).reads_nothing().reset_at(seconds(4));
    }
    let refused = server.client_at(seconds(10));
    let next = server.client_at(seconds(21));
    next.send_at(seconds(21), search("ring", false));
    server.run_until(seconds(100));
    assert_eq!(replies(&first.received()), [MORPHEUS]);
    assert_eq!(replies(&refused.received()), [FULL]);
    assert_eq!(replies(&next.received()), [RING]);
}

#[test]
fn an_aborted_connection_is_skipped() {
    let mut server = echo_server(Config::default());
    server.net.fail_accepts(ECONNABORTED, 3);
    let peers = [1, 1, 1].map(|n| server.client_at(seconds(n)).send_at(seconds(n), "hello").clone());
    server.run_until(seconds(2));
    for peer in peers {
        assert_eq!((peer.accepted(), peer.received()), (Some(seconds(1)), b"hello".to_vec()));
    }
}

#[test]
fn without_descriptors_accepting_pauses_and_is_retried() {
    let mut server = echo_server(Config::default());
    server.net.fail_accepts_between(EMFILE, seconds(1), seconds(6));
    let peer = server.client_at(seconds(2));
    peer.send_at(seconds(2), "hello").end_at(seconds(7));
    let (before, after) = (counts_at(&server, millis(2500)), counts_at(&server, millis(5500)));
    server.run_until(seconds(8));
    let tried = after.get() - before.get();
    assert_eq!((tried.accepts, tried.selects), (30, 30), "ten times a second, and no turn besides");
    let accepted = peer.accepted().expect("it is accepted in the end");
    assert!((seconds(6)..=millis(6100)).contains(&accepted), "{accepted:?}");
    assert_eq!(peer.received(), b"hello");
}

#[test]
fn without_descriptors_a_close_lets_the_next_in() {
    let mut server = echo_server(Config::default());
    let first = server.client_at(seconds(1));
    first.end_at(millis(2050));
    server.net.fail_accepts_between(EMFILE, seconds(2), millis(2050));
    let waiting = server.client_at(seconds(2));
    waiting.send_at(seconds(2), "hello");
    server.run_until(seconds(3));
    let accepted = waiting.accepted().unwrap();
    assert!((millis(2050)..millis(2051)).contains(&accepted), "at once, not after 100 ms: {accepted:?}");
    assert_eq!(waiting.received(), b"hello");
}

#[test]
fn others_are_served_while_accepting_pauses() {
    let mut server = echo_server(Config::default());
    let served = server.client_at(seconds(1));
    server.net.fail_accepts_between(EMFILE, seconds(2), seconds(9));
    for _ in 0..100 {
        server.client_at(seconds(2));
    }
    for n in 0..50 {
        served.send_at(millis(3000 + 10 * n), "x");
    }
    served.end_at(seconds(5));
    server.run_until(seconds(9));
    assert_eq!(served.received(), [b'x'; 50]);
    assert_eq!(served.end_seen(), Some(seconds(5)));
}

#[test]
fn a_listener_with_a_batch_left_over_stays_runnable() {
    let mut server = echo_server(Config { connections_max: 5000, ..Config::default() });
    server.net.set_turn_time(millis(1));
    let peers: Vec<_> = (0..1000).map(|_| server.client_at(seconds(1)).send_at(seconds(1), "hello").clone()).collect();
    server.run_until(seconds(2));
    let mut at_first = 0;
    for peer in peers {
        let accepted = peer.accepted().unwrap();
        at_first += usize::from(accepted == seconds(1));
        assert!((seconds(1)..millis(1020)).contains(&accepted), "{accepted:?}");
        assert_eq!(peer.received(), b"hello");
    }
    // The first turn and the one after it: a turn's time passes in the select after the next.
    assert!((64..=128).contains(&at_first), "{at_first} in the first turns");
}

#[test]
fn every_listener_is_served() {
    let mut server = echo_server(Config::default());
    let second_addr = Addr::from(([10, 255, 0, 2], 65432));
    server.reactor.add_listener(server.net.listener(second_addr)).unwrap();
    let first = server.client_at(seconds(1));
    first.send_at(seconds(2), "first");
    let second = server.net.client_at(seconds(1), second_addr);
    second.send_at(seconds(2), "second");
    server.run_until(seconds(3));
    assert_eq!((first.received(), second.received()), (b"first".to_vec(), b"second".to_vec()));
}

#[test]
fn a_peer_of_a_unix_socket_has_a_number() {
    let mut server = echo_server(Config::default());
    let own = UnixAddr::new("/run/multiconn.sock").unwrap();
    server.reactor.add_listener(server.net.listener(Addr::Unix(own))).unwrap();
    let peer = server.net.client_at(seconds(1), Addr::Unix(own));
    peer.send_at(seconds(2), "hello").end_at(seconds(3));
    server.run_until(seconds(4));
    assert_eq!(peer.received(), b"hello");
    assert_eq!(server.log.borrow().ends[0].peer.to_string(), "unix:/run/multiconn.sock#1");
}

#[test]
fn the_refused_keep_nobody_from_a_free_place() {
    let mut server = app_server(one_connection());
    let first = server.client_at(seconds(1));
    first.send_at(seconds(3), search("morpheus", false));
    // As many as are refused at once, until lingering ends at 4 s.
    for _ in 0..REFUSALS_MAX {
        server.client_at(seconds(2)).keeps_open();
    }
    let next = server.client_at(millis(2500));
    next.send_at(millis(2500), search("ring", false));
    server.run_until(seconds(9));
    assert_eq!(replies(&first.received()), [MORPHEUS]);
    assert_eq!((replies(&next.received()), next.accepted()), (vec![RING.to_owned()], Some(seconds(3))));
}
