//! The state machine to study: it decodes a framed message as its bytes arrive.
//!
//! The tutorial's `Message` keeps the same stages in three attributes (`_jsonheader_len`, `jsonheader`, `request`) that
//! start as `None` and are filled one after the other. Here, a stage is a state that owns its data, and a step takes
//! the state by value, so that no data of the old state can be mistaken for the new:
//!
//! ```text
//! Idle ──first byte──▶ Protoheader ──2 bytes──▶ Jsonheader { len } ──len bytes──▶ Content { header } ──▶ Idle
//! ```
//!
//! A reader owns no bytes. Incomplete input stays in place, and the caller keeps it until more arrives, so memory grows
//! with what a peer has sent, never with what it announces.

use std::fmt;

use super::table::{self, Event, Phase};
use super::{Jsonheader, Limits, PROTOHEADER_LEN, ProtocolError};
use crate::buffer::Input;
use crate::machine::{self, Steps};
use crate::text::count;

/// A complete message; the content is still in the input.
#[derive(Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// The header: the tutorial's `jsonheader`.
    #[doc(alias = "jsonheader")]
    pub header: Jsonheader,
    /// The `header.content_len` bytes of the content: the tutorial's `request`, before it is decoded.
    #[doc(alias = "request")]
    pub content: &'a [u8],
}

/// How much of a message has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The part being read.
    pub phase: Phase,
    /// Bytes of that part received.
    pub got: usize,
    /// The part's length in bytes.
    pub want: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { phase, got, want } = self;
        write!(f, "{} into a {phase} of {want}", count(*got, "byte"))
    }
}

/// Reads framed messages. A protocol error is final: after it, the start of the next message is unknown.
#[derive(Debug, Default)]
pub struct MessageReader {
    /// `None` is [`ReadState::Idle`], the state of most connections most of the time; then this is only a pointer.
    state: Option<Box<Result<ReadState, ProtocolError>>>,
}

#[derive(Debug)]
enum ReadState {
    Idle,
    Protoheader,
    Jsonheader { len: usize },
    Content { header: Jsonheader },
}

/// Makes the transition of one row of the table. A transition without a row does not compile.
macro_rules! step {
    ($from:ident --[ $event:ident ]--> $to:ident $({ $data:ident })?) => {{
        const { assert!(matches!(table::next(Phase::$from, Event::$event), Some(Phase::$to)), "no row of the table") };
        Step::Next(Event::$event, ReadState::$to $({ $data })?)
    }};
}

/// The result of one step.
enum Step<'a> {
    /// A transition caused by the event.
    Next(Event, ReadState),
    /// A transition that completes a message.
    Complete(Message<'a>),
    /// Not enough bytes for a transition.
    NeedInput(ReadState),
}

impl ReadState {
    fn phase(&self) -> Phase {
        match self {
            Self::Idle => Phase::Idle,
            Self::Protoheader => Phase::Protoheader,
            Self::Jsonheader { .. } => Phase::Jsonheader,
            Self::Content { .. } => Phase::Content,
        }
    }

    /// How much of its part has arrived, given that `unused` bytes are left in the input.
    #[inline]
    fn position(&self, unused: usize) -> Position {
        let want = match self {
            Self::Idle | Self::Protoheader => PROTOHEADER_LEN,
            Self::Jsonheader { len } => *len,
            Self::Content { header } => header.content_len,
        };
        Position { phase: self.phase(), got: unused, want }
    }

    /// Makes one step. It takes `self`, so no data of the old state survives.
    #[inline]
    fn step<'a>(self, input: &mut Input<'a>, limits: &Limits) -> Result<Step<'a>, ProtocolError> {
        Ok(match self {
            Self::Idle => match input.is_empty() {
                true => Step::NeedInput(self),
                false => step!(Idle --[ FirstByte ]--> Protoheader),
            },
            Self::Protoheader => match input.take(PROTOHEADER_LEN) {
                None => Step::NeedInput(self),
                Some(bytes) => {
                    let len = usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
                    check_header_len(len, limits)?;
                    step!(Protoheader --[ ProtoheaderRead ]--> Jsonheader { len })
                }
            },
            Self::Jsonheader { len } => match input.take(len) {
                None => Step::NeedInput(self),
                Some(bytes) => {
                    let header = Jsonheader::parse(bytes, limits)?;
                    step!(Jsonheader --[ JsonheaderRead ]--> Content { header })
                }
            },
            Self::Content { header } => match input.take(header.content_len) {
                None => Step::NeedInput(Self::Content { header }),
                Some(content) => Step::Complete(Message { header, content }),
            },
        })
    }
}

