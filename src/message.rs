//! The framed message: two bytes with the JSON header's length, the JSON header, and the content.
//!
//! [`MessageReader`] decodes a message as its bytes arrive, and is the state machine to study; [`table`] lists its
//! transitions; [`write_message`] encodes a message.
//!
//! ```
//! use multiconn::buffer::Input;
//! use multiconn::message::{Heading, Limits, MessageReader, Phase, write_message};
//!
//! let mut bytes = Vec::new();
//! write_message(&mut bytes, Heading::json(true), |content| content.extend_from_slice(b"{}"));
//!
//! // An incomplete part stays in the input until the rest arrives.
//! let (limits, mut reader) = (Limits::default(), MessageReader::default());
//! let (first, all) = (&bytes[..10], &bytes[..]);
//! let mut input = Input::new(first);
//! assert_eq!(reader.read(&mut input, &limits)?, None);
//! assert_eq!(reader.phase(), Phase::Jsonheader);
//!
//! let mut input = Input::new(&all[input.used()..]);
//! let message = reader.read(&mut input, &limits)?.expect("a whole message");
//! assert_eq!((message.content, message.header.keep_alive), (&b"{}"[..], true));
//! # Ok::<(), multiconn::message::ProtocolError>(())
//! ```

mod byteorder;
pub mod encoding;
mod escape;
mod fast_path;
mod field;
pub mod header;
mod json;
mod parse;
mod python;
pub mod reader;
pub mod table;

use std::fmt;

use crate::buffer::Tail;
use crate::text::count;
pub use byteorder::ByteOrder;
pub use encoding::{Charmap, Encoding};
pub(crate) use escape::{len_escaped, write_string, write_text};
pub(crate) use field::Field;
pub(crate) use header::content_type;
pub use header::{ContentEncoding, ContentType, Jsonheader};
pub use json::JsonError;
pub(crate) use json::fields;
pub use reader::{Message, MessageReader, Position};
pub use table::Phase;

/// Length of the protoheader in bytes.
pub const PROTOHEADER_LEN: usize = 2;

/// Space for the protoheader, the header and a short content of most messages.
const HEAD_LEN_TYPICAL: usize = 256;

/// Size limits of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Maximum bytes in a JSON header. The protoheader itself allows at most 65,535.
    pub header_len_max: usize,
    /// Maximum bytes in a content.
    pub content_len_max: usize,
    /// Maximum nesting of lists and objects, in a header and in a JSON content; at most [`Limits::DEPTH_CAP`].
    pub depth_max: usize,
}

impl Limits {
    /// The maximum of [`Limits::depth_max`]: serde_json goes 128 deep.
    pub const DEPTH_CAP: usize = 127;
}

impl Default for Limits {
    /// The defaults: 8 KiB of header, 1 MiB of content, 64 levels.
    fn default() -> Self {
        Limits { header_len_max: 8 << 10, content_len_max: 1 << 20, depth_max: 64 }
    }
}

