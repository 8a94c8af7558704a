//! What the tests of the program share: starting and ending it, talking to it.

// Each test file uses its own part of this.
#![allow(dead_code)]

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Once};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use socket2::{Domain, SockAddr, Socket, Type};
use tempfile::TempDir;

/// Nothing takes longer, unless something is wrong.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A folder for a test's files, which is removed in the end.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

/// The program, not started yet, in an environment that sets nothing about its log.
pub fn multiconn<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> Command {
    heed_interrupts();
    let mut command = Command::new(env!("CARGO_BIN_EXE_multiconn"));
    for name in ["RUST_LOG", "RUST_LOG_STYLE", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
        command.env_remove(name);
    }
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("MULTICONN_")) {
        command.env_remove(name);
    }
    command.args(args);
    command
}

/// Lets the programs be interrupted even if these tests were started with interrupts ignored, as a script's background job
/// is: signals that have a handler here have the default action there.
fn heed_interrupts() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for signal in [Signal::INT, Signal::QUIT, Signal::HUP].map(Signal::as_raw) {
            signal_hook::flag::register_conditional_default(signal, Arc::new(AtomicBool::new(true))).unwrap();
        }
    });
}

/// One of the Python programs in `tests/peers`, not started yet.
pub fn python(script: &str) -> Command {
    let path = [env!("CARGO_MANIFEST_DIR"), "tests", "peers", script].iter().collect::<PathBuf>();
    let mut command = Command::new("python3");
    // -B: leave no compiled files behind.
    command.arg("-B").arg(path);
    command
}

/// The same command, started in an unusual way: `ignore` or `block` with signals such as `INT,CHLD`, or `nonblocking` with
/// descriptors such as `0,1`.
pub fn started_with(how: &str, what: &str, command: &Command) -> Command {
    let mut starter = python("started_with.py");
    starter.args([how, what]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => starter.env(name, value),
            None => starter.env_remove(name),
        };
    }
    starter
}

/// Runs a command to its end, which it must reach in time.
pub fn run(command: Command) -> Output {
    let shown = format!("{command:?}");
    let mut command = assert_cmd::Command::from_std(command);
    command.timeout(PATIENCE).output().unwrap_or_else(|error| panic!("{shown}: {error}"))
}

/// Runs a command that has to succeed without a word on standard error, and returns what it prints.
pub fn printed(command: Command) -> Vec<u8> {
    let shown = format!("{command:?}");
    let output = run(command);
    assert_eq!((text(&output.stderr), output.status.code()), (String::new(), Some(0)), "{shown}");
    output.stdout
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("it is UTF-8")
}

/// A server in a process of its own, ended when dropped.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub addresses: Vec<SocketAddr>,
    /// The Unix sockets on which it listens, without `unix:`.
    pub unix: Vec<String>,
    /// Where it can be watched, if it can.
    pub admin: Option<SocketAddr>,
    /// The address of its form, if it has one.
    pub form: Option<String>,
    stdout: Receiver<Vec<u8>>,
    stderr: Receiver<Vec<u8>>,
}

impl Server {
    /// Starts `multiconn serve` with `args`, and waits until it listens.
    pub fn start(args: &[&str]) -> Server {
        Server::spawn(multiconn(&[&["serve"], args].concat()))
    }

    /// Starts a server that says where it is `Listening on`, and waits until it does.
    pub fn spawn(command: Command) -> Server {
        Server::spawn_with(command, Stdio::piped())
    }

