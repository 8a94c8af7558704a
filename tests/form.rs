//! `call getfile --form`: downloads that are started from a page, and by nobody else.

#[path = "common/mod.rs"]
mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::path::Path;

use common::{PATIENCE, Server, assert_same, connect, expect, multiconn, run, text, to_end};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A form, and the folder for its files.
struct Form {
    program: Server,
    at: SocketAddr,
    token: String,
    dir: TempDir,
}

impl Form {
    fn start() -> Form {
        Form::with(&[])
    }

    fn with(args: &[&str]) -> Form {
        let dir = TempDir::new().unwrap();
        fs::create_dir_all(dir.path().join("into/sub")).unwrap();
        let into = dir.path().join("into");
        let into = into.to_str().unwrap();
        let program = Server::spawn(multiconn(&[&["call", "getfile", "--form", "--into", into], args].concat()));
        let form = program.form.clone().expect("it says where its form is");
        let (at, token) = form.strip_prefix("http://").unwrap().strip_suffix('/').unwrap().split_once('/').unwrap();
        Form { at: at.parse().unwrap(), token: token.to_owned(), program, dir }
    }

    fn ask(&self, line: &str, fields: &str, body: &str) -> (String, String) {
        let mut stream = connect(self.at);
        write!(stream, "{line} HTTP/1.1\r\n{fields}\r\n{body}").unwrap();
        let all = text(&to_end(&mut stream));
        let (head, body) = all.split_once("\r\n\r\n").expect("a header ends");
        (head.lines().next().unwrap().strip_prefix("HTTP/1.1 ").unwrap().to_owned(), body.to_owned())
    }

    /// Posts as the page does, and returns the code of the status and the reply.
    fn post(&self, action: &str, body: &Value) -> (u16, Value) {
        let (at, token, body) = (self.at, &self.token, body.to_string());
        let fields = format!(
            "Host: {at}\r\nOrigin: http://{at}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
            body.len()
        );
        let (status, reply) = self.ask(&format!("POST /{token}/{action}"), &fields, &body);
        (status[..3].parse().unwrap(), serde_json::from_str(&reply).unwrap_or(Value::Null))
    }

    /// Starts a download that must start.
    #[track_caller]
    fn started(&self, source: &Source, file: &str, folder: &str) -> u64 {
        let (status, reply) = self.post("start", &source.fields(file, folder));
        assert_eq!(status, 201, "{reply}");
        reply["id"].as_u64().unwrap()
    }

    /// The errors of a download that must not start.
    #[track_caller]
    fn refused(&self, fields: &Value) -> Value {
        let (status, reply) = self.post("start", fields);
        assert_eq!(status, 422, "{reply}");
        reply["errors"].clone()
    }

    fn events(&self) -> Events {
        let mut stream = connect(self.at);
        write!(stream, "GET /{}/events HTTP/1.1\r\nHost: {}\r\n\r\n", self.token, self.at).unwrap();
        Events { stream, received: String::new() }
    }

    /// Waits until a download is so, as the page sees it.
    #[track_caller]
    fn find(&self, id: u64, is_so: impl Fn(&Value) -> bool) -> Value {
        self.events().find(id, is_so)
    }

    #[track_caller]
    fn ended(&self, id: u64, state: &str) -> Value {
        let running = ["looking up", "connecting", "receiving"];
        let entry = self.find(id, |entry| !running.contains(&entry["state"].as_str().unwrap()));
        assert_eq!(entry["state"], state, "{entry}");
        entry
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join("into").join(name)
    }

    #[track_caller]
    fn has(&self, name: &str, content: &[u8]) {
        assert_same(&fs::read(self.path(name)).unwrap(), content);
    }
}

/// What the page is told.
struct Events {
    stream: TcpStream,
    received: String,
}

