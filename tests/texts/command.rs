//! `command`: programs that run elsewhere, their output, and what becomes of them.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::common::*;

/// Models that serve several at once.
const MODELS: [&str; 5] = ["reactor", "poll", "select", "threads", "fork"];

/// A command server with these programs, each run by a shell of its own.
fn server(args: &[&str], scripts: &[(&str, &str)]) -> Server {
    let mut command = multiconn(&["serve", "command", "0"]);
    // Nothing of this is to be seen by a program.
    command.env("SECRET", "of the server").args(args);
    for (name, script) in scripts {
        command.arg("--allow").arg(format!("{name}=/bin/sh -c '{script}'"));
    }
    Server::spawn(command)
}

fn ask(server: &Server, bytes: &[u8]) -> TcpStream {
    let mut peer = server.connect();
    peer.write_all(bytes).unwrap();
    peer
}

fn answer(server: &Server, bytes: &[u8]) -> String {
    text(&to_end(&mut ask(server, bytes)))
}

fn call(server: &Server, args: &[&str]) -> Command {
    let mut command = multiconn(&["call", "command", &server.address_text()]);
    command.args(args);
    command
}

fn python_client(server: &Server, args: &[&str]) -> Command {
    let address = server.address();
    let mut command = python("command_client.py");
    command.arg(address.ip().to_string()).arg(address.port().to_string()).args(args);
    command
}

fn python_server(connections: usize) -> Server {
    let mut command = python("command_server.py");
    command.args(["--connections", &connections.to_string()]);
    Server::spawn(command)
}

/// A place where programs wait until they are let go.
struct Gate {
    dir: TempDir,
}

impl Gate {
    fn new() -> Gate {
        let gate = Gate { dir: tempfile::tempdir().unwrap() };
        assert!(Command::new("mkfifo").arg(gate.path()).status().unwrap().success());
        gate
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("gate")
    }

    /// What a script does to wait.
    fn wait(&self) -> String {
        format!("read line < {}", self.path().display())
    }

    /// Lets one go, that waits or will.
    fn open(&self) {
        fs::write(self.path(), "go\n").unwrap();
    }
}

/// The next line, as numbers of processes.
fn pids(reader: &mut impl BufRead) -> Vec<i32> {
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    line.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

/// Whether a process has been reaped.
fn is_reaped(pid: i32) -> bool {
    !fs::exists(format!("/proc/{pid}")).unwrap()
}

/// Whether a process has ended, reaped or not.
fn has_ended(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_none_or(|rest| rest.is_empty() || rest.starts_with(" Z"))
}

fn children_of(pid: u32) -> String {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let children = |task: fs::DirEntry| fs::read_to_string(task.path().join("children")).unwrap_or_default();
    tasks.map(|task| children(task.unwrap())).collect()
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        thread::yield_now();
    }
}

#[test]
fn a_python_client_gets_its_lines_from_every_model() {
    for model in MODELS.into_iter().chain(["sequential", "pool"]) {
        let server = server(&["--model", model], &[("w", "echo one; echo two >&2; printf 🐰"), ("ps", "exec ps")]);
        for args in [&["w"][..], &["--newline", "w"], &["--half-close", "w"], &["--newline", "--bytewise", "w"]] {
            assert_eq!(text(&printed(python_client(&server, args))), "one\ntwo\n🐰", "{model}, {args:?}");
        }
        assert!(text(&printed(python_client(&server, &["ps"]))).contains("PID"), "{model}");
        let told = "Error: 'top' is not one of: w, ps\n";
        assert_eq!(text(&printed(python_client(&server, &["top"]))), told, "{model}");
        server.stop();
    }
}

