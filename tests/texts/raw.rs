//! `call raw` against servers in Python of all kinds, and against none.

use std::fs;
use std::io::{Read, Seek, Write};
use std::process::{Command, Output, Stdio};

use super::common::*;

/// A server of one connection, in one of `raw_server.py`'s manners.
fn server(manner: &str) -> Server {
    let mut command = python("raw_server.py");
    command.arg(manner);
    Server::spawn(command)
}

fn call(server: &Server, args: &[&str]) -> Command {
    let address = server.address_text();
    multiconn(&[&["call", "raw", &address], args].concat())
}

/// Runs a command with `input` as its standard input.
fn run_with(command: Command, input: &[u8]) -> Output {
    let shown = format!("{command:?}");
    let mut command = assert_cmd::Command::from_std(command);
    command.timeout(PATIENCE).write_stdin(input).output().unwrap_or_else(|error| panic!("{shown}: {error}"))
}

/// What it prints, what it says, and its status.
fn seen(output: &Output) -> (String, String, Option<i32>) {
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

fn good(printed: &str) -> (String, String, Option<i32>) {
    (printed.into(), String::new(), Some(0))
}

fn bad(printed: &str, why: &str) -> (String, String, Option<i32>) {
    (printed.into(), format!("multiconn: {why}\n"), Some(1))
}

#[test]
fn a_server_that_speaks_first_and_closes_last() {
    let mail = server("greet");
    let output = run(call(&mail, &["--crlf", "quit"]));
    assert_eq!(seen(&output), good("220 at your service\r\n221 goodbye\r\n"));
    assert_eq!(mail.printed(), "b'quit\\r\\n'\n");

    let mail = server("greet");
    let output = run_with(call(&mail, &["--crlf"]), b"HELO me\nNOOP\r\n\nQUIT\n");
    assert_eq!(seen(&output), good("220 at your service\r\n250 HELO me\r\n250 NOOP\r\n250 \r\n221 goodbye\r\n"));
    assert_eq!(mail.printed(), "b'HELO me\\r\\n'\nb'NOOP\\r\\n'\nb'\\r\\n'\nb'QUIT\\r\\n'\n");

    let mail = server("greet");
    let output = run(call(&mail, &["several", "words", "--timeout", "2s"]));
    let greeted = "220 at your service\r\n250 several words\r\n";
    assert_eq!(seen(&output), good(greeted), "its silence after an answer is no error");
    assert_eq!(mail.printed(), "b'several words\\n'\n");
}

#[test]
fn input_goes_out_as_it_comes_and_its_end_ends_our_side() {
    let mail = server("greet");
    let mut child = call(&mail, &[]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut input, mut printed) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut expect = |expected: &str| {
        let mut got = vec![0; expected.len()];
        printed.read_exact(&mut got).unwrap();
        assert_eq!(text(&got), expected);
    };
    expect("220 at your service\r\n");
    for word in ["one", "two"] {
        // Each line is answered before the next one is written.
        input.write_all(format!("{word}\n").as_bytes()).unwrap();
        expect(&format!("250 {word}\r\n"));
    }
    input.write_all(b"no line end").unwrap();
    drop(input);
    expect("250 no line end\r\n");
    assert_eq!(printed.read(&mut [0]).unwrap(), 0);
    assert!(child.wait().unwrap().success());
    assert_eq!(mail.printed(), "b'one\\n'\nb'two\\n'\nb'no line end'\n");
}

#[test]
fn our_side_stays_open_where_it_should() {
    // After a text, for servers that take its end for a loss of interest.
    let web = server("answer_to_open");
    assert_eq!(seen(&run(call(&web, &["hello"]))), good("here you are\n"));
    assert_eq!(web.printed(), "b'hello\\n' open\n");
    let web = server("answer_to_open");
    assert_eq!(seen(&run_with(call(&web, &["--no-half-close"]), b"hello\n")), good("here you are\n"));
    assert_eq!(web.printed(), "b'hello\\n' open\n");
    // If our side does end, a server that waits for that goes on. One that closes without a reply causes no error.
    for (args, input) in [(&["--half-close", "hello"][..], &b""[..]), (&[], b"hello\n")] {
        let silent = server("silent");
        assert_eq!(seen(&run_with(call(&silent, args), input)), good(""));
        assert_eq!(silent.printed(), "b'hello\\n'\n");
    }
}

#[test]
fn silence_is_an_error_only_where_nothing_came() {
    let silent = server("silent");
    let output = run(call(&silent, &["anybody?", "--timeout", "200ms"]));
    let why = format!("the conversation with {} failed: nothing came for 200ms", silent.address());
    assert_eq!(seen(&output), bad("", &why));
    let lingering = server("linger");
    let output = run(call(&lingering, &["anybody?", "--timeout", "2s"]));
    assert_eq!(seen(&output), good("one answer\n"));
    assert_eq!(lingering.printed(), "b'anybody?\\n'\nthen b''\n");
}

#[test]
fn an_early_end_shows_what_came() {
    // Input that is open all the time, and never comes, keeps nobody.
    let early = server("early");
    let mut command = call(&early, &[]);
    let (reader, _writer) = std::io::pipe().unwrap();
    let output = command.stdin(reader).output().unwrap();
    assert_eq!(seen(&output), good("too late\n"));

    let broken = server("reset");
    let output = run(call(&broken, &["go on"]));
    let why = format!("the conversation with {} failed: connection reset by peer", broken.address());
    assert_eq!(seen(&output), bad("half a wo", &why));

    let silent = server("silent");
    let address = silent.address_text();
    drop(silent);
    let output = run(multiconn(&["call", "raw", &address, "hello"]));
    let why = format!("cannot connect to {address}: connection refused (is a server running there?)");
    assert_eq!(seen(&output), bad("", &why));
}

#[test]
fn a_server_that_has_ended_its_side_still_gets_what_is_at_hand() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&vec![b'x'; 5 << 20]).unwrap();
    file.rewind().unwrap();
    let half = server("half");
    let output = call(&half, &[]).stdin(file).output().unwrap();
    assert_eq!(seen(&output), good("that is all\n"));
    assert_eq!(half.printed(), format!("{}\n", 5 << 20));
}

