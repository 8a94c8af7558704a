//! What the benchmark says, against servers that do what they are told: statistics against theory, errors by kind, and the
//! program as a whole.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use common::*;
use multiconn::bench::load::{Finish, Load, Measured, Talk, UNANSWERED};
use multiconn::bench::recorder::Recorder;
use multiconn::bench::report;
use multiconn::bench::results::{self, Pace, Results, Schedule, Workload};
use multiconn::bench::schedule::Timetable;
use multiconn::bench::slo::{Objective, search};
use rustix::process::Signal;

// Servers that do what they are told.

const SIZE: u64 = 64;

/// A fault of an echo server, after it has received a number of bytes on all connections together.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    /// Leaves everybody without an answer for this long.
    Stall(Duration),
    /// Nobody gets an answer any more.
    Silence,
    /// One byte comes back wrong.
    Lie,
    /// All connections are closed.
    Leave,
}

struct Script {
    bytes_before: u64,
    act: Act,
    bytes: u64,
    /// How long the stall was: a sleep may be longer than asked for.
    stalled: Option<Duration>,
}

/// An echo server with a thread for each connection, that acts once by its script.
fn scripted(messages_before: u64, act: Act) -> (SocketAddr, Arc<Mutex<Script>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let script = Script { bytes_before: messages_before * SIZE, act, bytes: 0, stalled: None };
    let script = Arc::new(Mutex::new(script));
    let shared = Arc::clone(&script);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let script = Arc::clone(&shared);
            // One that breaks off has said all it had to.
            thread::spawn(move || serve(stream.unwrap(), &script).unwrap_or_default());
        }
    });
    (address, script)
}

fn serve(mut stream: TcpStream, script: &Mutex<Script>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let len = stream.read(&mut buffer)?;
        if len == 0 {
            return Ok(());
        }
        {
            // Holding the lock holds up every connection.
            let mut script = script.lock().unwrap();
            script.bytes += len as u64;
            if script.bytes >= script.bytes_before {
                match script.act {
                    Act::Stall(time) if script.stalled.is_none() => {
                        let begun = Instant::now();
                        thread::sleep(time);
                        script.stalled = Some(begun.elapsed());
                    }
                    Act::Stall(_) => {}
                    Act::Silence => continue,
                    Act::Lie => buffer[len - 1] ^= 1,
                    Act::Leave => return Ok(()),
                }
            }
        }
        stream.write_all(&buffer[..len])?;
    }
}

static NEVER: AtomicBool = AtomicBool::new(false);
static UNREAD: AtomicU64 = AtomicU64::new(0);

/// Load on an echo server, which leaves it a processor.
fn load(target: SocketAddr, talk: &Talk, pace: Pace, duration: Duration) -> Load<'_> {
    Load {
        target,
        talk,
        busy: 4,
        dripping: 0,
        idle: 0,
        depth: 1,
        pace,
        seed: 1,
        warmup: Duration::from_millis(100),
        duration,
        spin: false,
        warmup_replies: &UNREAD,
        interrupted: &NEVER,
    }
}

fn run_load(load: &Load<'_>) -> Measured {
    load.run(&mut |_| {}).unwrap()
}

fn even(rate_per_second: f64) -> Pace {
    Pace::Open { rate_per_second, schedule: Schedule::Even }
}

fn seconds(histogram: &Recorder, quantile: f64) -> f64 {
    histogram.quantile(quantile) as f64 / 1e9
}

// The statistics.

