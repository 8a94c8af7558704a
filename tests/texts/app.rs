//! `call app`: everything that `serve app` can be asked.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::thread;

use crate::common::*;

const RABBIT: &str = "Follow the white rabbit. 🐰\n";
const RING: &str = "In the caves beneath the Misty Mountains. 💍\n";

fn call(server: &Server, args: &[&str]) -> Command {
    multiconn(&[&["call", "app", &server.address_text()], args].concat())
}

/// What a call prints, what it says, and its exit status.
fn outcome(command: Command) -> (String, String, Option<i32>) {
    let output = run(command);
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

/// The same with this standard input.
fn outcome_of(command: Command, input: &[u8]) -> (String, String, Option<i32>) {
    let output = assert_cmd::Command::from_std(command).write_stdin(input).timeout(PATIENCE).output().unwrap();
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

#[test]
fn several_requests_on_one_connection() {
    let server = Server::start(&["app", "0"]);
    assert_eq!(text(&printed(call(&server, &["search", "morpheus", "search", "ring"]))), format!("{RABBIT}{RING}"));
    let many = ["--timeout", "9s", "--", "search", "morpheus", "search", "-x", "search", "ring"];
    assert_eq!(text(&printed(call(&server, &many))), format!("{RABBIT}No match for '-x'.\n{RING}"));
    let log = text(&server.stop());
    assert_eq!(log.matches("Accepted connection").count(), 2, "{log}");
}

#[test]
fn lines_of_standard_input_are_requests() {
    let server = Server::start(&["app", "0"]);
    let lines = "search morpheus\n\nsearch the ring\nsearch ring";
    let expected = format!("{RABBIT}No match for 'the ring'.\n{RING}");
    assert_eq!(outcome_of(call(&server, &[]), lines.as_bytes()), (expected, String::new(), Some(0)));
    assert_eq!(outcome_of(call(&server, &[]), b""), (String::new(), String::new(), Some(0)));
    let sums = outcome_of(call(&server, &["--type", "binary/i32"]), b"1 2 3\n-4\n");
    assert_eq!(sums, ("6\n-4\n".into(), String::new(), Some(0)));
    // A line that is no request does not keep the others from their replies.
    let said = "multiconn: request 1: the action 'morpheus' needs a VALUE\n\
                multiconn: request 2: the line is not UTF-8\nmulticonn: 2 of 3 requests failed\n";
    let outcome = outcome_of(call(&server, &[]), b"morpheus\n\xff x\nsearch ring\n");
    assert_eq!(outcome, (RING.into(), said.into(), Some(1)));
}

#[test]
fn a_line_is_answered_before_the_next_is_typed() {
    let server = Server::start(&["app", "0"]);
    let mut child = call(&server, &[]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut replies = BufReader::new(child.stdout.take().unwrap()).lines();
    for (line, reply) in [("search ring\n", RING), ("search morpheus\n", RABBIT)] {
        stdin.write_all(line.as_bytes()).unwrap();
        assert_eq!(replies.next().unwrap().unwrap() + "\n", reply);
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_terminal_has_a_prompt() {
    let server = Server::start(&["app", "0"]);
    let program = [env!("CARGO_BIN_EXE_multiconn"), "call", "app", &server.address_text()];
    let typed = |prompt: &str, keys: &[&str], more: &[&str]| {
        let mut typist = python("typist.py");
        typist.env("NO_COLOR", "1").args(keys.iter().flat_map(|keys| ["--keys", keys]));
        typist.arg(prompt).args(program).args(more);
        outcome(typist)
    };
    let shown = |lines: &[&str]| lines.join("\r\n");
    let (screen, _, code) = typed("value: ", &["search ring\n", "\n"], &[]);
    let prompt = "action and value: ";
    assert_eq!(screen, shown(&[&format!("{prompt}search ring"), RING.trim_end(), prompt, ""]));
    assert_eq!(code, Some(0));
    // Ctrl-D sends a line without an end, and the reply doesn't stand behind it.
    assert_eq!(typed("value: ", &["search ring\u{4}\u{4}", "\n"], &[]).0, screen);
    // A slip costs no more than its line.
    let (screen, _, code) = typed("value: ", &["ring\n", "search ring\n", "\u{4}"], &[]);
    assert!(screen.contains("multiconn: request 1: the action 'ring' needs a VALUE"), "{screen}");
    assert!(screen.contains(RING.trim_end()) && screen.contains("multiconn: 1 of 2 requests failed"), "{screen}");
    assert_eq!(code, Some(1));
    let (screen, _, _) = typed("integers: ", &["7 -9\n", "\n"], &["--type", "binary/i32"]);
    assert_eq!(screen, shown(&["integers: 7 -9", "-2", "integers: ", ""]));
}

#[test]
fn every_type_encoding_and_byte_order() {
    let server = Server::start(&["app", "0"]);
    let ask = |args: &[&str]| text(&printed(call(&server, args)));
    assert_eq!(ask(&["--type", "binary/i32", "1", "-2", "70000", "-2147483648"]), "-2147413649\n");
    assert_eq!(ask(&["-5", "3", "--type", "binary/i32", "--byteorder", "big"]), "-2\n");
    for encoding in ["utf-8", "UTF_16", "utf-32-be", "shift_jis", "cp437", "cp037"] {
        for order in ["little", "big"] {
            let args = ["search", "ring", "--encoding", encoding, "--byteorder", order];
            assert_eq!(ask(&args), RING, "{encoding} {order}");
        }
    }
    assert_eq!(ask(&["hello", "--type", "text/plain"]), "First 10 bytes of request: hello");
    assert_eq!(ask(&["a", "bc", "--type", "x/y"]), "First 10 bytes of request: aFirst 10 bytes of request: bc");
    let latin = printed(call(&server, &["é", "--type", "x/y", "--encoding", "latin-1"]));
    assert_same(&latin, b"First 10 bytes of request: \xe9");
}

#[test]
fn a_content_comes_from_a_file() {
    let server = Server::start(&["app", "0"]);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let json = path("request.json", r#"{"value": "ring", "action": "search"}"#.as_bytes());
    let integers = path("integers", &[0, 0, 0, 7, 0xff, 0xff, 0xff, 0xf7]);
    let bytes = path("bytes", b"\0\xff0123456789");
    assert_eq!(text(&printed(call(&server, &["--type", "text/json", "--content", &json]))), RING);
    let sum = ["--type", "binary/i32", "--byteorder", "big", "--content", &integers];
    assert_eq!(text(&printed(call(&server, &sum))), "-2\n");
    let first_ten = [b"First 10 bytes of request: ", &b"\0\xff01234567"[..]].concat();
    assert_same(&printed(call(&server, &["--content", &bytes])), &first_ten);
    assert_same(&printed(call(&server, &["--content", &bytes, "--content", &bytes])), &first_ten.repeat(2));
    let missing = folder.path().join("nothing.json").to_str().unwrap().to_owned();
    let said = format!("multiconn: cannot read {missing}: no such file\n");
    assert_eq!(outcome(call(&server, &["--content", &missing])), (String::new(), said, Some(1)));
}

#[test]
fn raw_is_the_whole_reply() {
    let server = Server::start(&["app", "0"]);
    assert_same(&printed(call(&server, &["--raw", "search", "ring"])), &result(RING.trim_end()));
    let both = [kept_result(RING.trim_end()), result(RABBIT.trim_end())].concat();
    assert_same(&printed(call(&server, &["search", "ring", "search", "morpheus", "--raw"])), &both);
    let output = run(call(&server, &["--raw", "--type", "text/json", "dance", "now"]));
    assert_same(&output.stdout, &result("Error: invalid action 'dance'."));
    assert_eq!(output.status.code(), Some(1));
    // On a terminal, it's one line of text.
    let mut on_terminal = python("terminal.py");
    on_terminal.args(["--stdout", env!("CARGO_BIN_EXE_multiconn"), "call", "app", &server.address_text()]);
    on_terminal.args(["search", "ring", "--raw"]);
    let shown = text(&printed(on_terminal));
    assert!(shown.starts_with(r#"\u{0}g{"byteorder": "#), "{shown}");
    assert!(shown.ends_with("{\"result\": \"In the caves beneath the Misty Mountains. 💍\"}\r\n"), "{shown}");
}

#[test]
fn a_reply_that_is_an_error_is_a_failure() {
    let server = Server::start(&["app", "0"]);
    let address = server.address_text();
    let said = |words: &str| format!("multiconn: {address} answers: {words}\n");
    let dance = outcome(call(&server, &["--type", "text/json", "dance", "now"]));
    assert_eq!(dance, (String::new(), said("Error: invalid action 'dance'."), Some(1)));
    let folder = tempfile::tempdir().unwrap();
    let content = folder.path().join("content");
    fs::write(&content, b"[]").unwrap();
    let content = outcome(call(&server, &["--type", "text/json", "--content", content.to_str().unwrap()]));
    assert_eq!(content, (String::new(), said("Error: the content is JSON but not an object"), Some(1)));
    // The others are answered.
    let several =
        outcome(call(&server, &["--type", "text/json", "search", "ring", "dance", "x", "search", "morpheus"]));
    let words = format!(
        "multiconn: request 2: {address} answers: Error: invalid action 'dance'.\nmulticonn: 1 of 3 requests failed\n"
    );
    assert_eq!(several, (format!("{RING}{RABBIT}"), words, Some(1)));
    // Nothing is made of words that are no request.
    for (args, why) in [
        (&["search"][..], "the action 'search' needs a VALUE"),
        (&["--type", "binary/i32", "1", "two"], "'two' is not an integer of 32 bits"),
        (&["--encoding", "ascii", "search", "🐶"], "the request has a character that is not in ASCII"),
        (&["--encoding", "utf-8", "--type", "binary/i32", "1"], "--encoding is for text; integers have no encoding"),
    ] {
        assert_eq!(outcome(call(&server, args)), (String::new(), format!("multiconn: {why}\n"), Some(2)), "{args:?}");
    }
}

#[test]
fn bytes_that_were_perhaps_meant_as_a_search_are_told() {
    let server = Server::start(&["app", "0"]);
    let (replied, warned, code) = outcome(call(&server, &["serach", "morpheus"]));
    assert_eq!((replied.as_str(), code), ("First 10 bytes of request: serachmorp", Some(0)));
    let words = "Only 'search' makes a search; sending 'serachmorpheus' as binary/custom-client-binary-type\n";
    assert!(warned.contains("WARN") && warned.ends_with(words), "{warned}");
    let (_, warned, _) = outcome_of(call(&server, &[]), b"find ring\n");
    assert!(warned.contains("sending 'findring'"), "{warned}");
    // Not where it's clear.
    for args in [&["binary", "😃"][..], &["-q", "serach", "x"], &["--type", "text/plain", "serach"]] {
        assert_eq!(outcome(call(&server, args)).1, "", "{args:?}");
    }
}

/// A server that closes after its first reply, as the tutorial's does, whatever the header says.
fn once(listener: &TcpListener) {
    let (mut stream, _) = listener.accept().unwrap();
    expect(&mut stream, &kept_search("ring"));
    stream.write_all(&result(RING.trim_end())).unwrap();
}

#[test]
fn a_server_that_closes_after_one_reply_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = thread::spawn(move || {
        once(&listener);
        once(&listener);
    });
    let (replies, said, code) = outcome(multiconn(&["call", "app", &address, "search", "ring", "search", "morpheus"]));
    assert_eq!((replies.as_str(), code), (RING, Some(1)));
    let why = ["peer closed after 1 reply", "connection reset by peer", "broken pipe"];
    let known = why.map(|why| format!("multiconn: the conversation with {address} failed: {why}\n"));
    assert!(known.contains(&said), "{said}");
    // For a single line, that's enough.
    let one = outcome_of(multiconn(&["call", "app", &address]), b"search ring\n");
    assert_eq!(one, (RING.into(), String::new(), Some(0)));
    serving.join().unwrap();
}

#[test]
fn standard_streams_that_are_closed() {
    let server = Server::start(&["app", "0"]);
    let shell = |args: &[&str], streams: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("exec \"$@\" {streams}"), "sh", env!("CARGO_BIN_EXE_multiconn"), "call", "app"]);
        shell.arg(server.address_text()).args(args);
        outcome(shell)
    };
    let closed = "multiconn: cannot write to standard output: it is closed\n";
    for args in [&["search", "ring", "search", "morpheus"][..], &["search", "ring", "--raw"]] {
        assert_eq!(shell(args, ">&-"), (String::new(), closed.into(), Some(1)), "{args:?}");
    }
    // Without standard input there is nothing to ask, and without standard error the reply comes all the same.
    assert_eq!(shell(&[], "<&-"), (String::new(), String::new(), Some(0)));
    assert_eq!(shell(&["search", "ring"], "2>&-"), (RING.into(), String::new(), Some(0)));
    assert_eq!(shell(&["serach", "ring", "serach", "x"], "2>&-").2, Some(0));
    assert_eq!(shell(&["--type", "text/json", "a", "b", "c", "d"], "2>&-").2, Some(1));
}
