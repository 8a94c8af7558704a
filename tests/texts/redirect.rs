//! `redirect`: programs whose streams are a connection, with Python on the other side of it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;
use socket2::SockRef;

use super::common::*;

/// One of `redirected.py`'s programs, as arguments.
fn program(words: &[&str]) -> Vec<String> {
    let script = [env!("CARGO_MANIFEST_DIR"), "/tests/peers/redirected.py"].concat();
    ["python3", "-B", &script].iter().chain(words).map(ToString::to_string).collect()
}

fn redirect(options: &[&str], words: &[&str]) -> Command {
    let options = options.iter().map(ToString::to_string);
    let args: Vec<String> =
        ["redirect".into()].into_iter().chain(options).chain(["--".into()]).chain(program(words)).collect();
    let mut command = multiconn(&args);
    // If the user has set it, the buffering that these tests show doesn't happen.
    command.env_remove("PYTHONUNBUFFERED");
    command
}

/// A program that waits for its peer.
fn listening(options: &[&str], words: &[&str]) -> Server {
    Server::spawn(redirect(&[&["--listen", "0"], options].concat(), words))
}

/// Its status in the end, and what was said on standard error.
fn ended(server: Server) -> (Option<i32>, String) {
    let (status, said) = server.ended();
    (status.code(), text(&said))
}

fn silent(status: i32) -> (Option<i32>, String) {
    (Some(status), String::new())
}

fn peer(manner: &str, address: &str) -> Command {
    let mut command = python("redirect_peer.py");
    command.args([manner, address]);
    command
}

fn expect_line(stream: &mut TcpStream, line: &str) {
    expect(stream, format!("{line}\n").as_bytes());
}

/// Closes it so that the peer is told of an error.
fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
}

#[test]
fn a_client_reads_the_lines_of_a_program() {
    for options in [&["--stdout"][..], &["--stdout", "--pty"], &[], &["--pty"]] {
        let server = listening(options, &["leave", "0"]);
        let printed = printed(peer("read_lines", &server.address_text()));
        assert_eq!(text(&printed), "'leaving\\n'\n", "{options:?}");
        assert_eq!(ended(server), silent(0));
    }
}

#[test]
fn a_program_calls_a_server_that_reads_its_lines() {
    for options in [&["--stdout"][..], &["--stdin", "--stdout", "--pty"]] {
        let mut command = python("redirect_peer.py");
        command.arg("read_lines");
        let server = Server::spawn(command);
        let address = server.address_text();
        let output = run(redirect(&[&["--connect", &address], options].concat(), &["leave", "9"]));
        assert_eq!((output.status.code(), text(&output.stdout), text(&output.stderr)), (Some(9), "".into(), "".into()));
        assert_eq!(server.printed(), "'leaving\\n'\n");
    }
}

#[test]
fn a_program_is_asked_line_by_line() {
    for options in [&[][..], &["--pty"]] {
        let server = listening(options, &["upper"]);
        let printed = printed(peer("ask", &server.address_text()));
        // The end of the peer's side is the end of the program's input, and what it says then still arrives.
        assert_eq!(text(&printed), "'FIRST\\n'\n'SECOND\\n'\n'THIRD\\n'\n'the end\\n'\n", "{options:?}");
        assert_eq!(ended(server), silent(0));
    }
}

#[test]
fn with_a_terminal_lines_pass_as_they_are_printed() {
    let server = listening(&["--pty"], &["two_lines"]);
    let printed = printed(peer("answer", &server.address_text()));
    assert_eq!(text(&printed), "'one\\n'\n\"two after 'go on\\\\n'\\n\"\n");
    let (status, said) = ended(server);
    assert_eq!((status, said.as_str()), (Some(0), "one is printed\n"));
}

#[test]
fn without_a_terminal_a_program_holds_its_lines_back() {
    let server = listening(&[], &["two_lines"]);
    let mut stream = server.connect();
    server.wait_for_log("one is printed");
    stream.set_nonblocking(true).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    stream.set_nonblocking(false).unwrap();
    stream.write_all(b"go on\n").unwrap();
    expect_last(&mut stream, b"one\ntwo after 'go on\\n'\n");
    drop(stream);
    assert_eq!(ended(server), silent(0));
}

#[test]
fn a_terminal_is_one_and_controls_the_program() {
    for (options, terminals) in
        [(&["--pty"][..], "True True False"), (&["--pty", "--stdout"], "False True False"), (&[], "False False False")]
    {
        let server = listening(options, &["terminals"]);
        let got = text(&to_end(&mut server.connect()));
        assert!(got.starts_with(&format!("{terminals}\n")), "{got}");
        if options.contains(&"--pty") {
            assert!(
                got.ends_with("controlled by its terminal\nleads its session: True\nin the foreground: True\n"),
                "{got}"
            );
        }
        assert_eq!(ended(server), silent(0));
    }
}

