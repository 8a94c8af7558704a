//! Text with escapes, and with the number of a request in it.

use std::fmt;
use std::io::Write;
use std::str::FromStr;

/// Bytes in which the number of a request may occur.
///
/// As text, it has the escapes `\n`, `\r`, `\t`, `\0`, `\\`, `\{` and `\xHH`. `{i}` is the number of the request, and
/// `{i:6}` its last six digits, with leading zeros.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Bytes(Vec<u8>),
    /// The number, or its last digits.
    Number(Option<u32>),
}

/// The most digits of a number.
const DIGITS_MAX: u32 = 19;

impl Template {
    /// The bytes as they are.
    pub fn fixed(bytes: Vec<u8>) -> Template {
        Template { pieces: vec![Piece::Bytes(bytes)] }
    }

    /// The bytes, if they are the same for every number.
    pub fn as_fixed(&self) -> Option<&[u8]> {
        match &self.pieces[..] {
            [] => Some(&[]),
            [Piece::Bytes(bytes)] => Some(bytes),
            _ => None,
        }
    }

    /// Appends the bytes for `number` to `out`.
    pub fn write(&self, number: u64, out: &mut Vec<u8>) {
        for piece in &self.pieces {
            match piece {
                Piece::Bytes(bytes) => out.extend_from_slice(bytes),
                Piece::Number(None) => write!(out, "{number}").expect("a vector takes all"),
                Piece::Number(Some(digits)) => {
                    let (number, width) = (number % 10_u64.pow(*digits), *digits as usize);
                    write!(out, "{number:0width$}").expect("a vector takes all");
                }
            }
        }
    }

    fn push(&mut self, byte: u8) {
        match self.pieces.last_mut() {
            Some(Piece::Bytes(bytes)) => bytes.push(byte),
            Some(Piece::Number(_)) | None => self.pieces.push(Piece::Bytes(vec![byte])),
        }
    }
}

/// The text from which it can be parsed again.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in &self.pieces {
            match piece {
                Piece::Bytes(bytes) => bytes.iter().try_for_each(|&byte| match byte {
                    b'\n' => f.write_str("\\n"),
                    b'\r' => f.write_str("\\r"),
                    b'\t' => f.write_str("\\t"),
                    b'\\' => f.write_str("\\\\"),
                    b'{' => f.write_str("\\{"),
                    b' '..=b'~' => write!(f, "{}", char::from(byte)),
                    _ => write!(f, "\\x{byte:02x}"),
                })?,
                Piece::Number(None) => f.write_str("{i}")?,
                Piece::Number(Some(digits)) => write!(f, "{{i:{digits}}}")?,
            }
        }
        Ok(())
    }
}

impl FromStr for Template {
    type Err = String;

    fn from_str(text: &str) -> Result<Template, String> {
        let mut template = Template { pieces: Vec::new() };
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let used = match (first, place(rest)) {
                ('\\', _) => {
                    let (byte, used) = escape(rest)?;
                    template.push(byte);
                    used
                }
                ('{', Some(place)) => {
                    template.pieces.push(Piece::Number(number(place)?));
                    place.len()
                }
                _ => {
                    let len = first.len_utf8();
                    rest.bytes().take(len).for_each(|byte| template.push(byte));
                    len
                }
            };
            rest = &rest[used..];
        }
        Ok(template)
    }
}

/// The byte of the escape that `text` begins with, and the escape's length.
fn escape(text: &str) -> Result<(u8, usize), String> {
    let byte = match text.as_bytes().get(1) {
        Some(b'n') => b'\n',
        Some(b'r') => b'\r',
        Some(b't') => b'\t',
        Some(b'0') => b'\0',
        Some(&byte @ (b'\\' | b'{' | b'\'' | b'"')) => byte,
        Some(b'x') => {
            let digits = text.get(2..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
            let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
            return byte.map(|byte| (byte, 4)).ok_or_else(|| "'\\x' needs two hexadecimal digits, as in \\x0d".into());
        }
        Some(_) => {
            let unknown: String = text.chars().take(2).collect();
            return Err(format!("'{unknown}' is not an escape; escapes are \\n, \\r, \\t, \\0, \\xHH, \\{{ and \\\\"));
        }
        None => return Err("it ends with a single '\\'; write \\\\ for a backslash".into()),
    };
    Ok((byte, 2))
}

/// The place `{NAME}` or `{NAME:…}` that `text` begins with, if there is one: other braces stand for themselves, as in
/// JSON.
fn place(text: &str) -> Option<&str> {
    let (inner, _) = text.strip_prefix('{')?.split_once('}')?;
    let is_word = inner.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':'));
    (is_word && inner.starts_with(|first: char| first.is_ascii_alphabetic())).then(|| &text[..inner.len() + 2])
}

