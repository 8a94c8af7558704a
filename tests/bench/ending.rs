//! The results and processes that a bench leaves after a signal or a failed output.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Instant;

use multiconn::bench::report;
use multiconn::bench::results::Results;
use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::process::{Pid, Signal, kill_process};

use crate::common::{PATIENCE, multiconn, run, text};

/// The documented exit status.
const INTERRUPTED: i32 = 3;

#[test]
fn an_interrupt_keeps_what_is_measured_and_leaves_nobody_behind() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let args = ["bench", "--model", "reactor,threads", "--connections", "1", "--closed", "--warmup", "10ms"];
    let folder = tempfile::tempdir().unwrap();
    let plots = folder.path().join("plots");
    let more = ["--duration", "300ms", "--rounds", "1000", "--json", path, "--plots", plots.to_str().unwrap()];
    let mut command = multiconn(&[&args[..], &more].concat());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
    // One has been measured, and another is under way.
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let is_measured = |line: std::io::Result<String>| line.unwrap().contains("  generator ");
    assert!(stderr.by_ref().lines().any(is_measured));
    let servers = wait_for_children(child.id());
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(INTERRUPTED));
    assert!(rest.lines().last().unwrap().starts_with("multiconn: interrupted after "), "{rest}");
    assert!(text(&output.stdout).contains("The bench ended early"));
    let results = Results::read(file.path()).unwrap();
    assert!(results.ended_early && !results.runs.is_empty());
    assert_eq!(fs::read_dir(&plots).unwrap().count(), report::plots(&[results]).len());
    for server in servers {
        assert!(!fs::exists(format!("/proc/{server}")).unwrap(), "{server} is there yet");
    }
}

/// Runs a bench of a server that a shell starts. If a signal is given, ends the bench by it once the server is listening.
/// With `twice`, repeats the signal until the bench has ended, and the shell ignores SIGTERM. Checks that all processes of
/// the server end as well.
fn end_by(signal: Option<Signal>, twice: bool) -> Option<i32> {
    let folder = tempfile::tempdir().unwrap();
    let held = folder.path().join("held");
    mkfifoat(CWD, &held, Mode::RWXU).unwrap();
    let program = env!("CARGO_BIN_EXE_multiconn");
    let ignores = if twice { "trap '' TERM; " } else { "" };
    let shell = format!("{ignores}exec 3>{}; cd / && {program} -q serve echo {{port}} >&3; true", held.display());
    let duration = if signal.is_some() { "1h" } else { "50ms" };
    let load = ["--connections", "1", "--closed", "--rounds", "1", "--warmup", "10ms", "--duration", duration];
    let bench = multiconn(&[&["bench", "--shell", "--command", &format!("x={shell}")], &load[..]].concat());
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -c 0 && exec \"$@\"", "sh"]).arg(bench.get_program()).args(bench.get_args());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // The pipe ends when the last process that holds it has ended.
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(File::open(held).unwrap()).lines() {
            tell.send(line.unwrap()).unwrap();
        }
    });
    assert!(told.recv_timeout(PATIENCE).unwrap().starts_with("Listening on "));
    if let Some(signal) = signal {
        kill_process(Pid::from_child(&child), signal).unwrap();
    }
    while twice && child.try_wait().unwrap().is_none() {
        // The bench may notice two signals as one, so they are repeated.
        kill_process(Pid::from_child(&child), signal.unwrap()).unwrap();
    }
    let status = child.wait().unwrap();
    assert_eq!(told.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected), "{signal:?}: the server is there yet");
    status.code()
}

#[test]
fn no_server_stays_however_the_bench_ends() {
    assert_eq!(end_by(None, false), Some(0));
    // Before anything is measured.
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        assert_eq!(end_by(Some(signal), false), Some(INTERRUPTED));
    }
    assert_eq!(end_by(Some(Signal::INT), true), Some(INTERRUPTED));
    for signal in [Signal::QUIT, Signal::USR1, Signal::ABORT, Signal::KILL] {
        assert_eq!(end_by(Some(signal), false), None);
    }
}

/// A short bench of a server that runs, with one request in flight.
fn short_bench(more: &[&str]) -> Command {
    let args = ["bench", "--model", "reactor", "--connections", "1", "--closed", "--rounds", "1"];
    multiconn(&[&args[..], &["--warmup", "10ms", "--duration", "50ms"], more].concat())
}

#[test]
fn each_output_is_written_even_if_the_others_fail() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (json, html, full) = (at("a.json"), at("a.html"), "/dev/full");
    let output = run(short_bench(&["--csv", full, "--json", &json, "--html", &html]));
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("reactor"));
    let said = text(&output.stderr);
    assert_eq!(said.lines().next(), Some("1 measurement to make, in about 1s"));
    assert_eq!(said.lines().last(), Some("multiconn: cannot write to /dev/full: no space left on device"));
    assert!(Results::read(json.as_ref()).is_ok() && fs::exists(&html).unwrap());
    // Several outputs fail.
    let output = run(short_bench(&["--csv", full, "--markdown", full]));
    let said = text(&output.stderr);
    let both = "multiconn: cannot write to /dev/full: no space left on device; cannot write to /dev/full: no space left on device";
    assert_eq!((said.lines().last(), output.status.code()), (Some(both), Some(1)));
}

#[test]
fn standard_streams_that_are_full_or_closed_cost_no_measurement() {
    let folder = tempfile::tempdir().unwrap();
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    let closed = || Stdio::from(std::io::pipe().unwrap().1);
    let cases =
        [(full(), closed(), 1), (closed(), full(), 1), (Stdio::null(), full(), 0), (Stdio::null(), closed(), 0)];
    for (index, (stdout, stderr, status)) in cases.into_iter().enumerate() {
        let json = folder.path().join(format!("{index}.json"));
        let mut command = short_bench(&["--json", json.to_str().unwrap()]);
        let ended = command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).status().unwrap();
        assert_eq!(ended.code(), Some(status), "{index}");
        assert_eq!(Results::read(&json).unwrap().runs.len(), 1);
    }
}

/// The processes that `parent` has started: a server, and the leader of its process group. Empty if they are unknown.
fn wait_for_children(parent: u32) -> Vec<u32> {
    let deadline = Instant::now() + PATIENCE;
    while cfg!(target_os = "linux") && Instant::now() < deadline {
        let output = Command::new("ps").args(["--ppid", &parent.to_string(), "-o", "pid="]).output();
        let Ok(output) = output else { return Vec::new() };
        let children: Vec<u32> = text(&output.stdout).split_whitespace().map(|pid| pid.parse().unwrap()).collect();
        if children.len() >= 2 {
            return children;
        }
    }
    Vec::new()
}
