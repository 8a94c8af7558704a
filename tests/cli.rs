//! The program as its users see it: what it prints, what it says when something is wrong, how it ends.

mod common;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::thread;

use common::*;
use rustix::process::Signal;
use socket2::SockRef;

// What a server says and where.

/// Where to connect to for a listener on `address`.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    address
}

fn ask(address: SocketAddr) {
    let mut stream = connect(address);
    stream.write_all(&search("ring")).unwrap();
    expect_last(&mut stream, &result(RING));
}

fn ask_echo(address: SocketAddr) {
    let mut stream = connect(address);
    stream.write_all("🐶 echo".as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    expect_last(&mut stream, "🐶 echo".as_bytes());
}

fn has_ipv6() -> bool {
    let has = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    if !has {
        println!("this machine has no IPv6, so that part is skipped");
    }
    has
}

#[test]
fn servers_say_where_they_listen() {
    for (protocol, ask) in [("app", ask as fn(SocketAddr)), ("echo", ask_echo)] {
        let server = Server::start(&[protocol, "0"]);
        assert_eq!(server.addresses.len(), 1);
        assert_eq!(server.address().ip(), Ipv4Addr::LOCALHOST);
        assert_ne!(server.address().port(), 0);
        ask(server.address());
        server.stop();
    }
}

#[test]
fn names_and_every_interface_may_be_several_addresses_with_one_port() {
    for place in ["localhost:0", ":0"] {
        let server = Server::start(&["app", place]);
        for &address in &server.addresses {
            assert_eq!(address.port(), server.address().port());
            ask(reachable(address));
        }
        if place == ":0" {
            assert_eq!(server.addresses.len(), if has_ipv6() { 2 } else { 1 });
        }
    }
}

#[test]
fn ipv6_has_brackets() {
    if has_ipv6() {
        let server = Server::start(&["echo", "[::1]:0"]);
        assert_eq!(server.address().ip(), Ipv6Addr::LOCALHOST);
        ask_echo(server.address());
        let address = server.address_text();
        assert!(address.starts_with("[::1]:"));
        let called = printed(multiconn(&["call", "echo", &address, "--connections", "1"]));
        assert!(text(&called).ends_with("1 of 1 connections good, 44 bytes received\n"));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_ipv6_address_may_have_an_interface() {
    if has_ipv6() {
        let server = Server::start(&["echo", "[::1%lo]:0"]);
        let port = server.address().port();
        for interface in ["lo", "1"] {
            let address = format!("[::1%{interface}]:{port}");
            let called = printed(multiconn(&["call", "echo", &address, "--connections", "1"]));
            assert!(text(&called).ends_with("1 of 1 connections good, 44 bytes received\n"));
        }
        let said = failure(multiconn(&["call", "app", &format!("[::1%nothing0]:{port}"), "search", "ring"]));
        let why = "this machine has no network interface 'nothing0' (a name or a number is expected after '%')";
        assert_eq!(said, format!("cannot use [::1%nothing0]:{port}: {why}"));
        assert_eq!(failure(multiconn(&["serve", "app", "[::1%nothing0]:0"])), said.replace(&port.to_string(), "0"));
    }
}

#[test]
fn several_addresses_at_once() {
    let mut args = vec!["app", "0", "0", "127.0.0.2:0"];
    if has_ipv6() {
        args.push("[::1]:0");
    }
    let server = Server::start(&args);
    assert_eq!(server.addresses.len(), args.len() - 1);
    let ips: Vec<String> = server.addresses.iter().map(|address| address.ip().to_string()).collect();
    assert_eq!(ips, ["127.0.0.1", "127.0.0.1", "127.0.0.2", "::1"][..ips.len()]);
    assert_ne!(server.addresses[0].port(), server.addresses[1].port());
    for &address in &server.addresses {
        ask(address);
    }
}

#[test]
fn several_ports_of_one_address() {
    let server = Server::start(&["app", "0", "--ports", "3"]);
    let ports: Vec<u16> = server.addresses.iter().map(|address| address.port()).collect();
    assert!(ports.len() == 3 && ports[0] != ports[1] && ports[1] != ports[2], "{ports:?}");
    for &address in &server.addresses {
        ask(address);
    }
    let refused = run(multiconn(&["serve", "app", "65535", "--ports", "2"]));
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(
        text(&refused.stderr),
        "multiconn: cannot listen on 2 ports starting at 127.0.0.1:65535: the last port is 65535\n"
    );
}

// What a client prints.

#[test]
fn a_result_is_printed_alone() {
    let server = Server::start(&["app", "0"]);
    let address = server.address_text();
    let ask = |action, value| printed(multiconn(&["call", "app", &address, action, value]));
    assert_eq!(text(&ask("search", "morpheus")), format!("{RABBIT}\n"));
    assert_eq!(text(&ask("search", "🐶")), format!("{DOG}\n"));
    assert_eq!(text(&ask("search", "neo")), "No match for 'neo'.\n");
    assert_eq!(text(&ask("search", "-x")), "No match for '-x'.\n");
    // Bytes are no text, and have no newline.
    assert_eq!(ask("binary", "🐱🐭"), b"First 10 bytes of request: binary\xf0\x9f\x90\xb1");
    assert_eq!(ask("binary", "\n"), b"First 10 bytes of request: binary\n");
    // The reply's limit is the client's own.
    assert_eq!(
        failure(multiconn(&["call", "app", &address, "search", "ring", "--max-content", "10"])),
        format!("the conversation with {address} failed: a content of 60 bytes is over the limit of 10")
    );
}

#[test]
fn an_echo_client_prints_a_line_for_each_connection() {
    let server = Server::start(&["echo", "0"]);
    let call = |args: &[&str]| text(&printed(multiconn(&[&["call", "echo", &server.address_text()], args].concat())));
    let line = |number, bytes| format!("connection {number}: {bytes} bytes sent and received\n");
    assert_eq!(call(&[]), line(1, 44) + &line(2, 44) + "2 of 2 connections good, 88 bytes received\n");
    assert_eq!(
        call(&["--connections", "1", "--message", "🐶", "--message", "--x"]),
        line(1, 7) + "1 of 1 connections good, 7 bytes received\n"
    );
    let many = call(&["--connections", "300", "--message", "x"]);
    assert!(
        many.ends_with("connection 300: 1 byte sent and received\n300 of 300 connections good, 300 bytes received\n")
    );
    assert_eq!(many.lines().count(), 301);
}

// What it says when something is wrong.

/// Runs a command that has to fail with status 1, nothing on standard output and one line on standard error, and returns
/// what that says.
fn failure(command: Command) -> String {
    let (stdout, message) = failure_after_output(command);
    assert_eq!(stdout, "");
    message
}

fn failure_after_output(command: Command) -> (String, String) {
    let shown = format!("{command:?}");
    let output = run(command);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{shown}: {said}");
    let message = said.strip_prefix("multiconn: ").unwrap_or_else(|| panic!("{shown}: {said}"));
    let line = message.strip_suffix('\n').unwrap_or_else(|| panic!("{shown}: {said}"));
    assert!(!line.contains(char::is_control), "{shown}: more than one line: {said:?}");
    (text(&output.stdout), line.to_owned())
}

/// Runs a command that has to be wrong usage, and returns what is said about it.
fn wrong_usage(args: &[&str]) -> String {
    let output = run(multiconn(args));
    let said = text(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{args:?}: {said}");
    assert!(said.starts_with("error: ") || said.contains("Usage: multiconn"), "{args:?}: {said}");
    said
}

#[test]
fn a_port_that_is_taken() {
    let server = Server::start(&["app", "0"]);
    let address = server.address_text();
    assert_eq!(
        failure(multiconn(&["serve", "echo", &address])),
        format!(
            "cannot listen on {address}: address already in use (is a server running there already? port 0 picks a free one)"
        )
    );
    // Not one of them is served if one can't be.
    assert!(failure(multiconn(&["serve", "echo", "0", &address])).contains("address already in use"));
    ask(server.address());
}

#[test]
fn a_port_that_needs_privileges() {
    // Some systems give such ports to anybody, and root has the privilege.
    if TcpListener::bind("127.0.0.1:80").map_err(|error| error.kind()).err()
        != Some(std::io::ErrorKind::PermissionDenied)
    {
        println!("port 80 needs no privilege that is missing here, so this is skipped");
        return;
    }
    assert_eq!(
        failure(multiconn(&["serve", "app", "80"])),
        "cannot listen on 127.0.0.1:80: permission denied (ports below 1024 need privileges)"
    );
}

#[test]
fn an_address_of_another_machine() {
    let said = failure(multiconn(&["serve", "app", "192.0.2.1:0"]));
    assert_eq!(said, "cannot listen on 192.0.2.1:0: not an address of this machine");
}

#[test]
fn a_name_that_is_not_found() {
    for args in [
        &["serve", "app", "nowhere.invalid:0"][..],
        &["call", "app", "nowhere.invalid:1", "search", "ring"],
        &["call", "echo", "nowhere.invalid"],
    ] {
        let said = failure(multiconn(args));
        assert!(said.starts_with("cannot find the address of nowhere.invalid: "), "{said}");
        assert!(!said.contains("failed to lookup"), "{said}");
    }
}

#[test]
fn a_connection_that_is_refused() {
    let (_socket, address) = refusing();
    let address = address.to_string();
    let why = format!("cannot connect to {address}: connection refused (is a server running there?)");
    assert_eq!(failure(multiconn(&["call", "app", &address, "search", "ring"])), why);
    let call = ["call", "echo", &address, "--connections"];
    let failed = "failed with 0 of 44 bytes received: connection refused";
    let (printed, said) = failure_after_output(multiconn(&[&call[..], &["1"]].concat()));
    assert_eq!(printed, format!("connection 1: {failed}\n0 of 1 connections good, 0 bytes received\n"));
    assert_eq!(said, why);
    let (printed, said) = failure_after_output(multiconn(&[&call[..], &["2"]].concat()));
    assert_eq!(
        printed,
        format!("connection 1: {failed}\nconnection 2: {failed}\n0 of 2 connections good, 0 bytes received\n")
    );
    assert_eq!(said, format!("2 of 2 connections failed, the first being connection 1: {why}"));
    let port = address.rsplit(':').next().unwrap();
    let said = failure(multiconn(&["call", "app", &format!("localhost:{port}"), "search", "ring"]));
    assert!(said.starts_with(&format!("cannot connect to localhost:{port} at ")), "{said}");
    assert!(said.ends_with(": connection refused (is a server running there?)"), "{said}");
}

/// How a server of the test's own lets its connection end.
#[derive(Clone, Copy)]
enum Farewell {
    Close,
    Reset,
    /// It waits until the client has closed.
    Wait,
}

/// A server for one connection, that reads `request`, sends `reply`, and is done.
fn odd_server(request: Vec<u8>, reply: Vec<u8>, farewell: Farewell) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut got = vec![0; request.len()];
        stream.read_exact(&mut got).unwrap();
        assert_same(&got, &request);
        stream.write_all(&reply).unwrap();
        match farewell {
            Farewell::Close => {}
            Farewell::Reset => SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO)).unwrap(),
            Farewell::Wait => assert_eq!(stream.read(&mut got).unwrap(), 0),
        }
    });
    address
}

