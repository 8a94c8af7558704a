//! Regular expressions of bytes, matched as the bytes arrive.
//!
//! We run the automaton byte by byte, and keep its state from one piece of input to the next. So no byte is searched
//! twice, and the end of a match doesn't depend on how the input is divided: a match ends at the first possible place.

use std::error::Error;
use std::str::FromStr;
use std::sync::Arc;

use regex_automata::Input;
use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::primitives::StateID;
use regex_automata::util::{start, syntax};

/// The most memory for an automaton, in bytes.
const SIZE_MAX: usize = 16 << 20;

/// A regular expression of bytes: `.` is any byte but a newline, and classes such as `\d` are ASCII.
#[derive(Clone, Debug)]
pub struct Regex {
    text: String,
    dfa: Arc<dense::DFA<Vec<u32>>>,
    start: StateID,
}

/// The state of a search after some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A match ends here, after this many of the bytes given.
    End(usize),
    /// There may be a match if more bytes come.
    Unfinished,
    /// There is no match, whatever bytes come.
    Never,
}

impl Regex {
    /// The expression as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The state of a search that begins.
    pub fn start(&self) -> StateID {
        self.start
    }

    /// Looks for the end of the first match in the next `bytes` of a search.
    pub fn advance(&self, state: &mut StateID, bytes: &[u8]) -> Found {
        for (index, &byte) in bytes.iter().enumerate() {
            *state = self.dfa.next_state(*state, byte);
            // A match shows one byte late: at the next byte, or at the end of the text, which may be here.
            if self.dfa.is_match_state(*state) && index > 0 {
                return Found::End(index);
            }
            if self.dfa.is_match_state(self.dfa.next_eoi_state(*state)) {
                return Found::End(index + 1);
            }
            if self.dfa.is_dead_state(*state) {
                return Found::Never;
            }
        }
        Found::Unfinished
    }

    /// Whether there is a match in `bytes`.
    pub fn is_match(&self, bytes: &[u8]) -> bool {
        let input = Input::new(bytes).earliest(true);
        self.dfa.try_search_fwd(&input).expect("the automaton has no quit bytes").is_some()
    }
}

impl FromStr for Regex {
    type Err = String;

    fn from_str(text: &str) -> Result<Regex, String> {
        let config = dense::Config::new()
            .start_kind(StartKind::Unanchored)
            .dfa_size_limit(Some(SIZE_MAX))
            .determinize_size_limit(Some(SIZE_MAX));
        let dfa = dense::Builder::new()
            .configure(config)
            .syntax(syntax::Config::new().unicode(false).utf8(false))
            .thompson(thompson::Config::new().utf8(false).nfa_size_limit(Some(SIZE_MAX)))
            .build(text)
            .map_err(|error| why(&error))?;
        let start = dfa.start_state(&start::Config::new()).map_err(|error| error.to_string())?;
        Ok(Regex { text: text.into(), dfa: Arc::new(dfa), start })
    }
}

/// The innermost reason of an error, in one line.
fn why(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let text = innermost.to_string();
    // A syntax error is shown with a copy of the expression before it.
    let line = text.lines().last().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The length of the first match, however the bytes are cut; `None` if it isn't there yet.
    #[track_caller]
    fn end(regex: &str, bytes: &[u8]) -> Option<usize> {
        let regex: Regex = regex.parse().unwrap();
        let advance = |pieces: &[&[u8]]| {
            let (mut state, mut before) = (regex.start(), 0);
            for piece in pieces {
                match regex.advance(&mut state, piece) {
                    Found::End(len) => return Some(before + len),
                    Found::Unfinished => before += piece.len(),
                    Found::Never => return None,
                }
            }
            None
        };
        let whole = advance(&[bytes]);
        assert_eq!(advance(&bytes.chunks(1).collect::<Vec<_>>()), whole);
        for at in 0..bytes.len() {
            assert_eq!(advance(&[&bytes[..at], &bytes[at..]]), whole, "cut at {at}");
        }
        whole
    }

    #[test]
    fn a_match_ends_where_it_can_first_end() {
        assert_eq!(end(r"\r\n", b"PONG\r\n+OK\r\n"), Some(6));
        assert_eq!(end(r"\d+", b"x123"), Some(2));
        assert_eq!(end(r"a|ab", b"ab"), Some(1));
        assert_eq!(end(r"END\r\n", b"VALUE k 0 1\r\nv\r\nEND\r\n"), Some(21));
        assert_eq!(end(r"^(\$-1|\$\d+\r\n[^\r]*)\r\n", b"$5\r\nhello\r\n"), Some(11));
        assert_eq!(end(r"^(\$-1|\$\d+\r\n[^\r]*)\r\n", b"$-1\r\n"), Some(5));
        assert_eq!(end(r"\xff\x00", b"\xfe\xff\x00"), Some(3));
        assert_eq!(end("é", "aé".as_bytes()), Some(3));
        assert_eq!(end(r"\r\n", b"PONG\r"), None);
    }

    #[test]
    fn what_cannot_match_any_more_is_known() {
        let regex: Regex = r"^\+.*\r\n".parse().unwrap();
        let mut state = regex.start();
        assert_eq!(regex.advance(&mut state, b"-ERR"), Found::Never);
    }

    #[test]
    fn a_text_matches_anywhere_unless_anchored() {
        let is_match = |regex: &str, bytes: &[u8]| regex.parse::<Regex>().unwrap().is_match(bytes);
        assert!(is_match("O", b"+PONG\r\n") && !is_match("^O", b"+PONG\r\n"));
        assert!(is_match(r"^\+PONG\r\n$", b"+PONG\r\n") && !is_match("^$", b"x"));
        assert!(is_match(".", b"\xff") && !is_match(".", b"\n") && is_match("", b""));
    }

    #[test]
    fn an_error_is_one_line() {
        let error = |regex: &str| regex.parse::<Regex>().unwrap_err();
        assert_eq!(error("(a"), "unclosed group");
        assert_eq!(error("a\n{2"), "unclosed counted repetition");
        let large = error("(a{1000}){1000}");
        assert!(large.lines().count() == 1 && large.contains("limit"), "{large}");
    }
}
