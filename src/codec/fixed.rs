//! Messages of a length that both sides know.

use crate::buffer::{Input, Tail};

/// Messages of `LEN` bytes each.
///
/// Every message has the right length, so neither reading nor writing one can fail.
///
/// ```
/// use multiconn::buffer::Input;
/// use multiconn::codec::Fixed;
///
/// let messages = Fixed::<4>;
/// let mut input = Input::new(b"PINGPO");
/// assert_eq!(messages.read(&mut input), Some(b"PING"));
/// assert_eq!(messages.read(&mut input), None);
/// assert_eq!(input.remaining(), b"PO");
///
/// let mut bytes = Vec::new();
/// messages.write(&mut bytes, b"PONG");
/// assert_eq!(bytes, b"PONG");
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Fixed<const LEN: usize>;

impl<const LEN: usize> Fixed<LEN> {
    /// Takes the next message off `input`, or returns `None` while it is incomplete.
    pub fn read<'a>(&self, input: &mut Input<'a>) -> Option<&'a [u8; LEN]> {
        input.take(LEN)?.try_into().ok()
    }

    /// Appends `message` to `out`.
    pub fn write<'a>(&self, out: impl Into<Tail<'a>>, message: &[u8; LEN]) {
        out.into().extend_from_slice(message);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Outcome, read_all};
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], messages: &[&[u8]], rest: &[u8]) {
        let outcome = read_all(bytes, || |input: &mut Input<'_>| Ok(Fixed::<4>.read(input).map(<[u8; 4]>::as_slice)));
        let messages = messages.iter().map(|message| message.to_vec()).collect();
        assert_eq!(outcome, Outcome { messages, rest: rest.to_vec(), error: None });
    }

    #[test]
    fn messages_are_read_however_they_are_cut() {
        check(b"", &[], b"");
        check(b"abc", &[], b"abc");
        check(b"abcd", &[b"abcd"], b"");
        check(b"a\n\0dabcd", &[b"a\n\0d", b"abcd"], b"");
        check(b"abcdef", &[b"abcd"], b"ef");
    }

    #[test]
    fn a_message_is_written_as_it_is() {
        let mut bytes = b"before ".to_vec();
        Fixed.write(&mut bytes, b"abcd");
        assert_eq!(bytes, b"before abcd");
    }
}
