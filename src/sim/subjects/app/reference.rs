//! The reference server of the framed protocol: the whole input in, the whole output out. It follows the description of
//! the wire format, and shares no code with the server.

use serde_json::{Map, Value};

use crate::message::Limits;
use crate::sim::subject::{Answer, Then};

/// The output for `input`.
pub fn answer(input: &[u8], limits: &Limits) -> Answer {
    let (mut output, mut replies, mut rest) = (Vec::new(), vec![0], input);
    let then = loop {
        if rest.is_empty() {
            break Then::Waits;
        }
        match reply(&mut rest, limits) {
            Ok((reply, keeps)) => {
                output.extend(reply);
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
    pub kind: String,
    pub encoding: String,
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
    let text = |key: &str| header.get(key).and_then(Value::as_str).ok_or(Then::Fails);
    let is_big = match text("byteorder")? {
        "little" => false,
        "big" => true,
        _ => return Err(Then::Fails),
    };
    let (kind, encoding) = (text("content-type")?.to_owned(), text("content-encoding")?.to_owned());
    let content_len = header.get("content-length").and_then(Value::as_u64).ok_or(Then::Fails)?;
    if kind == "text/json" {
        // The encoding is checked before the content arrives.
        decode(&[], &encoding)?;
    }
    if content_len > limits.content_len_max as u64 {
        return Err(Then::Fails);
    }
    let keeps = header.get("connection").and_then(Value::as_str) == Some("keep-alive");
    let end = 2 + len + usize::try_from(content_len).map_err(|_| Then::Fails)?;
    let content = rest.get(2 + len..end).ok_or(Then::WaitsForRest)?;
    *rest = &rest[end..];
    Ok(Message { is_big, kind, encoding, content, keeps })
}

/// The reply to the first request of `rest`, which is taken off, and whether another request may follow.
fn reply(rest: &mut &[u8], limits: &Limits) -> Result<(Vec<u8>, bool), Then> {
    let Message { is_big, kind, encoding, content, keeps } = take(rest, limits)?;
    let native = if cfg!(target_endian = "big") { "big" } else { "little" };
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
            ("binary/i64", "binary", sum.to_ne_bytes().to_vec())
        }
        _ => {
            let first = &content[..content.len().min(10)];
            ("binary/custom-server-binary-type", "binary", [b"First 10 bytes of request: ", first].concat())
        }
    };
    let mut header = format!(
        r#"{{"byteorder": "{native}", "content-type": "{kind}", "content-encoding": "{encoding}", "content-length": {}"#,
        content.len()
    );
    header += if keeps { r#", "connection": "keep-alive"}"# } else { "}" };
    let len = u16::try_from(header.len()).expect("a reply's header is short");
    Ok(([&len.to_be_bytes(), header.as_bytes(), &content].concat(), keeps))
}

fn answer_json(text: &str, limits: &Limits) -> Result<String, Then> {
    let request = object(text, limits)?;
    let result = match request.get("action") {
        Some(Value::String(action)) if action == "search" => {
            match request.get("value").and_then(Value::as_str).ok_or(Then::Fails)? {
                "morpheus" => "Follow the white rabbit. 🐰".to_owned(),
                "ring" => "In the caves beneath the Misty Mountains. 💍".to_owned(),
                "🐶" => "🐾 Playing ball! 🏐".to_owned(),
                value => format!("No match for '{value}'."),
            }
        }
        Some(Value::String(action)) => format!("Error: invalid action '{action}'."),
        Some(Value::Null) | None => "Error: invalid action 'None'.".to_owned(),
        Some(Value::Bool(true)) => "Error: invalid action 'True'.".to_owned(),
        Some(Value::Bool(false)) => "Error: invalid action 'False'.".to_owned(),
        Some(Value::Number(number)) if !number.is_f64() => format!("Error: invalid action '{number}'."),
        // Floats, lists and objects look as Python shows them, which the description leaves open.
        Some(_) => return Err(Then::Unknown),
    };
    Ok(format!(r#"{{"result": {}}}"#, Value::String(result)))
}

/// The JSON object in `text`.
pub fn object(text: &str, limits: &Limits) -> Result<Map<String, Value>, Then> {
    let value: Value = serde_json::from_str(text).map_err(|_| Then::Fails)?;
    if depth(&value) > limits.depth_max {
        return Err(Then::Fails);
    }
    match value {
        Value::Object(object) => Ok(object),
        _ => Err(Then::Fails),
    }
}

/// How deep lists and objects are nested.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(list) => 1 + list.iter().map(depth).max().unwrap_or(0),
        Value::Object(object) => 1 + object.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// The text of `content` in an encoding. Only a few of the encodings are known here.
pub fn decode(content: &[u8], encoding: &str) -> Result<String, Then> {
    let text = match encoding {
        "utf-8" => String::from_utf8(content.to_vec()).ok(),
        "utf-16-le" => utf16(content, u16::from_le_bytes),
        "utf-16-be" => utf16(content, u16::from_be_bytes),
        "latin-1" => Some(content.iter().map(|&byte| char::from(byte)).collect()),
        "ascii" => content.is_ascii().then(|| content.iter().map(|&byte| char::from(byte)).collect()),
        "binary" | "rot-26" => None,
        _ => return Err(Then::Unknown),
    };
    text.ok_or(Then::Fails)
}

fn utf16(content: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let (units, cut) = content.as_chunks::<2>();
    let units: Vec<u16> = units.iter().map(|&bytes| unit(bytes)).collect();
    String::from_utf16(&units).ok().filter(|_| cut.is_empty())
}

/// Whether `bytes` are one error reply, of any wording.
pub fn is_error_reply(bytes: &[u8]) -> bool {
    let message = || {
        let len = usize::from(u16::from_be_bytes(*bytes.first_chunk()?));
        let header: Value = serde_json::from_slice(bytes.get(2..2 + len)?).ok()?;
        let content = bytes.get(2 + len..)?;
        let fits = header["content-length"] == content.len() && header["content-type"] == "text/json";
        let content: Value = serde_json::from_slice(content).ok().filter(|_| fits)?;
        content["result"].as_str().map(|result| result.starts_with("Error: "))
    };
    message().unwrap_or(false)
}
