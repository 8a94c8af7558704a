//! What is said to `getfile` and `multiply`, whose replies are not in memory.

use std::fs;

use tempfile::TempDir;

use crate::Model;
use crate::echo::much;
use crate::talk::{Came, Conversation, bytes, hold};

pub fn getfile(model: &Model) {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("much"), much()).unwrap();
    hold(model, "getfile", &["--root", dir.path().to_str().unwrap(), "--linger-timeout", "20s"], GETFILE);
}

const GETFILE: &[Conversation] = &[
    Conversation {
        name: "a file, read as it comes",
        talk: |way| {
            let mut peer = way.connect();
            peer.send("much\n");
            peer.hear_to_end();
            peer.close()
        },
        comes: || vec![bytes(much()), Came::End],
    },
    Conversation {
        name: "the end of a file, read late and in small pieces",
        talk: |way| {
            let mut peer = way.connect_with_little_room();
            peer.exchange(b"\x00500000 much", 1000);
            peer.close()
        },
        comes: || vec![bytes([b"OK 1048576\n", &much()[500_000..]].concat()), Came::End],
    },
    Conversation {
        name: "one that leaves in the middle, one that asks for what is not there, and another",
        talk: |way| {
            let mut rude = way.connect_with_little_room();
            rude.send("much\n");
            rude.hear(1000);
            let mut all = rude.reset();
            for request in ["\0../much\n", "nothing\n", "\x001048570 much\n"] {
                let mut peer = way.connect();
                peer.send(request);
                peer.hear_to_end();
                all.extend(peer.close());
            }
            all
        },
        comes: || {
            vec![
                bytes(&much()[..1000]),
                bytes("ERROR cannot send '../much': it leads out of the served folder\n"),
                Came::End,
                Came::End,
                bytes([b"OK 1048576\n", &much()[1_048_570..]].concat()),
                Came::End,
            ]
        },
    },
];

pub fn multiply(model: &Model) {
    hold(model, "multiply", &["--linger-timeout", "20s"], MULTIPLY);
}

const MULTIPLY: &[Conversation] = &[
    Conversation {
        name: "a string that ends with a newline, with the end, and with a pause",
        talk: |way| {
            let mut all = Vec::new();
            for (string, ends) in [("hello\n", false), ("hello", true), ("hello", false)] {
                let mut peer = way.connect();
                peer.send(string);
                if ends {
                    peer.end();
                }
                peer.hear_to_end();
                all.extend(peer.close());
            }
            all
        },
        comes: || [(); 3].map(|()| [bytes(b"hello".repeat(10_000)), Came::End]).concat(),
    },
    Conversation {
        name: "a long one, read late and in small pieces",
        talk: |way| {
            let mut peer = way.connect_with_little_room();
            peer.exchange("🐶".repeat(100).as_bytes(), 1000);
            peer.close()
        },
        comes: || vec![bytes("🐶".repeat(1_000_000)), Came::End],
    },
];
