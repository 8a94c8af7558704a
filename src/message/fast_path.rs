//! Fast paths of [`Jsonheader::parse`] and [`fields`](super::fields): the spelling of Python's `json.dumps`, read without
//! serde_json.
//!
//! Each returns `None` for any other input, and for input with an error, which the general path then reads and reports.
//! The tests below check that both paths agree.
//!
//! Savings for each `search` request on a kept connection:
//!
//! | path | reads | session | single | pipelined |
//! |---|---|---|---|---|
//! | [`by_heart`] | the header of a JSON message | 110 of 240 ns | 0.2 of 10.3 µs (2 %) | 0.20 of 1.04 µs (19 %) |
//! | [`plain_fields`] | an object of strings and whole numbers | 65 of 195 ns | 0.1 of 10.2 µs (1 %) | 0.16 of 1.00 µs (16 %) |
//! | both | | 380 of 510 ns | 0.8 of 10.9 µs (7 %) | 0.74 of 1.58 µs (47 %) |
//!
//! Each cell is the time a path saves of the time a request takes without it. *Session* is one call of
//! `AppServer::advance` (`session/app/search` in `benches/session.rs`). *Single* and *pipelined* are CPU time of a
//! reactor's thread over loopback TCP, for 64 connections with one or 16 requests in flight each. All are medians of
//! interleaved runs of builds with and without the path, on a busy virtual machine with two cores; *single* figures are
//! uncertain by 0.4 µs.
//!
//! A path that saves less than 5 % of both a single and a pipelined request isn't worth its code.

use std::borrow::Cow;

use super::{ByteOrder, ContentEncoding, ContentType, Encoding, Field, Jsonheader, Limits};

/// Compares `bytes` with the header of a JSON message in the tutorial's spelling, in which only the byte order, the
/// length and `"connection": "keep-alive"` vary.
pub(super) fn by_heart(bytes: &[u8], limits: &Limits) -> Option<Jsonheader> {
    let (byteorder, rest) = match bytes.strip_prefix(LITTLE_ENDIAN_JSON) {
        Some(rest) => (ByteOrder::Little, rest),
        None => (ByteOrder::Big, bytes.strip_prefix(BIG_ENDIAN_JSON)?),
    };
    let (digits, end) = rest.split_at(rest.iter().position(|byte| !byte.is_ascii_digit())?);
    let keep_alive = match end {
        b"}" => false,
        br#", "connection": "keep-alive"}"# => true,
        _ => return None,
    };
    let content_len = usize::try_from(natural(digits)?).ok()?;
    (content_len <= limits.content_len_max && limits.depth_max > 0).then_some(Jsonheader {
        byteorder,
        content_type: ContentType::Json,
        content_encoding: ContentEncoding::Text(Encoding::Utf8),
        content_len,
        keep_alive,
    })
}

const LITTLE_ENDIAN_JSON: &[u8] =
    br#"{"byteorder": "little", "content-type": "text/json", "content-encoding": "utf-8", "content-length": "#;
const BIG_ENDIAN_JSON: &[u8] =
    br#"{"byteorder": "big", "content-type": "text/json", "content-encoding": "utf-8", "content-length": "#;

/// Reads an object with at least one key, one space after `:` and `,`, and values that are strings without escapes or
/// whole numbers of at most 18 digits.
pub(super) fn plain_fields<'t, const N: usize>(text: &'t str, names: &[&str; N]) -> Option<[Option<Field<'t>>; N]> {
    let mut found = [const { None }; N];
    let mut rest = text.strip_prefix('{')?;
    let mut next = 0;
    loop {
        // Keys usually come in the order of `names`: comparing a key with its name avoids the search for its end.
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

/// The rest of `text` after the key `name` and its colon, if `text` starts with them.
fn after_key<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.strip_prefix('"')?.strip_prefix(name)?.strip_prefix("\": ")
}

/// Takes a string without escapes off the front of `rest`.
fn plain_string<'t>(rest: &mut &'t str) -> Option<&'t str> {
    let text = rest.strip_prefix('"')?;
    let end = text.bytes().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20))?;
    if text.as_bytes()[end] != b'"' {
        return None;
    }
    *rest = &text[end + 1..];
    Some(&text[..end])
}

/// Takes a whole number off the front of `rest`.
fn plain_number(rest: &mut &str) -> Option<u64> {
    let (digits, after) = rest.split_at(rest.bytes().position(|byte| !byte.is_ascii_digit())?);
    if !after.starts_with([',', '}']) {
        return None;
    }
    *rest = after;
    natural(digits.as_bytes())
}

/// The value of `digits`, if they are a JSON number of at most 18 digits, which cannot overflow.
fn natural(digits: &[u8]) -> Option<u64> {
    const DIGITS_MAX: usize = 18;
    match digits {
        [] | [b'0', _, ..] => None,
        digits if digits.len() > DIGITS_MAX => None,
        digits => Some(digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::header::write_jsonheader;
    use super::super::{Heading, fields};
    use super::*;
    use crate::buffer::Tail;

    #[test]
    fn by_heart_and_the_general_path_agree() {
        let limits = Limits { content_len_max: 1000, ..Limits::default() };
        for byteorder in ["little", "big"] {
            for len in
                ["0", "7", "41", "1000", "", "1001", "-1", "041", "1.0", "1e2", "9999999999999999999", "12x", "\"7\""]
            {
                for end in ["}", r#", "connection": "keep-alive"}"#, r#", "connection": "close"}"#, "", "} ", ", }"] {
                    let beginning =
                        format!(r#"{{"byteorder": "{byteorder}", "content-type": "text/json", "content-encoding""#);
                    let text = format!(r#"{beginning}: "utf-8", "content-length": {len}{end}"#);
                    // Leading white space leads to the general path.
                    let parsed = Jsonheader::parse(format!(" {text}").as_bytes(), &limits);
                    let known = by_heart(text.as_bytes(), &limits);
                    let expected = parsed.clone().ok().filter(|_| !end.contains("close") && !end.ends_with(' '));
                    assert_eq!(known, expected, "{text}");
                    // Both spellings are accepted or both are rejected.
                    assert_eq!(Jsonheader::parse(text.as_bytes(), &limits).is_ok(), parsed.is_ok(), "{text}");
                }
            }
        }
    }

    #[test]
    fn by_heart_reads_the_headers_that_we_write() {
        let mut written = Vec::new();
        write_jsonheader(&mut Tail::from(&mut written), Heading::json(true), 43);
        let header = by_heart(&written, &Limits::default()).expect("the tutorial's spelling");
        assert_eq!((header.content_len, header.keep_alive, header.byteorder), (43, true, ByteOrder::NATIVE));
    }

    #[test]
    fn plain_fields_and_the_general_path_agree() {
        let names = ["a", "b"];
        for text in [
            r#"{"a": "x", "b": 7}"#,
            r#"{"b": 0, "a": ""}"#,
            r#"{"a": "1", "other": "🐶", "a": "2"}"#,
            r#"{"a": 999999999999999999}"#,
        ] {
            let plain = plain_fields(text, &names).expect(text);
            // Leading white space leads to the general path.
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
}
