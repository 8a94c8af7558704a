//! A server that takes over from another: no connection is refused, and no request lost.
//!
//! `UPGRADES=100 cargo test --test takeover upgrades` makes more of them than usual.

mod common;

use std::fs;
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use common::*;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use rustix::process::Signal;

impl Place {
    fn control(&self) -> String {
        self.path("control").display().to_string()
    }

    /// Starts a server that takes over from the one before, if there is one.
    fn start(&self, args: &[&str]) -> Server {
        Server::start(&[args, &["--takeover", &self.control()]].concat())
    }

    fn fails(&self, args: &[&str]) -> String {
        let output = run(multiconn(&[&["serve"], args, &["--takeover", &self.control()]].concat()));
        assert_eq!(output.status.code(), Some(1));
        text(&output.stderr)
    }
}

/// Runs a test with the options of each model, at the same time: most of it is waiting.
fn under_every_model(test: impl Fn(&[&'static str]) + Sync) {
    thread::scope(|scope| {
        for model in MODELS {
            let test = &test;
            scope.spawn(move || test(model));
        }
    });
}

/// Waits until `server` has handed over and ended in order.
fn has_left(server: Server) {
    server.wait_for_log("takes over");
    let (status, log) = server.ended();
    assert_eq!(status.code(), Some(0), "{}", text(&log));
}

fn echoes(address: SocketAddr) {
    let mut stream = connect(address);
    stream.write_all(b"hello").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    expect_last(&mut stream, b"hello");
}

/// What a client under load sends, and the reply.
struct Talk {
    request: Vec<u8>,
    reply: Vec<u8>,
}

/// Asks in a connection for each request, until `stop`.
fn ask_once_each(address: SocketAddr, talk: &Talk, stop: &AtomicBool, asked: &AtomicUsize) {
    let _ends = Ends(stop);
    while !stop.load(Ordering::Relaxed) {
        let mut stream = connect(address);
        stream.write_all(&talk.request).unwrap();
        expect(&mut stream, &talk.reply);
        asked.fetch_add(1, Ordering::Relaxed);
    }
}

/// Asks again and again in the same connection. A server may close it between two requests: then the request is sent again,
/// as in HTTP. Once a reply has begun, it must be whole.
fn ask_on_and_on(address: SocketAddr, talk: &Talk, stop: &AtomicBool, asked: &AtomicUsize) {
    let _ends = Ends(stop);
    let mut reply = vec![0; talk.reply.len()];
    while !stop.load(Ordering::Relaxed) {
        let mut stream = connect(address);
        let mut asked_here = 0;
        while !stop.load(Ordering::Relaxed) {
            let sent = stream.write_all(&talk.request);
            let begun = sent.and_then(|()| read_some(&mut stream, &mut reply));
            let Ok(len @ 1..) = begun else {
                assert!(asked_here > 0, "a new connection gets its first reply");
                break;
            };
            stream.read_exact(&mut reply[len..]).unwrap();
            assert_same(&reply, &talk.reply);
            asked_here += 1;
            asked.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Upgrades a server under load, and tells how many requests were answered meanwhile.
fn upgrade_under_load(args: &[&str], once: &Talk, kept: Option<&Talk>, upgrades: usize) -> usize {
    let place = Place::new();
    let args = [args, &["127.0.0.1:0"]].concat();
    let mut server = place.start(&args);
    let address = server.address();
    let (stop, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let ends = Ends(&stop);
        for _ in 0..3 {
            scope.spawn(|| ask_once_each(address, once, &stop, &asked));
        }
        if let Some(kept) = kept {
            for _ in 0..2 {
                scope.spawn(|| ask_on_and_on(address, kept, &stop, &asked));
            }
        }
        let mut left = Vec::new();
        for _ in 0..upgrades {
            let next = place.start(&args);
            server.wait_for_log("takes over");
            left.push(std::mem::replace(&mut server, next));
            let before = asked.load(Ordering::Relaxed);
            while asked.load(Ordering::Relaxed) < before + 20 && !stop.load(Ordering::Relaxed) {
                thread::yield_now();
            }
        }
        for server in left {
            let (status, log) = server.ended();
            assert_eq!(status.code(), Some(0), "{}", text(&log));
        }
        drop(ends);
    });
    server.stop();
    assert!(!place.path("control").exists());
    asked.into_inner()
}

/// Ends the load, also where the test fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn upgrades(usual: usize) -> usize {
    std::env::var("UPGRADES").ok().and_then(|number| number.parse().ok()).unwrap_or(usual)
}

fn echo_talk() -> Talk {
    Talk { request: b"hello, echo".to_vec(), reply: b"hello, echo".to_vec() }
}

#[test]
fn upgrades_of_echo_lose_nothing() {
    let (talk, number) = (echo_talk(), upgrades(10));
    let asked = upgrade_under_load(&["echo"], &talk, Some(&talk), number);
    println!("{number} upgrades of echo, {asked} requests answered");
}

#[test]
fn upgrades_of_app_lose_nothing() {
    let number = upgrades(10);
    let once = Talk { request: search("ring"), reply: result(RING) };
    let kept = Talk { request: kept_search("ring"), reply: kept_result(RING) };
    let asked = upgrade_under_load(&["app"], &once, Some(&kept), number);
    println!("{number} upgrades of app, {asked} requests answered");
}

#[test]
fn upgrades_lose_nothing_under_any_model() {
    let talk = echo_talk();
    for model in &MODELS[1..] {
        let number = upgrades(3);
        // A client that keeps its connection keeps the only thread.
        let kept = (!model.contains(&"sequential")).then_some(&talk);
        let more: &[&str] = if model.contains(&"pool") { &["--pool-size", "16"] } else { &[] };
        let asked = upgrade_under_load(&[&["echo"], *model, more].concat(), &talk, kept, number);
        println!("{number} upgrades of echo with {model:?}, {asked} requests answered");
    }
}

#[test]
fn a_connection_that_has_said_nothing_yet_is_answered() {
    under_every_model(|model| {
        let place = Place::new();
        let first = place.start(&[&["echo", "127.0.0.1:0"], model].concat());
        let mut early = first.connect();
        first.wait_for_log("Accepted connection");
        let second = place.start(&[&["echo", &first.address_text()], model].concat());
        first.wait_for_log("takes over");
        early.write_all(b"hello").unwrap();
        expect(&mut early, b"hello");
        drop(early);
        assert_eq!(first.ended().0.code(), Some(0), "{model:?}");
        echoes(second.address());
        second.stop();
    });
}

#[test]
fn so_is_one_behind_a_proxy() {
    let place = Place::new();
    let args = ["echo", "127.0.0.1:0", "--proxy-protocol"];
    let first = place.start(&args);
    let mut early = first.connect();
    early.write_all(b"PROXY TCP4 192.0.2.1 192.0.2.11 56324 443\r\n").unwrap();
    first.wait_for_log("192.0.2.1:56324");
    let second = place.start(&args);
    first.wait_for_log("takes over");
    early.write_all(b"hello").unwrap();
    expect(&mut early, b"hello");
    drop(early);
    first.ended();
    second.stop();
}

#[test]
fn a_long_conversation_is_finished_by_the_old_server() {
    under_every_model(|model| {
        let place = Place::new();
        let first = place.start(&[&["app", "127.0.0.1:0"], model].concat());
        let request = search("ring");
        let mut long = first.connect();
        long.write_all(&request[..10]).unwrap();
        first.wait_for_log("Accepted connection");
        let second = place.start(&[&["app", &first.address_text()], model].concat());
        first.wait_for_log("Stopping");
        let mut short = second.connect();
        short.write_all(&request).unwrap();
        expect_last(&mut short, &result(RING));
        long.write_all(&request[10..]).unwrap();
        expect_last(&mut long, &result(RING));
        drop(long);
        assert_eq!(first.ended().0.code(), Some(0), "{model:?}");
        second.stop();
    });
}

#[test]
fn a_unix_socket_keeps_its_file_until_the_last_server_ends() {
    under_every_model(|model| {
        let place = Place::new();
        let path = place.path("echo");
        let unix = format!("unix:{}", path.display());
        let args = [&["echo", &unix], model].concat();
        let mut server = place.start(&args);
        for _ in 0..2 {
            let next = place.start(&args);
            has_left(std::mem::replace(&mut server, next));
            let mut stream = UnixStream::connect(&path).unwrap();
            stream.write_all(b"hello").unwrap();
            let mut reply = [0; 5];
            stream.read_exact(&mut reply).unwrap();
            assert_eq!(&reply, b"hello");
        }
        server.stop();
        assert!(!path.exists() && !place.path("control").exists(), "{model:?}");
    });
}

#[test]
fn the_number_of_workers_may_change() {
    let place = Place::new();
    let mut server = place.start(&["echo", "127.0.0.1:0", "--workers", "2", "--admin", "0"]);
    let address = server.address_text();
    for workers in ["1", "3", "2", "1"] {
        let next = place.start(&["echo", &address, "--workers", workers, "--admin", "0"]);
        has_left(std::mem::replace(&mut server, next));
        let admin = server.admin.unwrap();
        // The system gives them to any of the sockets.
        for _ in 0..20 {
            echoes(server.address());
        }
        let mut page = connect(admin);
        page.write_all(format!("GET /healthz HTTP/1.1\r\nHost: {admin}\r\n\r\n").as_bytes()).unwrap();
        assert!(text(&to_end(&mut page)).starts_with("HTTP/1.1 200 OK\r\n"));
    }
    server.stop();
}

#[test]
fn administrators_get_to_the_new_server() {
    for model in [&["--model", "reactor"], &["--model", "threads"]] {
        let place = Place::new();
        let admin = place.path("admin");
        let unix = format!("unix:{}", admin.display());
        let args = [&["echo", "127.0.0.1:0", "--admin", &unix][..], model].concat();
        let first = place.start(&args);
        let address = first.address();
        let second = place.start(&args);
        assert_eq!(second.address(), address);
        has_left(first);
        let mut stream = UnixStream::connect(&admin).unwrap();
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
        // A third one does without.
        let third = place.start(&["echo", &address.to_string()]);
        third.wait_for_log(&format!("unix:{} is not served any more", admin.display()));
        has_left(second);
        assert!(!admin.exists());
        third.stop();
    }
}

#[test]
fn an_address_that_is_not_served_any_more_is_closed() {
    let place = Place::new();
    let first = place.start(&["echo", "127.0.0.1:0", "127.0.0.1:0"]);
    let [kept, closed] = first.addresses[..] else { panic!("it has two") };
    let second = place.start(&["echo", &kept.to_string()]);
    second.wait_for_log(&format!("{closed} is not served any more"));
    has_left(first);
    echoes(kept);
    assert!(TcpStream::connect(closed).is_err());
    second.stop();
}

#[test]
fn new_addresses_are_bound_as_usual() {
    let place = Place::new();
    let first = place.start(&["echo", "127.0.0.1:0"]);
    let second = place.start(&["echo", "127.0.0.1:0", "127.0.0.1:0"]);
    assert_eq!(second.address(), first.address());
    has_left(first);
    second.addresses.iter().for_each(|&address| echoes(address));
    second.stop();
}

#[test]
fn a_server_that_stops_refuses_connections_at_once() {
    under_every_model(|model| {
        let place = Place::new();
        let server = place.start(&[&["app", "127.0.0.1:0"], model].concat());
        let request = search("ring");
        let mut long = server.connect();
        long.write_all(&request[..10]).unwrap();
        server.wait_for_log("Accepted connection");
        server.signal(Signal::TERM);
        server.wait_for_log("Stopping");
        // The listeners of other workers may close a little later.
        while TcpStream::connect(server.address()).is_ok() {
            thread::yield_now();
        }
        while place.path("control").exists() {
            thread::yield_now();
        }
        // So all that happens while the conversation goes on.
        long.write_all(&request[10..]).unwrap();
        expect_last(&mut long, &result(RING));
        drop(long);
        assert_eq!(server.ended().0.code(), Some(0), "{model:?}");
    });
}

/// A process that asks for the sockets, and goes no further.
struct Asker {
    stream: UnixStream,
    heard: String,
    sockets: Vec<OwnedFd>,
}

impl Asker {
    fn new(place: &Place) -> Asker {
        let stream = UnixStream::connect(place.path("control")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Asker { stream, heard: String::new(), sockets: Vec::new() }
    }

    fn say(&mut self, words: &str) {
        self.stream.write_all(words.as_bytes()).unwrap();
    }

    /// Hears until `words` have come.
    fn hear(&mut self, words: &str) {
        while !self.heard.contains(words) {
            let mut bytes = [0; 100];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let flags = RecvFlags::empty();
            let got = recvmsg(&self.stream, &mut [IoSliceMut::new(&mut bytes)], &mut control, flags).unwrap();
            assert_ne!(got.bytes, 0, "{}", self.heard);
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(fds) = message {
                    self.sockets.extend(fds);
                }
            }
            self.heard += &text(&bytes[..got.bytes]);
        }
    }

    fn hears_the_end(&mut self) {
        self.stream.read_to_end(&mut Vec::new()).unwrap();
    }
}

#[test]
fn a_server_goes_on_if_the_next_one_dies_before_it_is_ready() {
    under_every_model(|model| {
        let place = Place::new();
        let path = place.path("echo");
        let unix = format!("unix:{}", path.display());
        let args = [&["echo", "127.0.0.1:0", &unix], model].concat();
        let server = place.start(&args);
        let mut asker = Asker::new(&place);
        asker.say("multiconn-takeover 1 echo\n");
        asker.hear("end\n");
        assert!(asker.heard.starts_with("multiconn-takeover 1 echo\n"), "{}", asker.heard);
        assert_eq!(asker.sockets.len(), if model.contains(&"--workers") { 4 } else { 3 }, "{}", asker.heard);
        echoes(server.address());
        drop(asker);
        server.wait_for_log("No server takes over: the other server has ended the conversation; this one goes on");
        echoes(server.address());
        let next = place.start(&args);
        has_left(server);
        echoes(next.address());
        next.stop();
        assert!(!path.exists());
    });
}

/// Plays an older server: passes a control socket and `served`, and says no more than `last`.
fn pass_on_and_say(control: &UnixListener, served: &TcpListener, last: &str) {
    let (mut caller, _) = control.accept().unwrap();
    caller.read_exact(&mut [0; 26]).unwrap();
    caller.write_all(b"multiconn-takeover 1 echo\n").unwrap();
    for (line, fd) in [("socket control\n", control.as_fd()), ("socket served\n", served.as_fd())] {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let fds = [fd];
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(&fds)));
        let line = [IoSlice::new(line.as_bytes())];
        sendmsg(&caller, &line, &mut ancillary, SendFlags::empty()).unwrap();
    }
    caller.write_all(format!("end\n{last}").as_bytes()).unwrap();
    // With what was not read, a close would be a reset.
    caller.shutdown(Shutdown::Write).unwrap();
    let _ = caller.read_to_end(&mut Vec::new());
}

#[test]
fn a_new_server_goes_on_if_the_old_one_is_gone() {
    let place = Place::new();
    let control = UnixListener::bind(place.path("control")).unwrap();
    let served = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = served.local_addr().unwrap();
    let server = thread::scope(|scope| {
        scope.spawn(|| pass_on_and_say(&control, &served, ""));
        place.start(&["echo", &address.to_string()])
    });
    server.wait_for_log("The server before this one has not said that it ends: the other server has ended");
    drop((control, served));
    echoes(address);
    server.stop();
    assert!(!place.path("control").exists());
}

#[test]
fn a_new_server_that_is_late_ends_with_an_error() {
    let place = Place::new();
    let control = UnixListener::bind(place.path("control")).unwrap();
    let served = TcpListener::bind("127.0.0.1:0").unwrap();
    let error = thread::scope(|scope| {
        scope.spawn(|| pass_on_and_say(&control, &served, "late\n"));
        place.fails(&["echo", &served.local_addr().unwrap().to_string()])
    });
    let why = "this server has taken too long to start, and the other one goes on";
    assert!(error.ends_with(&format!("multiconn: cannot take over: {why}\n")), "{error}");
    assert!(place.path("control").exists());
}

#[test]
fn a_stop_during_a_takeover_leaves_the_rest_to_the_next_server() {
    let place = Place::new();
    let path = place.path("echo");
    let server = place.start(&["echo", &format!("unix:{}", path.display())]);
    let mut asker = Asker::new(&place);
    asker.say("multiconn-takeover 1 echo\n");
    asker.hear("end\n");
    server.stop();
    asker.hears_the_end();
    assert!(path.exists() && place.path("control").exists(), "the sockets are the other server's");
    let _waits = UnixStream::connect(&path).unwrap();
}

#[test]
fn nothing_that_a_caller_does_disturbs_a_server() {
    let place = Place::new();
    let server = place.start(&["echo", "127.0.0.1:0"]);
    for words in ["GET / HTTP/1.1\r\n\r\n", "ready\n", "multiconn-takeover 1 echo\ndone\n", "\n", ""] {
        let mut asker = Asker::new(&place);
        asker.say(words);
        asker.stream.shutdown(Shutdown::Write).unwrap();
        asker.hears_the_end();
        server.wait_for_log("this one goes on");
    }
    let mut garbage = Asker::new(&place);
    garbage.say(&"x".repeat(1000));
    let log = server.wait_for_log("this one goes on");
    assert!(log.contains("the other side is no server of this kind: it says 'xxx"), "{log}");
    let mut half = Asker::new(&place);
    half.say("multiconn-take");
    let silent = Asker::new(&place);
    echoes(server.address());
    // It waits for its turn.
    let next = place.start(&["echo", &server.address_text()]);
    has_left(server);
    drop((half, silent));
    next.stop();
}

#[test]
fn other_versions_and_protocols_are_refused() {
    let place = Place::new();
    let server = place.start(&["echo", "127.0.0.1:0"]);
    let mut asker = Asker::new(&place);
    asker.say("multiconn-takeover 2 {\"protocol\": \"echo\"}\n");
    asker.hear("multiconn-takeover 1 echo\n");
    asker.hears_the_end();
    server.wait_for_log("the other server speaks version 2 of the takeover, and this one 1; this one goes on");
    let error = place.fails(&["app", "127.0.0.1:0"]);
    assert_eq!(
        error,
        format!("multiconn: cannot take over from {}: the other server's protocol is 'echo'\n", place.control())
    );
    echoes(server.address());
    server.stop();
}

#[test]
fn what_a_killed_server_has_left_is_replaced() {
    let place = Place::new();
    let killed = place.start(&["echo", "127.0.0.1:0"]);
    killed.signal(Signal::KILL);
    killed.ended();
    assert!(place.path("control").exists());
    let server = place.start(&["echo", "127.0.0.1:0"]);
    let mode = fs::metadata(place.path("control")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    server.stop();
}

#[test]
fn errors_are_told_in_a_line() {
    let place = Place::new();
    fs::write(place.path("control"), "precious").unwrap();
    let error = place.fails(&["echo", "127.0.0.1:0"]);
    let path = place.control();
    assert_eq!(error, format!("multiconn: cannot listen on unix:{path}: a file that is not a socket is there\n"));
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    fs::remove_file(&path).unwrap();

    let other = UnixListener::bind(&path).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut caller, _) = other.accept().unwrap();
            caller.read_exact(&mut [0; 26]).unwrap();
            caller.write_all(b"220 ready\r\n").unwrap();
        });
        let error = place.fails(&["echo", "127.0.0.1:0"]);
        let why = r"the other side is no server of this kind: it says '220 ready\r'";
        assert_eq!(error, format!("multiconn: cannot take over from {path}: {why}\n"));
    });

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    drop(other);
    fs::remove_file(&path).unwrap();
    let server = place.start(&["echo", "127.0.0.1:0"]);
    let error = place.fails(&["echo", &taken.local_addr().unwrap().to_string()]);
    assert!(error.contains("cannot listen on"), "{error}");
    server.wait_for_log("this one goes on");
    echoes(server.address());
    server.stop();

    let output = run(multiconn(&["serve", "echo", "0", "--takeover", "@control"]));
    assert_eq!(output.status.code(), Some(2));
}
