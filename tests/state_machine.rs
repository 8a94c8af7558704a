//! The table of transitions, the reader that it describes, and the page that shows it, held together.
//!
//! With `UPDATE_DOCS=1` in the environment, the page's generated parts are written anew; the snapshot is insta's, to be
//! taken anew with `INSTA_UPDATE=always`.

use std::env;
use std::fs;
use std::panic;
use std::path::Path;

use multiconn::buffer::Input;
use multiconn::message::table::{Event, TRANSITIONS, mermaid, next, plain_text};
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
        Phase::Closed => reader.close(Event::InputEnded),
    }
    assert_eq!(reader.read(&mut Input::new(&unused), &Limits::default()), Ok(None));
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
            Phase::Idle | Phase::Protoheader | Phase::Jsonheader | Phase::Content | Phase::Closed,
            Event::FirstByte
            | Event::ProtoheaderRead
            | Event::JsonheaderRead
            | Event::ContentRead
            | Event::LastMessage
            | Event::Violation
            | Event::InputEnded
            | Event::DeadlinePassed,
        ) => return None,
    })
}

/// The phase that `event` takes a real reader to from `phase`; `None` where it can't be brought about.
fn provoke(phase: Phase, event: Event) -> Option<Phase> {
    let mut reader = reader_in(phase);
    if let Some(bytes) = bytes_for(phase, event) {
        let result = reader.read(&mut Input::new(&bytes), &Limits::default());
        assert_eq!(result.is_err(), event == Event::Violation, "{result:?}");
        assert_eq!(result.is_ok_and(|message| message.is_some()), event == Event::ContentRead);
        return Some(reader.phase());
    }
    match event {
        // Only bytes can bring these about, and there are none that do.
        Event::FirstByte | Event::ProtoheaderRead | Event::JsonheaderRead | Event::ContentRead => None,
        Event::LastMessage | Event::Violation | Event::InputEnded | Event::DeadlinePassed => {
            if phase == Phase::Closed {
                reader.close(event);
                assert_eq!(reader.phase(), Phase::Closed);
                return None;
            }
            // A step that is no row is a mistake of the session's, which the reader reports where it checks itself.
            if !cfg!(debug_assertions) && next(phase, event).is_none() {
                return None;
            }
            panic::catch_unwind(move || {
                reader.close(event);
                reader.phase()
            })
            .ok()
        }
    }
}

#[test]
fn the_reader_and_the_table_agree_on_every_phase_and_event() {
    for phase in Phase::ALL {
        for event in Event::ALL {
            assert_eq!(provoke(phase, event), next(phase, event), "{phase:?} on {event:?}: the reader, the table");
        }
    }
    let pairs = Phase::ALL.iter().flat_map(|&phase| Event::ALL.map(|event| next(phase, event)));
    assert_eq!(pairs.flatten().count(), TRANSITIONS.len());
}

/// Bytes of no event of their own: a reader in each phase waits, and says so.
#[test]
fn what_is_not_enough_changes_nothing() {
    for phase in Phase::ALL {
        let mut reader = reader_in(phase);
        let some: &[u8] = match phase {
            Phase::Idle => b"",
            Phase::Protoheader | Phase::Jsonheader | Phase::Content => b"{",
            Phase::Closed => b"any",
        };
        let mut input = Input::new(some);
        assert_eq!(reader.read(&mut input, &Limits::default()), Ok(None));
        assert_eq!((reader.phase(), input.used()), (phase, 0));
    }
}

#[test]
fn every_phase_and_event() {
    let mut lines = format!("{:17}", "");
    lines.extend(Phase::ALL.map(|phase| format!("{:<13}", phase.to_string())));
    for event in Event::ALL {
        lines += &format!("\n{:<17}", event.to_string());
        for phase in Phase::ALL {
            let cell = provoke(phase, event).map_or("–".to_owned(), |to| to.to_string());
            lines += &format!("{cell:<13}");
        }
    }
    let trimmed: Vec<&str> = lines.lines().map(str::trim_end).collect();
    insta::assert_snapshot!(trimmed.join("\n"));
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
fn the_page_shows_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/state-machine.md");
    let page = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let page = page.replace("\r\n", "\n");
    let parts = [
        Generated { name: "diagram", language: "mermaid", text: mermaid() },
        Generated { name: "table", language: "text", text: plain_text() },
    ];
    let wanted = parts.iter().fold(page.clone(), |page, part| part.put_into(&page));
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, wanted).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    } else {
        assert!(
            page == wanted,
            "docs/state-machine.md no longer shows the table. To write it anew:\n\n    \
            UPDATE_DOCS=1 cargo test --test state_machine\n"
        );
    }
}
