//! JSON strings, and how Python's `repr()` shows them.

use std::array;
use std::sync::OnceLock;

use crate::buffer::Tail;

/// A code point of a JSON string. Unlike Rust's strings, Python's can hold lone surrogates.
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

impl<'t> CodePoints<'t> {
    /// Takes the characters before the next escape.
    pub fn take_unescaped(&mut self) -> &'t str {
        self.take(self.rest.find('\\').unwrap_or(self.rest.len()))
    }

    /// Takes the characters at the front that Python's `repr()` shows as they are, whatever else is in the string.
    fn take_plain(&mut self) -> &'t str {
        let is_plain = |&char: &char| if char.is_ascii() { is_plain(char as u8) } else { is_printable(char) };
        self.take(self.rest.chars().take_while(is_plain).map(char::len_utf8).sum())
    }

    fn take(&mut self, len: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at(len);
        self.rest = rest;
        taken
    }

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

/// Appends the valid JSON string `text` as Python's `repr()` shows it.
pub fn push_repr(out: &mut Tail<'_>, text: &str) {
    let inside = &text[1..text.len() - 1];
    if inside.bytes().fold(true, |plain, byte| plain & is_plain(byte)) {
        let start = out.len();
        out.extend_from_slice(text.as_bytes());
        let shown = &mut out.as_mut_slice()[start..];
        (shown[0], shown[text.len() - 1]) = (b'\'', b'\'');
        return;
    }
    let quote = quotation_mark(inside);
    out.push(quote);
    let mut points = code_points(inside);
    loop {
        out.extend_from_slice(points.take_plain().as_bytes());
        let Some(point) = points.next() else { break };
        let (code, char) = match point {
            CodePoint::Char(char) => (u32::from(char), Some(char)),
            CodePoint::LoneSurrogate(unit) => (u32::from(unit), None),
        };
        match char {
            Some('\n') => out.extend_from_slice(b"\\n"),
            Some('\r') => out.extend_from_slice(b"\\r"),
            Some('\t') => out.extend_from_slice(b"\\t"),
            Some('\\') => out.extend_from_slice(b"\\\\"),
            Some(char) if char == char::from(quote) => out.extend_from_slice(&[b'\\', quote]),
            Some(char) if is_printable(char) => out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
            _ => match code {
                ..0x100 => push_escape(out, b'x', code, 2),
                0x100..0x10000 => push_escape(out, b'u', code, 4),
                _ => push_escape(out, b'U', code, 8),
            },
        }
    }
    out.push(quote);
}

/// Whether `byte` is a printable character of ASCII, and never escaped.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && !matches!(byte, b'\'' | b'"' | b'\\')
}

/// The quotation mark that Python puts around `inside`: a double one only if that has an apostrophe and no double one.
fn quotation_mark(inside: &str) -> u8 {
    let mut has_apostrophe = false;
    if inside.contains('\'') || inside.contains("\\u0027") {
        for point in code_points(inside) {
            match point {
                CodePoint::Char('"') => return b'\'',
                CodePoint::Char('\'') => has_apostrophe = true,
                _ => {}
            }
        }
    }
    if has_apostrophe { b'"' } else { b'\'' }
}

/// Appends an escape: a backslash, `letter`, and `code` as that many hexadecimal digits.
fn push_escape(out: &mut Tail<'_>, letter: u8, code: u32, digits: usize) {
    let mut escape = [b'\\', letter, 0, 0, 0, 0, 0, 0, 0, 0];
    let escape = &mut escape[..2 + digits];
    for (place, digit) in escape[2..].iter_mut().rev().enumerate() {
        *digit = b"0123456789abcdef"[(code >> (4 * place) & 0xf) as usize];
    }
    out.extend_from_slice(escape);
}

/// Whether `char` is printable in the sense of Python's `str.isprintable()`.
fn is_printable(char: char) -> bool {
    const PAGE: usize = 256;
    /// Cached answers for the characters up to U+1FFFF, computed a page at a time, since each takes long.
    static PAGES: [OnceLock<[bool; PAGE]>; 0x200] = [const { OnceLock::new() }; 0x200];
    if char.is_ascii() {
        return matches!(char, ' '..='~');
    }
    let code = char as usize;
    let Some(page) = PAGES.get(code / PAGE) else { return is_printable_to_rust(char) };
    let find = |index: usize| char::from_u32((code / PAGE * PAGE + index) as u32).is_some_and(is_printable_to_rust);
    page.get_or_init(|| array::from_fn(find))[code % PAGE]
}

/// Whether Rust prints `char` unescaped, which depends on the same character categories as in Python. Not called for
/// quotation marks or the backslash.
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
    loop {
        at += bytes[at..].iter().position(|&byte| byte == quote || byte == b'\\').expect("a string has an end");
        if bytes[at] == quote {
            return at + 1;
        }
        at += 2;
    }
}
