//! The close after the last reply.

use std::time::Duration;

use multiconn::connection;
use multiconn::reactor::Config;
use multiconn::selector::sim::SimPeer;

use super::support::{MORPHEUS, RING, app_server, millis, replies, search, seconds};

fn micros(n: u64) -> Duration {
    Duration::from_micros(n)
}

#[test]
fn unasked_input_behind_the_last_request_does_not_destroy_the_reply() {
    for after in [micros(0), micros(1), micros(300), micros(1001), millis(500)] {
        for waits_for_input in [false, true] {
            let mut app = app_server(Config::default());
            let peer = app.client_at(seconds(1));
            let asked = if waits_for_input { seconds(2) } else { seconds(1) };
            peer.keeps_open().reads_nothing().send_at(asked, search("ring", false));
            peer.send_at(asked + after, "unasked").read_all_from(seconds(3) + millis(900)).end_at(seconds(4));
            app.run_until(seconds(9));
            assert_eq!(replies(&peer.received()), [RING], "{after:?} after the request");
            assert_eq!(peer.reset_seen(), None, "{after:?} after the request");
        }
    }
}

#[test]
fn a_peer_that_does_not_close_is_waited_for_until_the_linger_timeout() {
    let linger_timeout = seconds(5);
    let mut app = app_server(connection::Config { linger_timeout, ..connection::Config::default() });
    let peer = app.client_at(seconds(1));
    peer.keeps_open().send_at(seconds(1), search("ring", false));
    app.run_until(seconds(9));
    assert_eq!(app.end_of(&peer), (seconds(6), "finished".to_owned()));
    assert_eq!(peer.end_seen(), Some(seconds(1)), "the end is sent with the reply");
}

#[test]
fn whoever_waits_for_the_close_makes_way_for_the_next() {
    let mut app = app_server(Config { connections_max: 2, ..Config::default() });
    let slow: Vec<SimPeer> = [1, 2, 3, 4]
        .map(|n| {
            app.client_at(seconds(10) + millis(n))
                .keeps_open()
                .send_at(seconds(10) + millis(n), search("ring", false))
                .clone()
        })
        .into();
    let busy = app.client_at(seconds(10) + millis(5));
    busy.send_at(seconds(11), search("morpheus", true));
    let refused: Vec<SimPeer> = (0..3).map(|_| app.client_at(millis(10_600))).collect();
    app.run_until(seconds(20));
    for (peer, closed) in slow.iter().zip([millis(10_003), millis(10_004), millis(10_005), millis(10_600)]) {
        assert_eq!(replies(&peer.received()), [RING]);
        let at = peer.closed().expect("it was closed");
        assert!((closed..closed + millis(1)).contains(&at), "{at:?}, not {closed:?}: the oldest makes way");
    }
    assert_eq!(replies(&busy.received()), [MORPHEUS], "a connection that is served does not");
    let full = refused.iter().filter(|peer| String::from_utf8_lossy(&peer.received()).contains("the server is full"));
    assert_eq!(full.count(), 2);
}

#[test]
fn unasked_input_does_not_destroy_the_reply_of_a_connection_that_makes_way() {
    for after in [micros(0), micros(300), millis(300)] {
        let mut app = app_server(Config { connections_max: 1, ..Config::default() });
        let peer = app.client_at(seconds(1));
        peer.keeps_open().reads_nothing().send_at(seconds(1), search("ring", false));
        peer.send_at(seconds(1) + after, "unasked").read_all_from(seconds(2));
        app.client_at(seconds(1) + after + micros(100)).send_at(seconds(1) + millis(900), search("morpheus", false));
        app.run_until(seconds(5));
        assert_eq!((replies(&peer.received()), peer.reset_seen()), (vec![RING.into()], None), "{after:?}");
        let closed = peer.closed().expect("it was closed");
        assert!(closed < seconds(1) + after + millis(1), "{closed:?}: it made way at once");
    }
}
