//! Descriptors and memory, with the program's own process looked at while real peers come and go.
#![cfg(target_os = "linux")]

mod common;

use std::fs;
use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use common::*;
use rustix::process::{Resource, getrlimit, setrlimit};
use socket2::SockRef;

/// A server with `limit` file descriptors at most.
fn start_with_descriptors(limit: u32, args: &[&str]) -> Server {
    Server::spawn(with_descriptors(limit, args))
}

fn with_descriptors(limit: u32, args: &[&str]) -> std::process::Command {
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &format!("ulimit -n {limit}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_multiconn"), "serve"]);
    command.args(args);
    command
}

/// How many descriptors the server has open.
fn open_descriptors(server: &Server) -> usize {
    fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("it runs").count()
}

/// Its memory that is in use, in bytes.
fn resident(server: &Server) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has memory");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("it is a number") * 1024
}

/// A request on a connection of its own. When it's over, so is that connection, on the server's side too.
fn ask(server: &Server) {
    let mut stream = server.connect();
    stream.write_all(&search("ring")).unwrap();
    expect_last(&mut stream, &result(RING));
}

/// Goes on asking until the server has `count` descriptors open. Each answer is a turn of its loop at least.
fn ask_until_descriptors(server: &Server, count: usize) {
    for _ in 0..10_000 {
        ask(server);
        if open_descriptors(server) == count {
            return;
        }
    }
    panic!("{} descriptors are open, not {count}", open_descriptors(server));
}

/// Closes so that the other side gets a reset, and our port is free at once.
fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
}

#[test]
fn more_peers_than_descriptors() {
    let server = start_with_descriptors(40, &["app", "0", "-q", "--linger-timeout", "20s"]);
    let mut peers: Vec<TcpStream> = (0..120).map(|_| server.connect()).collect();
    // Every connection has been accepted by the system, and most of them not by the server. Those that it has accepted
    // are answered, again and again.
    let (served, others) = peers.split_at_mut(10);
    for _ in 0..3 {
        for peer in &mut *served {
            peer.write_all(&kept_search("morpheus")).unwrap();
            expect(peer, &kept_result(RABBIT));
        }
    }
    // The next is told that there is no room, or waits; as others close, those that wait get their turn, so that in the
    // end each has an answer.
    let mut full = 0;
    for peer in served {
        peer.write_all(&search("ring")).unwrap();
        expect_last(peer, &result(RING));
    }
    let refusal = result("Error: the server is full, all 18 connections are in use; try again later");
    for peer in others {
        // One that has been refused may have closed already: its refusal is there all the same.
        let _ = peer.write_all(&search("ring"));
        let reply = to_end(peer);
        if reply == refusal {
            full += 1;
            // It has not closed by itself yet; but it may do so just now.
            let _ = peer.shutdown(Shutdown::Both);
        } else {
            assert_same(&reply, &result(RING));
        }
    }
    assert!(full <= 120 - 18, "the first 18 and those that came after them were served, and {full} told off");
    drop(peers);
    ask(&server);
    server.stop();
}

#[test]
fn a_server_that_could_accept_nobody_does_not_start() {
    let server = start_with_descriptors(40, &["app", "0", "-q"]);
    let is_open = |number: &u32| fs::exists(format!("/proc/{}/fd/{number}", server.pid())).expect("it runs");
    let needed = (0..).find(|number| !is_open(number)).expect("there is an end to them");
    server.stop();
    let output = run(with_descriptors(needed, &["app", "0", "-q"]));
    let said = "multiconn: cannot accept connections: too many open files\n";
    assert_eq!((output.status.code(), text(&output.stderr), text(&output.stdout)), (Some(1), said.into(), "".into()));
    let server = start_with_descriptors(needed + 1, &["app", "0", "-q"]);
    ask(&server);
    server.stop();
}

