//! What holds for any bytes whatever. The fuzz target runs it, and so do tests over the seeds and over bytes that
//! proptest makes up.

use std::time::Duration;

use multiconn::message::{ContentType, Heading, Limits, Phase, write_message};
use multiconn::protocols::app::{AppClient, AppServer, AppService, Reply, Request, Timeouts};
use multiconn::session::Service;

use crate::memory::{Outcome, PEER, Reading, Wire, read, serve};

/// Few enough that short inputs get over them.
const SMALL: Limits = Limits { header_len_max: 150, content_len_max: 40, depth_max: 3 };
/// Enough for any reply of our own.
const WIDE: Limits = Limits { header_len_max: usize::MAX, content_len_max: usize::MAX, depth_max: Limits::DEPTH_CAP };

/// `bytes` come to a reader, a server and a client: whole, byte by byte, and in pieces that depend on the bytes.
pub fn any_bytes(bytes: &[u8]) {
    let pieces = [vec![bytes], bytes.chunks(1).collect(), cut(bytes)];
    for limits in [Limits::default(), SMALL] {
        all_the_same(&pieces, limits);
    }
}

/// `bytes` come as `pieces` say, which must make no difference.
#[allow(dead_code, reason = "the fuzz target has no use for it")]
pub fn any_pieces(bytes: &[u8], pieces: Vec<&[u8]>) {
    let pieces = [vec![bytes], pieces];
    for limits in [Limits::default(), SMALL] {
        all_the_same(&pieces, limits);
    }
}

fn all_the_same(ways: &[Vec<&[u8]>], limits: Limits) {
    let whole = &ways[0];
    let reading = read(limits, whole.iter().copied());
    reads_back(&reading);
    let (open, _) = serve(server(limits), whole.iter().copied(), false);
    let (ended, _) = serve(server(limits), whole.iter().copied(), true);
    replies_are_in_order(&reading, &open, &ended);
    let received = receive(limits, whole, false);
    let received_to_the_end = receive(limits, whole, true);
    assert!(received_to_the_end.0.end.is_some(), "a client without its replies, and the server gone, goes on waiting");

    for pieces in &ways[1..] {
        assert_eq!(read(limits, pieces.iter().copied()), reading, "{limits:?}");
        assert_eq!(serve(server(limits), pieces.iter().copied(), false).0, open, "{limits:?}");
        assert_eq!(serve(server(limits), pieces.iter().copied(), true).0, ended, "{limits:?}");
        assert_eq!(receive(limits, pieces, false), received, "{limits:?}");
        assert_eq!(receive(limits, pieces, true), received_to_the_end, "{limits:?}");
    }
    for (high_water, messages_per_call) in [(1, 256), (300, 2), (64 << 10, 1)] {
        let mut wire = Wire::new(server(limits));
        (wire.harness.high_water, wire.harness.messages_per_call) = (high_water, messages_per_call);
        whole.iter().for_each(|piece| wire.feed(piece));
        assert_eq!(wire.outcome().0, open, "room {high_water}, {messages_per_call} messages a call, {limits:?}");
    }
}

fn server(limits: Limits) -> AppServer {
    AppService::new(limits, Timeouts::default()).accept(&PEER)
}

fn receive(limits: Limits, pieces: &[&[u8]], ends: bool) -> (Outcome, Vec<Reply>) {
    let requests = vec![Request::Search("ring".into()), Request::Sum(vec![-1, 2]), Request::Binary(vec![0; 20])];
    let client = AppClient::new(requests, limits, Duration::from_secs(1));
    let (outcome, client) = serve(client, pieces.iter().copied(), ends);
    (outcome, client.into_replies())
}

/// A message that was read, written anew, is read as the same.
fn reads_back(reading: &Reading) {
    for (header, content) in &reading.messages {
        let (content_type, content_encoding) = match header.content_type {
            ContentType::Json => ("text/json", "utf-8"),
            ContentType::I32 => ("binary/i32", "binary"),
            ContentType::I64 => ("binary/i64", "binary"),
            ContentType::ClientBinary => ("binary/custom-client-binary-type", "binary"),
            ContentType::ServerBinary => ("binary/custom-server-binary-type", "binary"),
            ContentType::Other(_) => ("image/png", "binary"),
        };
        let mut written = Vec::new();
        let heading = Heading { content_encoding, ..Heading::binary(content_type, header.keep_alive) };
        write_message(&mut written, heading, |out| out.extend_from_slice(content));
        let again = read(WIDE, [&written[..]]);
        assert_eq!((again.messages.len(), again.unused, &again.error), (1, 0, &None));
        let (header_again, content_again) = &again.messages[0];
        assert_eq!(content_again, content);
        assert_eq!(header_again.content_type.name(), content_type);
        assert_eq!((header_again.content_len, header_again.keep_alive), (content.len(), header.keep_alive));
    }
}

/// There is a reply to each request up to the last, and an error is the last of all.
fn replies_are_in_order(reading: &Reading, open: &Outcome, ended: &Outcome) {
    let replies = read(WIDE, [&open.sent[..]]);
    assert_eq!((replies.unused, &replies.error), (0, &None), "the server sends whole messages");
    assert_eq!(open.sent, ended.sent, "who ends its side gets the same replies");

    // Without keep-alive a request is the last. What follows is not read, and an error in it is none.
    let last = reading.messages.iter().position(|(header, _)| !header.keep_alive);
    let asked = last.map_or(reading.messages.len(), |last| last + 1);
    let is_error = |reply: &[u8]| {
        reply.starts_with(b"{\"result\": \"Error: ") && !reply.starts_with(b"{\"result\": \"Error: invalid action ")
    };
    let kept = replies.messages.iter().filter(|(header, _)| header.keep_alive).count();
    match &open.end {
        None => {
            assert_eq!((replies.messages.len(), kept, last), (asked, asked, None));
            let is_between = reading.position.got == 0 && reading.position.phase == Phase::Idle;
            assert_eq!(matches!(ended.end, Some(Ok(()))), is_between, "{:?} at {:?}", ended.end, reading.position);
            assert!(ended.end.is_some());
        }
        Some(Ok(())) => {
            assert_eq!((replies.messages.len(), kept), (asked, asked - 1));
            assert!(last.is_some());
            assert_eq!(open, ended);
        }
        Some(Err(why)) => {
            let (header, content) = replies.messages.last().expect("an error is told");
            assert!(!header.keep_alive);
            assert!(is_error(content), "{why} is told as {}", content.escape_ascii());
            assert_eq!(kept, replies.messages.len() - 1);
            // It is in a content that was read, or in what comes after the last message.
            assert!(kept < asked || (kept == asked && reading.error.is_some()));
            assert_eq!(open, ended);
        }
    }
}

/// Pieces of lengths that look random and are always the same for the same bytes.
fn cut(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut state = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    let mut pieces = Vec::new();
    while !bytes.is_empty() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let len = 1 + (state >> 33) as usize % (bytes.len().min(120));
        let (piece, rest) = bytes.split_at(len);
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}
