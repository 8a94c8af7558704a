//! The numbers of a reactor: what it has done so far.

use multiconn::connection;
use multiconn::reactor::Config;
use multiconn::session::EndKind;

use crate::support::{app_server, echo_server, search, seconds};

#[test]
fn bytes_messages_connections_and_turns_are_counted() {
    let mut server = app_server(connection::Config::default());
    let request = search("morpheus", true);
    let peers: Vec<_> = (0..3).map(|_| server.client_at(seconds(1))).collect();
    for (n, peer) in (1..).zip(&peers) {
        for at in 1..=n {
            peer.send_at(seconds(1 + at), request.clone());
        }
        peer.end_at(seconds(10));
    }
    let broken = server.client_at(seconds(1));
    broken.send_at(seconds(2), [0xff; 600]).end_at(seconds(3));
    server.run_until(seconds(20));
    let totals = server.reactor.totals();
    let received: usize = peers.iter().chain([&broken]).map(|peer| peer.received().len()).sum();
    assert_eq!((totals.accepted, totals.refused), (4, 0));
    assert_eq!((totals.bytes_in, totals.bytes_out), (6 * request.len() as u64 + 600, received as u64));
    // The broken one was begun, too.
    assert_eq!(totals.messages, 6 + 1);
    assert!(totals.turns >= 5, "{}", totals.turns);
    let closed = |kind: EndKind| totals.closed[kind as usize];
    assert_eq!((closed(EndKind::Finished), closed(EndKind::Violation)), (3, 1));
    assert_eq!(totals.closed.iter().sum::<u64>(), 4);
}

#[test]
fn refused_connections_are_counted_apart() {
    let mut server = echo_server(Config { connections_max: 1, ..Config::default() });
    server.client_at(seconds(1)).end_at(seconds(10));
    server.client_at(seconds(2)).end_at(seconds(3));
    server.run_until(seconds(20));
    let totals = server.reactor.totals();
    assert_eq!((totals.accepted, totals.refused), (1, 1));
    assert_eq!(totals.closed[EndKind::Refused as usize], 1);
}
