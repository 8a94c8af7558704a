//! Checks of replies.

use std::fmt;
use std::iter;

use super::regex::Regex;
use super::template::Template;
use crate::text::Escaped;

/// The requirement for replies.
#[derive(Clone, Debug)]
pub enum Check {
    /// The same as the first reply.
    First,
    /// These bytes.
    Bytes(Template),
    /// A match of this expression.
    Regex(Regex),
    /// Any reply that ends.
    Unchecked,
}

/// A wrong reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The name under which it's counted.
    pub kind: &'static str,
    /// The error.
    what: String,
}

impl Wrong {
    /// A reply without an end.
    pub fn endless(what: String) -> Wrong {
        Wrong { kind: "endless reply", what }
    }

    /// Unrequested bytes.
    pub fn unrequested(bytes: &[u8]) -> Wrong {
        Wrong { kind: "wrong reply", what: format!("{} came after the end of the reply", Escaped(bytes)) }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Check {
    /// Checks the reply to request `number`. `scratch` saves allocations from one call to the next.
    pub fn check(&self, number: u64, reply: &[u8], scratch: &mut Vec<u8>) -> Result<(), Wrong> {
        match self {
            Check::Bytes(expected) => {
                let expected = match expected.as_fixed() {
                    Some(expected) => expected,
                    None => {
                        scratch.clear();
                        expected.write(number, scratch);
                        scratch
                    }
                };
                if reply == expected { Ok(()) } else { Err(differs(reply, expected)) }
            }
            Check::Regex(regex) if !regex.is_match(reply) => {
                let what = format!("{} does not match {}", Escaped(reply), regex.as_str());
                Err(Wrong { kind: "wrong reply", what })
            }
            Check::Regex(_) | Check::First | Check::Unchecked => Ok(()),
        }
    }
}

/// The bytes shown before and after the first that differs.
const SHOWN: (usize, usize) = (20, 40);

/// The first difference between a reply and what was expected.
fn differs(reply: &[u8], expected: &[u8]) -> Wrong {
    let at = iter::zip(reply, expected).take_while(|(a, b)| a == b).count();
    let byte = |bytes: &[u8]| match bytes.get(at) {
        Some(byte) => Escaped(&[*byte]).to_string(),
        None => "the end".into(),
    };
    let part = |bytes: &[u8]| {
        let (from, to) = (at.saturating_sub(SHOWN.0), bytes.len().min(at + SHOWN.1));
        let [before, after] = [from > 0, to < bytes.len()].map(|is_cut| if is_cut { "…" } else { "" });
        format!("{before}{}{after}", Escaped(&bytes[from..to]))
    };
    let (came, wanted) = (byte(reply), byte(expected));
    let what = format!("byte {} is {came}, not {wanted}: {} came, not {}", at + 1, part(reply), part(expected));
    Wrong { kind: "wrong reply", what }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(check: &Check, number: u64, reply: &[u8]) -> Option<String> {
        check.check(number, reply, &mut b"left from before".to_vec()).err().map(|wrong| wrong.to_string())
    }

    #[test]
    fn the_first_byte_that_differs_is_shown() {
        let check = Check::Bytes(r"+PONG\r\n".parse().unwrap());
        assert_eq!(wrong(&check, 0, b"+PONG\r\n"), None);
        let said = |reply| wrong(&check, 0, reply).unwrap();
        assert_eq!(said(b"+PING\r\n"), r"byte 3 is 'I', not 'O': '+PING\r\n' came, not '+PONG\r\n'");
        assert_eq!(said(b"+PONG"), r"byte 6 is the end, not '\r': '+PONG' came, not '+PONG\r\n'");
        assert_eq!(said(b"+PONG\r\n\0"), r"byte 8 is '\x00', not the end: '+PONG\r\n\x00' came, not '+PONG\r\n'");
    }

    #[test]
    fn of_a_long_reply_the_difference_is_shown() {
        let reply = [vec![b'a'; 1000], vec![b'b'; 1000]].concat();
        let check = Check::Bytes(Template::fixed(vec![b'a'; 2000]));
        let (before, came, wanted) = ("a".repeat(20), "b".repeat(40), "a".repeat(60));
        let expected = format!("byte 1001 is 'b', not 'a': …'{before}{came}'… came, not …'{wanted}'…");
        assert_eq!(wrong(&check, 0, &reply), Some(expected));
    }

    #[test]
    fn the_number_may_be_in_the_reply() {
        let check = Check::Bytes("{i:3}!".parse().unwrap());
        assert_eq!(wrong(&check, 17, b"017!"), None);
        assert_eq!(wrong(&check, 18, b"017!").unwrap(), "byte 3 is '7', not '8': '017!' came, not '018!'");
    }

    #[test]
    fn a_reply_matches_or_not() {
        let check = Check::Regex(r"^\+".parse().unwrap());
        assert_eq!(wrong(&check, 0, b"+OK\r\n"), None);
        assert_eq!(wrong(&check, 0, b"-ERR\r\n").unwrap(), r"'-ERR\r\n' does not match ^\+");
        assert_eq!(wrong(&Check::Unchecked, 0, b"-ERR\r\n"), None);
    }
}
