//! Connection limits: an excess connection waits, or gets an error.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::PoisonError;

use rustix::process::Signal;

use crate::common::{RABBIT, RING, expect, expect_last, kept_result, kept_search, result, search, text};
use crate::crowd::{CROWDED, raise_limit};
use crate::running::Running;
use crate::{AtOnce, Model};

/// A round trip on a connection that stays.
pub fn ask(peer: &mut TcpStream) {
    peer.write_all(&kept_search("morpheus")).unwrap();
    expect(peer, &kept_result(RABBIT));
}

/// That nothing has come, not even the end.
fn has_heard_nothing(peer: &TcpStream) {
    peer.set_nonblocking(true).unwrap();
    let came = peer.peek(&mut [0]).map_err(|error| error.kind());
    peer.set_nonblocking(false).unwrap();
    assert_eq!(came, Err(ErrorKind::WouldBlock), "it has to wait");
}

/// With `cap` connections held open, others wait, however much goes on, and are served when one of those closes.
fn others_wait(args: &'static [&'static str], cap: usize) {
    let model = Model { name: args[1], args, at_once: AtOnce::Few, forks: args[1] == "fork" };
    let running = Running::start(&model, "app", &["--idle-timeout", "10m"]);
    let server = running.server();
    let mut held: Vec<TcpStream> = (0..cap).map(|_| server.connect()).collect();
    held.iter_mut().for_each(ask);
    let mut waiting: Vec<TcpStream> = (0..3 * cap + 3).map(|_| server.connect()).collect();
    for peer in &mut waiting {
        peer.write_all(&search("ring")).unwrap();
    }
    for _ in 0..20 {
        held.iter_mut().for_each(ask);
        waiting.iter().for_each(has_heard_nothing);
    }
    // The one place that is free now is enough for all of them, since each asks and goes.
    drop(held.pop());
    for mut peer in waiting {
        held.iter_mut().for_each(ask);
        expect_last(&mut peer, &result(RING));
    }
    held.iter_mut().for_each(ask);
    drop(held);
    server.signal(Signal::TERM);
    let (name, log) = running.ended();
    let (mut open, mut accepted) = (0, 0);
    for line in text(&log).lines() {
        open += usize::from(line.contains("Accepted connection from"));
        accepted += usize::from(line.contains("Accepted connection from"));
        open -= usize::from(line.contains("Closing connection to"));
        assert!(open <= cap, "{name}: {open} are served at once\n{}", text(&log));
    }
    assert_eq!((accepted, open), (4 * cap + 3, 0), "{name}: each is served once\n{}", text(&log));
}

#[test]
fn one_at_a_time() {
    others_wait(&["--model", "sequential"], 1);
}

#[test]
fn two_threads() {
    others_wait(&["--model", "threads", "--max-threads", "2"], 2);
}

#[test]
fn one_thread() {
    others_wait(&["--model", "threads", "--max-threads", "1"], 1);
}

#[test]
fn a_pool_of_two() {
    // Two of the waiting connections are in its queue, the others in the backlog.
    others_wait(&["--model", "pool", "--pool-size", "2"], 2);
}

#[test]
fn a_pool_of_one() {
    others_wait(&["--model", "pool", "--pool-size", "1"], 1);
}

#[test]
fn two_children_reaped_in_the_loop() {
    others_wait(&["--model", "fork", "--max-children", "2", "--reap", "loop"], 2);
}

#[test]
fn two_children_reaped_at_signals() {
    others_wait(&["--model", "fork", "--max-children", "2", "--reap", "signal"], 2);
}

#[test]
fn more_than_select_can_watch() {
    const PEERS: usize = 1200;

    let _crowded = CROWDED.lock().unwrap_or_else(PoisonError::into_inner);
    raise_limit();
    let model = Model { name: "select", args: &["--model", "select"], at_once: AtOnce::Thousand, forks: false };
    let running = Running::start(&model, "app", &["--max-connections", "5000", "--idle-timeout", "10m"]);
    let server = running.server();
    let (mut served, mut refused) = (Vec::new(), Vec::new());
    for number in 0..PEERS {
        let mut peer = server.connect();
        // One that is refused may have been told so, and closed, already.
        let _ = peer.write_all(&kept_search("morpheus"));
        let mut reply = vec![0; kept_result(RABBIT).len()];
        peer.read_exact(&mut reply).unwrap_or_else(|error| panic!("connection {number}: {error}"));
        if reply == kept_result(RABBIT) {
            served.push(peer);
            continue;
        }
        let _ = peer.read_to_end(&mut reply);
        let told = text(&reply);
        let words = "Error: the server is full, descriptor ";
        assert!(told.contains(words) && told.contains("(FD_SETSIZE is 1024); try again later"), "{number}: {told}");
        refused.push(peer.local_addr().unwrap());
    }
    // Some are the server's own.
    assert!((1000..1024).contains(&served.len()), "{} were served", served.len());
    served.iter_mut().for_each(ask);
    // Each that closes makes room for another.
    for peer in &mut served[..20] {
        peer.write_all(&search("ring")).unwrap();
        expect_last(peer, &result(RING));
    }
    served.drain(..20);
    let mut late: Vec<TcpStream> = (0..10).map(|_| server.connect()).collect();
    late.iter_mut().for_each(ask);
    served.iter_mut().for_each(ask);
    drop((served, late));
    server.signal(Signal::TERM);
    let (name, log) = running.ended();
    let log = text(&log);
    for addr in &refused {
        let words = format!("Refused connection from {addr}: descriptor ");
        let line = log.lines().find(|line| line.contains(&words)).unwrap_or_else(|| panic!("{name}: no '{words}'"));
        assert!(line.ends_with("is beyond what select(2) can watch (FD_SETSIZE is 1024)"), "{name}: {line}");
    }
    assert_eq!(log.matches("Refused connection from").count(), refused.len(), "{name}");
}
