//! JSON as the protocol needs it: the values of a few keys of one object, without allocating for what is not escaped.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::buffer::Tail;

/// Why a text is not the JSON object it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JsonError {
    /// Not JSON, and where it stops being so.
    Invalid(String),
    /// JSON, but a list, a string, a number, `true`, `false` or `null`.
    NotObject,
    /// More lists and objects within one another than allowed.
    TooDeep {
        /// Levels allowed.
        max: usize,
    },
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(why) => write!(f, "not JSON: {why}"),
            Self::NotObject => write!(f, "JSON but not an object"),
            Self::TooDeep { max } => write!(f, "nested more than {max} levels deep"),
        }
    }
}

impl std::error::Error for JsonError {}

/// The value of one key.
#[derive(Clone, Debug, PartialEq)]
pub enum Field<'t> {
    Null,
    Bool(bool),
    /// A whole number from 0 to 2^64 - 1.
    Natural(u64),
    Negative(i64),
    /// A number with a fraction or an exponent, or outside 64 bits.
    Float(f64),
    Text(Cow<'t, str>),
    /// A list or an object.
    Compound(Box<Value>),
}

impl Field<'_> {
    /// What kind of value it is, in words that follow "not".
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Natural(_) => "a whole number",
            Self::Negative(_) => "a negative number",
            Self::Float(_) => "a fraction or a number beyond 64 bits",
            Self::Text(_) => "a string",
            Self::Compound(value) if value.is_array() => "a list",
            Self::Compound(_) => "an object",
        }
    }
}

/// As Python's `str()` shows it, which is what the tutorial's replies quote; lists and objects as JSON.
impl fmt::Display for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => write!(f, "None"),
            Self::Bool(true) => write!(f, "True"),
            Self::Bool(false) => write!(f, "False"),
            Self::Natural(number) => write!(f, "{number}"),
            Self::Negative(number) => write!(f, "{number}"),
            Self::Float(number) => write_float(f, *number),
            Self::Text(text) => write!(f, "{text}"),
            Self::Compound(value) => write!(f, "{value}"),
        }
    }
}

/// Rust and Python agree on a float's digits, and on when to use an exponent, but not on how to write it: `1e16` and
/// `1e-5` are `1e+16` and `1e-05` in Python.
fn write_float(f: &mut fmt::Formatter<'_>, number: f64) -> fmt::Result {
    let text = format!("{number:?}");
    match text.split_once('e') {
        None => f.write_str(&text),
        Some((digits, exponent)) => {
            let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
            write!(f, "{digits}e{sign}{exponent:0>2}")
        }
    }
}

/// The values that the JSON object `text` has for `names`: the second half of the tutorial's `_json_decode`.
///
/// A key that comes twice has its last value, as in Python.
pub fn fields<'t, const N: usize>(
    text: &'t str,
    names: [&str; N],
    depth_max: usize,
) -> Result<[Option<Field<'t>>; N], JsonError> {
    // A plain object is one level deep.
    if depth_max > 0
        && let Some(fields) = plain_fields(text, &names)
    {
        return Ok(fields);
    }
    if deeper_than(text, depth_max) {
        return Err(JsonError::TooDeep { max: depth_max });
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let object = json.deserialize_map(Object { names });
    object.and_then(|fields| json.end().map(|()| fields)).map_err(|error| {
        if text.trim_start().starts_with('{') {
            return JsonError::Invalid(error.to_string());
        }
        // That it's no object is the first thing to be found wrong, and said with a quotation of all that it is instead.
        match serde_json::from_str::<IgnoredAny>(text) {
            Ok(_) => JsonError::NotObject,
            Err(error) => JsonError::Invalid(error.to_string()),
        }
    })
}

/// The same for an object as the tutorial's programs write it: values that are strings without escapes or plain whole
/// numbers, one space after `:` and `,`. That is nearly every header there is, and read in a fraction of the time that a
/// parser for all of JSON takes. `None` for anything else, which is then that parser's.
fn plain_fields<'t, const N: usize>(text: &'t str, names: &[&str; N]) -> Option<[Option<Field<'t>>; N]> {
    let mut found = [const { None }; N];
    let mut rest = text.strip_prefix('{')?;
    let mut next = 0;
    loop {
        // Keys nearly always come in the order of the names, and need not be searched for their end then.
        let index = match names.get(next).and_then(|name| after_key(rest, name)) {
            Some(after) => {
                rest = after;
                next += 1;
                Some(next - 1)
            }
            None => {
                let key = plain_string(&mut rest)?;
                rest = rest.strip_prefix(": ")?;
                names.iter().position(|&name| name == key)
            }
        };
        let value = match rest.as_bytes().first()? {
            b'"' => Field::Text(Cow::Borrowed(plain_string(&mut rest)?)),
            _ => Field::Natural(plain_number(&mut rest)?),
        };
        if let Some(index) = index {
            found[index] = Some(value);
        }
        match rest.strip_prefix(", ") {
            Some(more) => rest = more,
            None => return (rest == "}").then_some(found),
        }
    }
}

