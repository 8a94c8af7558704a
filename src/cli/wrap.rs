//! Lines that fit into a number of columns.

use unicode_width::UnicodeWidthChar;

/// Breaks the line `text` into pieces of at most `width` columns, the first of at most `first`: after a space if there is
/// one.
pub fn wrap(text: &str, first: usize, width: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut rest, mut room) = (text, first);
    while let Some(end) = overflow(rest, room) {
        let space = rest[..end].rfind(' ').map(|at| at + 1).filter(|&at| !rest[..at].trim().is_empty());
        let (piece, others) = rest.split_at(space.unwrap_or(end));
        pieces.push(piece.trim_end());
        (rest, room) = (others, width);
    }
    pieces.push(rest);
    pieces
}

/// The index of the first character that doesn't fit into `width` columns. The first of all always fits.
fn overflow(text: &str, width: usize) -> Option<usize> {
    let mut columns = 0;
    for (at, character) in text.char_indices() {
        columns += character.width().unwrap_or(0);
        if columns > width && at > 0 {
            return Some(at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_spaces_if_they_can() {
        assert_eq!(wrap("", 5, 5), [""]);
        assert_eq!(wrap("12345", 5, 5), ["12345"]);
        assert_eq!(wrap("one two three", 8, 8), ["one two", "three"]);
        assert_eq!(wrap("one two three", 4, 8), ["one", "two", "three"]);
        assert_eq!(wrap("  123456789", 5, 4), ["  123", "4567", "89"]);
        assert_eq!(wrap("🐶🐶🐶", 5, 1), ["🐶🐶", "🐶"]);
        assert_eq!(wrap("🐶🐶", 1, 1), ["🐶", "🐶"]);
    }
}
