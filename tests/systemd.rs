//! A server under systemd: the sockets that it gets, and what it tells. No systemd is needed but for its tools, which judge
//! the units; where they are missing, that is said and left out.

mod common;

use std::fs;
use std::io::{self, PipeReader, Read, Write};
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::*;
use rustix::fs::fstat;
use rustix::process::Signal;
use tempfile::TempDir;

/// The program with these sockets and their names, as systemd passes them.
fn with_sockets(args: &[&str], sockets: &[(&str, OwnedFd)]) -> Command {
    let plain = multiconn(args);
    let mut command = python("started_with.py");
    let numbers: Vec<String> = sockets.iter().map(|(_, fd)| fd.as_raw_fd().to_string()).collect();
    let names: Vec<&str> = sockets.iter().map(|&(name, _)| name).collect();
    command.arg("sockets").arg(numbers.join(",")).arg(plain.get_program()).args(plain.get_args());
    command.env("LISTEN_FDNAMES", names.join(":"));
    for name in ["RUST_LOG", "RUST_LOG_STYLE", "JOURNAL_STREAM", "NOTIFY_SOCKET"] {
        command.env_remove(name);
    }
    for (_, fd) in sockets {
        rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::empty()).unwrap();
    }
    command
}

fn tcp() -> OwnedFd {
    TcpListener::bind("127.0.0.1:0").unwrap().into()
}

fn port_of(socket: &OwnedFd) -> u16 {
    TcpListener::from(socket.as_fd().try_clone_to_owned().unwrap()).local_addr().unwrap().port()
}

fn echoes(server: &Server, words: &str) {
    for &address in &server.addresses {
        let mut stream = connect(address);
        stream.write_all(words.as_bytes()).unwrap();
        expect(&mut stream, words.as_bytes());
    }
}

#[test]
fn sockets_that_were_passed_are_served_under_every_model() {
    for model in MODELS {
        let sockets = [("web", tcp()), ("web", tcp())];
        let ports: Vec<u16> = sockets.iter().map(|(_, fd)| port_of(fd)).collect();
        let server = Server::spawn(with_sockets(&[&["serve", "echo"], model].concat(), &sockets));
        assert_eq!(server.addresses.iter().map(|address| address.port()).collect::<Vec<_>>(), ports, "{model:?}");
        echoes(&server, "hello");
        server.stop();
    }
}

#[test]
fn an_address_names_a_socket_and_another_takes_the_rest() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.sock");
    let sockets = [("admin", tcp()), ("a", tcp()), ("b", UnixListener::bind(&path).unwrap().into())];
    let admin = port_of(&sockets[0].1);
    let args = ["serve", "echo", "0", "systemd", "systemd:a", "--admin", "systemd:admin"];
    let server = Server::spawn(with_sockets(&args, &sockets));
    assert_eq!(server.admin.unwrap().port(), admin);
    assert_eq!(server.addresses.len(), 2);
    assert_eq!(server.unix, [path.to_str().unwrap()]);
    UnixStream::connect(&path).unwrap();
    server.stop();
    assert!(path.exists(), "the file is systemd's");
}

