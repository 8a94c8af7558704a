//! JSON values as Python's `str()` shows them, for the reference server. JSON itself is the library's matter: only what
//! Python makes of it is here.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::json::Key;

/// The members of the JSON object `text`, in their order.
pub fn members(text: &str) -> Option<Vec<(Cow<'_, str>, &RawValue)>> {
    struct Members;

    impl<'t> Visitor<'t> for Members {
        type Value = Vec<(Cow<'t, str>, &'t RawValue)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some((Key(key), value)) = map.next_entry()? {
                members.push((key, value));
            }
            Ok(members)
        }
    }

    let mut json = serde_json::Deserializer::from_str(text);
    let members = json.deserialize_map(Members).ok()?;
    json.end().ok().map(|()| members)
}

/// The items of the JSON list `text`.
pub fn items(text: &str) -> Option<Vec<&RawValue>> {
    serde_json::from_str(text).ok()
}

/// The value as `str()` shows it, unless that isn't known here.
pub fn shown(value: &RawValue) -> Option<String> {
    let text = value.get();
    Some(match text.as_bytes()[0] {
        b'n' => "None".to_owned(),
        b't' => "True".to_owned(),
        b'f' => "False".to_owned(),
        b'"' => serde_json::from_str(text).ok()?,
        b'[' => {
            let items: Option<Vec<String>> = items(text)?.into_iter().map(within).collect();
            format!("[{}]", items?.join(", "))
        }
        b'{' => {
            // Of equal keys, the first has the place and the last the value.
            let mut entries: Vec<(Cow<'_, str>, String)> = Vec::new();
            for (key, value) in members(text)? {
                let value = within(value)?;
                match entries.iter_mut().find(|(other, _)| *other == key) {
                    Some((_, old)) => *old = value,
                    None => entries.push((key, value)),
                }
            }
            let entry = |(key, value): &(Cow<'_, str>, String)| Some(format!("{}: {value}", quoted(key)?));
            let entries: Option<Vec<String>> = entries.iter().map(entry).collect();
            format!("{{{}}}", entries?.join(", "))
        }
        _ if text.contains(['.', 'e', 'E']) => float(text.parse().ok()?),
        _ if text == "-0" => "0".to_owned(),
        _ => text.to_owned(),
    })
}

/// The value as it's shown within a list or an object: strings have quotation marks.
fn within(value: &RawValue) -> Option<String> {
    match value.get().starts_with('"') {
        true => quoted(&serde_json::from_str::<String>(value.get()).ok()?),
        false => shown(value),
    }
}

/// The shortest digits that mean this number, and of these the closest, with an exponent if it's very small or large.
fn float(number: f64) -> String {
    let scientific = (0..17).map(|digits| format!("{number:.digits$e}")).find(|text| text.parse() == Ok(number));
    let Some(scientific) = scientific.filter(|_| number.is_finite()) else { return number.to_string() };
    let (mantissa, exponent) = scientific.split_once('e').expect("a number has an exponent");
    let sign = if mantissa.starts_with('-') { "-" } else { "" };
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    match exponent.parse::<i32>().expect("an exponent is a number") {
        exponent @ 0..16 => {
            let whole = exponent as usize + 1;
            let digits = format!("{digits:0<width$}", width = whole + 1);
            format!("{sign}{}.{}", &digits[..whole], &digits[whole..])
        }
        exponent @ -4..0 => format!("{sign}0.{}{digits}", "0".repeat(exponent.unsigned_abs() as usize - 1)),
        exponent => format!("{mantissa}e{exponent:+03}"),
    }
}

fn quoted(text: &str) -> Option<String> {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut quoted = String::from(quote);
    for char in text.chars() {
        match char {
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\\' => quoted.push_str("\\\\"),
            _ if char == quote => quoted.extend(['\\', quote]),
            _ if is_printable(char)? => quoted.push(char),
            _ => quoted.push_str(&match u32::from(char) {
                code @ ..0x100 => format!("\\x{code:02x}"),
                code @ ..0x10000 => format!("\\u{code:04x}"),
                code => format!("\\U{code:08x}"),
            }),
        }
    }
    quoted.push(quote);
    Some(quoted)
}

/// Whether a character is shown as it is. Only some of Unicode is known here.
fn is_printable(char: char) -> Option<bool> {
    match char {
        ' '..='~' | '🐶' => Some(true),
        '\u{a0}' | '\u{200b}' | '\u{e000}' | '\u{10ffff}' => Some(false),
        _ if char.is_control() => Some(false),
        _ if char.is_alphanumeric() => Some(true),
        _ => None,
    }
}
