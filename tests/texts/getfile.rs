//! `getfile`: ask for a path, get the file.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};
use std::thread;

use rustix::fs::{CWD, Mode, mkfifoat};
use socket2::SockRef;
use tempfile::TempDir;

use crate::common::*;

fn bytes(len: usize) -> Vec<u8> {
    (0..len as u32).map(|number| (number.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect()
}

/// Names that files have, and how long those are.
const FILES: [(&str, usize); 9] = [
    ("empty", 0),
    ("one", 1),
    ("block", 1024),
    ("odd", 1025),
    ("long", 3_000_001),
    ("with space", 10),
    ("12 monkeys", 12),
    ("🐶.txt", 4),
    ("sub/deep", 2049),
];

/// A folder with those files.
fn folder() -> TempDir {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("sub")).unwrap();
    for (name, len) in FILES {
        fs::write(dir.path().join(name), bytes(len)).unwrap();
    }
    dir
}

fn serve(root: &TempDir, args: &[&str]) -> Server {
    Server::start(&[&["getfile", "0", "--root", root.path().to_str().unwrap()], args].concat())
}

fn python_server(root: &TempDir, args: &[&str]) -> Server {
    let mut command = python("getfile_server.py");
    command.arg(root.path()).args(args);
    Server::spawn(command)
}

/// Runs `call getfile` in the folder `here`.
fn call(here: &TempDir, address: &str, args: &[&str]) -> Output {
    let mut command = multiconn(&[&["call", "getfile", address], args].concat());
    command.current_dir(here);
    run(command)
}

/// The same where it has to succeed without a word.
fn called(here: &TempDir, address: &str, args: &[&str]) -> Vec<u8> {
    let output = call(here, address, args);
    assert_eq!((text(&output.stderr), output.status.code()), (String::new(), Some(0)), "{args:?}");
    output.stdout
}

/// The one line on standard error, with status 1.
fn failure(output: &Output) -> String {
    let said = text(&output.stderr);
    assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{said}");
    said
}

#[track_caller]
fn has(dir: &TempDir, name: &str, content: &[u8]) {
    assert_same(&fs::read(dir.path().join(name)).unwrap(), content);
}

/// The names in a folder, hidden ones too.
fn names(dir: &TempDir) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = fs::read_dir(dir).unwrap().map(name).collect();
    names.sort();
    names
}

#[test]
fn a_python_client_gets_files() {
    let root = folder();
    let server = serve(&root, &["-q"]);
    let address = server.address();
    for (name, len) in FILES {
        for args in [&[][..], &["--drip"]] {
            let here = TempDir::new().unwrap();
            let mut command = python("getfile_client.py");
            command
                .current_dir(&here)
                .arg(address.ip().to_string())
                .arg(address.port().to_string())
                .arg(name)
                .args(args);
            assert_eq!(printed(command), b"");
            has(&here, Path::new(name).file_name().unwrap().to_str().unwrap(), &bytes(len));
        }
    }
    assert_same(&server.stop(), b"");
}

#[test]
fn files_of_a_python_server() {
    let root = folder();
    for (args, server_args) in [(&["--plain"][..], &[][..]), (&[], &["--status"])] {
        let server = python_server(&root, &[server_args, &["--clients", "8"]].concat());
        let here = TempDir::new().unwrap();
        for (name, len) in FILES.into_iter().filter(|(_, len)| *len > 0) {
            assert_eq!(called(&here, &server.address_text(), &[args, &[name]].concat()), b"");
            has(&here, Path::new(name).file_name().unwrap().to_str().unwrap(), &bytes(len));
        }
        assert_eq!(names(&here).len(), 8, "there are no others");
        assert_eq!(server.printed(), "");
    }
}

#[test]
fn a_python_server_that_has_no_such_file() {
    let root = folder();
    let here = TempDir::new().unwrap();
    let server = python_server(&root, &["--clients", "2"]);
    for name in ["nothing", "empty"] {
        let said = failure(&call(&here, &server.address_text(), &["--plain", name]));
        assert!(said.ends_with("nothing came: the file is empty, or the server will not send it\n"), "{said}");
    }
    let server = python_server(&root, &["--status"]);
    let said = failure(&call(&here, &server.address_text(), &["nothing"]));
    assert!(said.ends_with("the server says: No such file or directory\n"), "{said}");
    // It takes the request for a name with a zero byte, and goes without a word or with a traceback.
    let server = Server::spawn({
        let mut command = python("getfile_server.py");
        command.arg(root.path());
        command
    });
    let said = failure(&call(&here, &server.address_text(), &["one"]));
    assert!(said.contains("(it may be full, or an old one, which requires --plain)"), "{said}");
    drop(server);
    assert!(names(&here).is_empty(), "nothing is left behind: {:?}", names(&here));
}

