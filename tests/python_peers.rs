//! Python programs in the manner of the tutorial's on the other side: what they send is understood, and what they get is
//! right to the byte.

mod common;

use std::fmt::Write;
use std::sync::Arc;

use common::*;
use multiconn::client::converse;
use multiconn::message::{ByteOrder, Encoding};
use multiconn::protocols::echo::EchoClient;
use multiconn::session::End;

/// The Python client's replies from the server at its default settings, as the bytes of each.
fn python_asks(args: &[&str], words: &[&str]) -> Vec<Vec<u8>> {
    python_asks_with(&[], args, words)
}

fn python_asks_with(server_args: &[&str], args: &[&str], words: &[&str]) -> Vec<Vec<u8>> {
    let server = Server::start(&[&["app", "0"], server_args].concat());
    let hexadecimal = text(&printed(app_client(&server, &[&["--hex"], args].concat(), words)));
    hexadecimal.lines().map(unhex).collect()
}

fn app_client(server: &Server, args: &[&str], words: &[&str]) -> std::process::Command {
    let address = server.address();
    let mut command = python("app_client.py");
    command.args(args).arg(address.ip().to_string()).arg(address.port().to_string()).args(words);
    command
}

fn unhex(line: &str) -> Vec<u8> {
    let digits = line.as_bytes().chunks(2).map(|pair| str::from_utf8(pair).unwrap());
    digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn assert_replies(got: &[Vec<u8>], expected: &[Vec<u8>]) {
    for (got, expected) in got.iter().zip(expected) {
        assert_same(got, expected);
    }
    assert_eq!(got.len(), expected.len());
}

#[test]
fn the_reply_in_the_description_of_the_wire() {
    let got = python_asks(&[], &["search", "morpheus"]);
    let little = concat!(
        "\0g{\"byteorder\": \"little\", \"content-type\": \"text/json\", \"content-encoding\": \"utf-8\", ",
        "\"content-length\": 43}{\"result\": \"Follow the white rabbit. 🐰\"}"
    );
    let expected =
        if cfg!(target_endian = "big") { little.replace("little", "big").replacen('g', "d", 1) } else { little.into() };
    assert_replies(&got, &[expected.into_bytes()]);
}

#[test]
fn a_python_client_gets_its_replies_each_on_a_connection_of_its_own() {
    let words = [
        ["search", "morpheus"],
        ["search", "ring"],
        ["search", "🐶"],
        ["search", "neo"],
        ["search", ""],
        ["search", "it's \"a\\b\"\n"],
        ["take", "the red pill"],
        ["🐶", "🐱🐭"],
        ["double", ""],
        ["", ""],
    ]
    .concat();
    let expected = [
        result(RABBIT),
        result(RING),
        result(DOG),
        result("No match for 'neo'."),
        result("No match for ''."),
        result("No match for 'it's \"a\\b\"\n'."),
        first_ten_of(b"takethe red pill"),
        // Ten bytes are two and a half of the three characters.
        first_ten_of("🐶🐱🐭".as_bytes()),
        first_ten_of(b"double"),
        first_ten_of(b""),
    ];
    assert_replies(&python_asks(&[], &words), &expected);
    // And what the client makes of them.
    let server = Server::start(&["app", "0"]);
    let shown = text(&printed(app_client(&server, &[], &["search", "ring", "🐶", "🐱", "sum", "1,-2,2147483647"])));
    assert_eq!(
        shown,
        format!("{RING}\nb'First 10 bytes of request: \\xf0\\x9f\\x90\\xb6\\xf0\\x9f\\x90\\xb1'\n2147483646\n")
    );
}

#[test]
fn a_python_client_asks_in_any_encoding() {
    for encoding in ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf_8", "utf-8-sig", "U8"] {
        let got = python_asks(&["--encoding", encoding], &["search", "🐶", "search", "ж"]);
        assert_replies(&got, &[result(DOG), result("No match for 'ж'.")]);
    }
    for (encoding, value) in
        [("latin-1", "é\u{85}"), ("cp1252", "€"), ("ascii", "e"), ("shift_jis", "犬"), ("iso8859_15", "€")]
    {
        let got = python_asks(&["--encoding", encoding], &["search", value, "search", "ring"]);
        assert_replies(&got, &[result(&format!("No match for '{value}'.")), result(RING)]);
    }
}

