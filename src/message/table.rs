//! The transitions of [`MessageReader`](super::MessageReader) as data.
//!
//! A step of the reader without a row here does not compile, and `docs/state-machine.md` shows the rows as a diagram. A
//! pair of phase and event without a row does not occur.

use std::fmt;

use Event::{ContentRead, FirstByte, JsonheaderRead, ProtoheaderRead, Violation};
use Phase::{Content, Failed, Idle, Jsonheader, Protoheader};

use crate::machine::{self, transitions};

/// A reader's position in a message. The reader's own state has the data for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Between messages.
    Idle,
    /// Reading the two bytes of the protoheader.
    Protoheader,
    /// Reading the JSON header, whose length is known: the tutorial's `_jsonheader_len`.
    #[doc(alias = "_jsonheader_len")]
    Jsonheader,
    /// Reading the content.
    Content,
    /// A rule was broken, so the start of the next message is unknown. This phase is final.
    Failed,
}

impl Phase {
    /// All phases, in the order of a message.
    pub const ALL: [Phase; 5] = [Idle, Protoheader, Jsonheader, Content, Failed];
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Idle => "idle",
            Protoheader => "protoheader",
            Jsonheader => "JSON header",
            Content => "content",
            Failed => "failed",
        })
    }
}

/// An event in a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// The first byte of a message has arrived.
    FirstByte,
    /// Both bytes of the protoheader have arrived.
    ProtoheaderRead,
    /// The JSON header is complete and valid.
    JsonheaderRead,
    /// The content has arrived: the message is complete.
    ContentRead,
    /// The input breaks a rule.
    Violation,
}

impl Event {
    /// All events.
    pub const ALL: [Event; 5] = [FirstByte, ProtoheaderRead, JsonheaderRead, ContentRead, Violation];
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FirstByte => "first byte",
            ProtoheaderRead => "protoheader read",
            JsonheaderRead => "JSON header read",
            ContentRead => "content read",
            Violation => "violation",
        })
    }
}

transitions! {
    Phase, Event {
        Idle        --[ FirstByte       ]--> Protoheader: "the header timeout begins";
        Protoheader --[ ProtoheaderRead ]--> Jsonheader:  "the length is checked";
        Protoheader --[ Violation       ]--> Failed:      "the length is zero or over the limit";
        Jsonheader  --[ JsonheaderRead  ]--> Content:     "the content timeout begins";
        Jsonheader  --[ Violation       ]--> Failed:      "it is not JSON, lacks a key, or announces too much";
        Content     --[ ContentRead     ]--> Idle:        "the message goes to the session";
    }
}

/// The table as a Mermaid state diagram.
pub fn mermaid() -> String {
    machine::mermaid(&Phase::ALL, Idle, None, TRANSITIONS)
}

/// The table as plain text, a line for each row.
pub fn plain_text() -> String {
    machine::plain_text(&Phase::ALL, TRANSITIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phase_is_reached_and_all_but_the_last_are_left() {
        for phase in Phase::ALL {
            assert!(TRANSITIONS.iter().any(|row| row.to == phase), "{phase:?}");
            assert_eq!(TRANSITIONS.iter().any(|row| row.from == phase), phase != Failed, "{phase:?}");
        }
    }
}
