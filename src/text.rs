//! Text from peers and the system, prepared for people.

use std::fmt::{self, Write as _};
use std::io;
use std::mem;

/// Bytes from a peer, made safe for a log: text unchanged as far as it is [printable](Printable), the rest escaped, in
/// single quotes, and cut after [`Escaped::LEN_MAX`] bytes. Quotes and backslashes of the text are escaped as well, so
/// that the output is unambiguous. With `{:#}`, everything beyond printable ASCII is escaped, for errors that are sent
/// to peers.
pub struct Escaped<'a>(pub &'a [u8]);

impl Escaped<'_> {
    /// The most bytes shown.
    pub const LEN_MAX: usize = 200;
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_ascii = f.alternate();
        let shown = if is_ascii { &self.0[..self.0.len().min(Self::LEN_MAX)] } else { start_of(self.0, Self::LEN_MAX) };
        f.write_str("'")?;
        for chunk in shown.utf8_chunks() {
            let mut may_join = false;
            for character in chunk.valid().chars() {
                let is_shown = is_printable(character, may_join);
                match u8::try_from(character) {
                    Ok(b'"') => f.write_str("\"")?,
                    Ok(byte) if byte.is_ascii() => write!(f, "{}", byte.escape_ascii())?,
                    _ if is_ascii => {
                        write!(f, "{}", character.encode_utf8(&mut [0; 4]).as_bytes().escape_ascii())?;
                    }
                    _ if is_shown => f.write_char(character)?,
                    _ => write!(f, "{}", character.escape_default())?,
                }
                may_join = joins(character, is_shown);
            }
            write!(f, "{}", chunk.invalid().escape_ascii())?;
        }
        f.write_str("'")?;
        match self.0.len() - shown.len() {
            0 => Ok(()),
            more => write!(f, " and {} more", count(more, "byte")),
        }
    }
}

/// The first `len` bytes, or a few fewer if they would end within a character.
fn start_of(bytes: &[u8], len: usize) -> &[u8] {
    if bytes.len() <= len {
        return bytes;
    }
    let start = &bytes[..len];
    match start.utf8_chunks().last() {
        Some(chunk) if str::from_utf8(chunk.invalid()).is_err_and(|error| error.error_len().is_none()) => {
            &start[..len - chunk.invalid().len()]
        }
        _ => start,
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

/// A number of things, with a regular noun: `1 byte`, `2 bytes`, `2 replies`. After "of", the noun is always plural, as
/// in `0 of 1 bytes`, so that needs no function.
pub fn count<N: fmt::Display + PartialEq + From<u8>>(number: N, noun: &str) -> Count<'_, N> {
    Count { number, noun }
}

/// See [`count`].
pub struct Count<'a, N> {
    number: N,
    noun: &'a str,
}

impl<N: fmt::Display + PartialEq + From<u8>> fmt::Display for Count<'_, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Count { number, noun } = self;
        match (noun.strip_suffix('y'), noun.ends_with('s')) {
            _ if *number == N::from(1) => write!(f, "{number} {noun}"),
            (Some(stem), _) => write!(f, "{number} {stem}ies"),
            (None, true) => write!(f, "{number} {noun}es"),
            (None, false) => write!(f, "{number} {noun}s"),
        }
    }
}

/// Makes text from others safe for a terminal, but keeps its line ends: see [`Printable`].
pub fn printable(text: &[u8]) -> String {
    all_of(Printable::default(), text)
}

/// Makes text from others safe for a terminal as a single line: line ends are escaped as well.
#[cfg(feature = "cli")]
pub fn printable_line(text: &str) -> String {
    all_of(Printable { kept: &['\t'], ..Printable::default() }, text.as_bytes())
}

fn all_of(mut printable: Printable, text: &[u8]) -> String {
    printable.take(text) + &printable.take_rest()
}

/// Makes text safe for a terminal, piece by piece: whatever could control a terminal or can't be seen is escaped.
///
/// It escapes control characters, invalid UTF-8, and [invisible characters](is_invisible), which reorder the text
/// around them or hide in it. Joiners are invisible too, but emoji and several scripts need them: a joiner after a
/// character beyond ASCII is kept.
#[derive(Debug)]
pub struct Printable {
    /// The control characters that are left as they are.
    kept: &'static [char],
    /// The beginning of an incomplete character.
    begun: Vec<u8>,
    /// Whether a joiner may follow.
    may_join: bool,
}

impl Default for Printable {
    fn default() -> Self {
        Printable { kept: &['\n', '\t'], begun: Vec::new(), may_join: false }
    }
}

impl Printable {
    /// Creates one that keeps carriage returns, too.
    #[cfg(feature = "cli")]
    pub fn with_carriage_returns() -> Self {
        Printable { kept: &['\n', '\t', '\r'], ..Printable::default() }
    }

    /// Returns the text so far, except for an incomplete character at the end, which is kept.
    pub fn take(&mut self, piece: &[u8]) -> String {
        let mut text = mem::take(&mut self.begun);
        text.extend_from_slice(piece);
        let last = text.utf8_chunks().last().map_or(&[][..], |chunk| chunk.invalid());
        let is_begun = str::from_utf8(last).is_err_and(|error| error.error_len().is_none());
        self.begun = text.split_off(text.len() - if is_begun { last.len() } else { 0 });
        self.shown(&text)
    }

