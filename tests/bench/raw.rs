//! `bench raw`: requests are made as specified, replies are found and checked, and all figures are present.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::{fs, thread};

use multiconn::bench::results::{self, Pace, Results, Workload};
use multiconn::reactor::{Config, Handle, Reactor};
use multiconn::selector::MioSelector;
use multiconn::session::Peer;

use crate::common::{multiconn, run, text};
use crate::{bench, complaint};

#[allow(dead_code)]
#[path = "../../docs/examples/shout.rs"]
mod shout;

/// A server with a thread for each connection, which answers each line, and closes where `answer` returns `None`.
fn answering(answer: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, answer) = (stream.unwrap(), Arc::clone(&answer));
            // A failed connection ends only its own thread.
            thread::spawn(move || serve(&stream, &*answer).unwrap_or_default());
        }
    });
    address
}

fn serve(mut stream: &TcpStream, answer: &dyn Fn(&str) -> Option<Vec<u8>>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    for line in BufReader::new(stream).lines() {
        let Some(reply) = answer(&line?) else { break };
        stream.write_all(&reply)?;
    }
    Ok(())
}

/// The example protocol of the documentation, served until this is dropped.
struct Example(SocketAddr, Handle);

impl Example {
    fn new() -> Example {
        let selector = MioSelector::new().unwrap();
        let mut reactor = Reactor::new(selector, |_: &Peer| shout::Shout::default(), Config::default());
        let address = reactor.listen("127.0.0.1:0").unwrap()[0];
        let handle = reactor.handle();
        thread::spawn(move || reactor.run().unwrap());
        Example(address, handle)
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        self.1.stop();
    }
}

fn raw(server: SocketAddr, args: &[&str]) -> Results {
    bench(&[&["raw", "--against", &format!("x={server}")], args].concat())
}

fn refused(server: SocketAddr, args: &[&str], status: i32) -> String {
    complaint(&[&["raw", "--against", &format!("x={server}")], args].concat(), status)
}

fn count(histogram: &results::Histogram) -> u64 {
    histogram.buckets.iter().map(|(_, count)| count).sum()
}

#[test]
fn an_example_protocol_is_measured_in_both_loops() {
    let example = Example::new();
    let request = ["--request", "hello {i:6}\\n", "--reply-until", "\\n", "--expect", "HELLO {i:6}\\n"];
    let pid = std::process::id().to_string();
    let load = ["--connections", "3", "--depth", "2", "--idle", "2", "--pid", &pid];
    let results = raw(example.0, &[&request[..], &load].concat());
    let loops: Vec<bool> = results.runs.iter().map(|run| run.point.pace == Pace::Closed).collect();
    assert_eq!(loops, [true, false]);
    for run in &results.runs {
        let point = &run.point;
        assert_eq!((point.workload, point.size, point.depth, point.idle), (Workload::Raw, 13, 2, 2));
        assert!(run.errors.is_empty() && run.replies > 0 && run.reply_bytes == 13 * run.replies, "{run:?}");
        assert_eq!(count(run.connect.as_ref().unwrap()), 5);
        assert_eq!(run.server.is_some(), cfg!(target_os = "linux"));
        match point.pace {
            Pace::Closed => assert_eq!(count(&run.latency), run.replies),
            Pace::Open { rate_per_second, .. } => {
                assert!((count(&run.latency) as f64 - rate_per_second * 0.2).abs() <= 1.0, "{run:?}");
                assert!(run.service.is_some() && run.generator.lag.is_some());
            }
        }
    }
}

#[test]
fn a_reply_ends_as_told() {
    let prefixed = |line: &str| Some([&(line.len() as u16).to_be_bytes(), line.as_bytes()].concat());
    let in_lines = |line: &str| Some(format!("{line}\r\n.\r\n.\r\n").into_bytes());
    let [prefixed, in_lines] = [answering(prefixed), answering(in_lines)];
    for (server, end, len) in [
        (in_lines, ["--reply-length", "12"], 12),
        (in_lines, ["--reply-until", "\\r\\n.\\r\\n.\\r\\n"], 12),
        (in_lines, ["--reply-regex", r"^[^.]*\r\n(\.\r\n){2}"], 12),
        (prefixed, ["--reply-prefix", "u16"], 6),
    ] {
        let results = raw(
            server,
            &[&["--request", "abcd\\n", "--connections", "2", "--depth", "3", "--closed"], &end[..]].concat(),
        );
        let run = &results.runs[0];
        assert!(run.errors.is_empty() && run.replies > 0 && run.reply_bytes == len * run.replies, "{end:?}: {run:?}");
    }
}