#[test]
fn a_mebibyte_each_way_at_once() {
    let both = server("both");
    let output = run_with(call(&both, &[]), &vec![b'x'; 1 << 20]);
    assert_eq!((output.stdout.len(), output.status.code()), (1 << 20, Some(0)), "{}", text(&output.stderr));
    assert_eq!(both.printed(), format!("{}\n", 1 << 20));
}

#[test]
fn who_reads_slowly_costs_no_memory() {
    let flood = server("flood");
    let mut child = call(&flood, &["go"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut printed = child.stdout.take().unwrap();
    let mut half = vec![0; 32 << 20];
    printed.read_exact(&mut half).unwrap();
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    if let Some(peak) = status.lines().find_map(|line| line.strip_prefix("VmHWM:")) {
        let kilobytes: usize = peak.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(kilobytes < 24 << 10, "{kilobytes} kB");
    }
    let mut rest = Vec::new();
    printed.read_to_end(&mut rest).unwrap();
    assert_eq!(rest.len(), 32 << 20);
    assert!(child.wait().unwrap().success());
    // A server that doesn't read at all is reported.
    let flood = server("flood");
    let mut child = call(&flood, &["go"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(seen(&output), bad("", "cannot write to standard output: nobody reads it"));
}

#[test]
fn bytes_are_bytes_except_on_a_terminal() {
    let binary: Vec<u8> = [(0..=255).collect::<Vec<u8>>().repeat(4), "é🐰".into()].concat();
    assert_same(&printed(call(&server("binary"), &[])), &binary);

    let server = server("binary");
    let mut command = python("terminal.py");
    command.args(["--stdout", env!("CARGO_BIN_EXE_multiconn"), "call", "raw", &server.address_text()]);
    let shown = text(&printed(command));
    assert!(shown.ends_with("é🐰"), "{shown}");
    assert!(shown.starts_with("\\u{0}\\u{1}"), "{shown}");
    assert!(shown.contains("\\u{1b}") && shown.contains("\\x80\\x81") && shown.contains("\\u{7f}"), "{shown}");
    assert!(shown.chars().all(|shown| !shown.is_control() || "\r\n\t".contains(shown)), "{shown}");
}

#[test]
fn the_beginning_of_a_character_is_shown_in_the_end() {
    let server = server("begun");
    let mut command = python("terminal.py");
    command.args(["--stdout", env!("CARGO_BIN_EXE_multiconn"), "call", "raw", &server.address_text()]);
    command.args(["hello", "--timeout", "2s"]);
    assert_eq!(text(&printed(command)), "é\\xf0\\x9f\\x90");
    assert_eq!(server.printed(), "");
}

#[test]
fn both_sides_in_hexadecimal() {
    let mail = server("greet");
    let shown = text(&printed(call(&mail, &["--hex", "--crlf", "quit"])));
    let (sent, came): (Vec<&str>, Vec<&str>) = shown.lines().partition(|line| line.starts_with('>'));
    assert_eq!(sent, ["> 00000000  71 75 69 74 0d 0a                                 |quit..|"]);
    assert!(came[0].starts_with("< 00000000  32 32 30 20 61 74 20 79  6f 75 72 20 73 65 72 76  |220 at your serv|"));
    // Nothing is counted twice: the offsets are those of the stream.
    let counted: usize = came.iter().map(|line| line.rsplit_once("  |").unwrap().1.len() - 1).sum();
    assert_eq!(counted, "220 at your service\r\n221 goodbye\r\n".len());
}

#[test]
fn ctrl_c_ends_it_at_once() {
    let mail = server("greet");
    let mut command = python("keyboard.py");
    command.args([env!("CARGO_BIN_EXE_multiconn"), "call", "raw", &mail.address_text()]);
    assert_eq!(text(&printed(command)), "status -2\n");
    assert_eq!(mail.printed(), "b'typed\\n'\n");
}

#[test]
fn what_is_wrong_with_the_command_line() {
    for (args, words) in [
        (&["localhost"][..], "it has no port"),
        (&["127.0.0.1"], "write '127.0.0.1:5000' for port 5000"),
        (&["7", "--timeout", "0s"], "more than zero"),
        (&[], "<ADDRESS>"),
    ] {
        let output = run(multiconn(&[&["call", "raw"], args].concat()));
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains(words), "{}", text(&output.stderr));
    }
    let mail = server("greet");
    let directory = fs::File::open("/").unwrap();
    let output = call(&mail, &[]).stdin(directory).output().unwrap();
    assert_eq!(seen(&output), bad("220 at your service\r\n", "cannot read standard input: is a directory"));
}
