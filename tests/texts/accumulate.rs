//! `accumulate`: one string that all clients write to.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use rustix::process::Signal;

use crate::common::*;

/// A client that is fed bit by bit.
struct Talker {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    /// What follows a letter that is sent.
    enter: &'static str,
}

impl Talker {
    fn start(mut command: Command, enter: &'static str) -> Talker {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let stdout = std::io::BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in std::io::BufRead::lines(stdout) {
                let _ = sender.send(line.expect("it is UTF-8"));
            }
        });
        Talker { stdin: child.stdin.take(), child, lines, enter }
    }

    fn python(address: SocketAddr) -> Talker {
        let mut command = python("accumulate_client.py");
        command.arg(address.ip().to_string()).arg(address.port().to_string());
        Talker::start(command, "\n")
    }

    fn ours(address: SocketAddr) -> Talker {
        Talker::start(multiconn(&["call", "accumulate", &address.to_string(), "--one-by-one"]), "")
    }

    fn types(&mut self, letter: &str, expected: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        write!(stdin, "{letter}{}", self.enter).unwrap();
        assert_eq!(self.lines.recv_timeout(PATIENCE).expect("it is answered"), expected);
    }

    /// Ends its input, and waits until it has ended.
    fn leaves(mut self) {
        self.stdin = None;
        assert_eq!(self.lines.recv_timeout(PATIENCE), Err(mpsc::RecvTimeoutError::Disconnected));
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        // It fails only where the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the texts show.
fn conversation(mut first: Talker, mut second: Talker) {
    first.types("a", "a");
    first.types("b", "ab");
    first.types("c", "abc");
    second.types("u", "abcu");
    second.types("u", "abcuu");
    second.types("v", "abcuuv");
    second.types("v", "abcuuvv");
    first.types("d", "abcuuvvd");
    first.leaves();
    second.leaves();
}

const MODELS: [&[&str]; 9] = [
    &["--model", "reactor"],
    &["--model", "poll"],
    &["--model", "select"],
    &["--model", "threads"],
    &["--model", "pool", "--pool-size", "4"],
    &["--model", "reactor", "--workers", "2"],
    &["--blocking-work", "2ms"],
    &["--model", "threads", "--cpu-work", "1ms"],
    &["--cpu-work", "1ms", "--offload"],
];

#[test]
fn the_conversation_of_the_texts_under_every_model() {
    for model in MODELS {
        for talker in [Talker::python, Talker::ours] {
            let server = Server::start(&[&["accumulate", "0", "--clients", "2", "-q"], model].concat());
            conversation(talker(server.address()), talker(server.address()));
            assert_eq!(server.printed(), "abcuuvvd\n", "{model:?}");
        }
    }
}

#[test]
fn a_server_in_python() {
    for piece in ["1", "1024"] {
        let mut command = python("accumulate_server.py");
        command.args(["--piece", piece]);
        let server = Server::spawn(command);
        conversation(Talker::ours(server.address()), Talker::ours(server.address()));
        assert_eq!(server.printed(), "the final value is abcuuvvd\n");
    }
}

#[test]
fn clients_one_after_the_other() {
    for model in ["sequential", "threads"] {
        let server = Server::start(&["accumulate", "0", "--clients", "2", "-q", "--model", model]);
        assert_eq!(text(&call(&server, &["--one-by-one"], b"abc").stdout), "a\nab\nabc\n");
        assert_eq!(text(&call(&server, &["--one-by-one"], b"uv").stdout), "abcu\nabcuv\n");
        assert_eq!(server.printed(), "abcuv\n");
    }
}

#[test]
fn processes_share_no_string() {
    let output = run(multiconn(&["serve", "accumulate", "0", "--model", "fork"]));
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), String::new()));
    let said = text(&output.stderr);
    assert_eq!(
        said,
        "multiconn: cannot serve accumulate under the model fork: its connections share state, and what one process \
         changes no other would see (models that can: reactor, poll, select, sequential, threads, pool)\n"
    );
}

fn call_with(address: &str, args: &[&str], input: &[u8]) -> Output {
    let mut command = assert_cmd::Command::from_std(multiconn(&[&["call", "accumulate", address], args].concat()));
    command.write_stdin(input).timeout(PATIENCE).output().expect("it runs")
}

fn call(server: &Server, args: &[&str], input: &[u8]) -> Output {
    call_with(&server.address_text(), args, input)
}