/// The digits of a number's place.
fn number(place: &str) -> Result<Option<u32>, String> {
    match place[1..place.len() - 1].split_once(':') {
        None if place == "{i}" => Ok(None),
        Some(("i", digits)) => match digits.parse() {
            Ok(digits @ 1..=DIGITS_MAX) => Ok(Some(digits)),
            Ok(_) | Err(_) => {
                Err(format!("{place} must have a number of digits from 1 to {DIGITS_MAX}, as in {{i:6}}"))
            }
        },
        None | Some(_) => Err(format!("{place} stands for nothing; {{i}} is the request's number, and \\{{ a brace")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn written(text: &str, number: u64) -> String {
        let mut out = b">".to_vec();
        text.parse::<Template>().unwrap().write(number, &mut out);
        out.escape_ascii().to_string()
    }

    #[test]
    fn escapes_are_bytes() {
        assert_eq!(written("", 0), ">");
        assert_eq!(written(r"PING\r\n\t\0\\\x7f\xFf", 0), r">PING\r\n\t\x00\\\x7f\xff");
        assert_eq!(written("é", 0), r">\xc3\xa9");
    }

    #[test]
    fn the_number_stands_where_it_is_wanted() {
        assert_eq!(written("get {i} {i:4}", 1_234_567), ">get 1234567 4567");
        assert_eq!(written("{i:4}{i:1}", 7), ">00077");
        assert_eq!(written("{i}", u64::MAX), format!(">{}", u64::MAX));
    }

    #[test]
    fn other_braces_stand_for_themselves() {
        for text in [r#"{"a": {}}"#, "{ n }", "{}", "{", "}", "{1}", "{i"] {
            assert_eq!(written(text, 3), format!(">{}", text.as_bytes().escape_ascii()));
        }
        assert_eq!(written("{'a': {i}}", 3), r">{\'a\': 3}");
        assert_eq!(written(r"\{i}", 3), ">{i}");
    }

    #[test]
    fn what_has_no_meaning_is_an_error() {
        for (text, why) in [
            (r"a\q", r"'\q' is not an escape; escapes are \n, \r, \t, \0, \xHH, \{ and \\"),
            ("\\", r"it ends with a single '\'; write \\ for a backslash"),
            (r"\x0", r"'\x' needs two hexadecimal digits, as in \x0d"),
            (r"\x+1", r"'\x' needs two hexadecimal digits, as in \x0d"),
            (r"\xé", r"'\x' needs two hexadecimal digits, as in \x0d"),
            ("{count}", r"{count} stands for nothing; {i} is the request's number, and \{ a brace"),
            ("{i:x}", "{i:x} must have a number of digits from 1 to 19, as in {i:6}"),
            ("{i:0}", "{i:0} must have a number of digits from 1 to 19, as in {i:6}"),
            ("{i:20}", "{i:20} must have a number of digits from 1 to 19, as in {i:6}"),
        ] {
            assert_eq!(text.parse::<Template>(), Err(why.to_owned()), "{text}");
        }
    }

    #[test]
    fn its_text_can_be_read_again() {
        for text in [r"PING\r\n\t\\\x7f\xff", "get {i} {i:4}", r"\{i} \{'a': {i}}", r"\xc3\xa9", ""] {
            assert_eq!(text.parse::<Template>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn only_a_text_without_a_number_is_fixed() {
        let fixed = |text: &str| text.parse::<Template>().unwrap().as_fixed().map(<[u8]>::to_vec);
        assert_eq!(fixed(""), Some(Vec::new()));
        assert_eq!(fixed(r"a\n"), Some(b"a\n".to_vec()));
        assert_eq!(fixed("a{i}"), None);
        assert_eq!(Template::fixed(b"{i}".to_vec()).as_fixed(), Some(&b"{i}"[..]));
    }
}