#[test]
fn a_mebibyte_each_way_at_once() {
    for options in [&[][..], &["--pty"]] {
        let server = listening(options, &["copy"]);
        assert_eq!(text(&printed(peer("exchange", &server.address_text()))), "1048576 True\n", "{options:?}");
        assert_eq!(ended(server), silent(0));
    }
}

#[test]
fn any_bytes_pass_and_the_end_lasts() {
    let all: Vec<u8> = (0..=255).cycle().take(70_000).chain([b'x'; 70_000]).collect();
    for options in [&[][..], &["--pty"]] {
        let server = listening(options, &["copy"]);
        let mut stream = server.connect();
        let mut sender = stream.try_clone().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                sender.write_all(&all).unwrap();
                sender.shutdown(Shutdown::Write).unwrap();
            });
            expect_last(&mut stream, &all);
        });
        assert_eq!(ended(server), silent(0));

        let server = listening(options, &["count"]);
        let mut stream = server.connect();
        stream.write_all(b"no end of a line").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        expect_last(&mut stream, b"16\nand again 0\n");
        assert_eq!(ended(server), silent(0));
    }
}

/// A program of which only the input is the peer's. Where it listens is said on standard error.
fn hearing(options: &[&str], words: &[&str]) -> (Child, SocketAddr, BufReader<std::process::ChildStderr>) {
    let mut command = redirect(&[&["--listen", "0", "--stdin"], options].concat(), words);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    let address = line.trim_end().strip_prefix("Listening on ").expect("it says where it listens").parse().unwrap();
    (child, address, said)
}

#[test]
fn only_the_input_may_be_the_peers() {
    for options in [&[][..], &["--pty"]] {
        let (child, address, _said) = hearing(options, &["upper"]);
        assert_eq!(printed(peer("write_lines", &address.to_string())), b"");
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), "LINE 0\nLINE 1\nLINE 2\nthe end\n".into()));
    }
    // Not before the program has ended is the peer told of an end.
    let (child, address, _said) = hearing(&[], &["upper"]);
    let mut stream = connect(address);
    stream.set_nonblocking(true).unwrap();
    stream.write_all(b"x\n").unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    stream.set_nonblocking(false).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    expect_last(&mut stream, b"");
    assert_eq!(text(&child.wait_with_output().unwrap().stdout), "X\nthe end\n");
}

#[test]
fn only_one_peer_is_let_in() {
    let server = listening(&[], &["upper"]);
    let mut stream = server.connect();
    stream.write_all(b"x\n").unwrap();
    expect_line(&mut stream, "X");
    assert_eq!(TcpStream::connect(server.address()).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    stream.shutdown(Shutdown::Write).unwrap();
    expect_last(&mut stream, b"the end\n");
    assert_eq!(ended(server), silent(0));
}

#[test]
fn the_programs_status_is_ours() {
    for options in [&[][..], &["--pty"]] {
        for (words, status) in [(&["leave", "0"][..], 0), (&["leave", "200"], 200), (&["killed"], 137)] {
            let server = listening(options, words);
            let got = text(&to_end(&mut server.connect()));
            assert_eq!(got, if words.len() > 1 { "leaving\n" } else { "" });
            assert_eq!(ended(server), silent(status));
        }
    }
}

#[test]
fn a_program_that_is_none_is_told_and_the_peer_reads_the_end() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let plain = file.path().to_str().unwrap();
    file.as_file().set_permissions(PermissionsExt::from_mode(0o644)).unwrap();
    for (name, status, why) in [
        ("/no/such\tprogram", 127, "cannot find the program '/no/such\\tprogram' (is it in the PATH?)".into()),
        (plain, 126, format!("cannot run the program '{plain}': permission denied")),
    ] {
        for options in [&["--listen", "0"][..], &["--listen", "0", "--pty"]] {
            let server = Server::spawn(multiconn(&[&["redirect"], options, &["--", name]].concat()));
            expect_last(&mut server.connect(), b"");
            assert_eq!(ended(server), (Some(status), format!("multiconn: {why}\n")));
        }
    }
}

#[test]
fn signals_are_the_programs() {
    for options in [&[][..], &["--stdout"], &["--pty"]] {
        for (signal, name) in
            [(Signal::TERM, "SIGTERM"), (Signal::INT, "SIGINT"), (Signal::HUP, "SIGHUP"), (Signal::QUIT, "SIGQUIT")]
        {
            let server = listening(options, &["polite"]);
            let mut stream = server.connect();
            expect_line(&mut stream, "ready");
            server.signal(signal);
            expect_last(&mut stream, format!("told {name}\n").as_bytes());
            drop(stream);
            assert_eq!(ended(server), silent(5));
        }
    }
}

