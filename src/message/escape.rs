//! Writing JSON strings.

use std::iter;

use super::HEAD_LEN_TYPICAL;
use crate::buffer::Tail;

/// Appends `text` as a JSON string, with characters beyond ASCII unescaped: the tutorial's `_json_encode`.
#[doc(alias = "_json_encode")]
pub fn write_string(out: &mut Tail<'_>, text: &str) {
    write_text(out, len_escaped(text), |out| out.extend_from_slice(text.as_bytes()));
}

/// Appends a JSON string with the text that `write` appends, of about `len` bytes. The text is escaped in place, so that
/// a long one is never in memory twice.
pub fn write_text(out: &mut Tail<'_>, len: usize, write: impl FnOnce(&mut Tail<'_>)) {
    // A short text already has space. A long one also needs some for the words around it and the header after it.
    if len > HEAD_LEN_TYPICAL {
        out.reserve(len + 2 * HEAD_LEN_TYPICAL);
    }
    out.push(b'"');
    let mut text = Tail::from(&mut *out);
    write(&mut text);
    escape(&mut text);
    out.push(b'"');
}

/// The length of `text` in a JSON string, or a little less if it has control characters.
pub fn len_escaped(text: &str) -> usize {
    text.len() + text.bytes().filter(|&byte| is_escaped(byte)).count()
}

/// Whether `byte` is escaped in a JSON string.
fn is_escaped(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | 0..0x20)
}

/// Escapes `text` for a JSON string.
fn escape(text: &mut Tail<'_>) {
    if !text.as_slice().iter().fold(false, |found, &byte| found | is_escaped(byte)) {
        return;
    }
    let len = text.len();
    let longer = text.as_slice().iter().filter(|&&byte| is_escaped(byte)).map(|&byte| escaped(byte).1 - 1).sum();
    text.reserve_exact(longer + HEAD_LEN_TYPICAL);
    text.extend(iter::repeat_n(0, longer));
    let bytes = text.as_mut_slice();
    // Moves each byte to its final place, from the last one back, until the remaining ones need no move.
    let (mut from, mut to) = (len, bytes.len());
    while from < to {
        from -= 1;
        let byte = bytes[from];
        if is_escaped(byte) {
            let (escaped, len) = escaped(byte);
            to -= len;
            bytes[to..to + len].copy_from_slice(&escaped[..len]);
        } else {
            to -= 1;
            bytes[to] = byte;
        }
    }
}

/// The escape of `byte`, and its length.
fn escaped(byte: u8) -> ([u8; 6], usize) {
    let digit = |value: u8| b"0123456789abcdef"[usize::from(value)];
    let letter = match byte {
        b'\x08' => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        b'\x0c' => b'f',
        b'\r' => b'r',
        b'"' | b'\\' => byte,
        _ => return ([b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 0xf)], 6),
    };
    ([b'\\', letter, 0, 0, 0, 0], 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_is_escaped_as_serde_json_does_it() {
        let ascii: String = (0..=0x7f).map(char::from).collect();
        for text in ["", "plain", "é🐶", "\"", "\"é\"", "\\\\n\n", "\0", "the \u{1f} end", "\u{85}\u{2028}", &ascii]
        {
            let mut written = b"before".to_vec();
            write_string(&mut Tail::from(&mut written), text);
            assert_eq!(written, format!("before{}", serde_json::to_string(text).unwrap()).as_bytes());
        }
    }
}
