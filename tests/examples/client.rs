//! The client: against peers of all kinds, and against the server that it is for.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use multiconn::reactor::{Config, Reactor};
use multiconn::selector::MioSelector;
use multiconn::selector::sim::SimPeer;
use multiconn::session::Peer;

use crate::shout::example::Shout;
use crate::support::{Server, millis, seconds};

#[allow(dead_code)]
#[path = "../../docs/examples/client.rs"]
mod example;

use example::{Client, TIMEOUT};

/// When and how a client's connection ends, with a server that follows `script`.
fn end(lines: &[&str], script: impl FnMut(SimPeer) + 'static) -> (Duration, String) {
    let mut server = Server::new(|_: &Peer| -> Client { unreachable!("no connection is accepted") }, Config::default());
    let addr = SocketAddr::from(([10, 254, 0, 1], 65432));
    server.net.server(addr, script);
    server.reactor.connect(&[addr], Client::new(lines.iter().copied()));
    server.run_until(seconds(100));
    let (peer, at, end) = server.ends.borrow_mut().pop().unwrap();
    assert_eq!(peer.number(), Some(1));
    (at, end)
}

fn shout(peer: SimPeer) {
    peer.answers(<[u8]>::to_ascii_uppercase);
}

#[test]
fn right_replies_finish_the_client() {
    let line = "x".repeat(900);
    // The last are more than the output and the window hold.
    for lines in [&["hello", "", "how are you?"][..], &[], &[line.as_str(); 1000]] {
        let (at, end) = end(lines, shout);
        assert!(end == "finished" && at < millis(2), "{at:?} {end}");
    }
}

#[test]
fn the_error_says_what_was_wrong() {
    let lines = &["hello", "world"];
    let says = |bytes: &'static str, ends: bool| {
        end(lines, move |peer| {
            peer.send_at(seconds(1), bytes);
            if ends {
                peer.end_at(seconds(1));
            }
        })
    };
    let wrong = "reply 2 is \"world\" instead of \"WORLD\"";
    assert_eq!(says("HELLO\nworld\n", false), (seconds(1), wrong.into()));
    let more = "reply 3, \"MORE\", is one too many";
    assert_eq!(says("HELLO\nWORLD\nMORE\n", false), (seconds(1), more.into()));
    let cut = "the server ended before reply 2 of 2";
    assert_eq!(says("HELLO\nWOR", true), (seconds(1), cut.into()));
    let late = "no reply 2 of 2 within 5s";
    assert_eq!(says("HELLO\nWOR", false), (seconds(1) + TIMEOUT, late.into()));
    assert_eq!(end(lines, |_| {}), (millis(1) + TIMEOUT, "no reply 1 of 2 within 5s".into()));
    let long = end(lines, |peer| {
        peer.send_at(seconds(1), "x".repeat(1001));
    });
    assert_eq!(long, (seconds(1), "a line of more than 1000 bytes".into()));
    assert_eq!(end(&["one\ntwo"], shout), (millis(1), "a line with a newline in it, after 3 bytes".into()));
}

#[test]
fn the_client_understands_shout() {
    let mut reactor = Reactor::new(MioSelector::new().unwrap(), |_: &Peer| Shout::default(), Config::default());
    let addr = reactor.listen("127.0.0.1:0").unwrap()[0];
    let handle = reactor.handle();
    let server = thread::spawn(move || reactor.run());
    assert_eq!(example::talk(addr), Ok(()));
    handle.stop();
    server.join().unwrap().unwrap();
    let error = example::talk(addr).unwrap_err();
    assert_eq!(error.to_lowercase(), format!("{addr}: connection refused"));
}
