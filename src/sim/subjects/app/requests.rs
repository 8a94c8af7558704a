//! Messages of the framed protocol, requests and replies: valid ones, and those with one mistake.

use super::super::repeated;
use super::{encodings, pick, values};
use crate::selector::sim::Random;

/// Draws the requests of one client.
pub fn draw(random: &mut Random) -> Vec<Vec<u8>> {
    let count = *random.pick(&[1, 1, 1, 2, 2, 3, 4, 6]);
    let count = if random.once_in(60) { 40 } else { count };
    draw_messages(count, Message::request, random)
}

/// The lengths of binary contents, and some that are rare, since each takes as long as many others.
const LENS: [usize; 6] = [0, 1, 9, 10, 11, 300];
const LENS_RARE: [usize; 9] = [20_000, 20_000, 20_000, 20_000, 20_000, 65_535, 65_536, 65_537, 200_000];

/// Draws this number of replies.
pub fn draw_replies(count: usize, random: &mut Random) -> Vec<Vec<u8>> {
    draw_messages(count, Message::reply, random)
}

/// The plainest reply.
pub fn plain_reply() -> Vec<u8> {
    Message::valid("text/json", "utf-8", br#"{"result": "plain"}"#.to_vec()).bytes()
}

fn draw_messages(count: usize, draw: fn(&mut Random) -> Message, random: &mut Random) -> Vec<Vec<u8>> {
    // Some senders make a mistake in one of their messages.
    let wrong = random.once_in(6).then(|| random.below(count.max(1)));
    let keeps_last = random.once_in(3);
    let message = |index: usize, random: &mut Random| {
        let mut message = draw(random);
        message.keeps = index + 1 < count || keeps_last;
        if wrong == Some(index) {
            message.mistake(random);
        }
        message.bytes()
    };
    (0..count).map(|index| message(index, random)).collect()
}

/// A message's parts.
struct Message {
    /// The value of this key as JSON.
    byteorder: &'static str,
    kind: &'static str,
    encoding: &'static str,
    /// The announced length as JSON, if it isn't that of the content.
    announced: Option<String>,
    content: Vec<u8>,
    keeps: bool,
    /// A key that is left out.
    without: Option<&'static str>,
    /// The protoheader, if it isn't the header's length.
    protoheader: Option<u16>,
    spaces: usize,
}

impl Message {
    fn request(random: &mut Random) -> Self {
        let (kind, encoding, content) = match random.below(8) {
            0 => {
                let len = pick(random, &LENS, &LENS_RARE);
                let kind = *random.pick(&["binary/custom-client-binary-type", "text/html", ""]);
                (kind, "binary", repeated(b"abcdefghij\0\xff", len))
            }
            1 => {
                let len = random.below(9);
                ("binary/i32", "binary", (0..4 * len).map(|_| random.next().to_le_bytes()[0]).collect())
            }
            _ => {
                let encoding = encodings::draw(random);
                ("text/json", encoding, encodings::encode(&text(random), encoding, random))
            }
        };
        Self::valid(kind, encoding, content).varied(random)
    }

    fn reply(random: &mut Random) -> Self {
        let (kind, encoding, content) = match random.below(8) {
            0 => {
                let content = b"First 10 bytes of request: ".repeat(*random.pick(&[0, 1, 1, 1, 1, 1, 1, 300]));
                ("binary/custom-server-binary-type", "binary", content)
            }
            1 => {
                let len = *random.pick(&[8, 8, 8, 8, 8, 0, 7, 9]);
                ("binary/i64", "binary", (0..len).map(|_| random.next().to_le_bytes()[0]).collect())
            }
            _ => {
                let encoding = *random.pick(&["utf-8", "utf-8", "utf-8", "utf-16-le", "utf-16-be", "latin-1", "ascii"]);
                // Strings as JSON writes them, between the quotes.
                let result = *random.pick(&["Follow the white rabbit. \u{1f430}", "Error: no", r#"\"a\\b\n"#, ""]);
                let result = result.repeat(if random.once_in(40) { 300 } else { 1 });
                (
                    "text/json",
                    encoding,
                    encodings::encode(&[r#"{"result": ""#, &result, "\"}"].concat(), encoding, random),
                )
            }
        };
        Self::valid(kind, encoding, content).varied(random)
    }

    fn valid(kind: &'static str, encoding: &'static str, content: Vec<u8>) -> Self {
        Message {
            byteorder: r#""little""#,
            kind,
            encoding,
            announced: None,
            content,
            keeps: false,
            without: None,
            protoheader: None,
            spaces: 0,
        }
    }

    /// The same with any byte order, and with spaces in the header.
    fn varied(self, random: &mut Random) -> Self {
        let byteorder = *random.pick(&[r#""little""#, r#""big""#]);
        let spaces = if random.once_in(10) { random.below(200) } else { 0 };
        Message { byteorder, spaces, ..self }
    }

    /// Makes one mistake: in a length, a key, the encoding, the nesting or the content.
    fn mistake(&mut self, random: &mut Random) {
        let keys = ["byteorder", "content-type", "content-encoding", "content-length"];
        match random.below(9) {
            0 => self.without = Some(*random.pick(&keys)),
            1 => self.byteorder = *random.pick(&[r#""middle""#, "1", "null"]),
            2 => {
                let lengths = ["-1", "1.5", r#""7""#, "null", "18446744073709551615", "1073741824"];
                self.announced = Some((*random.pick(&lengths)).to_owned());
            }
            3 => self.announced = Some(self.content.len().saturating_sub(1).to_string()),
            4 => self.announced = Some((self.content.len() + 1).to_string()),
            5 => (self.kind, self.encoding) = ("text/json", random.pick(&["binary", "rot-26"])),
            6 => self.protoheader = Some(*random.pick(&[0, 1, 65_535])),
            7 => {
                let depth = *random.pick(&[1, 3, 65, 127, 128, 200]);
                (self.kind, self.encoding) = ("text/json", "utf-8");
                self.content =
                    [b"{\"action\": ", "[".repeat(depth).as_bytes(), "]".repeat(depth).as_bytes(), b"}"].concat();
            }
            _ => {
                (self.kind, self.encoding) = ("text/json", "utf-8");
                let contents: [&[u8]; 6] =
                    [b"", b"{", b"[]", b"\xff", br#"{"action": "search"}"#, br#"{"action": "search", "value": 7}"#];
                self.content = random.pick(&contents).to_vec();
            }
        }
    }

    fn bytes(self) -> Vec<u8> {
        let announced = self.announced.unwrap_or_else(|| self.content.len().to_string());
        let mut message = Vec::with_capacity(HEAD_LEN_USUAL + self.spaces + self.content.len());
        message.extend_from_slice(&[0; 2]);
        let mut separator = "{\"";
        let mut add = |key: &str, [before, value, after]: [&str; 3]| {
            if self.without != Some(key) {
                for part in [separator, key, before, value, after] {
                    message.extend_from_slice(part.as_bytes());
                }
                separator = ", \"";
            }
        };
        add("byteorder", ["\": ", self.byteorder, ""]);
        add("content-type", ["\": \"", self.kind, "\""]);
        add("content-encoding", ["\": \"", self.encoding, "\""]);
        add("content-length", ["\": ", &announced, ""]);
        if self.keeps {
            add("connection", ["\": \"", "keep-alive", "\""]);
        }
        message.push(b'}');
        message.resize(message.len() + self.spaces, b' ');
        let header_len = u16::try_from(message.len() - 2).expect("a short header");
        message[..2].copy_from_slice(&self.protoheader.unwrap_or(header_len).to_be_bytes());
        message.extend_from_slice(&self.content);
        message
    }
}

/// Most protoheaders and headers together are shorter.
const HEAD_LEN_USUAL: usize = 180;

/// The JSON text of a request.
fn text(random: &mut Random) -> String {
    // Strings as JSON writes them, between the quotes.
    let value = *random.pick(&[
        "morpheus",
        "ring",
        "Neo",
        r#"\"quoted\""#,
        r"a\\b",
        r"line\nend",
        "caf\u{e9}",
        "",
        r"\b\t\f\r\u0001",
        "\u{80}",
        "\u{fffd}",
    ]);
    match random.below(8) {
        0 if random.once_in(4) => values::request(random),
        0 => [r#"{"action":""#, *random.pick(&["find", "", "Search"]), r#"","value":""#, value, "\"}"].concat(),
        1 => random.pick(&["{}", r#"{"action": null}"#, r#"{"action": true}"#, r#"{"action": -12}"#]).to_string(),
        2 => [r#"{"value" : ""#, value, r#"" , "action":"\u0073earch"}"#].concat(),
        3 => {
            let times_max = if random.once_in(10) { 400 } else { 5 };
            [r#"{"action":"search","value":""#, &value.repeat(random.below(times_max)), "\"}"].concat()
        }
        _ => [r#"{"action": "search", "value": ""#, value, "\"}"].concat(),
    }
}
