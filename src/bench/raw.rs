//! Requests and replies of any protocol: the bytes of a request, the end of a reply, and its check.
//!
//! All of it comes from the command line. No sockets are used here: [`Partial`] takes the bytes as they arrive, in pieces
//! of any length, and passes on complete replies.

mod check;
mod framing;
mod partial;
mod regex;
mod template;

pub use check::{Check, Wrong};
pub use framing::{End, Framing};
pub use partial::Partial;
pub use regex::Regex;
pub use template::Template;

/// A request, and the reply that it requires.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The request.
    pub request: Template,
    /// The end of a reply.
    pub framing: Framing,
    /// The check of a reply.
    pub check: Check,
}

impl Exchange {
    /// The bytes of request `number`.
    pub fn request(&self, number: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.request.write(number, &mut bytes);
        bytes
    }

    /// The request and the end of a reply in words, unique to this exchange. A long text is cut, and ends with a checksum.
    pub fn name(&self) -> String {
        let name = format!("{}; {}", self.request, self.framing);
        match name.char_indices().nth(NAME_CHARS_MAX) {
            Some((end, _)) => format!("{}… (checksum {:016x})", &name[..end], checksum(&name)),
            None => name,
        }
    }
}

/// The most characters of a name, without its checksum.
const NAME_CHARS_MAX: usize = 100;

/// The FNV-1a hash, which is the same in every version, unlike those of the standard library.
fn checksum(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(request: Template, end: End) -> String {
        Exchange { request, framing: Framing::new(end, 1000).unwrap(), check: Check::First }.name()
    }

    #[test]
    fn exchanges_have_different_names() {
        let until = || End::Delimiter(b"\r\n".to_vec());
        let of = |request: &str| name(request.parse().unwrap(), until());
        assert_eq!(of(r"GET {i:4} \{i}\r\n"), r"GET {i:4} \{i}\r\n; a reply ends with '\r\n'");
        assert_ne!(of("{i}"), of(r"\{i}"));
        assert_ne!(name(Template::fixed(b"a".to_vec()), until()), name(Template::fixed(b"a".to_vec()), End::Close));
        let [one, other] = [b'a', b'b'].map(|last| [&[b'x'; 1000][..], &[last]].concat());
        let [one, other] = [one, other].map(|request| name(Template::fixed(request), until()));
        assert!(one != other && one[..100] == other[..100] && one.len() < 140, "{one} and {other}");
    }
}
