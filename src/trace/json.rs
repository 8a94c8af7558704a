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
//! `cause`, and that a close has only its `end`. Times are in seconds, lengths in bytes; a length that is too large to count is `null`. If lines could not
//! be written in time, a line with the event `lines_dropped` has their number, `lines`, and nothing else; likewise
//! `turns_skipped` for `turns` of which only what concerns whole connections is told. Within a
//! version of the format, keys and names may be added, not changed.

use std::io::{self, Write};
use std::time::Duration;

use serde::Serializer as _;
use serde::ser::SerializeMap;
use serde_json::{Map, Value, json};

use super::{ConnectionIs, Event, LoopIs, PanicIn, Record};
use crate::session::{EndKind, State};
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
        Event::Introduced { by } => line.serialize_entry("by", by),
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
        Event::RunEnded { how, state, input, output, work, memory, took } => {
            line.serialize_entry("how", &how.to_string())?;
            session(*state, line)?;
            line.serialize_entry("input", input)?;
            line.serialize_entry("output", &counted(*output))?;
            line.serialize_entry("work", work)?;
            line.serialize_entry("memory", memory)?;
            seconds("took", *took, line)
        }
        Event::InterestChanged { from, to } => {
            line.serialize_entry("from", &from.to_string())?;
            line.serialize_entry("to", &to.to_string())
        }
        Event::TimerSet { after } => line.serialize_entry("after", &after.as_secs_f64()),
        Event::TimerFired { is_due } => line.serialize_entry("is_due", is_due),
        Event::StopDelayed { delay } => line.serialize_entry("delay", &delay.as_secs_f64()),
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
        Event::Closed { end, .. } => line.serialize_entry("end", &end.to_string()),
        Event::TurnEnded { select, dispatch, run, accept, timers, apart } => {
            seconds("select", *select, line)?;
            line.serialize_entry("dispatch", &dispatch.as_secs_f64())?;
            line.serialize_entry("run", &run.as_secs_f64())?;
            line.serialize_entry("accept", &accept.as_secs_f64())?;
            line.serialize_entry("timers", &timers.as_secs_f64())?;
            match apart {
                0 => Ok(()),
                _ => line.serialize_entry("apart", apart),
            }
        }
        Event::ConnectionIs(connection) => connection_is(connection, line),
        Event::LoopIs(looping) => loop_is(looping, line),
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

/// Writes the fields of a connection as it is.
fn connection_is<M: SerializeMap>(is: &ConnectionIs<'_>, line: &mut M) -> Result<(), M::Error> {
    seconds("age", is.age, line)?;
    line.serialize_entry("stage", is.stage.name())?;
    line.serialize_entry("interest", &is.interest.to_string())?;
    session(is.state, line)?;
    line.serialize_entry("begun", &is.begun)?;
    line.serialize_entry("input", &is.input)?;
    line.serialize_entry("output", &counted(is.output))?;
    if let Some(queues) = is.queues {
        line.serialize_entry("recv_q", &queues.recv_q)?;
        line.serialize_entry("send_q", &queues.send_q)?;
    }
    if let Some((after, what)) = is.deadline {
        line.serialize_entry("deadline", &after.as_secs_f64())?;
        line.serialize_entry("deadline_for", what.name())?;
    }
    if let Some(tally) = is.tally {
        if is.has_messages {
            line.serialize_entry("messages", &tally.messages)?;
        }
        line.serialize_entry("bytes_in", &tally.bytes_in)?;
        line.serialize_entry("bytes_out", &tally.bytes_out)?;
    }
    match is.last_error {
        Some(end) => line.serialize_entry("last_error", &end.to_string()),
        None => Ok(()),
    }
}