/// The one line on standard error, with status 1.
fn failure(output: &Output) -> String {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    said.strip_prefix("multiconn: ").and_then(|line| line.strip_suffix('\n')).expect("it is one line").to_owned()
}

#[test]
fn a_pipe_is_sent_in_pieces() {
    let server = Server::start(&["accumulate", "0", "--clients", "3", "-q"]);
    let bytes: Vec<u8> = (0..3000u32).map(|n| (n * n % 251) as u8).collect();
    let output = call(&server, &[], &bytes);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    let pieces = [&bytes[..1024], b"\n", &bytes[..2048], b"\n", &bytes, b"\n"].concat();
    assert_same(&output.stdout, &pieces);
    // Nothing asks for no answer.
    let output = call(&server, &[], b"");
    assert_eq!((output.status.code(), output.stdout), (Some(0), Vec::new()));
    // The last line is the final state.
    let output = call(&server, &["--one-by-one"], b"x");
    assert_same(&output.stdout, &[&bytes[..], b"x\n"].concat());
}

#[test]
fn a_stop_prints_the_string_as_well() {
    for model in ["reactor", "threads"] {
        let server = Server::start(&["accumulate", "0", "-q", "--model", model]);
        let mut stream = server.connect();
        stream.write_all(b"\x00\xff\n\x1b[31m").unwrap();
        expect(&mut stream, b"\x00\xff\n\x1b[31m");
        stream.write_all(b"1").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        expect_last(&mut stream, b"\x00\xff\n\x1b[31m1");
        let mut other = server.connect();
        other.write_all(b"2").unwrap();
        expect(&mut other, b"\x00\xff\n\x1b[31m12");
        server.signal(Signal::INT);
        assert_eq!(to_end(&mut other), b"");
        assert_same(&server.printed_bytes(), b"\x00\xff\n\x1b[31m12\n");
    }
}

#[test]
fn a_string_has_a_limit_that_ends_one_connection() {
    let server = Server::start(&["accumulate", "0", "--max-string", "4", "--clients", "4"]);
    let mut steady = server.connect();
    steady.write_all(b"ab").unwrap();
    expect(&mut steady, b"ab");
    let mut greedy = server.connect();
    greedy.write_all(b"xyz").unwrap();
    expect_last(&mut greedy, b"");
    server.wait_for_log(": appending 3 bytes to the string of 2 bytes would exceed the limit of 4");
    steady.write_all(b"c").unwrap();
    expect(&mut steady, b"abc");
    let output = call(&server, &["--one-by-one"], b"def");
    assert_eq!(text(&output.stdout), "abcd\n");
    let address = server.address();
    let words = "server closed before the end of the input; 2 bytes sent, 1 answered";
    assert_eq!(failure(&output), format!("the conversation with {address} failed: {words}"));
    server.wait_for_log(": appending 1 byte to the string of 4 bytes would exceed the limit of 4");
    drop(steady);
    // One more that comes and goes without a word.
    drop(server.connect());
    drop(greedy);
    assert_eq!(server.printed(), "abcd\n");
}

#[test]
fn a_reset_is_a_client_that_has_gone() {
    for model in [&["--model", "reactor"][..], &["--model", "threads"], &["--workers", "2"]] {
        let server = Server::start(&[&["accumulate", "0", "--clients", "1", "-q"], model].concat());
        let mut stream = server.connect();
        stream.write_all(b"gone").unwrap();
        expect(&mut stream, b"gone");
        socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        drop(stream);
        assert_eq!(server.printed(), "gone\n");
    }
}

/// Each byte asks for 60,000: a client that doesn't read them is not read from.
#[test]
fn who_does_not_read_is_held() {
    let server = Server::start(&["accumulate", "0", "-q", "--write-timeout", "500ms"]);
    let mut fill = server.connect();
    let filling = vec![b'x'; 60_000];
    fill.write_all(&filling).unwrap();
    fill.shutdown(Shutdown::Write).unwrap();
    assert!(to_end(&mut fill).ends_with(&filling));
    let mut deaf = server.connect();
    // Its requests would be answered with 300 MB; it is cut off long before.
    for _ in 0..5000 {
        if deaf.write_all(b"y").is_err() {
            break;
        }
    }
    let mut other = server.connect();
    other.write_all(b"z").unwrap();
    let mut first = [0];
    other.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"x");
    let log = server.stop();
    assert_eq!(text(&log), "");
}

