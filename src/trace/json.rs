//! The trace as JSON: a line for each event.
//!
//! The first line is the [header], with the version of the format. Each other line is an object with:
//!
//! | key | value |
//! |---|---|
//! | `time` | seconds since the beginning of the trace |
//! | `thread` | the thread's name, if there are several |
//! | `turn` | the number of the turn, from 1; under a blocking model, of the connection's wait |
//! | `connection`, `peer` | the connection's number and its other side, if the event happens to a connection |
//! | `event` | the event's name |
//!
//! and the fields of the event, by the names that they have in [`Event`], except that the cause of a step or a move is
//! `cause`. Times are in seconds, lengths in bytes; a length that is too large to count is `null`. If lines could not
//! be written in time, a line with the event `lines_dropped` has their number, `lines`, and nothing else. Within a
//! version of the format, keys and names may be added, not changed.

use std::io::{self, Write};
use std::time::Duration;

use serde::Serializer as _;
use serde::ser::SerializeMap;
use serde_json::json;

use super::{Event, PanicIn, Record};
use crate::text::reason;

/// The version of the format.
pub const VERSION: u32 = 1;

/// The first line, with the newline. `started` is the time at the beginning of the trace, in RFC 3339.
pub fn header(started: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let started = json!(started);
    format!("{{\"trace\":{VERSION},\"program\":\"multiconn\",\"version\":\"{version}\",\"started\":{started}}}\n")
}

/// The line, with the newline, that stands for this many lines that could not be written in time.
pub fn dropped(lines: u64) -> String {
    format!("{}\n", json!({ "event": "lines_dropped", "lines": lines }))
}

/// Writes the line of a record, which happened at `time` after the beginning of the trace, with the newline. `thread`
/// is the name of its thread, if there are several.
///
/// # Errors
/// Those of `out`.
pub fn write(out: &mut impl Write, record: &Record<'_>, time: Duration, thread: Option<&str>) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::new(&mut *out);
    let mut line = serializer.serialize_map(None)?;
    line.serialize_entry("time", &time.as_secs_f64())?;
    if let Some(thread) = thread {
        line.serialize_entry("thread", thread)?;
    }
    line.serialize_entry("turn", &record.turn)?;
    if let Some(connection) = record.connection {
        line.serialize_entry("connection", &connection.id)?;
        line.serialize_entry("peer", &connection.peer.addr)?;
    }
    line.serialize_entry("event", record.event.kind().name())?;
    fields(&record.event, &mut line)?;
    line.end()?;
    out.write_all(b"\n")
}

/// Writes the fields of an event.
fn fields<M: SerializeMap>(event: &Event<'_>, line: &mut M) -> Result<(), M::Error> {
    match event {
        Event::TurnBegun { waited, events } => {
            line.serialize_entry("waited", &waited.as_secs_f64())?;
            line.serialize_entry("events", events)
        }
        Event::Selected { readiness } => {
            line.serialize_entry("readable", &readiness.readable)?;
            line.serialize_entry("writable", &readiness.writable)?;
            line.serialize_entry("read_closed", &readiness.read_closed)?;
            line.serialize_entry("urgent", &readiness.urgent)
        }
        Event::Refused { why } => line.serialize_entry("why", why),
        Event::Missed { why } => line.serialize_entry("why", &reason(why)),
        Event::AcceptingPaused { why, is_news } => {
            line.serialize_entry("why", why)?;
            line.serialize_entry("is_news", is_news)
        }
        Event::CannotConnect { addr, why } => {
            line.serialize_entry("addr", addr)?;
            line.serialize_entry("why", why)
        }
        Event::Received { bytes } => line.serialize_entry("len", &bytes.len()),
        Event::Dropped { len } => line.serialize_entry("len", len),
        Event::Stepped(step) => {
            line.serialize_entry("from", step.from)?;
            line.serialize_entry("cause", step.event)?;
            line.serialize_entry("to", step.to)?;
            line.serialize_entry("got", &step.got)?;
            line.serialize_entry("want", &step.want)
        }
        Event::Moved { from, event, to } => {
            line.serialize_entry("from", from.name())?;
            line.serialize_entry("cause", event.name())?;
            line.serialize_entry("to", to.name())
        }
        Event::Replied { len } => line.serialize_entry("len", &counted(*len)),
        Event::Sent { bytes, left } => {
            line.serialize_entry("len", &bytes.len())?;
            line.serialize_entry("left", &counted(*left))
        }
        Event::RunEnded { how, state, input, output, work, memory } => {
            line.serialize_entry("how", &how.to_string())?;
            line.serialize_entry("state", state.name)?;
            if let Some((got, want)) = state.arrived {
                line.serialize_entry("got", &got)?;
                line.serialize_entry("want", &want)?;
            }
            line.serialize_entry("input", input)?;
            line.serialize_entry("output", &counted(*output))?;
            line.serialize_entry("work", work)?;
            line.serialize_entry("memory", memory)
        }
        Event::InterestChanged { from, to } => {
            line.serialize_entry("from", &from.to_string())?;
            line.serialize_entry("to", &to.to_string())
        }
        Event::TimerSet { after } => line.serialize_entry("after", &after.as_secs_f64()),
        Event::TimerFired { is_due } => line.serialize_entry("is_due", is_due),
        Event::Stopping { open, timeout } => {
            line.serialize_entry("open", open)?;
            line.serialize_entry("timeout", &timeout.as_secs_f64())
        }
        Event::Panicked { place, message } => {
            let place = match place {
                PanicIn::Session => "session",
                PanicIn::Accept => "accept",
                PanicIn::Ended => "ended",
            };
            line.serialize_entry("place", place)?;
            line.serialize_entry("message", message)
        }
        Event::Closed { end } => line.serialize_entry("end", &end.to_string()),
        Event::Woken
        | Event::Accepted
        | Event::AcceptingResumed
        | Event::Opening
        | Event::RunBegun
        | Event::InputEnded
        | Event::OutputEnded
        | Event::Reloaded => Ok(()),
    }
}

