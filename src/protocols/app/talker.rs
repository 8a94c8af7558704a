//! The client of a person: sends one request, gets its reply, sends the next request.

use std::error::Error;
use std::fmt;
use std::mem;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::{AppError, Patience};
use crate::message::{Limits, Message, MessageReader, Phase};
use crate::session::{Peer, Progress, Session, SessionError, SessionIo, Source, State};
use crate::text::{Escaped, count};

/// The client's side: sends a message, passes its reply on, and only then sends the next. It finishes when the last is
/// answered.
///
/// The messages come from a [`Source`], such as a terminal, so that the client need not know how many there are.
#[derive(Debug)]
pub struct AppTalker<I, F> {
    messages: I,
    show: F,
    /// Whether a reply is due.
    awaits_reply: bool,
    /// The number of unsent bytes last time: fewer now means progress.
    unsent: usize,
    /// The bytes of the reply so far.
    reply: Vec<u8>,
    replies: u64,
    reader: MessageReader,
    limits: Limits,
    timeout: Duration,
    patience: Patience,
}

/// The server closed before it was asked everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Replies that came before.
    pub replies: u64,
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "peer closed after {}", count(self.replies, "reply"))
    }
}

impl Error for Closed {}

impl<I: Source, F: FnMut(&Message<'_>, &[u8], &Peer) -> Result<(), SessionError>> AppTalker<I, F> {
    /// Creates a client that sends `messages`, each of which is a whole one, and passes each reply to `show`, as a message
    /// and as its bytes. It accepts replies within `limits`, and gives up after `timeout` without progress.
    pub fn new(messages: I, show: F, limits: Limits, timeout: Duration) -> Self {
        AppTalker {
            messages,
            show,
            awaits_reply: false,
            unsent: 0,
            reply: Vec::new(),
            replies: 0,
            reader: MessageReader::default(),
            limits,
            timeout,
            patience: Patience::default(),
        }
    }

    fn closed(&self) -> SessionError {
        SessionError::input_ended(Closed { replies: self.replies })
    }

    /// Reads one reply, if all of it is there, and passes it on.
    fn read(&mut self, io: &mut SessionIo<'_>) -> Result<bool, SessionError> {
        let steps = io.steps();
        let before = io.input().remaining();
        let message = self.reader.read_noting(io.input(), &self.limits, steps).map_err(AppError::from)?;
        self.reply.extend_from_slice(&before[..before.len() - io.input().len()]);
        let Some(message) = message else { return Ok(false) };
        log::debug!("Received response {} from {}", Escaped(message.content), io.peer());
        self.replies += 1;
        self.awaits_reply = false;
        self.patience.restart();
        (self.show)(&message, &mem::take(&mut self.reply), io.peer())?;
        Ok(true)
    }
}

impl<I: Source, F: FnMut(&Message<'_>, &[u8], &Peer) -> Result<(), SessionError>> Session for AppTalker<I, F> {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        if io.output().len() < self.unsent {
            self.patience.restart();
        }
        loop {
            if !self.awaits_reply {
                match self.messages.next(&|| io.waker())? {
                    Poll::Ready(None) => return Ok(Progress::Finished),
                    Poll::Ready(Some(_)) if io.input_ended() && self.replies > 0 => return Err(self.closed()),
                    Poll::Ready(Some(message)) => {
                        log::debug!("Sending {} to {}", Escaped(&message), io.peer());
                        io.output().push(&message);
                        self.awaits_reply = true;
                        self.patience.restart();
                    }
                    Poll::Pending => {}
                }
            }
            if !self.read(io)? {
                break;
            }
        }
        self.unsent = io.output().len();
        let position = self.reader.position(io.input().len());
        if io.input_ended() {
            return match position.phase {
                // That is an error only if there is another request.
                Phase::Idle if !self.awaits_reply => Ok(Progress::Working),
                Phase::Idle if self.replies > 0 => Err(self.closed()),
                _ => Err(AppError::PeerClosedMidMessage(position).into()),
            };
        }
        if !self.awaits_reply {
            return Ok(Progress::NeedInput);
        }
        match self.patience.observe(position, Some(self.timeout), now) {
            Some(timeout) => Err(AppError::TooSlow { position, timeout }.into()),
            None => Ok(Progress::NeedEither),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.patience.deadline()
    }

    fn is_idle(&self) -> bool {
        false
    }

    fn state(&self, unused: usize) -> State {
        self.reader.position(unused).into()
    }
}
