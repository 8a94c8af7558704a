//! What is said to an echo server.

use crate::Model;
use crate::talk::{Came, Conversation, SILENT, Transcript, Way, bytes, hold, hold_at_once, logged};

/// Bytes of which none are like those before and after them for long.
pub fn much() -> Vec<u8> {
    (0..1_u32 << 18).flat_map(|number| number.wrapping_mul(0x9e37_79b9).to_le_bytes()).collect()
}

/// One that comes after another is served.
fn next(way: &Way) -> Transcript {
    let mut peer = way.connect();
    peer.send("next");
    peer.end();
    peer.hear_to_end();
    peer.close()
}

fn next_comes() -> Transcript {
    vec![bytes("next"), Came::End]
}

pub fn script(model: &Model) {
    hold(model, "echo", &["--linger-timeout", "20s"], SCRIPT);
}

const SCRIPT: &[Conversation] = &[
    Conversation {
        name: "the tutorial's two messages",
        talk: |way| {
            let mut peer = way.connect();
            peer.send("Message 1 from client.Message 2 from client.");
            peer.hear(44);
            peer.close()
        },
        comes: || vec![bytes("Message 1 from client.Message 2 from client.")],
    },
    Conversation {
        name: "urgent data before more of the rest",
        talk: |way| {
            let mut peer = way.connect();
            for _ in 0..20 {
                peer.send_urgent("before!");
                peer.send("behind");
                peer.hear(12);
            }
            peer.close()
        },
        comes: || vec![bytes("beforebehind"); 20],
    },
    Conversation {
        name: "a byte at a time",
        talk: |way| {
            let mut peer = way.connect();
            for byte in "🐶 by byte".bytes() {
                peer.send([byte]);
                // Its echo keeps it apart from the next.
                peer.hear(1);
            }
            peer.end();
            peer.hear_to_end();
            peer.close()
        },
        comes: || "🐶 by byte".bytes().map(|byte| bytes([byte])).chain([Came::End]).collect(),
    },
    Conversation {
        name: "a mebibyte, read as it comes back",
        talk: |way| {
            let mut peer = way.connect();
            peer.exchange(&much(), 1 << 16);
            peer.close()
        },
        comes: || vec![bytes(much()), Came::End],
    },
    Conversation {
        name: "a mebibyte, read slowly and with little room",
        talk: |way| {
            let mut peer = way.connect_with_little_room();
            peer.exchange(&much(), 1000);
            peer.close()
        },
        comes: || vec![bytes(much()), Came::End],
    },
    Conversation {
        name: "the end of sending, after some bytes and after none",
        talk: |way| {
            let mut peer = way.connect();
            peer.send("last words");
            peer.end();
            peer.hear_to_end();
            let heard = peer.close();
            let mut silent = way.connect();
            silent.end();
            silent.hear_to_end();
            [heard, silent.close()].concat()
        },
        comes: || vec![bytes("last words"), Came::End, Came::End],
    },
    Conversation {
        name: "a close without a word, and the next",
        talk: |way| {
            way.connect().close();
            next(way)
        },
        comes: next_comes,
    },
    Conversation {
        name: "a reset without a word, and the next",
        talk: |way| {
            way.connect().reset();
            next(way)
        },
        comes: next_comes,
    },
    Conversation {
        name: "a reset in the middle of an echo, and the next",
        talk: |way| {
            let mut peer = way.connect();
            peer.send(&much()[..100_000]);
            peer.hear(10);
            let heard = peer.reset();
            [heard, next(way)].concat()
        },
        comes: || [vec![bytes(&much()[..10])], next_comes()].concat(),
    },
];

pub fn timeouts(model: &Model) {
    hold_at_once(
        model,
        "echo",
        &[
            (&["--write-timeout", "300ms"], READS_NOTHING),
            (&["--idle-timeout", "300ms"], SILENT),
            // Long enough for a busy machine to bring what does come.
            (&["--idle-timeout", "700ms"], SILENT_AFTERWARDS),
        ],
    );
}

const READS_NOTHING: &[Conversation] = &[Conversation {
    name: "a peer that reads nothing, and the next",
    talk: |way| {
        let mut peer = way.connect_with_little_room();
        peer.send_until_cut(&much());
        let address = peer.address();
        let mut all = peer.close();
        all.push(way.log_of_close(&address, "peer read nothing for 300ms"));
        [all, next(way)].concat()
    },
    comes: || [vec![Came::Cut, logged("peer read nothing for 300ms")], next_comes()].concat(),
}];

const SILENT_AFTERWARDS: &[Conversation] = &[Conversation {
    name: "a peer that falls silent",
    talk: |way| {
        let mut peer = way.connect();
        peer.send("hello");
        peer.hear(5);
        peer.hear_to_end();
        peer.close()
    },
    comes: || vec![bytes("hello"), Came::End],
}];
