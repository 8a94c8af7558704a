//! The encodings of JSON content, under the names of Python's codecs and of the WHATWG registry.
//!
//! `latin-1` and `ascii` are Python's, not windows-1252, and `utf-16` without a byte order mark is in the machine's
//! order. Encodings in the registry are decoded by its tables, even where these define bytes that Python leaves
//! undefined: 0x81 of `cp1252`, or 0x80 to 0x9f of `iso-8859-9`, which are decoded as in windows-1254. Python's other
//! single-byte encodings are decoded by Python's tables.

mod charmaps;
mod names;

use std::borrow::Cow;

use encoding_rs::{Encoding as Codec, UTF_16BE, UTF_16LE};

use super::ByteOrder;

/// A text encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `utf-8`
    Utf8,
    /// `utf-8-sig`: UTF-8 after an optional byte order mark.
    Utf8Sig,
    /// `utf-16-le`, `utf-16-be`, or, without an order, `utf-16`: as its byte order mark says.
    Utf16(Option<ByteOrder>),
    /// `utf-32-le`, `utf-32-be`, or, without an order, `utf-32`: as its byte order mark says.
    Utf32(Option<ByteOrder>),
    /// `ascii`: seven bits.
    Ascii,
    /// `latin-1`: each byte is the code point of that number.
    Latin1,
    /// A single-byte encoding of Python's that is not in the WHATWG registry.
    Charmap(&'static Charmap),
    /// Any other encoding in the registry.
    Other(&'static Codec),
}

/// The table of a single-byte encoding.
#[derive(Debug, PartialEq, Eq)]
pub struct Charmap {
    name: &'static str,
    /// The characters of all bytes, or, if the others are ASCII, of those from 0x80 on; [`Charmap::UNDEFINED`] for bytes
    /// without one.
    chars: &'static str,
}

impl Charmap {
    const UNDEFINED: char = char::REPLACEMENT_CHARACTER;

    fn decode(&self, bytes: &[u8]) -> Option<String> {
        let chars: Vec<char> = self.chars.chars().collect();
        let ascii = 256 - chars.len();
        let decode = |&byte: &u8| match usize::from(byte).checked_sub(ascii) {
            None => Some(char::from(byte)),
            Some(index) => Some(chars[index]).filter(|&char| char != Self::UNDEFINED),
        };
        bytes.iter().map(decode).collect()
    }

    fn encode(&self, text: &str) -> Option<Vec<u8>> {
        let chars: Vec<char> = self.chars.chars().collect();
        let ascii = 256 - chars.len();
        let byte = |char: char| match u8::try_from(char) {
            Ok(byte) if usize::from(byte) < ascii => Some(byte),
            _ if char == Self::UNDEFINED => None,
            _ => chars.iter().position(|&other| other == char).and_then(|index| u8::try_from(ascii + index).ok()),
        };
        text.chars().map(byte).collect()
    }
}

impl Encoding {
    /// The encoding called `name` in Python, where case and punctuation make no difference, or else in the registry.
    pub fn for_name(name: &str) -> Option<Encoding> {
        // By far the most frequent name, checked without allocating.
        if name == "utf-8" {
            return Some(Self::Utf8);
        }
        names::encoding(name)
    }

    /// The name to use in messages to people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 | Self::Utf8Sig => "UTF-8",
            Self::Utf16(_) => "UTF-16",
            Self::Utf32(_) => "UTF-32",
            Self::Ascii => "ASCII",
            Self::Latin1 => "Latin-1",
            Self::Charmap(charmap) => charmap.name,
            Self::Other(codec) => codec.name(),
        }
    }

    /// Decodes `bytes`, or returns `None` if they are invalid in this encoding. Nothing is replaced.
    ///
    /// This is the first half of the tutorial's `_json_decode`; the second parses the JSON.
    #[doc(alias = "_json_decode")]
    pub fn decode(self, bytes: &[u8]) -> Option<Cow<'_, str>> {
        match self {
            Self::Utf8 => str::from_utf8(bytes).ok().map(Cow::Borrowed),
            Self::Utf8Sig => {
                let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
                str::from_utf8(text).ok().map(Cow::Borrowed)
            }
            Self::Utf16(order) => {
                let (order, bytes) = order_and_text(order, bytes, b"\xff\xfe", b"\xfe\xff");
                let codec = match order {
                    ByteOrder::Little => UTF_16LE,
                    ByteOrder::Big => UTF_16BE,
                };
                codec.decode_without_bom_handling_and_without_replacement(bytes)
            }
            Self::Utf32(order) => {
                let (order, bytes) = order_and_text(order, bytes, b"\xff\xfe\0\0", b"\0\0\xfe\xff");
                let (units, rest) = bytes.as_chunks::<4>();
                let text = units.iter().map(|&unit| char::from_u32(order.u32(unit))).collect::<Option<String>>()?;
                rest.is_empty().then_some(Cow::Owned(text))
            }
            Self::Ascii => bytes.is_ascii().then(|| str::from_utf8(bytes).ok().map(Cow::Borrowed))?,
            Self::Latin1 => Some(encoding_rs::mem::decode_latin1(bytes)),
            Self::Charmap(charmap) => charmap.decode(bytes).map(Cow::Owned),
            Self::Other(codec) => codec.decode_without_bom_handling_and_without_replacement(bytes),
        }
    }

    /// Encodes `text` as Python does on a machine with this `byteorder`. It matters only if the name leaves the order
    /// open; then a byte order mark comes first. Returns `None` if the encoding lacks a character.
    ///
    /// This is the second half of the tutorial's `_json_encode`; the first makes the JSON.
    #[doc(alias = "_json_encode")]
    pub fn encode(self, text: &str, byteorder: ByteOrder) -> Option<Vec<u8>> {
        match self {
            Self::Utf8 => Some(text.into()),
            Self::Utf8Sig => Some([b"\xef\xbb\xbf", text.as_bytes()].concat()),
            Self::Utf16(Some(order)) => Some(utf_16(text, order)),
            Self::Utf32(Some(order)) => Some(utf_32(text, order)),
            Self::Utf16(None) => Some(utf_16(&format!("\u{feff}{text}"), byteorder)),
            Self::Utf32(None) => Some(utf_32(&format!("\u{feff}{text}"), byteorder)),
            Self::Ascii => text.is_ascii().then(|| text.into()),
            Self::Latin1 => {
                let has_all = encoding_rs::mem::is_str_latin1(text);
                has_all.then(|| encoding_rs::mem::encode_latin1_lossy(text).into_owned())
            }
            Self::Charmap(charmap) => charmap.encode(text),
            // The registry's encoder would write UTF-8 for these two.
            Self::Other(codec) if codec == UTF_16LE => Some(utf_16(text, ByteOrder::Little)),
            Self::Other(codec) if codec == UTF_16BE => Some(utf_16(text, ByteOrder::Big)),
            Self::Other(codec) => match codec.encode(text) {
                (_, _, true) => None,
                (bytes, ..) => Some(bytes.into_owned()),
            },
        }
    }
}

