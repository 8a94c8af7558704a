//! No input makes the reader or a session panic, and the result doesn't depend on how the input is split.
//!
//! What must hold is in `fuzz/body.rs`, which the fuzz target runs as well. Here it runs over the fuzzer's seeds, over
//! bytes of any kind, and over good messages spoilt.

#[path = "fuzz/body.rs"]
mod body;
#[path = "fuzz/header.rs"]
mod header;
mod memory;

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use memory::{PEER, json_message, message, plain_message, read, serve};
use multiconn::codec::proxy::{self, Version};
use multiconn::message::{ContentType, Encoding, Heading, Limits, write_message};
use multiconn::protocols::app::AppService;
use multiconn::session::Service;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::FileFailurePersistence;

/// What fails is printed, and kept in `tests/any_bytes.regressions`, to be tried first from then on.
fn config(cases: u32) -> ProptestConfig {
    let kept = FileFailurePersistence::WithSource("regressions");
    ProptestConfig { cases, failure_persistence: Some(Box::new(kept)), ..ProptestConfig::default() }
}

fn seeds() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    let mut seeds: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    seeds.sort();
    seeds
}

#[test]
fn seeds_are_what_their_names_say() {
    let seeds = seeds();
    assert!(seeds.len() >= 20);
    for (name, bytes) in seeds {
        let (open, _) = serve(AppService::default().accept(&PEER), [&bytes[..]], false);
        let replies = read(Limits::default(), [&open.sent[..]]).messages.len();
        let kind = name.split('-').next().unwrap();
        match kind {
            "golden" => assert_eq!((open.end, replies), (Some(Ok(())), 1), "{name}"),
            "pipelined" => assert!(replies > 1, "{name}"),
            "error" => assert!(matches!(open.end, Some(Err(_))) && replies == 1, "{name}"),
            "cut" => assert_eq!((open.end, replies), (None, 0), "{name}"),
            "replies" => {}
            _ => panic!("{name} says nothing of what it is"),
        }
    }
}

#[test]
fn every_seed() {
    for (name, bytes) in seeds() {
        eprintln!("{name}"); // Shown where it fails.
        body::any_bytes(&bytes);
    }
}

#[test]
fn every_seed_cut_short() {
    for (name, bytes) in seeds() {
        eprintln!("{name}");
        for len in (0..bytes.len()).step_by(19) {
            body::any_bytes(&bytes[..len]);
        }
    }
}

/// A header that may be good, or lack something, or have something else where it should have something.
fn header() -> impl Strategy<Value = String> {
    let value = select(vec![
        "\"little\"",
        "\"big\"",
        "\"text/json\"",
        "\"binary/i32\"",
        "\"binary/i64\"",
        "\"image/png\"",
        "\"utf-8\"",
        "\"utf-16\"",
        "\"latin-1\"",
        "\"utf-32-be\"",
        "\"binary\"",
        "\"keep-alive\"",
        "\"close\"",
        "0",
        "2",
        "4",
        "41",
        "-1",
        "1e3",
        "1048576",
        "1048577",
        "18446744073709551616",
        "null",
        "true",
        "[]",
        "{\"a\": [1]}",
        "[[[[]]]]",
        "\"\\ud800\"",
        "nope",
        "",
    ]);
    let usual = |key: &'static str, values: Vec<&'static str>| {
        let value = prop_oneof![12 => select(values), 1 => value.clone()];
        value.prop_map(move |value| format!("\"{key}\": {value}"))
    };
    let members = (
        usual("byteorder", vec!["\"little\"", "\"big\""]),
        usual("content-type", vec!["\"text/json\"", "\"binary/i32\"", "\"binary/i64\"", "\"text/plain\""]),
        usual("content-encoding", vec!["\"utf-8\"", "\"latin-1\"", "\"utf-16\""]),
        usual("content-length", vec!["0", "1", "2", "4", "8", "28"]),
        usual("connection", vec!["\"keep-alive\"", "\"keep-alive\"", "\"close\""]),
    );
    members.prop_map(|(a, b, c, d, e)| [a, b, c, d, e]).prop_shuffle().prop_flat_map(|members| {
        (0..40_usize).prop_map(move |skip| {
            let kept: Vec<&str> =
                members.iter().enumerate().filter(|(at, _)| *at != skip).map(|(_, member)| &**member).collect();
            format!("{{{}}}", kept.join(", "))
        })
    })
}