/// What `call app` says about a server that answers so.
fn called(reply: &[u8], farewell: Farewell) -> String {
    called_with(&[], reply, farewell)
}

fn called_with(args: &[&str], reply: &[u8], farewell: Farewell) -> String {
    let address = odd_server(search("ring"), reply.to_vec(), farewell);
    let said = failure(multiconn(&[&["call", "app", &address, "search", "ring"], args].concat()));
    let prefix = format!("the conversation with {address} failed: ");
    said.strip_prefix(&prefix).unwrap_or_else(|| panic!("{said}")).to_owned()
}

#[test]
fn a_reply_that_is_cut() {
    let reply = result("x");
    let content_len = 15;
    let header_len = reply.len() - content_len - 2;
    let close = |len| called(&reply[..len], Farewell::Close);
    assert_eq!(close(0), "peer closed before it sent a message");
    assert_eq!(close(1), "peer closed in mid-message, 1 byte into a protoheader of 2");
    assert_eq!(close(2), format!("peer closed in mid-message, 0 bytes into a JSON header of {header_len}"));
    assert_eq!(close(19), format!("peer closed in mid-message, 17 bytes into a JSON header of {header_len}"));
    assert_eq!(close(reply.len() - 1), "peer closed in mid-message, 14 bytes into a content of 15");
    assert_eq!(called(b"", Farewell::Reset), "connection reset by peer");
}

#[test]
fn a_reply_that_does_not_come() {
    let reply = result("x");
    let wait = |timeout, len| called_with(&["--timeout", timeout], &reply[..len], Farewell::Wait);
    assert_eq!(wait("200ms", 0), "timed out: nothing came for 200ms");
    // Long enough for a busy machine to bring what does come.
    assert_eq!(wait("700ms", 1), "timed out after 700ms, 1 byte into a protoheader of 2");
    assert_eq!(wait("700ms", reply.len() - 2), "timed out after 700ms, 13 bytes into a content of 15");
}

