//! The framed message, to the byte: each case whole, then byte by byte, then cut in two at every place, then several run
//! together, then with something after it. Once for the reader by itself, once for the server's session.

mod memory;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use memory::{
    Outcome, PEER, Wire, count, describe, error_message, json_message, message, plain_message, read, serve, ways,
};
use multiconn::message::{
    ByteOrder, ContentEncoding, ContentType, Encoding, Limits, Message, Phase, Position, ProtocolError,
};
use multiconn::protocols::app::{
    AppClient, AppError, AppServer, AppService, AppTalker, Form, Reply, Request, Timeouts,
};
use multiconn::session::testing::Harness;
use multiconn::session::{ErrorKind, Peer, Progress, Service, SessionError, Source};

fn server(limits: Limits) -> AppServer {
    AppService::new(limits, Timeouts::default()).accept(&PEER)
}

fn default_server() -> AppServer {
    server(Limits::default())
}

/// A request, and the reply it gets.
struct Golden {
    name: &'static str,
    request: Vec<u8>,
    reply: Vec<u8>,
}

const BINARY: &str = "binary/custom-client-binary-type";

fn goldens(keep_alive: bool) -> Vec<Golden> {
    let mut cases = Vec::new();
    let mut case = |name, request, reply| cases.push(Golden { name, request, reply });

    for (name, request, reply) in [
        ("morpheus", r#"{"action": "search", "value": "morpheus"}"#, "Follow the white rabbit. 🐰"),
        ("ring", r#"{"action": "search", "value": "ring"}"#, "In the caves beneath the Misty Mountains. 💍"),
        ("dog", r#"{"action": "search", "value": "🐶"}"#, "🐾 Playing ball! 🏐"),
        ("dog, escaped", r#"{"action": "search", "value": "\ud83d\udc36"}"#, "🐾 Playing ball! 🏐"),
        (
            "keys the other way round",
            r#"{"value": "ring", "action": "search"}"#,
            "In the caves beneath the Misty Mountains. 💍",
        ),
        ("white space", "\r\n{ \"value\" :\t\"morpheus\" ,\n\"action\":\"search\" } ", "Follow the white rabbit. 🐰"),
        ("no match", r#"{"action": "search", "value": "neo"}"#, "No match for 'neo'."),
        ("no match for nothing", r#"{"action": "search", "value": ""}"#, "No match for ''."),
        ("case matters", r#"{"action": "search", "value": "Morpheus"}"#, "No match for 'Morpheus'."),
        (
            "no match, escaped",
            r#"{"action": "search", "value": "\"\\\n\u0001\u007fé'"}"#,
            "No match for '\\\"\\\\\\n\\u0001\u{7f}é''.",
        ),
        ("invalid action", r#"{"action": "double", "value": "2"}"#, "Error: invalid action 'double'."),
        ("empty action", r#"{"action": ""}"#, "Error: invalid action ''."),
        ("no action", r#"{"value": "morpheus"}"#, "Error: invalid action 'None'."),
        ("nothing at all", "{}", "Error: invalid action 'None'."),
        ("null", r#"{"action": null}"#, "Error: invalid action 'None'."),
        ("true", r#"{"action": true}"#, "Error: invalid action 'True'."),
        ("false", r#"{"action": false}"#, "Error: invalid action 'False'."),
        ("zero", r#"{"action": 0}"#, "Error: invalid action '0'."),
        ("integer", r#"{"action": -9223372036854775808}"#, "Error: invalid action '-9223372036854775808'."),
        ("large integer", r#"{"action": 18446744073709551615}"#, "Error: invalid action '18446744073709551615'."),
        ("fraction", r#"{"action": 2.50}"#, "Error: invalid action '2.5'."),
        ("float", r#"{"action": 1e2}"#, "Error: invalid action '100.0'."),
        ("large float", r#"{"action": 1.5E300}"#, "Error: invalid action '1.5e+300'."),
        ("small float", r#"{"action": -0.00001}"#, "Error: invalid action '-1e-05'."),
        (
            "last float without an exponent",
            r#"{"action": 9999999999999998.0}"#,
            "Error: invalid action '9999999999999998.0'.",
        ),
        ("first float with an exponent", r#"{"action": 1e16}"#, "Error: invalid action '1e+16'."),
        ("last small float without an exponent", r#"{"action": 0.0001}"#, "Error: invalid action '0.0001'."),
        // Lists and objects stay JSON: Python would show its own notation.
        ("list", r#"{"action": [1, "a"]}"#, "Error: invalid action '[1, 'a']'."),
        (
            "the last of equal keys",
            r#"{"action": "x", "value": "ring", "action": "search", "value": "morpheus"}"#,
            "Follow the white rabbit. 🐰",
        ),
        (
            "a value of any kind, where it does not matter",
            r#"{"action": "double", "value": [2]}"#,
            "Error: invalid action 'double'.",
        ),
    ] {
        let reply = format!(r#"{{"result": "{reply}"}}"#);
        case(name, json_message(request, keep_alive), json_message(&reply, keep_alive));
    }

    for (name, encoding, text) in [
        ("utf-16 with a little-endian mark", "utf-16", &b"\xff\xfe{\0}\0"[..]),
        ("utf-16 with a big-endian mark", "utf-16", b"\xfe\xff\0{\0}"),
        ("utf-16-le", "utf-16-le", b"{\0}\0"),
        ("utf-16-be", "utf-16-be", b"\0{\0}"),
        ("utf-32 with a little-endian mark", "utf-32", b"\xff\xfe\0\0{\0\0\0}\0\0\0"),
        ("utf-32 with a big-endian mark", "utf-32", b"\0\0\xfe\xff\0\0\0{\0\0\0}"),
        ("ascii", "ascii", b"{}"),
        ("utf-8 with a mark", "utf-8-sig", b"\xef\xbb\xbf{}"),
        ("another spelling", "UTF8", b"{}"),
    ] {
        let reply = json_message(r#"{"result": "Error: invalid action 'None'."}"#, keep_alive);
        case(name, plain_message("text/json", encoding, text, keep_alive), reply);
    }
    for (name, encoding, value, shown) in [
        ("latin-1", "latin-1", &b"caf\xe9 \x80"[..], "café \u{80}"),
        ("cp1252", "cp1252", b"caf\xe9 \x80", "café €"),
        ("shift_jis", "shift_jis", b"\x83\x8a\x83\x93\x83\x4f", "リング"),
    ] {
        let content = [br#"{"action": "search", "value": ""#, value, br#""}"#].concat();
        let reply = json_message(&format!(r#"{{"result": "No match for '{shown}'."}}"#), keep_alive);
        case(name, plain_message("text/json", encoding, &content, keep_alive), reply);
    }

    for (name, content_type, encoding, content) in [
        ("binary, 0 bytes", BINARY, "binary", &b""[..]),
        ("binary, 3 bytes", BINARY, "binary", b"\0\xff\n"),
        ("binary, 10 bytes", BINARY, "binary", b"0123456789"),
        ("binary, 20 bytes", BINARY, "binary", b"\x80123456789abcdefghij"),
        ("any other type", "text/plain", "utf-8", b"plain"),
        ("any other encoding", "text/plain", "no such thing", b"plain"),
        ("a type that only replies have", "binary/i64", "binary", b"\0\0\0\0\0\0\0\x01"),
        ("types are compared as they stand", "Text/JSON", "utf-8", b"{}"),
    ] {
        let beginning = &content[..content.len().min(10)];
        let reply = [b"First 10 bytes of request: ", beginning].concat();
        case(
            name,
            plain_message(content_type, encoding, content, keep_alive),
            plain_message("binary/custom-server-binary-type", "binary", &reply, keep_alive),
        );
    }

    let connection = if keep_alive { r#", "connection": "keep-alive""# } else { "" };
    for (name, byteorder, content, sum) in [
        ("no integers", "little", &b""[..], 0),
        ("integers, little endian", "little", b"\x01\0\0\0\x02\x01\0\0\xfd\xff\xff\xff", 256_i64),
        ("integers, big endian", "big", b"\0\0\0\x01\0\0\x01\x02\xff\xff\xff\xfd", 256),
        ("a negative sum", "big", b"\x80\0\0\0", -2_147_483_648),
        ("a sum over 32 bits", "little", b"\xff\xff\xff\x7f\xff\xff\xff\x7f\x02\0\0\0", 4_294_967_296),
        ("a sum under 32 bits", "big", b"\x80\0\0\0\x80\0\0\0\x80\0\0\0", -6_442_450_944),
    ] {
        let header = format!(
            r#"{{"byteorder": "{byteorder}", "content-type": "binary/i32", "content-encoding": "binary", "content-length": {}{connection}}}"#,
            content.len()
        );
        case(name, message(&header, content), plain_message("binary/i64", "binary", &sum.to_ne_bytes(), keep_alive));
    }

    let close = if keep_alive { "keep-alive" } else { "close" };
    let rabbit = json_message(r#"{"result": "Follow the white rabbit. 🐰"}"#, keep_alive);
    let content = br#"{"action": "search", "value": "morpheus"}"#;
    for (name, header) in [
        (
            "other order",
            r#"{"connection": "CLOSE", "content-length": 41, "content-encoding": "utf-8", "content-type": "text/json", "byteorder": "little"}"#,
        ),
        (
            "big endian",
            r#"{"byteorder": "big", "content-type": "text/json", "content-encoding": "utf-8", "content-length": 41, "connection": "CLOSE"}"#,
        ),
        (
            "no white space",
            r#"{"byteorder":"little","content-type":"text/json","content-encoding":"utf-8","content-length":41,"connection":"CLOSE"}"#,
        ),
        (
            "much white space",
            "\t\r\n {\n \"byteorder\" : \"little\" ,\t\"content-type\":\r\"text/json\",\n\n\"content-encoding\" :\"utf-8\", \"content-length\" : 41 , \"connection\" : \"CLOSE\" }\n",
        ),
        (
            "escapes",
            r#"{"byteorder": "l\u0069ttle", "\u0063ontent-type": "text\/json", "content-encoding": "\u0075tf-8", "content-length": 41, "connection": "CLOSE"}"#,
        ),
        (
            "other keys",
            r#"{"Accept": [1, {"byteorder": "none"}], "byteorder": "little", "content-type": "text/json", "": null, "content-encoding": "utf-8", "content-length": 41, "Content-Length": -1, "é": "🐶", "connection": "CLOSE"}"#,
        ),
        (
            "the last of equal keys",
            r#"{"content-length": -1, "byteorder": 7, "byteorder": "little", "content-type": "text/json", "content-encoding": "utf-8", "connection": "maybe", "content-length": 41, "connection": "CLOSE"}"#,
        ),
    ] {
        let header = header.replace("CLOSE", close);
        case(name, message(&header, content), rabbit.clone());
    }
    cases
}

#[test]
#[cfg(target_endian = "little")]
fn the_example_of_the_tutorial_is_what_it_always_was() {
    let request = b"\0g{\"byteorder\": \"little\", \"content-type\": \"text/json\", \"content-encoding\": \"utf-8\", \
        \"content-length\": 41}{\"action\": \"search\", \"value\": \"morpheus\"}";
    let reply = "\0g{\"byteorder\": \"little\", \"content-type\": \"text/json\", \"content-encoding\": \"utf-8\", \
        \"content-length\": 43}{\"result\": \"Follow the white rabbit. 🐰\"}";
    let (outcome, _) = serve(default_server(), [&request[..]], false);
    assert_eq!(outcome, Outcome { sent: reply.as_bytes().to_vec(), end: Some(Ok(())) });

    let mut written = Vec::new();
    Request::Search("morpheus".into()).write(&mut written, false);
    assert_eq!(written, request);
}

#[test]
fn a_server_replies_in_the_byte_order_of_its_machine() {
    for byteorder in [ByteOrder::Little, ByteOrder::Big] {
        let server = || AppService::with_byteorder(Limits::default(), Timeouts::default(), byteorder).accept(&PEER);
        let header = format!(r#"{{"byteorder": "{}", "#, byteorder.name());
        for request in [
            json_message(r#"{"action": "search", "value": "ring"}"#, false),
            json_message(r#"{"action": "search", "value": "neo"}"#, false),
            json_message("{}", false),
            json_message("[]", false),
            plain_message(BINARY, "binary", b"x", false),
        ] {
            let (outcome, _) = serve(server(), [&request[..]], false);
            assert!(outcome.sent[2..].starts_with(header.as_bytes()), "{outcome:?}");
        }
        let integers = [1_i32, 2].map(i32::to_ne_bytes).concat();
        let (outcome, _) = serve(server(), [&plain_message("binary/i32", "binary", &integers, false)[..]], false);
        assert!(outcome.sent[2..].starts_with(header.as_bytes()), "{outcome:?}");
        assert!(outcome.sent.ends_with(&byteorder.bytes(3_i64.to_be_bytes())), "{outcome:?}");
    }
}

#[test]
fn each_request_is_answered_however_it_comes() {
    for Golden { name, request, reply } in goldens(false) {
        for pieces in ways(&request) {
            let (outcome, _) = serve(default_server(), pieces.iter().copied(), false);
            let (sent, wanted) = (outcome.sent.escape_ascii(), reply.escape_ascii());
            assert!(outcome.sent == reply, "{name}, {}:\n{sent} came, not\n{wanted}", describe(&pieces));
            assert_eq!(outcome.end, Some(Ok(())), "{name}: without keep-alive, the first reply is the last");
        }
    }
}

#[test]
fn each_request_is_answered_before_anything_after_it_has_come() {
    for Golden { name, request, reply } in goldens(true) {
        for pieces in ways(&request) {
            let (outcome, _) = serve(default_server(), pieces.iter().copied(), false);
            assert_eq!(outcome, Outcome { sent: reply.clone(), end: None }, "{name}, {}", describe(&pieces));
        }
    }
}

#[test]
fn requests_run_together_are_answered_in_order() {
    let cases = goldens(true);
    let last = goldens(false).swap_remove(0);
    let requests: Vec<u8> = cases.iter().chain([&last]).flat_map(|case| case.request.clone()).collect();
    let replies: Vec<u8> = cases.iter().chain([&last]).flat_map(|case| case.reply.clone()).collect();
    for len in [requests.len(), 1, 7, 64, 1000, 4096] {
        for (high_water, messages_per_call) in [(64 << 10, 256), (1, 256), (64 << 10, 1), (200, 3)] {
            let mut wire = Wire::new(default_server());
            (wire.harness.high_water, wire.harness.messages_per_call) = (high_water, messages_per_call);
            requests.chunks(len).for_each(|piece| wire.feed(piece));
            let (outcome, _) = wire.outcome();
            assert!(outcome.sent == replies, "pieces of {len}, {messages_per_call} messages, room {high_water}");
            assert_eq!(outcome.end, Some(Ok(())));
        }
    }
}

#[test]
fn two_requests_cut_anywhere() {
    let (first, second) = (goldens(true).swap_remove(0), goldens(false).swap_remove(1));
    let requests = [first.request, second.request].concat();
    let replies = [first.reply, second.reply].concat();
    for pieces in ways(&requests) {
        let (outcome, _) = serve(default_server(), pieces.iter().copied(), false);
        assert_eq!(outcome, Outcome { sent: replies.clone(), end: Some(Ok(())) }, "{}", describe(&pieces));
    }
}

#[test]
fn what_follows_the_last_request_is_left_alone() {
    for Golden { name, request, reply } in goldens(false) {
        for trailing in [&b"\0"[..], b"\0\0", b"\xff\xffnot a header", &request] {
            let mut wire = Wire::new(default_server());
            wire.feed(&[&request, trailing].concat());
            assert_eq!(wire.take_sent(), reply, "{name}");
            assert!(matches!(wire.end(), Some(Ok(()))), "{name}");
            assert_eq!(wire.unused(), trailing, "{name}");
        }
    }
}

#[test]
fn a_request_after_keep_alive_decides_for_itself() {
    let kept = json_message("{}", true);
    let search = "{\"byteorder\": \"little\", \"content-type\": \"text/json\", \"content-encoding\": \"utf-8\", \"content-length\": 2";
    for (connection, is_kept) in [
        ("", false),
        (r#", "connection": "close""#, false),
        (r#", "connection": "Keep-Alive""#, false),
        (r#", "connection": true"#, false),
        (r#", "connection": null"#, false),
        (r#", "connection": ["keep-alive"]"#, false),
        (r#", "connection": "keep-alive""#, true),
        (r#", "connection": "keep\u002dalive""#, true),
    ] {
        let second = message(&format!("{search}{connection}}}"), b"{}");
        let (outcome, _) = serve(default_server(), [&kept[..], &second, &kept], false);
        let none = |kept| json_message(r#"{"result": "Error: invalid action 'None'."}"#, kept);
        let mut sent = [none(true), none(is_kept)].concat();
        if is_kept {
            sent.extend(none(true));
        }
        assert_eq!(outcome, Outcome { sent, end: (!is_kept).then_some(Ok(())) }, "{connection}");
    }
}

#[test]
fn the_reader_by_itself_reads_each_message_however_it_comes() {
    for Golden { name, request, .. } in goldens(false).into_iter().chain(goldens(true)) {
        let head_len = 2 + usize::from(u16::from_be_bytes([request[0], request[1]]));
        let content = &request[head_len..];
        for pieces in ways(&request) {
            let reading = read(Limits::default(), pieces.iter().copied());
            let [(header, read_content)] = &reading.messages[..] else { panic!("{name}: {reading:?}") };
            assert_eq!((header.content_len, &read_content[..]), (content.len(), content), "{name}");
            assert_eq!((reading.error, reading.unused), (None, 0), "{name}");
            assert_eq!(reading.position, Position { phase: Phase::Idle, got: 0, want: 2 }, "{name}");
        }
        // Several, and the beginning of one more.
        let cut = &request[..request.len() - usize::from(content.is_empty()) - 1];
        let stream = [&request[..], &request, cut].concat();
        for len in [1, 5, stream.len()] {
            let reading = read(Limits::default(), stream.chunks(len));
            assert_eq!((reading.messages.len(), reading.error), (2, None), "{name}");
            assert_ne!(reading.position.phase, Phase::Idle, "{name}");
        }
    }
}

#[test]
fn the_reader_says_what_the_header_says() {
    let header = r#"{"byteorder": "big", "content-type": "binary/i32", "content-encoding": "UTF_16_BE", "content-length": 4, "connection": "keep-alive"}"#;
    let reading = read(Limits::default(), [&message(header, b"abcd")[..]]);
    let (header, content) = &reading.messages[0];
    assert_eq!(header.byteorder, ByteOrder::Big);
    assert_eq!(header.content_type, ContentType::I32);
    assert_eq!(header.content_encoding, ContentEncoding::Text(Encoding::Utf16(Some(ByteOrder::Big))));
    assert_eq!((header.content_len, header.keep_alive, &content[..]), (4, true, &b"abcd"[..]));

    let header =
        r#"{"byteorder": "little", "content-type": "image/png", "content-encoding": "binary", "content-length": 0}"#;
    let reading = read(Limits::default(), [&message(header, b"")[..]]);
    let (header, content) = &reading.messages[0];
    assert_eq!(header.byteorder, ByteOrder::Little);
    assert_eq!(header.content_type, ContentType::Other("image/png".into()));
    assert_eq!(header.content_encoding, ContentEncoding::Binary);
    assert_eq!((header.content_len, header.keep_alive, &content[..]), (0, false, &b""[..]));
}

// Errors

/// The header of a request with something else in the place of one of its values; `None` leaves the key out.
fn header_with(key: &str, value: Option<&str>) -> String {
    let keys = [
        ("byteorder", r#""little""#),
        ("content-type", r#""text/json""#),
        ("content-encoding", r#""utf-8""#),
        ("content-length", "41"),
    ];
    let members: Vec<String> = keys
        .into_iter()
        .filter_map(|(name, usual)| {
            let value = if name == key { value? } else { usual };
            Some(format!("\"{name}\": {value}"))
        })
        .collect();
    format!("{{{}}}", members.join(", "))
}

/// What is wrong with a message that has come as far as its header, and not a byte further.
fn header_errors() -> Vec<(Vec<u8>, String)> {
    let mut rows: Vec<(Vec<u8>, String)> = Vec::new();
    let mut row = |bytes: Vec<u8>, why: &str| rows.push((bytes, why.to_owned()));

    row(vec![0, 0], "the header length is zero");
    row(vec![0x20, 0x01], "a header of 8193 bytes is over the limit of 8192");
    row(vec![0xff, 0xff], "a header of 65535 bytes is over the limit of 8192");

    row(b"\0\x04{\"\xff\"".to_vec(), "the header is not UTF-8");
    row(b"\0\x05\xed\xa0\x80{}".to_vec(), "the header is not UTF-8");
    row(message("\u{feff}{}", b""), "the header is not JSON: expected value at line 1 column 1");
    row(message(" ", b""), "the header is not JSON: EOF while parsing a value at line 1 column 1");
    row(message("{", b""), "the header is not JSON: EOF while parsing an object at line 1 column 1");
    row(message("{}{}", b""), "the header is not JSON: trailing characters at line 1 column 3");
    row(message("{'byteorder': 1}", b""), "the header is not JSON: key must be a string at line 1 column 2");
    for no_object in ["[]", "[{}]", "null", "true", "41", "\"{}\"", " 4.1e1 "] {
        row(message(no_object, b""), "the header is JSON but not an object");
    }
    let deep = format!(r#"{{"deep": {}{}}}"#, "[".repeat(64), "]".repeat(64));
    row(message(&deep, b""), "the header is nested more than 64 levels deep");

    row(message("{}", b""), "the header has no 'byteorder'");
    for key in ["byteorder", "content-type", "content-encoding", "content-length"] {
        row(message(&header_with(key, None), b""), &format!("the header has no '{key}'"));
    }
    let kinds = [
        ("null", "null"),
        ("true", "true or false"),
        ("41", "a whole number"),
        ("-41", "a negative number"),
        ("4.1", "a fraction or a number beyond 64 bits"),
        ("[\"utf-8\"]", "a list"),
        ("{\"utf-8\": 8}", "an object"),
    ];
    for key in ["byteorder", "content-type", "content-encoding"] {
        for (value, kind) in kinds {
            let why = format!("'{key}' in the header must be a string, not {kind}");
            row(message(&header_with(key, Some(value)), b""), &why);
        }
    }
    for (value, kind) in [
        ("-1", "-1"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("41.0", "a fraction or a number beyond 64 bits"),
        ("1e3", "a fraction or a number beyond 64 bits"),
        ("-0", "a fraction or a number beyond 64 bits"),
        ("18446744073709551616", "a fraction or a number beyond 64 bits"),
        ("\"41\"", "a string"),
        ("true", "true or false"),
        ("null", "null"),
        ("[41]", "a list"),
        ("{}", "an object"),
    ] {
        let why = format!("'content-length' in the header must be a whole number of bytes, not {kind}");
        row(message(&header_with("content-length", Some(value)), b""), &why);
    }
    for value in ["1048577", "4294967296", "9223372036854775807", "9223372036854775808", "18446744073709551615"] {
        let why = format!("a content of {value} bytes is over the limit of 1048576");
        row(message(&header_with("content-length", Some(value)), b""), &why);
    }
    for value in ["", "middle", "Little", "little ", "big\\u0000"] {
        // Errors go into logs and to terminals, so what they quote is escaped.
        let shown = value.replace("\\u0000", "\\0");
        let why = format!("'byteorder' in the header must be \"little\" or \"big\", not \"{shown}\"");
        row(message(&header_with("byteorder", Some(&format!("\"{value}\""))), b""), &why);
    }
    for value in ["", "binary", "utf-99", "rot13", "utf-8é"] {
        let why = format!("unknown encoding '{value}'");
        row(message(&header_with("content-encoding", Some(&format!("\"{value}\""))), b""), &why);
    }
    let long = "🐶".repeat(41);
    let why = format!("unknown encoding '{}…'", "🐶".repeat(40));
    row(message(&header_with("content-encoding", Some(&format!("\"{long}\""))), b""), &why);
    rows
}

/// What is wrong with a content.
fn content_errors() -> Vec<(Vec<u8>, String)> {
    let mut rows: Vec<(Vec<u8>, String)> = Vec::new();
    let mut row = |bytes: Vec<u8>, why: &str| rows.push((bytes, why.to_owned()));
    let json = |encoding: &str, content: &[u8]| plain_message("text/json", encoding, content, true);

    row(json("utf-8", b"{\"\xff\": 1}"), "the content is not UTF-8");
    row(json("utf-8-sig", b"\xef\xbb\xbf\xff"), "the content is not UTF-8");
    row(json("utf-16", b"\xff\xfe{\0}"), "the content is not UTF-16");
    row(json("utf-16-be", b"\xd8\0"), "the content is not UTF-16");
    row(json("utf-32", b"\xff\xfe\0\0\0\0\x11\0"), "the content is not UTF-32");
    row(json("ascii", b"{\"\xc3\xa9\": 1}"), "the content is not ASCII");
    row(json("shift_jis", b"{\"\x81\": 1}"), "the content is not Shift_JIS");

    row(json("utf-8", b""), "the content is not JSON: EOF while parsing a value at line 1 column 0");
    row(
        json("utf-8", b"{\"action\": \"search\""),
        "the content is not JSON: EOF while parsing an object at line 1 column 19",
    );
    row(json("utf-8", b"{\"action\": search}"), "the content is not JSON: expected value at line 1 column 12");
    row(json("utf-8", b"\xef\xbb\xbf{}"), "the content is not JSON: expected value at line 1 column 1");
    row(json("utf-16-le", b"\xff\xfe{\0}\0"), "the content is not JSON: expected value at line 1 column 1");
    row(json("latin-1", b"{}\n\xa0"), "the content is not JSON: trailing characters at line 2 column 1");
    for no_object in ["[]", "\"search\"", "null", "7"] {
        row(json("utf-8", no_object.as_bytes()), "the content is JSON but not an object");
    }
    let deep = format!(r#"{{"action": {}{}}}"#, "[".repeat(64), "]".repeat(64));
    row(json("utf-8", deep.as_bytes()), "the content is nested more than 64 levels deep");

    row(json("utf-8", b"{\"action\": \"search\"}"), "a search needs a string 'value'");
    for (value, kind) in [
        (", \"value\": null", "null"),
        (", \"value\": false", "true or false"),
        (", \"value\": 7", "a whole number"),
        (", \"value\": -7", "a negative number"),
        (", \"value\": 7.5", "a fraction or a number beyond 64 bits"),
        (", \"value\": [\"ring\"]", "a list"),
        (", \"value\": {}", "an object"),
        (", \"value\": \"ring\", \"value\": null", "null"),
    ] {
        let content = format!("{{\"action\": \"search\"{value}}}");
        let why = format!("a search needs a string 'value', not {kind}");
        row(json("utf-8", content.as_bytes()), &why);
    }

    for len in [1, 2, 3, 5, 4097] {
        let why = format!("a binary/i32 content of {} does not consist of 4-byte integers", count(len, "byte"));
        row(plain_message("binary/i32", "binary", &vec![7; len], true), &why);
    }
    rows
}

fn assert_error(bytes: &[u8], pieces: &[&[u8]], before: &[u8], why: &str) {
    let mut wire = Wire::new(default_server());
    let last = pieces.iter().rposition(|piece| !piece.is_empty()).unwrap_or(0);
    pieces[..last].iter().for_each(|piece| wire.feed(piece));
    assert!(wire.end().is_none(), "{why}: too early, {}", describe(pieces));
    wire.feed(pieces[last]);
    let shown = bytes.escape_ascii();
    let error = wire.error();
    let ended = error.downcast_ref().unwrap_or_else(|| panic!("{shown}: {error:?}"));
    assert!(matches!(ended, AppError::Protocol(_)), "{shown}: {error:?}");
    assert_eq!((error.kind(), error.to_string()), (ErrorKind::Violation, why.to_owned()), "{shown}");
    assert!(ended.deserves_reply());
    let sent = wire.take_sent();
    let wanted = [before, &error_message(why)].concat();
    assert_eq!(String::from_utf8_lossy(&sent), String::from_utf8_lossy(&wanted), "{shown}, {}", describe(pieces));
}

#[test]
fn an_error_in_a_header_is_answered_as_soon_as_the_header_is_here() {
    for (bytes, why) in header_errors() {
        for pieces in ways(&bytes) {
            assert_error(&bytes, &pieces, b"", &why);
        }
    }
}

#[test]
fn an_error_in_a_content_is_answered() {
    for (bytes, why) in content_errors() {
        let ways = if bytes.len() < 1000 { ways(&bytes) } else { vec![vec![&bytes[..]], bytes.chunks(99).collect()] };
        for pieces in ways {
            assert_error(&bytes, &pieces, b"", &why);
        }
    }
}

#[test]
fn an_error_comes_after_the_replies_before_it_and_ends_the_connection() {
    let first = goldens(true).swap_remove(0);
    for (bytes, why) in header_errors().into_iter().chain(content_errors()) {
        let stream = [&first.request[..], &bytes].concat();
        assert_error(&stream, &[&stream], &first.reply, &why);
        // Nothing that follows is answered.
        let stream = [&first.request[..], &bytes, &first.request].concat();
        assert_error(&stream, &[&stream], &first.reply, &why);
    }
}

#[test]
fn errors_of_the_reader_are_sticky() {
    for (bytes, why) in header_errors() {
        for pieces in ways(&bytes) {
            // `read` goes on asking, and asserts that the answer stays the same and nothing more is used.
            let after = [goldens(true).swap_remove(0).request, b"\0".to_vec()];
            let reading = read(Limits::default(), pieces.into_iter().chain(after.iter().map(Vec::as_slice)));
            assert_eq!(reading.error.map(|error| error.to_string()), Some(why.clone()));
            assert_eq!(reading.position.phase, Phase::Failed);
            assert_eq!(reading.unused, after.concat().len());
        }
    }
}

// Limits

const SMALL: Limits = Limits { header_len_max: 200, content_len_max: 50, depth_max: 3 };

/// A good header of `len` bytes.
fn header_of(len: usize, content_len: usize) -> String {
    let header = header_with("content-length", Some(&content_len.to_string()));
    format!("{header}{}", " ".repeat(len - header.len()))
}

#[test]
fn a_header_at_the_limit_and_one_above() {
    let at = message(&header_of(200, 2), b"{}");
    let (outcome, _) = serve(server(SMALL), [&at[..]], false);
    assert_eq!(outcome.end, Some(Ok(())));

    // Known from the protoheader alone.
    let (outcome, _) = serve(server(SMALL), [&201_u16.to_be_bytes()[..]], false);
    let why = "a header of 201 bytes is over the limit of 200";
    assert_eq!(outcome, Outcome { sent: error_message(why), end: Some(Err(why.into())) });
    let reading = read(SMALL, [&[0, 201][..]]);
    assert_eq!(reading.error, Some(ProtocolError::HeaderTooLong { len: 201, max: 200 }));

    let widest = Limits { header_len_max: usize::MAX, ..SMALL };
    let reading = read(widest, [&message(&header_of(65_535, 2), b"{}")[..]]);
    assert_eq!((reading.messages.len(), reading.error), (1, None));
}

#[test]
fn a_content_at_the_limit_and_one_above() {
    let content = format!("{{{}}}", " ".repeat(48));
    let at = message(&header_of(150, 50), content.as_bytes());
    let (outcome, _) = serve(server(SMALL), [&at[..]], false);
    assert_eq!(outcome.end, Some(Ok(())));

    // Known from the header alone.
    let above = message(&header_of(150, 51), b"");
    let (outcome, _) = serve(server(SMALL), [&above[..]], false);
    let why = "a content of 51 bytes is over the limit of 50";
    assert_eq!(outcome, Outcome { sent: error_message(why), end: Some(Err(why.into())) });
    assert_eq!(read(SMALL, [&above[..]]).error, Some(ProtocolError::ContentTooLong { len: 51, max: 50 }));

    let nothing = Limits { content_len_max: 0, ..SMALL };
    assert_eq!(read(nothing, [&message(&header_of(150, 0), b"")[..]]).messages.len(), 1);
    let one = read(nothing, [&message(&header_of(150, 1), b"")[..]]);
    assert_eq!(one.error, Some(ProtocolError::ContentTooLong { len: 1, max: 0 }));

    let widest = Limits { content_len_max: usize::MAX, ..SMALL };
    let huge = message(&header_with("content-length", Some("9223372036854775808")), b"and it begins");
    let reading = read(widest, [&huge[..]]);
    let position = Position { phase: Phase::Content, got: 13, want: 1 << 63 };
    assert_eq!((reading.error, reading.position), (None, position), "allowed, and nothing is set aside for it");
}

#[test]
fn a_depth_at_the_limit_and_one_above() {
    for (depth_max, limits) in [
        (3, SMALL),
        (Limits::DEPTH_CAP, Limits { depth_max: Limits::DEPTH_CAP, ..Limits::default() }),
        (1, Limits { depth_max: 1, ..SMALL }),
    ] {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        // The header or the content is a level itself.
        for (levels, is_allowed) in [(depth_max - 1, true), (depth_max, false)] {
            let deep = if levels == 0 { "0".to_owned() } else { nested(levels) };
            let header = |extra: &str, len: usize| {
                format!(
                    r#"{{"byteorder":"big","content-type":"text/json","content-encoding":"utf-8","content-length":{len}{extra}}}"#
                )
            };
            let in_header = message(&header(&format!(r#","deep":{deep}"#), 2), b"{}");
            let ignored = format!(r#"{{"deep":{deep}}}"#);
            let used = format!(r#"{{"action":{deep}}}"#);
            for (request, part) in [
                (in_header, "header"),
                (message(&header("", ignored.len()), ignored.as_bytes()), "content"),
                (message(&header("", used.len()), used.as_bytes()), "content"),
            ] {
                let limits = Limits { header_len_max: 1000, content_len_max: 1000, ..limits };
                let (outcome, _) = serve(server(limits), [&request[..]], false);
                let why = format!("the {part} is nested more than {} deep", count(depth_max, "level"));
                let end = if is_allowed { Ok(()) } else { Err(why) };
                assert_eq!(outcome.end, Some(end), "{levels} of {depth_max}");
            }
        }
    }
}

#[test]
fn no_depth_at_all() {
    let limits = Limits { depth_max: 0, ..SMALL };
    // However the header is written.
    for header in [header_of(150, 2), header_with("content-length", Some("2")), header_of(150, 2).replace(": ", ":")] {
        let reading = read(limits, [&message(&header, b"{}")[..]]);
        let error = reading.error.expect("an object is a level").to_string();
        assert_eq!(error, "the header is nested more than 0 levels deep");
    }
}

// Half-close

#[test]
fn the_end_of_the_input_is_judged_by_where_it_comes() {
    let Golden { request, reply, .. } = goldens(false).swap_remove(0);
    let header_len = request.len() - 2 - 41;
    for cut in 0..=request.len() {
        for before in [0, 1, 3] {
            let kept = goldens(true).swap_remove(1);
            let stream = [kept.request.repeat(before), request[..cut].to_vec()].concat();
            let replies = kept.reply.repeat(before);
            let position = match cut {
                0 => {
                    let (outcome, _) = serve(default_server(), [&stream[..]], true);
                    assert_eq!(outcome, Outcome { sent: replies, end: Some(Ok(())) }, "between messages is in order");
                    continue;
                }
                cut if cut == request.len() => {
                    let (outcome, _) = serve(default_server(), [&stream[..]], true);
                    assert_eq!(outcome, Outcome { sent: [replies, reply.clone()].concat(), end: Some(Ok(())) });
                    continue;
                }
                1 => Position { phase: Phase::Protoheader, got: 1, want: 2 },
                cut if cut < 2 + header_len => Position { phase: Phase::Jsonheader, got: cut - 2, want: header_len },
                cut => Position { phase: Phase::Content, got: cut - 2 - header_len, want: 41 },
            };
            for pieces in [vec![&stream[..]], stream.chunks(1).collect()] {
                let mut wire = Wire::new(default_server());
                pieces.into_iter().for_each(|piece| wire.feed(piece));
                assert!(wire.end().is_none());
                wire.end_input();
                let ended: &AppError = wire.error().downcast_ref().unwrap_or_else(|| panic!("{:?}", wire.error()));
                assert_eq!(*ended, AppError::PeerClosedMidMessage(position), "cut at {cut}");
                assert_eq!(wire.error().kind(), ErrorKind::InputEnded);
                assert!(!ended.deserves_reply());
                assert_eq!(wire.take_sent(), replies, "one who has gone is told nothing");
            }
        }
    }
}

#[test]
fn how_far_a_message_came_is_told_in_words() {
    let request = goldens(false).swap_remove(0).request;
    for (cut, words) in [
        (1, "peer closed in mid-message, 1 byte into a protoheader of 2"),
        (2, "peer closed in mid-message, 0 bytes into a JSON header of 103"),
        (104, "peer closed in mid-message, 102 bytes into a JSON header of 103"),
        (105, "peer closed in mid-message, 0 bytes into a content of 41"),
        (122, "peer closed in mid-message, 17 bytes into a content of 41"),
    ] {
        let (outcome, _) = serve(default_server(), [&request[..cut]], true);
        // The header of a big-endian machine is three bytes shorter.
        if cfg!(target_endian = "little") {
            assert_eq!(outcome.end, Some(Err(words.into())));
        }
    }
}

#[test]
fn a_peer_that_ends_its_side_at_once_still_gets_its_replies() {
    let kept = goldens(true).swap_remove(0);
    let mut wire = Wire::new(default_server());
    wire.harness.messages_per_call = 2;
    wire.harness.high_water = 1;
    // The end is known before the first call of the session that sees the requests.
    let stream = kept.request.repeat(5);
    wire.feed(&stream[..1]);
    wire.feed(&stream[1..]);
    wire.end_input();
    assert_eq!(wire.take_sent(), kept.reply.repeat(5));
    assert!(matches!(wire.end(), Some(Ok(()))));
}

// The client's side

fn client(requests: Vec<Request>) -> AppClient {
    AppClient::new(requests, Limits::default(), Duration::from_secs(1))
}

#[test]
fn requests_are_written_to_the_byte() {
    let integers = [1, -2, i32::MAX];
    let sum: Vec<u8> = integers.iter().flat_map(|integer| integer.to_ne_bytes()).collect();
    for (request, written) in [
        (Request::from_args("search", "🐶"), json_message(r#"{"action": "search", "value": "🐶"}"#, false)),
        (Request::from_args("search", "a\"\n"), json_message(r#"{"action": "search", "value": "a\"\n"}"#, false)),
        (Request::from_args("binary", "😃"), plain_message(BINARY, "binary", "binary😃".as_bytes(), false)),
        (Request::from_args("", ""), plain_message(BINARY, "binary", b"", false)),
        (
            Request::Json { action: "double".into(), value: "2".into() },
            json_message(r#"{"action": "double", "value": "2"}"#, false),
        ),
        (Request::Sum(integers.to_vec()), plain_message("binary/i32", "binary", &sum, false)),
    ] {
        let (outcome, _) = serve(client(vec![request.clone()]), [], false);
        assert_eq!(outcome, Outcome { sent: written, end: None }, "{request:?}");
    }
}

#[test]
fn a_client_in_any_byte_order_writes_its_numbers_and_its_headers_in_it() {
    let binary = b"\x00\xb3".as_slice();
    for (byteorder, sum) in
        [(ByteOrder::Little, b"\x01\0\0\0\xfe\xff\xff\xff"), (ByteOrder::Big, b"\0\0\0\x01\xff\xff\xff\xfe")]
    {
        let name = byteorder.name();
        for (request, kind, encoding, content) in [
            (Request::Sum(vec![1, -2]), "binary/i32", "binary", sum.as_slice()),
            (Request::Binary(binary.into()), BINARY, "binary", binary),
            (Request::Search("x".into()), "text/json", "utf-8", br#"{"action": "search", "value": "x"}"#),
        ] {
            let client = AppClient::with_byteorder(vec![request], Limits::default(), Duration::from_secs(1), byteorder);
            let (outcome, _) = serve(client, [], false);
            let header = format!(
                r#"{{"byteorder": "{name}", "content-type": "{kind}", "content-encoding": "{encoding}", "content-length": {}}}"#,
                content.len()
            );
            let head = [&(header.len() as u16).to_be_bytes(), header.as_bytes()].concat();
            assert_eq!(outcome.sent.escape_ascii().to_string(), [&head, content].concat().escape_ascii().to_string());
        }
    }
}

#[test]
fn a_client_and_a_server_understand_each_other() {
    let requests = vec![
        Request::from_args("search", "morpheus"),
        Request::from_args("search", "no\u{0}\"thing"),
        Request::from_args("binary", ""),
        Request::Sum(vec![i32::MAX, i32::MAX, 2]),
        Request::Json { action: "é".into(), value: String::new() },
    ];
    let (asked, _) = serve(client(requests.clone()), [], false);
    let (answered, _) = serve(default_server(), [&asked.sent[..]], false);
    assert_eq!(answered.end, Some(Ok(())), "the last request asks for nothing more");
    for pieces in ways(&answered.sent) {
        let (outcome, client) = serve(client(requests.clone()), pieces, false);
        assert_eq!(outcome.end, Some(Ok(())));
        let replies = client.into_replies();
        let wanted = [
            Reply::Result("Follow the white rabbit. 🐰".into()),
            Reply::Result("No match for 'no\u{0}\"thing'.".into()),
            Reply::Binary(b"First 10 bytes of request: binary".to_vec()),
            Reply::Sum(4_294_967_296),
            Reply::Result("Error: invalid action 'é'.".into()),
        ];
        assert_eq!(replies, wanted);
    }
}

#[test]
fn replies_that_cannot_be_used() {
    let binary = |content: &[u8]| plain_message("binary/i64", "binary", content, false);
    for (reply, why) in [
        (json_message("{}", false), "malformed reply: it has no 'result'"),
        (json_message("[]", false), "malformed reply: the content is JSON but not an object"),
        (
            json_message("{\"result\": }", false),
            "malformed reply: the content is not JSON: expected value at line 1 column 12",
        ),
        (plain_message("text/json", "ascii", b"\xff", false), "malformed reply: the content is not ASCII"),
        (plain_message("text/json", "morse", b"", false), "unknown encoding 'morse'"),
        (binary(&[0; 7]), "malformed reply: a binary/i64 content of 7 bytes, not 8"),
        (vec![0, 0], "the header length is zero"),
    ] {
        for pieces in ways(&reply) {
            let (outcome, client) = serve(client(vec![Request::from_args("search", "x")]), pieces, false);
            assert_eq!(outcome.end, Some(Err(why.into())));
            assert!(client.into_replies().is_empty());
        }
    }
}

#[test]
fn a_client_says_how_many_replies_came() {
    let two = vec![Request::from_args("search", "x"), Request::from_args("search", "y")];
    let reply = json_message("{\"result\": \"x\"}", false);
    for (received, why) in [
        (vec![], "peer closed before it sent a message".to_owned()),
        (reply[..1].to_vec(), "peer closed in mid-message, 1 byte into a protoheader of 2".to_owned()),
        (reply.clone(), "peer closed after 1 of 2 replies".to_owned()),
        (
            [&reply[..], &reply[..reply.len() - 1]].concat(),
            "peer closed in mid-message, 14 bytes into a content of 15".to_owned(),
        ),
    ] {
        let (outcome, _) = serve(client(two.clone()), [&received[..]], true);
        assert_eq!(outcome.end, Some(Err(why)));
    }
}

/// Words become this one request, to the byte.
fn form(form: &Form, words: &[&str], written: Vec<u8>) {
    let requests = form.words(words).unwrap();
    let [request] = &requests[..] else { panic!("{words:?}: {requests:?}") };
    let mut got = Vec::new();
    request.write(&mut got, false);
    assert_eq!(got.escape_ascii().to_string(), written.escape_ascii().to_string(), "{words:?}");
}

#[test]
fn words_become_requests_of_every_form() {
    let json = |content_type: Option<&str>, encoding: Option<&str>| Form {
        content_type: content_type.map(str::to_owned),
        content_encoding: encoding.map(str::to_owned),
        ..Form::default()
    };
    let search = r#"{"action": "search", "value": "é"}"#;
    form(&Form::default(), &["search", "é"], json_message(search, false));
    form(&Form::default(), &["serach", "é"], plain_message(BINARY, "binary", "seraché".as_bytes(), false));
    form(&json(Some("text/json"), None), &["search", "é"], json_message(search, false));
    let dance = r#"{"action": "dance", "value": "-1"}"#;
    form(&json(Some("text/json"), None), &["dance", "-1"], json_message(dance, false));
    let latin: Vec<u8> = search.chars().map(|char| char as u8).collect();
    form(&json(None, Some("latin-1")), &["search", "é"], plain_message("text/json", "latin-1", &latin, false));
    form(&json(None, Some("latin-1")), &["é", "x"], plain_message(BINARY, "latin-1", b"\xe9x", false));
    form(&json(Some("text/plain"), None), &["é"], plain_message("text/plain", "binary", "é".as_bytes(), false));
    form(
        &json(Some("text/plain"), Some("UTF-16-BE")),
        &["é"],
        plain_message("text/plain", "UTF-16-BE", b"\0\xe9", false),
    );

    let big = Form { byteorder: ByteOrder::Big, ..json(Some("binary/i32"), None) };
    let integers = b"\0\0\0\x01\xff\xff\xff\xff";
    let other = if cfg!(target_endian = "big") { "big" } else { "little" };
    let in_big =
        |message: Vec<u8>| String::from_utf8_lossy(&message[2..message.len() - integers.len()]).replace(other, "big");
    let header = in_big(plain_message("binary/i32", "binary", integers, false));
    form(&big, &["1", "-1"], message(&header, integers));
    assert_eq!(big.line(" 1  -1 "), big.words(&["1", "-1"]).map(|mut requests| requests.remove(0)));
    assert_eq!(Form::default().line("search a  b"), Ok(Request::Search("a  b".into())));
    assert_eq!(json(Some("a/b"), None).words(&["x", "y"]).unwrap().len(), 2);
    assert_eq!(Form::default().words(&["search", "x", "search", "y"]).unwrap().len(), 2);
}

#[test]
fn words_that_are_no_request() {
    let of = |content_type: &str, encoding: Option<&str>| Form {
        content_type: Some(content_type.into()),
        content_encoding: encoding.map(str::to_owned),
        ..Form::default()
    };
    for (form, words, why) in [
        (Form::default(), &["search", "x", "search"][..], "the action 'search' needs a VALUE"),
        (of("binary/i32", None), &["1", "2147483648"], "'2147483648' is not an integer of 32 bits"),
        (of("text/json", Some("ascii")), &["search", "é"], "the request has a character that is not in ASCII"),
        (of("text/json", Some("morse")), &["search", "e"], "unknown encoding 'morse'"),
    ] {
        assert_eq!(form.words(words).unwrap_err().to_string(), why);
    }
    assert_eq!(Form::default().line("search").unwrap_err().to_string(), "the action 'search' needs a VALUE");
}

/// Messages that are there already, and then either the end, or nothing for now.
#[derive(Clone)]
struct Messages {
    given: Rc<RefCell<VecDeque<Vec<u8>>>>,
    ends: Rc<Cell<bool>>,
}

impl Messages {
    fn new(given: &[&[u8]], ends: bool) -> Messages {
        let given = given.iter().map(|message| message.to_vec()).collect();
        Messages { given: Rc::new(RefCell::new(given)), ends: Rc::new(Cell::new(ends)) }
    }
}

impl Source for Messages {
    fn next(&mut self, _make_waker: &dyn Fn() -> Waker) -> Result<Poll<Option<Vec<u8>>>, SessionError> {
        match self.given.borrow_mut().pop_front() {
            None if !self.ends.get() => Ok(Poll::Pending),
            next => Ok(Poll::Ready(next)),
        }
    }
}

/// What a talker has shown for these messages, when these bytes have come, and what came of it.
fn talk(given: &[&[u8]], ends: bool, received: &[&[u8]], input_ends: bool) -> (Outcome, Vec<(String, Vec<u8>)>) {
    let shown = RefCell::new(Vec::new());
    let show = |message: &Message<'_>, bytes: &[u8], _: &Peer| {
        shown.borrow_mut().push((String::from_utf8_lossy(message.content).into_owned(), bytes.to_vec()));
        Ok(())
    };
    let talker = AppTalker::new(Messages::new(given, ends), show, Limits::default(), Duration::from_secs(1));
    let (outcome, _) = serve(talker, received.to_vec(), input_ends);
    (outcome, shown.into_inner())
}

#[test]
fn a_talker_sends_a_request_when_the_one_before_is_answered() {
    let replies = ["x", "y"].map(|word| json_message(&format!("{{\"result\": \"{word}\"}}"), true));
    let (none, shown) = talk(&[b"one", b"two"], true, &[], false);
    assert_eq!((none, shown.len()), (Outcome { sent: b"one".to_vec(), end: None }, 0));
    for pieces in ways(&replies.concat()) {
        let (all, shown) = talk(&[b"one", b"two"], true, &pieces, false);
        assert_eq!(all, Outcome { sent: b"onetwo".to_vec(), end: Some(Ok(())) });
        // Each reply comes with its own bytes.
        let expected = ["x", "y"].map(|word| format!("{{\"result\": \"{word}\"}}")).into_iter().zip(replies.clone());
        assert_eq!(shown, expected.collect::<Vec<_>>());
    }
    // Until there is another request, it only waits.
    let (open, shown) = talk(&[b"one"], false, &[&replies[0]], false);
    assert_eq!((open, shown.len()), (Outcome { sent: b"one".to_vec(), end: None }, 1));
}

#[test]
fn a_talker_says_how_far_it_came() {
    let reply = json_message("{\"result\": \"x\"}", false);
    let end = |given: &[&[u8]], ends, received: &[u8]| talk(given, ends, &[received], true).0.end.unwrap();
    assert_eq!(end(&[b"one"], true, &reply), Ok(()));
    assert_eq!(end(&[b"one", b"two"], true, &reply), Err("peer closed after 1 reply".into()));
    assert_eq!(end(&[b"one"], true, b""), Err("peer closed before it sent a message".into()));
    let cut = Err("peer closed in mid-message, 1 byte into a protoheader of 2".into());
    assert_eq!(end(&[b"one"], true, &reply[..1]), cut);
    // A server that is full says so before it is asked.
    let (_, shown) = talk(&[], false, &[&reply], false);
    assert_eq!(shown.len(), 1);
}

#[test]
fn a_server_that_closes_is_an_error_only_for_another_request() {
    let reply = json_message("{\"result\": \"x\"}", false);
    for another in [false, true] {
        let messages = Messages::new(&[b"one"], false);
        let show = |_: &Message<'_>, _: &[u8], _: &Peer| Ok(());
        let talker = AppTalker::new(messages.clone(), show, Limits::default(), Duration::from_secs(1));
        let mut harness = Harness::new(talker);
        harness.feed(&reply);
        harness.end_input();
        let now = Instant::now();
        assert_eq!(harness.call(now).unwrap(), Progress::Working);
        assert_eq!(harness.call(now).unwrap(), Progress::Working);
        messages.ends.set(true);
        if another {
            messages.given.borrow_mut().push_back(b"two".to_vec());
            assert_eq!(harness.call(now).unwrap_err().to_string(), "peer closed after 1 reply");
        } else {
            assert_eq!(harness.call(now).unwrap(), Progress::Finished);
        }
    }
}

#[test]
fn a_talker_waits_for_a_reply_and_for_no_person() {
    let show = |_: &Message<'_>, _: &[u8], _: &Peer| Ok(());
    let talker =
        |given: &[&[u8]]| AppTalker::new(Messages::new(given, false), show, Limits::default(), Duration::from_secs(1));
    let mut idle = Wire::new(talker(&[]));
    idle.pass(Duration::from_secs(1_000_000));
    assert!(idle.end().is_none());
    let mut asked = Wire::new(talker(&[b"one"]));
    asked.pass(Duration::from_secs(1));
    assert_eq!(asked.error().to_string(), "timed out: nothing came for 1s");
}
