//! An echo that takes its time: a timer for each connection, and nobody waits for another's.

use std::time::Duration;

use multiconn::connection;
use multiconn::protocols::echo::{Echo, EchoService};

use crate::support::{Server, millis, seconds};

const DELAY: Duration = Duration::from_secs(5);

fn late_echo(config: connection::Config) -> Server<EchoService> {
    let echo = Echo { prefix: b"Echo=>".as_slice().into(), stamp: Some(|_| "NOON".into()), delay: DELAY };
    let config = connection::Config { idle_timeout: seconds(2), ..config };
    let server = Server::new(EchoService::new(echo), config);
    server.net.set_turn_time(Duration::ZERO);
    server
}

#[test]
fn eight_at_once_are_answered_as_soon_as_one() {
    let mut server = late_echo(connection::Config::default());
    let peers: Vec<_> = (1..=8)
        .map(|n| {
            let peer = server.client_at(millis(1000 + n));
            peer.send_at(millis(1000 + n), format!("{n}")).end_at(millis(1000 + n));
            peer
        })
        .collect();
    server.run_until(seconds(60));
    for (n, peer) in (1..=8).zip(&peers) {
        assert_eq!(peer.received(), format!("Echo=>{n} at NOON").as_bytes());
        assert_eq!(peer.end_seen(), Some(millis(1000 + n) + DELAY), "none waits for another");
        assert_eq!(server.end_of(peer).1, "finished");
    }
}

#[test]
fn chunks_of_one_connection_are_answered_one_after_the_other() {
    let mut server = late_echo(connection::Config::default());
    let peer = server.client_at(seconds(1));
    peer.send_at(seconds(1), "one").send_at(seconds(2), "two, ").send_at(seconds(3), "three").end_at(seconds(4));
    let looker = peer.clone();
    server.net.at(millis(5999), move || {
        assert_eq!((looker.taken(), looker.received().len()), (3, 0), "what has come meanwhile waits in the socket");
    });
    server.run_until(seconds(60));
    assert_eq!(peer.received(), b"Echo=>one at NOONEcho=>two, three at NOON");
    assert_eq!(peer.end_seen(), Some(seconds(1) + 2 * DELAY));
}

#[test]
fn the_delay_is_not_the_peers_time() {
    let mut server = late_echo(connection::Config::default());
    let peer = server.client_at(seconds(1));
    // Its echo comes at 7 s, and two seconds later it has been idle for as long as it may.
    peer.send_at(seconds(2), "one");
    server.run_until(seconds(60));
    assert_eq!(peer.received(), b"Echo=>one at NOON");
    assert_eq!(server.end_of(&peer), (seconds(9), "idle for 2s".into()));
}

#[test]
fn a_stop_lets_a_late_echo_finish() {
    let mut server = late_echo(connection::Config::default());
    let (peer, silent, late) =
        (server.client_at(seconds(1)), server.client_at(millis(2500)), server.client_at(seconds(1)));
    peer.send_at(seconds(1), "one");
    late.send_at(seconds(1), "one").send_at(seconds(2), "two");
    server.run_until(seconds(3));
    assert_eq!(peer.received(), b"Echo=>one at NOON");
    assert_eq!(server.end_of(&peer), (seconds(6), "server is stopping".into()));
    assert_eq!(server.end_of(&silent), (seconds(3), "server is stopping".into()));
    // What had come before the stop is answered too.
    assert_eq!(late.received(), b"Echo=>one at NOONEcho=>two at NOON");
    assert_eq!(server.end_of(&late), (seconds(11), "server is stopping".into()));

    let mut server = late_echo(connection::Config { drain_timeout: seconds(1), ..connection::Config::default() });
    let peer = server.client_at(seconds(1));
    peer.send_at(seconds(1), "one");
    server.run_until(seconds(3));
    assert_eq!(peer.received(), b"");
    assert_eq!(server.end_of(&peer), (seconds(4), "server stopped before it was done".into()));
}

#[test]
fn who_is_gone_before_its_echo_harms_nobody() {
    let mut server = late_echo(connection::Config::default());
    let (reset, closed, stays) =
        (server.client_at(seconds(1)), server.client_at(seconds(1)), server.client_at(seconds(1)));
    reset.send_at(seconds(1), "one").reset_at(seconds(2));
    closed.send_at(seconds(1), "one").close_at(seconds(2));
    stays.send_at(seconds(3), "one").end_at(seconds(3));
    server.run_until(seconds(60));
    assert_eq!(server.end_of(&reset), (seconds(2), "connection reset by peer".into()));
    assert_eq!(server.end_of(&closed).0, seconds(6));
    assert_eq!(stays.received(), b"Echo=>one at NOON");
}

#[test]
fn a_reader_that_is_slow_gets_every_late_chunk_once() {
    let mut server = late_echo(connection::Config { output_high_water: 1, ..connection::Config::default() });
    let peer = server.client_at(seconds(1));
    peer.window(4).reads_nothing().send_at(seconds(1), "one").send_at(seconds(7), "two").end_at(seconds(7));
    peer.read_all_from(seconds(20)).read_at(seconds(20), usize::MAX);
    server.run_until(seconds(60));
    assert_eq!(peer.received(), b"Echo=>one at NOONEcho=>two at NOON");
    assert_eq!(server.end_of(&peer).1, "finished");
}
