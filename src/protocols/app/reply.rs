//! The server's JSON replies.

use std::fmt;
use std::io::Write;

use crate::buffer::Tail;
use crate::message::{ByteOrder, Heading, write_message, write_string, write_text};

/// Appends `{"result": <text>}` as a message.
pub(super) fn write_result<'a>(
    out: impl Into<Tail<'a>>,
    byteorder: ByteOrder,
    keep_alive: bool,
    write_text: impl FnOnce(&mut Tail<'a>),
) {
    write_message(out, Heading { byteorder, ..Heading::json(keep_alive) }, |content| {
        content.extend_from_slice(b"{\"result\": ");
        write_text(content);
        content.push(b'}');
    });
}

/// Appends the error reply with the reason `why`.
pub(super) fn write_error(out: Tail<'_>, byteorder: ByteOrder, why: impl fmt::Display) {
    write_result(out, byteorder, false, |content| {
        write_text(content, 0, |text| write!(text, "Error: {why}").expect("writing to memory cannot fail"));
    });
}

/// A constant result: written once, and then only copied.
#[derive(Clone, Debug)]
pub(super) struct PreparedResult {
    closing: Box<[u8]>,
    keeping: Box<[u8]>,
}

impl PreparedResult {
    pub fn new(text: &str, byteorder: ByteOrder) -> Self {
        let message = |keep_alive| {
            let mut message = Vec::new();
            write_result(&mut message, byteorder, keep_alive, |content| write_string(content, text));
            message.into_boxed_slice()
        };
        PreparedResult { closing: message(false), keeping: message(true) }
    }

    /// The complete message.
    pub fn message(&self, keep_alive: bool) -> &[u8] {
        if keep_alive { &self.keeping } else { &self.closing }
    }
}