/// Writes the fields of a loop as it is.
fn loop_is<M: SerializeMap>(is: &LoopIs<'_>, line: &mut M) -> Result<(), M::Error> {
    let totals = is.totals;
    let closed: Map<String, Value> = EndKind::ALL
        .into_iter()
        .zip(totals.closed)
        .filter(|(_, times)| *times > 0)
        .map(|(kind, times)| (kind.name().to_owned(), times.into()))
        .collect();
    line.serialize_entry("open", &is.open)?;
    line.serialize_entry("runnable", &is.runnable)?;
    line.serialize_entry("timers", &is.timers)?;
    line.serialize_entry("accepting", is.paused.unwrap_or(if is.stopping { "stopping" } else { "yes" }))?;
    line.serialize_entry("turns", &totals.turns)?;
    line.serialize_entry("accepted", &totals.accepted)?;
    line.serialize_entry("refused", &totals.refused)?;
    line.serialize_entry("closed", &closed)?;
    if is.has_messages {
        line.serialize_entry("messages", &totals.messages)?;
    }
    line.serialize_entry("bytes_in", &totals.bytes_in)?;
    line.serialize_entry("bytes_out", &totals.bytes_out)?;
    match is.next {
        Some(next) => line.serialize_entry("next", &next),
        None => Ok(()),
    }
}

/// Writes a session's state.
fn session<M: SerializeMap>(state: State, line: &mut M) -> Result<(), M::Error> {
    line.serialize_entry("state", state.name)?;
    if let Some((got, want)) = state.arrived {
        line.serialize_entry("got", &got)?;
        line.serialize_entry("want", &want)?;
    }
    Ok(())
}

/// Writes a time, if it is known.
fn seconds<M: SerializeMap>(key: &str, time: Option<Duration>, line: &mut M) -> Result<(), M::Error> {
    match time {
        Some(time) => line.serialize_entry(key, &time.as_secs_f64()),
        None => Ok(()),
    }
}

