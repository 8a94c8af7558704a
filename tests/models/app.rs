//! What is said to an app server.

use crate::Model;
use crate::common::{
    DOG, RABBIT, RING, first_ten_of, framed, json, kept_message, kept_result, kept_search, message, result, search,
};
use crate::talk::{Came, Conversation, SILENT, Transcript, Way, bytes, hold, hold_at_once, logged};

/// One that comes after another is served.
fn next(way: &Way) -> Transcript {
    ask(way, &search("ring"))
}

fn next_comes() -> Transcript {
    vec![bytes(result(RING)), Came::End]
}

/// One request on a connection of its own.
fn ask(way: &Way, request: &[u8]) -> Transcript {
    let mut peer = way.connect();
    peer.send(request);
    peer.hear_to_end();
    peer.close()
}

/// Requests of the tutorial's, and their replies.
fn tutorial() -> Vec<(Vec<u8>, Vec<u8>)> {
    let of_action = |action, value| message("text/json", "utf-8", &json(&[("action", action), ("value", value)]));
    let binary = |content: &str| message("binary/custom-client-binary-type", "binary", content.as_bytes());
    vec![
        (search("morpheus"), result(RABBIT)),
        (search("ring"), result(RING)),
        (search("🐶"), result(DOG)),
        (search("needle"), result("No match for 'needle'.")),
        (of_action("double", "2"), result("Error: invalid action 'double'.")),
        (binary("binary😃"), first_ten_of("binary😃".as_bytes())),
        (binary(""), first_ten_of(b"")),
    ]
}

/// Requests that keep the connection, and their replies.
fn kept() -> Vec<(Vec<u8>, Vec<u8>)> {
    let integers = [1_i32, -2, i32::MAX].map(i32::to_ne_bytes).concat();
    vec![
        (kept_search("morpheus"), kept_result(RABBIT)),
        (kept_search("neo"), kept_result("No match for 'neo'.")),
        (kept_message("text/json", "utf-8", b"{}"), kept_result("Error: invalid action 'None'.")),
        (
            kept_message("binary/i32", "binary", &integers),
            kept_message("binary/i64", "binary", &(i64::from(i32::MAX) - 1).to_ne_bytes()),
        ),
        (kept_search("🐶"), kept_result(DOG)),
    ]
}

/// Many requests on one connection, the last of which lets it close, and their replies.
fn pipeline(len: usize) -> (Vec<u8>, Vec<u8>) {
    let mut requests = Vec::new();
    let mut replies = Vec::new();
    for number in 1..len {
        requests.extend(kept_search(&number.to_string()));
        replies.extend(kept_result(&format!("No match for '{number}'.")));
    }
    requests.extend(search("ring"));
    replies.extend(result(RING));
    (requests, replies)
}