#[test]
fn a_reply_that_is_malformed() {
    let json = |content: &str| called(&message("text/json", "utf-8", content.as_bytes()), Farewell::Close);
    assert_eq!(json("{\"answer\": 1}"), "malformed reply: it has no 'result'");
    assert_eq!(json("[]"), "malformed reply: the content is JSON but not an object");
    assert_eq!(json(""), "malformed reply: the content is not JSON: EOF while parsing a value at line 1 column 0");
    assert!(json("{\"result\"").starts_with("malformed reply: the content is not JSON: "));
    let raw = |reply: &[u8]| called(reply, Farewell::Close);
    assert_eq!(
        raw(&message("text/json", "utf-8", b"{\"result\": \"\xff\"}")),
        "malformed reply: the content is not UTF-8"
    );
    assert_eq!(
        raw(&message("binary/i64", "binary", b"1234567")),
        "malformed reply: a binary/i64 content of 7 bytes, not 8"
    );
    assert_eq!(raw(b"\0\0"), "malformed reply: the header length is zero");
    assert_eq!(
        raw(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        "malformed reply: a header of 18516 bytes is over the limit of 8192"
    );
    assert_eq!(raw(b"\0\x02[]"), "malformed reply: the header is JSON but not an object");
    assert_eq!(raw(b"\0\x02{}"), "malformed reply: the header has no 'byteorder'");
    assert_eq!(raw(b"\0\x01\xff"), "malformed reply: the header is not UTF-8");
    assert_eq!(raw(&message("text/json", "utf-9", b"{}")), "malformed reply: unknown encoding 'utf-9'");
}

#[test]
fn a_result_of_any_kind_is_printed() {
    for (content, shown) in [
        ("{\"result\": null}", "None\n"),
        ("{\"result\": [1, true]}", "[1, True]\n"),
        ("{\"result\": \"\"}", "\n"),
        ("{\"other\": {}, \"result\": \"\\ud83d\\udc36\"}", "🐶\n"),
    ] {
        let reply = message("text/json", "utf-8", content.as_bytes());
        let address = odd_server(search("ring"), reply, Farewell::Close);
        assert_eq!(text(&printed(multiconn(&["call", "app", &address, "search", "ring"]))), shown);
    }
}

#[test]
fn an_echo_that_is_none() {
    let cases: [(&[u8], Farewell, &str, usize); 6] = [
        (b"", Farewell::Close, "peer closed after echoing 0 of 5 bytes", 0),
        (b"he", Farewell::Close, "peer closed after echoing 2 of 5 bytes", 2),
        (b"heLlo", Farewell::Close, "the echo differs from the sent bytes after 2 bytes", 2),
        (b"hello, world", Farewell::Close, "the echo is longer than the 5 bytes sent", 5),
        (b"hell", Farewell::Wait, "timed out: nothing came for 700ms, after 4 of 5 bytes", 4),
        (b"", Farewell::Reset, "connection reset by peer", 0),
    ];
    for (back, farewell, why, got) in cases {
        let address = odd_server(b"hello".to_vec(), back.to_vec(), farewell);
        let timeout = if matches!(farewell, Farewell::Wait) { "700ms" } else { "20s" };
        let args = ["call", "echo", &address, "--connections", "1", "--message", "hello", "--timeout", timeout];
        let (printed, said) = failure_after_output(multiconn(&args));
        assert_eq!(said, format!("the conversation with {address} failed: {why}"));
        let line = format!("connection 1: failed with {got} of 5 bytes received: {why}\n");
        assert_eq!(printed, format!("{line}0 of 1 connections good, {got} bytes received\n"));
    }
}

#[test]
fn what_a_server_sends_takes_hold_of_no_terminal() {
    let evil = "\u{1b}[31m\r\n\u{9b}31mmulticonn: \u{7}fine";
    let encoding = "\\u001b[31m\\r\\n\\u009b31mmulticonn: \\u0007fine";
    for header in [
        format!(
            r#"{{"byteorder": "{encoding}", "content-type": "text/json", "content-encoding": "utf-8", "content-length": 2}}"#
        ),
        format!(
            r#"{{"byteorder": "little", "content-type": "text/json", "content-encoding": "{encoding}", "content-length": 2}}"#
        ),
        format!(
            r#"{{"byteorder": "little", "content-type": "text/json", "content-encoding": "utf-8", "content-length": 2}} {evil}"#
        ),
        format!(r#"{{"byteorder": "little", "content-type": "text/json", "content-encoding": "utf-8", "{evil}": 2}}"#),
    ] {
        // That there are no control characters is looked after for every failure.
        called(&framed(&header, b"{}"), Farewell::Close);
    }
    for content in
        [format!("\"{encoding}\""), format!("\"{encoding}\" x"), evil.into(), format!("{{\"{encoding}\": 7}}")]
    {
        called(&message("text/json", "utf-8", content.as_bytes()), Farewell::Close);
    }
}

#[test]
fn wrong_usage_is_told_from_failure() {
    for (args, words) in [
        (&[][..], "Usage: multiconn"),
        (&["serve"], "Usage: multiconn serve"),
        (&["swerve"], "unrecognized subcommand 'swerve'"),
        (&["serve", "app", "--no-such-option"], "unexpected argument '--no-such-option'"),
        (&["serve", "app", "-q", "-v"], "cannot be used with"),
        (&["serve", "app", "70000"], "'70000' is not a port, a number from 0 to 65535"),
        (&["serve", "app", "host:http"], "'http' is not a port"),
        (&["serve", "app", "[::1"], "'[' without ']'"),
        (&["call", "app"], "required arguments"),
        (&["call", "app", "1", "--content", "x", "search", "ring"], "cannot be used with"),
        (&["call", "app", "1", "--encoding", "morse", "search", "ring"], "there is no encoding of that name"),
        (&["call", "app", "1", "--type", "a\"b", "search", "ring"], "without spaces, quotes or backslashes"),
        (&["call", "app", "1", "--byteorder", "middle", "search", "ring"], "possible values: little, big"),
        (&["call", "echo", "1", "--connections", "0"], "0 is not in 1..=1000000"),
        (&["call", "echo", "1", "--connections", "many"], "invalid digit"),
        (&["serve", "app", "--max-connections", "0"], "0 is not in 1.."),
        (&["serve", "app", "--backlog", "0"], "0 is not in 1.."),
        (&["serve", "app", "--max-depth", "128"], "128 is not in 1..=127"),
    ] {
        let said = wrong_usage(args);
        assert!(said.contains(words), "{args:?}: {said}");
    }
}

/// The help of a command at 80 columns.
fn help_of(command: &[&str]) -> String {
    let mut help = multiconn(&[command, &["--help"]].concat());
    help.env("COLUMNS", "80");
    text(&printed(help))
}

const PROTOCOLS: [&str; 8] = ["app", "echo", "fixed", "multiply", "accumulate", "command", "getfile", "sink"];

#[test]
fn help_fits_eighty_columns_and_no_example_is_wrapped() {
    let of_protocols = ["serve", "call"].iter().flat_map(|side| PROTOCOLS.map(|protocol| vec![*side, protocol]));
    let others =
        [&[][..], &["serve"], &["call"], &["call", "raw"], &["redirect"], &["demo"], &["bench"], &["bench", "report"]]
            .map(<[&str]>::to_vec);
    for command in of_protocols.chain(others) {
        let help = help_of(&command);
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{command:?}: {line}");
        }
        let mut paragraphs = help.split("\n\n");
        let heading = |paragraph: &&str| paragraph.starts_with("Example:\n") || paragraph.starts_with("Examples:\n");
        let examples = paragraphs.find(heading).unwrap_or_default().lines().skip(1);
        let more = paragraphs.filter(|paragraph| paragraph.starts_with("  ")).flat_map(str::lines);
        for line in examples.chain(more) {
            let starts = line.starts_with("  multiconn ") || line.contains(" | multiconn call ");
            assert!(starts, "{command:?}: the example goes on in the next line: {line}");
        }
    }
}

#[test]
fn help_names_the_default_of_every_limit_and_timeout() {
    for side in ["serve", "call"] {
        for protocol in PROTOCOLS.into_iter().chain((side == "call").then_some("raw")) {
            let help = help_of(&[side, protocol]);
            let mut options: Vec<String> = Vec::new();
            for line in help.lines() {
                let begins = line.starts_with("  -") || line.starts_with("      --");
                if begins || !line.starts_with(' ') && !line.is_empty() {
                    options.push(String::new());
                }
                if let Some(option) = options.last_mut() {
                    *option += line;
                }
            }
            let has_number = |option: &&String| ["<TIME>", "<SIZE>", "<N>"].iter().any(|value| option.contains(value));
            let limits: Vec<&String> = options.iter().filter(has_number).collect();
            assert!(!limits.is_empty(), "{side} {protocol}");
            for option in limits {
                assert!(option.contains("[default:"), "{side} {protocol}: {option}");
            }
        }
    }
}

#[test]
fn help_begins_with_the_command_s_own_options() {
    for protocol in PROTOCOLS {
        let help = help_of(&["serve", protocol]);
        let headings = help.lines().filter_map(|line| line.strip_suffix(':').filter(|line| !line.starts_with(' ')));
        let expected = [
            "Arguments",
            "Options",
            "Listening",
            "Limits and timeouts of connections",
            "Concurrency model",
            "Simulated work",
            "Watching",
            "Logging",
            "Example",
        ];
        assert_eq!(headings.collect::<Vec<_>>(), expected, "{protocol}");
    }
    let help = help_of(&["serve", "app"]);
    let options = help.lines().filter_map(|line| line.trim_start().split(' ').find(|word| word.starts_with("--")));
    assert_eq!(options.take(2).collect::<Vec<_>>(), ["--dictionary", "--max-header"], "{help}");
    let help = help_of(&["call", "app"]);
    assert!(help.find("--type").unwrap() < help.find("--timeout").unwrap(), "{help}");
    assert!(help.find("--timeout").unwrap() < help.find("\nLogging:\n").unwrap(), "{help}");
}

#[test]
fn host_and_port_are_one_word() {
    let server = Server::start(&["echo", "0"]);
    let port = server.address().port().to_string();
    for (args, to_type) in [
        (&["serve", "app", "", &port][..], format!("serve app :{port}")),
        (&["serve", "echo", "127.0.0.1", &port], format!("serve echo 127.0.0.1:{port}")),
        (&["call", "app", "127.0.0.1", &port, "search", "ring"], format!("call app 127.0.0.1:{port} search ring")),
        (&["call", "echo", "127.0.0.1", &port, "2"], format!("call echo 127.0.0.1:{port} --connections 2")),
        (&["call", "fixed", "127.0.0.1", &port], format!("call fixed 127.0.0.1:{port}")),
        (
            &["redirect", "--connect", "127.0.0.1", &port, "--", "cat"],
            format!("redirect --connect 127.0.0.1:{port} -- cat"),
        ),
    ] {
        let output = run(multiconn(args));
        let said = format!("multiconn: HOST and PORT are one word, HOST:PORT; type: multiconn {to_type}\n");
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(2), said), "{args:?}");
        assert_eq!(text(&output.stdout), "", "{args:?}");
    }
    // And the line that it gives does what was asked.
    let called = text(&printed(multiconn(&["call", "echo", &format!("127.0.0.1:{port}"), "--connections", "2"])));
    assert!(called.ends_with("2 of 2 connections good, 88 bytes received\n"), "{called}");
}