/// As `nohup` and a shell's background jobs have it.
#[test]
fn ignored_signals_end_neither_us_nor_the_program() {
    for options in [&[][..], &["--stdout"], &["--pty"]] {
        let command = redirect(&[&["--listen", "0"], options].concat(), &["ignorant"]);
        let server = Server::spawn(started_with("ignore", "INT,QUIT,HUP", &command));
        // While there is nobody, and then while there is.
        [Signal::INT, Signal::QUIT, Signal::HUP].into_iter().for_each(|signal| server.signal(signal));
        let mut stream = server.connect();
        expect_line(&mut stream, "ignored: SIGHUP SIGINT SIGQUIT");
        [Signal::INT, Signal::QUIT, Signal::HUP].into_iter().for_each(|signal| server.signal(signal));
        server.signal(Signal::TERM);
        expect_last(&mut stream, b"told SIGTERM\n");
        drop(stream);
        assert_eq!(ended(server), silent(5), "{options:?}");
    }
}

#[test]
fn the_programs_end_is_noticed_whatever_signals_were_at_the_start() {
    for (how, names) in [("ignore", "CHLD"), ("block", "CHLD,TERM,INT,HUP,QUIT")] {
        for options in [&[][..], &["--pty"]] {
            let server = Server::spawn(started_with(
                how,
                names,
                &redirect(&[&["--listen", "0"], options].concat(), &["leave", "7"]),
            ));
            expect_last(&mut server.connect(), b"leaving\n");
            assert_eq!(ended(server), silent(7), "{how} {names} {options:?}");
        }
        let server = Server::spawn(started_with(how, names, &redirect(&["--listen", "0"], &["polite"])));
        let mut stream = server.connect();
        expect_line(&mut stream, "ready");
        server.signal(Signal::TERM);
        expect_last(&mut stream, b"told SIGTERM\n");
        drop(stream);
        assert_eq!(ended(server), silent(5));
    }
}

#[test]
fn our_streams_need_not_block() {
    for options in [&[][..], &["--pty"]] {
        let command = redirect(&[&["--listen", "0"], options].concat(), &["copy"]);
        let server = Server::spawn(started_with("nonblocking", "0,1,2", &command));
        assert_eq!(text(&printed(peer("exchange", &server.address_text()))), "1048576 True\n", "{options:?}");
        assert_eq!(ended(server), silent(0), "{options:?}");
    }
}

#[test]
fn a_signal_reaches_a_program_that_has_left_its_group() {
    let server = listening(&[], &["moved"]);
    let mut stream = server.connect();
    expect_line(&mut stream, "ready");
    server.signal(Signal::TERM);
    expect_last(&mut stream, b"told SIGTERM\n");
    drop(stream);
    assert_eq!(ended(server), silent(5));
}

#[test]
fn a_script_without_a_first_line_runs_as_in_a_shell() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("script");
    std::fs::write(&script, "echo \"$# $1\"\nexit 3\n").unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    for options in [&[][..], &["--stdout"], &["--pty"]] {
        let args = [&["redirect", "--listen", "0"], options, &["--", script.to_str().unwrap(), "an argument"]].concat();
        let server = Server::spawn(multiconn(&args));
        expect_last(&mut server.connect(), b"1 an argument\n");
        assert_eq!(ended(server), silent(3), "{options:?}");
    }
}

#[test]
fn a_second_signal_is_the_last() {
    let server = listening(&[], &["stubborn"]);
    let mut stream = server.connect();
    expect_line(&mut stream, "ready");
    server.signal(Signal::TERM);
    expect_line(&mut stream, "no");
    server.signal(Signal::INT);
    expect_last(&mut stream, b"");
    drop(stream);
    assert_eq!(ended(server), silent(137));
}

#[test]
fn ctrl_c_reaches_a_program_once_wherever_it_reads() {
    // In Python a second one would show, as a traceback.
    for options in [&["--stdout"][..], &[], &["--pty"]] {
        let mut command = python("keyboard.py");
        command.arg(env!("CARGO_BIN_EXE_multiconn")).args(["redirect", "--listen", "0"]).args(options);
        command.arg("--").args(program(&["interrupted"]));
        let shown = text(&printed(command));
        let heard = if options.contains(&"--stdout") { "heard 'typed\\n'\n" } else { "" };
        assert_eq!(shown, format!("ready\n{heard}interrupted\nstatus 9\n"), "{options:?}");
    }
}

#[test]
fn who_waits_for_a_peer_ends_at_once() {
    let server = listening(&[], &["upper"]);
    server.signal(Signal::TERM);
    let (status, said) = server.ended();
    assert_eq!((status.code(), text(&said)), (None, String::new()), "the signal has ended it");
}