/// A length, unless there is more than can be counted.
fn counted(len: usize) -> Option<usize> {
    Some(len).filter(|&len| len != usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;
    use std::time::Instant;

    use super::*;
    use crate::address::Addr;
    use crate::exchange::{Event as Happening, Stage};
    use crate::machine::Step;
    use crate::selector::Queues;
    use crate::selector::{Interest, Readiness};
    use crate::session::{End, Peer, Progress, State};
    use crate::trace::{Bytes, Connection, DeadlineFor, RunEnd, Tally, Totals};

    fn line(event: Event<'_>, is_of_connection: bool) -> String {
        let peer = Peer::accepted(Addr::from(([127, 0, 0, 1], 5000)));
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
        own(Event::StopDelayed { delay: seconds(2) }, r#""stop_delayed","delay":2.0"#);
        own(Event::Stopping { open: 2, timeout: seconds(10) }, r#""stopping","open":2,"timeout":10.0"#);
        own(Event::Reloaded, r#""reloaded""#);
        let readiness = Readiness { readable: true, ..Readiness::default() };
        let flags = r#""readable":true,"writable":false,"read_closed":false,"urgent":false"#;
        peers(Event::Selected { readiness }, &format!(r#""selected",{flags}"#));
        peers(Event::Woken, r#""woken""#);
        peers(Event::Accepted, r#""accepted""#);
        peers(Event::Refused { why: "\"full\"" }, r#""refused","why":"\"full\"""#);
        let by = Addr::from(([10, 0, 0, 1], 80));
        peers(Event::Introduced { by }, r#""introduced","by":"10.0.0.1:80""#);
        peers(Event::Opening, r#""opening""#);
        let addr = Addr::from(([10, 0, 0, 1], 80));
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
            Event::RunEnded { how, state, input: 48, output: 0, work: 4144, memory: 64, took: None },
            r#""run_ended","how":"waits for input","state":"JSON header","got":48,"want":103,"input":48,"output":0,"work":4144,"memory":64"#,
        );
        let (from, to) = (Interest::NONE, Interest::READ);
        peers(Event::InterestChanged { from, to }, r#""interest_changed","from":"none","to":"r""#);
        peers(Event::TimerSet { after: seconds(60) }, r#""timer_set","after":60.0"#);
        peers(Event::TimerFired { is_due: true }, r#""timer_fired","is_due":true"#);
        let panicked = Event::Panicked { place: PanicIn::Session, message: "oh" };
        peers(panicked, r#""panicked","place":"session","message":"oh""#);
        peers(Event::Closed { end: &End::Finished, age: None, tally: None }, r#""closed","end":"finished""#);
        let millis = Duration::from_millis;
        let ended = |select, apart| {
            let [dispatch, run, accept, timers] = [1, 2, 3, 4].map(|n| millis(250 * n));
            Event::TurnEnded { select, dispatch, run, accept, timers, apart }
        };
        let parts = r#""dispatch":0.25,"run":0.5,"accept":0.75,"timers":1.0"#;
        own(ended(Some(seconds(2)), 0), &format!(r#""turn_ended","select":2.0,{parts}"#));
        own(ended(None, 3), &format!(r#""turn_ended",{parts},"apart":3"#));
        let took = Some(millis(500));
        peers(
            Event::RunEnded {
                how: RunEnd::Ends,
                state: State::named("idle"),
                input: 0,
                output: 0,
                work: 4096,
                memory: 0,
                took,
            },
            r#""run_ended","how":"ends","state":"idle","input":0,"output":0,"work":4096,"memory":0,"took":0.5"#,
        );
        let full = ConnectionIs {
            age: Some(seconds(3)),
            stage: Stage::Receiving,
            interest: Interest::READ,
            state,
            begun: true,
            input: 48,
            output: usize::MAX,
            queues: Some(Queues { recv_q: 1, send_q: 2 }),
            deadline: Some((seconds(9), DeadlineFor::Session)),
            tally: Some(Tally { messages: 5, bytes_in: 6, bytes_out: 7 }),
            has_messages: true,
            last_error: Some(&End::Cut),
        };
        let begin = r#""connection_is","age":3.0,"stage":"receiving","interest":"r","state":"JSON header","got":48"#;
        let rest = r#""recv_q":1,"send_q":2,"deadline":9.0,"deadline_for":"session","messages":5,"bytes_in":6"#;
        let last = r#""bytes_out":7,"last_error":"server stopped before it was done""#;
        let all = format!(r#"{begin},"want":103,"begun":true,"input":48,"output":null,{rest},{last}"#);
        peers(Event::ConnectionIs(&full), &all);
        let (age, queues, deadline, tally, last_error) = (None, None, None, None, None);
        let idle = State::named("idle");
        let few = ConnectionIs { age, queues, deadline, tally, last_error, state: idle, output: 0, ..full };
        let fields = r#""stage":"receiving","interest":"r","state":"idle","begun":true,"input":48,"output":0"#;
        peers(Event::ConnectionIs(&few), &format!(r#""connection_is",{fields}"#));
        let mut totals = Totals { turns: 1, messages: 2, bytes_in: 3, bytes_out: 4, ..Totals::default() };
        totals.closed[EndKind::Cut as usize] = 5;
        (totals.accepted, totals.refused) = (6, 7);
        let looping = |paused, stopping, next| LoopIs {
            has_messages: true,
            open: 8,
            runnable: 9,
            timers: 10,
            paused,
            stopping,
            totals: &totals,
            next,
        };
        let counts = r#""turns":1,"accepted":6,"refused":7,"closed":{"cut":5},"messages":2,"bytes_in":3,"bytes_out":4"#;
        let loops = [
            (looping(None, false, None), "yes", ""),
            (looping(None, true, None), "stopping", ""),
            (looping(Some("full"), true, Some(64)), "full", ",\"next\":64"),
        ];
        for (is, accepting, next) in &loops {
            let begin = r#""loop_is","open":8,"runnable":9,"timers":10,"accepting""#;
            own(Event::LoopIs(is), &format!("{begin}:\"{accepting}\",{counts}{next}"));
        }
    }
}
