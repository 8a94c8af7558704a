//! What is simulated: a client's protocol, the servers it meets, and its reference.

use std::fmt;
use std::time::Duration;

use crate::selector::sim::Random;
use crate::session::{Session, SessionError};

/// A client protocol under test: its session, what it asks, what servers answer, and a reference for its reports.
///
/// A subject is plain data, such as the protocol's options, so that a world with it can be copied and shown.
pub trait ClientSubject: Clone + fmt::Debug {
    /// The session under test.
    type Session: Session;
    /// A request.
    type Request: Clone + fmt::Debug + PartialEq;
    /// What a session has received, as it tells its user.
    type Replies: fmt::Debug + PartialEq + 'static;

    /// The subject of one world, with options of its own.
    #[must_use]
    fn drawn(&self, _random: &mut Random) -> Self {
        self.clone()
    }

    /// The time for which a session waits for progress.
    fn timeout(&self) -> Duration;

    /// Whether output that is sent counts as progress.
    fn counts_output(&self) -> bool {
        false
    }

    /// Draws the requests of one session.
    fn requests(&self, random: &mut Random) -> Vec<Self::Request>;

    /// Creates the session that asks them.
    fn session(&self, requests: &[Self::Request]) -> Self::Session;

    /// The bytes of each request, by the description of the protocol.
    fn written(&self, requests: &[Self::Request]) -> Vec<Vec<u8>>;

    /// The right answer to each request.
    fn right_answers(&self, requests: &[Self::Request]) -> Vec<Vec<u8>>;

    /// Draws the answers of a server. Most are valid; but there may be too few, too many, or a wrong one.
    fn answers(&self, requests: &[Self::Request], random: &mut Random) -> Vec<Vec<u8>>;

    /// The reference client: what it makes of the whole `input` of one connection. It knows no buffers and no events.
    fn expected(&self, requests: &[Self::Request], input: &[u8]) -> Expected<Self::Replies>;

    /// What a session that has ended has received.
    fn replies(&self, session: Self::Session) -> Self::Replies;

    /// The meaning of an error of the session that asks these `requests`.
    fn verdict(&self, requests: &[Self::Request], error: &SessionError) -> Verdict;
}

/// What a reference client makes of its input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected<R> {
    /// What it has received.
    pub replies: R,
    /// What it does next.
    pub then: Then,
    /// The number of bytes with which its current wait has begun, if it waits.
    pub since: usize,
}

/// What a client does after its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It waits for more; if the input ends here, it was cut off.
    Waits,
    /// It is done, whatever else comes.
    Completes,
    /// It reports that the input is wrong, whatever else comes.
    Fails,
    /// The reference doesn't know: the rules leave it open.
    Unknown,
}

/// What a client reports of its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All replies have come.
    Complete,
    /// What has come is wrong.
    Wrong,
    /// A reply came to something that had not been sent yet.
    Early,
    /// The input ended too early.
    Cut,
    /// Nothing more came in time.
    Slow,
}