#[test]
fn a_program_that_listens_to_nobody_holds_nobody_up() {
    let server = listening(&[], &["deaf"]);
    let mut stream = server.connect();
    expect_line(&mut stream, "not listening");
    // Far more than there is room for: it's read and dropped, or this would wait, and the program for us.
    stream.write_all(&vec![b'x'; 8 << 20]).unwrap();
    expect_last(&mut stream, &vec![b'x'; 1 << 20]);
    drop(stream);
    assert_eq!(ended(server), silent(0));
    // What it never asked for does not destroy what it was sent.
    let server = listening(&["--stdout"], &["leave", "0"]);
    let mut stream = server.connect();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    expect_last(&mut stream, b"leaving\n");
    drop(stream);
    assert_eq!(ended(server), silent(0));
}

#[test]
fn a_peer_that_never_stops_sending_holds_nobody_up() {
    let server = listening(&["--stdout"], &["leave", "0"]);
    let mut stream = server.connect();
    let mut sender = stream.try_clone().unwrap();
    std::thread::scope(|scope| {
        // Until nobody reads it any more.
        scope.spawn(move || while sender.write_all(&[b'x'; 1 << 20]).is_ok() {});
        expect_last(&mut stream, b"leaving\n");
        let (status, said) = ended(server);
        assert_eq!((status, said.as_str()), (Some(0), ""));
    });
}

#[test]
fn a_terminal_left_unread_holds_nobody_up() {
    let server =
        Server::spawn(multiconn(&["redirect", "--listen", "0", "--pty", "--", "sh", "-c", "read line; echo done"]));
    let mut stream = server.connect();
    // One line for the program, and far more than there is room for, all sent before anything is read.
    stream.write_all(&[&b"\n"[..], &vec![b'x'; 16 << 20]].concat()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    expect_last(&mut stream, b"done\n");
    assert_eq!(ended(server), silent(0));
}

#[test]
fn a_connection_that_breaks_is_told_of() {
    // Without its line the program is ended by SIGPIPE; on a terminal, by SIGHUP.
    for (options, status) in [(&[][..], 141), (&["--pty"], 129)] {
        let server = listening(options, &["endless"]);
        let mut stream = server.connect();
        expect(&mut stream, &[b'x'; 5000]);
        let address = stream.local_addr().unwrap();
        reset(stream);
        let (got, said) = ended(server);
        assert_eq!(got, Some(status), "{options:?}");
        assert!(said.contains(&format!("multiconn: the connection with {address} broke: ")), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn a_program_that_does_not_mind_a_broken_connection_leaves_it_to_us() {
    let server = listening(&[], &["careless"]);
    let mut stream = server.connect();
    expect_line(&mut stream, "begun");
    let address = stream.local_addr().unwrap();
    reset(stream);
    let (status, said) = ended(server);
    assert_eq!(status, Some(1));
    let why = format!("multiconn: the connection with {address} broke: connection reset by peer\n");
    assert_eq!(said, format!("nobody reads: Broken pipe\n{why}"));
}

#[test]
fn a_peer_that_reads_nothing_is_given_up() {
    let server = listening(&["--write-timeout", "200ms"], &["endless"]);
    let stream = server.connect();
    let address = stream.local_addr().unwrap();
    let (status, said) = ended(server);
    assert_eq!(status, Some(141));
    assert!(
        said.starts_with(&format!("multiconn: the connection with {address} broke: peer read nothing for 200ms; "))
    );
    drop(stream);
}

#[test]
fn what_a_programs_children_write_is_its_output() {
    let server = listening(&[], &["family"]);
    let mut stream = server.connect();
    stream.shutdown(Shutdown::Write).unwrap();
    expect_last(&mut stream, b"the child\n");
    assert_eq!(ended(server), silent(3));
}

#[test]
fn a_call_that_reaches_nobody_starts_nothing() {
    let (_socket, address) = refusing();
    let address = address.to_string();
    let output = run(redirect(&["--connect", &address], &["leave", "0"]));
    let why = format!("multiconn: cannot connect to {address}: connection refused (is a server running there?)\n");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(1), why));
}

#[test]
fn what_is_wrong_with_the_command_line() {
    for (args, words) in [
        (&["--", "true"][..], "--listen <ADDRESS>|--connect <ADDRESS>"),
        (&["--listen", "0", "--connect", "7", "--", "true"], "cannot be used with"),
        (&["--listen", "0"], "<PROGRAM>"),
        (&["--listen", "localhost", "--", "true"], "it has no port"),
    ] {
        let output = run(multiconn(&[&["redirect"], args].concat()));
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains(words), "{}", text(&output.stderr));
    }
}