#[test]
fn an_empty_host_is_every_interface() {
    let server = Server::start(&["app", ":0"]);
    let said = failure(multiconn(&["serve", "app", &format!(":{}", server.address().port())]));
    assert!(said.starts_with(&format!("cannot listen on {}: ", server.address_text())), "{said}");
    assert!(wrong_usage(&["call", "raw", ""]).contains("write ':5000' for port 5000"));
}

#[test]
fn sizes_and_times_that_are_none() {
    for option in ["--max-header", "--max-content", "--max-linger", "--output-high-water"] {
        for (size, words) in [
            ("", "a size is a number of bytes, such as 500, 64k or 1m"),
            ("0", "it must be more than zero"),
            ("1 parsec", "a size is a number of bytes"),
            ("99999999999999999999", "a size is a number of bytes"),
        ] {
            let said = wrong_usage(&["serve", "app", option, size]);
            assert!(said.contains(words) && said.contains(option), "{option} {size:?}: {said}");
        }
    }
    assert!(wrong_usage(&["serve", "app", "--max-header", "64k"]).contains("a header has at most 65535 bytes"));
    let timeouts = ["--idle", "--write", "--drain", "--linger", "--header", "--content"];
    let served = timeouts
        .map(|name| ["serve", "app"].map(str::to_owned).into_iter().chain([format!("{name}-timeout")]).collect());
    let called: Vec<String> = ["call", "echo", "1", "--timeout"].map(str::to_owned).into();
    for args in served.into_iter().chain([called]) {
        for (time, words) in [
            ("", "a time has a unit, such as 500ms, 30s or 2m"),
            ("5", "a time has a unit"),
            ("5 parsecs", "a time has a unit"),
            ("0s", "it must be more than zero"),
            ("2y", "it must be at most a year"),
        ] {
            let args: Vec<&str> = args.iter().map(String::as_str).chain([time]).collect();
            let said = wrong_usage(&args);
            assert!(said.contains(words), "{args:?}: {said}");
        }
    }
}

#[test]
fn port_zero_is_no_server() {
    let said = failure(multiconn(&["call", "app", "0", "search", "ring"]));
    assert_eq!(said, "cannot connect to 127.0.0.1:0: no server has port 0");
}

#[test]
fn a_dictionary_that_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("words.json");
    let shown = path.display().to_string();
    let serve = || failure(multiconn(&["serve", "app", "0", "--dictionary", &shown]));
    assert_eq!(serve(), format!("cannot read the dictionary {shown}: no such file"));
    for (words, why) in [("", "EOF while parsing"), ("[]", "invalid type"), ("{\"a\": 1}", "invalid type: integer")] {
        fs::write(&path, words).unwrap();
        let said = serve();
        let prefix = format!("the dictionary {shown} is not a JSON object of strings: {why}");
        assert!(said.starts_with(&prefix), "{said}");
    }
}

// Standard output and error that don't work.

/// A pipe that nobody reads.
fn closed_pipe() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("there is a descriptor left");
    drop(reader);
    writer.into()
}

/// Runs with this standard output, and returns what is said about it.
fn run_with_stdout(args: &[&str], stdout: Stdio) -> (Option<i32>, String) {
    let mut command = multiconn(args);
    let child = command.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped()).spawn().unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code(), text(&output.stderr))
}

#[test]
fn standard_output_that_nobody_reads() {
    let app = Server::start(&["app", "0"]);
    let echo = Server::start(&["echo", "0"]);
    for args in [
        &["call", "app", &app.address_text(), "search", "ring"][..],
        &["call", "echo", &echo.address_text(), "--connections", "100"],
        &["serve", "app", "0"],
    ] {
        let (code, said) = run_with_stdout(args, closed_pipe());
        let expected = "multiconn: cannot write to standard output: nobody reads it\n";
        assert_eq!((code, said.as_str()), (Some(1), expected), "{args:?}");
    }
    for args in [["--help"], ["--version"]] {
        let (code, said) = run_with_stdout(&args, closed_pipe());
        assert!(code == Some(1) && !said.contains("panicked"), "{args:?}: {said}");
    }
}