impl Events {
    fn next(&mut self) -> Value {
        loop {
            while let Some((line, rest)) = self.received.split_once('\n') {
                let (line, rest) = (line.to_owned(), rest.to_owned());
                self.received = rest;
                if let Some(data) = line.strip_prefix("data: ") {
                    return serde_json::from_str(data).unwrap();
                }
            }
            let mut chunk = [0; 1 << 14];
            let len = self.stream.read(&mut chunk).expect("it goes on");
            assert!(len > 0, "it ended");
            self.received += str::from_utf8(&chunk[..len]).unwrap();
        }
    }

    fn find(&mut self, id: u64, is_so: impl Fn(&Value) -> bool) -> Value {
        loop {
            let event = self.next();
            let entries = event["entries"].as_array().unwrap();
            if let Some(entry) = entries.iter().find(|entry| entry["id"] == id && is_so(entry)) {
                return entry.clone();
            }
        }
    }
}

/// A file server whose every step the test takes.
struct Source(TcpListener);

impl Source {
    fn new() -> Source {
        Source(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn port(&self) -> String {
        self.0.local_addr().unwrap().port().to_string()
    }

    fn fields(&self, file: &str, folder: &str) -> Value {
        json!({ "server": "127.0.0.1", "port": self.port(), "file": file, "folder": folder })
    }

    /// The next connection, which must ask for a file from an offset.
    fn asked(&self, file: &str, offset: u64) -> TcpStream {
        let (mut stream, _) = self.0.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        expect(&mut stream, format!("\0{offset} {file}\n").as_bytes());
        stream
    }
}

#[test]
fn only_the_page_with_the_token_can_use_it() {
    let form = Form::start();
    let (at, token) = (form.at, form.token.as_str());
    assert!(at.ip().is_loopback() && token.len() == 32, "{at} {token}");
    let host = format!("Host: {at}\r\n");
    let (status, page) = form.ask(&format!("GET /{token}/"), &host, "");
    assert!(status == "200 OK" && page.starts_with("<!DOCTYPE html>"), "{status}");
    assert!(page.contains(form.path("").canonicalize().unwrap().to_str().unwrap()), "it shows the folder");
    let other = "0".repeat(32);
    for (path, fields, why) in [
        ("/".to_owned(), host.as_str(), "403 "),
        (format!("/{token}"), &host, "403 "),
        (format!("/{other}/"), &host, "403 "),
        (format!("/{other}/events"), &host, "403 "),
        (format!("/{}/", &token[1..]), &host, "403 "),
        (format!("/{token}/"), "Host: evil.example\r\n", "403 "),
        (format!("/{token}/"), "", "403 "),
        (format!("/{token}/start"), &host, "404 "),
        (format!("/{token}/../"), &host, "404 "),
    ] {
        let (status, _) = form.ask(&format!("GET {path}"), fields, "");
        assert!(status.starts_with(why), "{path}: {status}");
    }
    let source = Source::new();
    let body = source.fields("a", "").to_string();
    let (origin, json) = (format!("Origin: http://{at}\r\n"), "Content-Type: application/json\r\n");
    let length = format!("Content-Length: {}\r\n", body.len());
    for (token, fields, why) in [
        (token, format!("{host}{json}{length}"), "403 "),
        (token, format!("{host}Origin: null\r\n{json}{length}"), "403 "),
        (token, format!("{host}Origin: http://evil.example\r\n{json}{length}"), "403 "),
        (token, format!("{host}Origin: http://127.0.0.1:1\r\n{json}{length}"), "403 "),
        (token, format!("Host: evil.example\r\nOrigin: http://evil.example\r\n{json}{length}"), "403 "),
        (&other, format!("{host}{origin}{json}{length}"), "403 "),
        (token, format!("{host}{origin}Content-Type: text/plain\r\n{length}"), "415 "),
        (token, format!("{host}{origin}{json}"), "411 "),
        (token, format!("{host}{origin}{json}Content-Length: 99999999\r\n"), "413 "),
    ] {
        let (status, _) = form.ask(&format!("POST /{token}/start"), &fields, &body);
        assert!(status.starts_with(why), "{fields}: {status}");
    }
    assert!(form.ask(&format!("PUT /{token}/start"), &host, "").0.starts_with("405 "));
    assert_eq!(form.post("start", &json!({ "server": 1 })).0, 400);
    assert_eq!(form.post("nothing", &json!({})).0, 404);
    assert_eq!(form.events().next()["all"], json!([]), "nothing has started");
    form.program.stop();
}

#[test]
fn several_files_come_at_once() {
    let form = Form::start();
    let sources = [1, 2, 3].map(|_| Source::new());
    let names = ["a", "b", "c"];
    let ids = [0, 1, 2].map(|n| form.started(&sources[n], &format!("dir/{}", names[n]), "sub"));
    let mut streams = [0, 1, 2].map(|n| sources[n].asked(&format!("dir/{}", names[n]), 0));
    for stream in &mut streams {
        stream.write_all(b"OK 8\nhalf").unwrap();
    }
    for (id, source) in ids.into_iter().zip(&sources) {
        let entry = form.find(id, |entry| entry["bytes"] == 4);
        assert_eq!((&entry["state"], &entry["len"]), (&"receiving".into(), &8.into()));
        assert_eq!(entry["address"], format!("127.0.0.1:{}", source.port()));
    }
    for n in [2, 0, 1] {
        streams[n].write_all(names[n].repeat(4).as_bytes()).unwrap();
        let entry = form.ended(ids[n], "done");
        let folder = form.path("sub").canonicalize().unwrap();
        assert_eq!((&entry["bytes"], entry["in"].as_str()), (&8.into(), folder.to_str()), "{entry}");
        form.has(&format!("sub/{}", names[n]), format!("half{}", names[n].repeat(4)).as_bytes());
    }
    assert_eq!(fs::read_dir(form.path("sub")).unwrap().count(), 3, "no parts are left");
    form.program.stop();
}

#[test]
fn a_name_is_looked_up_beside_the_loop() {
    let form = Form::start();
    let source = Source::new();
    let mut fields = source.fields("a", "");
    fields["server"] = "localhost".into();
    let id = form.post("start", &fields).1["id"].as_u64().unwrap();
    // `localhost` may have an IPv6 address, too, at which nobody listens.
    source.asked("a", 0).write_all(b"OK 1\nx").unwrap();
    form.ended(id, "done");
    form.program.stop();
}

#[test]
fn a_cancelled_download_goes_on_where_it_was() {
    let form = Form::start();
    let source = Source::new();
    let id = form.started(&source, "a", "");
    let mut stream = source.asked("a", 0);
    stream.write_all(b"OK 8\nhalf").unwrap();
    form.find(id, |entry| entry["bytes"] == 4);
    assert_eq!(form.post("resume", &json!({ "id": id })).0, 409, "it is running");
    assert_eq!(form.post("remove", &json!({ "id": id })).0, 409);
    assert_eq!(form.post("cancel", &json!({ "id": id })).0, 200);
    assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0, "the connection is closed");
    let entry = form.ended(id, "cancelled");
    assert_eq!((&entry["kept"], &entry["resumes"]), (&4.into(), &true.into()));
    form.has(".a.part", b"half");
    assert_eq!(form.post("cancel", &json!({ "id": id })).0, 409, "it has ended");
    assert_eq!(form.post("resume", &json!({ "id": id })).0, 200);
    source.asked("a", 4).write_all(b"OK 8\nhalf").unwrap();
    form.ended(id, "done");
    form.has("a", b"halfhalf");
    assert_eq!(form.post("remove", &json!({ "id": id })).0, 200);
    assert_eq!(form.events().next()["all"], json!([]));
    form.has("a", b"halfhalf");
    assert_eq!(form.post("remove", &json!({ "id": id })).0, 409);
    form.program.stop();
}

#[test]
fn a_download_can_be_cancelled_before_it_is_connected() {
    let form = Form::start();
    // Nobody answers at this address, which is reserved for documentation, or the system refuses at once.
    let fields = json!({ "server": "192.0.2.1", "file": "a" });
    let id = form.post("start", &fields).1["id"].as_u64().unwrap();
    if form.post("cancel", &json!({ "id": id })).0 == 200 {
        form.ended(id, "cancelled");
    }
    // The same file from elsewhere isn't locked any more.
    let source = Source::new();
    let id = form.started(&source, "a", "");
    source.asked("a", 0).write_all(b"OK 0\n").unwrap();
    form.ended(id, "done");
    form.program.stop();
}

#[test]
fn a_part_from_before_is_resumed_or_not_as_one_says() {
    let form = Form::start();
    let source = Source::new();
    fs::write(form.path(".a.part"), "half").unwrap();
    let mut fields = source.fields("a", "");
    assert_eq!(form.post("start", &fields), (409, json!({ "begun": 4 })));
    form.has(".a.part", b"half");
    fields["resume"] = true.into();
    assert_eq!(form.post("start", &fields).0, 201);
    drop(source.asked("a", 4));
    form.ended(1, "failed");
    fields["resume"] = false.into();
    assert_eq!(form.post("start", &fields).0, 201);
    source.asked("a", 0).write_all(b"OK 3\nnew").unwrap();
    form.ended(2, "done");
    form.has("a", b"new");
    form.program.stop();
}

#[test]
fn errors_belong_to_a_field() {
    let form = Form::start();
    let source = Source::new();
    fs::write(form.path("mine"), "mine").unwrap();
    let errors = form.refused(&json!({ "server": "", "port": "x", "file": "", "folder": "nowhere" }));
    let said = |field: &str| errors[field].as_str().unwrap();
    assert_eq!(said("server"), "the server is missing");
    assert_eq!(said("port"), "'x' is not a port, a number from 0 to 65535");
    assert!(
        said("file").starts_with("the path must not be empty") && said("folder").starts_with("there is no folder ")
    );
    let errors = form.refused(&source.fields("mine", ""));
    assert!(errors["folder"].as_str().unwrap().ends_with("/mine already exists (--force replaces it)"), "{errors}");
    let running = form.started(&source, "a", "");
    let stream = source.asked("a", 0);
    let errors = form.refused(&source.fields("x/a", ""));
    assert!(errors["folder"].as_str().unwrap().ends_with("/a is being received already"), "{errors}");
    drop(stream);

    // And those that come later, in the words of the command line.
    let (refusing, addr) = common::refusing();
    let failed = |fields: &Value| {
        let (status, reply) = form.post("start", fields);
        assert_eq!(status, 201, "{reply}");
        form.ended(reply["id"].as_u64().unwrap(), "failed")
    };
    let entry = failed(&json!({ "server": "127.0.0.1", "port": addr.port().to_string(), "file": "b" }));
    let why = format!("cannot connect to {addr}: connection refused (is a server running there?)");
    assert_eq!((&entry["field"], &entry["why"]), (&"server".into(), &why.into()));
    drop(refusing);
    let entry = form.ended(running, "failed");
    let why = entry["why"].as_str().unwrap();
    assert!(entry["field"] == "server" && why.contains("the server closed without a reply"), "{entry}");

    let id = form.started(&source, "b", "");
    source.asked("b", 0).write_all(b"ERROR cannot send 'b': no such file\n").unwrap();
    let entry = form.ended(id, "failed");
    let why = format!("getting 'b' from 127.0.0.1:{} failed: the server says: no such file", source.port());
    assert_eq!((&entry["field"], &entry["why"], &entry["kept"]), (&"file".into(), &why.into(), &Value::Null));

    let id = form.started(&source, "b", "");
    fs::write(form.path("b"), "somebody else's").unwrap();
    source.asked("b", 0).write_all(b"OK 1\nx").unwrap();
    let entry = form.ended(id, "failed");
    assert!(entry["field"] == "folder" && entry["why"].as_str().unwrap().contains("exists by now"), "{entry}");

    let id = form.started(&source, "c", "");
    source.asked("c", 0).write_all(b"OK 9\nhalf").unwrap();
    let entry = form.ended(id, "failed");
    assert!(entry["why"].as_str().unwrap().ends_with("cut off after 4 of 9 bytes"), "{entry}");
    assert_eq!((&entry["kept"], &entry["resumes"]), (&4.into(), &true.into()));
    form.program.stop();
}

#[test]
fn no_file_goes_anywhere_else() {
    let form = Form::start();
    let source = Source::new();
    fs::create_dir(form.dir.path().join("outside")).unwrap();
    symlink("../outside", form.path("link")).unwrap();
    symlink(form.dir.path().join("outside"), form.path("absolute")).unwrap();
    symlink("..", form.path("up")).unwrap();
    let outside = form.dir.path().join("outside");
    for folder in ["..", "/", outside.to_str().unwrap(), "sub/../..", "link", "absolute", "up/outside", "sub/../sub"] {
        let errors = form.refused(&source.fields("a", folder));
        assert!(errors["folder"].is_string() && errors.as_object().unwrap().len() == 1, "{folder}: {errors}");
    }
    for file in ["..", "a/..", "/"] {
        assert!(form.refused(&source.fields(file, ""))["file"].is_string(), "{file}");
    }
    // The last name of the path is all that is used of it.
    let id = form.started(&source, "../../etc/b", "sub");
    let mut stream = source.asked("../../etc/b", 0);
    // A folder that gets another name meanwhile is still the same, and a link in its place is another.
    fs::rename(form.path("sub"), form.path("moved")).unwrap();
    symlink("../outside", form.path("sub")).unwrap();
    stream.write_all(b"OK 1\nx").unwrap();
    form.ended(id, "done");
    form.has("moved/b", b"x");
    // A link in the place of the part is not followed.
    symlink(outside.join("part"), form.path(".c.part")).unwrap();
    assert!(form.refused(&source.fields("c", ""))["folder"].is_string());
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    form.program.stop();
}

#[test]
fn closing_the_page_ends_nothing() {
    let form = Form::start();
    let source = Source::new();
    let mut events = form.events();
    assert_eq!(events.next()["all"], json!([]));
    let id = form.started(&source, "a", "");
    let mut stream = source.asked("a", 0);
    stream.write_all(b"OK 8\nhalf").unwrap();
    events.find(id, |entry| entry["bytes"] == 4);
    events.stream.shutdown(Shutdown::Both).unwrap();
    drop(events);
    stream.write_all(b"half").unwrap();
    form.ended(id, "done");
    form.has("a", b"halfhalf");
    form.program.stop();
}

#[test]
fn an_interruption_keeps_what_is_here() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let form = Form::start();
        let source = Source::new();
        let half = form.started(&source, "half", "sub");
        let mut stream = source.asked("half", 0);
        stream.write_all(b"OK 8\nhalf").unwrap();
        form.find(half, |entry| entry["bytes"] == 4);
        form.started(&source, "nothing", "");
        let silent = source.asked("nothing", 0);
        let mut events = form.events();
        events.next();
        form.program.signal(signal);
        let into = form.path("").canonicalize().unwrap();
        to_end(&mut events.stream);
        drop(events);
        let (status, said) = form.program.ended();
        let (port, part) = (source.port(), into.join("sub/.half.part"));
        let expected = format!(
            "multiconn: getting 'half' from 127.0.0.1:{port} was interrupted (4 bytes in {}; --resume goes on from \
             there); getting 'nothing' from 127.0.0.1:{port} was interrupted\n",
            part.display()
        );
        assert_eq!((status.code(), text(&said)), (Some(3), expected));
        assert_same(&fs::read(&part).unwrap(), b"half");
        assert!(!into.join(".nothing.part").exists(), "an empty part is of no use");
        drop((stream, silent));
        // As the hint says.
        let to = into.join("sub/half");
        let mut command = multiconn(&["call", "getfile", &port, "half", "--resume", "-o"]);
        command.arg(&to);
        let running = std::thread::spawn(|| run(command));
        source.asked("half", 4).write_all(b"OK 8\nhalf").unwrap();
        assert_eq!(running.join().unwrap().status.code(), Some(0));
        assert_same(&fs::read(&to).unwrap(), b"halfhalf");
    }
}

