//! Descriptors and memory, with the program's own process looked at while real peers come and go.
#![cfg(target_os = "linux")]

mod common;

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::*;
use multiconn::client::converse;
use multiconn::protocols::getfile::{GetFileClient, Request, Store};
use multiconn::session;
use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::process::{Resource, Signal, getrlimit, setrlimit};
use socket2::SockRef;

/// A server with `limit` file descriptors at most.
fn start_with_descriptors(limit: u32, args: &[&str]) -> Server {
    Server::spawn(with_descriptors(limit, args))
}

fn with_descriptors(limit: u32, args: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -n {limit}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_multiconn"), "serve"]);
    command.args(args);
    command
}

/// Raises this process's limit of open files, which needs one for each connection too, and returns it.
fn raise_limit() -> Option<u64> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("the limit can be raised as far as it goes");
    limit.current
}

/// How many descriptors the server has open.
fn open_descriptors(server: &Server) -> usize {
    fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("it runs").count()
}

/// Its memory that is in use, in bytes.
fn resident(server: &Server) -> usize {
    memory(server.pid(), "VmRSS:")
}

/// The most memory that a process has had in use, in bytes.
fn peak(pid: u32) -> usize {
    memory(pid, "VmHWM:")
}

fn memory(pid: u32, what: &str) -> usize {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(what)).expect("it has memory");
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
    // The system has accepted all connections, but the server only a few. Those few are answered, again and again.
    let (served, others) = peers.split_at_mut(10);
    for _ in 0..3 {
        for peer in &mut *served {
            peer.write_all(&kept_search("morpheus")).unwrap();
            expect(peer, &kept_result(RABBIT));
        }
    }
    // The next one is refused, or waits. As others close, the waiting ones are accepted, so in the end each has an answer.
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

/// A session that waits for something else than its peer takes descriptors for that, too.
#[test]
fn without_descriptors_to_wait_with_only_that_connection_is_closed() {
    for model in ["threads", "pool"] {
        // As many as were asked for, which is more than there are descriptors for.
        let option = if model == "pool" { "--pool-size" } else { "--max-threads" };
        let args = ["command", "0", "--allow", "yes=/bin/echo yes", "--model", model, option, "8"];
        let server = start_with_descriptors(20, &args);
        server.wait_for_log(&format!("{option} 8 is more than the 1 that the limit of 20 open files leaves"));
        let mut peers: Vec<TcpStream> = (0..8).map(|_| server.connect()).collect();
        peers.iter_mut().for_each(|peer| peer.write_all(b"yes").unwrap());
        // All go on at once, after the pause that ends the name.
        for peer in &mut peers {
            let answer = text(&to_end(peer));
            let refusal = "Error: the server is full, too many open files; try again later\n";
            assert!(["yes\n", refusal].contains(&&*answer) || answer.starts_with("Error: cannot run"), "{answer}");
        }
        drop(peers);
        let mut answer = String::new();
        while answer != "yes\n" {
            let mut peer = server.connect();
            peer.write_all(b"yes\n").unwrap();
            answer = text(&to_end(&mut peer));
        }
        server.signal(Signal::TERM);
        let (status, log) = server.ended();
        assert!(status.success() && !text(&log).contains("panicked"), "{model}: {}", text(&log));
    }
}

/// Under any model, an admitted client gets the descriptors that its program takes.
#[test]
fn few_descriptors_let_few_clients_in_and_each_gets_its_program() {
    const CLIENTS: usize = 45;

    let lets_in = |model: &str, more: &[&str]| {
        let program = "slow=/bin/sh -c 'sleep 0.1; echo yes'";
        let args = ["command", "0", "--max-children", "64", "--allow", program, "--model", model];
        let server = start_with_descriptors(64, &[&args, more].concat());
        let mut peers: Vec<TcpStream> = (0..CLIENTS).map(|_| server.connect()).collect();
        peers.iter_mut().for_each(|peer| peer.write_all(b"slow\n").unwrap());
        let (mut served, mut refused) = (0, 0);
        for peer in &mut peers {
            let answer = text(&to_end(peer));
            match answer.as_str() {
                "yes\n" => served += 1,
                _ if answer.starts_with("Error: the server is full, all ") => refused += 1,
                _ => panic!("{model} {more:?}: {answer}"),
            }
        }
        assert_eq!(served + refused, CLIENTS);
        // Reactors refuse; the others let wait.
        assert!(served >= 4 && (refused == 0 || ["reactor", "poll", "select"].contains(&model)), "{model}: {served}");
        let log = text(&server.stop());
        assert!(!log.contains("too many open files"), "{model} {more:?}: {log}");
    };
    thread::scope(|scope| {
        for (model, more) in [
            ("reactor", &[][..]),
            ("reactor", &["--workers", "4"]),
            ("poll", &[]),
            ("select", &[]),
            ("sequential", &[]),
            ("threads", &[]),
            ("pool", &[]),
            ("fork", &[]),
        ] {
            scope.spawn(move || lets_in(model, more));
        }
    });
}

