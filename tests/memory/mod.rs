//! A session driven in memory: what the reactor does for it, without sockets.

#![allow(dead_code, reason = "each of the test files that share this uses its part of it")]

use std::fmt;
use std::time::{Duration, Instant};

use multiconn::buffer::Input;
use multiconn::message::{Jsonheader, Limits, Message, MessageReader, ProtocolError};
use multiconn::session::testing::Harness;
pub use multiconn::session::testing::PEER;
use multiconn::session::{Progress, Session, SessionError};

/// One connection: keeps what the session leaves unused, takes what it sends, and calls it as often as it asks for.
#[derive(Debug)]
pub struct Wire<S> {
    pub harness: Harness<S>,
    sent: Vec<u8>,
    end: Option<Result<(), SessionError>>,
    now: Instant,
}

/// What a connection came to. Equal for the same bytes, however they were split.
#[derive(PartialEq, Eq)]
pub struct Outcome {
    /// What the session has sent.
    pub sent: Vec<u8>,
    /// `None` while it waits; else how it ended.
    pub end: Option<Result<(), String>>,
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ended: {:?}, sent: {}", self.end, self.sent.escape_ascii())
    }
}

impl<S: Session> Wire<S> {
    pub fn new(session: S) -> Self {
        let mut wire = Wire { harness: Harness::new(session), sent: Vec::new(), end: None, now: Instant::now() };
        wire.go_on();
        wire
    }

    /// `bytes` have come.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.end.is_none() && !bytes.is_empty() {
            self.harness.feed(bytes);
            self.go_on();
        }
    }

    /// The peer has ended its sending side.
    pub fn end_input(&mut self) {
        self.harness.end_input();
        if self.end.is_none() {
            self.go_on();
        }
    }

    /// Time passes, and the session is called if its deadline has.
    pub fn pass(&mut self, time: Duration) {
        self.now += time;
        if self.end.is_none() && self.harness.session.deadline().is_some_and(|deadline| self.now >= deadline) {
            self.go_on();
        }
    }

    /// What the session has sent since this was asked last.
    pub fn take_sent(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.sent)
    }

    pub fn end(&self) -> Option<&Result<(), SessionError>> {
        self.end.as_ref()
    }

    /// The error that it ended with.
    pub fn error(&self) -> &SessionError {
        match &self.end {
            Some(Err(error)) => error,
            other => panic!("expected an error, not {other:?}"),
        }
    }

    pub fn unused(&self) -> &[u8] {
        self.harness.unused()
    }

    pub fn session(&self) -> &S {
        &self.harness.session
    }

    pub fn outcome(self) -> (Outcome, S) {
        let end = self.end.map(|end| end.map_err(|error| error.to_string()));
        (Outcome { sent: self.sent, end }, self.harness.session)
    }

    fn go_on(&mut self) {
        loop {
            let (result, used, sent) = self.call();
            match result {
                Ok(Progress::NeedInput) => break,
                Ok(Progress::NeedEither) if sent == 0 => break,
                Ok(Progress::NeedEither) => {}
                Ok(progress @ (Progress::NeedRoom | Progress::Working | Progress::Yield)) => {
                    assert!(used + sent > 0, "{progress:?} without having done anything: a loop would spin");
                }
                Ok(Progress::Finished) => return self.end = Some(Ok(())),
                Err(error) => return self.end = Some(Err(error)),
            }
        }
        let (again, used, sent) = self.call();
        assert!(
            matches!(again, Ok(Progress::NeedInput | Progress::NeedEither)) && used == 0 && sent == 0,
            "called with nothing new, it came to {again:?}, used {used} bytes and sent {sent}"
        );
    }

    /// One call: what it returns, how many bytes it used, how many it sent.
    fn call(&mut self) -> (Result<Progress, SessionError>, usize, usize) {
        let before = self.harness.unused().len();
        let result = self.harness.call(self.now);
        let used = before - self.harness.unused().len();
        let sent = self.harness.take_output();
        self.sent.extend_from_slice(&sent);
        (result, used, sent.len())
    }
}

