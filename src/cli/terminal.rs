//! What a peer has sent, on a terminal.

/// Text as it is, but for what would take hold of the terminal: control characters other than a newline and a tab, and
/// what is not UTF-8, are escaped.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_takes_hold_of_it() {
        assert_eq!(printable("a 🐰\t\n\x1b[31m\u{9b}1m".as_bytes()), "a 🐰\t\n\\u{1b}[31m\\u{9b}1m");
        assert_eq!(printable(b"a\xff\xc3(\xf0\x9f"), "a\\xff\\xc3(\\xf0\\x9f");
    }
}
