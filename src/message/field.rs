//! A value in JSON.

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

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
    /// The kind of value, in words that follow "not".
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

/// Formats the value like Python's `str()`, which the tutorial's replies quote; lists and objects as JSON.
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

/// Writes a float as Python does. Rust and Python agree on the digits, and on when to use an exponent, but not on how
/// to write it: `1e16` and `1e-5` are `1e+16` and `1e-05` in Python.
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