/// What a session makes of `pieces`, one after the other, and then, if `ends`, of the end of the input.
pub fn serve<'a, S: Session>(session: S, pieces: impl IntoIterator<Item = &'a [u8]>, ends: bool) -> (Outcome, S) {
    let mut wire = Wire::new(session);
    pieces.into_iter().for_each(|piece| wire.feed(piece));
    if ends {
        wire.end_input();
    }
    wire.outcome()
}

/// What a [`MessageReader`] has read.
#[derive(Debug, PartialEq, Eq)]
pub struct Reading {
    pub messages: Vec<(Jsonheader, Vec<u8>)>,
    pub error: Option<ProtocolError>,
    /// Bytes it has not used, and how far they are into what.
    pub unused: usize,
    pub position: multiconn::message::Position,
}

/// What a reader makes of `pieces`, one after the other. It's asked until it has no more to say, also after an error.
pub fn read<'a>(limits: Limits, pieces: impl IntoIterator<Item = &'a [u8]>) -> Reading {
    let mut reader = MessageReader::default();
    let (mut messages, mut error, mut unused) = (Vec::new(), None, Vec::new());
    for piece in pieces {
        unused.extend_from_slice(piece);
        let mut input = Input::new(&unused);
        loop {
            match reader.read(&mut input, &limits) {
                Ok(Some(Message { header, content })) => {
                    assert_eq!(error, None, "a message after an error");
                    messages.push((header, content.to_vec()));
                }
                Ok(None) => {
                    assert_eq!(error, None, "an error is sticky");
                    break;
                }
                Err(new) => {
                    let used = input.used();
                    assert_eq!(reader.read(&mut input, &limits), Err(new.clone()), "an error is sticky");
                    assert_eq!(input.used(), used, "after an error, nothing is used");
                    assert!(error.is_none_or(|old| old == new), "an error is sticky");
                    error = Some(new);
                    break;
                }
            }
        }
        let used = input.used();
        unused.drain(..used);
    }
    Reading { messages, error, unused: unused.len(), position: reader.position(unused.len()) }
}

/// Ways for the same bytes to come: whole, byte by byte, and in two pieces cut at every place there is.
pub fn ways(bytes: &[u8]) -> Vec<Vec<&[u8]>> {
    let cuts = (1..bytes.len()).map(|at| vec![&bytes[..at], &bytes[at..]]);
    [vec![bytes], bytes.chunks(1).collect()].into_iter().chain(cuts).collect()
}

/// `pieces`, for a message to people: one of many pieces is "byte by byte".
pub fn describe(pieces: &[&[u8]]) -> String {
    match pieces {
        [_] => "whole".to_owned(),
        [first, _] => format!("cut at {}", first.len()),
        _ => "byte by byte".to_owned(),
    }
}

/// A message, put together independently of the code under test.
pub fn message(header: &str, content: &[u8]) -> Vec<u8> {
    let len = u16::try_from(header.len()).expect("a header that fits");
    [&len.to_be_bytes(), header.as_bytes(), content].concat()
}

/// A message with a header as the tutorial's `_create_message` writes it on a machine of this kind.
pub fn plain_message(content_type: &str, content_encoding: &str, content: &[u8], keep_alive: bool) -> Vec<u8> {
    let byteorder = if cfg!(target_endian = "big") { "big" } else { "little" };
    let connection = if keep_alive { r#", "connection": "keep-alive""# } else { "" };
    let header = format!(
        r#"{{"byteorder": "{byteorder}", "content-type": "{content_type}", "content-encoding": "{content_encoding}", "content-length": {}{connection}}}"#,
        content.len()
    );
    message(&header, content)
}

/// A JSON message in UTF-8.
pub fn json_message(content: &str, keep_alive: bool) -> Vec<u8> {
    plain_message("text/json", "utf-8", content.as_bytes(), keep_alive)
}

/// The reply that tells an error.
pub fn error_message(why: &str) -> Vec<u8> {
    let why = why.replace('\\', r"\\").replace('"', "\\\"").replace('\0', "\\u0000");
    json_message(&format!(r#"{{"result": "Error: {why}"}}"#), false)
}

/// A number with its noun, in the singular for one.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