#[test]
fn the_usual_programs_are_there_unless_others_are_named() {
    let server = server(&[], &[]);
    for name in ["w", "ps"] {
        let path = [format!("/usr/bin/{name}"), format!("/bin/{name}")];
        let said = answer(&server, format!("{name}\n").as_bytes());
        if path.iter().any(|path| fs::exists(path).unwrap()) {
            assert!(said.lines().count() > 1 && !said.starts_with("Error"), "{said}");
        } else {
            assert_eq!(said, format!("Error: cannot run '{name}': no such file\n"));
        }
    }
    assert_eq!(answer(&server, b"sh\n"), "Error: 'sh' is not one of: w, ps\n");
    server.wait_for_log("'sh' is not one of: w, ps");
}

#[test]
fn our_client_gets_its_lines_from_a_python_server() {
    let much = "0123456789abcde\n".repeat(65536);
    let cases = [("pieces", "one\ntwo\n🐰"), ("nothing", ""), ("much", &much), (r"say a\nError: 'b'", "a\nError: 'b'")];
    let server = python_server(cases.len() + 1);
    for (name, expected) in cases {
        assert_same(&printed(call(&server, &[name])), expected.as_bytes());
    }
    assert!(text(&printed(call(&server, &["ps"]))).contains("PID"));
    let named: String = cases.iter().map(|(name, _)| format!("{name}\n")).collect();
    assert_eq!(server.printed(), named + "ps\n");
}

#[test]
fn our_client_tells_what_is_wrong() {
    let server = python_server(5);
    let address = server.address_text();
    let failed = |args: &[&str]| {
        let output = run(call(&server, args));
        assert_eq!(output.status.code(), Some(1));
        (text(&output.stdout), text(&output.stderr))
    };
    let (out, said) = failed(&["--silence", "50ms", "silence"]);
    let why = "timed out: nothing came for 50ms";
    assert_eq!(
        (out.as_str(), said),
        ("wait for it", format!("multiconn: the conversation with {address} failed: {why}\n"))
    );
    // The line may be lost with the reset.
    let why = "connection reset by peer";
    assert_eq!(failed(&["reset"]).1, format!("multiconn: the conversation with {address} failed: {why}\n"));
    let name = r"say Error: too many programs are running\x1b[31m\n";
    let shown = r"Error: too many programs are running\u{1b}[31m";
    assert_eq!(failed(&[name]), (String::new(), format!("multiconn: {address} answers: {shown}\n")));
    // Nobody reads.
    for name in ["much", "pieces"] {
        let mut child = call(&server, &[name]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(text(&output.stderr), "multiconn: cannot write to standard output: nobody reads it\n");
    }
    drop(server);
    for name in ["", "a\nb", &"n".repeat(101)] {
        let output = run(multiconn(&["call", "command", &address, name]));
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains("a name has 1 to 100 bytes, and no line break"));
    }
}

#[test]
fn our_client_gets_its_lines_from_our_server() {
    let server = server(
        &["--output-limit", "10"],
        &[("w", "echo one"), ("bad", "echo out; exit 3"), ("long", "echo 1234567890")],
    );
    assert_eq!(text(&printed(call(&server, &["w"]))), "one\n");
    assert_eq!(text(&printed(call(&server, &["bad"]))), "out\n");
    server.wait_for_log("has ended with exit status: 3, after 4 bytes of output");
    for (name, out, words) in [
        ("top", "", "'top' is not one of: w, bad, long"),
        ("it's\u{1b}", "", r"'it\'s\x1b' is not one of: w, bad, long"),
        ("long", "1234567890\n", "'long' was ended after 10 bytes of output"),
    ] {
        let output = run(call(&server, &[name]));
        assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(1), out));
        assert_eq!(text(&output.stderr), format!("multiconn: {} answers: Error: {words}\n", server.address()));
    }
}