fn utf_16(text: &str, order: ByteOrder) -> Vec<u8> {
    let mut bytes = vec![0; 2 * text.len()];
    let mut len = 0;
    for (place, unit) in bytes.as_chunks_mut().0.iter_mut().zip(text.encode_utf16()) {
        *place = order.bytes(unit.to_be_bytes());
        len += place.len();
    }
    bytes.truncate(len);
    bytes
}

fn utf_32(text: &str, order: ByteOrder) -> Vec<u8> {
    let mut bytes = vec![0; 4 * text.len()];
    let mut len = 0;
    for (place, char) in bytes.as_chunks_mut().0.iter_mut().zip(text.chars()) {
        *place = order.bytes(u32::from(char).to_be_bytes());
        len += place.len();
    }
    bytes.truncate(len);
    bytes
}

/// The byte order and the bytes without their byte order mark. The order is the given one, or the mark's, or else the
/// machine's. As in Python, a mark counts only if the name leaves the order open.
fn order_and_text<'a>(
    given: Option<ByteOrder>,
    bytes: &'a [u8],
    little_mark: &[u8],
    big_mark: &[u8],
) -> (ByteOrder, &'a [u8]) {
    if let Some(order) = given {
        (order, bytes)
    } else if let Some(text) = bytes.strip_prefix(little_mark) {
        (ByteOrder::Little, text)
    } else if let Some(text) = bytes.strip_prefix(big_mark) {
        (ByteOrder::Big, text)
    } else {
        (ByteOrder::NATIVE, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(name: &str, bytes: &[u8]) -> Option<String> {
        Encoding::for_name(name).unwrap_or_else(|| panic!("{name} is unknown")).decode(bytes).map(Cow::into_owned)
    }

    #[test]
    fn names_of_both_registries_in_any_spelling() {
        // Names known to Python's `codecs.lookup` or the WHATWG registry.
        for name in [
            "utf-8",
            "UTF-8",
            "utf_8",
            "utf8",
            "U8",
            "utf 8",
            "utf-8-sig",
            "utf-16",
            "UTF_16_LE",
            "utf-16be",
            "utf-32",
            "utf-32-be",
            "latin-1",
            "latin_1",
            "L1",
            "iso-8859-1",
            "ISO_8859_1",
            "ascii",
            "us-ascii",
            "646",
            "cp1252",
            "windows-1252",
            "windows_1252",
            "shift_jis",
            "SHIFT-JIS",
            "sjis",
            "s_jis",
            "cp932",
            "euc_jp",
            "euc-kr",
            "cp949",
            "gb2312",
            "gbk",
            "gb18030",
            "big5",
            "koi8_r",
            "koi8-u",
            "iso8859_2",
            "iso-8859-15",
            "cp1251",
            "cp866",
            "cp874",
            "iso8859_16",
            "mac_roman",
            "iso2022_jp",
        ] {
            assert!(Encoding::for_name(name).is_some(), "{name}");
        }
        for name in ["", "utf", "utf-99", "binary", "replacement", "hz-gb-2312", "rot13", "utf-8\0", "idna"] {
            assert_eq!(Encoding::for_name(name).is_some(), name == "utf", "{name}");
        }
    }

    #[test]
    fn names_are_normalized_as_in_python() {
        for (name, same) in [
            ("1252", "cp1252"),
            ("936", "gbk"),
            ("949", "cp949"),
            ("932", "cp932"),
            ("ANSI_X3.4-1968", "ascii"),
            ("iso_8859-1:1987", "latin-1"),
            ("iso_8859-2:1987", "iso-8859-2"),
            ("ISO_8859-8:1988", "iso8859_8"),
            ("ks_c_5601-1987", "euc-kr"),
            ("ks_c_5601-1989", "euc-kr"),
            ("gb_2312-80", "gb2312"),
            ("sun_eu_greek", "iso-8859-7"),
            ("x-sjis", "shift_jis"),
            ("x_sjis", "shift_jis"),
            (" (utf) -- 8! ", "utf-8"),
            ("IBM437", "cp437"),
            ("850", "cp850"),
            ("Big5-HKSCS", "big5"),
        ] {
            assert!(Encoding::for_name(name).is_some(), "{name}");
            assert_eq!(Encoding::for_name(name), Encoding::for_name(same), "{name}");
        }
    }

    #[test]
    fn every_table_is_complete() {
        assert_eq!(decode("cp437", b"a\x80\x9b\xe1").unwrap(), "aÇ¢ß");
        assert_eq!(decode("cp850", b"\x9b\xd5").unwrap(), "øı");
        assert_eq!(decode("cp037", b"\xc0\x7f\x81\x7f\xd0").unwrap(), "{\"a\"}");
        assert_eq!(decode("cp864", b"%").unwrap(), "٪");
        assert_eq!(decode("cp857", b"\xd5"), None);
        for name in ["cp437", "cp037", "cp1140", "mac_greek", "ptcp154"] {
            let all: Vec<u8> = (0..=255).collect();
            assert_eq!(decode(name, &all).unwrap().chars().count(), 256, "{name}");
        }
    }

    #[test]
    fn byte_order_marks_count_only_where_the_order_is_open() {
        assert_eq!(decode("utf-16", b"\xff\xfea\0").unwrap(), "a");
        assert_eq!(decode("utf-16", b"\xfe\xff\0a").unwrap(), "a");
        assert_eq!(decode("utf-16-be", b"\0a").unwrap(), "a");
        assert_eq!(decode("utf-16-le", b"\xff\xfea\0").unwrap(), "\u{feff}a");
        assert_eq!(decode("utf-32", b"\xff\xfe\0\0\x36\xf4\x01\0").unwrap(), "🐶");
        assert_eq!(decode("utf-32-be", b"\0\x01\xf4\x36").unwrap(), "🐶");
        assert_eq!(decode("utf-8-sig", b"\xef\xbb\xbfa").unwrap(), "a");
        let native = if cfg!(target_endian = "big") { b"\0a" } else { b"a\0" };
        assert_eq!(decode("utf-16", native).unwrap(), "a");
    }

    #[test]
    fn text_is_encoded_as_it_is_decoded() {
        let encode = |name: &str, text, order| Encoding::for_name(name).unwrap().encode(text, order);
        for (name, text) in [
            ("utf-8", "aé🐶"),
            ("utf-8-sig", "aé🐶"),
            ("utf-16", "aé🐶"),
            ("utf-16-be", "aé🐶"),
            ("utf-32", "aé🐶"),
            ("utf-32-le", "aé🐶"),
            ("unicodefffe", "aé🐶"),
            ("unicodefeff", "aé🐶"),
            ("latin-1", "aé\u{80}"),
            ("ascii", "a"),
            ("cp037", "{aé}"),
            ("cp437", "aÇ¢ß"),
            ("cp1252", "a€é"),
            ("shift_jis", "リング"),
            ("gb18030", "aé🐶"),
        ] {
            for order in [ByteOrder::Little, ByteOrder::Big] {
                let bytes = encode(name, text, order).unwrap();
                assert_eq!(decode(name, &bytes).as_deref(), Some(text), "{name}");
            }
        }
        assert_eq!(encode("utf-16", "a", ByteOrder::Big).unwrap(), b"\xfe\xff\0a");
        assert_eq!(encode("utf-32", "a", ByteOrder::Little).unwrap(), b"\xff\xfe\0\0a\0\0\0");
        for (name, text) in [
            ("ascii", "é"),
            ("latin-1", "€"),
            ("cp437", "🐶"),
            ("cp857", "\u{fffd}"),
            ("cp1252", "ж"),
            ("shift_jis", "🐶"),
        ] {
            assert_eq!(encode(name, text, ByteOrder::NATIVE), None, "{name}");
        }
    }

    #[test]
    fn what_is_not_in_the_encoding_is_refused() {
        for (name, bytes) in [
            ("utf-8", &b"\xff"[..]),
            ("utf-8", b"\xed\xa0\x80"),
            ("utf-16-le", b"a"),
            ("utf-16-le", b"\x00\xd8"),
            ("utf-32-le", b"a\0\0"),
            ("utf-32-le", b"\0\0\x11\0"),
            ("utf-32-le", b"\0\xd8\0\0"),
            ("ascii", b"\x80"),
            ("shift_jis", b"\x81"),
        ] {
            assert_eq!(decode(name, bytes), None, "{name} {bytes:?}");
        }
    }

    #[test]
    fn python_meaning_holds_where_names_differ() {
        assert_eq!(decode("latin-1", b"\x80\xe9").unwrap(), "\u{80}é");
        assert_eq!(decode("cp1252", b"\x80\xe9").unwrap(), "€é");
        assert_eq!(decode("shift_jis", b"\x83\x8a\x83\x93\x83\x4f").unwrap(), "リング");
    }
}
