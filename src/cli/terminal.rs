//! Standard output on a terminal, protected from what a server sends.

use std::io::{self, Write};

use crate::text::Printable;

/// Writes [printable](Printable) text unchanged and escapes the rest, however the input is split.
#[derive(Debug)]
pub struct Terminal<W: Write> {
    out: W,
    printable: Printable,
}

impl<W: Write> Terminal<W> {
    pub fn new(out: W) -> Self {
        Terminal { out, printable: Printable::default() }
    }
}

impl<W: Write> Write for Terminal<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write_all(self.printable.take(bytes).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Shows an incomplete character at the end.
impl<W: Write> Drop for Terminal<W> {
    fn drop(&mut self) {
        let rest = self.printable.take_rest();
        let _ = self.out.write_all(rest.as_bytes()).and_then(|()| self.out.flush());
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
