//! The sink, which never reads: how a client fills it up, where the bytes are held, and how it closes.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Command, Output};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use crate::common::*;

const MODELS: [&str; 7] = ["reactor", "poll", "select", "sequential", "threads", "pool", "fork"];
/// Those that notice when somebody hangs up.
const NOTICING: [&str; 6] = ["reactor", "poll", "sequential", "threads", "pool", "fork"];

/// With every one of `models` at once, since they mostly wait.
fn with_each(models: &[&'static str], test: impl Fn(&'static str) + Sync) {
    thread::scope(|scope| {
        for model in models {
            scope.spawn(|| test(model));
        }
    });
}

fn serve(args: &[&str]) -> Server {
    Server::start(&[&["sink", "0"], args].concat())
}

fn python_client(server: &Server, args: &[&str]) -> Command {
    let mut command = python("sink_client.py");
    let address = server.address();
    command.arg(address.ip().to_string()).arg(address.port().to_string()).args(args);
    command
}

/// The Python client's address, how many bytes were taken of it, and how its connection ended.
fn talk(server: &Server, args: &[&str]) -> (String, u64, String) {
    let printed = text(&printed(python_client(server, args)));
    let mut lines = printed.lines().map(str::to_owned);
    let address = lines.next().expect("its address");
    let count = lines.next().and_then(|line| line.strip_suffix(" bytes")?.parse().ok()).expect("a number of bytes");
    (address, count, lines.collect())
}

fn call(address: &str, args: &[&str]) -> Output {
    run(multiconn(&[&["call", "sink", address], args].concat()))
}

#[test]
fn a_python_client_fills_it_up_and_is_held_for_a_while() {
    with_each(&MODELS, |model| {
        let server = serve(&["--model", model, "--hold", "500ms"]);
        let (address, count, end) = talk(&server, &[]);
        assert!(count > 0);
        assert_eq!(end, "reset", "{model}: nobody has read it");
        server.wait_for_log(&format!("Closing connection to {address}: held for 500ms"));
        server.stop();
    });
}

#[test]
fn a_python_client_that_hangs_up_is_let_go_at_once() {
    with_each(&NOTICING, |model| {
        let server = serve(&["--model", model, "--hold", "1h"]);
        for (then, seen) in [("end", "reset"), ("close", "")] {
            let (address, count, end) = talk(&server, &["--send", "hello", "--then", then]);
            assert_eq!((count, end.as_str()), (5, seen), "{model}");
            server.wait_for_log(&format!("{address} has hung up"));
            server.wait_for_log(&format!("Closing connection to {address}: finished"));
        }
        // With nothing unread it's an end in order.
        let (_, _, end) = talk(&server, &["--send", "", "--then", "end"]);
        assert_eq!(end, "the end", "{model}");
        // A peer with more unsent data than fits can only get a reset through.
        let (address, _, _) = talk(&server, &["--then", "reset"]);
        server.wait_for_log(&format!("Closing connection to {address}: connection reset by peer"));
        server.stop();
    });
}

#[test]
fn select_does_not_notice_and_holds_nobody_longer_than_it_should() {
    let server = serve(&["--model", "select", "--hold", "500ms"]);
    for then in ["end", "close", "reset"] {
        let (address, _, _) = talk(&server, &["--send", "hello", "--then", then]);
        server.wait_for_log(&format!("Closing connection to {address}: held for 500ms"));
    }
    server.stop();
}

#[test]
fn a_stop_waits_for_nobody() {
    with_each(&MODELS, |model| {
        let server = serve(&["--model", model, "--hold", "1h", "--drain-timeout", "1h"]);
        let mut peer = server.connect();
        let address = peer.local_addr().unwrap();
        peer.write_all(b"unread").unwrap();
        server.wait_for_log(&format!("Accepted connection from {address}"));
        let log = text(&server.stop());
        assert!(log.contains(&format!("Closing connection to {address}: server is stopping")), "{model}: {log}");
    });
}

#[test]
fn one_too_many_is_closed_without_a_word() {
    let server = serve(&["--max-connections", "1"]);
    let held = server.connect();
    server.wait_for_log(&format!("Accepted connection from {}", held.local_addr().unwrap()));
    assert_eq!(to_end(&mut server.connect()), b"");
    server.stop();
}

#[cfg(target_os = "linux")]
#[test]
fn the_log_tells_how_the_recv_q_grows() {
    with_each(&MODELS, |model| {
        let server = serve(&["--model", model, "-v"]);
        let mut peer = server.connect();
        let address = peer.local_addr().unwrap();
        for (more, len) in [("hello", 5), (", nobody", 13)] {
            peer.write_all(more.as_bytes()).unwrap();
            server.wait_for_log(&format!("Recv-Q of {address}: {len} bytes"));
        }
        drop(peer);
        let log = text(&server.stop());
        assert_eq!(log.matches("Recv-Q").count(), usize::from(log.contains(": 14 bytes")), "{log}");
    });
}