/// Something like an object with an action and a value, most often one, and most often written plainly.
fn object() -> impl Strategy<Value = String> {
    let key = select(vec!["\"action\"", "\"value\"", "\"more\"", "\"\"", "\"é\"", "\"\\u0061ction\"", "action", "1"]);
    let value = prop_oneof![
        4 => select(vec!["\"search\"", "\"ring\"", "\"\"", "\"a\\n\"", "\"\u{1}\"", "\"", "\"a\"\"b\"", "0", "-0", "1.5", "[]", "null"])
            .prop_map(str::to_owned),
        1 => "\"[ -~é🐶]{0,6}\"",
        1 => "[0-9]{0,22}",
    ];
    let colon = prop_oneof![20 => Just(": "), 1 => select(vec![":", " : ", ":  ", "", " "])];
    let member = (key, colon, value).prop_map(|(key, colon, value)| format!("{key}{colon}{value}"));
    let comma = prop_oneof![20 => Just(", "), 1 => select(vec![",", " , ", "", ", , "])];
    let around = prop_oneof![20 => Just(("{", "}")), 1 => select(vec![("{", ""), ("", "}"), ("{", "}}"), ("{", ", }"), (" {", "}"), ("{ ", "}"), ("[", "]")])];
    (vec(member, 0..4), comma, around)
        .prop_map(|(members, comma, (open, close))| format!("{open}{}{close}", members.join(comma)))
}

/// Something like a message.
fn roughly_a_message() -> impl Strategy<Value = Vec<u8>> {
    let content = prop_oneof![
        Just(b"{\"action\": \"search\", \"x\": 1}".to_vec()),
        Just(b"{}".to_vec()),
        vec(any::<u8>(), 0..12),
    ];
    (header(), content, prop_oneof![9 => Just(0_i32), 1 => -3..3_i32]).prop_map(|(header, content, off)| {
        let len = (header.len() as i32 + off) as u16;
        [&len.to_be_bytes(), header.as_bytes(), &content].concat()
    })
}

/// Something done to good bytes.
#[derive(Clone, Debug)]
enum Damage {
    Replace(Index, u8),
    Insert(Index, u8),
    Remove(Index),
    Repeat(Index, Index),
    Truncate(Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let byte = || prop_oneof![any::<u8>(), select(b"{}[]\":,\\0-9eu \xff\0".to_vec())];
    prop_oneof![
        4 => (any::<Index>(), byte()).prop_map(|(at, byte)| Damage::Replace(at, byte)),
        2 => (any::<Index>(), byte()).prop_map(|(at, byte)| Damage::Insert(at, byte)),
        2 => any::<Index>().prop_map(Damage::Remove),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Damage::Repeat(from, to)),
        1 => any::<Index>().prop_map(Damage::Truncate),
    ]
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let len = bytes.len();
        match self {
            Self::Replace(at, byte) => bytes[at.index(len)] = *byte,
            Self::Insert(at, byte) => bytes.insert(at.index(len), *byte),
            Self::Remove(at) => drop(bytes.remove(at.index(len))),
            Self::Repeat(a, b) => {
                let (from, to) = (a.index(len).min(b.index(len)), a.index(len).max(b.index(len)));
                bytes.extend_from_within(from..to);
            }
            Self::Truncate(at) => bytes.truncate(at.index(len)),
        }
    }
}

/// `bytes` cut at some places.
fn cut<'a>(bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|ends| &bytes[ends[0]..ends[1]]).collect()
}