/// What is printed without a server, each to the same standard output.
const PRINTING: [&[&str]; 5] =
    [&["--help"], &["--version"], &["call", "echo", "--help"], &["help", "serve"], &["demo"]];

#[test]
#[cfg(target_os = "linux")]
fn standard_output_that_is_full() {
    let full = || File::options().write(true).open("/dev/full").expect("Linux has it");
    let server = Server::start(&["app", "0"]);
    let address = server.address_text();
    for args in [
        &["call", "app", &address, "search", "ring"][..],
        &["call", "app", &address, "binary", "y"],
        &["call", "app", &address, "search", "ring", "--explain"],
        &["serve", "app", "0"],
    ]
    .into_iter()
    .chain(PRINTING)
    {
        let (code, said) = run_with_stdout(args, full().into());
        let expected = "multiconn: cannot write to standard output: no space left on device\n";
        assert_eq!((code, said.as_str()), (Some(1), expected), "{args:?}");
    }
    // Neither does a standard error that is full, or closed, keep it from its work or change its status.
    for stderr in [Stdio::from(full()), closed_pipe()] {
        let status = multiconn(&["call", "app", "0", "search", "ring"]).stderr(stderr).status().unwrap();
        assert_eq!(status.code(), Some(1));
    }
    for stderr in [Stdio::from(full()), closed_pipe()] {
        let output = multiconn(&["-vv", "call", "app", &address, "search", "ring"]).stderr(stderr).output().unwrap();
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), format!("{RING}\n")));
    }
}

#[test]
fn standard_output_that_is_closed() {
    let app = Server::start(&["app", "0"]);
    let echo = Server::start(&["echo", "0"]);
    let (app, echo) = (app.address_text(), echo.address_text());
    for args in [
        &["call", "app", &app, "search", "ring"][..],
        &["call", "echo", &echo],
        &["call", "echo", &echo, "a line"],
        &["call", "raw", &echo, "a line"],
        &["serve", "app", "0"],
    ]
    .into_iter()
    .chain(PRINTING)
    {
        // Standard input may be closed as well, and then the first file that is opened gets its number.
        for closed in [">&-", "<&- >&-"] {
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("exec \"$@\" {closed}"), "sh", env!("CARGO_BIN_EXE_multiconn")]).args(args);
            assert_eq!(failure(shell), "cannot write to standard output: it is closed", "{args:?} {closed}");
        }
        // A parent that drops the output may open /dev/null for reading as well, just as std does if it's closed.
        if !args.starts_with(&["serve"]) {
            let null = File::options().read(true).write(true).open("/dev/null").unwrap();
            assert_eq!(run_with_stdout(args, null.into()), (Some(0), String::new()), "{args:?}");
        }
    }
}

/// Both ends of a stream that holds little, and whose first end doesn't block.
fn small_stream() -> (UnixStream, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    SockRef::from(&ours).set_send_buffer_size(1).unwrap();
    ours.set_nonblocking(true).unwrap();
    theirs.set_read_timeout(Some(PATIENCE)).unwrap();
    (ours, theirs)
}

#[test]
fn standard_output_that_does_not_block_is_waited_for() {
    let echo = Server::start(&["echo", "0"]);
    let address = echo.address_text();
    let line = "x".repeat(100_000);
    let many = ["call", "echo", &address, "--connections", "500"];
    for args in [&["serve", "app", "--help"][..], &many, &["call", "echo", &address, &line], &["demo"]] {
        let expected = printed(multiconn(args));
        let (stdout, mut reader) = small_stream();
        let mut command = multiconn(args);
        let child = command.stdout(OwnedFd::from(stdout)).stderr(Stdio::piped()).spawn().unwrap();
        // The command has our only other end.
        drop(command);
        let mut got = Vec::new();
        reader.read_to_end(&mut got).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()), "{args:?}");
        if args != ["demo"] {
            // Its transcript has ports in it.
            assert_same(&got, &expected);
        }
    }
}

#[test]
fn standard_error_that_does_not_block_is_waited_for() {
    let long = "x".repeat(100_000);
    let args = ["serve", &long];
    let expected = run(multiconn(&args)).stderr;
    assert!(expected.len() > long.len());
    let (stderr, mut reader) = small_stream();
    let mut child = multiconn(&args).stderr(OwnedFd::from(stderr)).spawn().unwrap();
    let mut got = Vec::new();
    reader.read_to_end(&mut got).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2));
    assert_same(&got, &expected);
}

#[test]
fn standard_input_that_does_not_block_is_waited_for() {
    let echo = Server::start(&["echo", "0"]);
    let accumulate = Server::start(&["accumulate", "0"]);
    for (args, replies) in [
        (&["call", "echo", &echo.address_text(), "-"][..], ["one\n", "two\n"]),
        (&["call", "accumulate", &accumulate.address_text()], ["one\n\n", "one\ntwo\n\n"]),
    ] {
        let (stdin, mut writer) = small_stream();
        let mut child = multiconn(args).stdin(OwnedFd::from(stdin)).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        for (line, reply) in [b"one\n", b"two\n"].into_iter().zip(replies) {
            writer.write_all(line).unwrap();
            let mut got = vec![0; reply.len()];
            stdout.read_exact(&mut got).unwrap();
            assert_same(&got, reply.as_bytes());
        }
        drop(writer);
        assert_eq!(child.wait().unwrap().code(), Some(0), "{args:?}");
    }
}

// The log.

/// What is logged about one request, with these arguments and this RUST_LOG.
fn log_of(args: &[&str], rust_log: Option<&str>) -> String {
    let mut command = multiconn(&[&["serve", "app", "0"], args].concat());
    if let Some(filter) = rust_log {
        command.env("RUST_LOG", filter);
    }
    let server = Server::spawn(command);
    ask(server.address());
    text(&server.stop())
}

#[test]
fn how_much_is_logged() {
    let connections =
        ["Accepted connection from 127.0.0.1:", "Closing connection to 127.0.0.1:", ": finished", "Stopping"];
    let messages = ["Received request '", " (text/json) from 127.0.0.1:", "Sending '"];
    let details = ["idle --[ first byte ]--> protoheader", "content --[ content read ]--> idle"];
    let has = |log: &str, expected: [bool; 3]| {
        for (words, expected) in [&connections[..], &messages, &details].into_iter().zip(expected) {
            for word in words {
                assert_eq!(log.contains(word), expected, "{word} in\n{log}");
            }
        }
    };
    has(&log_of(&[], None), [true, false, false]);
    has(&log_of(&["-v"], None), [true, true, false]);
    has(&log_of(&["-vv"], None), [true, true, true]);
    has(&log_of(&["-vvv"], None), [true, true, true]);
    assert_eq!(log_of(&["-q"], None), "");
    assert_eq!(log_of(&[], Some("off")), "");
    assert_eq!(log_of(&[], Some("error")), "");
    has(&log_of(&[], Some("multiconn=debug")), [true, true, false]);
    has(&log_of(&[], Some("multiconn::message=trace")), [false, false, true]);
    // What is said on the command line counts more.
    has(&log_of(&["-v"], Some("error")), [true, true, false]);
    has(&log_of(&["-v"], Some("multiconn=error")), [true, true, false]);
    assert_eq!(log_of(&["-q"], Some("trace")), "");
    assert_eq!(log_of(&["-q"], Some("multiconn=trace")), "");
}