#[test]
fn a_client_of_a_socket_for_both_ip_versions_has_the_address_of_its_own() {
    let socket = TcpListener::bind("[::ffff:127.0.0.1]:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let server = Server::spawn(with_sockets(&["serve", "echo"], &[("web", socket.into())]));
    let client = connect(([127, 0, 0, 1], port).into());
    server.wait_for_log(&format!("Accepted connection from {}", client.local_addr().unwrap()));
    drop(client);
    server.stop();
}

#[test]
fn a_socket_that_no_address_takes_is_told() {
    let server = Server::spawn(with_sockets(&["serve", "echo", "0"], &[("web", tcp())]));
    server.wait_for_log("systemd has passed a socket 'web' that no address takes");
    server.stop();
}

#[test]
fn what_was_not_passed_is_told() {
    let stderr = |args: &[&str]| text(&run(multiconn(args)).stderr);
    assert_eq!(stderr(&["serve", "echo", "systemd"]), "multiconn: cannot listen: systemd has passed no socket\n");
    assert_eq!(
        stderr(&["serve", "echo", "systemd:web"]),
        "multiconn: cannot listen: systemd has passed no socket of the name 'web'\n"
    );
    assert_eq!(
        stderr(&["call", "echo", "systemd"]),
        "multiconn: systemd is only for what `serve` listens on, and for --admin\n"
    );
    let (one, _other) = UnixStream::pair().unwrap();
    let output = run(with_sockets(&["serve", "echo"], &[("web", one.into())]));
    assert_eq!(
        text(&output.stderr),
        "multiconn: cannot listen on the socket 'web' of systemd: a socket that does not listen\n"
    );
}

#[test]
fn sockets_for_another_process_are_left_alone() {
    let mut command = multiconn(&["serve", "echo", "0"]);
    command.env("LISTEN_PID", "1").env("LISTEN_FDS", "3");
    let server = Server::spawn(command);
    echoes(&server, "hello");
    server.stop();
}

#[test]
fn systemd_socket_activate_starts_a_server_at_the_first_connection() {
    if !is_there("systemd-socket-activate") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.sock");
    let mut command = Command::new("systemd-socket-activate");
    command.arg("-l").arg(&path).arg("--fdname=web").arg(env!("CARGO_BIN_EXE_multiconn"));
    command.args(["serve", "echo", "systemd:web"]);
    let mut child = Ended(command.stdin(Stdio::null()).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap());
    // It says that it listens.
    let mut stderr = child.0.stderr.take().unwrap();
    let mut said = String::new();
    while !said.contains("Listening on") {
        let mut piece = [0; 200];
        let len = stderr.read(&mut piece).unwrap();
        assert_ne!(len, 0, "{said}");
        said += &String::from_utf8_lossy(&piece[..len]);
    }
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"hello").unwrap();
    let mut reply = [0; 5];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"hello");
}

/// A process that is ended when dropped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn is_there(tool: &str) -> bool {
    let is_there = Command::new(tool).arg("--version").stdout(Stdio::null()).status().is_ok();
    if !is_there {
        println!("there is no {tool} here");
    }
    is_there
}

/// What systemd would hear.
struct Ear {
    _directory: TempDir,
    path: PathBuf,
    socket: UnixDatagram,
}

impl Ear {
    fn new() -> Ear {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Ear { _directory: directory, path, socket }
    }

    fn told_by(&self, args: &[&str]) -> Command {
        let mut command = multiconn(args);
        command.env("NOTIFY_SOCKET", &self.path).env_remove("WATCHDOG_USEC").env_remove("WATCHDOG_PID");
        command
    }

    /// The same with a watchdog, which must be fed twice in 200 ms.
    fn watched(&self, args: &[&str]) -> Command {
        let mut command = self.told_by(args);
        command.env("WATCHDOG_USEC", "200000");
        command
    }

    fn hear(&self) -> String {
        let mut message = [0; 4096];
        let len = self.socket.recv(&mut message).expect("it tells something");
        text(&message[..len])
    }

    /// Hears until a message has this line, and returns the message.
    fn hear_of(&self, line: &str) -> String {
        loop {
            let message = self.hear();
            if message.lines().any(|own| own == line) {
                return message;
            }
        }
    }
}

