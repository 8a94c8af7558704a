//! Text from peers and the system, prepared for people.

use std::fmt;
use std::io;
#[cfg(feature = "cli")]
use std::mem;

/// Bytes from a peer, made safe for a log: printable ASCII unchanged, the rest escaped, in single quotes, and cut after
/// [`Escaped::LEN_MAX`] bytes.
pub struct Escaped<'a>(pub &'a [u8]);

impl Escaped<'_> {
    /// The most bytes shown.
    pub const LEN_MAX: usize = 200;
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.0[..self.0.len().min(Self::LEN_MAX)];
        f.write_str("'")?;
        for &byte in shown {
            match byte {
                b'"' => f.write_str("\"")?,
                byte => write!(f, "{}", byte.escape_ascii())?,
            }
        }
        f.write_str("'")?;
        match self.0.len() - shown.len() {
            0 => Ok(()),
            more => write!(f, " and {more} bytes more"),
        }
    }
}

/// A word from a peer, made safe for an error or a log: control characters escaped, and cut after [`Word::CHARS_MAX`]
/// characters.
pub struct Word<'a>(pub &'a str);

impl Word<'_> {
    /// The most characters shown.
    pub const CHARS_MAX: usize = 40;
}

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(Self::CHARS_MAX) {
            Some((end, _)) => write!(f, "{}…", self.0[..end].escape_debug()),
            None => self.0.escape_debug().fmt(f),
        }
    }
}

/// Makes text safe for a terminal: control characters other than newline and tab, and invalid UTF-8, are escaped.
pub fn printable(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\n' | '\t' => shown.push(character),
                control if control.is_control() => shown.extend(control.escape_default()),
                other => shown.push(other),
            }
        }
        shown.extend(chunk.invalid().escape_ascii().map(char::from));
    }
    shown
}

/// Text that arrives in pieces, which may end within a character.
#[cfg(feature = "cli")]
#[derive(Debug, Default)]
pub struct Characters {
    /// The beginning of an incomplete character.
    begun: Vec<u8>,
}

#[cfg(feature = "cli")]
impl Characters {
    /// Returns the text so far, except for an incomplete character at the end, which is kept.
    pub fn take(&mut self, piece: &[u8]) -> Vec<u8> {
        self.begun.extend_from_slice(piece);
        let last = self.begun.utf8_chunks().last().map_or(&[][..], |chunk| chunk.invalid());
        let is_begun = str::from_utf8(last).is_err_and(|error| error.error_len().is_none());
        let rest = self.begun.split_off(self.begun.len() - if is_begun { last.len() } else { 0 });
        mem::replace(&mut self.begun, rest)
    }

    /// Returns the incomplete character, if no more text comes.
    pub fn take_rest(&mut self) -> Vec<u8> {
        mem::take(&mut self.begun)
    }
}

/// The reason for an error in a few plain words, without the system's error number.
pub fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".into(),
        io::ErrorKind::ConnectionReset => "connection reset by peer".into(),
        io::ErrorKind::BrokenPipe => "peer has closed the connection".into(),
        io::ErrorKind::AddrInUse => "address already in use".into(),
        io::ErrorKind::AddrNotAvailable => "address not available".into(),
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        io::ErrorKind::NotFound => "no such file".into(),
        io::ErrorKind::TimedOut => "timed out".into(),
        _ => {
            let text = error.to_string();
            match text.find(" (os error") {
                Some(end) => text[..end].to_lowercase(),
                None => text,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn bytes_are_escaped_and_cut() {
        assert_eq!(Escaped(b"\"a\"\n\x1b[1m\xff'").to_string(), r#"'"a"\n\x1b[1m\xff\''"#);
        let long = [b'x'; Escaped::LEN_MAX + 7];
        assert_eq!(Escaped(&long).to_string(), format!("'{}' and 7 bytes more", "x".repeat(Escaped::LEN_MAX)));
    }

    #[test]
    fn words_are_escaped_and_cut() {
        assert_eq!(Word("a \x1b[1m\n🐶").to_string(), r"a \u{1b}[1m\n🐶");
        let long = "🐶".repeat(Word::CHARS_MAX);
        assert_eq!(Word(&long).to_string(), long);
        assert_eq!(Word(&format!("{long}x")).to_string(), format!("{long}…"));
    }

    #[test]
    fn reasons_are_words() {
        assert_eq!(reason(&Errno::MFILE.into()), "too many open files");
        assert_eq!(reason(&io::ErrorKind::ConnectionReset.into()), "connection reset by peer");
        assert_eq!(reason(&io::Error::other("of our own")), "of our own");
    }

    #[test]
    fn nothing_takes_hold_of_a_terminal() {
        assert_eq!(printable("a 🐰\t\n\x1b[31m\u{9b}1m".as_bytes()), "a 🐰\t\n\\u{1b}[31m\\u{9b}1m");
        assert_eq!(printable(b"a\xff\xc3(\xf0\x9f"), "a\\xff\\xc3(\\xf0\\x9f");
    }

    #[cfg(feature = "cli")]
    #[test]
    fn characters_come_whole_however_they_are_split() {
        let bytes = b"a \xf0\x9f\x90\xb0\t\xff\xf0\x9f\n\xe2\x82";
        for len in 1..=bytes.len() {
            let mut characters = Characters::default();
            let mut shown: String = bytes.chunks(len).map(|piece| printable(&characters.take(piece))).collect();
            shown += &printable(&characters.take_rest());
            assert_eq!(shown, "a 🐰\t\\xff\\xf0\\x9f\n\\xe2\\x82", "in pieces of {len}");
        }
    }
}