/// The most that a connection with a thread or process of its own may hold while it is idle: a read buffer of 64 KiB, its
/// stack, and a process's own pages.
const KEPT_MEMORY: usize = 256 << 10;

/// Memory that is the process's alone, in bytes. Children share much with their parent.
fn private(pid: u32) -> usize {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("it runs");
    let lines = rollup.lines().filter_map(|line| line.strip_prefix("Private_Dirty:"));
    lines.map(|line| line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") * 1024).sum()
}

fn private_with_children(server: &Server) -> usize {
    let pid = server.pid();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("it runs");
    private(pid) + children.split_whitespace().map(|child| private(child.parse().expect("a number"))).sum::<usize>()
}

#[test]
fn an_idle_connection_gives_back_the_memory_of_a_long_exchange() {
    for (model, count) in [("threads", 32), ("pool", 32), ("fork", 8), ("sequential", 1)] {
        let pool_size: &[&str] = if model == "pool" { &["--pool-size", "32"] } else { &[] };
        let args = [&["app", "0", "-q", "--idle-timeout", "10m", "--model", model], pool_size].concat();
        let mut command = multiconn(&[&["serve"], &args[..]].concat());
        // With several arenas, the C library keeps some free memory in each, however many connections there are.
        command.env("MALLOC_ARENA_MAX", "1");
        let server = Server::spawn(command);
        let before = private_with_children(&server);
        let (long, short) = ("v".repeat(500_000), kept_search("ring"));
        let mut peers: Vec<TcpStream> = (0..count).map(|_| server.connect()).collect();
        for peer in &mut peers {
            peer.write_all(&kept_search(&long)).unwrap();
            expect(peer, &kept_result(&format!("No match for '{long}'.")));
        }
        let begun = Instant::now();
        let cost = || private_with_children(&server).saturating_sub(before) / count;
        while cost() > KEPT_MEMORY {
            assert!(begun.elapsed() < PATIENCE, "{model}: {count} idle connections hold {} bytes each", cost());
            std::thread::sleep(Duration::from_millis(10));
        }
        println!("{model}: {count} idle connections hold {} bytes each", cost());
        for peer in &mut peers {
            peer.write_all(&short).unwrap();
            expect(peer, &kept_result(RING));
        }
        drop(peers);
        server.stop();
    }
}

/// Only a terminal limits the length of a line, and standard input need not be one.
#[test]
fn a_line_on_standard_input_is_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("keys");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let mut keys = fs::File::options().read(true).write(true).open(&fifo).unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$0\" serve multiply 0 --wait-for-enter --times 2 < \"$1\""]);
    command.arg(env!("CARGO_BIN_EXE_multiconn")).arg(&fifo);
    let server = Server::spawn(command);
    let mut peer = server.connect();
    peer.write_all(b"ab\n").unwrap();
    let before = resident(&server);
    (0..1024).for_each(|_| keys.write_all(&[b'x'; 64 << 10]).unwrap());
    let after = resident(&server);
    assert!(after < before + (16 << 20), "{before} bytes have become {after}");
    keys.write_all(b"\n").unwrap();
    expect_last(&mut peer, b"abab");
}

