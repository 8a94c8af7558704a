//! The framed client as a subject.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::Value;

use super::super::repeated;
use super::json::Json;
use super::reference::{Message, decode, object, take};
use super::{limits, requests};
use crate::message::{ByteOrder, Limits};
use crate::protocols::app::{AppClient, Reply, Request};
use crate::selector::sim::Random;
use crate::session::{ErrorKind, SessionError};
use crate::sim::clients::{ClientSubject, Expected, Then, Verdict};
use crate::sim::subject;

/// The framed client, with limits and a timeout of its own.
#[derive(Clone, Debug)]
pub struct AppClientSubject {
    limits: Limits,
    timeout: Duration,
    byteorder: ByteOrder,
}

impl Default for AppClientSubject {
    fn default() -> Self {
        AppClientSubject { limits: Limits::default(), timeout: Duration::from_secs(10), byteorder: ByteOrder::Little }
    }
}

impl ClientSubject for AppClientSubject {
    type Session = AppClient;
    type Request = Request;
    type Replies = Vec<Reply>;

    fn drawn(&self, random: &mut Random) -> Self {
        let limits = if random.once_in(2) { limits(random) } else { self.limits };
        let timeout = Duration::from_millis(*random.pick(&[50, 1_000, 10_000, 30_000]));
        // The machine's own would make worlds that differ from machine to machine.
        let byteorder = if random.once_in(4) { ByteOrder::Big } else { ByteOrder::Little };
        AppClientSubject { limits, timeout, byteorder }
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn counts_output(&self) -> bool {
        true
    }

    fn requests(&self, random: &mut Random) -> Vec<Request> {
        let count = *random.pick(&[1, 1, 1, 1, 2, 2, 2, 3, 3, 5]);
        let count = if random.once_in(30) { *random.pick(&[0, 12, 40]) } else { count };
        (0..count).map(|_| request(random)).collect()
    }

    fn session(&self, requests: &[Request]) -> AppClient {
        AppClient::with_byteorder(requests.to_vec(), self.limits, self.timeout, self.byteorder)
    }

    fn written(&self, requests: &[Request]) -> Vec<Vec<u8>> {
        let last = requests.len().saturating_sub(1);
        requests.iter().enumerate().map(|(index, request)| written(request, index < last, self.byteorder)).collect()
    }

    fn right_answers(&self, requests: &[Request]) -> Vec<Vec<u8>> {
        requests.iter().map(|_| requests::plain_reply()).collect()
    }

    fn answers(&self, requests: &[Request], random: &mut Random) -> Vec<Vec<u8>> {
        let count = match random.below(10) {
            0 => random.below(requests.len() + 1),
            1 => requests.len() + 1,
            _ => requests.len(),
        };
        requests::draw_replies(count, random)
    }

    fn expected(&self, requests: &[Request], input: &[u8]) -> Expected<Vec<Reply>> {
        let (mut replies, mut rest) = (Vec::new(), input);
        let then = loop {
            if replies.len() == requests.len() {
                break Then::Completes;
            }
            match take(&mut rest, &self.limits).and_then(|message| reply(&message, &self.limits)) {
                Ok(reply) => replies.push(reply),
                Err(subject::Then::Fails) => break Then::Fails,
                Err(subject::Then::Unknown) => break Then::Unknown,
                Err(_) => break Then::Waits,
            }
        };
        let before = input.len() - rest.len();
        // A header has its time as a whole, and a content for each of its parts.
        let since = match rest.first_chunk() {
            Some(len) if rest.len() >= 2 + usize::from(u16::from_be_bytes(*len)) => input.len(),
            _ => before + rest.len().min(1),
        };
        Expected { replies, then, since }
    }

    fn replies(&self, session: AppClient) -> Vec<Reply> {
        session.into_replies()
    }

    fn verdict(&self, _requests: &[Request], error: &SessionError) -> Verdict {
        match error.kind() {
            ErrorKind::Violation | ErrorKind::Refused | ErrorKind::Other => Verdict::Wrong,
            ErrorKind::InputEnded => Verdict::Cut,
            ErrorKind::TimedOut => Verdict::Slow,
        }
    }
}

/// What a message says to a client.
fn reply(message: &Message<'_>, limits: &Limits) -> Result<Reply, subject::Then> {
    match &message.kind[..] {
        "text/json" => match object(&decode(message.content, &message.encoding)?, limits)?.get("result") {
            Some(Json::Text(result)) => Ok(Reply::Result(result.clone().into_owned())),
            // Other values look as Python shows them, which the description leaves open.
            Some(_) => Err(subject::Then::Unknown),
            None => Err(subject::Then::Fails),
        },
        "binary/i64" => {
            let bytes = message.content.try_into().map_err(|_| subject::Then::Fails)?;
            Ok(Reply::Sum(if message.is_big { i64::from_be_bytes(bytes) } else { i64::from_le_bytes(bytes) }))
        }
        _ => Ok(Reply::Binary(message.content.to_vec())),
    }
}

/// Draws a request.
fn request(random: &mut Random) -> Request {
    let value = random.pick(&["morpheus", "ring", "\"quoted\"", "a\\b", "line\nend", "caf\u{e9} \u{1f436}", ""]);
    let bytes = |random: &mut Random| {
        let len = match random.once_in(30) {
            true => *random.pick(&[20_000, 65_536, 200_000]),
            false => *random.pick(&[0, 1, 10, 300]),
        };
        repeated(b"abcdefghij\0\xff", len)
    };
    match random.below(8) {
        0 => Request::Json { action: "find".into(), value: value.repeat(random.below(9)) },
        1 => Request::Binary(bytes(random)),
        2 => Request::Sum((0..random.below(9)).map(|_| random.next() as i32).collect()),
        3 => Request::Content {
            byteorder: *random.pick(&[ByteOrder::Little, ByteOrder::Big]),
            content_type: (*random.pick(&["text/json", "text/html"])).to_owned(),
            content_encoding: (*random.pick(&["utf-8", "binary", "latin-1"])).to_owned(),
            bytes: bytes(random),
        },
        _ => Request::Search((*value).to_owned()),
    }
}

/// A request on the wire, from a machine of this byte order.
fn written(request: &Request, keeps: bool, native: ByteOrder) -> Vec<u8> {
    let json = |action: &str, value: &str| {
        let (action, value) = (Value::from(action), Value::from(value));
        format!(r#"{{"action": {action}, "value": {value}}}"#).into_bytes().into()
    };
    let (byteorder, kind, encoding, content): (_, _, _, Cow<'_, [u8]>) = match request {
        Request::Search(value) => (native, "text/json", "utf-8", json("search", value)),
        Request::Json { action, value } => (native, "text/json", "utf-8", json(action, value)),
        Request::Binary(bytes) => (native, "binary/custom-client-binary-type", "binary", bytes.into()),
        Request::Sum(integers) => {
            let bytes = |integer: &i32| match native {
                ByteOrder::Big => integer.to_be_bytes(),
                ByteOrder::Little => integer.to_le_bytes(),
            };
            (native, "binary/i32", "binary", integers.iter().flat_map(bytes).collect::<Vec<u8>>().into())
        }
        Request::Content { byteorder, content_type, content_encoding, bytes } => {
            (*byteorder, &content_type[..], &content_encoding[..], bytes.into())
        }
    };
    let (byteorder, len) = (if byteorder == ByteOrder::Big { "big" } else { "little" }, content.len());
    let mut header = format!(
        r#"{{"byteorder": "{byteorder}", "content-type": "{kind}", "content-encoding": "{encoding}", "content-length": {len}"#
    );
    header += if keeps { r#", "connection": "keep-alive"}"# } else { "}" };
    let header_len = u16::try_from(header.len()).expect("a request's header is short");
    [&header_len.to_be_bytes(), header.as_bytes(), &content].concat()
}
