//! The protocols with one-line requests, in memory: every end and split of the line, and every answer to a client.

mod memory;

use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

use memory::{Outcome, PEER, Wire, count, describe, serve, ways};
use multiconn::folder::Folder;
use multiconn::protocols::getfile::{GetFileClient, GetFileServer, GetFileService, REQUEST_LEN_MAX, Request, Store};
use multiconn::protocols::line::{LineLimits, PAUSE};
use multiconn::protocols::multiply::{Chunk, MultiplyClient, MultiplyServer, MultiplyService, Summary};
use multiconn::session::{Service, Session};
use proptest::prelude::*;
use rustix::io::Errno;
use tempfile::TempDir;

const MOMENT: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn finished(sent: &[u8]) -> Outcome {
    Outcome { sent: sent.to_vec(), end: Some(Ok(())) }
}

fn failed(sent: &str, why: &str) -> Outcome {
    Outcome { sent: sent.into(), end: Some(Err(why.into())) }
}

/// One that sends a string of up to ten bytes back three times.
fn multiply() -> MultiplyServer {
    let limits = LineLimits { len_max: 10, ..MultiplyService::default().limits };
    MultiplyService { limits, times: 3, ..MultiplyService::default() }.accept(&PEER)
}

/// Checks the outcome of `session` for every split of `bytes` and of the end after them.
fn check<S: Session>(session: impl Fn() -> S, bytes: &[u8], ends: bool, expected: &Outcome) {
    for pieces in ways(bytes) {
        let (outcome, _) = serve(session(), pieces.iter().copied(), ends);
        assert_eq!(&outcome, expected, "{} {}, ends: {ends}", bytes.escape_ascii(), describe(&pieces));
    }
}

#[test]
fn a_line_ends_with_a_newline_or_the_end() {
    for line in [&b"hello"[..], b"h", b"\0", b"0123456789", "🐶\r".as_bytes()] {
        let expected = finished(&line.repeat(3));
        check(multiply, &[line, b"\n"].concat(), false, &expected);
        check(multiply, &[line, b"\nand more, which is not read"].concat(), false, &expected);
        check(multiply, line, true, &expected);
    }
    check(multiply, b"\n", false, &finished(b""));
    check(multiply, b"", true, &finished(b""));
}

#[test]
fn a_line_ends_with_a_pause() {
    for pieces in ways(b"hello") {
        let mut wire = Wire::new(multiply());
        for piece in &pieces {
            wire.pass(PAUSE - MOMENT);
            wire.feed(piece);
        }
        wire.pass(PAUSE - MOMENT);
        assert!(wire.end().is_none() && !wire.session().is_idle(), "{}", describe(&pieces));
        wire.pass(MOMENT);
        assert_eq!(wire.outcome().0, finished(b"hellohellohello"), "{}", describe(&pieces));
    }
}

#[test]
fn a_line_that_is_too_long_is_an_error_however_it_ends() {
    let expected = failed("", "the request is over the limit of 10 bytes");
    for line in [&b"0123456789a"[..], b"0123456789a\n", &[b'x'; 1000]] {
        check(multiply, line, false, &expected);
        check(multiply, line, true, &expected);
    }
}

#[test]
fn a_line_that_never_comes_is_an_idle_peer() {
    // The connection limits how long it may be idle.
    let wire = Wire::new(multiply());
    assert!(wire.session().is_idle() && wire.session().deadline().is_none());
    let (_dir, server) = files();
    let wire = Wire::new(server());
    assert!(wire.session().is_idle() && wire.session().deadline().is_none());
}

#[test]
fn a_line_that_never_ends_is_too_slow() {
    let limits = LineLimits { len_max: 1000, ..MultiplyService::default().limits };
    let mut wire = Wire::new(MultiplyService { limits, ..MultiplyService::default() }.accept(&PEER));
    wire.pass(59 * SECOND);
    // What comes in the idle time starts another.
    for _ in 0..750 {
        wire.feed(b"x");
        wire.pass(PAUSE - 10 * MOMENT);
    }
    assert_eq!(wire.outcome().0, failed("", "timed out after 30s, 750 bytes into the request"));
}

