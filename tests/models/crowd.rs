//! A thousand connections.

use std::sync::{Mutex, PoisonError};

use rustix::process::{Resource, Signal, getrlimit, setrlimit};

use crate::common::{RABBIT, RING, kept_result, kept_search, result, search};
use crate::running::Running;
use crate::talk::{Came, Peer, Transcript, Way, bytes, check};
use crate::{AtOnce, Model};

/// Connections in a crowd. Few systems but Linux let this many wait to be accepted.
const CROWD: usize = if cfg!(target_os = "linux") { 1000 } else { 100 };

/// One crowd is enough for a machine.
pub static CROWDED: Mutex<()> = Mutex::new(());

/// What each of a crowd says and hears.
struct Speech {
    protocol: &'static str,
    /// Said while the connection stays.
    request: fn(usize) -> Vec<u8>,
    reply: fn(usize) -> Vec<u8>,
    /// Said when it is to close.
    last: fn(&mut Peer),
    last_comes: fn() -> Transcript,
}

const SPEECHES: [Speech; 2] = [
    Speech {
        protocol: "echo",
        request: |number| format!("🐶 {number}").into_bytes(),
        reply: |number| format!("🐶 {number}").into_bytes(),
        last: |peer| {
            peer.send("last words");
            peer.end();
        },
        last_comes: || vec![bytes("last words"), Came::End],
    },
    Speech {
        protocol: "app",
        request: |number| match number % 2 {
            0 => kept_search("morpheus"),
            _ => kept_search(&number.to_string()),
        },
        reply: |number| match number % 2 {
            0 => kept_result(RABBIT),
            _ => kept_result(&format!("No match for '{number}'.")),
        },
        last: |peer| peer.send(search("ring")),
        last_comes: || vec![bytes(result(RING)), Came::End],
    },
];

/// Raises this process's limit of open files: it needs one for each connection too.
pub fn raise_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("the limit can be raised as far as it goes");
}

/// All are open while each is served, twice, and at a stop.
pub fn at_once(model: &Model) {
    if model.at_once < AtOnce::Thousand {
        return println!("{} does not serve so many at once, so this is skipped", model.name);
    }
    let _crowded = CROWDED.lock().unwrap_or_else(PoisonError::into_inner);
    raise_limit();
    for Speech { protocol, request, reply, .. } in SPEECHES {
        let running = Running::start(model, protocol, &["-q"]);
        let way = Way(running.server());
        let mut peers: Vec<Peer> = (0..CROWD).map(|_| way.connect()).collect();
        for round in 0..2 {
            for (number, peer) in peers.iter_mut().enumerate() {
                peer.send(request(number + round));
            }
            for (number, peer) in peers.iter_mut().enumerate() {
                peer.hear(reply(number + round).len());
            }
        }
        running.server().signal(Signal::TERM);
        for (number, mut peer) in peers.into_iter().enumerate() {
            peer.hear_to_end();
            let expected = [bytes(reply(number)), bytes(reply(number + 1)), Came::End];
            check(&running, &format!("connection {number} of a crowd"), &peer.close(), &expected);
        }
        running.ended();
    }
}

/// All are open at once, but each says all that it has to say: so they can be served one after the other too.
pub fn in_turn(model: &Model) {
    let _crowded = CROWDED.lock().unwrap_or_else(PoisonError::into_inner);
    raise_limit();
    for Speech { protocol, last, last_comes, .. } in SPEECHES {
        let running = Running::start(model, protocol, &["-q"]);
        let way = Way(running.server());
        let mut peers: Vec<Peer> = (0..CROWD).map(|_| way.connect()).collect();
        peers.iter_mut().for_each(last);
        for (number, mut peer) in peers.into_iter().enumerate() {
            peer.hear_to_end();
            check(&running, &format!("connection {number} of a crowd"), &peer.close(), &last_comes());
        }
        running.stop(model);
    }
}
