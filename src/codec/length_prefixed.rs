//! Messages whose length comes first.

use super::Error;
use crate::buffer::{Input, Tail};

/// Messages whose length comes first, as an unsigned big-endian integer.
///
/// The length is checked as soon as it has arrived, so nothing waits for a message over the limit.
///
/// ```
/// use multiconn::buffer::Input;
/// use multiconn::codec::{Error, LengthPrefixed, Prefix};
///
/// let messages = LengthPrefixed::new(Prefix::U16, 1000);
/// let mut input = Input::new(b"\0\x05hello\0\x05wor");
/// assert_eq!(messages.read(&mut input), Ok(Some(&b"hello"[..])));
/// assert_eq!(messages.read(&mut input), Ok(None));
///
/// let mut input = Input::new(b"\xff\xff");
/// assert_eq!(messages.read(&mut input), Err(Error::MessageTooLong { len: 65_535, len_max: 1000 }));
///
/// let mut bytes = Vec::new();
/// messages.write(&mut bytes, b"hello")?;
/// assert_eq!(bytes, b"\0\x05hello");
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct LengthPrefixed {
    prefix: Prefix,
    len_max: usize,
}

/// The integer type of the length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    /// One byte: `!B` in Python's `struct`.
    U8,
    /// Two bytes: `!H`.
    U16,
    /// Four bytes: `!I`.
    U32,
    /// Eight bytes: `!Q`.
    U64,
}

impl Prefix {
    /// Its size in bytes.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub const fn len(self) -> usize {
        match self {
            Prefix::U8 => 1,
            Prefix::U16 => 2,
            Prefix::U32 => 4,
            Prefix::U64 => 8,
        }
    }

    /// The greatest length it can express.
    const fn max(self) -> u64 {
        u64::MAX >> (64 - 8 * self.len())
    }
}

impl LengthPrefixed {
    /// Messages of at most `len_max` bytes, without the prefix; or as many as the prefix can express, if that is less.
    pub const fn new(prefix: Prefix, len_max: usize) -> Self {
        let expressible = prefix.max();
        let len_max = if (len_max as u64) < expressible { len_max } else { expressible as usize };
        LengthPrefixed { prefix, len_max }
    }

    /// Takes the next message off `input`, or returns `None` while it is incomplete.
    ///
    /// # Errors
    /// If the announced length is over the limit. The prefix is left in the input.
    pub fn read<'a>(&self, input: &mut Input<'a>) -> Result<Option<&'a [u8]>, Error> {
        let Some((prefix, rest)) = input.remaining().split_at_checked(self.prefix.len()) else { return Ok(None) };
        let len = prefix.iter().fold(0, |len, &byte| len << 8 | u64::from(byte));
        let len = self.check(len)?;
        let Some(message) = rest.get(..len) else { return Ok(None) };
        input.take(prefix.len() + len);
        Ok(Some(message))
    }

    /// Appends the length of `message`, and `message`, to `out`.
    ///
    /// # Errors
    /// If it is too long. Nothing is appended then.
    pub fn write<'a>(&self, out: impl Into<Tail<'a>>, message: &[u8]) -> Result<(), Error> {
        let len = message.len() as u64;
        self.check(len)?;
        let mut out = out.into();
        out.extend_from_slice(&len.to_be_bytes()[8 - self.prefix.len()..]);
        out.extend_from_slice(message);
        Ok(())
    }

    /// The length, if it is within the limit.
    fn check(&self, len: u64) -> Result<usize, Error> {
        let allowed = usize::try_from(len).ok().filter(|&len| len <= self.len_max);
        allowed.ok_or(Error::MessageTooLong { len, len_max: self.len_max })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Outcome, read_all};
    use super::*;

    const PREFIXES: [Prefix; 4] = [Prefix::U8, Prefix::U16, Prefix::U32, Prefix::U64];

    /// The length `len` as `prefix`, and then `message`.
    fn framed(prefix: Prefix, len: u64, message: &[u8]) -> Vec<u8> {
        [&len.to_be_bytes()[8 - prefix.len()..], message].concat()
    }

    fn read(messages: LengthPrefixed, bytes: &[u8]) -> Outcome {
        read_all(bytes, || move |input: &mut Input<'_>| messages.read(input))
    }

    #[test]
    fn messages_are_read_however_they_are_cut() {
        for prefix in PREFIXES {
            let whole = [framed(prefix, 5, b"hello"), framed(prefix, 0, b""), framed(prefix, 2, b"\n\0")].concat();
            let messages = vec![b"hello".to_vec(), b"".to_vec(), b"\n\0".to_vec()];
            for rest in [&b""[..], &framed(prefix, 3, b"")[..prefix.len() - 1], &framed(prefix, 3, b"ab")] {
                let bytes = [&whole, rest].concat();
                let outcome = read(LengthPrefixed::new(prefix, 5), &bytes);
                assert_eq!(outcome, Outcome { messages: messages.clone(), rest: rest.to_vec(), error: None });
            }
        }
    }

    #[test]
    fn a_length_over_the_limit_is_an_error_as_soon_as_it_has_come() {
        for prefix in PREFIXES {
            for len in [6, prefix.max()] {
                let error = Some(Error::MessageTooLong { len, len_max: 5 });
                for message in [&b""[..], b"hello!", b"hello! and more"] {
                    let bytes = [framed(prefix, 5, b"hello"), framed(prefix, len, message)].concat();
                    let outcome = read(LengthPrefixed::new(prefix, 5), &bytes);
                    assert_eq!(outcome, Outcome { messages: vec![b"hello".to_vec()], rest: Vec::new(), error });
                }
            }
        }
    }

    #[test]
    fn a_message_of_any_length_is_read_as_it_was_written() {
        for (prefix, len) in [(Prefix::U8, 255), (Prefix::U16, 65_535), (Prefix::U32, 65_536), (Prefix::U64, 65_536)] {
            let messages = LengthPrefixed::new(prefix, usize::MAX);
            let (mut bytes, message) = (b"before".to_vec(), vec![b'x'; len]);
            messages.write(&mut bytes, &message).unwrap();
            let written = &bytes[b"before".len()..];
            assert_eq!(written, framed(prefix, len as u64, &message));
            assert_eq!(messages.read(&mut Input::new(written)), Ok(Some(&message[..])));
        }
    }

    #[test]
    fn a_message_is_written_whole_or_not_at_all() {
        let mut bytes = Vec::new();
        let limited = LengthPrefixed::new(Prefix::U64, 5);
        assert_eq!(limited.write(&mut bytes, b"hello!"), Err(Error::MessageTooLong { len: 6, len_max: 5 }));
        let byte = LengthPrefixed::new(Prefix::U8, 1000);
        assert_eq!(byte.write(&mut bytes, &[0; 256]), Err(Error::MessageTooLong { len: 256, len_max: 255 }));
        assert_eq!(bytes, b"");
    }
}
