//! Sixteen bytes there, sixteen back.

use std::io::Write;
use std::net::{Shutdown, SocketAddr};
use std::process::Command;

use crate::common::*;

fn python_side(role: &str, args: &[&str]) -> Command {
    let mut command = python("sixteen.py");
    command.arg(role).args(args);
    command
}

fn python_calls(address: SocketAddr, args: &[&str]) -> Command {
    let (ip, port) = (address.ip().to_string(), address.port().to_string());
    python_side("client", &[&[ip.as_str(), &port], args].concat())
}

#[test]
fn the_texts_client_is_answered_and_both_names_are_in_the_log() {
    for model in ["reactor", "poll", "select", "threads", "fork", "pool", "sequential"] {
        let server = Server::start(&["fixed", "0", "--model", model]);
        for args in [&[][..], &["--piece", "1"], &["--half-close"], &["--piece", "5", "--half-close"]] {
            let said = text(&printed(python_calls(server.address(), args)));
            let [name, reply] = said.lines().collect::<Vec<_>>()[..] else { panic!("{said}") };
            assert_eq!(reply, "The server said b'Farewell, client'");
            let port = name.rsplit(", ").next().unwrap().trim_end_matches(')');
            let logged = server.wait_for_log("Message from ");
            let expected = format!("Message from 127.0.0.1:{port} to {}: 'Hi there, server'\n", server.address());
            assert!(logged.ends_with(&expected), "{model}: {logged}");
        }
        server.stop();
    }
}

#[test]
fn a_short_message_is_an_error_that_says_how_far_it_came() {
    let server = Server::start(&["fixed", "0"]);
    for said in ["", "H", "Hi th", "Hi there, serve"] {
        let output = run(python_calls(server.address(), &["--half-close", "--say", said]));
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains("socket closed 0 bytes into a 16-byte message"));
        let len = said.len();
        server.wait_for_log(&format!(
            "socket closed {len} byte{} into a 16-byte message\n",
            if len == 1 { "" } else { "s" }
        ));
    }
    // One that closes without a word of farewell.
    drop(server.connect());
    server.wait_for_log("socket closed 0 bytes into a 16-byte message\n");
    server.connect().write_all(b"Hi th").unwrap();
    server.wait_for_log("socket closed 5 bytes into a 16-byte message\n");
    server.stop();
}

#[test]
fn more_than_sixteen_bytes_are_answered_like_sixteen() {
    let server = Server::start(&["fixed", "0"]);
    for len in [17, 1000, 3_000_000] {
        let mut stream = server.connect();
        stream.write_all(&vec![b'x'; len]).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        expect_last(&mut stream, b"Farewell, client");
        server.wait_for_log("'xxxxxxxxxxxxxxxx'\n");
    }
    let mut stream = server.connect();
    stream.write_all(b"\x1b[31m\r\n\0\xff evil..").unwrap();
    expect_last(&mut stream, b"Farewell, client");
    server.wait_for_log(r"'\x1b[31m\r\n\x00\xff evil..'");
}

#[test]
fn who_is_silent_or_stops_half_way_is_not_waited_for() {
    let server = Server::start(&["fixed", "0", "--idle-timeout", "300ms"]);
    let mut silent = server.connect();
    expect_last(&mut silent, b"");
    server.wait_for_log("idle for 300ms");
    let mut stops = server.connect();
    stops.write_all(b"Hi th").unwrap();
    expect_last(&mut stops, b"");
    server.wait_for_log("timed out after 300ms, 5 bytes into a 16-byte message");
}

fn call(address: SocketAddr, args: &[&str]) -> Command {
    multiconn(&[&["call", "fixed", &address.to_string()], args].concat())
}

#[test]
fn the_texts_server_is_called_and_the_names_are_those_that_it_sees() {
    for args in [&[][..], &["--piece", "1"], &["--piece", "5"]] {
        let server = Server::spawn(python_side("server", args));
        let address = server.address();
        let said = text(&printed(call(address, &[])));
        let printed = server.printed();
        let local = said.strip_prefix("Connected from 127.0.0.1:").and_then(|rest| rest.split(' ').next()).unwrap();
        assert_eq!(
            said,
            format!("Connected from 127.0.0.1:{local} to {address}\nThe server said 'Farewell, client'\n")
        );
        let port = address.port();
        assert_eq!(
            printed,
            format!(
                "Socket connects ('127.0.0.1', {port}) and ('127.0.0.1', {local})\n\
                 The incoming sixteen-octet message says b'Hi there, server'\n"
            )
        );
    }
}

#[test]
fn a_reply_that_is_short_or_long_or_another() {
    for (reply, args, why) in [
        ("Farew", &[][..], "socket closed 5 bytes into a 16-byte message"),
        ("", &[], "socket closed 0 bytes into a 16-byte message"),
        ("Farew", &["--keep-open"], "timed out after 700ms, 5 bytes into a 16-byte message"),
        ("", &["--keep-open"], "timed out after 700ms, 0 bytes into a 16-byte message"),
        ("Farewell, client", &["--keep-open"], "the reply is complete, but the server did not close within 700ms"),
        ("Farewell, client!", &[], "the reply goes on after its 16 bytes"),
        ("Farewell, client!", &["--piece", "16"], "the reply goes on after its 16 bytes"),
        ("Farewell,\x1bclient", &[], r"the reply is 'Farewell,\x1bclient', not 'Farewell, client'"),
        ("Hi there, server", &[], "the reply is 'Hi there, server', not 'Farewell, client'"),
    ] {
        let server = Server::spawn(python_side("server", &[&["--say", reply], args].concat()));
        let address = server.address();
        let timeout = if args.contains(&"--keep-open") { "700ms" } else { "20s" };
        let output = run(call(address, &["--timeout", timeout]));
        assert_eq!(output.status.code(), Some(1), "{reply:?}");
        assert_eq!(text(&output.stderr), format!("multiconn: the conversation with {address} failed: {why}\n"));
        assert!(text(&output.stdout).starts_with("Connected from 127.0.0.1:"));
    }
}

#[test]
fn nobody_to_call() {
    let (_socket, address) = refusing();
    let output = run(call(address, &[]));
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), String::new()));
    let why = "connection refused (is a server running there?)";
    assert_eq!(text(&output.stderr), format!("multiconn: cannot connect to {address}: {why}\n"));
}