/// Checks the length in a protoheader, which is half of the tutorial's `process_protoheader`.
#[doc(alias = "process_protoheader")]
fn check_header_len(len: usize, limits: &Limits) -> Result<(), ProtocolError> {
    let max = limits.header_len_max;
    match len {
        0 => Err(ProtocolError::HeaderEmpty),
        len if len > max => Err(ProtocolError::HeaderTooLong { len, max }),
        _ => Ok(()),
    }
}

impl MessageReader {
    /// Returns the next message, or `None` until more bytes arrive: the tutorial's `read`.
    ///
    /// Its steps are the tutorial's `process_protoheader`, `process_jsonheader` and `process_request`. Used bytes of
    /// `input` are not needed again. The `limits` must be the same in each call.
    ///
    /// # Errors
    /// The error in the message, as soon as it is known; and the same again in every later call.
    #[doc(alias = "process_protoheader")]
    #[doc(alias = "process_request")]
    pub fn read<'a>(&mut self, input: &mut Input<'a>, limits: &Limits) -> Result<Option<Message<'a>>, ProtocolError> {
        self.read_noting(input, limits, Steps::default())
    }

    /// The same, and passes every transition to `steps`.
    ///
    /// # Errors
    /// The same.
    pub fn read_noting<'a>(
        &mut self,
        input: &mut Input<'a>,
        limits: &Limits,
        steps: Steps<'_>,
    ) -> Result<Option<Message<'a>>, ProtocolError> {
        // The state stays in this variable until the reader has to wait, rather than being stored after each step.
        let mut state = match self.state.take().map(|state| *state) {
            None => ReadState::Idle,
            Some(Ok(state)) => state,
            Some(Err(error)) => return Err(self.fail(error)),
        };
        loop {
            let phase = state.phase();
            match state.step(input, limits) {
                Ok(Step::Next(event, next)) => {
                    note(steps, phase, event, next.position(input.len()));
                    state = next;
                }
                Ok(Step::Complete(message)) => {
                    note(steps, phase, Event::ContentRead, ReadState::Idle.position(input.len()));
                    return Ok(Some(message));
                }
                Ok(Step::NeedInput(ReadState::Idle)) => return Ok(None),
                Ok(Step::NeedInput(state)) => {
                    self.state = Some(Box::new(Ok(state)));
                    return Ok(None);
                }
                Err(error) => {
                    note(steps, phase, Event::Violation, Position { phase: Phase::Failed, got: 0, want: 0 });
                    return Err(self.fail(error));
                }
            }
        }
    }

    fn fail(&mut self, error: ProtocolError) -> ProtocolError {
        self.state = Some(Box::new(Err(error.clone())));
        error
    }

    fn state(&self) -> Result<&ReadState, &ProtocolError> {
        self.state.as_deref().map_or(Ok(&ReadState::Idle), Result::as_ref)
    }

    /// The current phase; after an error, [`Phase::Failed`].
    pub fn phase(&self) -> Phase {
        self.state().map_or(Phase::Failed, ReadState::phase)
    }

    /// How much of the message has arrived, given that `unused` bytes of it are left in the input.
    pub fn position(&self, unused: usize) -> Position {
        match self.state() {
            Ok(state) => state.position(unused),
            Err(_) => Position { phase: Phase::Failed, got: unused, want: 0 },
        }
    }
}

/// Notes a transition. Every transition passes through here.
#[inline]
fn note(steps: Steps<'_>, from: Phase, event: Event, to: Position) {
    steps.note(|| {
        let Position { phase, got, want } = to;
        let (from, event, to) = (from.name(), event.name(), phase.name());
        // Between messages, and after an error, the reader waits for no part.
        let waits = !matches!(phase, Phase::Idle | Phase::Failed);
        machine::Step { from, event, to, got: got.min(want), want: waits.then_some(want) }
    });
}
