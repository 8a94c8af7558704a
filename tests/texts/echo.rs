//! The texts' variations of the echo.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::process::Stdio;
use std::thread;

use rustix::process::Signal;

use crate::common::*;

/// What the texts' client prints, in order.
fn python_talks(address: SocketAddr, args: &[&str], words: &[&str]) -> Vec<String> {
    let mut command = python("talk_client.py");
    command.env("TZ", ZONE).args(args).arg(address.ip().to_string()).arg(address.port().to_string()).args(words);
    let mut lines: Vec<String> = text(&printed(command)).lines().map(Into::into).collect();
    lines.sort_by_key(|line| line.split(' ').nth(1).map(str::to_owned));
    lines
}

/// A time zone that is nobody's.
const ZONE: &str = "XYZ-3:25";

fn two_port_server(args: &[&str]) -> Server {
    let mut command = multiconn(&[&["serve", "echo", "0", "--ports", "2"], args].concat());
    command.env("TZ", ZONE);
    let server = Server::spawn(command);
    assert_eq!(server.addresses.len(), 2);
    server
}

#[test]
fn the_texts_client_and_a_server_with_a_prefix_on_two_ports() {
    let server = two_port_server(&["--prefix", "Echo=>"]);
    for &address in &server.addresses {
        let replies = python_talks(address, &[], &["Hello", "🐶 world", "-"]);
        let dog = r"b'Echo=>\xf0\x9f\x90\xb6 world'";
        assert_eq!(replies, ["b'Echo=>Hello'", dog, "b'Echo=>-'"].map(|reply| format!("Client 1 received: {reply}")),);
    }
    server.stop();
}

#[test]
fn eight_of_the_texts_clients_at_once_and_a_server_that_takes_its_time() {
    let server = two_port_server(&["--prefix", "Echo=>", "--stamp", "--delay", "200ms"]);
    for &address in &server.addresses {
        let lines = python_talks(address, &["--clients", "8", "--stamped"], &["one", "two"]);
        let expected =
            (1..=8).flat_map(|name| ["one", "two"].map(|word| format!("Client {name} received: b'Echo=>{word}'")));
        assert_eq!(lines, expected.collect::<Vec<_>>());
    }
    server.stop();
}

#[test]
fn a_prefix_may_be_anything_that_an_argument_can_be() {
    for prefix in ["--", "-> ", "🐶", "a\n"] {
        let server = Server::start(&["echo", "0", "--prefix", prefix]);
        let mut stream = server.connect();
        for word in ["one", "two"] {
            stream.write_all(word.as_bytes()).unwrap();
            expect(&mut stream, format!("{prefix}{word}").as_bytes());
        }
    }
}

#[test]
fn all_that_came_before_the_end_is_echoed_in_any_model() {
    for model in ["reactor", "poll", "select", "threads", "fork", "pool", "sequential"] {
        let server =
            Server::start(&["echo", "0", "--model", model, "--prefix", "Echo=>", "--stamp", "--delay", "100ms"]);
        let mut stream = server.connect();
        stream.write_all(b"last words").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let reply = text(&to_end(&mut stream));
        let stamp = reply.strip_prefix("Echo=>last words at ").unwrap_or_else(|| panic!("{model}: {reply}"));
        assert_eq!(stamp.len(), "Sun Apr 25 07:46:01 2010".len(), "{model}: {stamp}");
        server.stop();
    }
}

#[test]
fn a_signal_lets_a_late_echo_finish() {
    let server = Server::start(&["-vv", "echo", "0", "--delay", "500ms"]);
    let mut stream = server.connect();
    stream.write_all(b"last words").unwrap();
    server.wait_for_log("Read 10 bytes");
    server.signal(Signal::TERM);
    expect_last(&mut stream, b"last words");
    assert_eq!(server.ended().0.code(), Some(0));
}

#[test]
fn a_late_echo_of_one_who_is_gone_harms_nobody() {
    let server = Server::start(&["echo", "0", "--delay", "100ms"]);
    for _ in 0..10 {
        server.connect().write_all(&[b'x'; 100_000]).unwrap();
    }
    let mut stream = server.connect();
    stream.write_all(b"still here").unwrap();
    expect(&mut stream, b"still here");
}

