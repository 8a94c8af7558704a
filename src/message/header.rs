//! The JSON header: its contents, and how to write it. `parse.rs` reads it.

use std::io::Write;

use super::{ByteOrder, Encoding, Heading};
use crate::buffer::Tail;

/// The names of the known content types.
pub(crate) mod content_type {
    pub const JSON: &str = "text/json";
    pub const I32: &str = "binary/i32";
    pub const I64: &str = "binary/i64";
    pub const CLIENT_BINARY: &str = "binary/custom-client-binary-type";
    pub const SERVER_BINARY: &str = "binary/custom-server-binary-type";
}

/// The type of the content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContentType {
    /// `text/json`
    Json,
    /// `binary/i32`: 4-byte signed integers in the sender's byte order.
    I32,
    /// `binary/i64`: one 8-byte signed integer in the sender's byte order.
    I64,
    /// `binary/custom-client-binary-type`: sent by the tutorial's client.
    ClientBinary,
    /// `binary/custom-server-binary-type`: sent by the tutorial's server.
    ServerBinary,
    /// Any other type, treated as bytes.
    Other(Box<str>),
}

impl ContentType {
    /// The type called `name`.
    pub fn for_name(name: &str) -> ContentType {
        match name {
            content_type::JSON => Self::Json,
            content_type::I32 => Self::I32,
            content_type::I64 => Self::I64,
            content_type::CLIENT_BINARY => Self::ClientBinary,
            content_type::SERVER_BINARY => Self::ServerBinary,
            other => Self::Other(other.into()),
        }
    }

    /// The name in the header.
    pub fn name(&self) -> &str {
        match self {
            Self::Json => content_type::JSON,
            Self::I32 => content_type::I32,
            Self::I64 => content_type::I64,
            Self::ClientBinary => content_type::CLIENT_BINARY,
            Self::ServerBinary => content_type::SERVER_BINARY,
            Self::Other(name) => name,
        }
    }
}

/// The encoding of the content, which matters only for text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContentEncoding {
    /// A text encoding.
    Text(Encoding),
    /// `binary`
    Binary,
    /// Any other word.
    Other(Box<str>),
}

impl ContentEncoding {
    pub(super) fn for_name(name: &str) -> ContentEncoding {
        match name {
            "binary" => Self::Binary,
            name => Encoding::for_name(name).map_or_else(|| Self::Other(name.into()), Self::Text),
        }
    }

    /// The text encoding, if it is one.
    ///
    /// # Errors
    /// The name, if it isn't a text encoding.
    pub fn of_text(&self) -> Result<Encoding, &str> {
        match self {
            Self::Text(encoding) => Ok(*encoding),
            Self::Binary => Err("binary"),
            Self::Other(name) => Err(name),
        }
    }
}

/// The contents of a JSON header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jsonheader {
    /// `byteorder`: the sender's byte order.
    pub byteorder: ByteOrder,
    /// `content-type`
    pub content_type: ContentType,
    /// `content-encoding`
    pub content_encoding: ContentEncoding,
    /// `content-length`, in bytes; within the limit.
    pub content_len: usize,
    /// Whether `connection` is `keep-alive`.
    pub keep_alive: bool,
}

/// Appends a JSON header: the keys in the tutorial's order, with its spaces.
pub(super) fn write_jsonheader(out: &mut Tail<'_>, heading: Heading<'_>, content_len: usize) {
    out.extend_from_slice(b"{\"byteorder\": \"");
    out.extend_from_slice(heading.byteorder.name().as_bytes());
    out.extend_from_slice(b"\", \"content-type\": \"");
    out.extend_from_slice(heading.content_type.as_bytes());
    out.extend_from_slice(b"\", \"content-encoding\": \"");
    out.extend_from_slice(heading.content_encoding.as_bytes());
    out.extend_from_slice(b"\", \"content-length\": ");
    write!(out, "{content_len}").expect("writing to memory cannot fail");
    if heading.keep_alive {
        out.extend_from_slice(b", \"connection\": \"keep-alive\"");
    }
    out.push(b'}');
}
