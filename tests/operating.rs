//! What an operator asks of a server, over real sockets: an access log, limits on clients, a delayed stop, options from the
//! environment.

mod common;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Instant;

use rustix::process::Signal;
use serde_json::Value;

use multiconn::codec::proxy::{Version, write};

use common::*;

/// Says hello to an echo server, and waits until it has closed. Returns the client's address.
fn hello(server: &Server) -> SocketAddr {
    let mut stream = server.connect();
    stream.write_all(b"hello").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    expect_last(&mut stream, b"hello");
    stream.local_addr().unwrap()
}

/// Waits until `is_so`.
#[track_caller]
fn until(mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "it never comes to be so");
        thread::yield_now();
    }
}

fn lines(log: &str) -> Vec<Value> {
    log.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

fn lines_of(path: &Path) -> Vec<Value> {
    lines(&fs::read_to_string(path).unwrap())
}

// The access log.

#[test]
fn each_model_writes_a_line_for_each_connection() {
    let folder = tempfile::tempdir().unwrap();
    for model in MODELS {
        let path = folder.path().join(model.concat());
        let server = Server::start(&[&["echo", "0", "--access-log", path.to_str().unwrap()], model].concat());
        let client = hello(&server);
        server.stop();
        let logged = lines_of(&path);
        assert_eq!(logged.len(), 1, "{model:?}");
        let line = &logged[0];
        assert_eq!(line["peer"], client.to_string(), "{model:?}");
        assert_eq!((&line["protocol"], &line["end"]), (&"echo".into(), &"finished".into()), "{model:?}");
        assert_eq!((&line["bytes_in"], &line["bytes_out"]), (&5.into(), &5.into()), "{model:?}");
        assert!(line["duration"].as_f64().is_some_and(|seconds| (0.0..60.0).contains(&seconds)), "{model:?}: {line}");
        assert!(line["time"].as_str().is_some_and(|time| time.ends_with('Z')), "{model:?}: {line}");
        assert!(line.get("messages").is_none() && line.get("why").is_none(), "{model:?}: {line}");
    }
}

#[test]
fn messages_are_counted_where_the_protocol_has_any() {
    for model in [MODELS[0], MODELS[5]] {
        let server = Server::start(&[&["app", "0", "--access-log", "-"], model].concat());
        let mut stream = server.connect();
        stream.write_all(&[kept_search("ring"), search("ring")].concat()).unwrap();
        expect_last(&mut stream, &[kept_result(RING), result(RING)].concat());
        drop(stream);
        let mut cut = server.connect();
        cut.write_all(&search("ring")[..10]).unwrap();
        cut.shutdown(Shutdown::Write).unwrap();
        to_end(&mut cut);
        server.signal(Signal::TERM);
        let logged = lines(&server.printed());
        let of = |end: &str| logged.iter().find(|line| line["end"] == end).expect("it ends so");
        assert_eq!(of("finished")["messages"], 2, "{logged:?}");
        let cut = of("input_ended");
        assert!(cut["bytes_in"] == 10 && cut["messages"] == 0 && cut["why"].is_string(), "{logged:?}");
    }
}

#[test]
fn a_hangup_opens_the_file_again() {
    let folder = tempfile::tempdir().unwrap();
    let (path, moved) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
    for model in [MODELS[0], MODELS[1], MODELS[5]] {
        let server = Server::start(&[&["echo", "0", "--access-log", path.to_str().unwrap()], model].concat());
        let first = hello(&server);
        until(|| fs::read(&path).is_ok_and(|log| log.ends_with(b"\n")));
        fs::rename(&path, &moved).unwrap();
        server.signal(Signal::HUP);
        server.wait_for_log("There is nothing to reload");
        let second = hello(&server);
        server.stop();
        assert_eq!(lines_of(&moved)[0]["peer"], first.to_string(), "{model:?}");
        assert_eq!(lines_of(&path)[0]["peer"], second.to_string(), "{model:?}");
        fs::remove_file(&path).unwrap();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_and_stops_nobody() {
    let server = Server::start(&["echo", "0", "--access-log", "/dev/full"]);
    hello(&server);
    let line = server.wait_for_log("Cannot write the access log to /dev/full");
    assert!(line.contains("WARN") && line.contains("lines are dropped"), "{line}");
    hello(&server);
    let log = text(&server.stop());
    assert!(!log.contains("Cannot write"), "once is enough: {log}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_pipe_that_nobody_reads_stops_nobody() {
    use rustix::fs::{CWD, FileType, Mode, OFlags, fcntl_setfl, mknodat};

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    mknodat(CWD, &path, FileType::Fifo, Mode::RWXU, 0).unwrap();
    let mut pipe = File::options().read(true).write(true).open(&path).unwrap();
    fcntl_setfl(&pipe, OFlags::NONBLOCK).unwrap();
    while pipe.write(&[b'\n'; 4096]).is_ok() {}
    let server = Server::start(&["echo", "0", "--access-log", path.to_str().unwrap()]);
    for _ in 0..100 {
        hello(&server);
    }
    server.stop();
}

#[test]
fn a_file_that_cannot_be_written_is_a_failure() {
    let output = run(multiconn(&["serve", "echo", "0", "--access-log", "/nowhere/access.log"]));
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr), "multiconn: cannot write to /nowhere/access.log: no such folder\n");
}

// Limits on clients.

const TWO: &str = "Error: this address has 2 connections already; try again later";

/// Asks an app server, and returns the whole answer.
fn ask(stream: &mut TcpStream) -> Vec<u8> {
    stream.write_all(&search("ring")).unwrap();
    to_end(stream)
}

#[test]
fn each_model_with_threads_or_a_loop_limits_the_connections_of_a_client() {
    for model in [MODELS[0], MODELS[1], MODELS[2], MODELS[3], MODELS[5]] {
        let server = Server::start(&[&["app", "0", "--max-connections-per-peer", "2"], model].concat());
        let mut kept: Vec<TcpStream> = (0..2).map(|_| server.connect()).collect();
        for stream in &mut kept {
            stream.write_all(&kept_search("ring")).unwrap();
            expect(stream, &kept_result(RING));
        }
        assert_eq!(ask(&mut server.connect()), result(TWO), "{model:?}");
        drop(kept);
        server.wait_for_log(": finished");
        server.wait_for_log(": finished");
        assert_eq!(ask(&mut server.connect()), result(RING), "{model:?}");
        server.stop();
    }
}

/// The response of the server's page at `path`.
fn get(admin: SocketAddr, path: &str) -> String {
    let mut page = connect(admin);
    page.write_all(format!("GET {path} HTTP/1.1\r\nHost: {admin}\r\n\r\n").as_bytes()).unwrap();
    let mut all = String::new();
    page.read_to_string(&mut all).unwrap();
    all
}

#[test]
fn what_comes_faster_than_the_rate_is_refused_and_counted() {
    for model in [MODELS[0], MODELS[4], MODELS[6]] {
        let args = ["app", "0", "--accept-rate", "2/m", "--admin", "127.0.0.1:0"];
        let server = Server::start(&[&args, model].concat());
        for _ in 0..2 {
            assert_eq!(ask(&mut server.connect()), result(RING), "{model:?}");
        }
        let refusal = "Error: connections come faster than 2/m; try again later";
        assert_eq!(ask(&mut server.connect()), result(refusal), "{model:?}");
        let line = server.wait_for_log("connections come faster");
        assert!(line.contains("Closing connection to "), "{line}");
        for line in [
            "multiconn_connections_denied_total{limit=\"rate\"} 1\n",
            "multiconn_connections_denied_total{limit=\"per_peer\"} 0\n",
            "multiconn_connections_closed_total{reason=\"refused\"} 1\n",
        ] {
            until(|| get(server.admin.unwrap(), "/metrics").contains(line));
        }
        server.stop();
    }
}

#[test]
fn behind_a_proxy_the_limit_is_that_of_its_client() {
    let args = ["app", "0", "--proxy-protocol", "--max-connections-per-peer", "1"];
    let server = Server::start(&args);
    let from = |client: &str| {
        let mut stream = server.connect();
        let client: SocketAddr = client.parse().unwrap();
        stream.write_all(&write(Version::V1, Some(client), Some(server.address()))).unwrap();
        stream
    };
    let mut kept = from("192.0.2.1:1000");
    kept.write_all(&kept_search("ring")).unwrap();
    expect(&mut kept, &kept_result(RING));
    let refusal = "Error: this address has 1 connection already; try again later";
    assert_eq!(ask(&mut from("192.0.2.1:1001")), result(refusal));
    assert_eq!(ask(&mut from("192.0.2.2:1000")), result(RING));
    server.stop();
}

#[test]
fn processes_cannot_share_these_limits() {
    for (option, value) in [("--max-connections-per-peer", "1"), ("--accept-rate", "1/s")] {
        let output = run(multiconn(&["serve", "echo", "0", "--model", "fork", option, value]));
        assert_eq!(output.status.code(), Some(2));
        let said = text(&output.stderr);
        assert!(said.contains(&format!("{option} cannot be used with --model fork")), "{said}");
    }
}

#[test]
fn a_rate_without_a_unit_is_a_usage_error() {
    let output = run(multiconn(&["serve", "echo", "0", "--accept-rate", "100"]));
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    assert!(said.contains("such as 100/s or 30/m"), "{said}");
}

// A stop with a delay, for load balancers.

#[test]
fn until_a_delayed_stop_clients_are_served_and_load_balancers_warned() {
    for model in [&["--workers", "2"][..], &["--model", "threads"], &["--model", "pool"]] {
        let args = ["app", "0", "--admin", "0", "--stop-delay", "10m"];
        let server = Server::start(&[&args[..], model].concat());
        assert!(get(server.admin.unwrap(), "/readyz").starts_with("HTTP/1.1 200 "));
        server.signal(Signal::TERM);
        server.wait_for_log("Stopping in 600s; until then, new connections are still accepted");
        until(|| get(server.admin.unwrap(), "/readyz").starts_with("HTTP/1.1 503 "));
        assert_eq!(ask(&mut server.connect()), result(RING), "{model:?}");
        // A second one ends it at once.
        server.signal(Signal::TERM);
        assert_eq!(server.ended().0.code(), Some(1), "{model:?}");

        let server = Server::start(&[&["app", "0", "--stop-delay", "1ms"][..], model].concat());
        let log = text(&server.stop());
        assert!(log.contains("Stopping in 1ms") && log.contains("Stopping\n"), "{model:?}: {log}");
    }
}

#[test]
fn models_without_a_delay_refuse_it() {
    for model in ["sequential", "fork"] {
        let output = run(multiconn(&["serve", "echo", "0", "--model", model, "--stop-delay", "1s"]));
        assert_eq!(output.status.code(), Some(2));
        let said = text(&output.stderr);
        assert!(said.contains(&format!("--stop-delay cannot be used with --model {model}")), "{said}");
    }
}

// Options from the environment.

/// A command with these variables.
fn with(variables: &[(&str, &str)], args: &[&str]) -> std::process::Command {
    let mut command = multiconn(args);
    command.envs(variables.iter().copied());
    command
}

#[test]
fn options_come_from_the_environment_unless_they_are_given() {
    let variables = [
        ("MULTICONN_PREFIX", "Echo=>"),
        ("MULTICONN_PROXY_PROTOCOL", "no"),
        ("MULTICONN_PORTS", "2"),
        ("MULTICONN_VERBOSE", "1"),
        ("MULTICONN_BACKLOG", ""),
    ];
    let server = Server::spawn(with(&variables, &["serve", "echo", "0", "--ports", "3"]));
    assert_eq!(server.addresses.len(), 3, "the command line wins");
    let mut stream = server.connect();
    stream.write_all(b"hello").unwrap();
    expect(&mut stream, b"Echo=>hello");
    server.wait_for_log("DEBUG");
    drop(stream);
    server.stop();
}

#[test]
fn flags_come_from_the_environment() {
    let server = Server::spawn(with(&[("MULTICONN_PROXY_PROTOCOL", "yes")], &["serve", "echo", "0"]));
    let mut stream = server.connect();
    stream.write_all(b"hello").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    expect_last(&mut stream, b"");
    server.stop();
}

#[test]
fn a_wrong_value_is_told_with_its_variable() {
    let variables = [("MULTICONN_IDLE_TIMEOUT", "soon")];
    let output = run(with(&variables, &["serve", "echo", "0"]));
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("--idle-timeout") && said.ends_with("The environment sets it: MULTICONN_IDLE_TIMEOUT\n"),
        "{said}"
    );
    let output = run(with(&variables, &["serve", "echo", "0", "--idle-timeout=later"]));
    assert!(!text(&output.stderr).contains("MULTICONN_"));
}

#[test]
fn the_help_says_so_in_a_line() {
    for args in [&["serve", "app", "--help"][..], &["call", "echo", "--help"], &["bench", "--help"]] {
        let help = text(&printed(with(&[("MULTICONN_PORTS", "2")], args)));
        assert_eq!(help.matches("MULTICONN_").count(), 1, "{help}");
    }
}
