//! A value in JSON.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error};
use serde_json::value::RawValue;

use super::python::compound::Compound;
use super::python::number::{is_infinite, write_number};
use super::python::string::{CodePoint, code_points};

/// The value of one key.
#[derive(Clone, Debug, PartialEq)]
pub enum Field<'t> {
    Null,
    Bool(bool),
    /// A whole number from 0 to 2^64 - 1.
    Natural(u64),
    /// A whole number from -2^63 to -1.
    Negative(i64),
    /// Any other number, as written.
    Number(&'t str),
    Text(Cow<'t, str>),
    /// A list or an object.
    Compound(Compound<'t>),
}

impl<'t> Field<'t> {
    /// Reads the valid JSON value `text`.
    ///
    /// # Errors
    /// If Rust has no such string, or no such float.
    fn read(text: &'t str) -> Result<Field<'t>, &'static str> {
        Ok(match text.as_bytes() {
            [b'n', ..] => Self::Null,
            [b't', ..] => Self::Bool(true),
            [b'f', ..] => Self::Bool(false),
            [b'"', ..] => Self::Text(read_string(&text[1..text.len() - 1]).ok_or("lone surrogate in a string")?),
            [b'[' | b'{', ..] => Self::Compound(Compound::new(text)),
            _ => match (text.parse(), text.parse()) {
                (Ok(number), _) => Self::Natural(number),
                (_, Ok(number @ ..0)) => Self::Negative(number),
                _ if is_infinite(text) => return Err("number out of range"),
                _ => Self::Number(text),
            },
        })
    }

    /// The kind of value, in words that follow "not".
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Natural(_) => "a whole number",
            Self::Negative(_) => "a negative number",
            Self::Number(_) => "a fraction or a number beyond 64 bits",
            Self::Text(_) => "a string",
            Self::Compound(value) if value.is_list() => "a list",
            Self::Compound(_) => "an object",
        }
    }
}

impl<'t> Deserialize<'t> for Field<'t> {
    fn deserialize<D: Deserializer<'t>>(deserializer: D) -> Result<Self, D::Error> {
        Field::read(<&RawValue>::deserialize(deserializer)?.get()).map_err(D::Error::custom)
    }
}

/// The string between two quotation marks, unless it has a lone surrogate.
fn read_string(inside: &str) -> Option<Cow<'_, str>> {
    if !inside.contains('\\') {
        return Some(Cow::Borrowed(inside));
    }
    let chars = code_points(inside).map(|point| match point {
        CodePoint::Char(char) => Some(char),
        CodePoint::LoneSurrogate(_) => None,
    });
    chars.collect::<Option<String>>().map(Cow::Owned)
}

/// Formats the value like Python's `str()`, which the tutorial's replies quote.
impl fmt::Display for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => write!(f, "None"),
            Self::Bool(true) => write!(f, "True"),
            Self::Bool(false) => write!(f, "False"),
            Self::Natural(number) => write!(f, "{number}"),
            Self::Negative(number) => write!(f, "{number}"),
            Self::Number(number) => write_number(f, number),
            Self::Text(text) => write!(f, "{text}"),
            Self::Compound(value) => write!(f, "{value}"),
        }
    }
}
