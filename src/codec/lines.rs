//! Messages that end with a newline.

use super::Error;
use crate::buffer::{Input, Tail};

/// Messages that end with a newline; reading returns them without it.
///
/// A carriage return before the newline is part of the line. A line's length is limited. Bytes in which no newline was
/// found are not searched again.
///
/// ```
/// use multiconn::buffer::Input;
/// use multiconn::codec::{Error, Lines};
///
/// let mut lines = Lines::new(10);
/// let mut input = Input::new(b"hello\nwor");
/// assert_eq!(lines.read(&mut input), Ok(Some(&b"hello"[..])));
/// assert_eq!(lines.read(&mut input), Ok(None));
/// assert_eq!(input.remaining(), b"wor"); // it stays where it is until the rest has come
///
/// let mut input = Input::new(b"world of mouths");
/// assert_eq!(lines.read(&mut input), Err(Error::LineTooLong { len_max: 10 }));
///
/// let mut bytes = Vec::new();
/// lines.write(&mut bytes, b"hello")?;
/// assert_eq!(bytes, b"hello\n");
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Lines {
    len_max: usize,
    /// The number of next bytes that are known to contain no newline.
    scanned: usize,
}

impl Lines {
    /// Lines of at most `len_max` bytes, without the newline.
    pub const fn new(len_max: usize) -> Self {
        Lines { len_max, scanned: 0 }
    }

    /// Takes the next line off `input`, or returns `None` while it is incomplete.
    ///
    /// The next call's input must begin with the bytes that this one leaves, as a session's input does.
    ///
    /// # Errors
    /// If the line is too long. Its bytes are left in the input.
    pub fn read<'a>(&mut self, input: &mut Input<'a>) -> Result<Option<&'a [u8]>, Error> {
        let bytes = input.remaining();
        // A newline after these comes too late.
        let end = bytes.len().min(self.len_max.saturating_add(1));
        let fresh = bytes.get(self.scanned..end).unwrap_or_default();
        let Some(at) = fresh.iter().position(|&byte| byte == b'\n') else {
            if bytes.len() > self.len_max {
                return Err(Error::LineTooLong { len_max: self.len_max });
            }
            self.scanned = bytes.len();
            return Ok(None);
        };
        let len = self.scanned + at;
        self.scanned = 0;
        input.take(len + 1);
        Ok(Some(&bytes[..len]))
    }

    /// Appends `line` and a newline to `out`.
    ///
    /// # Errors
    /// If it is too long, or contains a newline, which would make it two lines. Nothing is appended then.
    pub fn write<'a>(&self, out: impl Into<Tail<'a>>, line: &[u8]) -> Result<(), Error> {
        if line.len() > self.len_max {
            return Err(Error::LineTooLong { len_max: self.len_max });
        }
        if let Some(at) = line.iter().position(|&byte| byte == b'\n') {
            return Err(Error::NewlineInLine { at });
        }
        let mut out = out.into();
        out.extend_from_slice(line);
        out.push(b'\n');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Outcome, read_all};
    use super::*;

    fn lines(bytes: &[u8]) -> Outcome {
        read_all(bytes, || {
            let mut lines = Lines::new(5);
            move |input: &mut Input<'_>| lines.read(input)
        })
    }

    #[track_caller]
    fn check(bytes: &[u8], messages: &[&[u8]], rest: &[u8]) {
        let messages = messages.iter().map(|line| line.to_vec()).collect();
        assert_eq!(lines(bytes), Outcome { messages, rest: rest.to_vec(), error: None });
    }

    #[track_caller]
    fn check_too_long(bytes: &[u8], messages: &[&[u8]]) {
        let messages = messages.iter().map(|line| line.to_vec()).collect();
        let error = Some(Error::LineTooLong { len_max: 5 });
        assert_eq!(lines(bytes), Outcome { messages, rest: Vec::new(), error });
    }

    #[test]
    fn lines_are_read_however_they_are_cut() {
        check(b"", &[], b"");
        check(b"\n", &[b""], b"");
        check(b"a\n", &[b"a"], b"");
        check(b"hello\n", &[b"hello"], b"");
        check(b"one\r\n\n\0\xff\nfour\n", &[b"one\r", b"", b"\0\xff", b"four"], b"");
        check(b"hello\nworld", &[b"hello"], b"world");
        check(b"hel", &[], b"hel");
    }

    #[test]
    fn a_line_that_is_too_long_is_an_error_before_it_ends() {
        check_too_long(b"hello!", &[]);
        check_too_long(b"hello!\n", &[]);
        check_too_long(b"hello!\nworld\n", &[]);
        check_too_long(b"hello\n\nworlds and more", &[b"hello", b""]);
        let mut none = Lines::new(0);
        assert_eq!(none.read(&mut Input::new(b"\nx")), Ok(Some(&b""[..])));
        assert_eq!(none.read(&mut Input::new(b"x\n")), Err(Error::LineTooLong { len_max: 0 }));
        assert_eq!(Lines::new(usize::MAX).read(&mut Input::new(b"x\n")), Ok(Some(&b"x"[..])));
    }

    #[test]
    fn an_error_stays() {
        let mut lines = Lines::new(5);
        assert_eq!(lines.read(&mut Input::new(b"hell")), Ok(None));
        for _ in 0..3 {
            assert_eq!(lines.read(&mut Input::new(b"hello!\n")), Err(Error::LineTooLong { len_max: 5 }));
        }
    }

    #[test]
    fn searched_bytes_are_not_searched_again() {
        let mut lines = Lines::new(1000);
        assert_eq!(lines.read(&mut Input::new(&[b'x'; 900])), Ok(None));
        // A second search would find these newlines.
        assert_eq!(lines.read(&mut Input::new(&[b'\n'; 900])), Ok(None));
        assert_eq!(lines.read(&mut Input::new(&[b'\n'; 901])).unwrap().map(<[u8]>::len), Some(900));
        assert_eq!(
            lines.read(&mut Input::new(b"\n")),
            Ok(Some(&b""[..])),
            "the next line is searched from its beginning"
        );
    }

    #[test]
    fn a_line_is_written_whole_or_not_at_all() {
        let mut bytes = b"before ".to_vec();
        let lines = Lines::new(5);
        assert_eq!(lines.write(&mut bytes, b"hello"), Ok(()));
        assert_eq!(lines.write(&mut bytes, b""), Ok(()));
        assert_eq!(lines.write(&mut bytes, b"hello!"), Err(Error::LineTooLong { len_max: 5 }));
        assert_eq!(lines.write(&mut bytes, b"a\nb"), Err(Error::NewlineInLine { at: 1 }));
        assert_eq!(bytes, b"before hello\n\n");
    }
}