#[test]
fn one_byte_is_singular() {
    let server = Server::start(&["echo", "0", "-vv"]);
    let mut stream = server.connect();
    stream.write_all(b"x").unwrap();
    expect(&mut stream, b"x");
    server.wait_for_log("Read 1 byte from 127.0.0.1:");
    server.wait_for_log("Sent 1 byte to 127.0.0.1:");
}

#[test]
fn a_client_logs_the_same_way() {
    let server = Server::start(&["app", "0"]);
    let address = server.address_text();
    let call = |args: &[&str]| {
        let args = [args, &["call", "app", &address, "search", "ring"]].concat();
        let output = run(multiconn(&args));
        assert_eq!(text(&output.stdout), format!("{RING}\n"));
        text(&output.stderr)
    };
    assert_eq!(call(&[]), "");
    assert_eq!(call(&["-q"]), "");
    let messages = call(&["-v"]);
    let details = call(&["-vv"]);
    let moments = ["Starting connection 1 to", "Sending '", "Received response '", "Closing connection 1: finished"];
    for words in moments {
        assert!(messages.contains(words) && details.contains(words), "{words} in\n{messages}{details}");
    }
    assert!(!messages.contains("Interest in"), "{messages}");
    assert!(details.contains("Interest in connection 1: "), "{details}");
}

/// Runs the program with a terminal as its standard error, and returns what that is sent.
fn on_terminal(variables: &[(&str, &str)]) -> String {
    let server = Server::start(&["app", "0"]);
    let mut command = python("terminal.py");
    for name in ["RUST_LOG", "RUST_LOG_STYLE", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI"] {
        command.env_remove(name);
    }
    command.env("TERM", "xterm-256color").envs(variables.iter().copied());
    command.args([env!("CARGO_BIN_EXE_multiconn"), "-v", "call", "app", &server.address_text(), "search", "ring"]);
    let output = run(command);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), format!("{RING}\n")));
    text(&output.stderr)
}

#[test]
fn color_is_for_terminals_of_those_who_want_it() {
    assert!(on_terminal(&[]).contains("\u{1b}["));
    let plain = on_terminal(&[("NO_COLOR", "1")]);
    assert!(plain.contains("Starting connection 1") && !plain.contains('\u{1b}'), "{plain}");
    let plain = on_terminal(&[("TERM", "dumb")]);
    assert!(plain.contains("Starting connection 1") && !plain.contains('\u{1b}'), "{plain}");
}