#[test]
fn a_reply_may_end_with_its_connection() {
    let server = answering(|line| (!line.is_empty()).then(|| format!("to {line}\n").into_bytes()));
    // Without the empty line the server would wait for more.
    let request = ["--request", "request {i}\\n\\n", "--reply-until-close", "--expect", "to request {i}\\n"];
    for run in raw(server, &[&request[..], &["--connections", "3"]].concat()).runs {
        assert!(run.errors.is_empty() && run.replies > 0 && run.reply_bytes >= 13 * run.replies, "{run:?}");
        assert!(count(run.connect.as_ref().unwrap()) >= run.replies, "each has a connection of its own");
    }
}

#[test]
fn a_request_may_be_a_file_of_any_bytes() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let example = Example::new();
    fs::write(file.path(), b"{i} \\x\xff\x00\n").unwrap();
    let path = file.path().to_str().unwrap();
    let args = ["--request-file", path, "--reply-until", "\\n", "--connections", "1", "--closed"];
    let results = raw(example.0, &[&args[..], &["--expect", "\\{I} \\\\X\\xff\\0\\n"]].concat());
    assert!(results.runs[0].errors.is_empty() && results.runs[0].replies > 0, "{:?}", results.runs[0]);
}

#[test]
fn requests_are_numbered_without_gaps() {
    let numbers = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&numbers);
    let server = answering(move |line| {
        seen.lock().unwrap().push(line.parse::<usize>().unwrap());
        Some(b"+\n".to_vec())
    });
    let results =
        raw(server, &["--request", "{i}\\n", "--reply-until", "\\n", "--connections", "3", "--depth", "4", "--closed"]);
    assert!(results.runs[0].errors.is_empty(), "{:?}", results.runs[0]);
    let mut numbers = numbers.lock().unwrap().clone();
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(0..numbers.len()), "{:?}", &numbers[..20]);
}

#[test]
fn the_first_wrong_reply_under_load_is_shown() {
    let asked = Mutex::new(0);
    let server = answering(move |_| {
        let mut asked = asked.lock().unwrap();
        *asked += 1;
        Some(if *asked == 40 { b"-ERR\n".to_vec() } else { b"+OK\n".to_vec() })
    });
    let results = raw(server, &["--request", "x\\n", "--reply-until", "\\n", "--connections", "2", "--closed"]);
    assert_eq!(results.runs[0].errors, [("wrong reply".to_owned(), 1)].into());
    let said = "The first wrong reply of x: byte 1 is '-', not '+': '-ERR\\n' came, not '+OK\\n'.";
    assert!(results.notes.iter().any(|note| note == said), "{:?}", results.notes);
}

#[test]
fn a_reply_without_an_end_under_load_is_counted() {
    let asked = Mutex::new(0);
    let server = answering(move |_| {
        let mut asked = asked.lock().unwrap();
        *asked += 1;
        Some(if *asked == 40 { vec![b'x'; 5000] } else { b"+OK\n".to_vec() })
    });
    let args = ["--request", "x\\n", "--reply-until", "\\n", "--reply-max", "1k", "--connections", "2", "--closed"];
    let results = raw(server, &args);
    assert_eq!(results.runs[0].errors, [("endless reply".to_owned(), 1)].into());
    let said = "The first wrong reply of x: it has more than 1024 bytes, and a reply ends with '\\n'.";
    assert!(results.notes.iter().any(|note| note == said), "{:?}", results.notes);
}

