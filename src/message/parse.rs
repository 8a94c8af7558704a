//! Reading a JSON header.

use std::borrow::Cow;

use super::{ByteOrder, ContentEncoding, ContentType, Field, Jsonheader, Limits, ProtocolError, fast_path, fields};
use crate::text::Word;

impl Jsonheader {
    /// Parses a header: the tutorial's `process_jsonheader`.
    ///
    /// # Errors
    /// The first error in the header, including a content over a limit or in an unknown encoding: all that can be
    /// checked before the content arrives.
    #[doc(alias = "process_jsonheader")]
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Jsonheader, ProtocolError> {
        if let Some(header) = fast_path::by_heart(bytes, limits) {
            return Ok(header);
        }
        let text = str::from_utf8(bytes).map_err(|_| ProtocolError::HeaderNotUtf8)?;
        let names = ["byteorder", "content-type", "content-encoding", "content-length", "connection"];
        let [byteorder, content_type, content_encoding, content_len, connection] =
            fields(text, names, limits.depth_max).map_err(ProtocolError::HeaderNotReadable)?;

        let byteorder = match &*string("byteorder", byteorder)? {
            "little" => ByteOrder::Little,
            "big" => ByteOrder::Big,
            other => return Err(invalid("byteorder", r#""little" or "big""#, format!("\"{}\"", Word(other)))),
        };
        let content_type = ContentType::for_name(&string("content-type", content_type)?);
        let content_encoding = ContentEncoding::for_name(&string("content-encoding", content_encoding)?);
        if content_type == ContentType::Json {
            content_encoding.of_text().map_err(|name| ProtocolError::EncodingUnknown(Word(name).to_string()))?;
        }
        let content_len = length(content_len, limits)?;
        let keep_alive = matches!(connection, Some(Field::Text(word)) if word == "keep-alive");
        Ok(Jsonheader { byteorder, content_type, content_encoding, content_len, keep_alive })
    }
}

fn string<'t>(key: &'static str, field: Option<Field<'t>>) -> Result<Cow<'t, str>, ProtocolError> {
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
