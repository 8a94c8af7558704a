//! The bytes of one direction as parts of messages: protoheader, JSON header, content.

use std::mem;

use crate::message::{ContentType, Jsonheader, Limits, PROTOHEADER_LEN};
use crate::text::printable_line;

/// The longest content whose meaning is shown.
const CONTENT_LEN_MAX: usize = 64 << 10;

/// The limits for bytes that are only shown: none but the nesting of JSON.
const LIMITS: Limits = Limits { header_len_max: usize::MAX, content_len_max: usize::MAX, depth_max: Limits::DEPTH_CAP };

/// A part of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Protoheader,
    Jsonheader,
    Content,
    /// Bytes after an error in the framing, which belong to no known part.
    Unknown,
}

impl Part {
    /// The name in the drawing.
    pub fn name(self) -> &'static str {
        match self {
            Part::Protoheader => "protoheader",
            Part::Jsonheader => "JSON header",
            Part::Content => "content",
            Part::Unknown => "after an error in the framing",
        }
    }
}

/// Bytes of one part that were received or sent together.
#[derive(Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    pub part: Part,
    pub bytes: &'a [u8],
    /// The offset of the first byte in its message.
    pub offset: usize,
    /// The number of bytes of the part before these.
    pub before: usize,
    /// The length of the part, if it is known.
    pub want: Option<usize>,
    /// The meaning of the part, if these are its last bytes.
    pub meaning: Option<String>,
}

/// Splits a stream into parts as it arrives. Stores only the bytes of an incomplete part, unless that is long.
#[derive(Debug)]
pub struct Parts {
    part: Part,
    got: usize,
    want: usize,
    offset: usize,
    /// The bytes of the part so far, unless it is too long.
    kept: Vec<u8>,
    header: Option<Jsonheader>,
}

impl Default for Parts {
    fn default() -> Self {
        Parts { part: Part::Protoheader, got: 0, want: PROTOHEADER_LEN, offset: 0, kept: Vec::new(), header: None }
    }
}

impl Parts {
    /// Splits the next `bytes` into pieces.
    pub fn take<'a>(&mut self, mut bytes: &'a [u8]) -> Vec<Piece<'a>> {
        let mut pieces = Vec::new();
        while !bytes.is_empty() {
            let len = if self.part == Part::Unknown { bytes.len() } else { bytes.len().min(self.want - self.got) };
            let (piece, rest) = bytes.split_at(len);
            pieces.push(self.piece(piece));
            bytes = rest;
            if self.part == Part::Content && self.want == 0 {
                pieces.push(self.piece(&[]));
            }
        }
        pieces
    }

    fn piece<'a>(&mut self, bytes: &'a [u8]) -> Piece<'a> {
        let want = (self.part != Part::Unknown).then_some(self.want);
        let mut piece = Piece { part: self.part, bytes, offset: self.offset, before: self.got, want, meaning: None };
        self.got += bytes.len();
        self.offset += bytes.len();
        if self.part != Part::Unknown && self.want <= CONTENT_LEN_MAX {
            self.kept.extend_from_slice(bytes);
        }
        if want == Some(self.got) {
            piece.meaning = self.complete();
        }
        piece
    }

    /// Goes on to the next part. Returns the meaning of this one.
    fn complete(&mut self) -> Option<String> {
        let kept = mem::take(&mut self.kept);
        match self.part {
            Part::Protoheader => {
                let len = u16::from_be_bytes([kept[0], kept[1]]);
                let next = if len == 0 { Part::Unknown } else { Part::Jsonheader };
                self.begin(next, len.into());
                Some(format!("{:02x} {:02x} = {len}, the length of the JSON header", kept[0], kept[1]))
            }
            Part::Jsonheader => match Jsonheader::parse(&kept, &LIMITS) {
                Ok(header) => {
                    self.begin(Part::Content, header.content_len);
                    self.header = Some(header);
                    Some(text(&String::from_utf8_lossy(&kept)))
                }
                Err(error) => {
                    self.begin(Part::Unknown, 0);
                    Some(text(&error.to_string()))
                }
            },
            Part::Content => {
                let header = self.header.take();
                let is_whole = kept.len() == self.want;
                self.begin(Part::Protoheader, PROTOHEADER_LEN);
                self.offset = 0;
                header.filter(|_| is_whole).and_then(|header| meaning(&header, &kept))
            }
            Part::Unknown => None,
        }
    }

    fn begin(&mut self, part: Part, want: usize) {
        (self.part, self.got, self.want) = (part, 0, want);
    }
}