#[test]
fn every_text_encoding_of_python_is_known_or_listed_as_unknown() {
    let docs = include_str!("../docs/protocols.md");
    let listed =
        docs.split_once("Python's other encodings are unknown").expect("the list").1.split_once("\n\n").unwrap().0;
    let unknown: Vec<&str> = listed.split('`').skip(1).step_by(2).collect();
    let mut command = python("codec_names.py");
    command.env("PYTHONUTF8", "1");
    let table = text(&printed(command));
    let mut found = Vec::new();
    for line in table.lines() {
        let [name, codec, encoded, decoded, bytes] =
            line.split('\t').collect::<Vec<_>>().try_into().expect("five fields");
        let encoding = Encoding::for_name(name);
        if unknown.contains(&codec) {
            assert_eq!(encoding, None, "{name} is listed as unknown");
            found.push(codec);
            continue;
        }
        let encoding = encoding.unwrap_or_else(|| panic!("{name} ({codec}) is unknown, and not listed"));
        assert_eq!(Some(encoding), Encoding::for_name(codec), "{name} is {codec}");
        assert_eq!(encoding.decode(&unhex(encoded)).as_deref(), Some(decoded), "{name}");
        match encoding.encode(decoded, ByteOrder::NATIVE) {
            // The registry's encodings read some characters that they don't write.
            None => assert!(matches!(encoding, Encoding::Other(_)), "{name}"),
            // Those for Arabic and Farsi have some characters twice, for either direction of writing.
            Some(written) if codec.starts_with("mac_") => {
                assert_eq!(encoding.decode(&written).as_deref(), Some(decoded), "{name}");
            }
            Some(written) => assert_eq!(written, unhex(encoded), "{name}"),
        }
        if let Encoding::Charmap(_) = encoding {
            let chars = bytes.split(',').map(|code| Some(char::from_u32(code.parse().ok()?).unwrap().to_string()));
            for (byte, char) in (0..=255).zip(chars) {
                assert_eq!(encoding.decode(&[byte]).as_deref(), char.as_deref(), "byte {byte:#x} of {name}");
            }
        }
    }
    assert!(table.lines().count() > 400, "{} names", table.lines().count());
    // Those of Windows are in no other Python.
    let missing = |codec: &&&str| !found.contains(*codec) && !["mbcs", "oem"].contains(*codec);
    assert_eq!(unknown.iter().find(missing), None, "is listed, and not Python's");
}

#[test]
fn values_are_shown_as_python_shows_them() {
    let server = Server::start(&["app", "0", "-q"]);
    let address = server.address();
    let mut command = python("shown_values.py");
    command.arg(address.ip().to_string()).arg(address.port().to_string()).arg("1");
    let shown = text(&printed(command));
    assert!(shown.ends_with(" actions shown alike\n"), "{shown}");
}

#[test]
fn a_python_client_on_a_machine_of_either_byte_order() {
    let words = ["search", "🐶", "swap", "bytes", "sum", "1,-2,70000,-2147483648,-2147483648"];
    let sum = message("binary/i64", "binary", &(70_000_i64 - 1 - (1 << 32)).to_ne_bytes());
    for order in ["big", "little"] {
        let got = python_asks(&["--byteorder", order], &words);
        assert_replies(&got, &[result(DOG), first_ten_of(b"swapbytes"), sum.clone()]);
    }
}

#[test]
fn other_actions_as_json_are_told_to_be_invalid() {
    let got = python_asks(&["--json"], &["dance", "x", "", "x", "🐶", "x"]);
    assert_replies(&got, &["dance", "", "🐶"].map(|action| result(&format!("Error: invalid action '{action}'."))));
}

#[test]
fn many_messages_on_one_connection() {
    let words = ["search", "morpheus", "take", "🐶", "sum", "-7", "search", "", "search", "ring"];
    let kept = |reply: Vec<u8>| {
        let end = reply.iter().position(|&byte| byte == b'}').unwrap();
        framed(&format!("{}, \"connection\": \"keep-alive\"}}", text(&reply[2..end])), &reply[end + 1..])
    };
    let expected = [
        kept_result(RABBIT),
        kept(first_ten_of("take🐶".as_bytes())),
        kept(message("binary/i64", "binary", &(-7_i64).to_ne_bytes())),
        kept_result("No match for ''."),
        result(RING),
    ];
    for args in [&["--keep"][..], &["--pipeline"], &["--keep", "--drip"], &["--pipeline", "--drip"]] {
        assert_replies(&python_asks(args, &words), &expected);
    }
}