proptest! {
    #![proptest_config(config(128))]

    #[test]
    fn bytes_of_any_kind(bytes in vec(any::<u8>(), 0..300)) {
        body::any_bytes(&bytes);
    }

    /// Nearly all bytes announce a header that is too long; these get further.
    #[test]
    fn headers_of_any_kind(header in vec(any::<u8>(), 1..120), more in vec(any::<u8>(), 0..20)) {
        body::any_bytes(&[&[0, header.len() as u8], &header[..], &more].concat());
    }

    #[test]
    fn contents_of_any_kind(
        content in prop_oneof![vec(any::<u8>(), 0..60), ".{0,20}".prop_map(String::into_bytes)],
        encoding in select(vec!["utf-8", "utf-16", "utf-16-be", "utf-32", "latin-1", "ascii", "cp1252", "shift_jis"]),
        keep_alive: bool,
    ) {
        body::any_bytes(&plain_message("text/json", encoding, &content, keep_alive));
    }

    #[test]
    fn rough_messages(messages in vec(roughly_a_message(), 1..4), cuts in vec(any::<Index>(), 0..6)) {
        let bytes = messages.concat();
        body::any_pieces(&bytes, cut(&bytes, &cuts));
    }

    #[test]
    fn good_messages_spoilt(
        seed in any::<Index>(),
        damages in vec(damage(), 1..4),
        cuts in vec(any::<Index>(), 0..6),
    ) {
        let mut bytes = seed.get(&seeds()).1.clone();
        damages.iter().for_each(|damage| damage.apply(&mut bytes));
        body::any_pieces(&bytes, cut(&bytes, &cuts));
    }

    #[test]
    fn proxy_headers_spoilt(
        version in select(vec![Version::V1, Version::V2]),
        ip in prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(IpAddr::from)],
        port: u16,
        more in vec(any::<u8>(), 0..40),
        damages in vec(damage(), 0..3),
    ) {
        let addr = Some(SocketAddr::new(ip, port));
        let mut bytes = [proxy::write(version, addr, addr), more].concat();
        damages.iter().for_each(|damage| damage.apply(&mut bytes));
        header::any_header(&bytes);
    }

    #[test]
    fn what_is_written_is_read_back(
        contents in vec((vec(any::<u8>(), 0..2000), any::<bool>()), 1..4),
        content_type in select(vec!["text/json", "binary/i32", "binary/i64", "image/png", "", "é"]),
        content_encoding in select(vec!["utf-8", "latin-1", "utf-16-be"]),
        cuts in vec(any::<Index>(), 0..6),
    ) {
        let mut written = b"what stands here already".to_vec();
        for (content, keep_alive) in &contents {
            let heading = Heading { content_encoding, ..Heading::binary(content_type, *keep_alive) };
            write_message(&mut written, heading, |out| out.extend_from_slice(content));
        }
        let written = written.strip_prefix(b"what stands here already").expect("it still stands there");
        let reading = read(Limits::default(), cut(written, &cuts));
        prop_assert_eq!((&reading.error, reading.unused), (&None, 0));
        prop_assert_eq!(reading.messages.len(), contents.len());
        for ((header, content), (wanted, keep_alive)) in reading.messages.iter().zip(&contents) {
            prop_assert_eq!(content, wanted);
            prop_assert_eq!((header.content_len, header.keep_alive), (wanted.len(), *keep_alive));
            prop_assert_eq!(&header.content_type, &ContentType::for_name(content_type));
        }
    }

    #[test]
    fn a_search_for_anything_is_answered_with_it(value in ".{0,50}") {
        let request = json_message(&serde_json::json!({"action": "search", "value": value}).to_string(), false);
        let (outcome, _) = serve(AppService::default().accept(&PEER), [&request[..]], false);
        let reply = read(Limits::default(), [&outcome.sent[..]]);
        let result: serde_json::Value = serde_json::from_slice(&reply.messages[0].1).unwrap();
        prop_assert_eq!(&result["result"], &format!("No match for '{value}'."));
    }

    /// Plain objects take the fast path, and all others the general parser. White space at the end sends a plain object to
    /// the parser, without changing its meaning.
    #[test]
    fn white_space_at_the_end_makes_no_difference(content in object(), header in header()) {
        let answer = |request: &[u8]| {
            let (outcome, _) = serve(AppService::default().accept(&PEER), [request], true);
            let is_error = matches!(outcome.end, Some(Err(_)));
            (is_error, outcome.sent)
        };
        for (plain, other) in [
            (json_message(&content, false), json_message(&format!("{content}\n"), false)),
            (message(&header, &[b' '; 28]), message(&format!("{header}\n"), &[b' '; 28])),
        ] {
            let (plain, other) = (answer(&plain), answer(&other));
            prop_assert_eq!(plain.0, other.0);
            // Where an object that has no end ends is another place.
            if !plain.0 {
                prop_assert_eq!(plain.1, other.1);
            }
        }
    }

    #[test]
    fn encodings_decode_or_refuse(name in "[a-zA-Z0-9_ -]{0,12}", bytes in vec(any::<u8>(), 0..40), other in any::<Index>()) {
        let known = ["utf-8-sig", "utf-16", "utf-16-le", "utf-32", "ascii", "latin-1", "cp1252", "shift_jis", "gb18030",
            "euc-jp", "iso-2022-jp", "big5", "euc-kr", "koi8-r", "mac_roman", "cp866"];
        for name in [&name, *other.get(&known)] {
            if let Some(encoding) = Encoding::for_name(name) {
                let text = encoding.decode(&bytes);
                prop_assert!(!encoding.name().is_empty());
                if let Some(text) = text && bytes.is_ascii() && encoding == Encoding::Latin1 {
                    prop_assert_eq!(text.as_bytes(), &bytes[..]);
                }
            }
        }
    }
}
