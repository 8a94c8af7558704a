//! `multiconn simulate`: many worlds, one in detail, and the results as JSON.

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;

fn simulate(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_multiconn"));
    command.arg("simulate").args(args).env_remove("RUST_LOG").output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn the_stories_are_the_same_on_any_number_of_threads() {
    let told = |threads| {
        let output = simulate(&["--seeds", "20", "--threads", threads]);
        assert!(output.status.success(), "{}", text(&output.stdout));
        text(&output.stdout)
    };
    let one = told("1");
    assert!(one.starts_with("140 worlds with "), "{one}");
    assert!(one.contains("\nHash of all stories: "), "{one}");
    assert_eq!(one, told("3"));
}

#[test]
fn a_seed_is_told_from_the_world_to_the_hash() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let output = simulate(&["--protocol", "echo", "--seed", "3", "-v", "--trace", trace.to_str().unwrap()]);
    assert!(output.status.success());
    let (world, story) = (text(&output.stdout), text(&output.stderr));
    assert!(world.starts_with("EchoSubject { "), "{world}");
    assert!(world.contains("\npeer 0 connects at "), "{world}");
    assert!(world.lines().last().unwrap().contains(" of virtual time, hash "), "{world}");
    assert!(story.contains(" Accepted connection from 10.0.0.0:40000"), "{story}");
    assert!(story.contains("] peer 0 connects as 10.0.0."), "{story}");
    let lines = fs::read_to_string(trace).unwrap();
    assert!(lines.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
    assert!(lines.contains(r#""event":"accepted""#));
}

#[test]
fn a_part_of_a_world_can_be_run() {
    let output = simulate(&["--protocol", "app", "--seed", "5", "--peers", "1", "--faults", "none"]);
    let world = text(&output.stdout);
    assert!(world.contains("\npeer 1 connects"), "{world}");
    assert!(!world.contains("\npeer 0 connects") && !world.contains("\nfault "), "{world}");
}

#[test]
fn the_results_are_written_as_json() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("results.json");
    let args = ["--protocol", "sink,fixed", "--from", "7", "--seeds", "5", "--json", json.to_str().unwrap()];
    assert!(simulate(&args).status.success());
    let results: Value = serde_json::from_slice(&fs::read(json).unwrap()).unwrap();
    assert_eq!(results["worlds"], 10);
    assert_eq!(results["complete"], true);
    assert_eq!(results["failure"], Value::Null);
    assert!(results["turns"].as_u64().unwrap() > 10);
}

#[test]
fn wrong_usage_is_one_line() {
    for (args, why) in [
        (&["--seed", "1", "--seeds", "2"][..], "cannot be used with"),
        (&["--peers", "1"], "--seed"),
        (&["--seed", "1", "--faults", "x"], "it must be numbers such as 0,2, or `none`"),
        (&["--seed", "1", "--trace", "/nowhere"], "--trace needs one protocol: add --protocol"),
    ] {
        let output = simulate(args);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(why), "{error}");
    }
}
