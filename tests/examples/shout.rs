//! Shout: on the simulated network, and served for real.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;

use multiconn::reactor::{Config, Reactor};
use multiconn::selector::MioSelector;
use multiconn::session::Peer;

use crate::support::{Server, received, seconds};

#[allow(dead_code)]
#[path = "../../docs/examples/shout.rs"]
pub mod example;

use example::{LINE_LEN_MAX, LINE_TIMEOUT, Shout};

fn server() -> Server<fn(&Peer) -> Shout> {
    Server::new(|_| Shout::default(), Config::default())
}

#[test]
fn the_example_shouts() {
    let mut reactor = Reactor::new(MioSelector::new().unwrap(), |_: &Peer| Shout::default(), Config::default());
    let addr = reactor.listen("127.0.0.1:0").unwrap()[0];
    let handle = reactor.handle();
    let server = thread::spawn(move || reactor.run());
    let say = |pieces: &[&[u8]]| {
        let mut stream = TcpStream::connect(addr).unwrap();
        for piece in pieces {
            stream.write_all(piece).unwrap();
        }
        stream.shutdown(Shutdown::Write).unwrap();
        let mut heard = String::new();
        stream.read_to_string(&mut heard).unwrap();
        heard
    };
    assert_eq!(say(&[b"hel", b"lo\nwor", b"ld\n"]), "HELLO\nWORLD\n");
    assert_eq!(say(&[b"one\nbye\ntwo\n"]), "ONE\nBYE\n");
    assert_eq!(say(&[&[b'x'; 2000]]), "");
    handle.stop();
    server.join().unwrap().unwrap();
}

#[test]
fn a_line_that_is_too_long_is_an_error() {
    let mut server = server();
    let (longest, longer) = (server.client_at(seconds(1)), server.client_at(seconds(1)));
    longest.send_at(seconds(2), "x".repeat(LINE_LEN_MAX) + "\n").end_at(seconds(3));
    longer.send_at(seconds(2), "x".repeat(LINE_LEN_MAX + 1));
    server.run_until(seconds(10));
    assert_eq!(received(&longest), "X".repeat(LINE_LEN_MAX) + "\n");
    assert_eq!(server.end_of(&longest), (seconds(3), "finished".into()));
    assert_eq!(server.end_of(&longer), (seconds(2), "a line of more than 1000 bytes".into()));
}

#[test]
fn a_peer_that_drips_a_line_is_cut_and_one_that_drips_lines_is_not() {
    let mut server = server();
    let (line, lines) = (server.client_at(seconds(1)), server.client_at(seconds(1)));
    line.drip_at(seconds(2), seconds(1), [b'x'; 100]);
    lines.drip_at(seconds(2), seconds(1), b"x\n".repeat(50));
    server.run_until(seconds(102));
    assert_eq!(server.end_of(&line), (seconds(2) + LINE_TIMEOUT, "a line took too long".into()));
    assert_eq!(received(&lines), "X\n".repeat(50));
}

#[test]
fn a_silent_peer_is_cut_by_the_connection() {
    let mut server = server();
    let peer = server.client_at(seconds(1));
    peer.send_at(seconds(2), "hello\n");
    server.run_until(seconds(100));
    assert_eq!(received(&peer), "HELLO\n");
    assert_eq!(server.end_of(&peer), (seconds(62), "idle for 60s".into()));
}

#[test]
fn a_peer_that_reads_nothing_is_read_from_no_further() {
    let mut server = server();
    let peer = server.client_at(seconds(1));
    peer.window(1000).reads_nothing().flood_at(seconds(2), "hello\n");
    let seen = peer.clone();
    server.net.at(seconds(20), move || assert!(seen.taken() < 300_000, "{}", seen.taken()));
    server.run_until(seconds(60));
    assert_eq!(server.end_of(&peer), (seconds(32), "peer read nothing for 30s".into()));
}
