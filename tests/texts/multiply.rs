//! `multiply`: a string, sent back many times over.

use std::fs::File;
use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::process::Command;

use rustix::fs::{CWD, Mode, mkfifoat};
use socket2::SockRef;
use tempfile::TempDir;

use crate::common::*;

/// Starts a server with standard input from a pipe that the test writes to.
fn with_keyboard(command: &Command) -> (Server, File) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("keyboard");
    mkfifoat(CWD, &path, Mode::RWXU).unwrap();
    // Open for both, it waits for nobody.
    let keyboard = File::options().read(true).write(true).open(&path).unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec \"$@\" < \"$0\""]).arg(&path).arg(command.get_program()).args(command.get_args());
    (Server::spawn(shell), keyboard)
}

fn call(address: &str, args: &[&str]) -> std::process::Output {
    run(multiconn(&[&["call", "multiply", address], args].concat()))
}

/// The one line on standard error, with status 1.
fn failure(output: &std::process::Output) -> String {
    let said = text(&output.stderr);
    assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{said}");
    said
}

#[test]
fn a_python_client_gets_ten_thousand_copies() {
    let server = Server::start(&["multiply", "0", "-q"]);
    for (string, chunk) in [("hello", "1000000"), ("🐶", "1"), ("h", "7")] {
        let address = server.address();
        let mut command = python("multiply_client.py");
        command.arg(address.ip().to_string()).arg(address.port().to_string()).args([string, "--chunk", chunk]);
        assert_eq!(text(&printed(command)), format!("{}\n", 10_000 * string.len()));
    }
    assert_same(&server.stop(), b"");
}