/// A folder with a few files, and a server of it.
fn files() -> (TempDir, impl Fn() -> GetFileServer) {
    let dir = TempDir::new().unwrap();
    std::fs::create_dir(dir.path().join("sub")).unwrap();
    for (path, content) in
        [("file", "content"), ("empty", ""), ("sub/12 monkeys", "twelve"), ("🐶\\x", "dog"), ("return\r", "carriage")]
    {
        std::fs::write(dir.path().join(path), content).unwrap();
    }
    let folder = Folder::open(dir.path(), false).unwrap();
    let service = GetFileService::new(folder, 10 * SECOND);
    (dir, move || service.clone().accept(&PEER))
}

#[test]
fn files_are_sent_to_who_asks_for_them() {
    let (_dir, server) = files();
    for (request, reply) in [
        (&b"file"[..], "content"),
        (b"empty", ""),
        (b"./sub//12 monkeys", "twelve"),
        ("🐶\\x".as_bytes(), "dog"),
        (b"\0file", "OK 7\ncontent"),
        (b"\x000 sub/12 monkeys", "OK 6\ntwelve"),
        (b"\x003 file", "OK 7\ntent"),
        (b"\x007 file", "OK 7\n"),
        (b"\0empty", "OK 0\n"),
        // CR LF ends a line as well, and a name may end with CR.
        (b"file\r", "content"),
        (b"\x003 file\r", "OK 7\ntent"),
        (b"return\r", "carriage"),
    ] {
        check(&server, &[request, b"\n"].concat(), false, &finished(reply.as_bytes()));
        // The end of input instead of a newline works as well.
        check(&server, request, true, &finished(reply.as_bytes()));
    }
}

#[test]
fn who_asks_for_a_status_is_told_what_is_wrong_and_others_are_not() {
    let (_dir, server) = files();
    for (path, why) in [
        (&b"nothing"[..], "no such file"),
        (b"", "no such file"),
        (b"sub", "not a regular file"),
        (b"file/", "not a directory"),
        (b"../file", "it leads out of the served folder"),
        (b"/etc/passwd", "it leads out of the served folder"),
        (b".ssh/id", "hidden files are not served"),
        (b"fi\0le", "a path with a zero byte"),
        (b"nothing\r", "no such file"),
        (b"file\r\r", "no such file"),
    ] {
        let name = path.escape_ascii();
        let log = format!("cannot send '{name}': {why}");
        check(&server, &[path, b"\n"].concat(), false, &failed("", &log));
        check(&server, &[b"\0", path, b"\n"].concat(), false, &failed(&format!("ERROR {log}\n"), &log));
    }
    let why = "cannot send 'file': offset 8 is beyond the end of the file, which has 7 bytes";
    check(&server, b"\x008 file\n", false, &failed(&format!("ERROR {why}\n"), why));
}

#[test]
fn requests_for_files_that_are_none() {
    let (_dir, server) = files();
    let too_long = format!("the request is over the limit of {REQUEST_LEN_MAX} bytes");
    let slow = "timed out after 10s, 3 bytes into the request";
    for (first, told) in [("x", ""), ("\0", "ERROR ")] {
        let told = |why| if told.is_empty() { String::new() } else { format!("{told}{why}\n") };
        let long = first.to_owned() + &"x".repeat(REQUEST_LEN_MAX);
        for pieces in
            [vec![long.as_bytes()], long.as_bytes().chunks(1000).collect(), long.as_bytes().chunks(1).collect()]
        {
            assert_eq!(serve(server(), pieces, false).0, failed(&told(&too_long[..]), &too_long));
        }
        let mut wire = Wire::new(server());
        wire.feed(first.as_bytes());
        wire.pass(9 * SECOND);
        wire.feed(b"fi");
        // No pause ends this protocol's line.
        wire.pass(SECOND - MOMENT);
        assert!(wire.end().is_none());
        wire.pass(MOMENT);
        assert_eq!(wire.outcome().0, failed(&told(slow), slow));
    }
}