#[test]
fn the_limit_of_descriptors_itself_is_survived() {
    // More connections than descriptors are allowed, so that accept(2) fails.
    let server = start_with_descriptors(40, &["app", "0", "--max-connections", "100"]);
    server.wait_for_log("--max-connections 100 is more than the 18 that the limit of 40 open files leaves");
    let mut peers: Vec<TcpStream> = (0..120).map(|_| server.connect()).collect();
    server.wait_for_log("Cannot accept: too many open files; new connections wait until one closes");
    for peer in &mut peers[..10] {
        peer.write_all(&kept_search("morpheus")).unwrap();
        expect(peer, &kept_result(RABBIT));
    }
    // From here on each close lets another in.
    for mut peer in peers {
        peer.write_all(&search("ring")).unwrap();
        expect_last(&mut peer, &result(RING));
    }
    ask(&server);
    let log = text(&server.stop());
    let turns = log.matches("Cannot accept").count();
    assert!(turns <= 130, "it tries again when a connection has closed, not all the time: {turns} times");
}

/// A way in which a connection can end, and how to make one do so.
type End = (&'static str, fn(SocketAddr));

const ENDS: [End; 7] = [
    ("served and closed", |address| {
        let mut stream = connect(address);
        stream.write_all(&search("ring")).unwrap();
        expect_last(&mut stream, &result(RING));
    }),
    ("reset", |address| {
        let mut stream = connect(address);
        stream.write_all(&kept_search("ring")[..20]).unwrap();
        reset(stream);
    }),
    ("closed in mid-message", |address| {
        let mut stream = connect(address);
        stream.write_all(&search("ring")[..130]).unwrap();
    }),
    ("half-closed", |address| {
        let mut stream = connect(address);
        stream.write_all(&kept_search("ring")).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        expect_last(&mut stream, &kept_result(RING));
    }),
    ("garbage", |address| {
        let mut stream = connect(address);
        stream.write_all(b"GET / HTTP/1.1\r\nHost: example.invalid\r\n\r\n").unwrap();
        expect_last(&mut stream, &result("Error: a header of 18245 bytes is over the limit of 8192"));
    }),
    ("refused by an error reply", |address| {
        let mut stream = connect(address);
        stream.write_all(&message("text/json", "utf-8", b"[]")).unwrap();
        expect_last(&mut stream, &result("Error: the content is JSON but not an object"));
    }),
    ("closed at once", |address| drop(connect(address))),
];

#[test]
fn no_descriptor_is_lost_in_ten_thousand_connections() {
    // No timeout is to be what closes them.
    let server = Server::start(&[
        "app",
        "0",
        "-q",
        "--idle-timeout",
        "10m",
        "--header-timeout",
        "10m",
        "--linger-timeout",
        "10m",
    ]);
    ask(&server);
    let before = open_descriptors(&server);
    for (way, end) in ENDS {
        for _ in 0..10_000 / ENDS.len() {
            end(server.address());
        }
        println!("{way}: {} descriptors are open, {before} before", open_descriptors(&server));
        ask_until_descriptors(&server, before);
    }
    // All ways at once, from more than one side.
    let address = server.address();
    std::thread::scope(|scope| {
        for (_, end) in ENDS {
            scope.spawn(move || (0..20).for_each(|_| end(address)));
        }
    });
    ask_until_descriptors(&server, before);
    assert_same(&server.stop(), b"");
}

#[test]
fn an_idle_connection_costs_less_than_a_kibibyte() {
    // This process needs one descriptor for each too.
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("the limit can be raised as far as it goes");
    let count = limit.current.map_or(10_000, |limit| limit.saturating_sub(200).min(10_000) as usize);

    let server = Server::start(&["app", "0", "-q", "--idle-timeout", "10m"]);
    ask(&server);
    let before = resident(&server);
    let peers: Vec<TcpStream> = (0..count)
        .map(|_| {
            let mut peer = server.connect();
            peer.write_all(&kept_search("ring")).unwrap();
            expect(&mut peer, &kept_result(RING));
            peer
        })
        .collect();
    let cost = resident(&server).saturating_sub(before) / count;
    println!("{count} idle connections cost {cost} bytes each");
    assert!(cost < 1024, "{count} idle connections cost {cost} bytes each");
    assert!(open_descriptors(&server) > count, "all are open");
    ask(&server);
    peers.into_iter().for_each(reset);
    server.stop();
}

/// The message with `header` as it is and 200 kB that the server does not ask for.
fn with_unread(header: &[u8]) -> Vec<u8> {
    let len = u16::try_from(header.len()).expect("a short header");
    [&len.to_be_bytes(), header, &[b'x'; 200_000]].concat()
}

#[test]
fn an_error_reply_arrives_where_much_is_left_unread() {
    let ok =
        r#"{"byteorder": "little", "content-type": "text/json", "content-encoding": "utf-8", "content-length": 9}"#;
    let changed = |from: &str, to: &str| with_unread(ok.replace(from, to).as_bytes());
    let long_header = [&[0x20, 0x01][..], &[b' '; 200_000]].concat();
    let deep = format!("{{\"a\": {}{}}}", "[".repeat(80), "]".repeat(80));
    let requests = [
        (with_unread(b""), "the header length is zero"),
        (long_header, "a header of 8193 bytes is over the limit of 8192"),
        (with_unread(b"\xff{}"), "the header is not UTF-8"),
        (with_unread(b"{\"byteorder\""), "the header is not JSON: "),
        (with_unread(b"[1, 2]"), "the header is JSON but not an object"),
        (with_unread(deep.as_bytes()), "the header is nested more than 64 levels deep"),
        (changed("byteorder", "bite"), "the header has no 'byteorder'"),
        (changed("content-type", "type"), "the header has no 'content-type'"),
        (changed("content-encoding", "encoding"), "the header has no 'content-encoding'"),
        (changed("content-length", "length"), "the header has no 'content-length'"),
        (
            changed("\"little\"", "\"middle\""),
            "'byteorder' in the header must be \"little\" or \"big\", not \"middle\"",
        ),
        (changed("\"little\"", "null"), "'byteorder' in the header must be a string, not null"),
        (changed("\"text/json\"", "7"), "'content-type' in the header must be a string, not a whole number"),
        (changed("\"utf-8\"", "[]"), "'content-encoding' in the header must be a string, not a list"),
        (changed("\"utf-8\"", "\"utf-9\""), "unknown encoding 'utf-9'"),
        (changed(": 9", ": -9"), "'content-length' in the header must be a whole number of bytes, not -9"),
        (changed(": 9", ": 9.5"), "'content-length' in the header must be a whole number of bytes, not a fraction"),
        (changed(": 9", ": \"9\""), "'content-length' in the header must be a whole number of bytes, not a string"),
        (changed(": 9", ": 9e99"), "'content-length' in the header must be a whole number of bytes, not a fraction or"),
        (changed(": 9", ": 1048577"), "a content of 1048577 bytes is over the limit of 1048576"),
        (changed(": 9", ": 18446744073709551615"), "a content of 18446744073709551615 bytes is over the limit of"),
    ];
    let server = Server::start(&["app", "0", "-q"]);
    for (request, why) in requests {
        for _ in 0..10 {
            let mut stream = server.connect();
            stream.write_all(&request).unwrap();
            let reply = to_end(&mut stream);
            // serde_json's words are not ours, so their end may be anything.
            let words = reply.windows(2).position(|pair| pair == b"}{").expect("a header and a content") + 1;
            let content: serde_json::Value = serde_json::from_slice(&reply[words..]).expect("the whole content");
            let said = content["result"].as_str().expect("a result");
            assert!(said.starts_with(&format!("Error: {why}")), "{said}");
            assert_same(&reply, &result(said));
        }
    }
    server.stop();
}

#[test]
fn a_refusal_arrives_where_much_is_left_unread() {
    let server = Server::start(&["app", "0", "-q", "--max-connections", "1"]);
    let mut first = server.connect();
    first.write_all(&kept_search("ring")).unwrap();
    expect(&mut first, &kept_result(RING));
    let refusal = result("Error: the server is full, all 1 connections are in use; try again later");
    for _ in 0..20 {
        let mut stream = server.connect();
        stream.write_all(&vec![b'x'; 200_000]).unwrap();
        expect_last(&mut stream, &refusal);
    }
    first.write_all(&search("morpheus")).unwrap();
    expect_last(&mut first, &result(RABBIT));
    server.stop();
}
