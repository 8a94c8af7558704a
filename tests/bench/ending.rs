//! What is left of a bench that is ended.

use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Instant;

use multiconn::bench::report;
use multiconn::bench::results::Results;
use rustix::process::{Pid, Signal, kill_process};

use crate::common::{PATIENCE, multiconn, text};

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
    let mut stderr = child.stderr.take().unwrap();
    let mut first = [0; 1];
    stderr.read_exact(&mut first).unwrap();
    let servers = wait_for_children(child.id());
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(rest.lines().any(|line| line.starts_with("Ended early, after ")), "{rest}");
    let results = Results::read(file.path()).unwrap();
    assert!(results.ended_early && !results.runs.is_empty());
    assert_eq!(fs::read_dir(&plots).unwrap().count(), report::plots(&[results]).len());
    for server in servers {
        assert!(!fs::exists(format!("/proc/{server}")).unwrap(), "{server} is there yet");
    }
}

/// The processes that `parent` has started, of which there is to be one; none where that can't be told.
fn wait_for_children(parent: u32) -> Vec<u32> {
    let deadline = Instant::now() + PATIENCE;
    while cfg!(target_os = "linux") && Instant::now() < deadline {
        let output = Command::new("ps").args(["--ppid", &parent.to_string(), "-o", "pid="]).output();
        let Ok(output) = output else { return Vec::new() };
        let children: Vec<u32> = text(&output.stdout).split_whitespace().map(|pid| pid.parse().unwrap()).collect();
        if !children.is_empty() {
            return children;
        }
    }
    Vec::new()
}
