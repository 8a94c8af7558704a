//! The transitions of [`MessageReader`](super::MessageReader) as data.
//!
//! A step of the reader without a row here does not compile, and `docs/state-machine.md` shows the rows as a diagram. A
//! pair of phase and event without a row does not occur.

use crate::machine::{self, named, transitions};

named! {
    /// A reader's position in a message. The reader's own state has the data for it.
    pub enum Phase {
        /// Between messages.
        Idle = "idle",
        /// Reading the two bytes of the protoheader.
        Protoheader = "protoheader",
        /// Reading the JSON header, whose length is known: the tutorial's `_jsonheader_len`.
        #[doc(alias = "_jsonheader_len")]
        Jsonheader = "JSON header",
        /// Reading the content.
        Content = "content",
        /// A rule was broken, so the start of the next message is unknown. This phase is final.
        Failed = "failed",
    }
}

named! {
    /// An event in a reader.
    pub enum Event {
        /// The first byte of a message has arrived.
        FirstByte = "first byte",
        /// Both bytes of the protoheader have arrived.
        ProtoheaderRead = "protoheader read",
        /// The JSON header is complete and valid.
        JsonheaderRead = "JSON header read",
        /// The content has arrived: the message is complete.
        ContentRead = "content read",
        /// The input breaks a rule.
        Violation = "violation",
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
    machine::mermaid(&Phase::ALL, &[Phase::Idle], None, TRANSITIONS)
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
            assert_eq!(TRANSITIONS.iter().any(|row| row.from == phase), phase != Phase::Failed, "{phase:?}");
        }
    }
}
