//! The two tables of transitions, of a message and of a connection, the code that they describe, and the page that shows
//! them, held together.
//!
//! With `UPDATE_DOCS=1` in the environment, the page's generated parts are written anew; the snapshots are insta's, to be
//! taken anew with `INSTA_UPDATE=always`.

use std::env;
use std::fmt::Display;
use std::fs;
use std::path::Path;

use multiconn::buffer::Input;
use multiconn::exchange::{self, Stage};
use multiconn::message::table::{self, Event, TRANSITIONS};
use multiconn::message::{Limits, MessageReader, Phase};

const HEADER: &str =
    r#"{"byteorder": "little", "content-type": "text/json", "content-encoding": "utf-8", "content-length": 2}"#;

/// A reader that has come to `phase` by itself.
fn reader_in(phase: Phase) -> MessageReader {
    let head = [&(HEADER.len() as u16).to_be_bytes(), HEADER.as_bytes()].concat();
    let mut reader = MessageReader::default();
    let mut unused = Vec::new();
    match phase {
        Phase::Idle => {}
        Phase::Protoheader => unused.push(head[0]),
        Phase::Jsonheader => unused.extend_from_slice(&head[..2]),
        Phase::Content => unused.extend_from_slice(&head),
        Phase::Failed => unused.extend_from_slice(&[0, 0]),
    }
    let result = reader.read(&mut Input::new(&unused), &Limits::default());
    assert_eq!(result.is_err(), phase == Phase::Failed);
    assert_eq!(reader.phase(), phase);
    reader
}

/// The bytes that are `event` to a reader in `phase`, if any are: for each phase, what comes next in a good message, or
/// in a bad one. A reader in [`Phase::Protoheader`] has a zero byte in its input already.
fn bytes_for(phase: Phase, event: Event) -> Option<Vec<u8>> {
    Some(match (phase, event) {
        (Phase::Idle, Event::FirstByte) => vec![0],
        (Phase::Protoheader, Event::ProtoheaderRead) => vec![0, HEADER.len() as u8],
        (Phase::Protoheader, Event::Violation) => vec![0, 0],
        (Phase::Jsonheader, Event::JsonheaderRead) => HEADER.into(),
        (Phase::Jsonheader, Event::Violation) => HEADER.replace("2}", "two").into(),
        (Phase::Content, Event::ContentRead) => b"{}".into(),
        (
            Phase::Idle | Phase::Protoheader | Phase::Jsonheader | Phase::Content | Phase::Failed,
            Event::FirstByte | Event::ProtoheaderRead | Event::JsonheaderRead | Event::ContentRead | Event::Violation,
        ) => return None,
    })
}

/// The phase that `event` takes a real reader to from `phase`; `None` where no bytes bring it about.
fn provoke(phase: Phase, event: Event) -> Option<Phase> {
    let bytes = bytes_for(phase, event)?;
    let mut reader = reader_in(phase);
    let result = reader.read(&mut Input::new(&bytes), &Limits::default());
    assert_eq!(result.is_err(), event == Event::Violation, "{result:?}");
    assert_eq!(result.is_ok_and(|message| message.is_some()), event == Event::ContentRead);
    Some(reader.phase())
}

#[test]
fn the_reader_and_the_table_agree_on_every_phase_and_event() {
    for phase in Phase::ALL {
        for event in Event::ALL {
            assert_eq!(
                provoke(phase, event),
                table::next(phase, event),
                "{phase:?} on {event:?}: the reader, the table"
            );
        }
    }
    let pairs = Phase::ALL.iter().flat_map(|&phase| Event::ALL.map(|event| table::next(phase, event)));
    assert_eq!(pairs.flatten().count(), TRANSITIONS.len());
}

/// Bytes of no event of their own: a reader in each phase waits, or repeats its error, and uses none of them.
#[test]
fn what_is_not_enough_changes_nothing() {
    for phase in Phase::ALL {
        let mut reader = reader_in(phase);
        let some: &[u8] = match phase {
            Phase::Idle => b"",
            Phase::Protoheader | Phase::Jsonheader | Phase::Content => b"{",
            Phase::Failed => b"any",
        };
        let mut input = Input::new(some);
        let result = reader.read(&mut input, &Limits::default());
        assert_eq!(result.is_err(), phase == Phase::Failed);
        assert!(!result.is_ok_and(|message| message.is_some()));
        assert_eq!((reader.phase(), input.used()), (phase, 0));
    }
}

/// Every state × every event, as a grid; the last column of `notes`, if any, says more about a state.
fn grid<S: Copy + Display, E: Copy + Display>(states: &[S], events: &[E], next: impl Fn(S, E) -> Option<S>) -> String {
    let mut lines = format!("{:17}", "");
    lines.extend(states.iter().map(|state| format!("{:<13}", state.to_string())));
    for &event in events {
        lines += &format!("\n{:<17}", event.to_string());
        for &state in states {
            let cell = next(state, event).map_or("–".to_owned(), |to| to.to_string());
            lines += &format!("{cell:<13}");
        }
    }
    lines.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_phase_and_event() {
    insta::assert_snapshot!(grid(&Phase::ALL, &Event::ALL, provoke));
}

#[test]
fn every_stage_and_event() {
    let interest = Stage::ALL.map(|stage| format!("{stage}: {}", stage.interest()));
    let grid = grid(&Stage::ALL, &exchange::Event::ALL, exchange::next);
    insta::assert_snapshot!(format!("{}\n\n{grid}", interest.join("\n")));
}

/// A part of the page between its marks.
struct Generated {
    name: &'static str,
    language: &'static str,
    text: String,
}

impl Generated {
    /// `page` with this part as it should be.
    fn put_into(&self, page: &str) -> String {
        let Generated { name, language, text } = self;
        let begin = format!("<!-- {name}: generated, see tests/state_machine.rs -->\n");
        let end = format!("<!-- end of {name} -->");
        let (before, rest) = page.split_once(&begin).unwrap_or_else(|| panic!("the page has no line {begin}"));
        let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("the page has no line {end}"));
        format!("{before}{begin}```{language}\n{text}```\n{end}{after}")
    }
}

#[test]
fn the_page_shows_the_tables() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/state-machine.md");
    let page = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let page = page.replace("\r\n", "\n");
    let parts = [
        Generated { name: "diagram of a message", language: "mermaid", text: table::mermaid() },
        Generated { name: "table of a message", language: "text", text: table::plain_text() },
        Generated { name: "diagram of a connection", language: "mermaid", text: exchange::mermaid() },
        Generated { name: "table of a connection", language: "text", text: exchange::plain_text() },
    ];
    let wanted = parts.iter().fold(page.clone(), |page, part| part.put_into(&page));
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, wanted).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    } else {
        assert!(
            page == wanted,
            "docs/state-machine.md no longer shows the tables. To write it anew:\n\n    \
            UPDATE_DOCS=1 cargo test --test state_machine\n"
        );
    }
}
