//! Unix sockets, wherever an address may be.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;

use rustix::process::Signal;

use common::{PATIENCE, Place, Server, multiconn, printed, run, text};

const MODELS: [&str; 7] = ["reactor", "poll", "select", "sequential", "threads", "pool", "fork"];

impl Place {
    /// The address of a socket in it.
    fn addr(&self, name: &str) -> String {
        format!("unix:{}", self.path(name).display())
    }
}

fn connect(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// What comes back for `sent`, until the other side has closed.
fn answer(path: &Path, sent: &str) -> String {
    let mut stream = connect(path);
    stream.write_all(sent.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn every_model_serves_them_beside_tcp() {
    for model in MODELS {
        let place = Place::new();
        let addr = place.addr("echo.sock");
        let server = Server::start(&["echo", "127.0.0.1:0", &addr, "--model", model]);
        assert_eq!(server.unix, [place.path("echo.sock").to_str().unwrap()], "{model}");
        for addr in [&addr, &server.address_text()] {
            let said = text(&printed(multiconn(&["call", "echo", addr, "--connections", "3"])));
            assert!(said.ends_with("3 of 3 connections good, 132 bytes received\n"), "{model}: {said}");
        }
        assert!(place.path("echo.sock").exists(), "{model}");
        let log = text(&server.stop());
        assert!(log.contains(&format!("Accepted connection from {addr}#1\n")), "{model}: {log}");
        assert!(!place.path("echo.sock").exists(), "{model}");
    }
}

#[test]
fn workers_share_one() {
    for model in ["reactor", "poll", "select"] {
        let place = Place::new();
        let addr = place.addr("echo.sock");
        let server = Server::start(&["echo", &addr, "--model", model, "--workers", "2"]);
        let said = text(&printed(multiconn(&["call", "echo", &addr, "--connections", "20"])));
        assert!(said.contains("20 of 20 connections good"), "{said}");
        server.stop();
        assert!(!place.path("echo.sock").exists());
    }
}

#[test]
fn every_protocol_is_served_and_called_over_them() {
    let place = Place::new();
    let addr = place.addr("server.sock");
    let call = |words: &[&str]| text(&printed(multiconn(&[&["call", words[0], &addr], &words[1..]].concat())));
    for (serve, called, said) in [
        (&["app"][..], &["app", "search", "ring"][..], "In the caves beneath the Misty Mountains. 💍\n"),
        (&["fixed"], &["fixed"], "The server said 'Farewell, client'\n"),
        (&["multiply"], &["multiply", "ab"], "chunk 1: 20000 bytes: 'abab"),
        (&["echo"], &["raw", "hello", "--half-close"], "hello\n"),
    ] {
        let server = Server::start(&[serve, &[&addr]].concat());
        let got = call(called);
        assert!(got.starts_with(said), "{serve:?}: {got}");
        drop(server);
    }
    let server = Server::start(&["sink", &addr]);
    let got = call(&["sink", "--settle", "10ms"]);
    assert!(got.contains("The kernel holds them until the server reads"), "{got}");
    server.stop();
}

#[test]
fn what_a_killed_server_has_left_is_replaced_and_a_live_server_stays() {
    let place = Place::new();
    let (addr, path) = (place.addr("echo.sock"), place.path("echo.sock"));
    let killed = Server::start(&["echo", &addr]);
    killed.signal(Signal::KILL);
    killed.ended();
    assert!(path.exists());
    let live = Server::start(&["echo", &addr]);
    let second = run(multiconn(&["serve", "echo", &addr]));
    assert_eq!(text(&second.stderr), format!("multiconn: cannot listen on {addr}: a server listens there already\n"));
    assert_eq!(answer(&path, "hello"), "hello");
    live.stop();
    fs::write(&path, "precious").unwrap();
    let third = run(multiconn(&["serve", "echo", &addr]));
    assert!(text(&third.stderr).ends_with("a file that is not a socket is there\n"), "{}", text(&third.stderr));
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn a_server_that_stops_makes_way_for_the_next() {
    let place = Place::new();
    let (addr, path) = (place.addr("echo.sock"), place.path("echo.sock"));
    let first = Server::start(&["app", &addr]);
    // Work in progress holds it.
    let mut held = connect(&path);
    held.write_all(b"\0").unwrap();
    first.wait_for_log("Accepted connection");
    first.signal(Signal::TERM);
    first.wait_for_log("Stopping");
    let second = Server::start(&["echo", &addr]);
    drop(held);
    first.ended();
    assert_eq!(answer(&path, "hello"), "hello");
    second.stop();
}

#[test]
fn the_mode_of_their_files_may_be_chosen() {
    let place = Place::new();
    let admin = place.addr("admin.sock");
    let addr = place.addr("echo.sock");
    let server = Server::start(&["echo", &addr, "--admin", &admin, "--socket-mode", "600"]);
    for name in ["echo.sock", "admin.sock"] {
        assert_eq!(fs::metadata(place.path(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
    server.stop();
}

#[test]
fn a_server_is_watched_over_one_and_names_its_peers() {
    for model in ["reactor", "threads"] {
        let place = Place::new();
        let (addr, admin) = (place.addr("echo.sock"), place.addr("admin.sock"));
        let server = Server::start(&["echo", &addr, "--model", model, "--admin", &admin]);
        let _peer = connect(&place.path("echo.sock"));
        server.wait_for_log("Accepted connection");
        let state = answer(&place.path("admin.sock"), "GET /state.json HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert!(state.starts_with("HTTP/1.1 200 OK\r\n"), "{state}");
        assert!(model == "threads" || state.contains(&format!("\"peer\":\"{addr}#1\"")), "{state}");
        server.stop();
        assert!(!place.path("admin.sock").exists());
    }
}

#[test]
fn a_program_is_redirected_over_one() {
    let place = Place::new();
    let addr = place.addr("program.sock");
    let program =
        Server::spawn_with(multiconn(&["redirect", "--listen", &addr, "--", "tr", "a-z", "A-Z"]), Stdio::piped());
    let said = printed(multiconn(&["call", "raw", &addr, "hello", "--half-close"]));
    assert_eq!(text(&said), "HELLO\n");
    program.printed();
    assert!(!place.path("program.sock").exists());

    let server = Server::start(&["echo", &addr]);
    let echoed = multiconn(&[
        "redirect",
        "--connect",
        &addr,
        "--stdin",
        "--stdout",
        "--",
        "sh",
        "-c",
        "echo ahoy; read line; echo $line >&2",
    ]);
    let output = run(echoed);
    assert!(text(&output.stderr).contains("ahoy\n"), "{}", text(&output.stderr));
    server.stop();
}

#[test]
fn a_server_that_is_not_there_is_told() {
    let place = Place::new();
    let addr = place.addr("nothing.sock");
    for words in [&["call", "echo", &addr][..], &["call", "raw", &addr, "hello"]] {
        let failed = text(&run(multiconn(words)).stderr);
        let expected = format!("cannot connect to {addr}: no such file (is a server running there?)");
        assert!(failed.contains(&expected), "{failed}");
    }
    let one = text(&run(multiconn(&["serve", "echo", &addr, "--ports", "2"])).stderr);
    assert!(one.contains(&format!("cannot listen on 2 ports of {addr}")), "{one}");
}

#[cfg(target_os = "linux")]
#[test]
fn an_abstract_name_needs_no_file() {
    let addr = format!("unix:@multiconn-{}", std::process::id());
    let server = Server::start(&["echo", &addr]);
    let said = text(&printed(multiconn(&["call", "echo", &addr])));
    assert!(said.contains("2 of 2 connections good"), "{said}");
    server.stop();
}

#[test]
fn the_benchmark_compares_one_with_tcp() {
    let place = Place::new();
    let addr = place.addr("echo.sock");
    let server = Server::start(&["echo", "127.0.0.1:0", &addr]);
    let running = format!("running={addr}");
    let short = ["--duration", "100ms", "--warmup", "10ms", "--rounds", "1", "--connections", "10"];
    let servers = ["--model", "reactor", "--transport", "tcp,unix", "--against", &running];
    let output = run(multiconn(&[&["bench", "echo"], &servers[..], &short].concat()));
    let table = text(&output.stdout);
    assert!(output.status.success(), "{table}{}", text(&output.stderr));
    for name in ["reactor ", "reactor-unix ", "running "] {
        assert!(table.contains(name), "{name}: {table}");
    }
    server.stop();
}
