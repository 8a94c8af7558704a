//! The log of a server whose standard error is read late, slowly, or never.

mod common;

use std::io::{self, BufRead, BufReader, PipeReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread::{self, JoinHandle};

use common::*;
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::Signal;

/// A server with a standard error that nobody reads yet.
fn server(model: &[&str], flags: OFlags) -> (Server, PipeReader) {
    let (reader, writer) = io::pipe().expect("there is a descriptor left");
    fcntl_setfl(&writer, flags).expect("it can be set");
    let command = multiconn(&[&["serve", "echo", "0", "-v"], model].concat());
    (Server::spawn_with(command, writer.into()), reader)
}

/// Sends each message when the one before is back.
fn say(stream: &mut TcpStream, messages: impl IntoIterator<Item = String>) {
    for message in messages {
        stream.write_all(message.as_bytes()).unwrap();
        expect(stream, message.as_bytes());
    }
}

/// A message that fills its line of the log.
fn message(number: usize) -> String {
    format!("message {number} {}", "x".repeat(180))
}

fn in_background(mut log: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut lines = String::new();
        log.read_to_string(&mut lines).expect("it is text");
        lines
    })
}

/// Checks that a log has a line for each message, or counts it as dropped, in order. Returns how many it has and how
/// many it lacks.
fn told(log: &str) -> (usize, usize) {
    let (mut logged, mut dropped) = (0, 0);
    for line in log.lines() {
        if let Some((_, message)) = line.split_once("Echoing 'message ") {
            let expected = format!("{} ", logged + dropped);
            assert!(message.starts_with(&expected), "{expected} is missing before {message}");
            logged += 1;
        } else if let Some(note) = line.strip_prefix("multiconn: ") {
            let count =
                note.strip_suffix(" log lines dropped: standard error could not be written").expect("it is the note");
            dropped += count.parse::<usize>().expect("it is a number");
        } else {
            assert!(line.starts_with("[20"), "{line}");
        }
    }
    (logged, dropped)
}

#[test]
fn a_log_that_nobody_reads_keeps_no_server_from_its_work_or_its_end() {
    let keeps_none = |model| {
        let (server, unread) = server(model, OFlags::empty());
        for _ in 0..2000 {
            let mut stream = server.connect();
            say(&mut stream, ["hello".to_owned()]);
            stream.shutdown(Shutdown::Write).unwrap();
            expect_last(&mut stream, b"");
        }
        server.signal(Signal::TERM);
        assert_eq!(server.ended().0.code(), Some(0), "{model:?}");
        drop(unread);
    };
    thread::scope(|scope| {
        for model in MODELS {
            scope.spawn(move || keeps_none(model));
        }
    });
}

#[test]
fn a_log_that_is_read_late_is_whole() {
    for model in MODELS {
        for flags in [OFlags::empty(), OFlags::NONBLOCK] {
            let (server, unread) = server(model, flags);
            let mut stream = server.connect();
            say(&mut stream, (0..2000).map(message));
            let log = in_background(unread);
            drop(stream);
            server.signal(Signal::TERM);
            assert_eq!(server.ended().0.code(), Some(0), "{model:?}");
            let log = log.join().unwrap();
            assert_eq!(told(&log), (2000, 0), "{model:?}");
            for words in ["Closing connection to ", "Stopping"] {
                assert!(log.contains(words), "{model:?}: no '{words}' in {log}");
            }
        }
    }
}

#[test]
fn processes_that_share_a_log_leave_each_other_s_lines_whole() {
    let (server, unread) = server(&["--model", "fork"], OFlags::empty());
    let mut streams: Vec<TcpStream> = (0..10).map(|_| server.connect()).collect();
    for _ in 0..200 {
        streams.iter_mut().for_each(|stream| say(stream, [message(0)]));
    }
    let log = in_background(unread);
    let ports: Vec<u16> = streams.into_iter().map(|stream| stream.local_addr().unwrap().port()).collect();
    server.signal(Signal::TERM);
    assert_eq!(server.ended().0.code(), Some(0));
    let log = log.join().unwrap();
    assert!(log.lines().all(|line| line.starts_with("[20")), "{log}");
    for port in ports {
        let line = format!("Echoing '{}' to 127.0.0.1:{port}\n", message(0));
        assert_eq!(log.matches(&line).count(), 200, "{port}: {log}");
    }
}

#[test]
fn dropped_lines_are_counted_in_their_place() {
    let (server, unread) = server(MODELS[0], OFlags::empty());
    let mut stream = server.connect();
    // More than the pipe, the queue and its thread can hold.
    say(&mut stream, (0..20_000).map(message));
    let mut unread = BufReader::new(unread);
    let mut log = String::new();
    while !log.ends_with("standard error could not be written\n") {
        assert_ne!(unread.read_line(&mut log).unwrap(), 0, "it is not told");
    }
    say(&mut stream, (20_000..20_500).map(message));
    let rest = in_background(unread);
    server.signal(Signal::TERM);
    assert_eq!(server.ended().0.code(), Some(0));
    let (logged, dropped) = told(&(log + &rest.join().unwrap()));
    assert!(dropped > 1000 && logged + dropped == 20_500, "{logged} logged, {dropped} dropped");
}