/// The numbers in a text.
fn numbers(text: &str) -> Vec<u64> {
    text.split(|char: char| !char.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

#[test]
fn a_python_server_is_filled_up_and_both_ends_are_shown() {
    for (args, proto) in [(vec![], "tcp"), (vec!["--ipv6"], "tcp6")] {
        let mut command = python("sink_server.py");
        let server = Server::spawn({
            command.args(args);
            command
        });
        let address = server.address_text();
        let said = text(&printed(multiconn(&["call", "sink", &address, "--send-until-full", "--settle", "200ms"])));
        let lines: Vec<&str> = said.lines().collect();
        assert!(lines[0].starts_with(&format!("{address} took ")), "{said}");
        assert!(lines[0].ends_with(" bytes, and then no more for 200ms"), "{said}");
        let sent = numbers(lines[0].strip_prefix(&address).unwrap())[0];
        assert!(sent > 0);
        if cfg!(target_os = "linux") {
            let [_, head, theirs, ours, words] = lines[..] else { panic!("{said}") };
            let titles: Vec<&str> = head.split_whitespace().collect();
            assert_eq!(titles, ["Proto", "Recv-Q", "Send-Q", "Local", "Address", "Foreign", "Address", "State"]);
            let [theirs, ours] = [theirs, ours].map(|line| line.split_whitespace().collect::<Vec<_>>());
            let local = ours[3];
            let (recv_q, send_q) = (theirs[1], ours[2]);
            assert_eq!(theirs, [proto, recv_q, "0", &address, local, "ESTABLISHED"]);
            assert_eq!(ours, [proto, "0", send_q, local, &address, "ESTABLISHED"]);
            let sum = format!("The server's Recv-Q of {recv_q} and our Send-Q of {send_q} make {sent}");
            assert_eq!(words, sum + ": all that was sent, and held by the kernel");
        }
        // What nobody has read is in nobody's way.
        assert_eq!(server.printed(), "reset\n");
    }
}

#[test]
fn a_python_server_that_reads_after_all_is_told_from_one_that_does_not() {
    let mut command = python("sink_server.py");
    command.arg("--read");
    let server = Server::spawn(command);
    let output = call(&server.address_text(), &["--limit", "20m"]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), String::new()));
    let said = text(&output.stderr);
    let address = server.address_text();
    let begins = format!("multiconn: nothing filled up: {address} took 20971520 bytes, all that --limit allows");
    assert!(said.starts_with(&begins), "{said}");
    // It is cut off, so that it may miss the last of them.
    let read = numbers(&server.printed())[0];
    assert!((1..=20 << 20).contains(&read), "{read}");
}

#[test]
fn a_python_server_that_leaves_is_an_error() {
    let mut command = python("sink_server.py");
    command.arg("--leave");
    let server = Server::spawn(command);
    let output = call(&server.address_text(), &[]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), String::new()));
    let said = text(&output.stderr);
    let address = server.address_text();
    assert!(said.starts_with(&format!("multiconn: the connection to {address} broke after ")), "{said}");
    server.printed();
}

#[test]
fn nobody_there_is_an_error() {
    let (_socket, address) = refusing();
    let address = address.to_string();
    let output = call(&address, &[]);
    let said = format!("multiconn: cannot connect to {address}: connection refused (is a server running there?)\n");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(1), said));
}

/// Our client and our server, of every model; and a client that is killed leaves nothing behind.
#[test]
fn our_client_fills_our_server() {
    with_each(&NOTICING, |model| {
        let server = serve(&["--model", model, "--hold", "1h"]);
        let said = text(&printed(multiconn(&["call", "sink", &server.address_text(), "--settle", "100ms"])));
        assert!(said.contains(" bytes, and then no more for 100ms\n"), "{said}");
        server.wait_for_log("connection reset by peer");

        let mut client = multiconn(&["call", "sink", &server.address_text(), "--settle", "1h"]).spawn().unwrap();
        server.wait_for_log("Accepted connection");
        // It may not have got so far as to close with a reset; but then nothing is sent yet, and its end arrives.
        kill_process(Pid::from_child(&client), Signal::INT).unwrap();
        client.wait().unwrap();
        server.wait_for_log("Closing connection");
        server.stop();
    });
}

/// One that sends byte by byte is held as any other.
#[test]
fn a_dripping_peer_is_one_as_any() {
    let server = serve(&["--hold", "1h"]);
    let mut peer: TcpStream = server.connect();
    for byte in b"one by one" {
        peer.write_all(&[*byte]).unwrap();
    }
    peer.shutdown(Shutdown::Write).unwrap();
    assert_eq!(peer.read(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    server.wait_for_log("finished");
    server.stop();
}
