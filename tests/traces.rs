//! `--trace FILE` writes everything that happens as lines of JSON, under every model and on either side.

#[path = "common/mod.rs"]
mod common;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;

use common::{MODELS, Server, expect_last, multiconn, run, search, text, to_end};
use serde_json::Value;

/// The lines of a trace behind its header.
fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("{line}")));
    let header = lines.next().expect("a header");
    assert_eq!((&header["trace"], &header["program"]), (&1.into(), &"multiconn".into()), "{header}");
    assert!(header["started"].as_str().unwrap().starts_with("20"), "{header}");
    let lines: Vec<_> = lines.collect();
    let times: Vec<_> = lines.iter().map(|line| line["time"].as_f64().expect("a time")).collect();
    assert!(times.iter().all(|&time| (0.0..600.0).contains(&time)), "{times:?}");
    lines
}

fn events<'a>(lines: &'a [Value], peer: &str) -> Vec<&'a str> {
    let of_peer = lines.iter().filter(|line| line["peer"] == peer);
    of_peer.map(|line| line["event"].as_str().expect("a name")).collect()
}

#[test]
fn a_conversation_is_written_under_every_model() {
    let dir = tempfile::tempdir().unwrap();
    for model in MODELS {
        let path = dir.path().join("trace");
        fs::write(&path, "what was there before").unwrap();
        let args = [&["app", "0", "-q", "--trace", path.to_str().unwrap()][..], model].concat();
        let server = Server::start(&args);
        let mut peer = server.connect();
        let addr = peer.local_addr().unwrap().to_string();
        let request = search("ring");
        peer.write_all(&request).unwrap();
        let reply = to_end(&mut peer);
        drop(peer);
        server.stop();
        let lines = lines(&path);
        let told = events(&lines, &addr);
        let mut steps = told.iter();
        for event in ["accepted", "run_begun", "received", "stepped", "replied", "sent", "moved", "run_ended", "closed"]
        {
            assert!(steps.any(|&told| told == event), "{model:?}: no {event} in order in {told:?}");
        }
        let one = |event: &str| lines.iter().find(|line| line["event"] == event && line["peer"] == addr).unwrap();
        assert_eq!(
            (one("received")["len"].as_u64(), one("sent")["len"].as_u64()),
            (Some(request.len() as u64), Some(reply.len() as u64))
        );
        assert_eq!(one("closed")["end"], "finished");
        let connections: BTreeSet<_> =
            lines.iter().filter(|line| line["peer"] == addr).map(|line| line["connection"].to_string()).collect();
        assert_eq!(connections.len(), 1, "{model:?}: {connections:?}");
        assert!(lines.iter().any(|line| line["event"] == "stopping"), "{model:?}");
    }
}

#[test]
fn a_client_and_the_demo_have_one_as_well() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("trace");
    let server = Server::start(&["app", "0", "-q"]);
    let address = server.address_text();
    let call = run(multiconn(&["call", "app", &address, "search", "ring", "--trace", path.to_str().unwrap()]));
    assert!(call.status.success(), "{}", text(&call.stderr));
    let told = lines(&path);
    let of_server = events(&told, &address);
    assert_eq!((of_server.first(), of_server.last()), (Some(&"opening"), Some(&"closed")));
    let demo = run(multiconn(&["demo", "--trace", path.to_str().unwrap()]));
    assert!(demo.status.success(), "{}", text(&demo.stderr));
    let threads: BTreeSet<_> = lines(&path).iter().map(|line| line["thread"].as_str().map(str::to_owned)).collect();
    assert_eq!(threads.len(), 3, "each server has its thread: {threads:?}");
}

#[test]
fn a_file_that_can_not_be_written_is_an_error_before_anything_starts() {
    let failed = run(multiconn(&["serve", "echo", "0", "--trace", "/nowhere/at/all"]));
    let words = "multiconn: cannot write the trace to /nowhere/at/all: no such folder\n";
    assert_eq!((failed.status.code(), text(&failed.stderr)), (Some(1), words.to_owned()));
    // A full disk loses the trace, and nothing else.
    let server = Server::start(&["app", "0", "-q", "--trace", "/dev/full"]);
    let mut peer = server.connect();
    peer.write_all(&search("ring")).unwrap();
    expect_last(&mut peer, &common::result(common::RING));
    server.stop();
}
