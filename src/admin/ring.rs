//! A bounded ring of lines that all readers share.

use std::collections::VecDeque;

/// The most bytes that it holds, apart from the newest line.
const LEN_MAX: usize = 256 << 10;

/// The latest lines, oldest first. Each has a number, from 0, with which readers find their place.
#[derive(Debug, Default)]
pub struct Ring {
    lines: VecDeque<Line>,
    /// The number of the first line.
    first: u64,
    len: usize,
}

#[derive(Debug)]
struct Line {
    /// The connection that it is about; 0 if it is about the loop.
    connection: u64,
    text: Box<[u8]>,
}

impl Ring {
    /// Adds a line, and drops the oldest ones for it.
    pub fn push(&mut self, connection: u64, text: &[u8]) {
        self.len += text.len();
        self.lines.push_back(Line { connection, text: text.into() });
        while self.len > LEN_MAX
            && self.lines.len() > 1
            && let Some(oldest) = self.lines.pop_front()
        {
            self.len -= oldest.text.len();
            self.first += 1;
        }
    }

    /// The number of the next line.
    pub fn end(&self) -> u64 {
        self.first + self.lines.len() as u64
    }

    /// Passes lines from number `cursor` on to `take`, while it wants more. Returns the number of lines that were
    /// dropped before, and moves the cursor. With a `connection`, lines about others are left out.
    pub fn read(&self, cursor: &mut u64, connection: Option<u64>, mut take: impl FnMut(&[u8]) -> bool) -> u64 {
        let dropped = self.first.saturating_sub(*cursor);
        *cursor += dropped;
        let index = usize::try_from(*cursor - self.first).unwrap_or(usize::MAX).min(self.lines.len());
        for line in self.lines.range(index..) {
            *cursor += 1;
            let is_wanted = line.connection == 0 || connection.is_none_or(|wanted| wanted == line.connection);
            if is_wanted && !take(&line.text) {
                break;
            }
        }
        dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(ring: &Ring, cursor: &mut u64, connection: Option<u64>) -> (u64, String) {
        let mut text = String::new();
        let dropped = ring.read(cursor, connection, |line| {
            text.push_str(std::str::from_utf8(line).unwrap());
            true
        });
        (dropped, text)
    }

    #[test]
    fn each_reader_has_its_place() {
        let mut ring = Ring::default();
        ring.push(0, b"a");
        let (mut one, mut other) = (0, ring.end());
        ring.push(1, b"b");
        assert_eq!(read(&ring, &mut one, None), (0, "ab".into()));
        assert_eq!(read(&ring, &mut other, None), (0, "b".into()));
        assert_eq!(read(&ring, &mut other, None), (0, String::new()));
    }

    #[test]
    fn a_reader_of_one_connection_gets_its_lines_and_those_of_the_loop() {
        let mut ring = Ring::default();
        for (connection, text) in [(0, "a"), (1, "b"), (2, "c")] {
            ring.push(connection, text.as_bytes());
        }
        assert_eq!(read(&ring, &mut 0, Some(2)), (0, "ac".into()));
    }

    #[test]
    fn a_slow_reader_loses_the_oldest_and_learns_how_many() {
        let (mut ring, mut cursor) = (Ring::default(), 0);
        for _ in 0..10_000 {
            ring.push(1, &[b'x'; 100]);
        }
        assert!(ring.len <= LEN_MAX);
        let (dropped, text) = read(&ring, &mut cursor, None);
        assert_eq!((dropped + text.len() as u64 / 100, cursor), (10_000, ring.end()));
        // It stops after the line with which it has enough.
        let mut cursor = ring.end() - 5;
        assert_eq!(ring.read(&mut cursor, None, |_| false), 0);
        assert_eq!(cursor, ring.end() - 4);
    }

    #[test]
    fn a_line_longer_than_the_ring_is_still_there() {
        let mut ring = Ring::default();
        ring.push(0, b"a");
        ring.push(0, &vec![b'x'; LEN_MAX + 1]);
        assert_eq!(ring.lines.len(), 1);
    }
}
