//! The figures of the program, for each workload and each kind of server.

use std::fs;
use std::process::Command;

use multiconn::bench::load::UNANSWERED;
use multiconn::bench::results::{self, Pace, Schedule, Workload};

use crate::common::{Server, multiconn, python, run, text};
use crate::scripted::{Act, scripted};
use crate::{bench, bench_warmed_up};

/// A run without its histograms.
fn told(run: &results::Run) -> String {
    let results::Run { subject, point, replies, errors, unsent, server, doubt, .. } = run;
    format!("{subject} {point:?}: {replies} replies, {errors:?}, {unsent} unsent, {server:?}, {doubt:?}")
}

#[test]
fn every_figure_of_a_short_run_makes_sense() {
    let results = bench(&["echo", "app", "--model", "reactor,fork", "--connections", "3"]);
    assert_eq!(results.schema, "multiconn-bench/1");
    assert!(!results.ended_early && results.version == env!("CARGO_PKG_VERSION"));
    assert!(results.started.ends_with('Z') && results.command.contains(&"--model".to_owned()));
    let names: Vec<&str> = results.subjects.iter().map(|subject| subject.name.as_str()).collect();
    assert_eq!(names, ["reactor", "fork"]);
    let how = "multiconn serve app --model reactor; multiconn serve echo --model reactor";
    assert_eq!(results.subjects[0].how, how, "what can be run");
    assert!(results.machine.cores >= 1 && !results.machine.kernel.is_empty());
    let order: Vec<(&str, Workload, bool)> = results
        .runs
        .iter()
        .map(|run| (run.subject.as_str(), run.point.workload, run.point.pace == Pace::Closed))
        .collect();
    let of = |workload| {
        [("reactor", workload, true), ("fork", workload, true), ("reactor", workload, false), ("fork", workload, false)]
    };
    assert_eq!(order, [of(Workload::Echo), of(Workload::App)].concat());
    for run in &results.runs {
        assert!((run.seconds - 0.2).abs() < 1e-9, "{}", told(run));
        assert!(run.errors.is_empty(), "{}", told(run));
        assert!(run.replies > 0 && run.reply_bytes % run.replies == 0, "{}", told(run));
        let count = |histogram: &results::Histogram| histogram.buckets.iter().map(|(_, count)| count).sum::<u64>();
        match run.point.pace {
            Pace::Closed => {
                assert_eq!(count(&run.latency), run.replies);
                assert!(run.service.is_none() && run.generator.lag.is_none());
            }
            Pace::Open { rate_per_second, .. } => {
                let due = count(&run.latency) as f64;
                assert!((due - rate_per_second * 0.2).abs() <= 1.0, "{}", told(run));
                // Every due request has a lag, even if it's zero; only the sent ones have a service time.
                assert_eq!(count(run.generator.lag.as_ref().unwrap()) as f64, due);
                assert_eq!(count(run.service.as_ref().unwrap()), count(&run.latency) - run.unsent);
            }
        }
        assert_eq!(count(run.connect.as_ref().unwrap()), 3);
        assert_eq!(run.over_time.len(), 50);
        assert!(run.over_time.is_sorted_by(|a, b| a.until < b.until));
        assert!(run.over_time.iter().map(|slice| slice.replies).sum::<u64>() <= run.replies);
        assert!(run.over_time.iter().all(|slice| slice.p50_ns <= slice.p99_ns && slice.p99_ns <= slice.max_ns));
        assert!((0.0..=1.0).contains(&run.generator.busy) && run.generator.cpu_seconds < 0.5);
        if cfg!(target_os = "linux") {
            let server = run.server.as_ref().unwrap();
            let processes = if run.subject == "fork" { 4 } else { 1 };
            assert_eq!((server.processes, server.threads), (processes, processes), "{}", told(run));
            assert!(server.user_seconds + server.system_seconds < 0.2 * 8.0);
            let [at_rest, connected, peak] = [server.memory_at_rest, server.memory_connected, server.memory_peak];
            assert!(
                at_rest > Some(50_000) && connected > Some(50_000) && peak >= connected && peak >= at_rest,
                "{}",
                told(run)
            );
            assert!(server.voluntary_switches.is_some());
        }
    }
}

#[test]
fn system_calls_are_counted_or_it_is_said_once_why_not() {
    let args = ["echo", "app-close", "--model", "threads,fork", "--connections", "3", "--closed"];
    for warmup in ["100ms", "500ms"] {
        let results = bench_warmed_up(warmup, &args);
        let notes: Vec<&String> =
            results.notes.iter().filter(|note| note.starts_with("System calls are left out ")).collect();
        let is_told = |run: &results::Run| run.server.is_some_and(|server| server.system_calls_per_request.is_some());
        if warmup == "100ms" && cfg!(target_os = "linux") {
            assert_eq!(notes, ["System calls are left out where the warm-up takes no more than 100ms."]);
            assert!(!results.runs.iter().any(is_told));
        }
        assert_eq!(notes.is_empty(), results.runs.iter().all(|run| is_told(run) || run.server.is_none()), "{notes:?}");
        for run in &results.runs {
            let Some(calls) = run.server.and_then(|server| server.system_calls_per_request) else { continue };
            // An echo takes one call to receive and one to send; the uncertainty of the counting is below a tenth. With a
            // connection for each request, further calls create and end the connection, and its thread or process.
            let range = if run.point.workload == Workload::Echo { 1.8..5.0 } else { 4.0..200.0 };
            assert!(range.contains(&calls), "{}", told(run));
        }
    }
}

