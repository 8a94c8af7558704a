//! Replies as they arrive.

use std::mem;

use super::check::Wrong;
use super::framing::{Framing, Progress};

/// The beginning of a reply whose end hasn't arrived. It keeps its memory, for the next one.
#[derive(Debug, Default)]
pub struct Partial {
    bytes: Vec<u8>,
    progress: Progress,
}

impl Partial {
    /// Takes the `bytes` that have arrived, and calls `each` with every reply that they complete.
    pub fn take(
        &mut self,
        framing: &Framing,
        bytes: &[u8],
        each: impl FnMut(&[u8]) -> Result<(), Wrong>,
    ) -> Result<(), Wrong> {
        // Most replies arrive as a whole, and aren't copied.
        if self.bytes.is_empty() {
            let used = split(framing, bytes, &mut self.progress, each)?;
            self.bytes.extend_from_slice(&bytes[used..]);
            return Ok(());
        }
        let mut all = mem::take(&mut self.bytes);
        all.extend_from_slice(bytes);
        let used = split(framing, &all, &mut self.progress, each)?;
        all.drain(..used);
        self.bytes = all;
        Ok(())
    }

    /// The bytes so far.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// Clears it for a new connection.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.progress = Progress::default();
    }
}

/// Calls `each` with the replies that `bytes` begin with, and returns their length.
fn split(
    framing: &Framing,
    bytes: &[u8],
    progress: &mut Progress,
    mut each: impl FnMut(&[u8]) -> Result<(), Wrong>,
) -> Result<usize, Wrong> {
    let mut used = 0;
    while used < bytes.len()
        && let Some(len) = framing.find_end(&bytes[used..], progress)?
    {
        each(&bytes[used..used + len])?;
        used += len;
        *progress = Progress::default();
    }
    Ok(used)
}

#[cfg(test)]
mod tests {
    use super::super::framing::End;
    use super::*;
    use crate::codec::Prefix;

    const LEN_MAX: usize = 12;

    /// The replies in `bytes`, what is left, and the kind of error: the same however the bytes are cut.
    #[track_caller]
    fn replies(end: End, bytes: &[u8]) -> (Vec<String>, String, Option<&'static str>) {
        let framing = Framing::new(end, LEN_MAX).unwrap();
        let read = |pieces: &[&[u8]]| {
            let (mut partial, mut replies) = (Partial::default(), Vec::new());
            for piece in pieces {
                let taken = partial.take(&framing, piece, |reply| {
                    replies.push(reply.escape_ascii().to_string());
                    Ok(())
                });
                if let Err(wrong) = taken {
                    return (replies, String::new(), Some(wrong.kind));
                }
            }
            (replies, partial.as_slice().escape_ascii().to_string(), None)
        };
        let whole = read(&[bytes]);
        assert_eq!(read(&bytes.chunks(1).collect::<Vec<_>>()), whole);
        for at in 1..bytes.len() {
            assert_eq!(read(&[&bytes[..at], &bytes[at..]]), whole, "cut at {at}");
        }
        whole
    }

    #[track_caller]
    fn check(end: End, bytes: &[u8], expected: &[&str], left: &str) {
        let expected = expected.iter().map(|reply| (*reply).to_owned()).collect();
        assert_eq!(replies(end, bytes), (expected, left.to_owned(), None));
    }

    #[test]
    fn replies_end_at_their_ends() {
        check(End::Length(3), b"onetwofo", &["one", "two"], "fo");
        check(
            End::Delimiter(b"\r\n".to_vec()),
            b"a\r\n\r\n\rb\r\r\nc\r",
            &["a\\r\\n", "\\r\\n", "\\rb\\r\\r\\n"],
            "c\\r",
        );
        check(End::Delimiter(b"aab".to_vec()), b"aaabaab", &["aaab", "aab"], "");
        let regex = r"^(\$-1|\$\d+\r\n[^\r]*)\r\n".parse().unwrap();
        check(End::Regex(regex), b"$1\r\nx\r\n$-1\r\n$2", &["$1\\r\\nx\\r\\n", "$-1\\r\\n"], "$2");
        check(End::Prefix(Prefix::U16), b"\0\x02ab\0\0\0\x01", &["\\x00\\x02ab", "\\x00\\x00"], "\\x00\\x01");
        check(End::Close, b"all of it\n", &[], "all of it\\n");
    }

    #[test]
    fn a_reply_that_does_not_end_in_time_is_an_error() {
        let delimiter = || End::Delimiter(b";".to_vec());
        check(delimiter(), b"elevenbytes;", &["elevenbytes;"], "");
        let endless = |replies: &[&str]| {
            let replies = replies.iter().map(|reply| (*reply).to_owned()).collect::<Vec<_>>();
            (replies, String::new(), Some("endless reply"))
        };
        assert_eq!(replies(delimiter(), b"a;twelve bytes;b;"), endless(&["a;"]));
        assert_eq!(replies(End::Regex(";".parse().unwrap()), b"a;more than that"), endless(&["a;"]));
        assert_eq!(replies(End::Regex("^a*;".parse().unwrap()), b"aa;ab"), endless(&["aa;"]));
        assert_eq!(replies(End::Prefix(Prefix::U8), b"\x01a\x0d"), endless(&["\\x01a"]));
        assert_eq!(replies(End::Close, b"more than twelve"), endless(&[]));
    }

    #[test]
    fn an_end_before_the_first_byte_or_after_the_limit_is_refused() {
        let refused = |end| Framing::new(end, LEN_MAX).unwrap_err();
        for end in [End::Length(0), End::Delimiter(Vec::new()), End::Regex("a*".parse().unwrap())] {
            assert_eq!(refused(end), "a reply would end before its first byte");
        }
        for end in [End::Length(13), End::Delimiter(vec![b'x'; 13])] {
            assert_eq!(refused(end), "a reply of 13 bytes is over the limit of 12");
        }
    }
}