fn call(address: SocketAddr, args: &[&str]) -> String {
    text(&printed(multiconn(&[&["call", "echo", &address.to_string()], args].concat())))
}

fn call_with_input(address: SocketAddr, args: &[&str], input: &[u8]) -> String {
    let mut command = multiconn(&[&["call", "echo", &address.to_string(), "-"], args].concat());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = thread::spawn(move || pipe.write_all(&input).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    text(&output.stdout)
}

fn python_select(args: &[&str]) -> Server {
    let mut command = python("select_server.py");
    command.args(args);
    Server::spawn(command)
}

#[test]
fn lines_to_the_texts_select_server_on_both_its_ports() {
    let server = python_select(&["--connections", "10", "--stamp"]);
    let talk = |address, args: &[&str]| {
        let printed = call(address, args);
        let cut = printed.lines().map(|line| line.split(" at ").next().unwrap().to_owned());
        cut.collect::<Vec<_>>()
    };
    let [first, second] = server.addresses[..] else { panic!("two ports") };
    assert_eq!(talk(first, &["Hello network world"]), ["Echo=>Hello network world"]);
    assert_eq!(talk(first, &["one", "🐶", "--", "-three"]), ["Echo=>one", "Echo=>🐶", "Echo=>-three"]);
    let mut lines = talk(second, &["one", "two", "--connections", "8"]);
    lines.sort();
    let expected = (1..=8).flat_map(|number| ["one", "two"].map(|word| format!("connection {number}: Echo=>{word}")));
    assert_eq!(lines, expected.collect::<Vec<_>>());
    assert_eq!(server.printed(), "2 and 8 connections\n");
}

#[test]
fn lines_of_standard_input() {
    let server = python_select(&["--connections", "6", "--prefix", ""]);
    let address = server.address();
    assert_eq!(call_with_input(address, &[], b""), "");
    assert_eq!(call_with_input(address, &[], b"\n\n"), "");
    assert_eq!(call_with_input(address, &[], "one\n\n🐶\nno newline".as_bytes()), "one\n🐶\nno newline\n");
    let many: String = (0..500).map(|number| format!("line {number}\n")).collect();
    assert_eq!(call_with_input(address, &[], many.as_bytes()), many);
    let mut lines: Vec<_> =
        call_with_input(address, &["--connections", "2"], b"a\nb\n").lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, ["connection 1: a", "connection 1: b", "connection 2: a", "connection 2: b"]);
    server.printed();
}

#[test]
fn each_reply_is_there_before_the_next_line_is_typed() {
    let server = Server::start(&["echo", "0", "--prefix", "Echo=>"]);
    let mut command = multiconn(&["call", "echo", &server.address_text(), "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut typed, mut shown) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    for word in ["one", "two", "three"] {
        typed.write_all(format!("{word}\n").as_bytes()).unwrap();
        let expected = format!("Echo=>{word}\n");
        let mut got = vec![0; expected.len()];
        shown.read_exact(&mut got).unwrap();
        assert_same(&got, expected.as_bytes());
    }
    drop(typed);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_long_line_is_read_while_it_is_sent() {
    let line = "0123456789".repeat(6000);
    let server = Server::start(&["echo", "0", "--output-high-water", "1"]);
    assert_same(call_with_input(server.address(), &[], line.as_bytes()).as_bytes(), format!("{line}\n").as_bytes());
    // What is added to each of many chunks comes along.
    let server = python_select(&["--prefix", "Echo=>"]);
    let printed = call_with_input(server.address(), &[], line.as_bytes());
    assert_same(printed.replace("Echo=>", "").as_bytes(), format!("{line}\n").as_bytes());
    assert!(printed.matches("Echo=>").count() >= 60_000 / 1024, "and nothing of it is lost");
}

/// What is said, in one line, by a call that fails, and what it has printed before.
fn failing_call(address: SocketAddr, args: &[&str]) -> (String, String) {
    let output = run(multiconn(&[&["call", "echo", &address.to_string()], args].concat()));
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert_eq!(said.lines().count(), 1, "{said}");
    let before = format!("multiconn: the conversation with {address} failed: ");
    (text(&output.stdout), said.strip_prefix(&before).unwrap_or(&said).trim_end().into())
}

/// A server that answers the first `len` bytes with `reply`, and then closes, or waits for the other side to.
fn odd_server(len: usize, reply: &'static [u8], waits: bool) -> (SocketAddr, thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.read_exact(&mut vec![0; len]).unwrap();
        stream.write_all(reply).unwrap();
        if waits {
            let _ = stream.read(&mut [0]);
        }
    });
    (address, served)
}

