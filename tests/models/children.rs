//! What becomes of the processes of `--model fork`.

use std::fs;
use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::sync::PoisonError;
use std::thread;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use crate::caps::ask;
use crate::common::{
    PATIENCE, RABBIT, RING, Server, connect, expect, expect_last, kept_result, kept_search, multiconn, read_some,
    result, search, started_with, text,
};
use crate::crowd::CROWDED;
use crate::running::{Running, children_of};
use crate::{MODELS, Model};

fn forking() -> impl Iterator<Item = &'static Model> {
    MODELS.iter().filter(|model| model.forks)
}

fn open_descriptors(server: &Server) -> usize {
    fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("it runs").count()
}

/// Waits until no child is left, not even one that has ended, though nothing happens that the server could notice.
fn wait_until_childless(running: &Running) {
    let begun = Instant::now();
    while !children_of(running.server().pid()).is_empty() {
        let left = || children_of(running.server().pid());
        assert!(begun.elapsed() < PATIENCE, "{}: children are left: {}", running.name, left());
        thread::yield_now();
    }
}

/// A peer that has had an answer, which shows that the half of its next request is with the server too.
fn half(server: &Server) -> TcpStream {
    let mut peer = server.connect();
    peer.write_all(&[&kept_search("ring"), &search("morpheus")[..50]].concat()).unwrap();
    expect(&mut peer, &kept_result(RING));
    peer
}

fn other_half(mut peer: TcpStream) {
    peer.write_all(&search("morpheus")[50..]).unwrap();
    expect_last(&mut peer, &result(RABBIT));
}

/// The connection of a child, and the number of that child. No other may be there.
fn only_child(running: &Running) -> (TcpStream, Pid) {
    let mut peer = running.server().connect();
    ask(&mut peer);
    (peer, pids(running)[0])
}

fn pids(running: &Running) -> Vec<Pid> {
    let children = children_of(running.server().pid());
    children.split_whitespace().map(|pid| Pid::from_raw(pid.parse().unwrap()).expect("it has a number")).collect()
}

/// That the server lets go, with or without an error, and without a word.
fn is_let_go(mut peer: TcpStream) {
    match read_some(&mut peer, &mut [0]) {
        Ok(len) => assert_eq!(len, 0, "nothing comes"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}

fn thousands(model: &Model) {
    const ASKERS: usize = 4;

    let _crowded = CROWDED.lock().unwrap_or_else(PoisonError::into_inner);
    let running = Running::start(model, "app", &["-q"]);
    let server = running.server();
    let (address, before) = (server.address(), open_descriptors(server));
    let begun = Instant::now();
    thread::scope(|scope| {
        for _ in 0..ASKERS {
            scope.spawn(|| {
                for _ in 0..2_000 / ASKERS {
                    let mut peer = connect(address);
                    peer.write_all(&search("ring")).unwrap();
                    expect_last(&mut peer, &result(RING));
                }
            });
        }
    });
    println!("{}: two thousand were served in {:?}", running.name, begun.elapsed());
    wait_until_childless(&running);
    assert_eq!(open_descriptors(server), before, "{}: descriptors", running.name);
    running.stop(model);
}

#[test]
fn none_is_left_of_thousands_reaped_in_the_loop() {
    thousands(forking().next().expect("it is a row"));
}

#[test]
fn none_is_left_of_thousands_reaped_at_signals() {
    thousands(forking().nth(1).expect("it is a row"));
}

#[test]
fn what_twenty_have_begun_is_finished() {
    for model in forking() {
        let running = Running::start(model, "app", &[]);
        let peers: Vec<TcpStream> = (0..20).map(|_| half(running.server())).collect();
        assert_eq!(pids(&running).len(), 20, "{}", running.name);
        running.server().signal(Signal::TERM);
        running.server().wait_for_log("Stopping");
        peers.into_iter().for_each(other_half);
        running.ended();
    }
}

/// As a terminal does it: all processes get the signal.
#[test]
fn what_has_begun_is_finished_where_the_children_get_the_signal_too() {
    for model in forking() {
        let running = Running::start(model, "app", &[]);
        let mut idle = running.server().connect();
        ask(&mut idle);
        let peers: Vec<TcpStream> = (0..5).map(|_| half(running.server())).collect();
        for pid in pids(&running) {
            kill_process(pid, Signal::INT).expect("it runs");
        }
        // A child that was told by itself ends by itself.
        expect_last(&mut idle, b"");
        running.server().signal(Signal::INT);
        running.server().wait_for_log("Stopping");
        peers.into_iter().for_each(other_half);
        running.ended();
    }
}

#[test]
fn a_child_that_is_killed_harms_nobody_else() {
    for model in forking() {
        let running = Running::start(model, "app", &[]);
        let (peer, pid) = only_child(&running);
        let mut other = running.server().connect();
        ask(&mut other);
        kill_process(pid, Signal::KILL).expect("it runs");
        is_let_go(peer);
        let pid = pid.as_raw_nonzero();
        let words = format!("The process of a connection, {pid}, was ended by signal 9");
        running.server().wait_for_log(&words);
        ask(&mut other);
        let mut next = running.server().connect();
        ask(&mut next);
        drop((other, next));
        wait_until_childless(&running);
        running.stop(model);
    }
}

/// A signal that comes just before the child waits leaves no other trace than its flag.
#[test]
fn a_signal_to_a_child_that_is_about_to_wait_is_not_lost() {
    let model = forking().nth(1).expect("it is a row");
    let running = Running::start(model, "app", &["-q"]);
    for _ in 0..200 {
        let (peer, pid) = only_child(&running);
        kill_process(pid, Signal::TERM).expect("it runs");
        is_let_go(peer);
        wait_until_childless(&running);
    }
    running.stop(model);
}

#[test]
fn children_are_reaped_whatever_sigchld_was_at_the_start() {
    for model in forking() {
        for how in ["ignore", "block"] {
            let args = [&["serve", "app", "0", "-q", "--max-children", "3"], model.args].concat();
            let server = Server::spawn(started_with(how, "CHLD", &multiconn(&args)));
            for _ in 0..10 {
                let mut peer = server.connect();
                peer.write_all(&search("ring")).unwrap();
                expect_last(&mut peer, &result(RING));
            }
            server.stop();
        }
    }
}

#[test]
fn children_end_without_their_parent() {
    for model in forking() {
        // Nothing else is to end them.
        const ARGS: [&str; 7] = ["app", "0", "--idle-timeout", "10m", "--drain-timeout", "10m", "--header-timeout"];
        let server = Server::start(&[&ARGS[..], &["10m"], model.args].concat());
        let mut peers = vec![half(&server), server.connect()];
        ask(&mut peers[1]);
        server.signal(Signal::KILL);
        peers.into_iter().for_each(is_let_go);
        // The log ends when the last process that could write to it has ended.
        let (status, log) = server.ended();
        assert_eq!(status.code(), None, "{}: {status}", model.name);
        assert_eq!(text(&log).matches("server stopped before it was done").count(), 2, "{}", text(&log));
    }
}
