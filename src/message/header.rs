//! The JSON header: reading one, writing one.

use super::{ByteOrder, Encoding, Field, Heading, Limits, ProtocolError, fields, json};
use crate::buffer::Tail;

/// The names of the content types that we know.
pub(crate) mod content_type {
    pub const JSON: &str = "text/json";
    pub const I32: &str = "binary/i32";
    pub const I64: &str = "binary/i64";
    pub const CLIENT_BINARY: &str = "binary/custom-client-binary-type";
    pub const SERVER_BINARY: &str = "binary/custom-server-binary-type";
}

/// What the content is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContentType {
    /// `text/json`
    Json,
    /// `binary/i32`: 4-byte signed integers in the sender's byte order.
    I32,
    /// `binary/i64`: one 8-byte signed integer in the sender's byte order.
    I64,
    /// `binary/custom-client-binary-type`: what the tutorial's client sends.
    ClientBinary,
    /// `binary/custom-server-binary-type`: what the tutorial's server answers.
    ServerBinary,
    /// Anything else, which is bytes.
    Other(Box<str>),
}

impl ContentType {
    /// The type that `name` stands for.
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

/// How the content is encoded. What its name means matters only for text.
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
    fn for_name(name: &str) -> ContentEncoding {
        match name {
            "binary" => Self::Binary,
            name => Encoding::for_name(name).map_or_else(|| Self::Other(name.into()), Self::Text),
        }
    }

    /// The encoding, where it is one of text.
    ///
    /// # Errors
    /// The name that is none.
    pub fn of_text(&self) -> Result<Encoding, &str> {
        match self {
            Self::Text(encoding) => Ok(*encoding),
            Self::Binary => Err("binary"),
            Self::Other(name) => Err(name),
        }
    }
}

/// What a JSON header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jsonheader {
    /// `byteorder`: the sender's.
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

