//! A value in JSON.

use std::borrow::Cow;
use std::io::Write;

use serde::de::{Deserialize, Deserializer, Error};
use serde_json::value::RawValue;

use super::escape::len_escaped;
use super::python::compound::Compound;
use super::python::number::{is_infinite, write_number};
use super::python::string::{CodePoint, code_points};
use crate::buffer::Tail;

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
    /// If Rust can't represent the string or the number.
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

    /// Appends the value like Python's `str()`, which the tutorial's replies quote.
    pub fn write(&self, out: &mut Tail<'_>) {
        match self {
            Self::Null => out.extend_from_slice(b"None"),
            Self::Bool(true) => out.extend_from_slice(b"True"),
            Self::Bool(false) => out.extend_from_slice(b"False"),
            Self::Natural(number) => write!(out, "{number}").expect("writing to memory cannot fail"),
            Self::Negative(number) => write!(out, "{number}").expect("writing to memory cannot fail"),
            Self::Number(number) => write_number(out, number),
            Self::Text(text) => out.extend_from_slice(text.as_bytes()),
            Self::Compound(value) => value.write(out),
        }
    }

    /// The value as [`write`](Self::write) writes it.
    pub fn into_text(self) -> String {
        if let Self::Text(text) = self {
            return text.into_owned();
        }
        let mut text = Vec::new();
        self.write(&mut Tail::from(&mut text));
        String::from_utf8(text).expect("Python's `str()` of text is text")
    }

    /// The approximate length of what [`write`](Self::write) appends, escaped for JSON; 0 if it's short.
    pub fn len_expected(&self) -> usize {
        match self {
            Self::Number(number) => number.len(),
            Self::Text(text) => len_escaped(text),
            Self::Compound(value) => value.len_expected(),
            Self::Null | Self::Bool(_) | Self::Natural(_) | Self::Negative(_) => 0,
        }
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
    // No escape is shorter than its character.
    let mut text = String::with_capacity(inside.len());
    let mut points = code_points(inside);
    loop {
        text.push_str(points.take_unescaped());
        match points.next() {
            Some(CodePoint::Char(char)) => text.push(char),
            Some(CodePoint::LoneSurrogate(_)) => return None,
            None => break,
        }
    }
    text.shrink_to_fit();
    Some(Cow::Owned(text))
}