#[test]
fn output_comes_as_it_is_put_out_and_others_are_served_meanwhile() {
    for model in MODELS {
        let gate = Gate::new();
        let script = format!("echo one; {}; echo two", gate.wait());
        let server = server(&["--model", model], &[("slow", &script), ("quick", "echo quick")]);
        let mut slow = ask(&server, b"slow\n");
        expect(&mut slow, b"one\n");
        assert_eq!(answer(&server, b"quick\n"), "quick\n", "{model}");
        gate.open();
        expect_last(&mut slow, b"two\n");
        // And our own client's lines come as they come.
        let mut client = call(&server, &["slow"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(client.stdout.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        gate.open();
        lines.read_line(&mut line).unwrap();
        assert_eq!((line.as_str(), client.wait().unwrap().success()), ("one\ntwo\n", true), "{model}");
    }
}

#[test]
fn a_program_finds_itself_in_clean_surroundings() {
    let descriptors = "ls /proc/self/fd";
    let script = format!("env | sort | grep -v ^PWD=; pwd; cat; ps -o pgid= -p $$; echo $$; {descriptors}");
    // A program that is started here has the three, those that this process was started with, and the open directory.
    let mut listing = Command::new("/bin/sh");
    listing.args(["-c", descriptors]).stdin(Stdio::null()).stderr(Stdio::null());
    let listed = text(&listing.output().unwrap().stdout);
    for model in MODELS {
        let server = server(&["--model", model], &[("look", &script)]);
        // Others are connected too.
        let _other = server.connect();
        let seen = answer(&server, b"look");
        let mut seen = seen.lines();
        assert!(seen.by_ref().take(3).eq(["LANG=C.UTF-8", "PATH=/usr/bin:/bin", "/"]), "{model}");
        let (group, pid) = (seen.next().unwrap().trim(), seen.next().unwrap());
        assert_eq!(group, pid, "{model}: it leads a group of its own");
        assert!(seen.eq(listed.lines()), "{model}: it has other descriptors than {listed}");
    }
}

#[test]
fn nothing_is_ever_expanded() {
    let mut command = multiconn(&["serve", "command", "0", "--allow"]);
    command.arg(r#"say=/bin/echo "$HOME" * ~ 'a  b' ; ls | x > /dev/null `id`"#);
    let server = Server::spawn(command);
    assert_eq!(answer(&server, b"say\n"), "$HOME * ~ a  b ; ls | x > /dev/null `id`\n");
    // What comes from a client is a name on the list, or nothing.
    for name in ["say; id", "say x", "/bin/sh", "$(id)", "../bin/say", "say\0"] {
        let said = answer(&server, format!("{name}\n").as_bytes());
        assert_eq!(
            said,
            format!("Error: '{}' is not one of: say\n", name.escape_default().to_string().replace("\\u{0}", "\\x00"))
        );
    }
}

#[test]
fn a_program_that_has_ended_is_reaped_before_its_client_is_told() {
    for model in MODELS {
        let server = server(&["--model", model], &[("w", "echo $$; exit 1")]);
        for _ in 0..20 {
            let pid = answer(&server, b"w\n").trim().parse().unwrap();
            assert!(is_reaped(pid), "{model}: {pid}");
        }
        wait_until("children are left", || children_of(server.pid()).is_empty());
    }
}

#[test]
fn who_goes_takes_the_whole_group_along() {
    // It begins to write when an end of the client's side no longer belongs to the name.
    let script = "sleep 0.2; sleep 1000 & echo $$ $!; wait";
    for model in MODELS {
        let server = server(&["--model", model], &[("long", script)]);
        for resets in [false, true] {
            let mut peer = BufReader::new(ask(&server, b"long\n"));
            let [leader, member] = pids(&mut peer)[..] else { panic!("two numbers") };
            if resets {
                socket2::SockRef::from(peer.get_ref()).set_linger(Some(Duration::ZERO)).unwrap();
            }
            drop(peer);
            wait_until("the program is left", || is_reaped(leader) && has_ended(member));
        }
        // One that has ended its side with the name, and waits for the answer. select(2) doesn't report its reset.
        if model != "select" {
            let mut peer = BufReader::new(ask(&server, b"long\n"));
            peer.get_ref().shutdown(Shutdown::Write).unwrap();
            let [leader, member] = pids(&mut peer)[..] else { panic!("two numbers") };
            socket2::SockRef::from(peer.get_ref()).set_linger(Some(Duration::ZERO)).unwrap();
            drop(peer);
            wait_until("the program is left", || is_reaped(leader) && has_ended(member));
        }
        // And one that only ends its side.
        let mut peer = BufReader::new(ask(&server, b"long\n"));
        let [leader, member] = pids(&mut peer)[..] else { panic!("two numbers") };
        peer.get_ref().shutdown(Shutdown::Write).unwrap();
        assert_eq!(peer.read_to_end(&mut Vec::new()).unwrap(), 0);
        wait_until("the program is left", || is_reaped(leader) && has_ended(member));
        wait_until("children are left", || children_of(server.pid()).is_empty());
        server.wait_for_log("peer closed while 'long' was running");
    }
}

#[test]
fn a_python_client_that_has_read_enough_goes() {
    let server = server(&[], &[("long", "sleep 0.2; echo $$; exec sleep 1000")]);
    let line = text(&printed(python_client(&server, &["--lines", "1", "long"])));
    let pid = line.trim().parse().unwrap();
    wait_until("the program is left", || is_reaped(pid));
}

#[test]
fn who_waits_with_its_side_ended_is_waited_for() {
    for model in MODELS {
        let gate = Gate::new();
        let script = format!("echo one; {}; echo two", gate.wait());
        let server = server(&["--model", model], &[("slow", &script)]);
        let mut peer = ask(&server, b"slow");
        peer.shutdown(Shutdown::Write).unwrap();
        expect(&mut peer, b"one\n");
        gate.open();
        expect_last(&mut peer, b"two\n");
    }
}

#[test]
fn work_that_is_simulated_holds_up_output_and_loses_none() {
    let script = "for n in 1 2 3 4 5; do echo $n; sleep 0.02; done";
    for work in [&["--blocking-work", "70ms"][..], &["--cpu-work", "30ms"], &["--cpu-work", "30ms", "--offload"]] {
        let server = server(&[work, &["--time-limit", "20s"]].concat(), &[("count", script)]);
        for ends in [false, true] {
            let mut peer = ask(&server, b"count\n");
            if ends {
                peer.shutdown(Shutdown::Write).unwrap();
            }
            expect_last(&mut peer, b"1\n2\n3\n4\n5\n");
        }
    }
}

#[test]
fn a_program_is_ended_at_its_limits_with_all_it_has_started() {
    let scripts =
        [("long", "sleep 1000 & echo $$ $!; printf begun; wait"), ("much", "yes $$ & yes $$"), ("quick", "echo ok")];
    for model in MODELS {
        let server = server(&["--model", model, "--time-limit", "300ms", "--output-limit", "1000"], &scripts);
        let mut peer = BufReader::new(ask(&server, b"long\n"));
        let [leader, member] = pids(&mut peer)[..] else { panic!("two numbers") };
        let mut rest = String::new();
        peer.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "begun\nError: 'long' was ended after 300ms\n", "{model}");
        wait_until("the program is left", || is_reaped(leader) && has_ended(member));

        let much = answer(&server, b"much\n");
        let (output, told) = much.trim_end().rsplit_once('\n').unwrap();
        assert_eq!(told, "Error: 'much' was ended after 1000 bytes of output", "{model}");
        // Where it was cut in mid-line, the last line is one of its own.
        assert!(matches!(output.len(), 999 | 1000), "{model}: {}", output.len());
        let pid = output.lines().next().unwrap().parse().unwrap();
        wait_until("the program is left", || is_reaped(pid));
        assert_eq!(answer(&server, b"quick\n"), "ok\n", "{model}");
        wait_until("children are left", || children_of(server.pid()).is_empty());
    }
}

#[test]
fn what_has_left_the_group_holds_nobody() {
    for model in MODELS {
        // It holds the pipe open, and puts out more and more.
        let flood = "setsid sh -c \"echo \\$\\$; exec yes\" &";
        let scripts = [("left", "setsid sleep 1000 & echo $!"), ("flood", flood)];
        let server = server(&["--model", model], &scripts);
        for name in ["left\n", "flood\n"] {
            let said = answer(&server, name.as_bytes());
            let Some(pid) = said.lines().next().and_then(|line| line.parse().ok()) else {
                // It was ended before it could leave.
                assert_eq!((said.as_str(), name), ("", "flood\n"), "{model}");
                continue;
            };
            // The pipe of the other is closed, at which it ends by itself.
            if name == "left\n" && !has_ended(pid) {
                kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
            }
            wait_until("it is left", || has_ended(pid));
        }
    }
}

#[test]
fn a_program_that_leaves_its_group_is_ended_as_any() {
    let leave =
        "import os, time; os.setpgid(0, os.getpgid(os.getppid())); print(os.getpid(), flush=True); time.sleep(1000)";
    let path = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().unwrap().stdout;
    for model in MODELS {
        let mut command = multiconn(&["serve", "command", "0", "--model", model, "--time-limit", "2s"]);
        command.args(["--max-children", "2", "--drain-timeout", "100ms", "--allow", "w=/bin/echo ok"]);
        command.arg("--allow").arg(format!("leaves={} -c '{leave}'", text(&path).trim()));
        let server = Server::spawn(command);
        // More than there are places, one after the other.
        for reset in [false, true, true] {
            let mut peer = BufReader::new(ask(&server, b"leaves\n"));
            let pid = pids(&mut peer)[0];
            if reset {
                socket2::SockRef::from(peer.get_ref()).set_linger(Some(Duration::ZERO)).unwrap();
            } else {
                let mut told = String::new();
                peer.read_to_string(&mut told).unwrap();
                assert_eq!(told, "Error: 'leaves' was ended after 2s\n", "{model}");
            }
            drop(peer);
            wait_until("the program is left", || is_reaped(pid));
        }
        assert_eq!(answer(&server, b"w\n"), "ok\n", "{model}");
        let mut peer = BufReader::new(ask(&server, b"leaves\n"));
        let pid = pids(&mut peer)[0];
        server.stop();
        assert!(is_reaped(pid), "{model}: it has outlived the server");
    }
}

#[test]
fn a_program_starts_as_it_would_without_us() {
    let dir = tempfile::tempdir().unwrap();
    // A shell would run it, though its first line doesn't say so.
    let script = dir.path().join("script");
    fs::write(&script, "echo \"$# $1\"; ulimit -Sn; exit 1\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    for model in MODELS {
        let mut server = Command::new("sh");
        server.args([
            "-c",
            "ulimit -Sn 256; exec \"$0\" \"$@\"",
            env!("CARGO_BIN_EXE_multiconn"),
            "serve",
            "command",
            "0",
        ]);
        server.args(["--model", model, "--allow"]).arg(format!("script={} argument", script.display()));
        // Without SIGCHLD, nothing tells how a program has ended.
        let server = Server::spawn(started_with("ignore", "CHLD", &server));
        assert_eq!(answer(&server, b"script\n"), "1 argument\n256\n", "{model}");
        server.wait_for_log("has ended with exit status: 1");
        server.stop();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn programs_end_with_a_server_that_is_killed() {
    for model in MODELS {
        let server = server(&["--model", model], &[("long", "echo $$; exec sleep 1000")]);
        let mut peer = BufReader::new(ask(&server, b"long\n"));
        let pid = pids(&mut peer)[0];
        server.signal(Signal::KILL);
        wait_until("the program is left", || has_ended(pid));
    }
}

#[test]
fn a_program_that_closes_its_output_is_waited_for() {
    let gate = Gate::new();
    let script = format!("echo $$; exec >/dev/null 2>&1; {}", gate.wait());
    let server = server(&[], &[("w", &script)]);
    let mut peer = BufReader::new(ask(&server, b"w\n"));
    let pid = pids(&mut peer)[0];
    gate.open();
    assert_eq!(peer.read_to_end(&mut Vec::new()).unwrap(), 0);
    assert!(is_reaped(pid));
}

#[test]
fn only_so_many_run_at_once() {
    let gate = Gate::new();
    let script = format!("echo begun; {}", gate.wait());
    for model in ["reactor", "threads", "pool"] {
        let server = server(&["--model", model, "--max-children", "1"], &[("slow", &script), ("quick", "echo ok")]);
        let mut first = ask(&server, b"slow\n");
        expect(&mut first, b"begun\n");
        if model != "pool" {
            assert_eq!(answer(&server, b"quick\n"), "Error: too many programs are running, try again later\n");
            let output = run(call(&server, &["quick"]));
            assert_eq!(output.status.code(), Some(1));
            assert!(text(&output.stderr).ends_with("Error: too many programs are running, try again later\n"));
        }
        gate.open();
        expect_last(&mut first, b"");
        assert_eq!(answer(&server, b"quick\n"), "ok\n", "{model}");
    }
    // A process for each: others wait until there is one.
    let server = server(&["--model", "fork", "--max-children", "1"], &[("slow", &script), ("quick", "echo ok")]);
    let mut first = ask(&server, b"slow\n");
    expect(&mut first, b"begun\n");
    let mut second = ask(&server, b"quick\n");
    gate.open();
    expect_last(&mut first, b"");
    expect_last(&mut second, b"ok\n");
}

#[test]
fn garbage_is_answered_and_costs_nothing() {
    for model in ["reactor", "threads", "fork"] {
        let server = server(&["--model", model, "--idle-timeout", "300ms"], &[("w", "echo ok")]);
        let long = "n".repeat(1 << 20);
        let cut = format!("'{}' and more", &long[..100]);
        let cases: [(&[u8], &str); 6] = [
            (b"\0\n", r"'\x00'"),
            (b"\n", "''"),
            (b"\xff\xfe\n", r"'\xff\xfe'"),
            (b"\x1b]0;owned\x07\n", r"'\x1b]0;owned\x07'"),
            (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "'GET / HTTP/1.1'"),
            (long.as_bytes(), &cut),
        ];
        for (sent, name) in cases {
            assert_eq!(answer(&server, sent), format!("Error: {name} is not one of: w\n"), "{model}");
        }
        // Silence, and a close without a word.
        assert_eq!(text(&to_end(&mut server.connect())), "", "{model}");
        let mut peer = server.connect();
        peer.shutdown(Shutdown::Write).unwrap();
        assert_eq!(text(&to_end(&mut peer)), "", "{model}");
        assert_eq!(answer(&server, b"w\n"), "ok\n", "{model}");
    }
}

#[test]
fn a_slow_reader_makes_the_program_wait() {
    const LEN: usize = 30_000_000;
    let script = format!("head -c {LEN} /dev/zero");
    let server = server(&["--output-limit", "1g"], &[("zeros", &script), ("w", "echo ok")]);
    let peak = || {
        let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse::<usize>().unwrap()
    };
    assert_eq!(answer(&server, b"w\n"), "ok\n");
    let before = peak();
    let mut peer = ask(&server, b"zeros\n");
    let mut buffer = vec![0; 1 << 16];
    let mut len = 0;
    while let Ok(more @ 1..) = read_some(&mut peer, &mut buffer) {
        len += more;
        if len < 10_000_000 {
            thread::yield_now();
        } else if len < 10_000_000 + (1 << 16) {
            // Others are served while this one reads nothing.
            assert_eq!(answer(&server, b"w\n"), "ok\n");
        }
    }
    assert_eq!(len, LEN);
    let needed = peak() - before;
    assert!(needed < 10_000, "{needed} KiB were needed for {LEN} bytes");
}

#[test]
fn a_stop_lets_programs_finish_and_ends_those_that_do_not() {
    for model in MODELS {
        let gate = Gate::new();
        let script = format!("echo $$; {}; echo done", gate.wait());
        let polite = server(&["--model", model], &[("slow", &script)]);
        let mut peer = BufReader::new(ask(&polite, b"slow\n"));
        pids(&mut peer);
        polite.signal(Signal::TERM);
        polite.wait_for_log("Stopping");
        gate.open();
        let mut rest = String::new();
        peer.read_to_string(&mut rest).unwrap();
        assert_eq!((rest.as_str(), polite.ended().0.code()), ("done\n", Some(0)), "{model}");

        let args = ["--model", model, "--drain-timeout", "100ms"];
        let short = server(&args, &[("long", "sleep 1000 & echo $$ $!; wait")]);
        let mut peer = BufReader::new(ask(&short, b"long\n"));
        let [leader, member] = pids(&mut peer)[..] else { panic!("two numbers") };
        short.stop();
        assert!(is_reaped(leader), "{model}: the server has seen to it");
        wait_until("a member of the group is left", || has_ended(member));
        match peer.read(&mut [0]) {
            Ok(len) => assert_eq!(len, 0),
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
    }
}

#[test]
fn a_program_that_cannot_be_run_is_told_of() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    for (name, content) in [("gone", "#!/bin/sh\n"), ("locked", "#!/bin/sh\n"), ("orphan", "#!/nowhere/sh\n")] {
        fs::write(path(name), content).unwrap();
        fs::set_permissions(path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    for model in ["reactor", "fork"] {
        fs::write(path("gone"), "#!/bin/sh\n").unwrap();
        for name in ["gone", "locked"] {
            fs::set_permissions(path(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let mut command = multiconn(&["serve", "command", "0", "--model", model]);
        for name in ["gone", "locked", "orphan"] {
            command.arg("--allow").arg(format!("{name}={}", path(name).display()));
        }
        let server = Server::spawn(command);
        fs::remove_file(path("gone")).unwrap();
        fs::set_permissions(path("locked"), fs::Permissions::from_mode(0o644)).unwrap();
        for (name, why) in [("gone", "no such file"), ("locked", "permission denied"), ("orphan", "no such file")] {
            assert_eq!(answer(&server, name.as_bytes()), format!("Error: cannot run '{name}': {why}\n"), "{model}");
            assert_eq!(run(call(&server, &[name])).status.code(), Some(1));
        }
        server.wait_for_log("cannot run 'gone': no such file");
    }
}

#[test]
fn what_makes_no_sense_is_refused_at_the_start() {
    for (args, why) in [
        (&["--allow", "w"][..], "it must be NAME=PATH"),
        (&["--allow", "w=sh -c x"], "'sh' is not a full path"),
        (&["--allow", "w=/nowhere/w"], "cannot run '/nowhere/w': no such file"),
        (&["--allow", "w=/etc/passwd"], "cannot run '/etc/passwd': it is not executable"),
        (&["--allow", "a b=/bin/sh"], "a name has 1 to 100 printable ASCII characters"),
        (&["--allow", "w=/bin/sh", "--allow", "w=/bin/ls"], "--allow has 'w' more than once"),
        (&["--max-children", "0"], "invalid value '0' for '--max-children <N>'"),
        (&["--time-limit", "0s"], "it must be more than zero"),
        (&["--output-limit", "0"], "it must be more than zero"),
        (&["--max-threads", "3"], "--max-threads cannot be used with --model reactor"),
    ] {
        let output = run(multiconn(&[&["serve", "command", "0"], args].concat()));
        let said = text(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(why), "{args:?}: {said}");
    }
}
