//! `--explain` draws a conversation, `--step` and `--pieces` slow it down, and the demo fits a screen at a time.

#[path = "common/mod.rs"]
mod common;

use std::io::Write;
use std::process::{Command, Stdio};

use common::{MODELS, RABBIT, RING, Server, expect_last, multiconn, printed, python, result, run, search, text};
use unicode_width::UnicodeWidthStr;

/// The position of each of `words` in `drawn`, which has them in this order.
fn in_order(drawn: &str, words: &[&str]) {
    let mut from = 0;
    for word in words {
        match drawn[from..].find(word) {
            Some(at) => from += at + word.len(),
            None => panic!("no '{word}' in its place in\n{drawn}"),
        }
    }
}

fn fits(drawn: &str) {
    for line in drawn.lines() {
        assert!(line.width() <= 80, "{} columns: {line}", line.width());
    }
}

/// The program's standard output on a terminal.
fn on_terminal(variables: &[(&str, &str)], args: &[&str]) -> String {
    let mut command = python("terminal.py");
    for name in ["RUST_LOG", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI"] {
        command.env_remove(name);
    }
    command.env("TERM", "xterm-256color").envs(variables.iter().copied());
    command.arg("--stdout").arg(env!("CARGO_BIN_EXE_multiconn")).args(args);
    text(&printed(command)).replace('\r', "")
}

/// Runs the program on a terminal without colours, and presses Enter at the first `times` prompts.
fn typed(times: usize, prompt: &str, args: &[&str]) -> String {
    let mut command = python("typist.py");
    command.env("NO_COLOR", "1");
    command.args(vec!["--keys=\n"; times]).arg(prompt).arg(env!("CARGO_BIN_EXE_multiconn")).args(args);
    text(&printed(command)).replace('\r', "")
}

#[test]
fn a_call_is_drawn_step_by_step() {
    let server = Server::start(&["app", "0", "-q"]);
    let address = server.address_text();
    let drawn = text(&printed(multiconn(&["call", "app", &address, "search", "morpheus", "--explain"])));
    let (request, reply) = (search("morpheus").len(), result(RABBIT).len());
    in_order(
        &drawn,
        &[
            &format!("connecting to {address}\n"),
            "connection: connecting --[ connected ]--> receiving\n",
            &format!("-> sent {request} bytes\n"),
            "protoheader: 2 bytes\n0000  00 67                                            .g\n",
            "      00 67 = 103, the length of the JSON header\n",
            "JSON header: 103 bytes\n0002  7b 22 62 79 74 65 6f 72 64 65 72 22 3a 20 22 6c  {\"byteorder\": \"l\n",
            "      {\"byteorder\": \"little\", \"content-type\": \"text/json\", \"content-encoding\":\n",
            "content: 41 bytes\n",
            "      {\"action\": \"search\", \"value\": \"morpheus\"}\n",
            "connection: receiving --[ request read ]--> responding\n",
            "receiving: waits for input or room: idle\n",
            " later: readable",
            &format!("<- received {reply} bytes\n"),
            "protoheader: 2 bytes\n",
            &format!("      {{\"result\": \"{RABBIT}\"}}\n"),
            "message: idle --[ first byte ]--> protoheader\n",
            "message: content --[ content read ]--> idle\n",
        ],
    );
    assert!(drawn.ends_with(&format!("\nclosed: finished\n{RABBIT}\n")), "the answer is last: {drawn}");
    assert!(!drawn.contains('\u{1b}'), "{drawn}");
    fits(&drawn);
}

#[test]
fn an_answer_follows_the_drawing_of_its_arrival() {
    let server = Server::start(&["app", "0", "-q"]);
    let call = ["call", "app", &server.address_text(), "--explain"];
    let requests = ["--type", "text/json", "search", "ring", "dance", "now", "search", "morpheus"];
    let output = run(multiconn(&[&call[..], &requests].concat()));
    let waits = "receiving: waits for input or room: idle\n";
    in_order(
        &text(&output.stdout),
        &[
            "-> sent ",
            waits,
            "<- received ",
            "-> sent ",
            &format!("{waits}{RING}\n"),
            waits,
            "closed: finished\n",
            RABBIT,
        ],
    );
    let said = text(&output.stderr);
    assert!(said.contains("request 2: ") && said.ends_with("multiconn: 1 of 3 requests failed\n"), "{said}");

    // At a prompt, it stands between the drawing and the next prompt, each on a line of its own.
    let prompt = "action and value: ";
    for end in ["\n", "\u{4}"] {
        let mut command = python("typist.py");
        command.env("NO_COLOR", "1").args(["--keys=search ring\n", &format!("--keys={end}"), prompt]);
        command.arg(env!("CARGO_BIN_EXE_multiconn")).args(call);
        let shown = text(&printed(command)).replace('\r', "");
        in_order(
            &shown,
            &[
                &format!("interest: w (writable) -> r (readable)\n{prompt}search ring\n"),
                "<- received ",
                &format!("waits for input: idle\n{RING}\n{prompt}\n"),
                "closed: ",
            ],
        );
        let begins_lines = |words: &str| shown.matches(words).count() == shown.matches(&format!("\n{words}")).count();
        assert!(begins_lines("closed: ") && begins_lines("connection: ") && begins_lines("…"), "{shown}");
    }
}

