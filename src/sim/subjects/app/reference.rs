//! The reference server of the framed protocol: the whole input in, the whole output out. It follows the description of
//! the wire format, and shares no code with the server.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::encodings::{self, utf16};
use super::json::{Json, Object};
use super::python;
use crate::message::{ByteOrder, Limits};
use crate::sim::subject::{Answer, Then};

/// The output for `input` on a machine with the byte order `native`.
pub fn answer(input: &[u8], limits: &Limits, native: ByteOrder) -> Answer {
    let (mut output, mut replies, mut rest) = (Vec::new(), vec![0], input);
    let then = loop {
        if rest.is_empty() {
            break Then::Waits;
        }
        match reply(&mut rest, limits, native, &mut output) {
            Ok(keeps) => {
                replies.push(output.len());
                if !keeps {
                    break Then::Closes;
                }
            }
            Err(then) => break then,
        }
    };
    Answer { output, replies: Some(replies), then, ..Answer::default() }
}

/// A message, in the parts that matter.
pub struct Message<'a> {
    pub is_big: bool,
    pub kind: Cow<'a, str>,
    pub encoding: Cow<'a, str>,
    pub content: &'a [u8],
    pub keeps: bool,
}

/// Takes the first message off `rest`.
pub fn take<'a>(rest: &mut &'a [u8], limits: &Limits) -> Result<Message<'a>, Then> {
    let len = usize::from(u16::from_be_bytes(*rest.first_chunk().ok_or(Then::WaitsForRest)?));
    if len == 0 || len > limits.header_len_max {
        return Err(Then::Fails);
    }
    let header = rest.get(2..2 + len).ok_or(Then::WaitsForRest)?;
    let header = object(str::from_utf8(header).map_err(|_| Then::Fails)?, limits)?;
    let text = |key: &str| header.text(key).ok_or(Then::Fails);
    let is_big = match &text("byteorder")?[..] {
        "little" => false,
        "big" => true,
        _ => return Err(Then::Fails),
    };
    let (kind, encoding) = (text("content-type")?.clone(), text("content-encoding")?.clone());
    let Some(&Json::Whole(content_len)) = header.get("content-length") else { return Err(Then::Fails) };
    if kind == "text/json" {
        // The encoding is checked before the content arrives.
        decode(&[], &encoding)?;
    }
    if content_len > limits.content_len_max as u64 {
        return Err(Then::Fails);
    }
    let keeps = header.text("connection").is_some_and(|connection| connection == "keep-alive");
    let end = 2 + len + usize::try_from(content_len).map_err(|_| Then::Fails)?;
    let content = rest.get(2 + len..end).ok_or(Then::WaitsForRest)?;
    *rest = &rest[end..];
    Ok(Message { is_big, kind, encoding, content, keeps })
}

