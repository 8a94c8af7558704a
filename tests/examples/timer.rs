//! The timer: its ticks, and its end.

use std::cell::RefCell;
use std::rc::Rc;

use multiconn::reactor::Config;
use multiconn::session::Peer;

use crate::support::{Server, millis, received, seconds};

#[allow(dead_code)]
#[path = "../../docs/examples/timer.rs"]
mod example;

use example::Ticker;

fn server() -> Server<fn(&Peer) -> Ticker> {
    Server::new(|_| Ticker::default(), Config::default())
}

#[test]
fn ticks_come_each_second_until_the_peer_ends() {
    let mut server = server();
    let peer = server.client_at(millis(1500));
    let ticks = Rc::new(RefCell::new(Vec::new()));
    let (seen, net) = (Rc::clone(&ticks), server.net.clone());
    peer.answers(move |bytes| {
        seen.borrow_mut().push((net.now(), String::from_utf8_lossy(bytes).into_owned()));
        b"thanks\n".to_vec()
    });
    peer.end_at(seconds(5));
    server.run_until(seconds(10));
    let expected = [(millis(2500), "1\n"), (millis(3500), "2\n"), (millis(4500), "3\n")];
    assert_eq!(*ticks.borrow(), expected.map(|(at, text)| (at, text.to_owned())));
    assert_eq!(server.end_of(&peer), (seconds(5), "finished".into()));
}

#[test]
fn ticks_keep_a_silent_connection_open_and_a_stop_ends_it() {
    let mut server = server();
    let peer = server.client_at(seconds(1));
    server.run_until(millis(301_500));
    assert_eq!(received(&peer), (1..=300).map(|n| format!("{n}\n")).collect::<String>());
    assert_eq!(server.end_of(&peer), (millis(301_500), "server is stopping".into()));
}

#[test]
fn a_peer_that_reads_nothing_is_disconnected() {
    let mut server = server();
    let peer = server.client_at(seconds(1));
    peer.window(4).reads_nothing().flood_at(seconds(2), "x");
    server.net.set_turn_time(millis(10));
    server.run_until(seconds(60));
    // The window takes the first two ticks.
    assert_eq!(server.end_of(&peer).1, "peer read nothing for 30s");
    assert_eq!(server.end_of(&peer).0.as_secs(), 34);
}