#[test]
fn a_request_goes_in_pieces_and_a_server_shows_what_is_missing() {
    let server = Server::start(&["app", "0", "--explain"]);
    let address = server.address_text();
    let mut call = multiconn(&["call", "app", &address, "search", "ring", "--pieces", "3", "--pause", "200ms"]);
    call.arg("--explain");
    let drawn = text(&printed(call));
    let len = search("ring").len();
    let piece = len / 3;
    in_order(&drawn, &[&format!("-> sent {piece} bytes\n"), "JSON header: bytes 1 to ", "-> sent ", "-> sent "]);
    assert_eq!(drawn.matches("-> sent ").count(), 3, "{drawn}");
    // Another client comes between.
    let mut other = server.connect();
    let port = other.local_addr().unwrap().port();
    other.write_all(b"\0\0").unwrap();
    expect_last(&mut other, &result("Error: the header length is zero"));
    server.signal(rustix::process::Signal::TERM);
    let shown = text(&server.printed_bytes());
    in_order(
        &shown,
        &[
            "│ accepted: 127.0.0.1:",
            &format!("│ <- received {piece} bytes\n"),
            &format!("│ JSON header: bytes 1 to {} of 103\n", piece - 2),
            "│ message: protoheader --[ protoheader read ]--> JSON header\n",
            &format!("│ receiving: waits for input: {} of 103 bytes of the JSON header\n", piece - 2),
            " ms later: readable\n",
            "│ -> sent 165 bytes\n",
            &format!("      {{\"result\": \"{RING}\"}}\n"),
            "│ connection: responding --[ last reply ]--> draining\n",
            "│ closed: finished\n",
            &format!("{port:>5}│ accepted: 127.0.0.1:{port} has connected\n"),
            &format!("{port:>5}│ message: protoheader --[ violation ]--> failed\n"),
            "stopping: accepts no more connections",
        ],
    );
    fits(&shown);
}

#[test]
fn a_server_is_drawn_under_every_model() {
    for model in MODELS {
        let server = Server::start(&[&["app", "0", "--explain"][..], model].concat());
        let ports = ["ring", "morpheus"].map(|value| {
            let mut peer = server.connect();
            peer.write_all(&search(value)).unwrap();
            let expected = if value == "ring" { RING } else { RABBIT };
            expect_last(&mut peer, &result(expected));
            peer.local_addr().unwrap().port()
        });
        server.signal(rustix::process::Signal::TERM);
        let shown = text(&server.printed_bytes());
        for (port, value) in ports.iter().zip(["ring", "morpheus"]) {
            let margin = format!("{port:>5}│ ");
            let own: String =
                shown.lines().filter_map(|line| line.strip_prefix(&margin)).map(|line| format!("{line}\n")).collect();
            in_order(
                &own,
                &["accepted: ", "<- received ", &format!("\"value\": \"{value}\"}}"), "-> sent ", "closed: finished"],
            );
        }
    }
}

#[test]
fn a_reader_that_leaves_ends_a_drawing_without_a_word() {
    let server = Server::start(&["app", "0", "-q"]);
    let address = server.address_text();
    for args in [&["call", "app", &address, "search", "ring", "--explain"][..], &["demo"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = multiconn(args);
        let child = command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()), "{args:?}");
    }
    // A reader that has had enough.
    let mut shell = Command::new("bash");
    shell.args(["-c", "set -o pipefail; \"$0\" demo | head -n 3", env!("CARGO_BIN_EXE_multiconn")]);
    assert_eq!(text(&printed(shell)).lines().count(), 3);
}

#[test]
fn colours_are_for_terminals_of_those_who_want_them() {
    let server = Server::start(&["app", "0", "-q"]);
    let address = server.address_text();
    for args in [&["call", "app", &address, "search", "ring", "--explain"][..], &["demo"]] {
        assert!(on_terminal(&[], args).contains("\u{1b}["), "{args:?}");
        for variable in [("NO_COLOR", "1"), ("TERM", "dumb")] {
            let plain = on_terminal(&[variable], args);
            assert!(plain.contains(RING) && !plain.contains('\u{1b}'), "{args:?}: {plain}");
            fits(&plain);
        }
    }
}

#[test]
fn enter_goes_on_to_the_next_step() {
    let server = Server::start(&["app", "0", "-q"]);
    let prompt = "-- Enter: next step --";
    let call = ["call", "app", &server.address_text(), "search", "ring", "--explain", "--step", "--pieces", "2"];
    let shown = typed(20, prompt, &call);
    in_order(
        &shown,
        &["waits", prompt, "-> sent ", "waits for input", prompt, "-> sent ", prompt, "<- received ", RING],
    );
    // Without a terminal there are no prompts, and the steps end with the input.
    let mut call = multiconn(&call);
    call.stdin(Stdio::null());
    let straight = text(&printed(call));
    assert!(!straight.contains(prompt) && straight.contains(&format!("\n{RING}\n")), "{straight}");
    // A step without a drawing, or a pause without pieces, means nothing.
    for args in [&["--step"][..], &["--pause", "1s"], &["--pieces", "0"]] {
        let refused = run(multiconn(&[&["call", "app", "0", "search", "ring"], args].concat()));
        assert_eq!(refused.status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn the_demo_fits_a_screen_at_a_time() {
    let prompt = "-- Enter: next --";
    let shown = typed(20, prompt, &["demo"]);
    let screens: Vec<&str> = shown.split(prompt).collect();
    assert!(screens.len() >= 6, "{} screens: {shown}", screens.len());
    for screen in &screens {
        // Enter's own line end comes first.
        assert!(screen.trim_start_matches('\n').lines().count() < 24, "{screen}");
        fits(screen);
    }
    in_order(
        &shown,
        &["$ multiconn call echo ", prompt, "$ multiconn call app ", RABBIT, prompt, RING, prompt, "binary"],
    );
}