#[test]
fn of_a_stall_the_open_loop_says_what_theory_says_and_the_closed_loop_next_to_nothing() {
    const RATE: f64 = 200.0;
    const SECONDS: f64 = 3.0;
    let stall = Act::Stall(Duration::from_secs(1));
    let talk = Talk::echo(SIZE);
    let duration = Duration::from_secs_f64(SECONDS);
    thread::scope(|scope| {
        // In the open loop one of a connection each waits for an answer, and all others that are due in the queue.
        let open = scope.spawn(|| {
            let (address, script) = scripted((RATE * 0.8) as u64, stall);
            let measured = run_load(&load(address, &talk, even(RATE), duration));
            let stalled = script.lock().unwrap().stalled.expect("it has stalled");
            (measured, stalled.as_secs_f64())
        });
        // In the closed loop a request more or less makes no difference to when it comes.
        let closed = scope.spawn(|| {
            let (address, _) = scripted(2000, stall);
            run_load(&load(address, &talk, Pace::Closed, duration))
        });

        let (open, stalled) = open.join().unwrap();
        assert_eq!(
            (open.finish, open.tally.unsent, open.tally.errors.len()),
            (Finish::Whole, 0, 0),
            "{:?}",
            open.tally.errors
        );
        assert_eq!(open.tally.latency.count(), (RATE * SECONDS) as u64);
        // A request that is due during the stall waits for the rest of it, and requests are evenly spaced: so the share
        // of all that wait longer than t is (stall - t) / duration.
        // On a machine that keeps the generator from running it can't be on time, and knows by how much.
        let late = seconds(&open.tally.lag, 0.99);
        for quantile in [0.8, 0.9, 0.95, 0.99, 0.999] {
            let theory = stalled - (1.0 - quantile) * SECONDS;
            let said = seconds(&open.tally.latency, quantile);
            assert!((said - theory).abs() < 0.05 * theory + late, "{quantile}: {said} s, not {theory} s");
        }
        assert!(seconds(&open.tally.latency, 0.5) < 0.1, "most don't notice");
        // What the requests took once they were sent is another matter: four of them have met the stall.
        assert!(seconds(&open.tally.service, 0.9) < 0.1);

        let closed = closed.join().unwrap().tally;
        assert!(closed.latency.count() > 2000, "{}", closed.latency.count());
        assert!(seconds(&closed.latency, 0.99) < 0.1, "the same stall, as good as unseen");
        assert!(closed.latency.max() as f64 / 1e9 > 0.95);
    });
}

#[test]
fn what_is_never_answered_counts_as_long_as_it_has_waited() {
    const RATE: f64 = 200.0;
    let talk = Talk::echo(SIZE);
    let (address, _) = scripted(70, Act::Silence);
    let measured = run_load(&load(address, &talk, even(RATE), Duration::from_millis(500)));
    let tally = &measured.tally;
    let unanswered = tally.errors.get(UNANSWERED).copied().unwrap_or_default();
    assert_eq!(unanswered, 4, "one on each connection: {:?}", tally.errors);
    assert!(tally.unsent > 20, "the others are in the queue yet: {}", tally.unsent);
    // All that were due are there, and none of them twice.
    assert_eq!(tally.latency.count(), 100);
    assert_eq!(tally.replies + unanswered + tally.unsent, 100);
    // It waits a second more than the run takes.
    assert!(seconds(&tally.latency, 0.99) > 1.0 && seconds(&tally.latency, 1.0) < 3.0);
}

#[test]
fn errors_are_counted_by_kind_and_end_what_they_leave_nothing_of() {
    let talk = Talk::echo(SIZE);
    for (act, kinds) in
        [(Act::Lie, &["wrong reply"][..]), (Act::Leave, &["closed by the server", "connection reset by peer"])]
    {
        let (address, _) = scripted(100, act);
        let begun = Instant::now();
        let measured = run_load(&load(address, &talk, Pace::Closed, Duration::from_secs(60)));
        assert!(begun.elapsed() < PATIENCE);
        assert_eq!(measured.finish, Finish::NoServer);
        let errors = &measured.tally.errors;
        assert!(errors.keys().all(|kind| kinds.contains(&kind.as_str())), "{act:?}: {errors:?}");
        assert_eq!(errors.values().sum::<u64>(), 4, "{act:?}: {errors:?}");
    }
}

#[test]
fn a_timetable_keeps_its_rate_and_is_the_same_for_everybody() {
    let dues = |schedule, seed| {
        let mut table = Timetable::new(10_000.0, schedule, seed);
        std::iter::from_fn(move || table.take_due(u64::MAX)).take(10_000).collect::<Vec<u64>>()
    };
    let even = dues(Schedule::Even, 1);
    assert_eq!((even[0], even[1], even[9999]), (0, 100_000, 999_900_000));
    let poisson = dues(Schedule::Poisson, 1);
    assert_eq!(poisson, dues(Schedule::Poisson, 1));
    assert_ne!(poisson, dues(Schedule::Poisson, 2));
    assert!(poisson.is_sorted());
    // A second more or less three hundredths: so far from the mean is one in a thousand, and this seed is not.
    assert!((970_000_000..1_030_000_000).contains(&poisson[9999]), "{}", poisson[9999]);
    // The intervals spread as far as they're long, and more than a third of them, 1/e, are longer than the mean.
    let longer = poisson.windows(2).filter(|pair| pair[1] - pair[0] > 100_000).count();
    assert!((3500..3860).contains(&longer), "{longer}");

    let mut table = Timetable::new(1000.0, Schedule::Even, 0);
    assert_eq!(table.take_due(0), Some(0));
    assert_eq!(table.take_due(999_999), None, "nothing before it's due");
    assert_eq!(
        (table.take_due(2_500_000), table.take_due(2_500_000), table.take_due(2_500_000)),
        (Some(1_000_000), Some(2_000_000), None)
    );
}