#[test]
fn a_server_tells_that_it_is_ready_reloads_and_stops() {
    for model in MODELS {
        let directory = tempfile::tempdir().unwrap();
        let dictionary = directory.path().join("dictionary");
        fs::write(&dictionary, r#"{"one": "1"}"#).unwrap();
        let ear = Ear::new();
        let args = ["serve", "app", "0", "--dictionary", dictionary.to_str().unwrap()];
        let server = Server::spawn(ear.told_by(&[&args[..], model].concat()));
        assert_eq!(ear.hear(), format!("READY=1\nSTATUS=Listening on {}\n", server.address()), "{model:?}");
        server.signal(Signal::HUP);
        let message = ear.hear();
        assert!(message.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{model:?}: {message}");
        assert_eq!(ear.hear(), "READY=1\n", "{model:?}");
        server.signal(Signal::TERM);
        assert!(ear.hear().starts_with("STOPPING=1\n"), "{model:?}");
        assert_eq!(server.ended().0.code(), Some(0));
    }
}

#[test]
fn a_delayed_stop_is_told_when_it_is_ordered() {
    let ear = Ear::new();
    let server = Server::spawn(ear.told_by(&["serve", "echo", "0", "--stop-delay", "1ms"]));
    ear.hear_of("READY=1");
    server.signal(Signal::TERM);
    assert_eq!(ear.hear(), "STOPPING=1\nSTATUS=Stopping in 1ms\n");
    assert_eq!(ear.hear(), "STOPPING=1\nSTATUS=Stopping; 0 connections open\n");
    assert_eq!(server.ended().0.code(), Some(0));
}

#[test]
fn a_reload_of_nothing_is_told_too() {
    let ear = Ear::new();
    let server = Server::spawn(ear.told_by(&["serve", "echo", "0"]));
    ear.hear_of("READY=1");
    server.signal(Signal::HUP);
    ear.hear_of("RELOADING=1");
    ear.hear_of("READY=1");
    server.stop();
}

#[test]
fn a_server_that_turns_feeds_the_watchdog() {
    for model in MODELS {
        let ear = Ear::new();
        let server = Server::spawn(ear.watched(&[&["serve", "echo", "0"], model].concat()));
        // A client that sends nothing: under `sequential`, it has the only thread.
        let mut idle = server.connect();
        idle.write_all(b"hello").unwrap();
        expect(&mut idle, b"hello");
        for _ in 0..5 {
            ear.hear_of("WATCHDOG=1");
        }
        server.signal(Signal::TERM);
        drop(idle);
        assert_eq!(server.ended().0.code(), Some(0), "{model:?}");
    }
}

#[test]
fn a_loop_that_is_stalled_does_not() {
    for model in [&["--model", "reactor"][..], &["--model", "reactor", "--workers", "2"]] {
        let ear = Ear::new();
        let args = ["serve", "echo", "0", "--cpu-work", "1h"];
        let server = Server::spawn(ear.watched(&[&args[..], model].concat()));
        ear.hear_of("WATCHDOG=1");
        server.connect().write_all(b"hello").unwrap();
        // What was told before the stall is heard, and then nothing, for many times the timeout.
        ear.socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        let mut heard = 0;
        let error = loop {
            match ear.socket.recv(&mut [0; 100]) {
                Ok(_) => heard += 1,
                Err(error) => break error,
            }
            assert!(heard < 1000, "it goes on telling: {model:?}");
        };
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }
}

#[test]
fn a_server_that_takes_over_gets_the_sockets_by_their_names_and_is_told_to_be_the_service() {
    for addresses in [&[][..], &["systemd"], &["systemd:web", "systemd:b"]] {
        let directory = tempfile::tempdir().unwrap();
        let control = directory.path().join("control").display().to_string();
        let path = directory.path().join("b.sock");
        let takeover = ["--admin", "systemd:admin", "--takeover", &control];
        let args = [&["serve", "echo"], addresses, &takeover].concat();
        let ear = Ear::new();
        let sockets = [("admin", tcp()), ("web", tcp()), ("b", UnixListener::bind(&path).unwrap().into())];
        let mut command = with_sockets(&args, &sockets);
        command.env("NOTIFY_SOCKET", &ear.path).env_remove("WATCHDOG_USEC").env_remove("WATCHDOG_PID");
        let first = Server::spawn(command);
        drop(sockets);
        assert!(ear.hear().starts_with("READY=1\n"));
        let second = Server::spawn(multiconn(&args));
        assert_eq!((second.admin, &second.addresses, &second.unix), (first.admin, &first.addresses, &first.unix));
        assert_eq!(ear.hear(), format!("MAINPID={}\n", second.pid()));
        assert_eq!(first.ended().0.code(), Some(0));
        ear.socket.set_nonblocking(true).unwrap();
        assert!(ear.socket.recv(&mut [0; 100]).is_err(), "the service does not stop");
        echoes(&second, "hello");
        second.stop();
        assert!(path.exists(), "the file is systemd's");
    }
}

#[test]
fn programs_of_a_server_speak_for_themselves_alone() {
    let ear = Ear::new();
    let server = Server::spawn(ear.watched(&["serve", "command", "0", "--allow", "env=/usr/bin/env"]));
    let output = text(&printed(multiconn(&["call", "command", &server.address_text(), "env"])));
    assert!(output.contains("PATH="), "{output}");
    assert!(!output.contains("NOTIFY_SOCKET") && !output.contains("WATCHDOG_USEC"), "{output}");
    server.stop();
}

/// A server whose standard error is the journal, as far as it can tell.
fn logged(args: &[&str]) -> (Command, PipeReader, Stdio) {
    let (reader, writer) = io::pipe().unwrap();
    let stat = fstat(&writer).unwrap();
    let mut command = multiconn(args);
    command.env("JOURNAL_STREAM", format!("{}:{}", stat.st_dev, stat.st_ino));
    (command, reader, writer.into())
}

#[test]
fn lines_for_the_journal_have_their_priority() {
    let (command, mut journal, stderr) = logged(&["serve", "echo", "0", "-v"]);
    let server = Server::spawn_with(command, stderr);
    let mut stream = server.connect();
    stream.write_all(b"hello").unwrap();
    expect(&mut stream, b"hello");
    let peer = stream.local_addr().unwrap();
    drop(stream);
    server.signal(Signal::HUP);
    let mut log = String::new();
    let mut piece = [0; 1000];
    while !log.contains("nothing to reload") {
        let len = journal.read(&mut piece).unwrap();
        assert_ne!(len, 0, "{log}");
        log += &String::from_utf8_lossy(&piece[..len]);
    }
    server.stop();
    assert!(log.contains(&format!("\n<6>Accepted connection from {peer}\n")), "{log}");
    assert!(log.contains("\n<7>Echoing 'hello'"), "{log}");
    assert!(log.contains("\n<4>There is nothing to reload"), "{log}");
}

#[test]
fn so_do_failures() {
    let (mut command, mut journal, stderr) = logged(&["serve", "echo", "systemd"]);
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).status().unwrap();
    drop(command);
    let mut log = String::new();
    journal.read_to_string(&mut log).unwrap();
    assert_eq!((log.as_str(), status.code()), ("<3>multiconn: cannot listen: systemd has passed no socket\n", Some(1)));
}

#[test]
fn another_standard_error_has_no_prefix() {
    let mut command = multiconn(&["serve", "echo", "systemd"]);
    command.env("JOURNAL_STREAM", "1:1");
    assert_eq!(text(&run(command).stderr), "multiconn: cannot listen: systemd has passed no socket\n");
}

/// The units, for an instance, with the program that is tested.
fn units() -> (TempDir, Vec<PathBuf>) {
    let directory = tempfile::tempdir().unwrap();
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "deploy", "systemd"].iter().collect();
    let mut units = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap().replace('@', "@app");
        let unit = fs::read_to_string(entry.path()).unwrap();
        assert!(!unit.contains("ExecStart=") || unit.contains("ExecStart=/usr/bin/multiconn "), "{name}");
        let path = directory.path().join(name);
        fs::write(&path, unit.replace("/usr/bin/multiconn", env!("CARGO_BIN_EXE_multiconn"))).unwrap();
        units.push(path);
    }
    (directory, units)
}

fn analyzed(args: &[&str], units: &[&Path]) {
    let output = Command::new("systemd-analyze").args(args).args(units).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn the_units_are_valid_and_the_service_may_do_little() {
    if !is_there("systemd-analyze") {
        return;
    }
    let (_directory, units) = units();
    let all: Vec<&Path> = units.iter().map(PathBuf::as_path).collect();
    assert_eq!(all.len(), 2);
    analyzed(&["verify", "--man=no"], &all);
    let services: Vec<&Path> = all.into_iter().filter(|path| path.extension().unwrap() == "service").collect();
    // In tenths: at most 2.0.
    analyzed(&["security", "--offline=true", "--threshold=20"], &services);
}