/// Keeps what it's given, up to a limit.
#[derive(Debug)]
struct Kept {
    bytes: Vec<u8>,
    announced: Option<u64>,
    len_max: usize,
}

impl Store for Kept {
    fn expect(&mut self, len: u64) {
        assert_eq!(self.announced.replace(len), None, "it's said once");
    }

    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.bytes.len() + bytes.len() > self.len_max {
            return Err(Errno::NOSPC.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
}

fn get(with_status: bool, offset: u64) -> GetFileClient<Kept> {
    let kept = Kept { bytes: Vec::new(), announced: None, len_max: 20 };
    GetFileClient::new(&Request { path: b"a b", with_status, offset }, kept, 10 * SECOND)
}

/// The outcome of such an answer, for every split: how the client ended, if it has, and what it has kept.
fn answered(
    client: impl Fn() -> GetFileClient<Kept>,
    reply: &[u8],
    ends: bool,
) -> Vec<(Option<Result<(), String>>, String)> {
    let mut all: Vec<_> = ways(reply)
        .into_iter()
        .map(|pieces| {
            let (outcome, client) = serve(client(), pieces, ends);
            (outcome.end, String::from_utf8(client.into_store().bytes).unwrap())
        })
        .collect();
    all.dedup();
    all
}

/// The same where it makes no difference how it's split.
fn came_to(client: impl Fn() -> GetFileClient<Kept>, reply: &[u8], ends: bool) -> (Option<Result<(), String>>, String) {
    let mut all = answered(client, reply, ends);
    assert_eq!(all.len(), 1, "{}: {all:?}", reply.escape_ascii());
    all.remove(0)
}

fn error(text: &str) -> Option<Result<(), String>> {
    Some(Err(text.to_owned()))
}

#[test]
fn a_client_asks_and_gets() {
    assert_eq!(Wire::new(get(true, 0)).take_sent(), b"\x000 a b\n");
    assert_eq!(Wire::new(get(true, 12)).take_sent(), b"\x0012 a b\n");
    assert_eq!(Wire::new(get(false, 0)).take_sent(), b"a b\n");
    for ends in [false, true] {
        assert_eq!(came_to(|| get(true, 0), b"OK 5\nhello", ends), (Some(Ok(())), "hello".into()));
        assert_eq!(came_to(|| get(true, 3), b"OK 5\nlo", ends), (Some(Ok(())), "lo".into()));
        assert_eq!(came_to(|| get(true, 5), b"OK 5\n", ends), (Some(Ok(())), "".into()));
        assert_eq!(came_to(|| get(true, 0), b"OK 0\n", ends), (Some(Ok(())), "".into()));
    }
    assert_eq!(came_to(|| get(false, 0), b"OK 5\nhello", true), (Some(Ok(())), "OK 5\nhello".into()));
    assert_eq!(came_to(|| get(false, 0), b"hello", false), (None, "hello".into()));
}

#[test]
fn an_answer_that_is_cut_off_is_told_from_one_that_is_whole() {
    let reply = b"OK 5\nhello";
    for len in 0..reply.len() {
        let expected = match len {
            0 => "the server closed without a reply (it may be full, or an old one, which requires --plain)".into(),
            1..5 => {
                let came = &"OK 5"[..len];
                format!("not a file server's answer: '{came}' (an old server requires --plain)")
            }
            _ => format!("cut off after {} of 5 bytes", len - 5),
        };
        let kept = &"hello"[..len.saturating_sub(5)];
        assert_eq!(came_to(|| get(true, 0), &reply[..len], true), (error(&expected), kept.into()));
        // Without the end it's waited for, but not for ever.
        let mut wire = Wire::new(get(true, 0));
        wire.pass(9 * SECOND);
        wire.feed(&reply[..len]);
        wire.pass(if len == 0 { SECOND } else { 10 * SECOND } - MOMENT);
        assert!(wire.end().is_none());
        wire.pass(MOMENT);
        let stalled = format!("timed out: nothing came for 10s, after {}", count(kept.len(), "byte"));
        assert_eq!(wire.error().to_string(), stalled);
    }
    let nothing = "nothing came: the file is empty, or the server will not send it";
    assert_eq!(came_to(|| get(false, 0), b"", true), (error(nothing), "".into()));
}

#[test]
fn answers_that_are_none() {
    for status in [
        "",
        "OK",
        "OK ",
        "OK -1",
        "OK +1",
        "OK 1 ",
        "OK  1",
        "ok 1",
        "OK 0x1",
        "OK 18446744073709551616",
        "ERROR",
        "HTTP/1.1 400",
    ] {
        let expected = format!("not a file server's answer: '{status}' (an old server requires --plain)");
        let reply = format!("{status}\nhello");
        assert_eq!(came_to(|| get(true, 0), reply.as_bytes(), false), (error(&expected), "".into()), "{status}");
    }
    // Less than what is there already.
    let expected = "not a file server's answer: 'OK 4' (an old server requires --plain)";
    assert_eq!(came_to(|| get(true, 5), b"OK 4\n", true), (error(expected), "".into()));
    // As much as there can be is waited for.
    assert_eq!(came_to(|| get(true, 0), b"OK 18446744073709551615\nx", false), (None, "x".into()));
    for long in [vec![b'x'; 1001], vec![b'x'; 3000], [b"ERROR ", &[b'x'; 1000][..], b"\n"].concat()] {
        let (end, kept) = came_to(|| get(true, 0), &long, false);
        let text = end.unwrap().unwrap_err();
        assert!(text.contains("and 800 bytes more") && kept.is_empty(), "{text}");
    }
    let (end, _) = came_to(|| get(true, 0), &[b"ERROR ", &[b'x'; 994][..], b"\n"].concat(), false);
    assert_eq!(end, error(&format!("the server says: {}", "x".repeat(994))));
}

#[test]
fn what_a_server_says_does_not_get_hold_of_a_terminal() {
    let said = "ERROR no 🐶: \x1b[31m\u{9b}1m\r\x07\n";
    let (end, kept) = came_to(|| get(true, 0), said.as_bytes(), false);
    assert_eq!((end, kept), (error("the server says: no 🐶: \\u{1b}[31m\\u{9b}1m\\r\\u{7}"), "".into()));
    let (end, _) = came_to(|| get(true, 0), b"ERROR \xff\xfe\n", false);
    assert_eq!(end, error("the server says: \\xff\\xfe"));
}

#[test]
fn no_more_is_kept_than_was_announced() {
    let too_much = error("received more than the announced 5 bytes");
    for (end, kept) in answered(|| get(true, 0), b"OK 5\nhello!", false) {
        // What comes once it's whole is not looked at.
        let is_whole = end == Some(Ok(())) && kept == "hello";
        assert!(is_whole || end == too_much && "hello".starts_with(&kept), "{end:?}, {kept}");
    }
}

#[test]
fn what_cannot_be_kept_ends_it() {
    for client in [|| get(true, 0), || get(false, 0)] {
        let (outcome, client) = serve(client(), [&b"OK 25\n0123456789"[..], b"0123456789abcde"], false);
        assert_eq!(outcome.end, error("no space left on device"));
        assert!(client.store().bytes.ends_with(b"0123456789"));
    }
}

/// A client of `multiply`, what it's answered, and what it has shown.
fn multiplied(string: &str, pieces: &[&[u8]], ends: bool) -> (Option<Result<(), String>>, Summary, Vec<Vec<u8>>) {
    let mut shown = Vec::new();
    let show = |Chunk { number, bytes }: Chunk<'_>| {
        shown.push(bytes.to_vec());
        assert_eq!(number, shown.len() as u64);
        ControlFlow::Continue(())
    };
    let client = MultiplyClient::new(string.into(), show, 10 * SECOND);
    let (outcome, client) = serve(client, pieces.iter().copied(), ends);
    assert_eq!(outcome.sent, string.as_bytes(), "neither more nor less");
    let summary = client.summary();
    drop(client);
    (outcome.end, summary, shown)
}

#[test]
fn a_difference_is_found_wherever_it_is() {
    let right = b"hello".repeat(4);
    for at in 0..right.len() {
        let mut wrong = right.clone();
        wrong[at] ^= 1;
        let expected =
            error(&format!("the received bytes differ from the repeated string after {}", count(at, "byte")));
        for pieces in ways(&wrong) {
            let (end, summary, shown) = multiplied("hello", &pieces, true);
            assert_eq!(end, expected, "{}", describe(&pieces));
            assert_eq!(
                shown.concat(),
                right[..summary.len as usize],
                "{}: only what is right is shown",
                describe(&pieces)
            );
        }
    }
}

#[test]
fn a_copy_that_is_cut_off_is_told_from_one_that_is_whole() {
    let copies = b"hello".repeat(4);
    for len in 0..=copies.len() {
        let expected = match (len, len % 5) {
            (0, _) => error("peer closed without sending anything back"),
            (_, 0) => Some(Ok(())),
            (_, got) => error(&format!("peer closed {} into a copy of 5", count(got, "byte"))),
        };
        for pieces in ways(&copies[..len]) {
            let (end, summary, shown) = multiplied("hello", &pieces, true);
            assert_eq!((end, summary.len, shown.concat().len()), (expected.clone(), len as u64, len));
            let (end, ..) = multiplied("hello", &pieces, false);
            assert_eq!(end, None, "more may come");
        }
    }
}

#[test]
fn chunks_that_do_not_come_are_not_waited_for_for_ever() {
    let mut wire = Wire::new(MultiplyClient::new(b"hello".to_vec(), |_| ControlFlow::Continue(()), 10 * SECOND));
    for _ in 0..3 {
        wire.pass(9 * SECOND);
        wire.feed(b"hell");
        wire.feed(b"o");
    }
    wire.pass(10 * SECOND - MOMENT);
    assert!(wire.end().is_none());
    wire.pass(MOMENT);
    assert_eq!(wire.error().to_string(), "timed out: nothing came for 10s, after 15 bytes");
}

#[test]
fn who_watches_may_break_off() {
    let mut left = 2;
    let show = |_: Chunk<'_>| {
        left -= 1;
        if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let (outcome, client) = serve(MultiplyClient::new(b"h".to_vec(), show, SECOND), [&b"hh"[..], b"hhh", b"h"], false);
    assert_eq!((outcome.end, client.summary().chunks, client.copies()), (Some(Ok(())), 2, 5));
}

proptest! {
    /// The chunks are what came, and are counted as they came.
    #[test]
    fn chunks_are_what_came(string in "[a-c]{1,4}", times in 1_usize..40, cuts in prop::collection::vec(0_usize..160, 0..8)) {
        let all = string.repeat(times).into_bytes();
        let mut cuts: Vec<usize> = cuts.into_iter().filter(|&cut| cut > 0 && cut < all.len()).chain([0, all.len()]).collect();
        cuts.sort_unstable();
        cuts.dedup();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &all[pair[0]..pair[1]]).collect();
        let (end, summary, shown) = multiplied(&string, &pieces, true);
        prop_assert_eq!(end, Some(Ok(())));
        prop_assert_eq!(shown, pieces.iter().map(|piece| piece.to_vec()).collect::<Vec<_>>());
        let lens = || pieces.iter().map(|piece| piece.len());
        let expected = Summary {
            chunks: pieces.len() as u64,
            len: all.len() as u64,
            smallest: lens().min().unwrap(),
            largest: lens().max().unwrap(),
        };
        prop_assert_eq!(summary, expected);
    }
}