#[test]
fn a_transfer_that_was_cut_off_goes_on() {
    let root = folder();
    let here = TempDir::new().unwrap();
    let server = python_server(&root, &["--status", "--cut", "1000000", "--clients", "2"]);
    let said = failure(&call(&here, &server.address_text(), &["long"]));
    let hint = "cut off after 1000000 of 3000001 bytes (1000000 bytes in .long.part; --resume goes on from there)\n";
    assert!(said.ends_with(hint), "{said}");
    assert_eq!(names(&here), [".long.part"]);
    let said = failure(&call(&here, &server.address_text(), &["long", "--resume"]));
    let hint = "cut off after 1000000 of 2000001 bytes (2000000 bytes in .long.part; --resume goes on from there)\n";
    assert!(said.ends_with(hint), "{said}");
    assert_eq!(server.printed(), "");
    // Our server goes on with what another has begun.
    let server = serve(&root, &["-q"]);
    called(&here, &server.address_text(), &["long", "--resume"]);
    has(&here, "long", &bytes(3_000_001));
    assert_eq!(names(&here), ["long"]);
    // It's all there but the name; there is nothing yet; there is more than the file has.
    fs::rename(here.path().join("long"), here.path().join(".long.part")).unwrap();
    called(&here, &server.address_text(), &["long", "--resume"]);
    called(&here, &server.address_text(), &["odd", "--resume"]);
    has(&here, "odd", &bytes(1025));
    fs::write(here.path().join(".one.part"), "too much").unwrap();
    let said = failure(&call(&here, &server.address_text(), &["one", "--resume"]));
    assert!(said.contains("the server says: offset 8 is beyond the end of the file, which has 1 byte"), "{said}");
    assert!(said.ends_with(" (8 bytes in .one.part; without --resume it starts over)\n"), "{said}");
    // Without --resume it begins anew.
    called(&here, &server.address_text(), &["one"]);
    has(&here, "one", &bytes(1));
    for args in [&["one", "--resume", "--plain"][..], &["one", "--resume", "-o", "-"]] {
        assert_eq!(call(&here, &server.address_text(), args).status.code(), Some(2));
    }
}

#[test]
fn an_old_server_that_cuts_off_cannot_be_told_from_one_that_does_not() {
    let root = folder();
    let here = TempDir::new().unwrap();
    let server = python_server(&root, &["--cut", "100"]);
    called(&here, &server.address_text(), &["--plain", "long"]);
    has(&here, "long", &bytes(100));
}

#[test]
fn what_is_there_is_not_replaced_unless_it_is_asked_for() {
    let root = folder();
    let server = serve(&root, &["-q"]);
    let address = server.address_text();
    let here = TempDir::new().unwrap();
    fs::write(here.path().join("one"), "mine").unwrap();
    symlink("nowhere", here.path().join("odd")).unwrap();
    for name in ["one", "odd"] {
        let said = failure(&call(&here, &address, &[name]));
        assert_eq!(said, format!("multiconn: {name} already exists (--force replaces it)\n"));
    }
    assert_eq!(names(&here), ["odd", "one"]);
    has(&here, "one", b"mine");
    called(&here, &address, &["one", "--force"]);
    has(&here, "one", &bytes(1));
    // It's for the same people, also while it's on its way.
    for mode in [0o600, 0o604, 0o755] {
        fs::set_permissions(here.path().join("one"), fs::Permissions::from_mode(mode)).unwrap();
        called(&here, &address, &["one", "--force"]);
        assert_eq!(fs::metadata(here.path().join("one")).unwrap().permissions().mode() & 0o7777, mode);
    }
    let cutting = python_server(&root, &["--status", "--cut", "100"]);
    failure(&call(&here, &cutting.address_text(), &["block", "-f", "-o", "one"]));
    assert_eq!(fs::metadata(here.path().join(".one.part")).unwrap().permissions().mode() & 0o777, 0o600);
    called(&here, &address, &["block", "-f", "--resume", "-o", "one"]);
    has(&here, "one", &bytes(1024));
    assert_eq!(fs::metadata(here.path().join("one")).unwrap().permissions().mode() & 0o777, 0o755);
    called(&here, &address, &["one", "--force"]);
    // A link is replaced, not followed.
    symlink("one", here.path().join("link")).unwrap();
    called(&here, &address, &["block", "-f", "-o", "link"]);
    has(&here, "one", &bytes(1));
    has(&here, "link", &bytes(1024));
    // One that fails leaves what is there.
    failure(&call(&here, &address, &["nothing", "-f", "-o", "one"]));
    has(&here, "one", &bytes(1));
}