#[test]
fn what_is_wrong_in_the_first_conversation_is_said() {
    let example = Example::new();
    let server = example.0;
    let asked = format!("multiconn: x: {server} was asked");
    let said = |args: &[&str]| refused(server, args, 1);
    assert_eq!(
        said(&["--request", "a {i}\\n", "--reply-until", "\\n", "--expect", "B {i}\\n"]),
        format!("{asked} 'a 0\\n', and the reply is wrong: byte 1 is 'A', not 'B': 'A 0\\n' came, not 'B 0\\n'\n")
    );
    assert_eq!(
        said(&["--request", "a\\n", "--reply-until", "\\n", "--expect-regex", "^b"]),
        format!("{asked} 'a\\n', and the reply is wrong: 'A\\n' does not match ^b\n")
    );
    assert_eq!(
        said(&["--request", "a {i}\\n", "--reply-until", "\\n"]),
        format!(
            "{asked} 'a 1\\n', and the reply differs from the first: byte 3 is '1', not '0': 'A 1\\n' came, not 'A 0\\n'; \
             name what is right with --expect or --expect-regex, or use --unchecked\n"
        )
    );
    assert_eq!(
        said(&["--request", "ab\\n", "--reply-length", "2"]),
        format!("{asked} 'ab\\n', and the reply is wrong: '\\n' came after the end of the reply\n")
    );
    assert_eq!(
        said(&["--request", "abcd\\n", "--reply-until", "; ", "--reply-max", "4"]),
        format!("{asked} 'abcd\\n', and the reply is wrong: it has more than 4 bytes, and a reply ends with '; '\n")
    );
    assert_eq!(
        said(&["--request", "a\\n", "--reply-prefix", "u16", "--reply-max", "1k"]),
        format!("{asked} 'a\\n', and the reply is wrong: a message of 16650 bytes is over the limit of 1024\n")
    );
    assert_eq!(
        said(&["--request", "a\\n", "--reply-regex", "^b.*\\n"]),
        format!("{asked} 'a\\n', and the reply is wrong: 'A\\n' came, and a reply ends where ^b.*\\n matches\n")
    );
    assert_eq!(
        said(&["--request", "bye\\n", "--reply-until", ";"]),
        format!("{asked} 'bye\\n', and it closes within the reply: 'BYE\\n' came, and a reply ends with ';'\n")
    );
    let leaver = answering(|_| None);
    assert_eq!(
        refused(leaver, &["--request", "a\\n", "--reply-until", "\\n"], 1),
        format!("multiconn: x: {leaver} was asked 'a\\n', and it closes without a reply\n")
    );
}

#[test]
fn what_cannot_be_asked_is_refused() {
    let server: SocketAddr = "127.0.0.1:1".parse().unwrap();
    let whole = ["--request", "a\\n", "--reply-until", "\\n"];
    for (args, why) in [
        (&["--reply-until", "\\n"][..], "`bench raw` requires a request: --request or --request-file"),
        (&["--request", "a"], "`bench raw` requires the end of a reply: --reply-until, --reply-length, "),
        (&["--request", "", "--reply-until", "\\n"], "the request of `bench raw` is empty"),
        (&["--request", "a", "--reply-until", ""], "--reply-until: a reply would end before its first byte"),
        (&["--request", "a", "--reply-regex", "a*"], "--reply-regex: a reply would end before its first byte"),
        (
            &["--request", "a", "--reply-length", "2m"],
            "--reply-length: a reply of 2097152 bytes is over the limit of 1048576",
        ),
        (&["--request", "a", "--reply-until", "{i}"], "a reply can't end with the number of its request"),
        (&["--request", "{count}", "--reply-until", "\\n"], "{count} stands for nothing; {i} is the request's number"),
        (&["--request", "\\q", "--reply-until", "\\n"], "'\\q' is not an escape"),
        (&["--request", "a", "--reply-regex", "(a"], "unclosed group"),
        (&[&whole[..], &["--size", "64"]].concat(), "--size is not for `bench raw`"),
        (
            &[&whole[..], &["--model", "reactor"]].concat(),
            "--model is not for `bench raw`; name servers with --against",
        ),
        (&["--request", "a", "--reply-until-close", "--depth", "2"], "cannot be used with"),
        (&[&whole[..], &["--reply-length", "2"]].concat(), "cannot be used with"),
        (&[&whole[..], &["--unchecked", "--expect", "a"]].concat(), "cannot be used with"),
    ] {
        let said = refused(server, args, 2);
        assert!(said.contains(why), "{args:?}: {said}");
    }
    let said = refused(server, &["--request-file", "/none/there", "--reply-until", "\\n"], 1);
    assert_eq!(said, "multiconn: cannot read /none/there: no such file\n");
    let said = complaint(&[&["raw"], &whole[..]].concat(), 2);
    assert_eq!(said, "multiconn: `bench raw` requires a server: --against or --command\n");
    let said = complaint(&[&["raw", "--against", "x=localhost"], &whole[..]].concat(), 2);
    let why = "`bench raw` has no default port; write 'x=localhost:5000' for port 5000";
    assert_eq!(said, format!("multiconn: --against x=localhost: {why}\n"));
    assert_eq!(complaint(&["echo", "--request", "a"], 2), "multiconn: --request is for `bench raw`\n");
    assert_eq!(complaint(&["--reply-until", "a"], 2), "multiconn: --reply-until is for `bench raw`\n");
}

#[test]
fn the_help_shows_the_place_of_the_number() {
    let help = text(&run(multiconn(&["bench", "--help"])).stdout);
    assert!(help.contains("{i} is the request's number") && help.contains("escapes, {i} and {i:6}"), "{help}");
}
