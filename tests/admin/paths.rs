//! Each path of a running server, under every model, and what a stop does to them.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use crate::common::{Server, connect, expect, kept_search, multiconn, run, text, to_end};
use rustix::process::Signal;
use serde_json::Value;

fn serve(args: &[&str]) -> (Server, SocketAddr) {
    let server = Server::start(&[args, &["0", "-q", "--admin", "0"]].concat());
    let admin = server.admin.expect("it says where it can be watched");
    assert!(admin.ip().is_loopback());
    (server, admin)
}

/// Sends a request line, with the right host, and further fields.
fn ask(admin: SocketAddr, line: &str, fields: &str) -> TcpStream {
    let mut stream = connect(admin);
    write!(stream, "{line} HTTP/1.1\r\nHost: {admin}\r\n{fields}\r\n").unwrap();
    stream
}

/// The header and the body of a response.
fn response(mut stream: TcpStream) -> (String, String) {
    let all = text(&to_end(&mut stream));
    let (head, body) = all.split_once("\r\n\r\n").expect("a header ends");
    (head.to_owned(), body.to_owned())
}

#[track_caller]
fn get(admin: SocketAddr, path: &str) -> (String, String) {
    response(ask(admin, &format!("GET {path}"), ""))
}

#[track_caller]
fn get_ok(admin: SocketAddr, path: &str) -> String {
    let (head, body) = get(admin, path);
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}\n{body}");
    body
}

/// The events that a reader receives.
struct Events {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Events {
    fn open(admin: SocketAddr, path: &str) -> Events {
        let mut events = Events { stream: ask(admin, &format!("GET {path}"), ""), received: Vec::new() };
        let head = events.block();
        assert!(head.contains("200 OK") && head.contains("text/event-stream"), "{head}");
        assert_eq!(events.block(), "retry: 1000");
        assert_eq!(events.next()["trace"], 1);
        events
    }

    /// The next block of lines.
    fn block(&mut self) -> String {
        loop {
            let text = String::from_utf8_lossy(&self.received).replace('\r', "");
            if let Some((block, rest)) = text.split_once("\n\n") {
                let block = block.to_owned();
                self.received = rest.as_bytes().to_vec();
                return block;
            }
            let mut chunk = [0; 4096];
            let len = self.stream.read(&mut chunk).expect("it goes on");
            assert!(len > 0, "it ended");
            self.received.extend_from_slice(&chunk[..len]);
        }
    }

    fn next(&mut self) -> Value {
        let block = self.block();
        serde_json::from_str(block.strip_prefix("data: ").expect("data")).unwrap()
    }

    /// Waits for an event that is so.
    fn find(&mut self, is_so: impl Fn(&Value) -> bool) -> Value {
        loop {
            let event = self.next();
            if is_so(&event) {
                return event;
            }
        }
    }
}

#[test]
fn each_path_answers() {
    let (server, admin) = serve(&["app"]);
    let mut peer = server.connect();
    let addr = peer.local_addr().unwrap().to_string();
    let request = kept_search("ring");
    peer.write_all(&request).unwrap();
    peer.read_exact(&mut [0; 20]).unwrap();
    peer.write_all(&request[..10]).unwrap();

    let (head, body) = get(admin, "/");
    assert!(
        head.contains("Content-Security-Policy: default-src 'none'") && body.starts_with("<!DOCTYPE html>"),
        "{head}"
    );
    assert_eq!(get_ok(admin, "/healthz"), "ok\n");
    assert_eq!(get_ok(admin, "/readyz"), "ready\n");

    // The last bytes may still be on their way.
    let state = loop {
        let state: Value = serde_json::from_str(&get_ok(admin, "/state.json")).unwrap();
        if state["connections"][0]["input"] == 8 {
            break state;
        }
    };
    let row = &state["connections"][0];
    assert_eq!(
        (&row["peer"], &row["state"], &row["messages"]),
        (&addr.into(), &"JSON header".into(), &1.into()),
        "{row}"
    );
    assert_eq!((&row["interest"], &row["recv_q"]), (&"r".into(), &0.into()), "{row}");
    assert_eq!(state["connections"].as_array().unwrap().len(), 1, "administrators are not shown");
    assert_eq!((&state["loops"][0]["open"], &state["loops"][0]["accepting"]), (&1.into(), &"yes".into()));

    let metrics = get_ok(admin, "/metrics");
    for line in [
        "multiconn_connections 1".to_owned(),
        "multiconn_connections_accepted_total 1".to_owned(),
        "multiconn_messages_total 1".to_owned(),
        format!("multiconn_received_bytes_total {}", request.len() + 10),
        "# TYPE multiconn_turn_seconds histogram".to_owned(),
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} in\n{metrics}");
    }
    let (head, open) = response(ask(admin, "GET /metrics", "Accept: application/openmetrics-text\r\n"));
    assert!(head.contains("application/openmetrics-text") && open.ends_with("# EOF\n"), "{head}");
    server.stop();
}

