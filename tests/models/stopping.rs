//! A stop, in the midst of conversations.

use std::fs;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::common::{RABBIT, RING, json, kept_result, kept_search, result, search, text};
use crate::echo::much;
use crate::running::Running;
use crate::talk::{Came, Peer, Transcript, Way, bytes, check};
use crate::{AtOnce, Model};

/// What is stopped, and on what.
struct Stop {
    name: &'static str,
    protocol: &'static str,
    /// Makes the peer that is there when the server stops.
    before: fn(&Way) -> Peer,
    /// What it says once the server is stopping.
    after: fn(&mut Peer),
    comes: fn() -> Transcript,
}

impl Stop {
    fn hold(&self, model: &Model, args: &[&str]) {
        let running = Running::start(model, self.protocol, args);
        println!("{}: {}", running.name, self.name);
        let mut peer = (self.before)(&Way(running.server()));
        stop(&running);
        (self.after)(&mut peer);
        peer.hear_to_end();
        check(&running, self.name, &peer.close(), &(self.comes)());
        running.ended();
    }
}

/// Tells the server to stop, and waits until it does.
fn stop(running: &Running) {
    println!("{}: stopping", running.name);
    running.server().signal(Signal::TERM);
    running.server().wait_for_log("Stopping");
}

/// A peer that is known to be accepted, and has said nothing.
fn silent(way: &Way) -> Peer {
    let peer = way.connect();
    way.0.wait_for_log(&format!("Accepted connection from {}", peer.address()));
    peer
}

/// A peer that has had an answer.
fn answered(way: &Way) -> Peer {
    let mut peer = way.connect();
    peer.send(kept_search("ring"));
    peer.hear(kept_result(RING).len());
    peer
}

/// A peer that has had an answer, which shows that the 50 bytes of the next request are with the server too.
pub fn half(way: &Way) -> Peer {
    let mut peer = way.connect();
    peer.send([&kept_search("ring"), &search("morpheus")[..50]].concat());
    peer.hear(kept_result(RING).len());
    peer
}

fn half_kept(way: &Way) -> Peer {
    let mut peer = way.connect();
    peer.send([&kept_search("ring"), &kept_search("morpheus")[..50]].concat());
    peer.hear(kept_result(RING).len());
    peer
}

fn half_comes() -> Transcript {
    vec![bytes(kept_result(RING)), bytes(result(RABBIT)), Came::End]
}

/// A peer whose echo has come back.
fn echoed(way: &Way) -> Peer {
    let mut peer = way.connect();
    peer.send("hello");
    peer.hear(5);
    peer
}

const LETS_FINISH: &[Stop] = &[
    Stop { name: "nothing said", protocol: "echo", before: silent, after: |_| {}, comes: || vec![Came::End] },
    Stop {
        name: "nothing begun",
        protocol: "echo",
        before: echoed,
        after: |_| {},
        comes: || vec![bytes("hello"), Came::End],
    },
    Stop { name: "nothing said", protocol: "app", before: silent, after: |_| {}, comes: || vec![Came::End] },
    Stop {
        name: "nothing begun",
        protocol: "app",
        before: answered,
        after: |_| {},
        comes: || vec![bytes(kept_result(RING)), Came::End],
    },
    Stop {
        name: "half a request",
        protocol: "app",
        before: half,
        after: |peer| peer.send(&search("morpheus")[50..]),
        comes: half_comes,
    },
    Stop {
        name: "half a request that would keep the connection",
        protocol: "app",
        before: half_kept,
        after: |peer| peer.send(&kept_search("morpheus")[50..]),
        comes: || vec![bytes(kept_result(RING)), bytes(kept_result(RABBIT)), Came::End],
    },
];

pub fn lets_finish(model: &Model) {
    for stop in LETS_FINISH {
        stop.hold(model, &[]);
    }
}