/// What comes after the key `name`, if that is what `text` begins with.
fn after_key<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.strip_prefix('"')?.strip_prefix(name)?.strip_prefix("\": ")
}

/// Takes a string off the front of `rest`, if it has no escapes.
fn plain_string<'t>(rest: &mut &'t str) -> Option<&'t str> {
    let text = rest.strip_prefix('"')?;
    let end = text.bytes().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20))?;
    if text.as_bytes()[end] != b'"' {
        return None;
    }
    *rest = &text[end + 1..];
    Some(&text[..end])
}

/// Takes a whole number that surely fits off the front of `rest`.
fn plain_number(rest: &mut &str) -> Option<u64> {
    let (digits, after) = rest.split_at(rest.bytes().position(|byte| !byte.is_ascii_digit())?);
    if !after.starts_with([',', '}']) {
        return None;
    }
    *rest = after;
    natural(digits.as_bytes())
}

/// The number that `digits` are, if JSON lets them be one and it surely fits.
pub fn natural(digits: &[u8]) -> Option<u64> {
    const DIGITS_MAX: usize = 18;
    match digits {
        [] | [b'0', _, ..] => None,
        digits if digits.len() > DIGITS_MAX => None,
        digits => Some(digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))),
    }
}

/// Whether lists and objects stand in one another more than `max` deep. Only an answer about JSON texts is right; for
/// others the parser has the last word.
fn deeper_than(text: &str, max: usize) -> bool {
    // Few brackets, and there can be no depth: that is quick to tell, and nearly always enough.
    if text.bytes().filter(|&byte| matches!(byte, b'[' | b'{')).count() <= max {
        return false;
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > max {
            return true;
        }
    }
    false
}

struct Object<'n, const N: usize> {
    names: [&'n str; N],
}

impl<'t, const N: usize> Visitor<'t> for Object<'_, N> {
    type Value = [Option<Field<'t>>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = [const { None }; N];
        while let Some(index) = map.next_key_seed(Name { names: &self.names })? {
            match index {
                Some(index) => found[index] = Some(map.next_value()?),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }
}

/// Reads a key as its place in `names`.
struct Name<'n> {
    names: &'n [&'n str],
}

impl<'t> DeserializeSeed<'t> for Name<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'t>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.names.iter().position(|&name| name == key))
    }
}

impl<'t> Deserialize<'t> for Field<'t> {
    fn deserialize<D: Deserializer<'t>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyField)
    }
}

struct AnyField;

impl<'t> Visitor<'t> for AnyField {
    type Value = Field<'t>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Field::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Field::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Field::Natural(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Field::Negative(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Field::Float(value))
    }

    fn visit_borrowed_str<E: Error>(self, value: &'t str) -> Result<Self::Value, E> {
        Ok(Field::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Field::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'t>>(self, list: A) -> Result<Self::Value, A::Error> {
        Ok(Field::Compound(Box::new(Value::deserialize(SeqAccessDeserializer::new(list))?)))
    }

    fn visit_map<A: MapAccess<'t>>(self, map: A) -> Result<Self::Value, A::Error> {
        Ok(Field::Compound(Box::new(Value::deserialize(MapAccessDeserializer::new(map))?)))
    }
}