#[test]
fn the_highest_rate_that_keeps_an_objective_is_found() {
    let found = |highest: f64, border: f64| {
        let mut tries = 0;
        let rate = search(highest, |rate| {
            tries += 1;
            Ok::<_, ()>(rate <= border)
        });
        (rate.unwrap(), tries)
    };
    for border in [12_000.0, 50_000.0, 77_777.0, 99_000.0] {
        let (rate, tries) = found(100_000.0, border);
        let rate = rate.unwrap();
        assert!(rate <= border && rate >= border * 0.96 && tries <= 18, "{border}: {rate} after {tries}");
    }
    assert_eq!(found(100_000.0, 200_000.0), (Some(100_000.0), 1));
    assert_eq!(found(100_000.0, 0.0).0, None);
    // One bad moment doesn't decide.
    let mut calls = 0;
    let lucky = search(1000.0, |_| {
        calls += 1;
        Ok::<_, ()>(calls != 1)
    });
    assert_eq!(lucky, Ok(Some(1000.0)));
    assert_eq!(search(1000.0, |_| Err("broken")), Err("broken"));
}

#[test]
fn objectives_are_read_as_they_are_written() {
    for text in ["p99<5ms", "p99.9<250us", "p50<1s", "max<2s"] {
        assert_eq!(text.parse::<Objective>().unwrap().to_string(), text);
    }
    for text in ["", "p99", "99<5ms", "p0<5ms", "p101<5ms", "pNaN<5ms", "p99<5", "p99<0s", "p99>5ms"] {
        assert!(text.parse::<Objective>().is_err(), "{text}");
    }
}

#[test]
fn a_histogram_says_in_its_file_what_it_said_before() {
    let mut recorder = Recorder::new();
    for ns in [0, 1, 999, 12_345, 12_345, 1_000_000_000, u64::MAX] {
        recorder.record(ns);
    }
    let file = results::Histogram::from(&recorder);
    assert!(file.buckets.is_sorted() && file.buckets.iter().map(|(_, count)| count).sum::<u64>() == 7);
    for quantile in [0.0, 0.3, 0.5, 0.9, 1.0] {
        assert_eq!(file.quantile(quantile), Some(recorder.quantile(quantile)));
    }
}

// The program.

/// Runs a bench of no more than a moment, and returns what it has written as JSON.
fn bench(args: &[&str]) -> Results {
    bench_warmed_up("50ms", args)
}

fn bench_warmed_up(warmup: &str, args: &[&str]) -> Results {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let short = ["--duration", "200ms", "--warmup", warmup, "--rounds", "1", "--json", path];
    let output = run(multiconn(&[&["bench"], args, &short].concat()));
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    let results = Results::read(file.path()).unwrap();
    assert_eq!(told.lines().filter(|line| line.contains("; generator ")).count(), results.runs.len(), "{told}");
    let table = text(&output.stdout);
    assert!(results.subjects.iter().all(|subject| table.contains(&subject.name)), "{table}");
    results
}

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
                // It was late at least as long as nothing, and those that weren't sent were never late.
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
            // To receive and to send; what the counting's beginning and end leave open is not a tenth. With a connection
            // for each request it's made, served and closed, and so is what serves it.
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
        assert_eq!(run.errors.get(UNANSWERED), Some(&2), "{}", told(run));
        assert!(run.replies > 0 && run.doubt.as_ref().unwrap().contains("never answered"), "{}", told(run));
    }
}

#[test]
fn a_python_server_is_measured_as_well() {
    let mut command = python("echo_server.py");
    // One to make its acquaintance, and those of the load.
    command.args(["--connections", "3"]);
    let server = Server::spawn(command);
    let place = format!("python={}", server.address());
    let pid = server.pid().to_string();
    let results = bench(&["--against", &place, "--pid", &pid, "--connections", "2", "--rate", "500", "--poisson"]);
    let run = &results.runs[0];
    assert!(run.replies > 50 && run.errors.is_empty(), "{}", told(run));
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
    // Everything is in time, so only what couldn't be sent may have lowered it.
    assert!(kept.rate_per_second.is_none_or(|rate| rate > 0.0));
}

#[test]
fn a_command_is_started_and_ended() {
    let program = env!("CARGO_BIN_EXE_multiconn");
    let command = format!("ours={program} -q serve echo {{port}}");
    let results = bench(&["--command", &command, "--connections", "2", "--closed"]);
    assert!(results.runs[0].replies > 0 && results.subjects[0].how.contains("{port}"));
}

/// What it says when it can't go on.
fn complaint(args: &[&str], status: i32) -> String {
    let output = run(multiconn(&[&["bench"], args].concat()));
    assert_eq!(output.status.code(), Some(status), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "");
    text(&output.stderr)
}