#[test]
fn standard_output_that_does_not_block_is_waited_for() {
    let root = folder();
    let server = serve(&root, &["-q"]);
    let (mut reader, writer) = std::io::pipe().unwrap();
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    let mut command = multiconn(&["call", "getfile", &server.address_text(), "long", "-o", "-"]);
    let mut child = command.stdout(writer).spawn().unwrap();
    // The command has our only other end.
    drop(command);
    let mut got = Vec::new();
    reader.read_to_end(&mut got).unwrap();
    assert!(child.wait().unwrap().success());
    assert_same(&got, &bytes(3_000_001));
}

#[test]
fn places_to_put_a_file() {
    let root = folder();
    let server = serve(&root, &["-q"]);
    let address = server.address_text();
    let here = TempDir::new().unwrap();
    fs::create_dir(here.path().join("dir")).unwrap();
    for (name, len) in FILES {
        assert_same(&called(&here, &address, &[name, "-o", "-"]), &bytes(len));
        called(&here, &address, &[name, "-o", "dir"]);
        has(&here, &format!("dir/{}", Path::new(name).file_name().unwrap().to_str().unwrap()), &bytes(len));
    }
    called(&here, &address, &["odd", "-o", "dir/other name"]);
    has(&here, "dir/other name", &bytes(1025));
    called(&here, &address, &["odd", "-o", "/dev/null", "--force"]);
    assert!(!fs::metadata("/dev/null").unwrap().is_file(), "it's still a device");
    for (args, why) in [
        (&["odd", "-o", "nodir/"][..], "multiconn: there is no folder nodir/\n"),
        (&["odd", "-o", "nodir/odd"], "multiconn: cannot write to nodir/odd: no such folder\n"),
        (&["odd", "-o", "dir/odd/x"], "multiconn: cannot write to dir/odd/x: not a directory\n"),
    ] {
        assert_eq!(failure(&call(&here, &address, args)), why);
    }
    for args in [&[".."][..], &["sub/.."], &[""], &["a\nb"]] {
        assert_eq!(call(&here, &address, args).status.code(), Some(2), "{args:?}");
    }
    assert_eq!(names(&here), ["dir"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told() {
    let root = folder();
    let server = serve(&root, &["-q"]);
    let here = TempDir::new().unwrap();
    let said = failure(&call(&here, &server.address_text(), &["long", "-o", "/dev/full"]));
    assert_eq!(said, "multiconn: cannot write to /dev/full: no space left on device\n");
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec \"$@\" > /dev/full", "sh", env!("CARGO_BIN_EXE_multiconn"), "call", "getfile"]);
    shell.args([&server.address_text(), "long", "-o", "-"]);
    assert_eq!(failure(&run(shell)), "multiconn: cannot write to standard output: no space left on device\n");
    // And one that has a limit for files, which is told by a signal unless that's ignored.
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 100; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_multiconn"), "call"]);
    shell.args(["getfile", &server.address_text(), "long"]).current_dir(&here);
    let said = failure(&run(shell));
    assert!(said.starts_with("multiconn: cannot write to .long.part: file too large ("), "{said}");
    let kept = fs::metadata(here.path().join(".long.part")).unwrap().len();
    assert!(said.ends_with(&format!("({kept} bytes in .long.part; --resume goes on from there)\n")), "{said}");
    called(&here, &server.address_text(), &["long", "--resume"]);
    has(&here, "long", &bytes(3_000_001));
}

#[test]
fn a_folder_that_cannot_be_written_to() {
    if rustix::process::geteuid().is_root() {
        return println!("the superuser may write anywhere, so this is skipped");
    }
    let root = folder();
    let server = serve(&root, &["-q"]);
    let here = TempDir::new().unwrap();
    fs::set_permissions(here.path(), fs::Permissions::from_mode(0o500)).unwrap();
    let said = failure(&call(&here, &server.address_text(), &["one"]));
    assert_eq!(said, "multiconn: cannot write to .one.part: permission denied\n");
}

#[test]
fn two_downloads_to_the_same_name() {
    let root = folder();
    // The first is at work on it as long as its server says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let here = TempDir::new().unwrap();
    let mut first = multiconn(&["call", "getfile", &address, "one"]);
    let first = first.current_dir(&here).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let (mut stream, _) = silent.accept().unwrap();
    expect(&mut stream, b"\x000 one\n");
    let server = serve(&root, &["-q"]);
    for args in [&["one"][..], &["one", "--force"], &["one", "--resume"]] {
        let said = failure(&call(&here, &server.address_text(), args));
        assert_eq!(said, "multiconn: one is being received already\n");
    }
    // Somebody else makes a file of that name meanwhile.
    fs::write(here.path().join("one"), "mine").unwrap();
    stream.write_all(b"OK 3\nabc").unwrap();
    let output = first.wait_with_output().unwrap();
    let said = failure(&output);
    let why = "multiconn: cannot rename .one.part to one: a file of that name exists by now (--force replaces it)\n";
    assert_eq!(said, why);
    has(&here, "one", b"mine");
    has(&here, ".one.part", b"abc");
    fs::remove_file(here.path().join("one")).unwrap();
    fs::remove_file(here.path().join(".one.part")).unwrap();
    // Many at once: each gets it or is told, and it's whole from the first that does.
    let address = server.address_text();
    for _ in 0..5 {
        let wins = thread::scope(|scope| {
            let calls: Vec<_> =
                (0..4).map(|_| scope.spawn(|| call(&here, &address, &["long"]).status.success())).collect();
            calls.into_iter().map(|call| call.join().unwrap()).filter(|&wins| wins).count()
        });
        assert!(wins >= 1);
        has(&here, "long", &bytes(3_000_001));
        assert_eq!(names(&here), ["long"]);
        fs::remove_file(here.path().join("long")).unwrap();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_link_under_the_name_of_the_part_is_not_followed() {
    let root = folder();
    let server = serve(&root, &["-q"]);
    let here = TempDir::new().unwrap();
    fs::write(here.path().join("precious"), "precious").unwrap();
    symlink("precious", here.path().join(".one.part")).unwrap();
    mkfifoat(CWD, here.path().join(".odd.part"), Mode::RWXU).unwrap();
    fs::create_dir(here.path().join(".long.part")).unwrap();
    for name in ["one", "odd", "long"] {
        let said = failure(&call(&here, &server.address_text(), &[name]));
        assert!(said.starts_with(&format!("multiconn: cannot write to .{name}.part: ")), "{said}");
    }
    has(&here, "precious", b"precious");
}

fn ask(server: &Server, request: &[u8]) -> TcpStream {
    let mut peer = server.connect();
    peer.write_all(request).unwrap();
    peer
}

#[test]
fn requests_in_pieces_and_requests_that_are_none() {
    let root = folder();
    let server = serve(&root, &["--idle-timeout", "300ms", "--request-timeout", "300ms"]);
    let mut peer = server.connect();
    for byte in b"\x003 block\n" {
        peer.write_all(&[*byte]).unwrap();
    }
    expect_last(&mut peer, &[b"OK 1024\n", &bytes(1024)[3..]].concat());
    // More than a request is not looked at, and spoils nothing.
    expect_last(&mut ask(&server, &[&b"block\n"[..], &[b'x'; 100_000]].concat()), &bytes(1024));
    let mut peer = ask(&server, b"block");
    peer.shutdown(Shutdown::Write).unwrap();
    expect_last(&mut peer, &bytes(1024));
    expect_last(&mut server.connect(), b"");
    server.wait_for_log("idle for 300ms");
    expect_last(&mut ask(&server, b"half"), b"");
    server.wait_for_log("timed out after 300ms, 4 bytes into the request");
    expect_last(&mut ask(&server, b"\0half"), b"ERROR timed out after 300ms, 5 bytes into the request\n");
    expect_last(&mut ask(&server, &[b'x'; 100_000]), b"");
    server.wait_for_log("the request is over the limit of 4128 bytes");
    expect_last(&mut ask(&server, &[0; 100_000]), b"ERROR the request is over the limit of 4128 bytes\n");
    expect_last(&mut ask(&server, b"GET / HTTP/1.1\r\nHost: example.invalid\r\n\r\n"), b"");
    server.wait_for_log(r"cannot send 'GET / HTTP/1.1\r': no such file");
    // Peers that leave in the middle of it.
    for _ in 0..20 {
        let mut peer = ask(&server, b"long\n");
        expect(&mut peer, &bytes(10));
        SockRef::from(&peer).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    }
    for _ in 0..20 {
        drop(ask(&server, b"long\n"));
    }
    expect_last(&mut ask(&server, b"block\n"), &bytes(1024));
    server.stop();
}

#[test]
fn what_may_not_be_read_is_told_to_who_asks_for_a_status() {
    let root = folder();
    fs::create_dir(root.path().join(".ssh")).unwrap();
    fs::write(root.path().join(".ssh/id"), "hidden").unwrap();
    fs::write(root.path().join("locked"), "locked").unwrap();
    fs::set_permissions(root.path().join("locked"), fs::Permissions::from_mode(0o000)).unwrap();
    let server = serve(&root, &[]);
    let here = TempDir::new().unwrap();
    let mut cases =
        vec![("nothing", "no such file"), ("sub", "not a regular file"), (".ssh/id", "hidden files are not served")];
    cases.extend([("../x", "it leads out of the served folder"), ("/etc/passwd", "it leads out of the served folder")]);
    if !rustix::process::geteuid().is_root() {
        cases.push(("locked", "permission denied"));
    }
    for (path, why) in cases {
        let said = failure(&call(&here, &server.address_text(), &[path]));
        assert!(said.ends_with(&format!(" failed: the server says: {why}\n")), "{said}");
        let named = format!("multiconn: getting '{path}' from {} failed: ", server.address());
        assert!(said.starts_with(&named), "{said}");
        let said = failure(&call(&here, &server.address_text(), &["--plain", path]));
        assert!(said.starts_with(&named), "{said}");
        assert!(said.ends_with("nothing came: the file is empty, or the server will not send it\n"), "{said}");
        server.wait_for_log(&format!("cannot send '{path}': {why}"));
    }
    assert!(names(&here).is_empty());
    server.stop();
    let server = serve(&root, &["--hidden", "-q"]);
    assert_same(&called(&here, &server.address_text(), &[".ssh/id", "-o", "-"]), b"hidden");
    let output = run(multiconn(&["serve", "getfile", "0", "--root", "/no/such/folder"]));
    assert_eq!(failure(&output), "multiconn: cannot serve the folder /no/such/folder: no such folder\n");
}

#[test]
fn a_server_that_means_no_good() {
    let here = TempDir::new().unwrap();
    for (reply, why) in [
        (&b"OK 5\nhello and more"[..], "received more than the announced 5 bytes"),
        (b"OK 99\nhello", "cut off after 5 of 99 bytes (5 bytes in .x.part; --resume goes on from there)"),
        (b"OK five\n", "not a file server's answer: 'OK five' (an old server requires --plain)"),
        (b"\x1b[2J\n", r"not a file server's answer: '\x1b[2J' (an old server requires --plain)"),
        (b"ERROR \x1b[2J\n", r"the server says: \u{1b}[2J"),
        (b"ERROR \xe2\x80\xaexe\xe2\x80\xa8y\n", r"the server says: \u{202e}xe\u{2028}y"),
        (b"OK", "not a file server's answer: 'OK' (an old server requires --plain)"),
        (
            b"OK 18446744073709551615\nx",
            "cut off after 1 of 18446744073709551615 bytes (1 byte in .x.part; --resume goes on from there)",
        ),
    ] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let output = thread::scope(|scope| {
            let output = scope.spawn(|| call(&here, &address, &["x"]));
            let (mut stream, _) = listener.accept().unwrap();
            expect(&mut stream, b"\x000 x\n");
            stream.write_all(reply).unwrap();
            drop(stream);
            output.join().unwrap()
        });
        let said = failure(&output);
        assert!(said.ends_with(&format!(" failed: {why}\n")), "{said}");
        assert!(names(&here).iter().all(|name| name == ".x.part"), "{:?}", names(&here));
    }
    // One that says a word, or half of one, and no more.
    for reply in ["", "OK", "OK 5\nhel"] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let output = thread::scope(|scope| {
            let output = scope.spawn(|| call(&here, &address, &["x", "--timeout", "200ms"]));
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(reply.as_bytes()).unwrap();
            to_end(&mut stream);
            output.join().unwrap()
        });
        let said = failure(&output);
        assert!(said.contains(" failed: timed out: nothing came for 200ms, after "), "{said}");
    }
}
