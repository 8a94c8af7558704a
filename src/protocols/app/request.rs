//! Requests, and how to make them from words.

use std::fmt;

use crate::buffer::Tail;
use crate::message::{ByteOrder, Encoding, Heading, content_type, write_message, write_string};
use crate::text::Word;

/// A request to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Search for a name's value, by `{"action": "search", "value": …}`.
    Search(String),
    /// Any other action and value, as JSON.
    Json {
        /// `action`
        action: String,
        /// `value`
        value: String,
    },
    /// Bytes of the type `binary/custom-client-binary-type`.
    Binary(Vec<u8>),
    /// The sum of these integers.
    Sum(Vec<i32>),
    /// Any content, under any header.
    Content {
        /// `byteorder`
        byteorder: ByteOrder,
        /// `content-type`
        content_type: String,
        /// `content-encoding`
        content_encoding: String,
        /// The content, which is sent as it is.
        bytes: Vec<u8>,
    },
}

impl Request {
    /// The request that the tutorial's client makes from its arguments: `search VALUE` as JSON, anything else as the
    /// bytes of both, concatenated.
    pub fn from_args(action: &str, value: &str) -> Request {
        match action {
            "search" => Request::Search(value.to_owned()),
            _ => Request::Binary([action, value].concat().into_bytes()),
        }
    }

    /// Appends the request as a message: the tutorial's `queue_request`.
    #[doc(alias = "queue_request")]
    pub fn write<'a>(&self, out: impl Into<Tail<'a>>, keep_alive: bool) {
        self.write_in(ByteOrder::NATIVE, out, keep_alive);
    }

    /// The same from a machine of this byte order.
    pub(super) fn write_in<'a>(&self, byteorder: ByteOrder, out: impl Into<Tail<'a>>, keep_alive: bool) {
        let json = Heading { byteorder, ..Heading::json(keep_alive) };
        let binary = |content_type| Heading { byteorder, ..Heading::binary(content_type, keep_alive) };
        match self {
            Self::Search(value) => write_message(out, json, |content| write_json(content, "search", value)),
            Self::Json { action, value } => write_message(out, json, |content| write_json(content, action, value)),
            Self::Binary(bytes) => {
                write_message(out, binary(content_type::CLIENT_BINARY), |content| content.extend_from_slice(bytes));
            }
            Self::Sum(integers) => write_message(out, binary(content_type::I32), |content| {
                content.extend(integers.iter().flat_map(|integer| byteorder.bytes(integer.to_be_bytes())));
            }),
            Self::Content { byteorder, content_type, content_encoding, bytes } => {
                let heading = Heading { byteorder: *byteorder, content_type, content_encoding, keep_alive };
                write_message(out, heading, |content| content.extend_from_slice(bytes));
            }
        }
    }
}

/// Appends the content of a JSON request.
fn write_json(content: &mut Tail<'_>, action: &str, value: &str) {
    content.extend_from_slice(b"{\"action\": ");
    write_string(content, action);
    content.extend_from_slice(b", \"value\": ");
    write_string(content, value);
    content.push(b'}');
}

/// The rules that turn a person's words into requests: the options of `multiconn call app`.
///
/// ```
/// use multiconn::message::ByteOrder;
/// use multiconn::protocols::app::{Form, Request};
///
/// let mut form = Form::default();
/// assert_eq!(form.line("search the ring")?, Request::Search("the ring".into()));
/// assert_eq!(form.words(&["dance", "now"])?, [Request::Binary(b"dancenow".to_vec())]);
///
/// form.content_type = Some("binary/i32".into());
/// form.byteorder = ByteOrder::Big;
/// let Request::Content { bytes, .. } = form.line("1 -1")? else { unreachable!() };
/// assert_eq!(bytes, [0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff]);
/// # Ok::<(), multiconn::protocols::app::FormError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// The type of all requests. Without one, `search` makes a JSON request, and any other action a request of bytes, as
    /// in the tutorial's client.
    pub content_type: Option<String>,
    /// The encoding of text, under a name that [`Encoding`] knows. Defaults to UTF-8.
    pub content_encoding: Option<String>,
    /// The byte order of integers, which the header names.
    pub byteorder: ByteOrder,
}

impl Default for Form {
    /// The tutorial's client on this machine.
    fn default() -> Self {
        Form { content_type: None, content_encoding: None, byteorder: ByteOrder::NATIVE }
    }
}