#[test]
fn what_is_no_request_for_it_is_refused() {
    let (_server, admin) = serve(&["echo"]);
    for (line, fields, status) in [
        ("GET /nowhere", "", "404 Not Found"),
        ("POST /", "", "405 Method Not Allowed"),
        ("DELETE /state.json", "", "405 Method Not Allowed"),
        ("GET /events?connection=x", "", "400 Bad Request"),
        ("GET /", "Host: evil.example\r\n", "403 Forbidden"),
    ] {
        let (head, _) = response(ask(admin, line, fields));
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{line}: {head}");
    }
    let mut stream = connect(admin);
    write!(stream, "GET /state.json HTTP/1.1\r\nHost: evil.example:{}\r\n\r\n", admin.port()).unwrap();
    assert!(response(stream).0.starts_with("HTTP/1.1 403 Forbidden"));
    let mut stream = connect(admin);
    stream.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n").unwrap();
    assert!(response(stream).0.starts_with("HTTP/1.1 400 Bad Request"));
    let (head, _) = response(ask(admin, "GET /", &format!("Cookie: {}\r\n", "x".repeat(9000))));
    assert!(head.starts_with("HTTP/1.1 431"), "{head}");
    for path in ["/", "/events", "/state.json", "/metrics", "/healthz"] {
        let (head, body) = response(ask(admin, &format!("HEAD {path}"), ""));
        assert!(head.starts_with("HTTP/1.1 200 OK") && body.is_empty(), "{path}: {head}");
    }
}

#[test]
fn a_reader_follows_the_events_and_is_shown_what_was_there() {
    let (server, admin) = serve(&["app"]);
    let mut before = server.connect();
    before.write_all(&kept_search("ring")).unwrap();
    before.read_exact(&mut [0; 20]).unwrap();
    let mut events = Events::open(admin, "/events");
    let shown = events.find(|event| event["event"] == "connection_is");
    assert_eq!(shown["peer"], before.local_addr().unwrap().to_string());
    events.find(|event| event["event"] == "loop_is" && event["open"] == 1);

    let mut peer = server.connect();
    let addr = peer.local_addr().unwrap().to_string();
    peer.write_all(&kept_search("<script>alert(1)</script>")).unwrap();
    for name in ["accepted", "received", "stepped", "replied", "sent", "run_ended"] {
        let event = events.find(|event| event["event"] == name && event["peer"] == *addr);
        assert!(event["text"].is_null(), "contents are left out: {event}");
        assert_eq!(event["took"].is_number(), name == "run_ended", "{event}");
    }
    events.find(|event| event["event"] == "turn_ended" && event["run"].is_number());
    let number = events.find(|event| event["peer"] == *addr)["connection"].as_u64().unwrap();

    // One that wants to see only this connection gets no other's events.
    let mut one = Events::open(admin, &format!("/events?connection={number}"));
    before.write_all(&kept_search("ring")).unwrap();
    events.find(|event| event["event"] == "received" && event["peer"] != *addr);
    drop(peer);
    let closed = one.find(|event| {
        assert!(event["connection"].is_null() || event["connection"] == number, "{event}");
        event["event"] == "closed"
    });
    assert_eq!(closed["peer"], *addr);
    server.stop();
}

#[test]
fn contents_are_shown_if_that_is_asked_for_and_are_inert() {
    let server = Server::start(&["echo", "0", "-q", "--admin", "127.0.0.1:0", "--admin-contents"]);
    let mut events = Events::open(server.admin.unwrap(), "/events");
    let mut peer = server.connect();
    peer.write_all(b"<script>\xff\"\r\n\r\ndata: {}").unwrap();
    let received = events.find(|event| event["event"] == "received");
    assert_eq!(received["text"], r#"<script>\xff\"\r\n\r\ndata: {}"#);
    assert_eq!(events.find(|event| event["event"] == "sent")["text"], received["text"]);
}

#[test]
fn a_reader_that_does_not_read_loses_the_oldest_and_slows_nobody() {
    let (server, admin) = serve(&["echo"]);
    let slow = Events::open(admin, "/events");
    let mut peer = server.connect();
    let mut memory = Vec::new();
    for _ in 0..200 {
        for _ in 0..100 {
            peer.write_all(b"hello").unwrap();
            expect(&mut peer, b"hello");
        }
        memory.push(resident(server.pid()));
    }
    let grown = memory.last().unwrap().saturating_sub(memory[20]);
    assert!(grown < 4 << 10, "{grown} KiB more");
    drop(slow);
    server.stop();
}

/// The resident memory of a process, in KiB.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn at_most_32_are_answered_at_once_and_served_ones_need_none_of_their_places() {
    let (server, admin) = serve(&["echo", "--max-connections", "1"]);
    let mut readers: Vec<_> = (0..32).map(|_| Events::open(admin, "/events")).collect();
    let waiting = ask(admin, "GET /healthz", "");
    let mut peer = server.connect();
    peer.write_all(b"hello").unwrap();
    expect(&mut peer, b"hello");
    // It has not been answered: it's the next after one has gone.
    drop(readers.pop());
    assert_eq!(response(waiting).1, "ok\n");
    readers.iter_mut().for_each(|reader| drop(reader.next()));
    server.stop();
}

