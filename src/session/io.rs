//! A session's handle on its connection, for one call.

use std::fmt;
use std::io;
use std::task::Waker;

use super::Peer;
use crate::address::Addr;
use crate::buffer::{Input, Outgoing, Output};
use crate::machine::Steps;

/// Access to a session's input, output and connection, for one call.
pub struct SessionIo<'a> {
    pub(crate) input: Input<'a>,
    pub(crate) output: Output<'a>,
    pub(crate) input_ended: bool,
    pub(crate) hung_up: bool,
    pub(crate) is_stopping: bool,
    pub(crate) messages_left: u32,
    /// Settings of the session, which outlast the call.
    pub(crate) ends_output: bool,
    pub(crate) ignores_input: bool,
    /// The address of the client behind the peer, if this call has found it.
    pub(crate) introduced: Option<Addr>,
    pub(crate) peer: &'a Peer,
    pub(crate) make_waker: MakeWaker<'a>,
    pub(crate) local_addr: LocalAddr<'a>,
    pub(crate) steps: Steps<'a>,
}

/// Creates wakers for this session.
pub(crate) type MakeWaker<'a> = &'a dyn Fn() -> Waker;

/// Asks the system for our address.
type LocalAddr<'a> = &'a dyn Fn() -> io::Result<Addr>;

/// A waker for a session that is never called again.
#[cfg(test)]
pub(crate) fn no_waker() -> Waker {
    Waker::noop().clone()
}

/// Our address, where there is no system to ask.
pub(crate) fn no_local_addr() -> io::Result<Addr> {
    Err(io::ErrorKind::AddrNotAvailable.into())
}

impl<'a> SessionIo<'a> {
    /// The unused input.
    pub fn input(&mut self) -> &mut Input<'a> {
        &mut self.input
    }

    /// The output for replies.
    pub fn output(&mut self) -> &mut Output<'a> {
        &mut self.output
    }

    /// Whether the peer has ended its sending side: its FIN is an input, not an error. No more bytes will follow those
    /// in the [input](Self::input).
    pub fn input_ended(&self) -> bool {
        self.input_ended
    }

    /// Whether the peer is known to have ended its sending side, though earlier data may not be in the input yet. Also
    /// set while the session is [`Working`](super::Progress::Working) and nothing is read. The peer may still wait for
    /// its reply.
    pub fn hung_up(&self) -> bool {
        self.hung_up
    }

    /// Whether the server is stopping, so it's time to say goodbye. A session that is [idle](super::Session::is_idle)
    /// after this call is closed when its output is sent; any other has the drain timeout to finish.
    pub fn is_stopping(&self) -> bool {
        self.is_stopping
    }

    /// Counts a message. Each call may begin a limited number, so that a fast peer can't starve others. Returns `false`
    /// if the limit is reached: time to [yield](super::Progress::Yield).
    #[must_use]
    pub fn begin_message(&mut self) -> bool {
        match self.messages_left.checked_sub(1) {
            Some(left) => {
                self.messages_left = left;
                true
            }
            None => false,
        }
    }

    /// Takes back the last [`begin_message`](Self::begin_message): there was no whole message.
    pub fn no_message(&mut self) {
        self.messages_left += 1;
    }

    /// The other side, for the log.
    pub fn peer(&self) -> &'a Peer {
        self.peer
    }

    /// Asks the system for our address on the connection.
    ///
    /// # Errors
    /// If the system can't say.
    pub fn local_addr(&self) -> io::Result<Addr> {
        (self.local_addr)()
    }

    /// The receiver of the session's own steps, for the [trace](crate::trace).
    pub fn steps(&self) -> Steps<'a> {
        self.steps
    }

    /// A waker that makes the loop call this session again, from any thread: to send data from others, or to go on
    /// after work done elsewhere. Once the session has ended, it does nothing.
    #[must_use]
    pub fn waker(&self) -> Waker {
        (self.make_waker)()
    }

    /// Ends our sending side when all of the output so far is sent: a half-close, after which the session goes on
    /// reading. The output of later calls is dropped. If the session finishes before, the rest of its output is still
    /// sent.
    pub fn end_output(&mut self) {
        self.ends_output = true;
    }

    /// Declares that no input will be used, now or later. Then neither unread bytes nor
    /// [`Working`](super::Progress::Working) count as work in progress, so a stop closes the connection; and every
    /// close is immediate, although with unread bytes that is a reset, which destroys data that the peer has not read
    /// yet.
    pub fn ignore_input(&mut self) {
        self.ignores_input = true;
    }

    /// Declares that the peer is a proxy, and the client's address is `addr`. From the next call on, that is the
    /// [peer's](Self::peer) address, also in logs and traces.
    pub fn introduce(&mut self, addr: Addr) {
        self.introduced = Some(addr);
    }

    /// Calls an inner session with a handle like this one, except that its output goes into `outgoing`, which is never
    /// full, and that it may begin at most `messages_max` messages.
    pub fn divert<R>(
        &mut self,
        outgoing: &mut Outgoing,
        messages_max: u32,
        call: impl FnOnce(&mut SessionIo<'_>) -> R,
    ) -> R {
        let messages = self.messages_left.min(messages_max);
        let mut inner = SessionIo {
            input: Input::new(self.input.remaining()),
            output: outgoing.output(usize::MAX),
            messages_left: messages,
            ..*self
        };
        let result = call(&mut inner);
        inner.output.keep_lent();
        let (used, begun) = (inner.input.used(), messages - inner.messages_left);
        self.ends_output |= inner.ends_output;
        self.ignores_input |= inner.ignores_input;
        self.introduced = inner.introduced;
        self.messages_left -= begun;
        self.input.take(used);
        result
    }
}

impl fmt::Debug for SessionIo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionIo")
            .field("peer", self.peer)
            .field("input", &self.input)
            .field("input_ended", &self.input_ended)
            .field("output", &self.output)
            .finish_non_exhaustive()
    }
}