#[test]
fn a_python_server_is_called() {
    let mut command = python("multiply_server.py");
    command.args(["--clients", "3"]);
    let server = Server::spawn(command);
    let output = call(&server.address_text(), &["hello"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines = text(&output.stdout);
    let (first, last) = (lines.lines().next().unwrap(), lines.lines().last().unwrap());
    assert!(first.starts_with("chunk 1: ") && first.contains(" bytes: 'hello"), "{first}");
    let chunks = lines.lines().count() - 1;
    assert!(last.starts_with(&format!("10000 copies, 50000 bytes, in {chunks} chunks; the smallest has ")), "{last}");
    for (args, sum) in
        [(&["-q", "🐶"][..], "10000 copies, 40000 bytes, in "), (&["-q"], "10000 copies, 50000 bytes, in ")]
    {
        let output = call(&server.address_text(), args);
        assert!(text(&output.stdout).starts_with(sum) && output.status.success(), "{output:?}");
    }
    assert_eq!(server.printed(), "");
}

#[test]
fn a_python_server_that_has_nothing_to_say() {
    let spawn = |args: &[&str]| {
        let mut command = python("multiply_server.py");
        command.args(args);
        Server::spawn(command)
    };
    let server = spawn(&["--times", "0"]);
    let said = failure(&call(&server.address_text(), &["hello"]));
    assert!(said.ends_with(" failed: peer closed without sending anything back\n"), "{said}");
    let server = spawn(&["--reset"]);
    let said = failure(&call(&server.address_text(), &["hello"]));
    assert!(said.ends_with(" failed: connection reset by peer\n"), "{said}");
}

#[test]
fn a_python_server_waits_for_a_line() {
    let mut command = python("multiply_server.py");
    command.args(["--wait", "--times", "2"]);
    let (server, mut keyboard) = with_keyboard(&command);
    keyboard.write_all(b"\n").unwrap();
    let output = call(&server.address_text(), &["hello"]);
    assert!(text(&output.stdout).contains("2 copies, 10 bytes, in "), "{output:?}");
    assert_eq!(server.printed(), "");
}

fn ask(server: &Server, string: &[u8]) -> TcpStream {
    let mut peer = server.connect();
    peer.write_all(string).unwrap();
    peer
}

#[test]
fn each_line_is_for_one_client_in_order() {
    let (server, mut keyboard) = with_keyboard(&multiconn(&[
        "serve",
        "multiply",
        "0",
        "--wait-for-enter",
        "--times",
        "3",
        "--write-timeout",
        "1h",
    ]));
    let mut peers = Vec::new();
    for name in ["a", "b", "c"] {
        peers.push(ask(&server, format!("{name}\n").as_bytes()));
        // That it waits is what puts it before the next.
        server.wait_for_log("Press Enter to send 1 byte 3 times to");
    }
    for (peer, name) in peers.iter_mut().zip(["a", "b", "c"]) {
        keyboard.write_all(b"whatever is typed\n").unwrap();
        expect_last(peer, name.repeat(3).as_bytes());
    }
    // What is typed ahead counts; a rest without Enter does not.
    keyboard.write_all(b"\n").unwrap();
    expect_last(&mut ask(&server, b"ahead\n"), b"aheadaheadahead");
    let mut waiting = ask(&server, b"waiting\n");
    server.wait_for_log("Press Enter to send 7 bytes");
    keyboard.write_all(b"no line break").unwrap();
    drop(keyboard);
    expect_last(&mut waiting, b"");
    expect_last(&mut ask(&server, b"late\n"), b"");
    server.wait_for_log("standard input has ended, so nobody will press Enter");
    server.stop();
}

#[test]
fn enter_is_waited_for_though_standard_input_does_not_block() {
    let command = multiconn(&["serve", "multiply", "0", "--wait-for-enter", "--times", "2"]);
    let (server, mut keyboard) = with_keyboard(&started_with("nonblocking", "0", &command));
    for name in ["a", "b"] {
        let mut peer = ask(&server, format!("{name}\n").as_bytes());
        server.wait_for_log("Press Enter to send 1 byte 2 times to");
        keyboard.write_all(b"\n").unwrap();
        expect_last(&mut peer, name.repeat(2).as_bytes());
    }
    server.stop();
}

#[test]
fn without_a_keyboard_nobody_waits() {
    // Its standard input is /dev/null.
    let server = Server::start(&["multiply", "0", "--wait-for-enter"]);
    expect_last(&mut ask(&server, b"hello\n"), b"");
    server.wait_for_log("standard input has ended, so nobody will press Enter");
    server.stop();
    let output = run(multiconn(&["serve", "multiply", "0", "--wait-for-enter", "--model", "fork"]));
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
}

#[test]
fn a_stop_waits_for_enter_but_not_for_ever() {
    let args = ["serve", "multiply", "0", "--wait-for-enter", "--times", "2", "--drain-timeout", "1h"];
    let (server, mut keyboard) = with_keyboard(&multiconn(&args));
    let mut peer = ask(&server, b"hello\n");
    server.wait_for_log("Press Enter");
    server.signal(rustix::process::Signal::TERM);
    server.wait_for_log("Stopping");
    keyboard.write_all(b"\n").unwrap();
    expect_last(&mut peer, b"hellohello");
    assert!(server.ended().0.success());
}

#[test]
fn every_end_of_a_string() {
    let server = Server::start(&["multiply", "0", "--times", "3", "--max-string", "10", "--idle-timeout", "300ms"]);
    expect_last(&mut ask(&server, b"hello\n"), b"hellohellohello");
    expect_last(&mut ask(&server, b"hello\nand more"), b"hellohellohello");
    expect_last(&mut ask(&server, b"hello"), b"hellohellohello");
    expect_last(&mut ask(&server, b"\xff\0\r\n"), b"\xff\0\r\xff\0\r\xff\0\r");
    let mut peer = ask(&server, b"hel");
    peer.write_all(b"lo").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    expect_last(&mut peer, b"hellohellohello");
    // Nothing at all, in two ways.
    let peer = server.connect();
    peer.shutdown(Shutdown::Write).unwrap();
    expect_last(&mut { peer }, b"");
    expect_last(&mut server.connect(), b"");
    server.wait_for_log("idle for 300ms");
    expect_last(&mut ask(&server, &[b'x'; 100_000]), b"");
    server.wait_for_log("the request is over the limit of 10 bytes");
    // One that leaves at once, and one that is rude about it.
    drop(ask(&server, b"hello\n"));
    let rude = ask(&server, b"hel");
    SockRef::from(&rude).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(rude);
    expect_last(&mut ask(&server, b"0123456789\n"), &b"0123456789".repeat(3));
    server.stop();
}

#[test]
fn a_million_bytes_ten_times_over() {
    let server = Server::start(&["multiply", "0", "--times", "10", "-q"]);
    let string: Vec<u8> =
        (0..1_000_000_u32).map(|number| b'a' + (number.wrapping_mul(0x9e37_79b9) >> 28) as u8).collect();
    expect_last(&mut ask(&server, &[&string[..], b"\n"].concat()), &string.repeat(10));
    server.stop();
}

#[test]
fn clients_of_our_own() {
    let server = Server::start(&["multiply", "0", "--times", "4", "-q"]);
    let output = call(&server.address_text(), &["-q", "--", "-x"]);
    assert!(text(&output.stdout).starts_with("4 copies, 8 bytes, in "), "{output:?}");
    let output = call(&server.address_text(), &[""]);
    assert_eq!(output.status.code(), Some(2));
    // Nobody reads what it prints.
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec \"$@\" > /dev/full", "sh", env!("CARGO_BIN_EXE_multiconn"), "call", "multiply"]);
    shell.arg(server.address_text());
    if cfg!(target_os = "linux") {
        let said = failure(&run(shell));
        assert_eq!(said, "multiconn: cannot write to standard output: no space left on device\n");
    }
    server.stop();
}
