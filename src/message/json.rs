//! JSON parsing for the protocol: the values of a few keys of one object, without allocating unless there are escapes.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::{Field, fast_path};
use crate::text::count;

/// Why a text is not a JSON object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JsonError {
    /// Not JSON, with the position of the error.
    Invalid(String),
    /// JSON, but a list, a string, a number, `true`, `false` or `null`.
    NotObject,
    /// More nested lists and objects than allowed.
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
            Self::TooDeep { max } => write!(f, "nested more than {} deep", count(*max, "level")),
        }
    }
}

impl std::error::Error for JsonError {}

/// Returns the values of the keys `names` in the JSON object `text`: the second half of the tutorial's `_json_decode`.
///
/// A repeated key has its last value, as in Python.
pub fn fields<'t, const N: usize>(
    text: &'t str,
    names: [&str; N],
    depth_max: usize,
) -> Result<[Option<Field<'t>>; N], JsonError> {
    // A plain object is one level deep.
    if depth_max > 0
        && let Some(fields) = fast_path::plain_fields(text, &names)
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
        // serde_json would report a wrong type first, and quote the whole value.
        match serde_json::from_str::<IgnoredAny>(text) {
            Ok(_) => JsonError::NotObject,
            Err(error) => JsonError::Invalid(error.to_string()),
        }
    })
}

/// Whether lists and objects are nested more than `max` deep. The answer is only right for valid JSON; for other texts,
/// the parser decides.
fn deeper_than(text: &str, max: usize) -> bool {
    // Few brackets can't nest deeply. This check is quick, and nearly always enough.
    let count = |few: &[u8]| few.iter().fold(0_u8, |count, byte| count + u8::from(matches!(byte, b'[' | b'{')));
    let brackets = text.as_bytes().chunks(u8::MAX.into()).map(|few| usize::from(count(few)));
    if brackets.sum::<usize>() <= max {
        return false;
    }
    let mut depth = 0_usize;
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => skip_string(&mut bytes),
            b'[' | b'{' if depth == max => return true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// Takes the rest of a string, after its first quotation mark.
fn skip_string(bytes: &mut impl Iterator<Item = u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
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

/// Deserializes a key as its index in `names`.
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
            ("-0", "0"),
            ("-0.0", "-0.0"),
            ("7.0", "7.0"),
            ("18446744073709551616", "18446744073709551616"),
            ("-9223372036854775809", "-9223372036854775809"),
            ("1e16", "1e+16"),
            ("1e-5", "1e-05"),
            ("-1.5e-300", "-1.5e-300"),
            ("0.0001", "0.0001"),
            (r#""a\u0062🐶""#, "ab🐶"),
            (r#"[1, "a"]"#, "[1, 'a']"),
            (r#"{"a": null}"#, "{'a': None}"),
        ] {
            let text = format!(r#"{{"other": [0], "k": {json}}}"#);
            assert_eq!(one(&text).unwrap().unwrap().into_text(), shown, "{json}");
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
