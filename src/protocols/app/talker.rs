//! The interactive client: sends one request, gets its reply, sends the next request.

use std::error::Error;
use std::fmt;
use std::mem;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::AppError;
use super::replies::Replies;
use crate::message::{Limits, Message, Phase};
use crate::session::{Peer, Progress, Session, SessionError, SessionIo, Source, State};
use crate::text::{Escaped, count};

/// The client's side: sends a message, passes on its reply, and only then sends the next message. It finishes after the
/// last reply.
///
/// The messages come from a [`Source`], such as a terminal, so that the client need not know how many there are.
#[derive(Debug)]
pub struct AppTalker<I, F> {
    messages: I,
    show: F,
    /// Whether a reply is due.
    awaits_reply: bool,
    /// The bytes of the reply so far.
    reply: Vec<u8>,
    /// The number of replies received.
    replies: u64,
    awaited: Replies,
}

/// The server closed before the last reply.
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
    /// Creates a client that sends `messages`, each of them complete, and passes each reply to `show`, as a message and
    /// as its bytes. It accepts replies within `limits`, and gives up after `timeout` without progress.
    pub fn new(messages: I, show: F, limits: Limits, timeout: Duration) -> Self {
        AppTalker {
            messages,
            show,
            awaits_reply: false,
            reply: Vec::new(),
            replies: 0,
            awaited: Replies::new(limits, timeout),
        }
    }

    fn closed(&self) -> SessionError {
        SessionError::input_ended(Closed { replies: self.replies })
    }

    /// Reads one reply, if all of it has arrived, and passes it on.
    fn read(&mut self, io: &mut SessionIo<'_>) -> Result<bool, SessionError> {
        let before = io.input().remaining();
        let message = self.awaited.read(io)?;
        self.reply.extend_from_slice(&before[..before.len() - io.input().len()]);
        let Some(message) = message else { return Ok(false) };
        self.replies += 1;
        self.awaits_reply = false;
        (self.show)(&message, &mem::take(&mut self.reply), io.peer())?;
        Ok(true)
    }
}

impl<I: Source, F: FnMut(&Message<'_>, &[u8], &Peer) -> Result<(), SessionError>> Session for AppTalker<I, F> {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        self.awaited.check_output(io);
        loop {
            if !self.awaits_reply {
                match self.messages.next(&|| io.waker())? {
                    Poll::Ready(None) => return Ok(Progress::Finished),
                    Poll::Ready(Some(_)) if io.input_ended() && self.replies > 0 => return Err(self.closed()),
                    Poll::Ready(Some(message)) => {
                        log::debug!("Sending {} to {}", Escaped(&message), io.peer());
                        io.output().push(&message);
                        self.awaits_reply = true;
                        self.awaited.restart();
                    }
                    Poll::Pending => {}
                }
            }
            if !self.read(io)? {
                break;
            }
        }
        self.awaited.remember_output(io);
        let position = self.awaited.position(io.input().len());
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
        self.awaited.wait(position, now)
    }

    fn deadline(&self) -> Option<Instant> {
        self.awaited.deadline()
    }

    fn is_idle(&self) -> bool {
        false
    }

    fn state(&self, unused: usize) -> State {
        self.awaited.position(unused).into()
    }
}