    /// The same with another standard error, which the test may read itself.
    pub fn spawn_with(mut command: Command, stderr: Stdio) -> Server {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr).spawn().expect("it starts");
        let stdout = chunks_of(child.stdout.take().expect("it is piped"));
        let stderr = child.stderr.take().map_or_else(|| mpsc::channel().1, lines_of);
        let mut server =
            Server { child, addresses: Vec::new(), unix: Vec::new(), admin: None, form: None, stdout, stderr };
        let mut printed = Vec::new();
        // All lines are written at once, and so few bytes of a pipe are read at once too; but Python may write the end of
        // its line by itself.
        while !printed.ends_with(b"\n") {
            match server.stdout.recv_timeout(PATIENCE) {
                Ok(chunk) => printed.extend(chunk),
                Err(error) => panic!("{command:?} does not listen: {error}; {}", text(&to_the_end(&server.stderr))),
            }
        }
        for line in text(&printed).lines() {
            let address = |text: &str| text.parse().expect("it is an address");
            if let Some(form) = line.strip_prefix("Form on ") {
                server.form = Some(form.to_owned());
                continue;
            }
            match line.strip_prefix("Admin on http://").and_then(|rest| rest.strip_suffix('/')) {
                Some(admin) => server.admin = Some(address(admin)),
                None => {
                    if line.starts_with("Admin on unix:") {
                        continue;
                    }
                    let listens = line.strip_prefix("Listening on ").expect("a line says where it listens");
                    match listens.strip_prefix("unix:") {
                        Some(name) => server.unix.push(name.to_owned()),
                        None => server.addresses.push(address(listens)),
                    }
                }
            }
        }
        server
    }

    /// Where it listens, or the first place if there are several.
    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// The first place as a command-line argument.
    pub fn address_text(&self) -> String {
        self.address().to_string()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// A connection to it, that waits for nothing longer than [`PATIENCE`].
    pub fn connect(&self) -> TcpStream {
        connect(self.address())
    }

    /// Waits until the log has a line with `words`, and returns that line.
    pub fn wait_for_log(&self, words: &str) -> String {
        let mut seen = String::new();
        loop {
            match self.stderr.recv_timeout(PATIENCE) {
                Ok(line) if String::from_utf8_lossy(&line).contains(words) => return text(&line),
                Ok(line) => seen += &String::from_utf8_lossy(&line),
                Err(error) => panic!("no '{words}' in the log: {error}; it has\n{seen}"),
            }
        }
    }

    /// Waits until it has ended by itself, and returns how, and the rest of its log.
    pub fn ended(mut self) -> (ExitStatus, Vec<u8>) {
        let log = to_the_end(&self.stderr);
        to_the_end(&self.stdout);
        (self.child.wait().expect("it is our child"), log)
    }

    /// Waits until it has ended by itself, without an error, and returns what it printed after where it listens.
    pub fn printed(self) -> String {
        text(&self.printed_bytes())
    }

    /// The same for what need not be text.
    pub fn printed_bytes(mut self) -> Vec<u8> {
        let log = to_the_end(&self.stderr);
        let status = self.child.wait().expect("it is our child");
        assert!(status.success(), "{status}: {}", String::from_utf8_lossy(&log));
        to_the_end(&self.stdout)
    }

    /// Lets it stop, waits until it has, and returns the rest of its log.
    pub fn stop(self) -> Vec<u8> {
        self.stop_by(Signal::TERM, 0)
    }

    /// The same by another signal, after which it must have this exit status.
    pub fn stop_by(self, signal: Signal, code: i32) -> Vec<u8> {
        self.signal(signal);
        let (status, log) = self.ended();
        assert_eq!(status.code(), Some(code), "{}", String::from_utf8_lossy(&log));
        log
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It fails only where the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// All that is still to come.
fn to_the_end(pieces: &Receiver<Vec<u8>>) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        match pieces.recv_timeout(PATIENCE) {
            Ok(piece) => all.extend(piece),
            Err(RecvTimeoutError::Disconnected) => return all,
            Err(RecvTimeoutError::Timeout) => panic!("it does not end: {}", String::from_utf8_lossy(&all)),
        }
    }
}

fn lines_of(pipe: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    in_thread(move |sender| {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).is_ok_and(|len| len > 0) {
            // The log is read to its end even where nobody wants it, or the server would wait.
            let _ = sender.send(std::mem::take(&mut line));
        }
    })
}

fn chunks_of(mut pipe: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    in_thread(move |sender| {
        let mut chunk = vec![0; 1 << 16];
        while let Ok(len @ 1..) = pipe.read(&mut chunk) {
            let _ = sender.send(chunk[..len].to_vec());
        }
    })
}

fn in_thread(work: impl FnOnce(Sender<Vec<u8>>) + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(|| work(sender));
    receiver
}