#[test]
fn one_byte_with_each_send() {
    let got = python_asks(&["--drip", "--encoding", "utf-16"], &["search", "🐶", "🐶", "🐱🐭"]);
    assert_replies(&got, &[result(DOG), first_ten_of("🐶🐱🐭".as_bytes())]);
}

#[test]
fn long_messages_from_a_python_client() {
    // As long as one argument can be. The replies are longer than what the server lets wait, so it stops reading while they
    // have not been read; the client, where the systems buffer little, begins to read only when it can't send.
    let value = "🐶x".repeat(25_000);
    let words = ["search", value.as_str()].repeat(12);
    let expected = format!("No match for '{value}'.");
    let mut replies = vec![kept_result(&expected); 11];
    replies.push(result(&expected));
    assert_replies(&python_asks(&["--pipeline"], &words), &replies);
    assert_replies(&python_asks(&["--pipeline", "--narrow"], &words), &replies);

    let got = python_asks_with(&["--max-content", "100k"], &["--json"], &["search", &value]);
    let len = json(&[("action", "search"), ("value", &value)]).len();
    assert_replies(&got, &[result(&format!("Error: a content of {len} bytes is over the limit of 102400"))]);
}

#[test]
fn a_python_server_understands_what_is_called() {
    let server = Server::spawn({
        let mut command = python("app_server.py");
        command.args(["--connections", "6"]);
        command
    });
    let ask = |action, value| printed(multiconn(&["-q", "call", "app", &server.address_text(), action, value]));
    assert_eq!(text(&ask("search", "zion")), "The last human city. 🏙\n");
    assert_eq!(text(&ask("search", "🐱")), "🧶 Busy.\n");
    assert_eq!(text(&ask("search", "it's \"a\\b\"\n")), "No match for 'it's \"a\\b\"\n'.\n");
    assert_eq!(text(&ask("search", "")), "No match for ''.\n");
    assert_eq!(ask("🐶", "🐱🐭"), b"First 10 bytes of request: \xf0\x9f\x90\xb6\xf0\x9f\x90\xb1\xf0\x9f");
    assert_eq!(text(&ask("", "")), "First 10 bytes of request: ");
    let binary = |content: &str| message("binary/custom-client-binary-type", "binary", content.as_bytes());
    let expected = [search("zion"), search("🐱"), search("it's \"a\\b\"\n"), search(""), binary("🐶🐱🐭"), binary("")];
    let expected: String = expected.iter().map(|request| hex(request) + "\n").collect();
    assert_eq!(server.printed(), expected);
}

#[test]
fn a_python_server_that_answers_at_length_or_a_byte_at_a_time() {
    let app_server = |args: &[&str]| {
        let mut command = python("app_server.py");
        command.args(args);
        Server::spawn(command)
    };
    let value = "🐶".repeat(30_000);
    let no_match = format!("No match for '{value}'.");
    for (piece, times) in [("65536", 40), ("1", 1)] {
        let value = if times > 1 { &value } else { "🐶" };
        let no_match = if times > 1 { &no_match } else { "No match for '🐶'." };
        let server = app_server(&["--connections", "2", "--piece", piece, "--times", &times.to_string()]);
        let ask = |action, value| printed(multiconn(&["-q", "call", "app", &server.address_text(), action, value]));
        assert_same(&ask("search", value), (no_match.repeat(times) + "\n").as_bytes());
        let binary = b"First 10 bytes of request: \xf0\x9f\x90\xb6\xf0\x9f\x90\xb6\xf0\x9f".repeat(times);
        assert_same(&ask("🐶🐶🐶", "!"), &binary);
        let requests = [search(value), message("binary/custom-client-binary-type", "binary", "🐶🐶🐶!".as_bytes())];
        assert_eq!(server.printed(), requests.map(|request| hex(&request) + "\n").concat());
    }
}

/// What the Python client prints when all has come back; the order is that of the ends.
fn echoed(server_args: &[&str], args: &[&str], connections: usize) -> Vec<String> {
    let server = Server::start(&[&["echo", "0"], server_args].concat());
    let address = server.address();
    let mut command = python("echo_client.py");
    command.args(args).arg(address.ip().to_string()).arg(address.port().to_string()).arg(connections.to_string());
    let mut lines: Vec<String> = text(&printed(command)).lines().map(Into::into).collect();
    lines.sort();
    lines
}