/// A length, unless there is more than can be counted.
fn counted(len: usize) -> Option<usize> {
    Some(len).filter(|&len| len != usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;
    use std::net::SocketAddr;
    use std::time::Instant;

    use super::*;
    use crate::exchange::{Event as Happening, Stage};
    use crate::machine::Step;
    use crate::selector::{Interest, Readiness};
    use crate::session::{End, Peer, Progress, State};
    use crate::trace::{Bytes, Connection, RunEnd};

    fn line(event: Event<'_>, is_of_connection: bool) -> String {
        let peer = Peer::accepted(SocketAddr::from(([127, 0, 0, 1], 5000)));
        let connection = is_of_connection.then_some(Connection { id: 7, peer: &peer });
        let mut out = Vec::new();
        let record = Record { turn: 3, at: Instant::now(), connection, event };
        write(&mut out, &record, Duration::from_millis(1500), None).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// The lines of version 1. They may get more keys, and others may be added.
    #[test]
    fn the_format_is_stable() {
        let own = |event, rest: &str| {
            assert_eq!(line(event, false), format!("{{\"time\":1.5,\"turn\":3,\"event\":{rest}}}\n"));
        };
        let peers = |event, rest: &str| {
            let begin = "{\"time\":1.5,\"turn\":3,\"connection\":7,\"peer\":\"127.0.0.1:5000\",\"event\":";
            assert_eq!(line(event, true), format!("{begin}{rest}}}\n"));
        };
        let seconds = Duration::from_secs;
        let slices = [IoSlice::new(b"hello")];
        let bytes = Bytes::new(5, &slices);
        own(Event::TurnBegun { waited: seconds(2), events: 4 }, r#""turn_begun","waited":2.0,"events":4"#);
        let gone = io::Error::other("gone");
        own(Event::Missed { why: &gone }, r#""missed","why":"gone""#);
        own(Event::AcceptingPaused { why: "full", is_news: true }, r#""accepting_paused","why":"full","is_news":true"#);
        own(Event::AcceptingResumed, r#""accepting_resumed""#);
        own(Event::Stopping { open: 2, timeout: seconds(10) }, r#""stopping","open":2,"timeout":10.0"#);
        own(Event::Reloaded, r#""reloaded""#);
        let readiness = Readiness { readable: true, ..Readiness::default() };
        let flags = r#""readable":true,"writable":false,"read_closed":false,"urgent":false"#;
        peers(Event::Selected { readiness }, &format!(r#""selected",{flags}"#));
        peers(Event::Woken, r#""woken""#);
        peers(Event::Accepted, r#""accepted""#);
        peers(Event::Refused { why: "\"full\"" }, r#""refused","why":"\"full\"""#);
        peers(Event::Opening, r#""opening""#);
        let addr = SocketAddr::from(([10, 0, 0, 1], 80));
        peers(Event::CannotConnect { addr, why: "no" }, r#""cannot_connect","addr":"10.0.0.1:80","why":"no""#);
        peers(Event::RunBegun, r#""run_begun""#);
        peers(Event::Received { bytes }, r#""received","len":5"#);
        peers(Event::InputEnded, r#""input_ended""#);
        let step = Step { from: "a", event: "b", to: "c", got: 48, want: Some(103) };
        peers(Event::Stepped(step), r#""stepped","from":"a","cause":"b","to":"c","got":48,"want":103"#);
        let moved = Event::Moved { from: Stage::Receiving, event: Happening::LastReply, to: Stage::Draining };
        peers(moved, r#""moved","from":"receiving","cause":"last reply","to":"draining""#);
        peers(Event::Replied { len: usize::MAX }, r#""replied","len":null"#);
        peers(Event::Sent { bytes, left: 0 }, r#""sent","len":5,"left":0"#);
        peers(Event::Dropped { len: 5 }, r#""dropped","len":5"#);
        peers(Event::OutputEnded, r#""output_ended""#);
        let how = RunEnd::Waits(Progress::NeedInput);
        let state = State { name: "JSON header", arrived: Some((48, 103)) };
        peers(
            Event::RunEnded { how, state, input: 48, output: 0, work: 4144, memory: 64 },
            r#""run_ended","how":"waits for input","state":"JSON header","got":48,"want":103,"input":48,"output":0,"work":4144,"memory":64"#,
        );
        let (from, to) = (Interest::NONE, Interest::READ);
        peers(Event::InterestChanged { from, to }, r#""interest_changed","from":"none","to":"r""#);
        peers(Event::TimerSet { after: seconds(60) }, r#""timer_set","after":60.0"#);
        peers(Event::TimerFired { is_due: true }, r#""timer_fired","is_due":true"#);
        let panicked = Event::Panicked { place: PanicIn::Session, message: "oh" };
        peers(panicked, r#""panicked","place":"session","message":"oh""#);
        peers(Event::Closed { end: &End::Finished }, r#""closed","end":"finished""#);
    }
}