#[test]
fn a_server_that_closes_early_or_says_nothing() {
    let mut command = python("accumulate_server.py");
    command.args(["--clients", "1", "--close-after", "2"]);
    let server = Server::spawn(command);
    let output = call(&server, &["--one-by-one"], b"abcd");
    assert_eq!(text(&output.stdout), "a\nab\n");
    // Whether the next letter is sent before the end is known is left to chance.
    let said = failure(&output);
    assert!(said.contains("; ") && said.ends_with(" bytes sent, 2 answered"), "{said}");

    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let output = call_with(&address, &["--timeout", "100ms"], b"ab");
    assert_eq!(
        failure(&output),
        format!(
            "the conversation with {address} failed: timed out: nothing came for 100ms; 2 bytes sent, 0 \
             answered"
        )
    );
}

#[test]
fn a_server_that_floods() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
    });
    let output = call_with(&address, &["--max-string", "10k"], b"a");
    let said = failure(&output);
    assert!(said.contains(" failed: a reply is over the limit of 10240 bytes; "), "{said}");
    assert_eq!(text(&output.stdout), "");
    server.join().unwrap();
}

#[test]
fn input_and_output_that_fail() {
    let server = Server::start(&["accumulate", "0", "-q"]);
    let mut command = multiconn(&["call", "accumulate", &server.address_text()]);
    command.stdin(std::fs::File::open("/").unwrap());
    let output = command.output().unwrap();
    assert_eq!(failure(&output), "cannot read from standard input: is a directory");
    let mut command = multiconn(&["call", "accumulate", &server.address_text()]);
    let (reader, mut writer) = std::io::pipe().unwrap();
    let (nobody, closed) = std::io::pipe().unwrap();
    drop(nobody);
    writer.write_all(b"abc").unwrap();
    drop(writer);
    let child = command.stdin(reader).stdout(closed).stderr(Stdio::piped()).spawn().unwrap();
    assert_eq!(failure(&child.wait_with_output().unwrap()), "cannot write to standard output: nobody reads it");
}

/// What a terminal shows of a call while `keys` are typed at the prompts, and the exit status.
fn typed(address: &str, args: &[&str], keys: &[&str]) -> (String, Option<i32>) {
    let mut command = python("typist.py");
    for keys in keys {
        command.args(["--keys", keys]);
    }
    command.args(["enter a letter: ", env!("CARGO_BIN_EXE_multiconn"), "call", "accumulate", address]).args(args);
    let output = run(command);
    assert_eq!(text(&output.stderr), "");
    (text(&output.stdout), output.status.code())
}

#[test]
fn a_prompt() {
    let server = Server::start(&["accumulate", "0", "-q"]);
    let address = server.address_text();
    let (shown, status) = typed(&address, &[], &["a\n", "\u{e9}\n", "bc\n", "\n"]);
    assert_eq!(
        shown.replace("\r\n", "\n"),
        "enter a letter: a\na\nenter a letter: é\naé\nenter a letter: bc\naébc\nenter a letter: \n"
    );
    assert_eq!(status, Some(0));
    // Ctrl-D, at the beginning of a line and after something.
    let (shown, status) = typed(&address, &["--one-by-one"], &["de\n", "\u{4}"]);
    assert_eq!(shown.replace("\r\n", "\n"), "enter a letter: de\naébcd\naébcde\nenter a letter: \n");
    assert_eq!(status, Some(0));
    // Ctrl-C ends it at once.
    let (shown, status) = typed(&address, &[], &["\u{3}"]);
    assert!(shown.starts_with("enter a letter: "), "{shown}");
    assert_eq!(status, Some(128 + 2));
    // What others have written takes hold of no terminal.
    let mut evil = server.connect();
    evil.write_all(b"\x1b[31m\x07\xff").unwrap();
    let (shown, _) = typed(&address, &[], &["x\n", "\n"]);
    assert!(shown.contains("aébcde\\u{1b}[31m\\u{7}\\xffx\r\n"), "{shown}");
}

#[test]
fn a_server_that_leaves_while_somebody_thinks() {
    let server = Server::start(&["accumulate", "0", "-q", "--idle-timeout", "200ms"]);
    let address = server.address_text();
    let (shown, status) = typed(&address, &[], &["a\n"]);
    let words = "server closed before the end of the input; 1 byte sent, 1 answered";
    assert_eq!(
        shown.replace("\r\n", "\n"),
        format!("enter a letter: a\na\nenter a letter: \nmulticonn: the conversation with {address} failed: {words}\n")
    );
    assert_eq!(status, Some(1));
}