/// Malformed requests, and what is said about each.
fn malformed() -> Vec<(Vec<u8>, &'static str)> {
    let ok =
        r#"{"byteorder": "little", "content-type": "text/json", "content-encoding": "utf-8", "content-length": 9}"#;
    let header = |from: &str, to: &str| framed(&ok.replace(from, to), b"");
    let content = |content: &str| message("text/json", "utf-8", content.as_bytes());
    let deep = format!("{{\"a\": {}{}}}", "[".repeat(80), "]".repeat(80));
    vec![
        (framed("", b""), "the header length is zero"),
        (b"\x20\x01".to_vec(), "a header of 8193 bytes is over the limit of 8192"),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "a header of 18245 bytes is over the limit of 8192"),
        (b"\0\x03\xff{}".to_vec(), "the header is not UTF-8"),
        (framed("what", b""), "the header is not JSON: expected value at line 1 column 1"),
        (framed("[1, 2]", b""), "the header is JSON but not an object"),
        (framed(&deep, b""), "the header is nested more than 64 levels deep"),
        (header("byteorder", "bite"), "the header has no 'byteorder'"),
        (header("content-type", "type"), "the header has no 'content-type'"),
        (header("content-encoding", "encoding"), "the header has no 'content-encoding'"),
        (header("content-length", "length"), "the header has no 'content-length'"),
        (header("\"little\"", "null"), "'byteorder' in the header must be a string, not null"),
        (header(": 9", ": -9"), "'content-length' in the header must be a whole number of bytes, not -9"),
        (header(": 9", ": 1048577"), "a content of 1048577 bytes is over the limit of 1048576"),
        (header("\"utf-8\"", "\"utf-9\""), "unknown encoding 'utf-9'"),
        (message("text/json", "utf-8", b"{\"action\": \"\xff\"}"), "the content is not UTF-8"),
        (content(""), "the content is not JSON: EOF while parsing a value at line 1 column 0"),
        (content("[]"), "the content is JSON but not an object"),
        (content(&deep), "the content is nested more than 64 levels deep"),
        (content(r#"{"action": "search"}"#), "a search needs a string 'value'"),
        (content(r#"{"action": "search", "value": 7}"#), "a search needs a string 'value', not a whole number"),
        (
            message("binary/i32", "binary", &[0; 10]),
            "a binary/i32 content of 10 bytes does not consist of 4-byte integers",
        ),
    ]
}

/// A request that is cut, and how far it came.
fn cuts() -> Vec<(Vec<u8>, String)> {
    let request = search("ring");
    let header_len = usize::from(u16::from_be_bytes([request[0], request[1]]));
    let content_len = request.len() - 2 - header_len;
    vec![
        (request[..1].to_vec(), "1 byte into a protoheader of 2".to_owned()),
        (request[..50].to_vec(), format!("48 bytes into a JSON header of {header_len}")),
        (request[..request.len() - 1].to_vec(), format!("{} bytes into a content of {content_len}", content_len - 1)),
    ]
}

fn cut_words(position: &str) -> String {
    format!("peer closed in mid-message, {position}")
}

pub fn script(model: &Model) {
    // An error reply is to arrive however long a busy machine takes to bring what comes after its cause.
    hold(model, "app", &["--linger-timeout", "20s"], SCRIPT);
}

const SCRIPT: &[Conversation] = &[
    Conversation {
        name: "the tutorial's requests",
        talk: |way| tutorial().iter().flat_map(|(request, _)| ask(way, request)).collect(),
        comes: || tutorial().iter().flat_map(|(_, reply)| [bytes(reply), Came::End]).collect(),
    },
    Conversation {
        name: "a request in two pieces, cut at every place",
        talk: |way| {
            let request = search("ring");
            let mut all = Vec::new();
            for at in 1..request.len() {
                let mut peer = way.connect();
                // The reply to the request before it shows that the first piece is there too.
                peer.send([&kept_search("morpheus"), &request[..at]].concat());
                peer.hear(kept_result(RABBIT).len());
                peer.send(&request[at..]);
                peer.hear_to_end();
                all.extend(peer.close());
            }
            all
        },
        comes: || {
            let each = [bytes(kept_result(RABBIT)), bytes(result(RING)), Came::End];
            each.iter().cycle().take((search("ring").len() - 1) * each.len()).cloned().collect()
        },
    },
    Conversation {
        name: "a request byte by byte",
        talk: |way| {
            let mut peer = way.connect();
            for byte in search("morpheus") {
                peer.send([byte]);
            }
            peer.hear_to_end();
            peer.close()
        },
        comes: || vec![bytes(result(RABBIT)), Came::End],
    },
    Conversation {
        name: "a request and the end of sending",
        talk: |way| {
            let mut all = Vec::new();
            for request in [search("ring"), kept_search("ring"), Vec::new()] {
                let mut peer = way.connect();
                peer.send(request);
                peer.end();
                peer.hear_to_end();
                all.extend(peer.close());
            }
            all
        },
        comes: || vec![bytes(result(RING)), Came::End, bytes(kept_result(RING)), Came::End, Came::End],
    },
    Conversation {
        name: "several requests on a connection, one after the other",
        talk: |way| {
            let mut peer = way.connect();
            for (request, reply) in kept() {
                peer.send(request);
                peer.hear(reply.len());
            }
            peer.send(search("ring"));
            peer.hear_to_end();
            peer.close()
        },
        comes: || kept().iter().map(|(_, reply)| bytes(reply)).chain(next_comes()).collect(),
    },
    Conversation {
        name: "fifty requests in one write",
        talk: |way| ask(way, &pipeline(50).0),
        comes: || vec![bytes(pipeline(50).1), Came::End],
    },
    Conversation {
        name: "thousands of requests without a pause, the replies read slowly and with little room",
        talk: |way| {
            let mut peer = way.connect_with_little_room();
            peer.exchange(&pipeline(3000).0, 1000);
            peer.close()
        },
        comes: || vec![bytes(pipeline(3000).1), Came::End],
    },
    Conversation {
        name: "malformed requests",
        talk: |way| malformed().iter().flat_map(|(request, _)| ask(way, request)).collect(),
        comes: errors,
    },
    Conversation {
        name: "malformed requests with a mebibyte behind them",
        talk: |way| {
            let much = [b'x'; 1 << 20];
            malformed().iter().flat_map(|(request, _)| ask(way, &[&request[..], &much].concat())).collect()
        },
        comes: errors,
    },
    Conversation {
        name: "a malformed request after a good one",
        talk: |way| ask(way, &[kept_search("ring"), framed("what", b""), search("morpheus")].concat()),
        comes: || {
            let error = result("Error: the header is not JSON: expected value at line 1 column 1");
            vec![bytes([kept_result(RING), error].concat()), Came::End]
        },
    },
    Conversation {
        name: "the end of sending in mid-message, and the next",
        talk: |way| {
            let mut all = Vec::new();
            for (piece, position) in cuts() {
                let mut peer = way.connect();
                peer.send(piece);
                peer.end();
                peer.hear_to_end();
                let address = peer.address();
                all.extend(peer.close());
                all.push(way.log_of_close(&address, &cut_words(&position)));
            }
            [all, next(way)].concat()
        },
        comes: || {
            let each = cuts().into_iter().flat_map(|(_, position)| [Came::End, logged(&cut_words(&position))]);
            each.chain(next_comes()).collect()
        },
    },
    Conversation {
        name: "a close in mid-message, and the next",
        talk: |way| {
            let mut all = Vec::new();
            for (piece, position) in cuts() {
                let mut peer = way.connect();
                peer.send(piece);
                let address = peer.address();
                all.extend(peer.close());
                all.push(way.log_of_close(&address, &cut_words(&position)));
                all.extend(next(way));
            }
            all
        },
        comes: || {
            let each = |(_, position): (_, String)| [vec![logged(&cut_words(&position))], next_comes()].concat();
            cuts().into_iter().flat_map(each).collect()
        },
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
        name: "a reset in mid-message, and the next",
        talk: |way| {
            let mut all = Vec::new();
            for (piece, _) in cuts() {
                let mut peer = way.connect();
                // The reply to the request before it shows that the piece is there too.
                peer.send([kept_search("morpheus"), piece].concat());
                peer.hear(kept_result(RABBIT).len());
                let address = peer.address();
                all.extend(peer.reset());
                all.push(way.log_of_close(&address, "connection reset by peer"));
                all.extend(next(way));
            }
            all
        },
        comes: || {
            let reset = [bytes(kept_result(RABBIT)), logged("connection reset by peer")];
            cuts().iter().flat_map(|_| [&reset[..], &next_comes()].concat()).collect()
        },
    },
];

fn errors() -> Transcript {
    malformed().iter().flat_map(|(_, why)| [bytes(result(&format!("Error: {why}"))), Came::End]).collect()
}

pub fn timeouts(model: &Model) {
    hold_at_once(
        model,
        "app",
        &[
            (&["--header-timeout", "300ms", "--content-timeout", "300ms"], TOO_SLOW),
            (&["--write-timeout", "300ms"], READS_NOTHING),
            (&["--idle-timeout", "300ms"], SILENT),
            // Long enough for a busy machine to bring what does come.
            (&["--idle-timeout", "700ms"], SILENT_AFTERWARDS),
        ],
    );
}

const TOO_SLOW: &[Conversation] = &[
    Conversation {
        name: "messages that stop, and the next",
        talk: |way| {
            let each = cuts().into_iter().flat_map(|(piece, _)| ask(way, &piece));
            let all = each.collect();
            [all, next(way)].concat()
        },
        comes: || {
            let reply = |position: &str| bytes(result(&format!("Error: timed out after 300ms, {position}")));
            let each = cuts().into_iter().flat_map(|(_, position)| [reply(&position), Came::End]);
            each.chain(next_comes()).collect()
        },
    },
    Conversation {
        name: "a message that stops after another",
        talk: |way| {
            let mut peer = way.connect();
            peer.send([&kept_search("morpheus"), &search("ring")[..1]].concat());
            peer.hear(kept_result(RABBIT).len());
            peer.hear_to_end();
            peer.close()
        },
        comes: || {
            let error = result("Error: timed out after 300ms, 1 byte into a protoheader of 2");
            vec![bytes(kept_result(RABBIT)), bytes(error), Came::End]
        },
    },
];

const READS_NOTHING: &[Conversation] = &[Conversation {
    name: "a peer that reads nothing, and the next",
    talk: |way| {
        let mut peer = way.connect_with_little_room();
        peer.send_until_cut(&kept_search("ring").repeat(10_000));
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
        peer.send(kept_search("ring"));
        peer.hear(kept_result(RING).len());
        peer.hear_to_end();
        peer.close()
    },
    comes: || vec![bytes(kept_result(RING)), Came::End],
}];