/// What does not finish is cut off: the server ends by itself, whatever its peers do.
pub fn cuts_off(model: &Model) {
    const ARGS: [&str; 2] = ["--drain-timeout", "300ms"];
    const WHY: &str = ": server stopped before it was done";

    let running = Running::start(model, "app", &ARGS);
    let mut peer = half(&Way(running.server()));
    stop(&running);
    let (name, log) = running.ended();
    peer.hear_to_end();
    let came = peer.close();
    let is_cut = came[0] == bytes(kept_result(RING)) && matches!(came[1..], [Came::End | Came::Reset]);
    assert!(is_cut && text(&log).contains(WHY), "{name}: half a request: {came:?}\n{}", text(&log));

    let dictionary = LongDictionary::new();
    let running = Running::start(model, "app", &[&ARGS[..], &dictionary.args()].concat());
    let unread = dictionary.unread(&Way(running.server()));
    stop(&running);
    let (name, log) = running.ended();
    assert!(text(&log).contains(WHY), "{name}: unread replies: {}", text(&log));
    drop(unread);

    let running = Running::start(model, "echo", &ARGS);
    let mut unread = Way(running.server()).connect_with_little_room();
    unread.send_what_fits(&much().repeat(16));
    stop(&running);
    running.ended();
    drop(unread);
}

/// A dictionary with an entry that is a mebibyte long: 16 of them are more than the system's buffers hold.
struct LongDictionary {
    _folder: TempDir,
    path: String,
}

impl LongDictionary {
    fn new() -> LongDictionary {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("words.json");
        fs::write(&path, json(&[("morpheus", RABBIT), ("ring", RING), ("long", &Self::entry())])).unwrap();
        LongDictionary { path: path.to_str().expect("it is UTF-8").to_owned(), _folder: folder }
    }

    fn entry() -> String {
        "long ".repeat((1 << 20) / 5)
    }

    fn args(&self) -> [&str; 2] {
        ["--dictionary", &self.path]
    }

    /// A peer to which the first of 16 such entries is on its way, and the server knows that the others are to follow.
    fn unread(&self, way: &Way) -> Peer {
        let mut peer = way.connect_with_little_room();
        peer.send(kept_search("long").repeat(16));
        // All of its requests came with the first.
        peer.hear(1);
        peer
    }

    fn unread_comes(&self) -> Transcript {
        let replies = kept_result(&Self::entry()).repeat(16);
        vec![bytes(&replies[..1]), bytes(&replies[1..]), Came::End]
    }
}

/// Three connections at one stop: one has nothing begun, one half a request, and one has not read its replies.
pub fn several(model: &Model) {
    if model.at_once < AtOnce::Few {
        return println!("{} serves one at a time, so this is skipped", model.name);
    }
    // However long a busy machine takes.
    const ARGS: [&str; 4] = ["--drain-timeout", "20s", "--linger-timeout", "20s"];

    let dictionary = LongDictionary::new();
    let running = Running::start(model, "app", &[&ARGS[..], &dictionary.args()].concat());
    let way = Way(running.server());
    let (mut idle, mut half, mut unread) = (answered(&way), half(&way), dictionary.unread(&way));
    stop(&running);
    idle.hear_to_end();
    check(&running, "idle", &idle.close(), &[bytes(kept_result(RING)), Came::End]);
    half.send(&search("morpheus")[50..]);
    half.hear_to_end();
    check(&running, "half a request", &half.close(), &half_comes());
    unread.hear_to_end();
    check(&running, "unread replies", &unread.close(), &dictionary.unread_comes());
    running.ended();

    let running = Running::start(model, "echo", &ARGS);
    let way = Way(running.server());
    let (mut idle, mut other) = (silent(&way), echoed(&way));
    let mut unread = way.connect_with_little_room();
    let much = much().repeat(16);
    let sent = unread.send_what_fits(&much);
    stop(&running);
    idle.hear_to_end();
    check(&running, "nothing said", &idle.close(), &[Came::End]);
    other.hear_to_end();
    check(&running, "nothing begun", &other.close(), &[bytes("hello"), Came::End]);
    // It's unknown how much of it had arrived when the server stopped; the reply is a prefix of it.
    unread.hear_to_end();
    let mut came = unread.close();
    if let [Came::Bytes(echo), Came::End] = &came[..]
        && much[..sent].starts_with(echo)
    {
        came = vec![Came::BeginningAndEnd];
    }
    check(&running, "unread echo", &came, &[Came::BeginningAndEnd]);
    running.ended();
}
