//! The transitions of [`MessageReader`](super::MessageReader) as data.
//!
//! The reader takes no step that is not a row here, and the diagram in `docs/state-machine.md` is made from the rows.
//! A pair of phase and event without a row does not occur: the reader never sees it.

use std::fmt;

use Event::{
    ContentRead, DeadlinePassed, FirstByte, InputEnded, JsonheaderRead, LastMessage, ProtoheaderRead, Violation,
};
use Phase::{Closed, Content, Idle, Jsonheader, Protoheader};

/// Where in a message a reader is. The data that goes with it is in the reader's own state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Between messages: nothing has begun.
    Idle,
    /// Reading the two bytes of the protoheader.
    Protoheader,
    /// Reading the JSON header.
    Jsonheader,
    /// Reading the content.
    Content,
    /// There is no next message. This phase is final.
    Closed,
}

impl Phase {
    /// All of them, in the order of a message.
    pub const ALL: [Phase; 5] = [Idle, Protoheader, Jsonheader, Content, Closed];
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Idle => "idle",
            Protoheader => "protoheader",
            Jsonheader => "JSON header",
            Content => "content",
            Closed => "closed",
        })
    }
}

/// What can happen to a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A byte has come, the first of a message.
    FirstByte,
    /// Both bytes of the protoheader are here.
    ProtoheaderRead,
    /// All of the JSON header is here, and it is in order.
    JsonheaderRead,
    /// All of the content is here: the message is complete.
    ContentRead,
    /// The message just read was the last: it did not ask for the connection to be kept.
    LastMessage,
    /// What has come breaks a rule.
    Violation,
    /// The peer has ended its sending side, and all it sent is used.
    InputEnded,
    /// What was waited for did not come in time.
    DeadlinePassed,
}

impl Event {
    /// All of them.
    pub const ALL: [Event; 8] =
        [FirstByte, ProtoheaderRead, JsonheaderRead, ContentRead, LastMessage, Violation, InputEnded, DeadlinePassed];
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FirstByte => "first byte",
            ProtoheaderRead => "protoheader read",
            JsonheaderRead => "JSON header read",
            ContentRead => "content read",
            LastMessage => "last message",
            Violation => "violation",
            InputEnded => "input ended",
            DeadlinePassed => "deadline passed",
        })
    }
}

/// One row: in phase `from`, `event` leads to phase `to`.
#[derive(Clone, Copy, Debug)]
pub struct Transition {
    /// The phase before.
    pub from: Phase,
    /// What happens.
    pub event: Event,
    /// The phase after.
    pub to: Phase,
    /// What the session makes of it.
    pub meaning: &'static str,
}

const fn row(from: Phase, event: Event, to: Phase, meaning: &'static str) -> Transition {
    Transition { from, event, to, meaning }
}

/// Every transition there is.
pub const TRANSITIONS: [Transition; 16] = [
    row(Idle, FirstByte, Protoheader, "the header timeout begins"),
    row(Idle, LastMessage, Closed, "the reply is drained: close"),
    row(Idle, Violation, Closed, "the content just read cannot be served: error reply, close"),
    row(Idle, InputEnded, Closed, "the peer is done: close"),
    row(Idle, DeadlinePassed, Closed, "the idle timeout: close"),
    row(Protoheader, ProtoheaderRead, Jsonheader, "the length is checked"),
    row(Protoheader, Violation, Closed, "error reply, close"),
    row(Protoheader, InputEnded, Closed, "cut off: close"),
    row(Protoheader, DeadlinePassed, Closed, "the header timeout: error reply, close"),
    row(Jsonheader, JsonheaderRead, Content, "the content timeout begins"),
    row(Jsonheader, Violation, Closed, "error reply, close"),
    row(Jsonheader, InputEnded, Closed, "cut off: close"),
    row(Jsonheader, DeadlinePassed, Closed, "the header timeout: error reply, close"),
    row(Content, ContentRead, Idle, "the reply is made; the idle timeout begins"),
    row(Content, InputEnded, Closed, "cut off: close"),
    row(Content, DeadlinePassed, Closed, "the content timeout: error reply, close"),
];

/// The phase that `event` leads to from `from`, if it can happen there.
pub fn next(from: Phase, event: Event) -> Option<Phase> {
    TRANSITIONS.iter().find(|row| row.from == from && row.event == event).map(|row| row.to)
}

/// The table as a Mermaid state diagram. Events that lead from one phase to the same other share an arrow.
pub fn mermaid() -> String {
    let name = |phase: Phase| format!("{phase:?}");
    let mut diagram = String::from("stateDiagram-v2\n    [*] --> Idle\n");
    for from in Phase::ALL {
        for to in Phase::ALL {
            let events: Vec<String> = rows_between(from, to).map(|row| row.event.to_string()).collect();
            if !events.is_empty() {
                diagram += &format!("    {} --> {}: {}\n", name(from), name(to), events.join(", "));
            }
        }
    }
    diagram + "    Closed --> [*]\n"
}

/// The table as plain text, a line for each row, the rows of a phase together.
pub fn plain_text() -> String {
    let mut lines = String::new();
    for from in Phase::ALL {
        for (index, row) in TRANSITIONS.iter().filter(|row| row.from == from).enumerate() {
            if index == 0 && !lines.is_empty() {
                lines.push('\n');
            }
            let Transition { from, event, to, meaning } = row;
            lines += &format!(
                "{from:<11} --[ {event:<16} ]--> {to:<11}   {meaning}\n",
                from = from.to_string(),
                event = event.to_string(),
                to = to.to_string()
            );
        }
    }
    lines
}

fn rows_between(from: Phase, to: Phase) -> impl Iterator<Item = &'static Transition> {
    TRANSITIONS.iter().filter(move |row| row.from == from && row.to == to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_pair_has_two_rows() {
        for (index, row) in TRANSITIONS.iter().enumerate() {
            let twin = TRANSITIONS[..index].iter().any(|other| other.from == row.from && other.event == row.event);
            assert!(!twin, "{row:?}");
        }
    }

    #[test]
    fn every_phase_is_reached_and_all_but_the_last_are_left() {
        for phase in Phase::ALL {
            assert!(TRANSITIONS.iter().any(|row| row.to == phase), "{phase:?}");
            assert_eq!(TRANSITIONS.iter().any(|row| row.from == phase), phase != Closed, "{phase:?}");
        }
    }
}
