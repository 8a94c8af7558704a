//! The handle that a session has on its connection, for one call.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::task::Waker;

use super::Peer;
use crate::buffer::{Input, Outgoing, Output};

/// What a session works on, for one call.
pub struct SessionIo<'a> {
    pub(crate) input: Input<'a>,
    pub(crate) output: Output<'a>,
    pub(crate) input_ended: bool,
    pub(crate) hung_up: bool,
    pub(crate) is_stopping: bool,
    pub(crate) messages_left: u32,
    /// The session's wishes, which outlast the call.
    pub(crate) ends_output: bool,
    pub(crate) ignores_input: bool,
    pub(crate) peer: &'a Peer,
    pub(crate) make_waker: MakeWaker<'a>,
    pub(crate) local_addr: LocalAddr<'a>,
}

/// Makes what a session is woken by.
pub(crate) type MakeWaker<'a> = &'a dyn Fn() -> Waker;

/// Asks the system for the address of our side.
type LocalAddr<'a> = &'a dyn Fn() -> io::Result<SocketAddr>;

/// A waker of a session that nothing calls again.
#[cfg(test)]
pub(crate) fn no_waker() -> Waker {
    Waker::noop().clone()
}

/// The address of our side where there is no system to ask.
pub(crate) fn no_local_addr() -> io::Result<SocketAddr> {
    Err(io::ErrorKind::AddrNotAvailable.into())
}

impl<'a> SessionIo<'a> {
    /// What has come and is not used yet.
    pub fn input(&mut self) -> &mut Input<'a> {
        &mut self.input
    }

    /// Where replies go.
    pub fn output(&mut self) -> &mut Output<'a> {
        &mut self.output
    }

    /// Whether the peer has ended its sending side: its FIN is an input, not an error. No more bytes will follow those in
    /// the [input](Self::input).
    pub fn input_ended(&self) -> bool {
        self.input_ended
    }

    /// Whether the peer is known to have ended its sending side, though not all that it has sent before need be in the
    /// input yet. Also set while the session is [working](super::Progress::Working) and nothing is read. The peer may
    /// still wait for its reply.
    pub fn hung_up(&self) -> bool {
        self.hung_up
    }

    /// Whether the server is stopping: time for a good-bye. A session that has [nothing begun](super::Session::is_idle)
    /// after this call is closed when its output is sent; any other has the drain timeout to finish.
    pub fn is_stopping(&self) -> bool {
        self.is_stopping
    }

    /// Counts a message, of which a call may begin only so many, so that one fast peer starves nobody. Returns `false`
    /// where the share is used up: time to [yield](super::Progress::Yield).
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

    /// The other side, for the log.
    pub fn peer(&self) -> &'a Peer {
        self.peer
    }

    /// The address of our side of the connection. The system is asked for it.
    ///
    /// # Errors
    /// Where the system can't tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        (self.local_addr)()
    }

    /// Something that makes the loop call this session again, from any thread: to send what others have to say, or to go on
    /// with what was done elsewhere. Once the session has ended, it does nothing.
    #[must_use]
    pub fn waker(&self) -> Waker {
        (self.make_waker)()
    }

    /// Ends our sending side when all of the output so far is sent: a half-close, after which the session goes on reading.
    /// What it puts into the output later is dropped. If it finishes before, the rest of the output is sent all the same.
    pub fn end_output(&mut self) {
        self.ends_output = true;
    }

    /// Declares that no input will be used, now or later. Then neither unread bytes nor being at
    /// [work](super::Progress::Working) count as something begun, so a stop closes the connection; and every close is at
    /// once, though with bytes unread that is a reset, which destroys what the peer has not read yet.
    pub fn ignore_input(&mut self) {
        self.ignores_input = true;
    }

    /// Lets a session within this one work: `call` gets a handle like this one, but that its output goes into `outgoing`,
    /// which is never full, and that it may begin no more than `messages_max` messages.
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