/// A connection that waits for nothing longer than [`PATIENCE`].
pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).expect("it accepts");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// An address that refuses connections while the socket is kept: it is bound, so that nobody else gets the port, but does
/// not listen.
pub fn refusing() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SockAddr::from(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

/// A message with `header` as it is.
pub fn framed(header: &str, content: &[u8]) -> Vec<u8> {
    let len = u16::try_from(header.len()).expect("a short header");
    [&len.to_be_bytes(), header.as_bytes(), content].concat()
}

/// A message as `docs/protocols.md` spells it, with `more` at the end of the header.
fn message_with(content_type: &str, encoding: &str, more: &str, content: &[u8]) -> Vec<u8> {
    let order = if cfg!(target_endian = "big") { "big" } else { "little" };
    let len = content.len();
    let header = format!(
        r#"{{"byteorder": "{order}", "content-type": "{content_type}", "content-encoding": "{encoding}", "content-length": {len}{more}}}"#
    );
    framed(&header, content)
}

/// A message, to the byte.
pub fn message(content_type: &str, encoding: &str, content: &[u8]) -> Vec<u8> {
    message_with(content_type, encoding, "", content)
}

/// The same, with the key that keeps the connection.
pub fn kept_message(content_type: &str, encoding: &str, content: &[u8]) -> Vec<u8> {
    message_with(content_type, encoding, r#", "connection": "keep-alive""#, content)
}

/// The content of a reply, or a request, of one key for each of `pairs`.
pub fn json(pairs: &[(&str, &str)]) -> Vec<u8> {
    // serde_json writes characters beyond ASCII as themselves, as the protocol's writers do.
    let quoted = |text: &str| serde_json::to_string(text).expect("it is a string");
    let pairs: Vec<String> = pairs.iter().map(|(key, value)| format!("{}: {}", quoted(key), quoted(value))).collect();
    format!("{{{}}}", pairs.join(", ")).into_bytes()
}

pub fn search(value: &str) -> Vec<u8> {
    message("text/json", "utf-8", &json(&[("action", "search"), ("value", value)]))
}

pub fn kept_search(value: &str) -> Vec<u8> {
    kept_message("text/json", "utf-8", &json(&[("action", "search"), ("value", value)]))
}

/// The whole reply with this result.
pub fn result(text: &str) -> Vec<u8> {
    message("text/json", "utf-8", &json(&[("result", text)]))
}

pub fn kept_result(text: &str) -> Vec<u8> {
    kept_message("text/json", "utf-8", &json(&[("result", text)]))
}

/// The whole reply to a binary request with this content.
pub fn first_ten_of(content: &[u8]) -> Vec<u8> {
    let beginning = &content[..content.len().min(10)];
    message("binary/custom-server-binary-type", "binary", &[&b"First 10 bytes of request: "[..], beginning].concat())
}

/// The options for each concurrency model.
pub const MODELS: [&[&str]; 8] = [
    &["--model", "reactor"],
    &["--model", "reactor", "--workers", "2"],
    &["--model", "poll"],
    &["--model", "select"],
    &["--model", "sequential"],
    &["--model", "threads"],
    &["--model", "pool"],
    &["--model", "fork"],
];

pub const RABBIT: &str = "Follow the white rabbit. 🐰";
pub const RING: &str = "In the caves beneath the Misty Mountains. 💍";
pub const DOG: &str = "🐾 Playing ball! 🏐";

/// Reads what there is, up to the length of `buffer`. A read with a timeout may be interrupted, as when a process ends.
pub fn read_some(stream: &mut TcpStream, buffer: &mut [u8]) -> std::io::Result<usize> {
    loop {
        match stream.read(buffer) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Reads exactly `expected`.
pub fn expect(stream: &mut TcpStream, expected: &[u8]) {
    let mut got = vec![0; expected.len()];
    let mut len = 0;
    while len < got.len() {
        match read_some(stream, &mut got[len..]) {
            Ok(0) => break,
            Ok(more) => len += more,
            Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&got[..len])),
        }
    }
    assert_same(&got[..len], expected);
}

/// Reads to the end: that it comes as an end and not as a reset is part of the expectation.
pub fn to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut got = Vec::new();
    if let Err(error) = stream.read_to_end(&mut got) {
        panic!("{error} after {:?}", String::from_utf8_lossy(&got));
    }
    got
}

/// Reads exactly `expected` and then the end.
pub fn expect_last(stream: &mut TcpStream, expected: &[u8]) {
    assert_same(&to_end(stream), expected);
}

/// To the byte, but shown so that people can read it.
pub fn assert_same(got: &[u8], expected: &[u8]) {
    if got != expected {
        let shown = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(2000)]).into_owned();
        assert_eq!(shown(got), shown(expected), "{} against {} bytes", got.len(), expected.len());
        panic!("{} bytes that differ from {} expected ones", got.len(), expected.len());
    }
}
