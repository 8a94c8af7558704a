//! The token in the page's address, which other pages and other users can't guess.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;

use crate::cli::failure::Failure;
use crate::text::reason;

/// The bytes of a token.
const LEN: usize = 16;

/// Makes a token of 128 random bits, as hexadecimal digits.
pub fn random() -> Result<String, Failure> {
    let mut bytes = [0; LEN];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .map_err(|error| Failure::new(format!("cannot make a token: /dev/urandom: {}", reason(&error))))?;
    Ok(bytes.iter().fold(String::new(), |mut token, byte| {
        let _ = write!(token, "{byte:02x}");
        token
    }))
}

/// Whether `given` is the token. The time that this takes says nothing about the place of a difference.
pub fn matches(token: &str, given: &str) -> bool {
    token.len() == given.len() && token.bytes().zip(given.bytes()).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_are_the_same() {
        let (one, other) = (random().unwrap(), random().unwrap());
        assert_eq!(one.len(), 2 * LEN);
        assert!(matches(&one, &one) && !matches(&one, &other) && !matches(&one, "") && !matches(&one, &one[1..]));
    }
}