impl Jsonheader {
    /// Reads a header: the tutorial's `process_jsonheader`.
    ///
    /// # Errors
    /// What is wrong with it, also where its content would be over a limit or in an encoding we don't know: all that can
    /// be said before the content comes.
    #[doc(alias = "process_jsonheader")]
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Jsonheader, ProtocolError> {
        if let Some(header) = by_heart(bytes, limits) {
            return Ok(header);
        }
        let text = str::from_utf8(bytes).map_err(|_| ProtocolError::HeaderNotUtf8)?;
        let names = ["byteorder", "content-type", "content-encoding", "content-length", "connection"];
        let [byteorder, content_type, content_encoding, content_len, connection] =
            fields(text, names, limits.depth_max).map_err(ProtocolError::HeaderNotReadable)?;

        let byteorder = match &*string("byteorder", byteorder)? {
            "little" => ByteOrder::Little,
            "big" => ByteOrder::Big,
            other => return Err(invalid("byteorder", r#""little" or "big""#, format!("\"{}\"", cut(other)))),
        };
        let content_type = ContentType::for_name(&string("content-type", content_type)?);
        let content_encoding = ContentEncoding::for_name(&string("content-encoding", content_encoding)?);
        if content_type == ContentType::Json {
            content_encoding.of_text().map_err(|name| ProtocolError::EncodingUnknown(cut(name)))?;
        }
        let content_len = length(content_len, limits)?;
        let keep_alive = matches!(connection, Some(Field::Text(word)) if word == "keep-alive");
        Ok(Jsonheader { byteorder, content_type, content_encoding, content_len, keep_alive })
    }
}

/// Reads the header that the tutorial's programs send with every JSON message, which is known by heart but for its number
/// and the word that keeps the connection. Most requests have it, and to compare it takes a tenth of what it takes to
/// parse it. `None` for any other, and for one that is not in order.
fn by_heart(bytes: &[u8], limits: &Limits) -> Option<Jsonheader> {
    let (byteorder, rest) = match bytes.strip_prefix(LITTLE_ENDIAN_JSON) {
        Some(rest) => (ByteOrder::Little, rest),
        None => (ByteOrder::Big, bytes.strip_prefix(BIG_ENDIAN_JSON)?),
    };
    let (digits, end) = rest.split_at(rest.iter().position(|byte| !byte.is_ascii_digit())?);
    let keep_alive = match end {
        b"}" => false,
        br#", "connection": "keep-alive"}"# => true,
        _ => return None,
    };
    let content_len = usize::try_from(json::natural(digits)?).ok()?;
    (content_len <= limits.content_len_max && limits.depth_max > 0).then_some(Jsonheader {
        byteorder,
        content_type: ContentType::Json,
        content_encoding: ContentEncoding::Text(Encoding::Utf8),
        content_len,
        keep_alive,
    })
}

const LITTLE_ENDIAN_JSON: &[u8] =
    br#"{"byteorder": "little", "content-type": "text/json", "content-encoding": "utf-8", "content-length": "#;
const BIG_ENDIAN_JSON: &[u8] =
    br#"{"byteorder": "big", "content-type": "text/json", "content-encoding": "utf-8", "content-length": "#;

fn string<'t>(key: &'static str, field: Option<Field<'t>>) -> Result<std::borrow::Cow<'t, str>, ProtocolError> {
    match field {
        Some(Field::Text(text)) => Ok(text),
        Some(other) => Err(invalid(key, "a string", other.kind().to_owned())),
        None => Err(ProtocolError::KeyMissing(key)),
    }
}

fn length(field: Option<Field<'_>>, limits: &Limits) -> Result<usize, ProtocolError> {
    let key = "content-length";
    let found = match field {
        Some(Field::Natural(len)) => {
            return match usize::try_from(len) {
                Ok(len) if len <= limits.content_len_max => Ok(len),
                _ => Err(ProtocolError::ContentTooLong { len, max: limits.content_len_max }),
            };
        }
        Some(Field::Negative(number)) => number.to_string(),
        Some(other) => other.kind().to_owned(),
        None => return Err(ProtocolError::KeyMissing(key)),
    };
    Err(invalid(key, "a whole number of bytes", found))
}

fn invalid(key: &'static str, expected: &'static str, found: String) -> ProtocolError {
    ProtocolError::KeyInvalid { key, expected, found }
}

/// The beginning of a peer's word, to quote in an error. Errors go into logs and to terminals, so what could take hold of
/// those is escaped.
fn cut(word: &str) -> String {
    const CHARS_MAX: usize = 40;
    match word.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", word[..end].escape_debug()),
        None => word.escape_debug().to_string(),
    }
}

/// Appends a JSON header: the keys in the tutorial's order, with its spaces.
pub(super) fn write_jsonheader(out: &mut Tail<'_>, heading: Heading, content_len: usize) {
    out.extend_from_slice(b"{\"byteorder\": \"");
    out.extend_from_slice(ByteOrder::NATIVE.name().as_bytes());
    out.extend_from_slice(b"\", \"content-type\": \"");
    out.extend_from_slice(heading.content_type.as_bytes());
    out.extend_from_slice(b"\", \"content-encoding\": \"");
    out.extend_from_slice(heading.content_encoding.as_bytes());
    out.extend_from_slice(b"\", \"content-length\": ");
    out.extend_from_slice(itoa::Buffer::new().format(content_len).as_bytes());
    if heading.keep_alive {
        out.extend_from_slice(b", \"connection\": \"keep-alive\"");
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_by_heart_is_read_as_any_other() {
        let limits = Limits { content_len_max: 1000, ..Limits::default() };
        for byteorder in ["little", "big"] {
            for len in
                ["0", "7", "41", "1000", "", "1001", "-1", "041", "1.0", "1e2", "9999999999999999999", "12x", "\"7\""]
            {
                for end in ["}", r#", "connection": "keep-alive"}"#, r#", "connection": "close"}"#, "", "} ", ", }"] {
                    let beginning =
                        format!(r#"{{"byteorder": "{byteorder}", "content-type": "text/json", "content-encoding""#);
                    let text = format!(r#"{beginning}: "utf-8", "content-length": {len}{end}"#);
                    // White space in front makes it one that is not known by heart.
                    let parsed = Jsonheader::parse(format!(" {text}").as_bytes(), &limits);
                    let known = by_heart(text.as_bytes(), &limits);
                    let expected = parsed.clone().ok().filter(|_| !end.contains("close") && !end.ends_with(' '));
                    assert_eq!(known, expected, "{text}");
                    // What is wrong with it is said as of any other, but for the place.
                    assert_eq!(Jsonheader::parse(text.as_bytes(), &limits).is_ok(), parsed.is_ok(), "{text}");
                }
            }
        }
    }

    #[test]
    fn what_we_write_is_known_by_heart() {
        let mut written = Vec::new();
        write_jsonheader(&mut Tail::from(&mut written), Heading::json(true), 43);
        let header = by_heart(&written, &Limits::default()).expect("it is the tutorial's spelling");
        assert_eq!((header.content_len, header.keep_alive, header.byteorder), (43, true, ByteOrder::NATIVE));
    }
}