#[test]
fn what_cannot_be_measured_is_told() {
    // A port that was free just now.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let said = complaint(&["--against", &format!("x={nobody}")], 1);
    assert_eq!(
        said,
        format!("multiconn: x: cannot connect to {nobody}: connection refused (is a server running there?)\n")
    );
    let (liar, _) = scripted(0, Act::Lie);
    assert!(complaint(&["--against", &format!("x={liar}")], 1).contains("is no echo server: '"));
    let (leaver, _) = scripted(0, Act::Leave);
    let said = complaint(&["--against", &format!("x={leaver}")], 1);
    assert!(said.contains("is no echo server: it has closed after 0 of 64 bytes"), "{said}");
    let said = complaint(&["app", "--against", &format!("x={liar}")], 1);
    assert!(said.contains("app server") || said.contains("answers"), "{said}");
    let said = complaint(&["--command", "x=echo this is broken >&2; exit 3 # {port}"], 1);
    assert_eq!(said, "multiconn: cannot start x: it says 'this is broken'\n");
    let said = complaint(&["--command", "x=exit 3 # {port}"], 1);
    assert!(said.contains("cannot start x: it has ended with exit status: 3"), "{said}");
    // One that ends is waited for no longer, whatever time it may take.
    let begun = Instant::now();
    let said = complaint(&["--command", "x=exit 4 # {port}", "--start-timeout", "1h"], 1);
    assert!(said.contains("it has ended with exit status: 4") && begun.elapsed() < PATIENCE, "{said}");
    let said = complaint(&["--command", "x=exec sleep 1000 # {port}", "--start-timeout", "50ms"], 1);
    assert_eq!(said, "multiconn: cannot start x: it does not listen within 50ms\n");
    let said = complaint(&["--command", "x=echo not yet >&2; sleep 1000 # {port}", "--start-timeout", "1s"], 1);
    assert_eq!(said, "multiconn: cannot start x: it does not listen within 1s; it says 'not yet'\n");
    assert!(complaint(&["--against", "x=192.0.2.1:7"], 2).contains("--allow-remote"));
    assert!(complaint(&["--pid", "1"], 2).contains("--pid 1 is not about a server of --against"));
    assert!(complaint(&["--command", "a=x {port}", "--command", "a=y {port}"], 2).contains("two servers are called a"));
    let said = complaint(&["--command", "x=python3 server.py 7000"], 2);
    assert!(said.contains("{port} is missing, which stands for the port"), "{said}");
    assert!(complaint(&["--command", "x= "], 2).contains("there is no command after '='"));
    assert!(complaint(&["--connections", "999999"], 1).contains("limit of open files"));
    let said = complaint(&["--poisson", "--closed"], 2);
    assert!(said.contains("'--poisson' cannot be used with '--closed'"), "{said}");
    for wrong in ["x", "0", "1000001", "-1", "1.5", ""] {
        let said = complaint(&[&format!("--connections=1,{wrong}")], 2);
        assert!(said.contains("it must be a whole number from 1 to 1000000"), "{said}");
    }
    if cfg!(target_os = "linux") {
        let said = complaint(&["--server-cpus", "0,1023"], 2);
        assert!(said.contains("--server-cpus 0,1023: there is no processor 1023, but 0"), "{said}");
    }
    let said = complaint(&["--size", "64,100g"], 2);
    assert!(said.contains("'100g' for '--size <SIZE>': it must be at most 1g"), "{said}");
}

#[test]
fn a_server_that_dies_leaves_a_run_in_doubt() {
    let (address, _) = scripted(50, Act::Leave);
    let results = bench(&["--against", &format!("mortal={address}"), "--connections", "2", "--closed"]);
    let run = &results.runs[0];
    assert!(run.doubt.as_ref().unwrap().contains("nothing was left to ask"), "{}", told(run));
    assert_eq!(run.errors.values().sum::<u64>(), 2);
}

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
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::INT).unwrap();
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

#[test]
fn where_nothing_is_measured_no_file_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.json");
    complaint(&["--command", "x=exit 3 # {port}", "--json", path.to_str().unwrap()], 1);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    fs::write(&path, "earlier").unwrap();
    complaint(&["--command", "x=exit 3 # {port}", "--json", path.to_str().unwrap()], 1);
    assert_eq!(fs::read_to_string(&path).unwrap(), "earlier");
    // Whether it can be written is known before anything is started.
    let nowhere = folder.path().join("none").join("new.json");
    let said = complaint(&["--command", "x=exit 3 # {port}", "--json", nowhere.to_str().unwrap()], 1);
    assert!(said.contains("new.json: no such file"), "{said}");
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