#[test]
fn every_workload_runs() {
    let results = bench(&[
        "app-close",
        "connect",
        "idle",
        "stream",
        "slow",
        "--model",
        "threads",
        "--connections",
        "4",
        "--closed",
        "--size",
        "100",
        "--depth",
        "2",
        "--idle",
        "5",
    ]);
    assert_eq!(results.runs.len(), 5);
    for run in &results.runs {
        assert!(run.errors.is_empty() && run.replies > 0, "{}", told(run));
        assert_eq!(run.point.idle, 5, "{}", told(run));
        let depth = if matches!(run.point.workload, Workload::AppClose | Workload::Connect) { 1 } else { 2 };
        assert_eq!(run.point.depth, depth);
        assert_eq!(run.reply_bytes == 0, run.point.workload == Workload::Connect);
    }
}

#[test]
fn a_model_that_serves_one_client_leaves_the_others_unanswered() {
    let results = bench(&["--model", "sequential", "--connections", "3"]);
    assert_eq!(results.runs.len(), 2);
    for run in &results.runs {
        // On a busy machine, the last request of the one that is served may miss the end of the run, too.
        assert!(matches!(run.errors.get(UNANSWERED), Some(2..=3)), "{}", told(run));
        assert!(run.replies > 0 && run.doubt.as_ref().unwrap().contains("never answered"), "{}", told(run));
    }
}

#[test]
fn a_python_server_is_measured_as_well() {
    let mut command = python("echo_server.py");
    // One connection for the first conversation, and two for the load.
    command.args(["--connections", "3"]);
    let server = Server::spawn(command);
    let place = format!("python={}", server.address());
    let pid = server.pid().to_string();
    let results = bench(&["--against", &place, "--pid", &pid, "--connections", "2", "--rate", "500", "--poisson"]);
    let run = &results.runs[0];
    assert!(run.replies > 0 && run.errors.is_empty(), "{}", told(run));
    assert!(matches!(run.point.pace, Pace::Open { schedule: Schedule::Poisson, .. }));
    assert_eq!(run.server.is_some(), cfg!(target_os = "linux"));
    server.ended();
}

#[test]
fn an_objective_is_looked_for() {
    let results = bench(&["--model", "reactor", "--connections", "2", "--slo", "max<1h"]);
    let [kept] = &results.kept[..] else { panic!("{:?}", results.kept) };
    assert_eq!((kept.subject.as_str(), kept.round, kept.objective.as_str()), ("reactor", 1, "max<1h"));
    assert!(results.runs.len() >= 2 && results.runs[0].point.pace == Pace::Closed);
    assert!(results.runs.iter().all(|run| run.is_trial == (run.point.pace != Pace::Closed)));
    assert!(kept.trials(&results.runs).count() == results.runs.len() - 1);
    // Every reply is in time, so only unsent requests may have lowered the rate.
    assert!(kept.rate_per_second.is_none_or(|rate| rate > 0.0));
}

#[test]
fn a_command_is_started_and_ended() {
    let program = env!("CARGO_BIN_EXE_multiconn");
    // Without a shell, the only process is the program, and quotes are removed. A shell stays, beside the two of its pipe.
    for (command, shell, processes) in
        [("{} -q serve 'echo' {port}", &[][..], 1), ("{} -q serve echo {port} | cat", &["--shell"], 3)]
    {
        let command = format!("ours={}", command.replace("{}", program));
        let results = bench(&[&["--command", &command, "--connections", "2", "--closed"], shell].concat());
        assert!(results.runs[0].replies > 0 && results.subjects[0].how.contains("{port}"));
        assert!(results.runs[0].server.is_none_or(|server| server.processes == processes));
    }
}

#[test]
fn a_command_gets_the_limit_of_open_files_that_the_bench_was_given() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let program = env!("CARGO_BIN_EXE_multiconn");
    let server = format!("x=ulimit -Sn >{}; exec {program} -q serve echo {{port}}", file.path().display());
    // The load needs more descriptors than the limit below.
    let load = ["--connections", "150", "--closed", "--duration", "50ms", "--warmup", "10ms", "--rounds", "1"];
    let bench = multiconn(&[&["bench", "--shell", "--command", &server], &load[..]].concat());
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -Sn 100 && exec \"$@\"", "sh"]).arg(bench.get_program()).args(bench.get_args());
    let output = run(shell);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(fs::read_to_string(file.path()).unwrap(), "100\n");
}

#[test]
fn a_server_that_dies_leaves_a_run_in_doubt() {
    let (address, _) = scripted(10, Act::Leave);
    let results = bench(&["--against", &format!("mortal={address}"), "--connections", "2", "--closed"]);
    let run = &results.runs[0];
    assert!(run.doubt.as_ref().unwrap().contains("no usable connection was left"), "{}", told(run));
    assert_eq!(run.errors.values().sum::<u64>(), 2);
}
