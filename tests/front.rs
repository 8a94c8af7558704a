//! A server program of one's own: what its users type, and what they see.
//!
//! This file is such a program itself, and so has a `main` of its own in place of the usual one for tests.

use std::convert::Infallible;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use std::{env, thread};

use multiconn::front::Front;
use multiconn::session::Peer;
use rustix::process::{Pid, Signal, kill_process};

#[allow(dead_code)]
#[path = "../docs/examples/shout.rs"]
mod shout;

/// Set in the environment of the program under test.
const AS_PROGRAM: &str = "MULTICONN_TEST_FRONT";
/// Its value for the program that panics.
const PANICS: &str = "panics";

fn main() -> ExitCode {
    if let Some(part) = env::var_os(AS_PROGRAM) {
        let front = Front::new("shout", 7000).about("Sends each line back in capitals");
        return match part == PANICS {
            true => front.serve_or_fail(|| panics().map(|_: Infallible| |_: &Peer| shout::Shout::default())),
            false => front.serve(|_: &Peer| shout::Shout::default()),
        };
    }
    let tests = [
        it_serves_under_any_model_until_it_is_stopped,
        it_reports_errors_as_itself,
        panics_are_reported_after_what_was_logged,
        panics_that_nobody_reads_end_it,
    ];
    let running = tests.map(thread::spawn);
    let failed = running.into_iter().filter_map(|test| test.join().err()).count();
    let result = if failed == 0 { "ok" } else { "FAILED" };
    println!("test result: {result}. {} passed; {failed} failed", tests.len() - failed);
    ExitCode::from(u8::from(failed > 0))
}

fn program() -> Command {
    let mut command = Command::new(env::current_exe().expect("a path"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env_remove("RUST_LOG").env(AS_PROGRAM, "1");
    command
}

/// Logs more than a pipe holds, and panics, first in another thread.
fn panics() -> Result<Infallible, String> {
    (0..10_000).for_each(|number| log::info!("number {number}"));
    thread::spawn(|| panic!("the thread")).join().expect_err("it panics");
    log::info!("number 10000");
    panic!("the program");
}

fn output(args: &[&str]) -> Output {
    program().args(args).output().expect("the program runs")
}

/// A server, and where it listens.
fn server(args: &[&str]) -> (Child, String) {
    let mut child = program().args(args).spawn().expect("the program runs");
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let addr = line.strip_prefix("Listening on ").unwrap_or_else(|| panic!("{line:?}")).trim().to_owned();
    (child, addr)
}

fn say(addr: &str, words: &str) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.write_all(words.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).unwrap();
    heard
}

fn it_serves_under_any_model_until_it_is_stopped() {
    for model in ["reactor", "poll", "select", "sequential", "threads", "pool", "fork"] {
        let (child, addr) = server(&["127.0.0.1:0", "--model", model, "-v"]);
        assert_eq!(say(&addr, "hello\nworld\n"), "HELLO\nWORLD\n", "{model}");
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        let ended = child.wait_with_output().unwrap();
        let log = String::from_utf8(ended.stderr).unwrap();
        assert!(ended.status.success() && log.contains("Accepted connection from"), "{model}: {log}");
    }
}

fn it_reports_errors_as_itself() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let ended = output(&[&addr]);
    let expected = format!(
        "shout: cannot listen on {addr}: address already in use (is a server running there already? port 0 picks a free one)\n"
    );
    assert_eq!((ended.status.code(), String::from_utf8(ended.stderr).unwrap()), (Some(1), expected));
    assert_eq!(output(&["--no-such-option"]).status.code(), Some(2));
    let help = String::from_utf8(output(&["--help"]).stdout).unwrap();
    for part in ["Sends each line back in capitals", "Usage: shout", "--model", "--idle-timeout", "--verbose"] {
        assert!(help.contains(part), "{part} is missing in:\n{help}");
    }
}

fn panics_are_reported_after_what_was_logged() {
    let ended = program().env(AS_PROGRAM, PANICS).env("RUST_BACKTRACE", "0").output().expect("the program runs");
    let said = String::from_utf8(ended.stderr).unwrap();
    let lines = said.lines().filter(|line| !line.starts_with("note: "));
    let lines: Vec<&str> = lines.map(|line| line.rsplit_once(" front] ").map_or(line, |(_, words)| words)).collect();
    let mut expected: Vec<String> = (0..10_000).map(|number| format!("number {number}")).collect();
    let place = "panicked at tests/front.rs:";
    for (thread, words, after) in [("<unnamed>", "the thread", Some("number 10000")), ("main", "the program", None)] {
        let at = expected.len();
        let report = lines.get(at).unwrap_or_else(|| panic!("{said}"));
        assert!(report.starts_with(&format!("thread '{thread}' {place}")), "{report}");
        expected.extend([report.to_string(), words.into()]);
        expected.extend(after.map(String::from));
    }
    assert_eq!((ended.status.code(), lines), (Some(101), expected.iter().map(String::as_str).collect()));
}

fn panics_that_nobody_reads_end_it() {
    let (unread, stderr) = io::pipe().expect("there is a descriptor left");
    let mut child = program().env(AS_PROGRAM, PANICS).stderr(stderr).spawn().expect("the program runs");
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait().expect("it is our child").code()));
    assert_eq!(ended.recv_timeout(Duration::from_secs(20)), Ok(Some(101)));
    drop(unread);
}