#[test]
fn a_stop_is_shown_while_others_finish_and_ends_readers() {
    let (server, admin) = serve(&["echo", "--delay", "2s"]);
    let mut events = Events::open(admin, "/events");
    let mut peer = server.connect();
    peer.write_all(b"hello").unwrap();
    events.find(|event| event["event"] == "received");
    server.signal(Signal::TERM);
    events.find(|event| event["event"] == "stopping" && event["open"] == 1);
    let (head, body) = get(admin, "/readyz");
    assert!(head.starts_with("HTTP/1.1 503 Service Unavailable") && body == "stopping\n", "{head} {body}");
    assert_eq!(get_ok(admin, "/healthz"), "ok\n");
    expect(&mut peer, b"hello");
    peer.shutdown(Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    events.stream.read_to_end(&mut rest).unwrap();
    let (status, _) = server.ended();
    assert!(status.success());
}

#[test]
fn every_model_but_fork_can_be_watched() {
    for model in ["reactor", "poll", "select", "sequential", "threads", "pool"] {
        let (server, admin) = serve(&["echo", "--model", model]);
        assert_eq!(get_ok(admin, "/readyz"), "ready\n", "{model}");
        let mut events = Events::open(admin, "/events");
        let mut peer = server.connect();
        peer.write_all(b"hello").unwrap();
        expect(&mut peer, b"hello");
        events.find(|event| event["event"] == "sent");
        drop(peer);
        events.find(|event| event["event"] == "closed");
        let metrics = get_ok(admin, "/metrics");
        assert!(metrics.contains("multiconn_connections_closed_total{reason=\"finished\"} 1"), "{model}: {metrics}");
        let state: Value = serde_json::from_str(&get_ok(admin, "/state.json")).unwrap();
        assert_eq!(
            state["loops"].as_array().unwrap().is_empty(),
            !["reactor", "poll", "select"].contains(&model),
            "{model}: {state}"
        );
        drop(events);
        server.stop();
    }
    let refused = run(multiconn(&["serve", "echo", "0", "--model", "fork", "--admin", "0"]));
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("--admin cannot be used with --model fork"));
}

#[test]
fn with_several_workers_the_first_shows_all() {
    let (server, admin) = serve(&["echo", "--workers", "3"]);
    let mut peers: Vec<_> = (0..12).map(|_| server.connect()).collect();
    for peer in &mut peers {
        peer.write_all(b"hello").unwrap();
        expect(peer, b"hello");
    }
    // All are idle now, and shown nevertheless.
    let state: Value = serde_json::from_str(&get_ok(admin, "/state.json")).unwrap();
    let rows = |key: &str| state[key].as_array().unwrap().clone();
    assert_eq!((rows("loops").len(), rows("connections").len()), (3, 12), "{state}");
    assert_eq!(rows("loops").iter().map(|each| each["open"].as_u64().unwrap()).sum::<u64>(), 12);
    let mut addrs: Vec<_> = peers.iter().map(|peer| peer.local_addr().unwrap().to_string()).collect();
    let mut events = Events::open(admin, "/events");
    while !addrs.is_empty() {
        let shown = events.find(|event| event["event"] == "connection_is");
        addrs.retain(|addr| shown["peer"] != *addr);
    }
    drop(peers);
    (0..12).for_each(|_| drop(events.find(|event| event["event"] == "closed")));
    let metrics = get_ok(admin, "/metrics");
    assert!(metrics.contains("multiconn_connections_accepted_total 12"));
    assert!(metrics.contains("multiconn_received_bytes_total 60") && !metrics.contains("multiconn_messages"));
    server.stop();
}
