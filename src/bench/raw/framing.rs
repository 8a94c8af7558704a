//! The ends of replies.

use std::fmt;

use memchr::memmem::Finder;
use regex_automata::util::primitives::StateID;

use super::check::Wrong;
use super::regex::{Found, Regex};
use crate::buffer::Input;
use crate::codec::{LengthPrefixed, Prefix};
use crate::text::Escaped;

/// The end of a reply.
#[derive(Clone, Debug)]
pub enum End {
    /// After this many bytes.
    Length(usize),
    /// After the first occurrence of these bytes.
    Delimiter(Vec<u8>),
    /// After the first match.
    Regex(Regex),
    /// After the number of bytes given at its beginning.
    Prefix(Prefix),
    /// With the end of the connection.
    Close,
}

/// Finds the ends of replies, which must have a limited length.
#[derive(Clone, Debug)]
pub struct Framing {
    end: End,
    search: Search,
    len_max: usize,
}

/// The search for an end.
#[derive(Clone, Debug)]
enum Search {
    Length(usize),
    Delimiter(Box<Finder<'static>>),
    Regex(Regex),
    Prefix(LengthPrefixed),
    Close,
}

/// The state of the search for a reply's end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    searched: usize,
    state: Option<StateID>,
}

impl Framing {
    /// Replies with this end, of at most `len_max` bytes.
    ///
    /// # Errors
    /// If a reply would have no bytes, or always too many.
    pub fn new(end: End, len_max: usize) -> Result<Framing, String> {
        let search = match &end {
            End::Length(len) => Search::Length(*len),
            End::Delimiter(delimiter) => Search::Delimiter(Box::new(Finder::new(delimiter).into_owned())),
            End::Regex(regex) => Search::Regex(regex.clone()),
            End::Prefix(prefix) => Search::Prefix(LengthPrefixed::new(*prefix, len_max)),
            End::Close => Search::Close,
        };
        let has_empty_replies = match &end {
            End::Length(len) => *len == 0,
            End::Delimiter(delimiter) => delimiter.is_empty(),
            End::Regex(regex) => regex.is_match(b""),
            End::Prefix(_) | End::Close => false,
        };
        let least = match &end {
            End::Length(len) => *len,
            End::Delimiter(delimiter) => delimiter.len(),
            End::Regex(_) | End::Prefix(_) | End::Close => 0,
        };
        if has_empty_replies {
            return Err("a reply would end before its first byte".into());
        }
        if least > len_max {
            return Err(format!("a reply of {least} bytes is over the limit of {len_max}"));
        }
        Ok(Framing { end, search, len_max })
    }

    /// Whether a reply ends with its connection.
    pub fn is_until_close(&self) -> bool {
        matches!(self.end, End::Close)
    }

    /// Returns the length of the reply that `bytes` begin with, once all of it is there. `progress` is from the last call
    /// for the same reply, whose bytes are the first of these.
    pub fn find_end(&self, bytes: &[u8], progress: &mut Progress) -> Result<Option<usize>, Wrong> {
        let end = match &self.search {
            Search::Length(len) => (bytes.len() >= *len).then_some(*len),
            Search::Delimiter(finder) => {
                let delimiter_len = finder.needle().len();
                // A delimiter may have begun before.
                let from = progress.searched.saturating_sub(delimiter_len - 1);
                finder.find(&bytes[from..]).map(|at| from + at + delimiter_len)
            }
            Search::Regex(regex) => {
                let mut state = progress.state.unwrap_or(regex.start());
                let found = regex.advance(&mut state, &bytes[progress.searched..]);
                progress.state = Some(state);
                match found {
                    Found::End(len) => Some(progress.searched + len),
                    Found::Unfinished => None,
                    Found::Never => {
                        return Err(Wrong::endless(format!("{} came, and {self}", Escaped(bytes))));
                    }
                }
            }
            Search::Prefix(messages) => {
                let mut input = Input::new(bytes);
                let message = messages.read(&mut input).map_err(|error| Wrong::endless(error.to_string()))?;
                return Ok(message.map(|_| input.used()));
            }
            Search::Close => None,
        };
        progress.searched = bytes.len();
        if end.unwrap_or(bytes.len()) > self.len_max {
            return Err(Wrong::endless(format!("it has more than {} bytes, and {self}", self.len_max)));
        }
        Ok(end)
    }
}

impl fmt::Display for Framing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.end {
            End::Length(len) => write!(f, "a reply has {len} bytes"),
            End::Delimiter(delimiter) => write!(f, "a reply ends with {}", Escaped(delimiter)),
            End::Regex(regex) => write!(f, "a reply ends where {} matches", regex.as_str()),
            End::Prefix(prefix) => write!(f, "a reply begins with its length in {} bytes", prefix.len()),
            End::Close => write!(f, "a reply ends with the connection"),
        }
    }
}
