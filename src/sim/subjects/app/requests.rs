//! Requests of the framed protocol: valid ones, and those with one mistake.

use serde_json::{Value, json};

use super::{encodings, values};
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
                let encoding = encodings::draw(random);
                ("text/json", encoding, encodings::encode(&text(random), encoding, random))
            }
        };
        Request {
            byteorder: json!(*random.pick(&["little", "big"])),
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

    fn message(&self) -> Vec<u8> {
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
        0 if random.once_in(2) => {
            format!(r#"{{"action": {}, "value": {}}}"#, values::draw(random), values::draw(random))
        }
        0 => json!({ "action": *random.pick(&["find", "", "Search"]), "value": value }).to_string(),
        1 => random.pick(&["{}", r#"{"action": null}"#, r#"{"action": true}"#, r#"{"action": -12}"#]).to_string(),
        2 => format!(r#"{{"value" : {} , "action":"\u0073earch"}}"#, json!(value)),
        3 => json!({ "action": "search", "value": value.repeat(random.below(400)) }).to_string(),
        _ => format!(r#"{{"action": "search", "value": {}}}"#, json!(value)),
    }
}
