//! What is simulated: a protocol, its clients and its reference.

use std::fmt;
use std::time::Duration;

use super::heard::Heard;
use crate::selector::sim::{FaultKind, Random, SimNet};
use crate::session::Service;

/// A protocol under test: the service to run, requests for it, and a reference server.
///
/// A subject is plain data, such as the protocol's options, so that a world with it can be copied and shown.
pub trait Subject: Clone + fmt::Debug {
    /// The service under test.
    type Service: Service;

    /// The subject of one world, with options of its own.
    #[must_use]
    fn drawn(&self, _random: &mut Random) -> Self {
        self.clone()
    }

    /// The subject in words, such as `an echo server`.
    fn words(&self) -> String {
        format!("{self:?}")
    }

    /// Creates the service under test.
    fn service(&self) -> Self::Service;

    /// The same on `net`, for a service that uses other parts of the simulated system as well, such as its
    /// [files](SimNet::folder).
    fn service_on(&self, _net: &SimNet) -> Self::Service {
        self.service()
    }

    /// Draws a fault of the system that only such a service notices, if there is any.
    fn fault(&self, _random: &mut Random) -> Option<FaultKind> {
        None
    }

    /// Draws the requests of one client, in order. Most of them are valid.
    fn requests(&self, random: &mut Random) -> Vec<Vec<u8>>;

    /// The reference server: its whole output for the whole `input` of one connection. It knows no buffers and no events.
    fn answer(&self, input: &[u8]) -> Answer;

    /// The same if these faults of files last while the server makes its reply.
    fn answer_amid(&self, input: &[u8], _faults: &[FaultKind]) -> Answer {
        self.answer(input)
    }

    /// The same for all connections of a run together, in the order in which the peers connected: for a protocol whose
    /// replies depend on more than the input of one connection. The server has heard `heard`, in this order. By default,
    /// there is no such protocol, and each peer's [`answer`](Self::answer) counts.
    ///
    /// Peers still plan by what `answer` says: it should be the answer to a peer that is alone and sends all at once, and
    /// not be longer than in any other case.
    fn answers(&self, _heard: &[Heard<&[u8]>], _connections: usize) -> Option<Vec<Answer>> {
        None
    }

    /// About the most bytes of output to expect for `input` or a beginning of it. All of it, alone and at once, gets
    /// `answer`.
    fn output_len_max(&self, _input: &[u8], answer: &Answer) -> usize {
        answer.len_max()
    }

    /// Whether `bytes` are an error reply of this protocol: one of any wording, and nothing else. By default, the protocol
    /// has none, and the server closes without a word.
    fn is_error_reply(&self, bytes: &[u8]) -> bool {
        bytes.is_empty()
    }

    /// How many clients a world has for each that it would have if they had long conversations. The shorter they are, the
    /// more of them it takes until much happens.
    fn crowd(&self) -> u64 {
        1
    }

    /// The longest time that a session waits or works after it has received something, apart from the connection's
    /// timeouts.
    fn patience(&self) -> Duration {
        Duration::ZERO
    }

    /// Whether a session may end with an error that is not its peer's, such as a wait that takes too long.
    fn gives_up(&self) -> bool {
        false
    }

    /// Whether sessions or the service panic. A session does where the reference says so, and nothing else ends a
    /// connection with a panic but the service, when it is asked for a session.
    fn panics(&self) -> bool {
        false
    }

    /// Whether sessions may yield before their share of a turn is used up.
    fn yields(&self) -> bool {
        false
    }

    /// By how much a session can put off the connection's other deadlines. One that keeps a deadline that has passed is called
    /// once a tick, and the others are noticed then.
    fn puts_off(&self) -> Duration {
        Duration::ZERO
    }

    /// The most bytes of input that a session may leave unused.
    fn input_len_max(&self) -> usize {
        16 << 20
    }
}

/// The output of a reference server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The bytes that the peer must receive.
    pub output: Vec<u8>,
    /// The lengths of the output before and after each reply, if the protocol has replies; a server that stops or loses patience ends
    /// the output at one of these. Otherwise it may end anywhere.
    pub replies: Option<Vec<usize>>,
    /// The bytes that it must receive after them if the input ends here.
    pub at_end: Vec<u8>,
    /// What follows the output.
    pub then: Then,
}

/// What a server does after its output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Then {
    /// It waits for more input; after the end of input, it closes.
    #[default]
    Waits,
    /// It waits for the rest of a request; if the input ends instead, it closes without a word.
    WaitsForRest,
    /// It waits for the rest of a request, for which the end of input will do: then it closes after the last bytes.
    ClosesAtEnd,
    /// Likewise, but it fails after them.
    FailsAtEnd,
    /// It closes, whatever else comes.
    Closes,
    /// It sends an error reply and closes, whatever else comes.
    Fails,
    /// Its session panics, and the connection is reset: what it had not sent by then is lost.
    Panics,
    /// The reference doesn't know: the rules leave it open.
    Unknown,
}

impl Answer {
    /// The most bytes that the peer may receive, apart from an error reply.
    pub fn len_max(&self) -> usize {
        self.output.len() + self.at_end.len()
    }

    /// Whether the end of input is the end of a request.
    pub fn waits_for_end(&self) -> bool {
        !self.at_end.is_empty() || matches!(self.then, Then::ClosesAtEnd | Then::FailsAtEnd)
    }

    /// The answer if the input ends here.
    #[must_use]
    pub fn ended(&self) -> Answer {
        let then = match self.then {
            Then::ClosesAtEnd => Then::Closes,
            Then::FailsAtEnd => Then::Fails,
            then => then,
        };
        let output = [&self.output[..], &self.at_end].concat();
        Answer { output, replies: self.replies.clone(), at_end: Vec::new(), then }
    }

    /// Adds a reply to the output.
    pub fn reply(&mut self, bytes: &[u8]) {
        self.output.extend_from_slice(bytes);
        self.replies.get_or_insert_with(|| vec![0]).push(self.output.len());
    }

    /// The output of a protocol without messages, which waits for more input.
    pub fn stream(output: impl Into<Vec<u8>>) -> Self {
        Answer { output: output.into(), ..Answer::default() }
    }
}
