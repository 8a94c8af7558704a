//! Messages of the framed protocol, requests and replies: valid ones, and those with one mistake.

use serde_json::{Value, json};

use crate::selector::sim::Random;

/// Draws the requests of one client.
pub fn draw(random: &mut Random) -> Vec<Vec<u8>> {
    let count = *random.pick(&[1, 1, 1, 2, 3, 5, 12, 40]);
    draw_messages(count, Message::request, random)
}

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
    byteorder: Value,
    kind: &'static str,
    encoding: &'static str,
    /// The announced length, if it isn't that of the content.
    announced: Option<Value>,
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
                let len = *random.pick(&[0, 1, 9, 10, 11, 300, 20_000]);
                let kind = *random.pick(&["binary/custom-client-binary-type", "text/html", ""]);
                let mut content = b"abcdefghij\0\xff".repeat(len / 12 + 1);
                content.truncate(len);
                (kind, "binary", content)
            }
            1 => {
                let len = random.below(9);
                ("binary/i32", "binary", (0..4 * len).map(|_| random.next().to_le_bytes()[0]).collect())
            }
            _ => {
                let encoding = *random.pick(&["utf-8", "utf-8", "utf-8", "utf-16-le", "utf-16-be", "latin-1", "ascii"]);
                ("text/json", encoding, encode(&text(random), encoding))
            }
        };
        Self::valid(kind, encoding, content).varied(random)
    }

    fn reply(random: &mut Random) -> Self {
        let (kind, encoding, content) = match random.below(8) {
            0 => {
                let content = b"First 10 bytes of request: ".repeat(*random.pick(&[0, 1, 1, 300, 4_000]));
                ("binary/custom-server-binary-type", "binary", content)
            }
            1 => {
                let len = *random.pick(&[8, 8, 8, 8, 8, 0, 7, 9]);
                ("binary/i64", "binary", (0..len).map(|_| random.next().to_le_bytes()[0]).collect())
            }
            _ => {
                let encoding = *random.pick(&["utf-8", "utf-8", "utf-8", "utf-16-le", "utf-16-be", "latin-1", "ascii"]);
                let result = *random.pick(&["Follow the white rabbit. \u{1f430}", "Error: no", "\"a\\b\n", ""]);
                let result = result.repeat(*random.pick(&[1, 1, 1, 1, 300]));
                ("text/json", encoding, encode(&json!({ "result": result }).to_string(), encoding))
            }
        };
        Self::valid(kind, encoding, content).varied(random)
    }

    fn valid(kind: &'static str, encoding: &'static str, content: Vec<u8>) -> Self {
        Message {
            byteorder: json!("little"),
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
        let byteorder = json!(*random.pick(&["little", "big"]));
        let spaces = if random.once_in(10) { random.below(200) } else { 0 };
        Message { byteorder, spaces, ..self }
    }

    /// Makes one mistake: in a length, a key, the encoding, the nesting or the content.
    fn mistake(&mut self, random: &mut Random) {
        let keys = ["byteorder", "content-type", "content-encoding", "content-length"];
        match random.below(9) {
            0 => self.without = Some(*random.pick(&keys)),
            1 => self.byteorder = random.pick(&[json!("middle"), json!(1), json!(null)]).clone(),
            2 => {
                let lengths = [json!(-1), json!(1.5), json!("7"), json!(null), json!(u64::MAX), json!(1 << 30)];
                self.announced = Some(random.pick(&lengths).clone());
            }
            3 => self.announced = Some(json!(self.content.len().saturating_sub(1))),
            4 => self.announced = Some(json!(self.content.len() + 1)),
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

    fn bytes(&self) -> Vec<u8> {
        let announced = self.announced.clone().unwrap_or_else(|| json!(self.content.len()));
        let mut keys = vec![
            ("byteorder", self.byteorder.clone()),
            ("content-type", json!(self.kind)),
            ("content-encoding", json!(self.encoding)),
            ("content-length", announced),
        ];
        if self.keeps {
            keys.push(("connection", json!("keep-alive")));
        }
        keys.retain(|(key, _)| Some(*key) != self.without);
        let keys: Vec<String> = keys.iter().map(|(key, value)| format!("\"{key}\": {value}")).collect();
        let header = format!("{{{}{}}}", keys.join(", "), " ".repeat(self.spaces));
        let len = self.protoheader.unwrap_or_else(|| u16::try_from(header.len()).expect("a short header"));
        [&len.to_be_bytes(), header.as_bytes(), &self.content].concat()
    }
}

/// The JSON text of a request.
fn text(random: &mut Random) -> String {
    let value = *random.pick(&["morpheus", "ring", "Neo", "\"quoted\"", "a\\b", "line\nend", "caf\u{e9}", ""]);
    match random.below(8) {
        0 => json!({ "action": *random.pick(&["find", "", "Search"]), "value": value }).to_string(),
        1 => random.pick(&["{}", r#"{"action": null}"#, r#"{"action": true}"#, r#"{"action": -12}"#]).to_string(),
        2 => format!(r#"{{"value" : {} , "action":"\u0073earch"}}"#, json!(value)),
        3 => json!({ "action": "search", "value": value.repeat(random.below(400)) }).to_string(),
        _ => format!(r#"{{"action": "search", "value": {}}}"#, json!(value)),
    }
}

fn encode(text: &str, encoding: &str) -> Vec<u8> {
    match encoding {
        "utf-16-le" => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        "utf-16-be" => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        "latin-1" | "ascii" => text.chars().map(|char| u8::try_from(u32::from(char)).unwrap_or(b'?')).collect(),
        _ => text.as_bytes().to_vec(),
    }
}
