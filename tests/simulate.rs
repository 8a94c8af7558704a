//! `multiconn simulate`: many worlds, one in detail, and the results as JSON.

mod common;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, pipe};
use std::process::{Output, Stdio};

use multiconn::sim::coverage;
use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use common::{multiconn, python, text};

fn simulate(args: &[&str]) -> Output {
    multiconn(&[&["simulate"], args].concat()).output().unwrap()
}

#[test]
fn the_stories_are_the_same_on_any_number_of_threads() {
    let told = |threads| {
        let output = simulate(&["--seeds", "20", "--threads", threads]);
        assert!(output.status.success(), "{}", text(&output.stdout));
        text(&output.stdout)
    };
    let one = told("1");
    assert!(one.starts_with("180 worlds with "), "{one}");
    assert!(one.contains("\nHash of all stories: "), "{one}");
    assert_eq!(one, told("3"));
}

#[test]
fn the_number_of_seeds_that_cover_everything_is_in_the_help_and_the_documentation() {
    let help = text(&simulate(&["--help"]).stdout);
    let seeds = coverage::SEEDS;
    assert!(help.contains(&format!("\n{seeds} seeds or more of all protocols must cover everything")), "{help}");
    let documentation = include_str!("../docs/simulation.md");
    assert!(documentation.contains(&format!("{seeds} seeds of all protocols cover everything")), "{seeds}");
}

#[test]
fn a_seed_is_told_from_the_world_to_the_hash() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let output = simulate(&["--protocol", "echo", "--seed", "3", "-v", "--trace", trace.to_str().unwrap()]);
    assert!(output.status.success());
    let (world, story) = (text(&output.stdout), text(&output.stderr));
    assert!(world.starts_with("an echo server"), "{world}");
    assert!(world.contains("\npeer 0 connects at "), "{world}");
    assert!(world.lines().last().unwrap().contains(" of virtual time, hash "), "{world}");
    assert!(story.contains(" Accepted connection from 10.0.0.0:40000"), "{story}");
    assert!(story.contains("] peer 0 connects as 10.0.0."), "{story}");
    let lines = fs::read_to_string(trace).unwrap();
    assert!(lines.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
    assert!(lines.contains(r#""event":"accepted""#));
}

#[test]
fn a_page_contains_the_lines_of_the_trace() {
    let folder = tempfile::tempdir().unwrap();
    let [trace, page, again] = ["trace", "page.html", "again.html"].map(|name| folder.path().join(name));
    let files = ["--trace", trace.to_str().unwrap(), "--html", page.to_str().unwrap()];
    assert!(simulate(&[&["--protocol", "app", "--seed", "3"], &files[..]].concat()).status.success());
    let (lines, page) = (fs::read_to_string(trace).unwrap(), fs::read_to_string(page).unwrap());
    assert!(page.contains("<title>multiconn: app, seed 3</title>"));
    let (_, story) = page.split_once("id=\"story\">\n").unwrap();
    let (story, _) = story.split_once("</script>").unwrap();
    let read = |lines: &str| lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>();
    assert_eq!(read(story), read(&lines));
    assert!(simulate(&["--protocol", "app", "--seed", "3", "--html", again.to_str().unwrap()]).status.success());
    assert!(fs::read_to_string(again).unwrap() == page, "the same world gives the same page");
}

#[test]
fn a_part_of_a_world_can_be_run() {
    let output = simulate(&["--protocol", "app", "--seed", "5", "--peers", "1", "--faults", "none"]);
    let world = text(&output.stdout);
    assert!(world.contains("\npeer 1 connects"), "{world}");
    assert!(!world.contains("\npeer 0 connects") && !world.contains("\nfault "), "{world}");
}

#[test]
fn parts_that_a_world_lacks_are_wrong_usage() {
    for (args, why) in [
        (["--peers", "1,99"], "multiconn: --peers 99: the world of app, seed 5, has peers 0 to "),
        (["--faults", "1,77"], "multiconn: --faults 77: the world of app, seed 5, has faults 0 to "),
    ] {
        let output = simulate(&[&["--seed", "5"], &args[..]].concat());
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), String::new()));
        assert!(text(&output.stderr).starts_with(why), "{}", text(&output.stderr));
    }
}