#[test]
fn with_nothing_unfinished_it_ends_without_a_word() {
    let form = Form::start();
    let source = Source::new();
    let id = form.started(&source, "a", "");
    source.asked("a", 0).write_all(b"OK 1\nx").unwrap();
    form.ended(id, "done");
    form.program.signal(Signal::INT);
    let (status, said) = form.program.ended();
    assert_eq!((status.code(), text(&said)), (Some(0), String::new()));
}

#[test]
fn a_limited_number_of_downloads_run_at_once() {
    let form = Form::start();
    let source = Source::new();
    let mut streams: Vec<TcpStream> = Vec::new();
    for n in 0..16 {
        form.started(&source, &format!("f{n}"), "");
        streams.push(source.asked(&format!("f{n}"), 0));
    }
    let (status, reply) = form.post("start", &source.fields("f16", ""));
    assert_eq!(
        (status, &reply["errors"]["form"]),
        (429, &"16 downloads are running; wait for one, or cancel one".into())
    );
    streams[3].write_all(b"OK 0\n").unwrap();
    form.ended(4, "done");
    form.started(&source, "f16", "");
    form.program.stop_by(Signal::TERM, 3);
}

#[test]
fn the_options_of_the_command_line_apply_to_all() {
    let form = Form::with(&["--force", "--plain"]);
    let source = Source::new();
    fs::write(form.path("a"), "old").unwrap();
    fs::create_dir(form.path("dir")).unwrap();
    let id = form.started(&source, "a", "");
    let (mut stream, _) = source.0.accept().unwrap();
    expect(&mut stream, b"a\n");
    stream.write_all(b"new").unwrap();
    let entry = form.find(id, |entry| entry["bytes"] == 3);
    assert_eq!(entry["len"], Value::Null, "a plain server doesn't say");
    drop(stream);
    form.ended(id, "done");
    form.has("a", b"new");
    assert!(form.refused(&source.fields("dir", ""))["folder"].as_str().unwrap().contains("not a regular file"));
    form.program.stop();
}

#[test]
fn wrong_usage_is_refused() {
    let dir = TempDir::new().unwrap();
    let here = dir.path().to_str().unwrap();
    for (args, status, why) in [
        (&["--form"][..], 2, "--into"),
        (&["--into", here], 2, "--form"),
        (&["--form", "0.0.0.0:0", "--into", here], 2, "is not a loopback address"),
        (&["--form", "[::]:0", "--into", here], 2, "is not a loopback address"),
        (&["--form", "--into", here, "--resume"], 2, "--resume"),
        (&["127.0.0.1", "file", "--form", "--into", here], 2, "ADDRESS"),
        (&["--form", "--into", "/nowhere"], 1, "cannot use the folder /nowhere: no such folder"),
        (&["--form", "--into", "/dev/null"], 1, "cannot use the folder /dev/null: not a directory"),
    ] {
        let output = run(multiconn(&[&["call", "getfile"], args].concat()));
        let said = text(&output.stderr);
        assert!(output.status.code() == Some(status) && said.contains(why), "{args:?}: {said}");
    }
    assert!(Path::new(here).exists());
}