    /// Returns the incomplete character at the end of the text, escaped.
    pub fn take_rest(&mut self) -> String {
        let rest = mem::take(&mut self.begun);
        self.shown(&rest)
    }

    fn shown(&mut self, text: &[u8]) -> String {
        let mut shown = String::with_capacity(text.len());
        for chunk in text.utf8_chunks() {
            for character in chunk.valid().chars() {
                let is_shown = self.kept.contains(&character) || is_printable(character, self.may_join);
                if is_shown {
                    shown.push(character);
                } else {
                    shown.extend(character.escape_default());
                }
                self.may_join = joins(character, is_shown);
            }
            if !chunk.invalid().is_empty() {
                shown.extend(chunk.invalid().escape_ascii().map(char::from));
                self.may_join = false;
            }
        }
        shown
    }
}

/// Whether a character can be shown as it is. A joiner can where it `may_join`.
fn is_printable(character: char, may_join: bool) -> bool {
    match character {
        '\u{200c}' | '\u{200d}' => may_join,
        other => !other.is_control() && !is_invisible(other),
    }
}

/// Whether a joiner may follow a character.
fn joins(character: char, is_shown: bool) -> bool {
    is_shown && !matches!(character, '\u{200c}' | '\u{200d}') && !character.is_ascii()
}

/// Whether a character is invisible, other than control characters, joiners and the 16 variation selectors of emoji:
/// Unicode's `Default_Ignorable_Code_Point`, its line and paragraph separators, and annotation marks. Some of them
/// change the direction of text.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
            | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
    )
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
    fn one_is_singular() {
        for (number, noun, words) in [
            (1_u64, "byte", "1 byte"),
            (0, "byte", "0 bytes"),
            (2, "reply", "2 replies"),
            (1, "reply", "1 reply"),
            (3, "process", "3 processes"),
        ] {
            assert_eq!(count(number, noun).to_string(), words);
        }
    }

    #[test]
    fn bytes_are_escaped_and_cut() {
        assert_eq!(Escaped(b"\"a\"\n\x1b[1m\xff'").to_string(), r#"'"a"\n\x1b[1m\xff\''"#);
        // Text is unchanged, except for characters that hide something or change its direction.
        assert_eq!(Escaped("é 🐶 a\u{200d}b\u{202e}\u{9b}".as_bytes()).to_string(), r"'é 🐶 a\u{200d}b\u{202e}\u{9b}'");
        assert_eq!(Escaped("👩\u{200d}👧 \\".as_bytes()).to_string(), "'👩\u{200d}👧 \\\\'");
        assert_eq!(Escaped(b"\xc3\xa9\xc3").to_string(), r"'é\xc3'");
        assert_eq!(format!("{:#}", Escaped("é\"\n\u{9b}".as_bytes())), r#"'\xc3\xa9"\n\xc2\x9b'"#);
        // The cut is between characters.
        let dogs = "🐶".repeat(60);
        let cut = Escaped([b"xx", dogs.as_bytes()].concat().as_slice()).to_string();
        assert_eq!(cut, format!("'xx{}' and 44 bytes more", "🐶".repeat(49)));
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

    #[test]
    fn nothing_hides_in_text_or_turns_it_around() {
        for (text, shown) in [
            ("abc\u{202e}gpj.exe", r"abc\u{202e}gpj.exe"),
            ("\u{2066}a\u{2069}\u{200e}\u{200f}\u{61c}", r"\u{2066}a\u{2069}\u{200e}\u{200f}\u{61c}"),
            ("a\u{200b}b\u{feff}c\u{ad}", r"a\u{200b}b\u{feff}c\u{ad}"),
            ("a\u{2028}b\u{2029}", r"a\u{2028}b\u{2029}"),
            ("\u{e0041}\u{e0042}\u{3164}", r"\u{e0041}\u{e0042}\u{3164}"),
            // A joiner that joins nothing is only invisible.
            ("ad\u{200d}min \u{200c}", r"ad\u{200d}min \u{200c}"),
            ("é\u{200d}\u{200d}", "é\u{200d}\\u{200d}"),
            // Text that needs joiners and selectors, or is written from right to left.
            (
                "👩\u{200d}👧 ❤\u{fe0f}\u{200d}🔥 می\u{200c}خواهم שלום",
                "👩\u{200d}👧 ❤\u{fe0f}\u{200d}🔥 می\u{200c}خواهم שלום",
            ),
        ] {
            assert_eq!(printable(text.as_bytes()), shown);
        }
    }

    #[cfg(feature = "cli")]
    #[test]
    fn a_line_has_no_end_in_it() {
        assert_eq!(printable_line("a\tb\r\nc\u{2028}🐰"), "a\tb\\r\\nc\\u{2028}🐰");
    }

    #[test]
    fn characters_come_whole_however_they_are_split() {
        let bytes = b"a \xf0\x9f\x90\xb0\xe2\x80\x8d\t\xe2\x80\x8d\xff\xf0\x9f\n\xe2\x82";
        for len in 1..=bytes.len() {
            let mut printable = Printable::default();
            let mut shown: String = bytes.chunks(len).map(|piece| printable.take(piece)).collect();
            shown += &printable.take_rest();
            assert_eq!(shown, "a 🐰\u{200d}\t\\u{200d}\\xff\\xf0\\x9f\n\\xe2\\x82", "in pieces of {len}");
        }
    }
}