#[test]
fn lines_on_a_terminal_are_short_and_their_text_is_text() {
    let log = on_terminal(&[("NO_COLOR", "1")]).replace('\r', "");
    for line in log.lines() {
        let (time, rest) = line.split_at(12);
        let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(shape, "00:00:00.000", "{line}");
        assert!(rest.starts_with(" INFO  ") || rest.starts_with(" DEBUG "), "{line}");
    }
    let received = format!(r#" DEBUG Received response '{{"result": "{RING}"}}' from connection 1"#);
    assert!(log.contains(&received) && !log.contains("multiconn::"), "{log}");
    // RUST_LOG names modules, so they are shown.
    let long = on_terminal(&[("NO_COLOR", "1"), ("RUST_LOG", "multiconn=info")]);
    assert!(long.starts_with("[20") && long.contains("Z INFO  multiconn::"), "{long}");
}

#[test]
fn what_peers_send_gets_into_the_log_only_escaped() {
    let evil = "\u{1b}[31m\r\nmulticonn: \u{7}\u{9b}1m\u{0}\u{7f}";
    let escaped = r"\u001b[31m\r\nmulticonn: \u0007\u009b1m\u0000\u007f";
    let header = |order: &str, content_type: &str, encoding: &str, more: &str, len: usize| {
        format!(
            r#"{{"byteorder": "{order}", "content-type": "{content_type}", "content-encoding": "{encoding}", "content-length": {len}{more}}}"#
        )
    };
    let search = format!(r#"{{"action": "search", "value": "{escaped}"}}"#);
    let action = format!(r#"{{"action": "{escaped}"}}"#);
    let requests = [
        evil.as_bytes().to_vec(),
        framed(evil, b""),
        framed(&format!("\"{escaped}\""), b""),
        framed(&header(escaped, "text/json", "utf-8", "", 2), b"{}"),
        framed(&header("little", escaped, "binary", "", evil.len()), evil.as_bytes()),
        framed(&header("little", "text/json", escaped, "", 2), b"{}"),
        framed(&header("little", escaped, escaped, &format!(", \"{escaped}\": \"{escaped}\""), 2), b"{}"),
        framed(&header("little", "text/json", "utf-8", "", search.len()), search.as_bytes()),
        framed(&header("little", "text/json", "utf-8", "", action.len()), action.as_bytes()),
        framed(&header("little", "text/json", "utf-8", "", evil.len()), evil.as_bytes()),
        framed(&header("little", "text/json", "utf-8", "", escaped.len() + 2), format!("\"{escaped}\"").as_bytes()),
    ];
    // The color of a log line would hide that an escape sequence of a peer's is not taken out.
    for (protocol, style) in [("app", "never"), ("echo", "never"), ("app", "always")] {
        let mut command = multiconn(&["serve", protocol, "0", "-vv"]);
        command.env("RUST_LOG_STYLE", style);
        let server = Server::spawn(command);
        for request in &requests {
            let mut stream = server.connect();
            stream.write_all(request).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            to_end(&mut stream);
        }
        let log = text(&server.stop());
        let bare =
            log.replace("\u{1b}[0m", "").split("\u{1b}[").enumerate().fold(String::new(), |bare, (nth, piece)| {
                // What is a color of the log's own goes with its `m`; 31 is an error's, and there is none.
                let rest = if nth == 0 { piece } else { piece.split_once('m').expect("it is a color").1 };
                assert!(nth == 0 || !piece.starts_with("31m"), "{log}");
                bare + rest
            });
        assert!(style == "always" || log == bare, "{log}");
        assert!(!bare.replace('\n', "").contains(char::is_control), "{bare:?}");
        let begin = |line: &str| line.starts_with("[20") && line.contains(" multiconn::") || line.contains(" mio::");
        assert!(bare.lines().all(begin), "every line is the log's own: {bare}");
    }
}

#[test]
fn a_long_word_of_a_peer_is_cut_in_the_log() {
    let server = Server::start(&["app", "0", "-vv"]);
    let long = "x".repeat(5000);
    let header = |content_type: &str, encoding: &str, order: &str| {
        let header = format!(
            r#"{{"byteorder": "{order}", "content-type": "{content_type}", "content-encoding": "{encoding}", "content-length": 0}}"#
        );
        framed(&header, b"")
    };
    for request in [
        header(&long, "binary", "little"),
        header(&long, &long, "little"),
        header("text/json", &long, "little"),
        header("text/json", "utf-8", &long),
        message("text/json", "utf-8", format!("{{\"action\": [\"{long}\"]}}").as_bytes()),
    ] {
        let mut stream = server.connect();
        stream.write_all(&request).unwrap();
        to_end(&mut stream);
    }
    let log = text(&server.stop());
    assert!(log.contains(&format!("({}…) from", &long[..40])), "{log}");
    assert!(log.lines().all(|line| line.len() < 500), "{log}");
}

// Signals.

#[test]
fn a_signal_lets_what_has_begun_finish_and_closes_the_rest() {
    for signal in [Signal::TERM, Signal::INT] {
        // An address that no other test uses, so that nobody else can be listening on its port afterwards.
        let server = Server::start(&["app", "127.0.0.3:0"]);
        let mut silent = server.connect();
        let mut idle = server.connect();
        idle.write_all(&kept_search("ring")).unwrap();
        expect(&mut idle, &kept_result(RING));
        let mut half = server.connect();
        let request = search("morpheus");
        half.write_all(&request[..50]).unwrap();
        // One that has been served after `half` was sent to shows that the server has it.
        ask(server.address());

        server.signal(signal);
        assert!(server.wait_for_log("Stopping").contains("Stopping; 3 open connections have up to 10s to finish"));
        assert_same(&to_end(&mut silent), b"");
        assert_same(&to_end(&mut idle), b"");
        drop((silent, idle));
        assert!(TcpStream::connect(server.address()).is_err(), "it accepts no more");
        half.write_all(&request[50..]).unwrap();
        expect_last(&mut half, &result(RABBIT));
        let (status, log) = server.ended();
        assert_eq!(status.code(), Some(0), "{}", text(&log));
    }
}

#[test]
fn a_signal_to_an_echo_server() {
    let server = Server::start(&["echo", "0"]);
    let mut stream = server.connect();
    stream.write_all(b"hello").unwrap();
    expect(&mut stream, b"hello");
    server.signal(Signal::TERM);
    assert_same(&to_end(&mut stream), b"");
    drop(stream);
    let (status, log) = server.ended();
    assert_eq!(status.code(), Some(0), "{}", text(&log));
}

#[test]
fn blocked_signals_arrive_all_the_same() {
    for signal in [Signal::TERM, Signal::INT] {
        let server = Server::spawn(started_with("block", "TERM,INT,HUP,QUIT", &multiconn(&["serve", "echo", "0"])));
        server.signal(signal);
        let (status, _) = server.ended();
        assert_eq!(status.code(), Some(0), "{signal:?}");
    }
}

#[test]
fn ignored_signals_stay_ignored() {
    let server = Server::spawn(started_with("ignore", "INT,HUP", &multiconn(&["serve", "echo", "0"])));
    // Two of them would end it at once.
    [Signal::INT, Signal::HUP, Signal::INT].into_iter().for_each(|signal| server.signal(signal));
    let mut peer = server.connect();
    peer.write_all(b"hello").unwrap();
    expect(&mut peer, b"hello");
    drop(peer);
    assert!(!text(&server.stop()).contains("reload"));
}

#[test]
fn a_second_signal_ends_at_once() {
    for (first, second) in [(Signal::TERM, Signal::TERM), (Signal::INT, Signal::TERM), (Signal::TERM, Signal::INT)] {
        let server = Server::start(&["app", "0"]);
        let mut half = server.connect();
        half.write_all(&search("morpheus")[..50]).unwrap();
        ask(server.address());
        server.signal(first);
        server.wait_for_log("Stopping; 1 open connection has");
        server.signal(second);
        let (status, log) = server.ended();
        assert_eq!(status.code(), Some(1), "{}", text(&log));
    }
}

#[test]
fn what_does_not_finish_in_time_is_cut() {
    let server = Server::start(&["app", "0", "--drain-timeout", "100ms"]);
    let mut half = server.connect();
    half.write_all(&search("morpheus")[..50]).unwrap();
    ask(server.address());
    let log = text(&server.stop());
    assert!(log.contains("Stopping; 1 open connection has up to 100ms to finish"), "{log}");
    assert!(log.contains(": server stopped before it was done"), "{log}");
    let mut rest = Vec::new();
    // Whether it's an end or a reset is the system's to say.
    let _ = half.read_to_end(&mut rest);
    assert_same(&rest, b"");
}

#[test]
fn the_dictionary_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("words.json");
    let shown = path.to_str().unwrap();
    fs::write(&path, r#"{"zion": "The last human city. 🏙"}"#).unwrap();
    let server = Server::start(&["app", "0", "--dictionary", shown]);
    let mut kept = server.connect();
    let mut ask = |value, answer: &str| {
        kept.write_all(&kept_search(value)).unwrap();
        expect(&mut kept, &kept_result(answer));
    };
    ask("zion", "The last human city. 🏙");
    ask("ring", "No match for 'ring'.");

    fs::write(&path, r#"{"ring": "One.", "neo": "The one."}"#).unwrap();
    ask("ring", "No match for 'ring'.");
    server.signal(Signal::HUP);
    assert!(server.wait_for_log("Read ").contains(&format!("Read 2 entries from {shown}")));
    // A connection that was there before has the new entries too.
    ask("ring", "One.");
    ask("zion", "No match for 'zion'.");

    for broken in ["{\"ring\": ", "{\"ring\": 7}", ""] {
        fs::write(&path, broken).unwrap();
        server.signal(Signal::HUP);
        let line = server.wait_for_log("; the old dictionary stays in force");
        assert!(
            line.contains("ERROR") && line.contains(&format!("the dictionary {shown} is not a JSON object")),
            "{line}"
        );
        ask("ring", "One.");
    }
    fs::remove_file(&path).unwrap();
    server.signal(Signal::HUP);
    let line = server.wait_for_log("; the old dictionary stays in force");
    assert!(line.contains(&format!("cannot read the dictionary {shown}: no such file")), "{line}");
    ask("neo", "The one.");
    drop(kept);
    server.stop();
}

#[test]
fn hanging_up_on_a_server_without_a_dictionary_file_changes_nothing() {
    let server = Server::start(&["app", "0"]);
    server.signal(Signal::HUP);
    let line = server.wait_for_log("There is no dictionary file to reload");
    assert!(line.contains("WARN") && line.contains("--dictionary FILE"), "{line}");
    ask(server.address());
    server.stop();
    let server = Server::start(&["echo", "0"]);
    server.signal(Signal::HUP);
    let line = server.wait_for_log("There is nothing to reload");
    assert!(line.contains("WARN"), "{line}");
    ask_echo(server.address());
    server.stop();
}

// Limits and timeouts.

#[test]
fn one_connection_at_most() {
    let server = Server::start(&["app", "0", "--max-connections", "1"]);
    let mut first = server.connect();
    first.write_all(&kept_search("ring")).unwrap();
    expect(&mut first, &kept_result(RING));
    for _ in 0..3 {
        let refusal = "Error: the server is full, its only connection is in use; try again later";
        expect_last(&mut server.connect(), &result(refusal));
        let said = failure(multiconn(&["call", "app", &server.address_text(), "search", "ring"]));
        assert_eq!(said, format!("{} answers: {refusal}", server.address_text()));
    }
    first.write_all(&search("morpheus")).unwrap();
    expect_last(&mut first, &result(RABBIT));
    ask(server.address());
    ask(server.address());
}

#[test]
fn who_comes_after_one_that_has_closed_is_served() {
    let server = Server::start(&["app", "0", "-q", "--max-connections", "1"]);
    for _ in 0..500 {
        let mut stream = server.connect();
        stream.write_all(&kept_search("ring")).unwrap();
        expect(&mut stream, &kept_result(RING));
        // This side closes, and the next connects at once. A drop alone may close later: another test's program has a
        // copy of every descriptor while it is being started.
        stream.shutdown(Shutdown::Both).unwrap();
    }
}

#[test]
fn limits_of_messages() {
    let server = Server::start(&["app", "0", "--max-content", "10", "--max-header", "110", "--max-depth", "2"]);
    let say = |request: &[u8], reply: &str| {
        let mut stream = server.connect();
        stream.write_all(request).unwrap();
        expect_last(&mut stream, &result(reply));
    };
    let json = |content: &str| message("text/json", "utf-8", content.as_bytes());
    say(&json("{\"action\"}"), "Error: the content is not JSON: expected `:` at line 1 column 10");
    say(&json("{}        "), "Error: invalid action 'None'.");
    say(&json("{}         "), "Error: a content of 11 bytes is over the limit of 10");
    // As soon as it's known: the content never comes.
    say(&json("{}         ")[..110], "Error: a content of 11 bytes is over the limit of 10");
    say(b"\x00\x6f", "Error: a header of 111 bytes is over the limit of 110");
    say(&json("{\"\":{}}"), "Error: invalid action 'None'.");
    say(&json("{\"\":[[]]}"), "Error: the content is nested more than 2 levels deep");
}

#[test]
fn timeouts_of_messages() {
    let server = Server::start(&["app", "0", "--header-timeout", "100ms", "--content-timeout", "150ms"]);
    let request = search("ring");
    let header_len = request.len() - 2 - "{'action': 'search', 'value': 'ring'}".len();
    let wait = |len: usize| {
        let mut stream = server.connect();
        stream.write_all(&request[..len]).unwrap();
        to_end(&mut stream)
    };
    assert_same(&wait(1), &result("Error: timed out after 100ms, 1 byte into a protoheader of 2"));
    let why = format!("Error: timed out after 100ms, 48 bytes into a JSON header of {header_len}");
    assert_same(&wait(50), &result(&why));
    let why = "Error: timed out after 150ms, 36 bytes into a content of 37";
    assert_same(&wait(request.len() - 1), &result(why));
    ask(server.address());
    server.stop();
}

#[test]
fn timeouts_of_the_silent() {
    for protocol in ["app", "echo"] {
        let server = Server::start(&[protocol, "0", "--idle-timeout", "50ms"]);
        assert_same(&to_end(&mut server.connect()), b"");
        server.wait_for_log(": idle for 50ms");
        server.stop();
    }
    // Between messages too; long enough for a busy machine to bring the first.
    let server = Server::start(&["app", "0", "--idle-timeout", "700ms"]);
    let mut stream = server.connect();
    stream.write_all(&kept_search("ring")).unwrap();
    expect_last(&mut stream, &kept_result(RING));
    drop(stream);
    server.wait_for_log(": idle for 700ms");
    server.stop();
}

#[test]
fn timeout_of_one_that_reads_nothing() {
    let server = Server::start(&["echo", "0", "--write-timeout", "100ms"]);
    let mut stream = server.connect();
    let piece = vec![b'x'; 1 << 20];
    while stream.write_all(&piece).is_ok() {}
    server.wait_for_log(": peer read nothing for 100ms");
    ask_echo(server.address());
    server.stop();
}

#[test]
fn lingering_has_limits() {
    for option in [["--linger-timeout", "100ms"], ["--max-linger", "100k"]] {
        let server = Server::start(&[&["app", "0"], &option[..]].concat());
        let mut stream = server.connect();
        stream.write_all(b"\0\0").unwrap();
        expect(&mut stream, &result("Error: the header length is zero"));
        // The server has ended its side, but reads on for a while; then it's gone, and writing fails.
        let piece = vec![b'x'; 1 << 16];
        while stream.write_all(&piece).is_ok() {}
        server.wait_for_log(": the header length is zero");
        ask(server.address());
        server.stop();
    }
}

/// What `side` does in `transcript`, without the ports.
fn done_by(side: &str, transcript: &str) -> Vec<String> {
    let margin = format!("{side:>12} | ");
    let lines = transcript.lines().filter_map(|line| line.strip_prefix(&margin));
    let without_port = |line: &str| match line.split_once("127.0.0.1:") {
        Some((before, after)) => format!("{before}ADDR{}", after.trim_start_matches(|c: char| c.is_ascii_digit())),
        None => line.to_owned(),
    };
    lines.map(without_port).collect()
}

#[test]
fn the_demo_shows_both_sides_in_order() {
    let transcript = text(&printed(multiconn(&["demo"])));
    // Two connections at once come in any order, but the lines of one are in its own.
    let client = done_by("client", &transcript);
    let of_second: Vec<&String> = client[..10].iter().filter(|line| line.contains("connection 2")).collect();
    assert_eq!(of_second[0], "Starting connection 2 to ADDR");
    assert_eq!(of_second[1], "Sending 'Message 1 from client.' to connection 2");
    assert_eq!(of_second[2], "Sending 'Message 2 from client.' to connection 2");
    assert_eq!(of_second.last().unwrap().as_str(), "Closing connection 2: finished");
    let echo = done_by("echo server", &transcript);
    assert_eq!((echo[0].as_str(), echo.last().unwrap().as_str()), ("Listening on ADDR", "Stopping"));
    assert_eq!(echo.iter().filter(|line| *line == "Accepted connection from ADDR").count(), 2);
    assert_eq!(echo.iter().filter(|line| *line == "Closing connection to ADDR: finished").count(), 2);

    let app = done_by("app server", &transcript);
    assert_eq!(
        app[..5],
        [
            "Listening on ADDR",
            "Accepted connection from ADDR",
            r#"Received request '{"action": "search", "value": "morpheus"}' (text/json) from ADDR"#,
            &app[3],
            "Closing connection to ADDR: finished",
        ]
    );
    assert!(app[3].starts_with(r"Sending '\x00g{"), "{}", app[3]);
    assert_eq!(app.len(), 1 + 5 * 4 + 1, "five conversations of four lines each");
    for result in [
        "2 of 2 connections good, 88 bytes received",
        "Follow the white rabbit. 🐰",
        "In the caves beneath the Misty Mountains. 💍",
        "🐾 Playing ball! 🏐",
        "No match for 'needle'.",
        r"First 10 bytes of request: binary\xf0\x9f\x98\x83",
    ] {
        assert!(transcript.lines().any(|line| line == result), "{result}");
    }
}
