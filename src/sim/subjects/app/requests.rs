//! Requests of the framed protocol: valid ones, and those with one mistake.

use crate::selector::sim::Random;

/// Draws the requests of one client.
pub fn draw(random: &mut Random) -> Vec<Vec<u8>> {
    let count = *random.pick(&[1, 1, 1, 2, 3, 5, 12, 40]);
    // Some clients have a mistake in one of their requests.
    let wrong = random.once_in(6).then(|| random.below(count));
    let keeps_last = random.once_in(3);
    let request = |index: usize, random: &mut Random| {
        let mut request = Request::drawn(random);
        request.keeps = index + 1 < count || keeps_last;
        if wrong == Some(index) {
            request.mistake(random);
        }
        request.message()
    };
    (0..count).map(|index| request(index, random)).collect()
}

/// A request's parts.
struct Request {
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

impl Request {
    fn drawn(random: &mut Random) -> Self {
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
                ("text/json", encoding, encode(text(random), encoding))
            }
        };
        let byteorder = *random.pick(&[r#""little""#, r#""big""#]);
        Request {
            byteorder,
            kind,
            encoding,
            announced: None,
            content,
            keeps: false,
            without: None,
            protoheader: None,
            spaces: if random.once_in(10) { random.below(200) } else { 0 },
        }
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

    fn message(self) -> Vec<u8> {
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
    let value = *random.pick(&["morpheus", "ring", "Neo", r#"\"quoted\""#, r"a\\b", r"line\nend", "caf\u{e9}", ""]);
    match random.below(8) {
        0 => [r#"{"action":""#, *random.pick(&["find", "", "Search"]), r#"","value":""#, value, "\"}"].concat(),
        1 => random.pick(&["{}", r#"{"action": null}"#, r#"{"action": true}"#, r#"{"action": -12}"#]).to_string(),
        2 => [r#"{"value" : ""#, value, r#"" , "action":"\u0073earch"}"#].concat(),
        3 => [r#"{"action":"search","value":""#, &value.repeat(random.below(400)), "\"}"].concat(),
        _ => [r#"{"action": "search", "value": ""#, value, "\"}"].concat(),
    }
}

fn encode(text: String, encoding: &str) -> Vec<u8> {
    match encoding {
        "utf-16-le" => utf16(&text, u16::to_le_bytes),
        "utf-16-be" => utf16(&text, u16::to_be_bytes),
        "latin-1" | "ascii" => text.chars().map(|char| u8::try_from(u32::from(char)).unwrap_or(b'?')).collect(),
        _ => text.into_bytes(),
    }
}

fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(2 * text.len());
    text.encode_utf16().for_each(|unit| encoded.extend_from_slice(&bytes(unit)));
    encoded
}