#[test]
fn no_descriptor_is_lost_in_ten_thousand_connections() {
    // No timeout may close them.
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

/// The most that a connection may cost which waits for a message. In a debug build mio has more in each socket.
const IDLE_MEMORY: usize = if cfg!(debug_assertions) { 256 } else { 200 };

#[test]
fn an_idle_connection_costs_two_hundred_bytes_at_most() {
    let count = raise_limit().map_or(10_000, |limit| limit.saturating_sub(200).min(10_000) as usize);

    let server = Server::start(&["app", "0", "-q", "--idle-timeout", "10m"]);
    // The program's own pages, such as those of code that runs now and then, are there before the connections are.
    let idle: Vec<TcpStream> = (0..100).map(|_| server.connect()).collect();
    (0..500).for_each(|_| ask(&server));
    idle.into_iter().for_each(reset);
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
    // With few connections, the slab's old memory is a large part.
    let cost_max = if count == 10_000 { IDLE_MEMORY } else { 1024 };
    assert!(cost <= cost_max, "{count} idle connections cost {cost} bytes each");
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
    let refusal = result("Error: the server is full, its only connection is in use; try again later");
    for _ in 0..20 {
        let mut stream = server.connect();
        stream.write_all(&vec![b'x'; 200_000]).unwrap();
        expect_last(&mut stream, &refusal);
    }
    first.write_all(&search("morpheus")).unwrap();
    expect_last(&mut first, &result(RABBIT));
    server.stop();
}

/// The most that either side of a transfer may have in use, however much is transferred. Of that, a debug build takes some
/// 20 MiB for its own code and data, three times as much as an optimised one.
const TRANSFER_MEMORY: usize = if cfg!(debug_assertions) { 32 << 20 } else { 16 << 20 };

/// Bytes that repeat only after an odd number of them.
fn pattern() -> Vec<u8> {
    (0..1_000_003_u32).map(|number| (number.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect()
}

/// Reads `len` bytes that must be `pattern` over and over, from its beginning at `at`, and returns where it is then.
fn read_pattern(from: &mut impl Read, pattern: &[u8], mut at: usize, mut len: usize) -> usize {
    let mut buffer = vec![0; 1 << 18];
    while len > 0 {
        let wanted = buffer.len().min(len).min(pattern.len() - at);
        let got = from.read(&mut buffer[..wanted]).expect("it goes on");
        assert!(got > 0 && buffer[..got] == pattern[at..at + got], "{len} bytes before the end");
        len -= got;
        at = (at + got) % pattern.len();
    }
    at
}

#[test]
fn a_large_file_takes_little_memory_on_either_side() {
    let len: usize = if cfg!(debug_assertions) { 256 << 20 } else { 1 << 30 };
    let dir = tempfile::TempDir::new().unwrap();
    let pattern = pattern();
    let mut file = fs::File::create(dir.path().join("large")).unwrap();
    for _ in 0..len / pattern.len() {
        file.write_all(&pattern).unwrap();
    }
    file.write_all(&pattern[..len % pattern.len()]).unwrap();
    drop(file);

    let server = Server::start(&["getfile", "0", "-q", "--root", dir.path().to_str().unwrap()]);
    let mut call = multiconn(&["call", "getfile", &server.address_text(), "large", "-o", "-"]);
    let mut call = call.stdout(Stdio::piped()).spawn().unwrap();
    let mut out = call.stdout.take().unwrap();
    // What is held back is more than a pipe has room for, so that the client is still there.
    let last = 1 << 20;
    let at = read_pattern(&mut out, &pattern, 0, len - last);
    let client = peak(call.id());
    read_pattern(&mut out, &pattern, at, last);
    assert_eq!(out.read(&mut [0]).unwrap(), 0);
    assert!(call.wait().unwrap().success());
    println!("{len} bytes took {client} bytes of the client, and {} of the server", peak(server.pid()));
    assert!(client < TRANSFER_MEMORY && peak(server.pid()) < TRANSFER_MEMORY);
    server.stop();
}

#[test]
fn ten_gigabytes_to_come_take_little_memory() {
    let server = Server::start(&["multiply", "0", "-q", "--write-timeout", "10m"]);
    let string: Vec<u8> = pattern().into_iter().filter(|&byte| byte != b'\n').collect();
    let mut readers: Vec<TcpStream> = (0..2)
        .map(|_| {
            let mut reader = server.connect();
            reader.write_all(&[&string[..], b"\n"].concat()).unwrap();
            reader
        })
        .collect();
    // Each reads a bit of it, and then nothing.
    for reader in &mut readers {
        read_pattern(reader, &string, 0, 20_000_000);
    }
    println!("twice ten gigabytes on their way take {} bytes", peak(server.pid()));
    assert!(peak(server.pid()) < TRANSFER_MEMORY);
    drop(readers);
    let mut next = server.connect();
    next.write_all(b"h\n").unwrap();
    expect_last(&mut next, &[b'h'; 10_000]);
    server.stop();
}

/// Keeps what it's given.
struct Kept(Vec<u8>);

impl Store for Kept {
    fn expect(&mut self, len: u64) {
        self.0.reserve_exact(usize::try_from(len).unwrap());
    }

    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

#[test]
fn a_thousand_downloads_at_once() {
    raise_limit();
    let dir = tempfile::TempDir::new().unwrap();
    let pattern = pattern();
    let content = |number: usize| &pattern[number..number + 37 * number];
    for number in 0..1000 {
        fs::write(dir.path().join(number.to_string()), content(number)).unwrap();
    }
    let server = Server::start(&["getfile", "0", "-q", "--root", dir.path().to_str().unwrap()]);
    let before = open_descriptors(&server);
    let sessions = (0..1000).map(|number: usize| {
        let path = number.to_string();
        let request = Request { path: path.as_bytes(), with_status: number.is_multiple_of(2), offset: 0 };
        GetFileClient::new(&request, Kept(Vec::new()), PATIENCE)
    });
    let conversations = converse(&[server.address()], sessions, PATIENCE).unwrap();
    for (conversation, number) in conversations.into_iter().zip(0..) {
        // Without a status, an empty file looks like no file; only number 0 requests that one, with a status.
        assert!(matches!(conversation.end, session::End::Finished), "{number}: {}", conversation.end);
        assert!(conversation.session.into_store().0 == content(number), "{number}");
    }
    let mut asked = 0;
    while open_descriptors(&server) > before {
        asked += 1;
        assert!(asked < 10_000, "each has closed its socket and its file");
        let mut peer = server.connect();
        peer.write_all(b"7\n").unwrap();
        expect_last(&mut peer, content(7));
    }
    server.stop();
}

#[test]
fn what_cannot_be_sent_holds_up_nobody_nor_does_what_is_read_slowly() {
    let dir = tempfile::TempDir::new().unwrap();
    fs::create_dir(dir.path().join("folder")).unwrap();
    fs::write(dir.path().join("small"), "small").unwrap();
    fs::File::create(dir.path().join("huge")).unwrap().set_len(1 << 40).unwrap();
    mkfifoat(CWD, dir.path().join("pipe"), Mode::RWXU).unwrap();
    std::os::unix::fs::symlink("/dev/zero", dir.path().join("zero")).unwrap();
    let server = Server::start(&["getfile", "0", "-q", "--hidden", "--root", dir.path().to_str().unwrap()]);
    let ask = |request: &[u8]| {
        let mut peer = server.connect();
        peer.write_all(request).unwrap();
        peer
    };
    // One that reads a bit now and then, and one that reads all the time.
    let mut slow = ask(b"huge\n");
    let eager = ask(b"huge\n");
    let mut reading = eager.try_clone().unwrap();
    let reader = std::thread::spawn(move || {
        let mut buffer = vec![0; 1 << 18];
        let mut sum = 0;
        while let Ok(len @ 1..) = reading.read(&mut buffer) {
            sum += len;
        }
        sum
    });
    for _ in 0..30 {
        expect(&mut slow, &[0; 100_000]);
        for (path, reply) in [
            ("pipe", "ERROR cannot send 'pipe': not a regular file\n"),
            ("zero", "ERROR cannot send 'zero': it leads out of the served folder\n"),
            ("folder", "ERROR cannot send 'folder': not a regular file\n"),
            ("small", "OK 5\nsmall"),
        ] {
            expect_last(&mut ask(format!("\0{path}\n").as_bytes()), reply.as_bytes());
        }
    }
    assert!(peak(server.pid()) < TRANSFER_MEMORY);
    eager.shutdown(Shutdown::Both).unwrap();
    assert!(reader.join().unwrap() > 0);
    drop(slow);
    server.stop();
}
