//! Finding messages in a stream of bytes, and writing them.
//!
//! A stream has no messages: one read may bring half of one, or three at once. There are three usual ways to mark where
//! each ends, and a type for each:
//!
//! | type | the end of a message | its limit |
//! |---|---|---|
//! | [`Lines`] | a newline | the maximum length of a line |
//! | [`Fixed`] | a length that both sides know | that length |
//! | [`LengthPrefixed`] | a length that comes first | the maximum length of a message |
//!
//! What a proxy says before the first of them is in [`proxy`].
//!
//! Each takes a message off an [`Input`](crate::buffer::Input) once all of it has arrived, without copying it, and
//! leaves the input as it is until then. A message over the limit is an [`Error`] as soon as that is known, before the
//! rest of it has arrived. The limit must be below
//! [`connection::Config::input_len_max`](crate::connection::Config::input_len_max), at which a connection is closed
//! without the protocol's own error.
//!
//! In a session, incomplete means [`NeedInput`](crate::session::Progress::NeedInput), or an error once [the input has
//! ended](crate::session::SessionIo::input_ended). An [`Error`] converts into a
//! [`SessionError`](crate::session::SessionError), so `?` works. To limit the time that a message may take, a session
//! needs a [deadline](crate::session::Session::deadline): a peer that sends a byte now and then is never idle.

mod fixed;
mod length_prefixed;
mod lines;
pub mod proxy;

use std::fmt;

use crate::text::count;

pub use fixed::Fixed;
pub use length_prefixed::{LengthPrefixed, Prefix};
pub use lines::Lines;

/// An error in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A line is longer than allowed.
    LineTooLong {
        /// Bytes allowed, without the newline.
        len_max: usize,
    },
    /// A line to be written contains a newline.
    NewlineInLine {
        /// The bytes before the newline.
        at: usize,
    },
    /// A message is longer than allowed.
    MessageTooLong {
        /// The length that is announced, or that the message to be written has.
        len: u64,
        /// Bytes allowed.
        len_max: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LineTooLong { len_max } => write!(f, "a line of more than {}", count(*len_max, "byte")),
            Self::NewlineInLine { at } => write!(f, "a line with a newline in it, after {}", count(*at, "byte")),
            Self::MessageTooLong { len, len_max } => {
                write!(f, "a message of {} is over the limit of {len_max}", count(*len, "byte"))
            }
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod testing {
    //! Streams that come in pieces, for the tests of each codec.

    use super::Error;
    use crate::buffer::Input;

    /// The result of reading a stream.
    #[derive(Debug, PartialEq)]
    pub struct Outcome {
        pub messages: Vec<Vec<u8>>,
        /// The input that is left.
        pub rest: Vec<u8>,
        pub error: Option<Error>,
    }

    /// The ways to cut `bytes`: not at all, everywhere, and at each place.
    pub fn ways(bytes: &[u8]) -> Vec<Vec<&[u8]>> {
        let mut ways = vec![vec![bytes], bytes.chunks(1).collect()];
        ways.extend((1..bytes.len()).map(|at| vec![&bytes[..at], &bytes[at..]]));
        ways
    }

    /// Reads with `read` as a session does: after each piece, until no whole message is left.
    pub fn read_pieces(
        pieces: &[&[u8]],
        mut read: impl for<'a> FnMut(&mut Input<'a>) -> Result<Option<&'a [u8]>, Error>,
    ) -> Outcome {
        let mut outcome = Outcome { messages: Vec::new(), rest: Vec::new(), error: None };
        for piece in pieces {
            outcome.rest.extend_from_slice(piece);
            loop {
                let mut input = Input::new(&outcome.rest);
                let message = match read(&mut input) {
                    Ok(Some(message)) => message.to_vec(),
                    Ok(None) => {
                        assert_eq!(input.used(), 0, "half a message is left as it is");
                        break;
                    }
                    Err(error) => {
                        assert_eq!(input.used(), 0);
                        return Outcome { error: Some(error), ..outcome };
                    }
                };
                let used = input.used();
                outcome.messages.push(message);
                outcome.rest.drain(..used);
            }
        }
        outcome
    }

    /// Reads `bytes`, and checks that the result does not depend on how they are cut. An error may come before the last
    /// bytes, so the rest is not compared then.
    #[track_caller]
    pub fn read_all<R>(bytes: &[u8], reader: impl Fn() -> R) -> Outcome
    where
        R: for<'a> FnMut(&mut Input<'a>) -> Result<Option<&'a [u8]>, Error>,
    {
        let outcomes = ways(bytes).into_iter().map(|pieces| {
            let mut outcome = read_pieces(&pieces, reader());
            if outcome.error.is_some() {
                outcome.rest.clear();
            }
            (pieces, outcome)
        });
        let mut outcomes: Vec<_> = outcomes.collect();
        for (pieces, outcome) in &outcomes {
            assert_eq!(
                outcome,
                &outcomes[0].1,
                "in pieces of {:?}",
                pieces.iter().map(|it| it.len()).collect::<Vec<_>>()
            );
        }
        outcomes.swap_remove(0).1
    }
}