/// The error in a message. Its text is sent to the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The protoheader is zero.
    HeaderEmpty,
    /// The protoheader announces more than [`Limits::header_len_max`].
    HeaderTooLong {
        /// Bytes announced.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// The header is not UTF-8.
    HeaderNotUtf8,
    /// The header is not JSON, not an object, or nested too deep.
    HeaderNotReadable(JsonError),
    /// The header lacks a required key.
    KeyMissing(&'static str),
    /// The header has the key, with an invalid value.
    KeyInvalid {
        /// The key.
        key: &'static str,
        /// The requirement for its value.
        expected: &'static str,
        /// The actual value, or its kind; a peer's word is escaped and cut.
        found: String,
    },
    /// `content-length` is over [`Limits::content_len_max`].
    ContentTooLong {
        /// Bytes announced.
        len: u64,
        /// Bytes allowed.
        max: usize,
    },
    /// `content-encoding` is unknown, and the content is JSON. The name is escaped and cut.
    EncodingUnknown(String),
    /// The content is not text in the encoding that the header names.
    ContentNotText(&'static str),
    /// The content is not JSON, not an object, or nested too deep.
    ContentNotReadable(JsonError),
    /// A search has no `value`, or one that is not a string.
    ValueNotString {
        /// The kind of the value, if there is one.
        found: Option<&'static str>,
    },
    /// `binary/i32` content that is not a whole number of integers.
    IntegersCut {
        /// Bytes of content.
        len: usize,
    },
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeaderEmpty => write!(f, "the header length is zero"),
            Self::HeaderTooLong { len, max } => {
                write!(f, "a header of {} is over the limit of {max}", count(*len, "byte"))
            }
            Self::HeaderNotUtf8 => write!(f, "the header is not UTF-8"),
            Self::HeaderNotReadable(error) => write!(f, "the header is {error}"),
            Self::KeyMissing(key) => write!(f, "the header has no '{key}'"),
            Self::KeyInvalid { key, expected, found } => {
                write!(f, "'{key}' in the header must be {expected}, not {found}")
            }
            Self::ContentTooLong { len, max } => {
                write!(f, "a content of {} is over the limit of {max}", count(*len, "byte"))
            }
            Self::EncodingUnknown(name) => write!(f, "unknown encoding '{name}'"),
            Self::ContentNotText(encoding) => write!(f, "the content is not {encoding}"),
            Self::ContentNotReadable(error) => write!(f, "the content is {error}"),
            Self::ValueNotString { found: None } => write!(f, "a search needs a string 'value'"),
            Self::ValueNotString { found: Some(found) } => write!(f, "a search needs a string 'value', not {found}"),
            Self::IntegersCut { len } => {
                write!(f, "a binary/i32 content of {} does not consist of 4-byte integers", count(*len, "byte"))
            }
        }
    }
}

impl std::error::Error for ProtocolError {}

/// The header of a message that we write, without its length.
///
/// The names go into the JSON unchanged, so they have no quotes, backslashes or control characters.
#[derive(Clone, Copy, Debug)]
pub struct Heading<'a> {
    /// `byteorder`.
    pub byteorder: ByteOrder,
    /// `content-type`.
    pub content_type: &'a str,
    /// `content-encoding`.
    pub content_encoding: &'a str,
    /// Whether the connection stays open for another message: adds `"connection": "keep-alive"`.
    pub keep_alive: bool,
}

impl<'a> Heading<'a> {
    /// The heading of a JSON message in UTF-8.
    pub fn json(keep_alive: bool) -> Self {
        Heading { content_encoding: "utf-8", ..Self::binary(content_type::JSON, keep_alive) }
    }

    /// The heading of a message of bytes.
    pub fn binary(content_type: &'a str, keep_alive: bool) -> Self {
        Heading { byteorder: ByteOrder::NATIVE, content_type, content_encoding: "binary", keep_alive }
    }
}

/// Appends a message to `out`; `write_content` appends the content.
///
/// This is the tutorial's `_create_message`: the keys in its order, with one space after `:` and `,`.
///
/// # Panics
/// If the names in `heading` make a header of more than 65,535 bytes.
#[doc(alias = "_create_message")]
pub fn write_message<'a>(out: impl Into<Tail<'a>>, heading: Heading<'_>, write_content: impl FnOnce(&mut Tail<'a>)) {
    // The header needs the content's length, so the content is written first, and then the two are swapped.
    let mut out = out.into();
    out.reserve(HEAD_LEN_TYPICAL);
    write_content(&mut out);
    let content_len = out.len();
    out.extend_from_slice(&[0; PROTOHEADER_LEN]);
    header::write_jsonheader(&mut out, heading, content_len);
    let head_len = out.len() - content_len;
    let header_len = u16::try_from(head_len - PROTOHEADER_LEN).expect("a header of our own is short");
    let message = out.as_mut_slice();
    message[content_len..][..PROTOHEADER_LEN].copy_from_slice(&header_len.to_be_bytes());
    message.rotate_right(head_len);
}