#[test]
fn a_python_echo_client_gets_everything_back() {
    assert_eq!(
        echoed(&[], &[], 3),
        [1, 2, 3].map(|number| format!("Closing connection {number}: {} bytes", "Message 1 from client.".len() * 2))
    );
    let emoji = ["--message", "🐶", "--message", "", "--message", "a\n🐱"];
    assert_eq!(echoed(&[], &emoji, 1), [format!("Closing connection 1: {} bytes", "🐶a\n🐱".len())]);
    assert_eq!(echoed(&[], &["--half-close"], 2).len(), 2);
    assert_eq!(echoed(&[], &["--half-close", "--size", "0"], 1), ["Closing connection 1: 0 bytes"]);
}

#[test]
fn a_python_echo_client_that_reads_only_when_it_cannot_send() {
    let size = "3145729";
    for args in [&[][..], &["--half-close"], &["--narrow"], &["--narrow", "--half-close"]] {
        let args = [&["--size", size], args].concat();
        let expected = [1, 2, 3].map(|number| format!("Closing connection {number}: {size} bytes"));
        assert_eq!(echoed(&[], &args, 3), expected);
    }
    // As little room as can be: every read waits for the write before it.
    let expected = ["Closing connection 1: 200000 bytes", "Closing connection 2: 200000 bytes"];
    assert_eq!(echoed(&["--output-high-water", "1"], &["--size", "200000"], 2), expected);
}

fn call_python_echo(server_args: &[&str], connections: u32, messages: &[&str]) -> (String, String) {
    let connections = connections.to_string();
    let mut command = python("echo_server.py");
    command.args(["--connections", &connections]).args(server_args);
    let server = Server::spawn(command);
    let mut call = multiconn(&["call", "echo", &server.address_text(), "--connections", &connections]);
    for message in messages {
        call.args(["--message", message]);
    }
    (text(&printed(call)), server.printed())
}

#[test]
fn a_python_echo_server_is_called_on_many_connections() {
    let (called, served) = call_python_echo(&[], 5, &[]);
    let lines = (1..=5).map(|number| format!("connection {number}: 44 bytes sent and received\n"));
    assert_eq!(called, lines.collect::<String>() + "5 of 5 connections good, 220 bytes received\n");
    assert_eq!(served, "Closing connection: 44 bytes\n".repeat(5));

    let (called, served) = call_python_echo(&["--piece", "1"], 1, &["🐶", "", "a\n", "🐱"]);
    let line = "connection 1: 10 bytes sent and received\n";
    assert_eq!(called, format!("{line}1 of 1 connections good, 10 bytes received\n"));
    assert_eq!(served, "Closing connection: 10 bytes\n");
}

#[test]
fn a_python_echo_server_that_is_sent_all_that_a_command_line_holds() {
    // As long as an argument can be, and as many as all can be.
    let message = "🐶x".repeat(25_000);
    let messages = vec![message.as_str(); 14];
    let size = message.len() * messages.len();
    for args in [&["--piece", "65536"][..], &["--piece", "65536", "--narrow"]] {
        let (called, served) = call_python_echo(args, 2, &messages);
        let lines = [1, 2].map(|number| format!("connection {number}: {size} bytes sent and received\n"));
        assert_eq!(called, lines.concat() + &format!("2 of 2 connections good, {} bytes received\n", 2 * size));
        assert_eq!(served, format!("Closing connection: {size} bytes\n").repeat(2));
    }
}

#[test]
fn a_message_too_long_for_the_command_line_to_a_python_echo_server_that_sends_before_it_reads() {
    let mut command = python("echo_server.py");
    command.args(["--connections", "2", "--piece", "65536", "--narrow"]);
    let server = Server::spawn(command);
    let message: Vec<u8> = (0..4_000_003_u32).map(|number| (number.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect();
    let messages: Arc<[Vec<u8>]> = Arc::new([b"first".to_vec(), message]);
    let sessions = [(); 2].map(|()| EchoClient::new(Arc::clone(&messages), PATIENCE));
    for conversation in converse(&[server.address()], sessions, PATIENCE).unwrap() {
        assert!(matches!(conversation.end, End::Finished), "{}", conversation.end);
        assert_eq!(conversation.session.received(), 4_000_008);
    }
    assert_eq!(server.printed(), "Closing connection: 4000008 bytes\n".repeat(2));
}