/// Why words don't make a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FormError {
    /// An action has no value.
    ValueMissing {
        /// The action, escaped and cut.
        action: String,
    },
    /// A word is not an integer of 32 bits. It is escaped and cut.
    NotAnInteger(String),
    /// The encoding is unknown. Its name is escaped and cut.
    EncodingUnknown(String),
    /// The encoding lacks a character.
    NotEncodable(&'static str),
}

impl fmt::Display for FormError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ValueMissing { action } => write!(f, "the action '{action}' needs a VALUE"),
            Self::NotAnInteger(word) => write!(f, "'{word}' is not an integer of 32 bits"),
            Self::EncodingUnknown(name) => write!(f, "unknown encoding '{name}'"),
            Self::NotEncodable(encoding) => write!(f, "the request has a character that is not in {encoding}"),
        }
    }
}

impl std::error::Error for FormError {}

impl Form {
    /// The requests in these words. For JSON, and without a type, each request takes two words: an action and a value.
    /// For `binary/i32`, all words are the integers of one request. For any other type, each word is the content of one.
    ///
    /// # Errors
    /// If a value is missing, a word is not an integer, or the encoding lacks a character.
    pub fn words<T: AsRef<str>>(&self, words: &[T]) -> Result<Vec<Request>, FormError> {
        match self.content_type.as_deref() {
            None | Some(content_type::JSON) => words
                .chunks(2)
                .map(|words| match words {
                    [action, value] => self.action(action.as_ref(), value.as_ref()),
                    words => Err(FormError::ValueMissing { action: Word(words[0].as_ref()).to_string() }),
                })
                .collect(),
            Some(content_type::I32) => Ok(vec![self.integers(words.iter().map(AsRef::as_ref))?]),
            Some(_) => words.iter().map(|word| self.text(word.as_ref())).collect(),
        }
    }

    /// The request in this line. The action ends at the first space.
    ///
    /// # Errors
    /// As for [`words`](Self::words).
    pub fn line(&self, line: &str) -> Result<Request, FormError> {
        match self.content_type.as_deref() {
            None | Some(content_type::JSON) => match line.split_once(' ') {
                Some((action, value)) => self.action(action, value),
                None => Err(FormError::ValueMissing { action: Word(line).to_string() }),
            },
            Some(content_type::I32) => self.integers(line.split_ascii_whitespace()),
            Some(_) => self.text(line),
        }
    }

    /// The request with this content, which already has this form's encoding and byte order.
    pub fn content(&self, bytes: Vec<u8>) -> Request {
        let content_type = self.content_type.as_deref().unwrap_or(content_type::CLIENT_BINARY);
        let usual = if content_type == content_type::JSON { "utf-8" } else { "binary" };
        Request::Content {
            byteorder: self.byteorder,
            content_type: content_type.to_owned(),
            content_encoding: self.content_encoding.as_deref().unwrap_or(usual).to_owned(),
            bytes,
        }
    }

    fn action(&self, action: &str, value: &str) -> Result<Request, FormError> {
        if *self == Form::default() {
            return Ok(Request::from_args(action, value));
        }
        if self.content_type.is_none() && action != "search" {
            return self.text(&[action, value].concat());
        }
        let mut json = Vec::new();
        write_json(&mut Tail::from(&mut json), action, value);
        let json = String::from_utf8(json).expect("JSON is UTF-8");
        Form { content_type: Some(content_type::JSON.into()), ..self.clone() }.text(&json)
    }

    fn integers<'a>(&self, words: impl Iterator<Item = &'a str>) -> Result<Request, FormError> {
        let bytes = |word: &str| {
            let integer: i32 = word.parse().map_err(|_| FormError::NotAnInteger(Word(word).to_string()))?;
            Ok(self.byteorder.bytes(integer.to_be_bytes()))
        };
        Ok(self.content(words.map(bytes).collect::<Result<Vec<_>, _>>()?.concat()))
    }

    fn text(&self, text: &str) -> Result<Request, FormError> {
        let encoding = match &self.content_encoding {
            None => Encoding::Utf8,
            Some(name) => Encoding::for_name(name).ok_or_else(|| FormError::EncodingUnknown(Word(name).to_string()))?,
        };
        let bytes = encoding.encode(text, self.byteorder).ok_or(FormError::NotEncodable(encoding.name()))?;
        Ok(self.content(bytes))
    }
}