/// Adds the reply to the first request of `rest`, which is taken off. Returns whether another request may follow.
fn reply(rest: &mut &[u8], limits: &Limits, native: ByteOrder, output: &mut Vec<u8>) -> Result<bool, Then> {
    let Message { is_big, kind, encoding, content, keeps } = take(rest, limits)?;
    let (kind, encoding, content) = match &kind[..] {
        "text/json" => ("text/json", "utf-8", answer_json(&decode(content, &encoding)?, limits)?.into_bytes()),
        "binary/i32" => {
            let (integers, cut) = content.as_chunks::<4>();
            if !cut.is_empty() {
                return Err(Then::Fails);
            }
            let integer =
                |bytes: &[u8; 4]| if is_big { i32::from_be_bytes(*bytes) } else { i32::from_le_bytes(*bytes) };
            let sum: i64 = integers.iter().map(|bytes| i64::from(integer(bytes))).sum();
            let sum = if native == ByteOrder::Big { sum.to_be_bytes() } else { sum.to_le_bytes() };
            ("binary/i64", "binary", sum.to_vec())
        }
        _ => {
            let first = &content[..content.len().min(10)];
            ("binary/custom-server-binary-type", "binary", [b"First 10 bytes of request: ", first].concat())
        }
    };
    let content_len = content.len().to_string();
    let begin = output.len();
    output.extend_from_slice(&[0; 2]);
    for part in [
        r#"{"byteorder": ""#,
        if native == ByteOrder::Big { "big" } else { "little" },
        r#"", "content-type": ""#,
        kind,
        r#"", "content-encoding": ""#,
        encoding,
        r#"", "content-length": "#,
        &content_len,
        if keeps { r#", "connection": "keep-alive"}"# } else { "}" },
    ] {
        output.extend_from_slice(part.as_bytes());
    }
    let header_len = u16::try_from(output.len() - begin - 2).expect("a reply's header is short");
    output[begin..begin + 2].copy_from_slice(&header_len.to_be_bytes());
    output.extend_from_slice(&content);
    Ok(keeps)
}

fn answer_json(text: &str, limits: &Limits) -> Result<String, Then> {
    let members = python::members(text).ok_or(Then::Fails)?;
    if 1 + members.iter().map(|(_, value)| levels(value)).max().unwrap_or(0) > limits.depth_max {
        return Err(Then::Fails);
    }
    let last = |key: &str| members.iter().rfind(|(name, _)| name == key).map(|&(_, value)| value);
    let (action, value) = (last("action"), last("value"));
    // Neither a lone surrogate nor a number beyond all floats is a value.
    let is_value = |json: &RawValue| match json.get().as_bytes()[0] {
        b'[' | b'{' => true,
        _ => serde_json::from_str::<Json<'_>>(json.get()).is_ok(),
    };
    if ![action, value].into_iter().flatten().all(is_value) {
        return Err(Then::Fails);
    }
    let result = match action.map(python::shown) {
        Some(None) => return Err(Then::Unknown),
        Some(Some(name)) if name == "search" => {
            match value.and_then(|value| serde_json::from_str::<String>(value.get()).ok()).ok_or(Then::Fails)?.as_str()
            {
                "morpheus" => "Follow the white rabbit. 🐰".to_owned(),
                "ring" => "In the caves beneath the Misty Mountains. 💍".to_owned(),
                "🐶" => "🐾 Playing ball! 🏐".to_owned(),
                value => format!("No match for '{value}'."),
            }
        }
        Some(Some(name)) => format!("Error: invalid action '{name}'."),
        None => "Error: invalid action 'None'.".to_owned(),
    };
    let result = serde_json::to_string(&result).map_err(|_| Then::Unknown)?;
    Ok([r#"{"result": "#, &result, "}"].concat())
}

/// How deep lists and objects are nested in valid JSON.
fn levels(json: &RawValue) -> usize {
    let (mut open, mut most, mut is_text) = (0, 0, false);
    let mut bytes = json.get().bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => is_text = !is_text,
            // What is escaped doesn't end a text.
            b'\\' => drop(bytes.next()),
            b'[' | b'{' if !is_text => {
                open += 1;
                most = most.max(open);
            }
            b']' | b'}' if !is_text => open -= 1,
            _ => {}
        }
    }
    most
}

/// The JSON object in `text`.
pub fn object<'t>(text: &'t str, limits: &Limits) -> Result<Object<'t>, Then> {
    let object: Object<'_> = serde_json::from_str(text).map_err(|_| Then::Fails)?;
    if object.depth() > limits.depth_max { Err(Then::Fails) } else { Ok(object) }
}

/// The text of `content` in an encoding.
pub fn decode<'a>(content: &'a [u8], encoding: &str) -> Result<Cow<'a, str>, Then> {
    let text = match encoding {
        "utf-8" => str::from_utf8(content).ok().map(Cow::from),
        "utf-16-le" => utf16(content, u16::from_le_bytes).map(Cow::from),
        "utf-16-be" => utf16(content, u16::from_be_bytes).map(Cow::from),
        "latin-1" => Some(content.iter().map(|&byte| char::from(byte)).collect()),
        "ascii" => str::from_utf8(content).ok().filter(|text| text.is_ascii()).map(Cow::from),
        "binary" | "rot-26" => None,
        _ => return encodings::decode(content, encoding).map(Cow::from),
    };
    text.ok_or(Then::Fails)
}

/// Whether `bytes` are one error reply, of any wording.
pub fn is_error_reply(bytes: &[u8]) -> bool {
    let message = || {
        let len = usize::from(u16::from_be_bytes(*bytes.first_chunk()?));
        let header: Object<'_> = serde_json::from_slice(bytes.get(2..2 + len)?).ok()?;
        let content = bytes.get(2 + len..)?;
        let has_len = header.get("content-length") == Some(&Json::Whole(content.len() as u64));
        let fits = has_len && header.text("content-type").is_some_and(|kind| kind == "text/json");
        let content: Object<'_> = serde_json::from_slice(content).ok().filter(|_| fits)?;
        content.text("result").map(|result| result.starts_with("Error: "))
    };
    message().unwrap_or(false)
}