/// Appends `text` as a JSON string, characters beyond ASCII as themselves: the tutorial's `_json_encode`.
#[doc(alias = "_json_encode")]
pub fn write_string(out: &mut Tail<'_>, text: &str) {
    let needs_escapes = text.bytes().fold(false, |found, byte| found | matches!(byte, b'"' | b'\\' | 0..0x20));
    if !needs_escapes {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        serde_json::to_writer(out, text).expect("writing to memory cannot fail");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Result<Option<Field<'_>>, JsonError> {
        fields(text, ["k"], 3).map(|[field]| field)
    }

    #[test]
    fn a_field_of_each_kind_shows_as_python_shows_it() {
        for (json, shown) in [
            ("null", "None"),
            ("true", "True"),
            ("false", "False"),
            ("7", "7"),
            ("-7", "-7"),
            ("-0", "-0.0"), // the one number that JSON has and integers have not
            ("7.0", "7.0"),
            ("18446744073709551616", "1.8446744073709552e+19"), // Python keeps every digit of an integer
            ("1e16", "1e+16"),
            ("1e-5", "1e-05"),
            ("-1.5e-300", "-1.5e-300"),
            ("0.0001", "0.0001"),
            (r#""a\u0062🐶""#, "ab🐶"),
            (r#"[1, "a"]"#, r#"[1,"a"]"#),
            (r#"{"a": null}"#, r#"{"a":null}"#),
        ] {
            let text = format!(r#"{{"other": [0], "k": {json}}}"#);
            assert_eq!(one(&text).unwrap().unwrap().to_string(), shown, "{json}");
        }
    }

    #[test]
    fn the_last_of_equal_keys_counts_and_escapes_in_keys_are_read() {
        assert_eq!(one(r#"{"k": 1, "\u006b": 2}"#).unwrap(), Some(Field::Natural(2)));
        assert_eq!(one("{}").unwrap(), None);
    }

    #[test]
    fn what_is_wrong_is_said_without_a_quotation() {
        let long = "x".repeat(10_000);
        for text in
            [format!("\"{long}\" x"), format!("\"{long}"), format!("[\"{long}\""), format!("{{\"{long}\": {long}}}")]
        {
            let error = one(&text).unwrap_err();
            assert!(matches!(error, JsonError::Invalid(_)), "{error}");
            assert!(error.to_string().len() < 100, "{error}");
        }
        assert_eq!(one(&format!(" \"{long}\" ")), Err(JsonError::NotObject));
    }

    #[test]
    fn a_plain_object_is_read_as_any_other() {
        let names = ["a", "b"];
        for text in [
            r#"{"a": "x", "b": 7}"#,
            r#"{"b": 0, "a": ""}"#,
            r#"{"a": "1", "other": "🐶", "a": "2"}"#,
            r#"{"a": 999999999999999999}"#,
        ] {
            let plain = plain_fields(text, &names).expect(text);
            // White space in front makes it one that only the full parser reads.
            assert_eq!(plain, fields(&format!(" {text}"), names, 9).unwrap(), "{text}");
        }
        for text in [
            "{}",
            "",
            "{",
            r#"{"a": 01}"#,
            r#"{"a": 1.0}"#,
            r#"{"a": 1e3}"#,
            r#"{"a": -1}"#,
            r#"{"a": 18446744073709551615}"#,
            r#"{"a": "\n"}"#,
            "{\"a\": \"\n\"}",
            r#"{"a": 1,}"#,
            r#"{"a": 1, }"#,
            r#"{"a": 1"#,
            r#"{"a": 1} "#,
            r#"{"a":1}"#,
            r#"{"a": null}"#,
            r#"{"a": []}"#,
            r#"{"a" : 1}"#,
            r#"{"a": }"#,
            r#"{"a": "x}"#,
            r#"{"a": "x\"}"#,
            r#"{"\u0061": 1}"#,
            r#"{a: 1}"#,
        ] {
            assert_eq!(plain_fields(text, &names), None, "{text}");
        }
    }

    #[test]
    fn depth_counts_brackets_outside_strings() {
        let too_deep = Err(JsonError::TooDeep { max: 3 });
        assert_eq!(one(r#"{"a": [[[0]]]}"#), too_deep);
        assert_eq!(one(r#"{"a": [[[["#), too_deep);
        assert_eq!(one(r#"{"a": [[0], [0], [0], {}]}"#), Ok(None));
        assert_eq!(one(r#"{"a": "[[[[\"[[[["}"#), Ok(None));
    }

    #[test]
    fn what_is_json_but_no_object_is_told_from_what_is_not_json() {
        for text in ["[]", " 1 ", "\"{}\"", "null", "true", "-1e9"] {
            assert_eq!(one(text), Err(JsonError::NotObject), "{text}");
        }
        for text in ["", "{", "{}x", "{} {}", "nul", "{'k': 1}", "\u{feff}{}", "{\"k\": NaN}", "[1,]"] {
            assert!(matches!(one(text), Err(JsonError::Invalid(_))), "{text}");
        }
    }
}
