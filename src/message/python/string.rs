//! Strings of JSON, and as Python's `repr()` shows them.

use std::array;
use std::sync::OnceLock;

/// A code point of a JSON string. Python has lone surrogates in its strings, and Rust has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodePoint {
    Char(char),
    LoneSurrogate(u16),
}

/// The code points of the valid JSON string `inside`, which is without its quotation marks.
#[derive(Clone, Debug)]
pub struct CodePoints<'t> {
    rest: &'t str,
}

pub fn code_points(inside: &str) -> CodePoints<'_> {
    CodePoints { rest: inside }
}

impl CodePoints<'_> {
    /// The four hexadecimal digits after `\u`.
    fn unit(escape: &str) -> Option<u16> {
        u16::from_str_radix(escape.strip_prefix("\\u")?.get(..4)?, 16).ok()
    }
}

impl Iterator for CodePoints<'_> {
    type Item = CodePoint;

    fn next(&mut self) -> Option<CodePoint> {
        let first = self.rest.chars().next()?;
        let mut len = first.len_utf8();
        let point = if first != '\\' {
            CodePoint::Char(first)
        } else if let Some(unit) = Self::unit(self.rest) {
            len = 6;
            let second = Self::unit(&self.rest[len..]);
            match char::decode_utf16([unit].into_iter().chain(second)).next()? {
                Ok(char) => {
                    len *= char.len_utf16();
                    CodePoint::Char(char)
                }
                Err(_) => CodePoint::LoneSurrogate(unit),
            }
        } else {
            len = 2;
            CodePoint::Char(match self.rest.as_bytes()[1] {
                b'b' => '\x08',
                b'f' => '\x0c',
                b'n' => '\n',
                b'r' => '\r',
                b't' => '\t',
                same => char::from(same),
            })
        };
        self.rest = &self.rest[len..];
        Some(point)
    }
}

/// Writes the valid JSON string `inside`, which is without its quotation marks, as Python's `repr()` shows it.
pub fn push_repr(out: &mut String, inside: &str) {
    let is_plain =
        inside.bytes().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~') & !matches!(byte, b'\'' | b'\\'));
    if is_plain {
        out.push('\'');
        out.push_str(inside);
        out.push('\'');
        return;
    }
    let has = |quote| code_points(inside).any(|point| point == CodePoint::Char(quote));
    let may_have_apostrophe = inside.contains('\'') || inside.contains("\\u0027");
    let quote = if may_have_apostrophe && has('\'') && !has('"') { '"' } else { '\'' };
    out.push(quote);
    for point in code_points(inside) {
        let (code, char) = match point {
            CodePoint::Char(char) => (u32::from(char), Some(char)),
            CodePoint::LoneSurrogate(unit) => (u32::from(unit), None),
        };
        match char {
            Some('\n') => out.push_str("\\n"),
            Some('\r') => out.push_str("\\r"),
            Some('\t') => out.push_str("\\t"),
            Some(char) if char == quote || char == '\\' => out.extend(['\\', char]),
            Some(char) if is_printable(char) => out.push(char),
            _ => match code {
                ..0x100 => push_escape(out, "\\x", code, 2),
                0x100..0x10000 => push_escape(out, "\\u", code, 4),
                _ => push_escape(out, "\\U", code, 8),
            },
        }
    }
    out.push(quote);
}

/// Appends `code` in hexadecimal, padded with zeros to `digits` digits.
fn push_escape(out: &mut String, prefix: &str, code: u32, digits: u32) {
    out.push_str(prefix);
    let digit = |place: u32| char::from_digit(code >> (4 * place) & 0xf, 16).expect("one hexadecimal digit");
    out.extend((0..digits).rev().map(digit));
}

/// Whether `char` is printable in the sense of Python's `str.isprintable()`.
fn is_printable(char: char) -> bool {
    const PAGE: usize = 256;
    /// Answers for the characters up to U+1FFFF, a page at a time, since they take long to find.
    static PAGES: [OnceLock<[bool; PAGE]>; 0x200] = [const { OnceLock::new() }; 0x200];
    if char.is_ascii() {
        return matches!(char, ' '..='~');
    }
    let code = char as usize;
    let Some(page) = PAGES.get(code / PAGE) else { return is_printable_to_rust(char) };
    let find = |index: usize| char::from_u32((code / PAGE * PAGE + index) as u32).is_some_and(is_printable_to_rust);
    page.get_or_init(|| array::from_fn(find))[code % PAGE]
}

/// Whether Rust prints `char` unescaped, which it decides by the same categories of characters as Python. Quotation marks
/// and the backslash are not asked for.
fn is_printable_to_rust(char: char) -> bool {
    // At the start of a text, combining characters would be escaped as well.
    let mut text = [b'_'; 5];
    let len = char.encode_utf8(&mut text[1..]).len();
    let text = str::from_utf8(&text[..1 + len]).expect("two characters");
    text.escape_debug().nth(1) == Some(char)
}

/// The end of the string that starts at `start`, in JSON or Python: after its second quotation mark.
pub fn string_end(bytes: &[u8], start: usize) -> usize {
    let quote = bytes[start];
    let mut at = start + 1;
    while bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at + 1
}