#[test]
fn results_are_written_even_if_nobody_reads_what_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("results.json");
    let (_, unread) = pipe().unwrap();
    let mut command = multiconn(&["simulate", "--seeds", "3", "--json", json.to_str().unwrap()]);
    let output = command.stdout(unread).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr), "multiconn: cannot write to standard output: nobody reads it\n");
    let results: Value = serde_json::from_slice(&fs::read(json).unwrap()).unwrap();
    assert_eq!((&results["seeds"], &results["worlds"]), (&json!(3), &json!(27)));
}

#[test]
fn files_are_checked_before_any_world_runs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("results.json");
    let (file, missing) = (file.to_str().unwrap(), folder.path().join("no/results.json"));
    // It would take days.
    let output = simulate(&["--seeds", "1000000000", "--json", missing.to_str().unwrap()]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), String::new()));
    assert!(text(&output.stderr).contains("no/results.json: no such folder"), "{}", text(&output.stderr));
    let output = simulate(&["--protocol", "fixed", "--seed", "1", "--trace", file, "--json", file]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), String::new()));
    assert!(text(&output.stderr).contains("would overwrite --json"), "{}", text(&output.stderr));
}

#[test]
fn an_interruption_tells_with_which_seed_to_go_on() {
    let mut command = python("terminal.py");
    // It would take days.
    let simulate = [env!("CARGO_BIN_EXE_multiconn"), "simulate", "--from", "7", "--seeds", "1000000000"];
    let output = command.args(["--interrupt", " rows, events and faults"]).args(simulate).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let (printed, shown) = (text(&output.stdout), text(&output.stderr));
    assert!(shown.contains(" of 1000000000 seeds, ") && shown.contains(" worlds, "), "{shown}");
    assert!(printed.contains("\nHash of all stories: "), "{printed}");
    let (_, told) = shown.rsplit_once("multiconn: interrupted after ").expect(&shown);
    let (seeds, rest) = told.split_once(" seed").unwrap();
    let next = seeds.parse::<u64>().unwrap() + 7;
    assert!(rest.contains(&format!(" (go on with --from {next})")), "{told}");
}

#[test]
fn an_interruption_ends_a_story_after_a_whole_line() {
    let folder = tempfile::tempdir().unwrap();
    let (fifo, json) = (folder.path().join("trace"), folder.path().join("results.json"));
    mkfifoat(CWD, &fifo, Mode::RWXU).unwrap();
    let mut command = multiconn(&["simulate", "--protocol", "app", "--seed", "3", "--trace", fifo.to_str().unwrap()]);
    let command = command.args(["--json", json.to_str().unwrap()]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let program = command.spawn().unwrap();
    let mut trace = BufReader::new(File::open(fifo).unwrap());
    let mut story = String::new();
    // The pipe has no room for the whole story, so the program waits for its reader.
    trace.read_line(&mut story).unwrap();
    kill_process(Pid::from_child(&program), Signal::INT).unwrap();
    trace.read_to_string(&mut story).unwrap();
    let output = program.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), text(&output.stderr)),
        (Some(3), "multiconn: interrupted at app, seed 3\n".into())
    );
    assert!(text(&output.stdout).contains("\napp: "), "the world runs to its end");
    assert!(story.ends_with('\n') && !story.contains(r#""event":"stopping""#), "{story}");
    let results: Value = serde_json::from_slice(&fs::read(json).unwrap()).unwrap();
    assert_eq!((&results["worlds"], &results["complete"]), (&json!(1), &json!(false)));
}

#[test]
fn a_protocol_that_is_named_twice_is_simulated_once() {
    let output = simulate(&["--protocol", "sink,fixed,sink", "--seeds", "5", "--protocol", "fixed"]);
    assert!(text(&output.stdout).starts_with("10 worlds with "), "{}", text(&output.stdout));
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
        (&["--seed", "1", "--html", "/nowhere"], "--html needs one protocol: add --protocol"),
        (&["--html", "story.html"], "--seed"),
    ] {
        let output = simulate(args);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(why), "{error}");
    }
}
