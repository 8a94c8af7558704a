//! Servers behind a proxy, over real sockets: the clients are those that the proxy tells.

mod common;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};

use multiconn::codec::proxy::{Version, write};

use common::{Server, connect, multiconn, printed, run, text};

const MODELS: [&str; 7] = ["reactor", "poll", "select", "sequential", "threads", "pool", "fork"];

fn header(version: Version) -> Vec<u8> {
    let addr = |text: &str| text.parse::<SocketAddr>().ok();
    write(version, addr("192.0.2.1:56324"), addr("192.0.2.11:443"))
}

/// What comes back for `sent`, until the server has closed.
fn answer(server: &Server, sent: &[u8]) -> String {
    let mut stream = server.connect();
    stream.write_all(sent).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn every_model_logs_the_client() {
    for model in MODELS {
        let server = Server::start(&["echo", "127.0.0.1:0", "--proxy-protocol", "--model", model]);
        for version in [Version::V1, Version::V2] {
            assert_eq!(answer(&server, &[&header(version)[..], b"hello"].concat()), "hello", "{model}");
        }
        assert_eq!(answer(&server, b"hello"), "", "{model}");
        let log = text(&server.stop());
        for words in [
            " is for 192.0.2.1:56324\n",
            "Closing connection to 192.0.2.1:56324: finished\n",
            ": no PROXY header comes first\n",
        ] {
            assert!(log.contains(words), "{model}: {words}: {log}");
        }
    }
}

#[test]
fn simulated_work_comes_after_the_header() {
    let server = Server::start(&["echo", "127.0.0.1:0", "--proxy-protocol", "--blocking-work", "1ms"]);
    assert_eq!(answer(&server, &[&header(Version::V2)[..], b"hello"].concat()), "hello");
    server.stop();
}

#[test]
fn the_page_needs_no_header_and_shows_the_client() {
    let server = Server::start(&["echo", "127.0.0.1:0", "--proxy-protocol", "--admin", "127.0.0.1:0"]);
    let mut peer = server.connect();
    peer.write_all(&header(Version::V2)).unwrap();
    server.wait_for_log("is for");
    let mut page = connect(server.admin.unwrap());
    page.write_all(b"GET /state.json HTTP/1.1\r\nHost: localhost:").unwrap();
    page.write_all(format!("{}\r\n\r\n", server.admin.unwrap().port()).as_bytes()).unwrap();
    let mut state = String::new();
    page.read_to_string(&mut state).unwrap();
    assert!(state.contains("\"peer\":\"192.0.2.1:56324\""), "{state}");
    drop(peer);
    server.stop();
}

#[test]
fn others_than_the_proxies_are_refused() {
    let server = Server::start(&["echo", "127.0.0.1:0", "--proxy-protocol", "--proxy-from", "10.0.0.0/8,::1"]);
    assert_eq!(answer(&server, &[&header(Version::V1)[..], b"hello"].concat()), "");
    assert!(text(&server.stop()).contains("not a trusted proxy"));
}

#[test]
fn a_network_that_is_none_is_a_usage_error() {
    let output = run(multiconn(&["serve", "echo", "--proxy-protocol", "--proxy-from", "10.0.0.0/33"]));
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("'33' is not a number of bits up to 32"), "{}", text(&output.stderr));
}

#[test]
fn calls_send_a_header() {
    let server = Server::start(&["echo", "127.0.0.1:0", "--proxy-protocol"]);
    let addr = server.address_text();
    let call = |words: &[&str]| text(&printed(multiconn(&[&["call"], words].concat())));
    for version in ["v1", "v2"] {
        let said = call(&["echo", &addr, "--connections", "3", "--send-proxy", version]);
        assert!(said.contains("3 of 3 connections good"), "{said}");
        assert_eq!(call(&["raw", &addr, "hello", "--half-close", "--send-proxy", version]), "hello\n");
    }
    let log = text(&server.stop());
    assert_eq!(log.matches(" is for 127.0.0.1:").count(), 8, "{log}");
}

#[test]
fn the_benchmark_sends_headers_to_models_and_others() {
    let server = Server::start(&["echo", "127.0.0.1:0", "--proxy-protocol"]);
    let running = format!("running={}", server.address_text());
    for (workload, version) in [("echo", "v1"), ("connect", "v2")] {
        let short = ["--duration", "100ms", "--warmup", "10ms", "--rounds", "1", "--connections", "10"];
        let servers = ["--model", "threads", "--against", &running, "--send-proxy", version];
        let output = run(multiconn(&[&["bench", workload], &servers[..], &short].concat()));
        let table = text(&output.stdout);
        assert!(output.status.success(), "{table}{}", text(&output.stderr));
        assert!(!table.contains("error"), "{table}");
    }
    let log = text(&server.stop());
    assert!(log.contains(" is for 127.0.0.1:") && !log.contains("no PROXY header"), "{log}");
}
