//! Requests and replies of any protocol: the request's bytes, where a reply ends, and which reply is right.
//!
//! All of it comes from the command line. Nothing here knows a socket: [`Partial`] takes the bytes as they arrive, however
//! they are cut, and hands on whole replies.

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

/// A request, and what must come back.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The request.
    pub request: Template,
    /// Where a reply ends.
    pub framing: Framing,
    /// Which reply is right.
    pub check: Check,
}

impl Exchange {
    /// The bytes of request `number`.
    pub fn request(&self, number: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.request.write(number, &mut bytes);
        bytes
    }
}
