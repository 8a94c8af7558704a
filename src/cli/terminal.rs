//! Standard output where it's a terminal: nothing that a server sends takes hold of it.

use std::io::{self, Write};
use std::mem;

use crate::text::printable;

/// Writes what is [printable], and the rest escaped, in however many pieces it comes.
#[derive(Debug)]
pub struct Terminal<W: Write> {
    out: W,
    /// The beginning of a character of which the rest has yet to come.
    begun: Vec<u8>,
}

impl<W: Write> Terminal<W> {
    pub fn new(out: W) -> Self {
        Terminal { out, begun: Vec::new() }
    }
}

impl<W: Write> Write for Terminal<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.begun.extend_from_slice(bytes);
        // What is wrong in the end may yet become a character.
        let last = self.begun.utf8_chunks().last().map_or(&[][..], |chunk| chunk.invalid());
        let is_begun = str::from_utf8(last).is_err_and(|error| error.error_len().is_none());
        let rest = self.begun.split_off(self.begun.len() - if is_begun { last.len() } else { 0 });
        let whole = mem::replace(&mut self.begun, rest);
        self.out.write_all(printable(&whole).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// What has begun and never came whole is shown at the end.
impl<W: Write> Drop for Terminal<W> {
    fn drop(&mut self) {
        if !self.begun.is_empty() {
            let _ = write!(self.out, "{}", printable(&self.begun)).and_then(|()| self.out.flush());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_come_whole_and_controls_escaped_however_the_bytes_are_split() {
        let bytes = b"a \xf0\x9f\x90\xb0\t\x1b[31m\xc2\x9b1m\xff\xf0\x9f\n\xe2\x82";
        let shown = "a 🐰\t\\u{1b}[31m\\u{9b}1m\\xff\\xf0\\x9f\n\\xe2\\x82";
        for len in 1..=bytes.len() {
            let mut out = Vec::new();
            let mut terminal = Terminal::new(&mut out);
            for piece in bytes.chunks(len) {
                terminal.write_all(piece).unwrap();
            }
            drop(terminal);
            assert_eq!(String::from_utf8(out).unwrap(), shown, "in pieces of {len}");
        }
    }
}
