//! The encodings of JSON contents. What our own encoder writes, the reference must be able to read. Of the encodings with
//! tables, only a few characters are known here.

use std::borrow::Cow;

use crate::message::{ByteOrder, Encoding};
use crate::selector::sim::Random;
use crate::sim::subject::Then;

/// Encodings that are rare in requests.
const OTHERS: [&str; 11] = [
    "utf-8-sig",
    "utf-16",
    "UTF_16",
    "ucs-2",
    "unicodefffe",
    "utf-32",
    "utf-32-le",
    "utf-32-be",
    "cp437",
    "cp857",
    "cp1252",
];

/// The characters beyond ASCII that are known of an encoding with a table, with their bytes.
const TABLES: [(&str, &[(char, u8)]); 3] = [
    ("cp437", &[('é', 0x82), ('Ω', 0xea)]),
    ("cp857", &[('é', 0x82), ('ı', 0x8d)]),
    ("cp1252", &[('é', 0xe9), ('€', 0x80)]),
];

/// Draws the name of an encoding.
pub fn draw(random: &mut Random) -> &'static str {
    let usual = ["utf-8", "utf-8", "utf-8", "utf-16-le", "utf-16-be", "latin-1", "ascii"];
    let choices = if random.once_in(8) { &OTHERS[..] } else { &usual };
    random.pick::<&str>(choices)
}

/// The bytes of `text`, as a client of ours encodes it; a question mark stands for each character that the encoding lacks.
///
/// # Panics
/// If the reference reads something else than `text`, or if a character that the encoding has can't be encoded.
pub fn encode(text: &str, name: &str, random: &mut Random) -> Vec<u8> {
    let encoding = Encoding::for_name(name).expect("a known encoding");
    let byteorder = *random.pick(&[ByteOrder::Little, ByteOrder::Big]);
    let ascii = || text.chars().map(|char| if char.is_ascii() { char } else { '?' }).collect::<String>();
    let (text, bytes) = match encoding.encode(text, byteorder) {
        Some(bytes) => (Cow::from(text), bytes),
        None if lacks_nothing(text, name) => panic!("{text:?} can't be encoded in {name}"),
        None => (ascii().into(), encoding.encode(&ascii(), byteorder).expect("every encoding here has ASCII")),
    };
    if OTHERS.contains(&name) {
        let read = decode(&bytes, name);
        assert!(read.as_deref() == Ok(&*text), "{text:?} in {name} is read as {read:?}");
    }
    bytes
}

/// The text of `content`.
///
/// # Errors
/// If it isn't text in this encoding, or if that isn't known here.
pub fn decode(content: &[u8], encoding: &str) -> Result<String, Then> {
    let text = match encoding {
        "utf-8-sig" => String::from_utf8(content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content).to_vec()).ok(),
        "utf-16" | "UTF_16" => match content {
            [0xff, 0xfe, text @ ..] => utf16(text, u16::from_le_bytes),
            [0xfe, 0xff, text @ ..] => utf16(text, u16::from_be_bytes),
            _ => return Err(Then::Unknown),
        },
        "ucs-2" => utf16(content, u16::from_le_bytes),
        "unicodefffe" => utf16(content, u16::from_be_bytes),
        "utf-32" => match content {
            [0xff, 0xfe, 0, 0, text @ ..] => utf32(text, u32::from_le_bytes),
            [0, 0, 0xfe, 0xff, text @ ..] => utf32(text, u32::from_be_bytes),
            _ => return Err(Then::Unknown),
        },
        "utf-32-le" => utf32(content, u32::from_le_bytes),
        "utf-32-be" => utf32(content, u32::from_be_bytes),
        _ => {
            let table = table(encoding).ok_or(Then::Unknown)?;
            let char = |&byte: &u8| match byte {
                ..0x80 => Ok(char::from(byte)),
                _ => table.iter().find(|&&(_, known)| known == byte).map(|&(char, _)| char).ok_or(Then::Unknown),
            };
            Some(content.iter().map(char).collect::<Result<_, _>>()?)
        }
    };
    text.ok_or(Then::Fails)
}

/// Whether the encoding is known to have each character of `text`.
fn lacks_nothing(text: &str, encoding: &str) -> bool {
    let has = |table: &[(char, u8)], char: char| char.is_ascii() || table.iter().any(|&(known, _)| known == char);
    table(encoding).is_some_and(|table| text.chars().all(|char| has(table, char)))
}

fn table(encoding: &str) -> Option<&'static [(char, u8)]> {
    TABLES.iter().find(|(name, _)| *name == encoding).map(|&(_, table)| table)
}

/// Decodes UTF-16 in either order.
pub fn utf16(content: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let (units, cut) = content.as_chunks::<2>();
    let units: Vec<u16> = units.iter().map(|&bytes| unit(bytes)).collect();
    String::from_utf16(&units).ok().filter(|_| cut.is_empty())
}

fn utf32(content: &[u8], unit: fn([u8; 4]) -> u32) -> Option<String> {
    let (units, cut) = content.as_chunks::<4>();
    let chars: Option<String> = units.iter().map(|&bytes| char::from_u32(unit(bytes))).collect();
    chars.filter(|_| cut.is_empty())
}