/// The meaning of a content, if its bytes have one beyond themselves.
fn meaning(header: &Jsonheader, content: &[u8]) -> Option<String> {
    let order = header.byteorder;
    match header.content_type {
        ContentType::Json => header.content_encoding.of_text().ok()?.decode(content).map(|decoded| text(&decoded)),
        ContentType::I32 => {
            let (numbers, rest) = content.as_chunks::<4>();
            let shown: Vec<String> = numbers.iter().map(|&bytes| order.u32(bytes).cast_signed().to_string()).collect();
            rest.is_empty().then(|| shown.join(", "))
        }
        ContentType::I64 => content.try_into().ok().map(|bytes| order.i64(bytes).to_string()),
        ContentType::ClientBinary | ContentType::ServerBinary | ContentType::Other(_) => {
            str::from_utf8(content).ok().filter(|content| !content.is_empty()).map(text)
        }
    }
}

/// Makes text printable in a drawing, where tabs are escaped, since their width is unknown.
fn text(text: &str) -> String {
    printable_line(text).replace('\t', "\\t")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::app::Request;

    fn message(request: &Request) -> Vec<u8> {
        let mut message = Vec::new();
        request.write(&mut message, true);
        message
    }

    /// Each piece in short: its part, where it is in the message, and its meaning.
    fn shown(pieces: &[Piece<'_>]) -> Vec<String> {
        let shown = |piece: &Piece<'_>| {
            let (end, meaning) = (piece.offset + piece.bytes.len(), piece.meaning.as_deref().unwrap_or("…"));
            format!("{} {}..{end}: {meaning}", piece.part.name(), piece.offset)
        };
        pieces.iter().map(shown).collect()
    }

    #[test]
    fn each_message_has_three_parts_with_a_meaning() {
        let search = message(&Request::Search("🐶\t\u{1b}".into()));
        let sum = message(&Request::Sum(vec![1, -2]));
        let empty = message(&Request::Binary(Vec::new()));
        let all = [&search[..], &sum, &empty].concat();
        let mut parts = Parts::default();
        let pieces = parts.take(&all);
        assert_eq!(pieces.iter().flat_map(|piece| piece.bytes).copied().collect::<Vec<u8>>(), all);
        let shown = shown(&pieces);
        assert_eq!(shown.len(), 9, "{shown:#?}");
        assert!(shown[0].starts_with("protoheader 0..2: 00 "), "{shown:#?}");
        assert!(shown[1].starts_with("JSON header 2..") && shown[1].contains(r#": {"byteorder": "#), "{shown:#?}");
        assert!(shown[2].ends_with(r#": {"action": "search", "value": "🐶\t\u001b"}"#), "{shown:#?}");
        assert!(shown[5].ends_with(": 1, -2"), "{shown:#?}");
        assert!(shown[8].starts_with("content ") && pieces[8].bytes.is_empty(), "{shown:#?}");
    }

    #[test]
    fn pieces_make_no_difference_to_the_meaning() {
        let message = message(&Request::Search("ring".into()));
        let meanings = |len: usize| -> Vec<String> {
            let mut parts = Parts::default();
            let pieces = message.chunks(len).flat_map(|piece| parts.take(piece));
            pieces.filter_map(|piece| piece.meaning).collect()
        };
        let whole = meanings(message.len());
        assert_eq!(whole.len(), 3);
        for len in 1..message.len() {
            assert_eq!(meanings(len), whole, "in pieces of {len}");
        }
    }

    #[test]
    fn what_follows_an_error_is_part_of_nothing() {
        let mut parts = Parts::default();
        assert_eq!(
            shown(&parts.take(b"\0\0more")),
            ["protoheader 0..2: 00 00 = 0, the length of the JSON header", "after an error in the framing 2..6: …"]
        );
        assert_eq!(shown(&parts.take(b" and more")), ["after an error in the framing 6..15: …"]);
        let mut parts = Parts::default();
        let pieces = parts.take(b"\0\x02[]?");
        assert!(shown(&pieces)[1].starts_with("JSON header 2..4: the header"), "{pieces:#?}");
        assert_eq!(pieces[2].part, Part::Unknown);
    }

    #[test]
    fn a_long_content_is_not_kept() {
        let message = message(&Request::Binary(vec![b'x'; CONTENT_LEN_MAX + 1]));
        let mut parts = Parts::default();
        let pieces = parts.take(&message[..message.len() - 1]);
        assert_eq!(pieces.len(), 3);
        assert!(parts.kept.is_empty());
        assert_eq!(parts.take(b"x")[0].meaning, None);
        assert_eq!(parts.part, Part::Protoheader);
    }
}