#[test]
fn a_server_that_closes_or_says_nothing_more() {
    for (reply, waits, why) in [
        (&b"Echo=>hel"[..], false, "peer closed after echoing 3 of a line's 5 bytes"),
        (b"Echo=>hel", true, "timed out: nothing came for 700ms, after 3 of a line's 5 bytes"),
        (b"", false, "peer closed after echoing 0 of a line's 5 bytes"),
    ] {
        let (address, served) = odd_server(5, reply, waits);
        let timeout = if waits { "700ms" } else { "20s" };
        assert_eq!(failing_call(address, &["hello", "--timeout", timeout]), (String::new(), why.into()));
        served.join().unwrap();
    }
    let (address, served) = odd_server(5, b"hello", false);
    let (printed, said) = failing_call(address, &["hello", "world"]);
    assert_eq!(printed, "hello\n", "what came is printed");
    // The system may tell of the end, or that the second line came too late.
    let ends = ["peer closed after echoing 0 of a line's 5 bytes", "connection reset by peer"];
    assert!(ends.contains(&said.as_str()) || said == "peer has closed the connection", "{said}");
    served.join().unwrap();

    let (address, served) = odd_server(5, &[b'x'; 2000], true);
    let why = "a reply is over the limit of 1024 bytes";
    assert_eq!(failing_call(address, &["hello", "--max-reply", "1k"]), (String::new(), why.into()));
    served.join().unwrap();
}

#[test]
fn of_several_connections_the_good_ones_are_shown() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let served = thread::spawn(move || {
        for number in 0..3 {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut [0; 5]).unwrap();
            stream.write_all(if number == 1 { b"" } else { b"hello" }).unwrap();
        }
    });
    let (printed, said) = failing_call(address, &["hello", "--connections", "3"]);
    served.join().unwrap();
    assert_eq!(printed.lines().filter(|line| line.ends_with(": hello")).count(), 2, "{printed}");
    assert!(said.contains("1 of 3 connections failed, the first being connection "), "{said}");
    assert!(said.ends_with("peer closed after echoing 0 of a line's 5 bytes"), "{said}");
}

#[test]
fn lines_that_cannot_be_read_or_shown() {
    let server = Server::start(&["echo", "0"]);
    let args = ["call", "echo", &server.address_text(), "-"];
    let mut command = multiconn(&args);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&[&b"four\n"[..], &[b'x'; 70_000]].concat()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), "four\n".into()));
    assert!(text(&output.stderr).ends_with("cannot read from standard input: a line is longer than 65536 bytes\n"));

    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let args = ["call", "echo", &server.address_text(), "one", "two", "--connections", "3"];
    let output = multiconn(&args).stdout(writer).stderr(Stdio::piped()).output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(
        (output.status.code(), said.as_str()),
        (Some(1), "multiconn: cannot write to standard output: nobody reads it\n")
    );
}

#[test]
fn what_makes_no_sense_is_refused() {
    for args in [&["hello", "--message", "x"][..], &[""], &["hello", "--max-reply", "0"], &["hello", "-x"]] {
        let output = run(multiconn(&[&["call", "echo", "1"], args].concat()));
        assert_eq!(output.status.code(), Some(2), "{args:?}");
    }
    for args in [["--delay", "5"], ["--delay", "0s"], ["--delay", "soon"]] {
        let output = run(multiconn(&[&["serve", "echo", "0"][..], &args].concat()));
        assert_eq!(output.status.code(), Some(2), "{args:?}");
    }
}
