//! A call: one connection that a client opens, and the plan of the server that it meets.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use super::subject::ClientSubject;
use crate::address::Addr;
use crate::selector::sim::Random;
use crate::sim::crowd::Crowd;
use crate::sim::peer::{Leaving, Piece, Plan, Reading, WINDOW_USUAL};
use crate::sim::subject::Answer;
use crate::text::count;

/// A connection to open, and what happens to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Call<R> {
    /// The reaction of each address that the client may try, in order.
    pub addresses: Vec<Reaction>,
    /// The requests.
    pub requests: Rc<[R]>,
    /// The plan of the server at the addresses that serve. Its number is the call's, it arrives when the connection is
    /// opened, and its answer has the requests.
    pub server: Plan,
}

/// What happens to a connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// A server accepts it.
    Serves,
    /// It is refused a little later.
    Refuses,
    /// It fails at once.
    Fails,
    /// No answer comes.
    Ignores,
}

impl Reaction {
    const fn name(self) -> &'static str {
        match self {
            Reaction::Serves => "serves",
            Reaction::Refuses => "refuses",
            Reaction::Fails => "is unreachable",
            Reaction::Ignores => "doesn't answer",
        }
    }
}

/// More replies than this are never sent beyond those asked for.
const EXTRA_MAX: usize = 8;

impl<R: Clone + fmt::Debug> Call<R> {
    /// Draws call `number` of the world `seed`, which is made with those of `crowd`.
    pub fn drawn<C>(seed: u64, number: u64, crowd: &mut Crowd, subject: &C) -> Self
    where
        C: ClientSubject<Request = R>,
    {
        let random = &mut Random::stream(seed, "call", number);
        let opens = crowd.time(random)
            + if random.once_in(2) { Duration::ZERO } else { Duration::from_micros(random.within(0..=20_000)) };
        let len = *random.pick(&[1, 1, 1, 1, 2, 2, 2, 3, 4]);
        let len = if random.once_in(50) { 0 } else { len };
        let reactions = [Reaction::Serves, Reaction::Refuses, Reaction::Fails, Reaction::Ignores];
        let reaction = |random: &mut Random| match random.once_in(2) {
            true => Reaction::Serves,
            false => *random.pick(&reactions),
        };
        let addresses = (0..len).map(|_| reaction(random)).collect();
        let requests: Rc<[R]> = subject.requests(&mut Random::stream(seed, "requests", number)).into();
        let answer = asked(&subject.written(&requests));
        let first = answer.replies.as_ref().and_then(|replies| replies.first().copied()).unwrap_or_default();
        let random = &mut Random::stream(seed, "server", number);
        let answer = |_: &[u8]| {
            let len_max = answer.len_max();
            (answer, len_max)
        };
        let mut server =
            Plan::talking((number, crowd), opens, |random| subject.answers(&requests, random), answer, random);
        server.returns = None;
        // Most servers wait for the first request.
        if let Some(piece) = server.pieces.first_mut()
            && !random.once_in(4)
        {
            piece.awaits = first;
        }
        Call { addresses, requests, server }
    }

    /// Draws a call to a server that gives the right answers at once, on its only address.
    pub fn probe<C>(seed: u64, number: u64, opens: Duration, subject: &C) -> Self
    where
        C: ClientSubject<Request = R>,
    {
        let requests: Rc<[R]> = subject.requests(&mut Random::stream(seed, "requests", number)).into();
        let answer = asked(&subject.written(&requests));
        let messages = subject.right_answers(&requests);
        let awaits = answer.replies.iter().flatten().copied();
        let piece = |(message, awaits): (&Vec<u8>, usize)| Piece { len: message.len(), pause: Duration::ZERO, awaits };
        let pieces = messages.iter().zip(awaits).map(piece).collect();
        let server = Plan {
            number,
            arrives: opens,
            stream: messages.concat(),
            answer: answer.into(),
            pieces,
            reading: Reading::Eager,
            window: WINDOW_USUAL,
            leaving: Leaving::Follows,
            returns: None,
            is_probe: true,
        };
        Call { addresses: vec![Reaction::Serves], requests, server }
    }

    /// The number in its world. Its choices follow from it and the seed alone.
    pub fn number(&self) -> u64 {
        self.server.number
    }

    /// The time when the client opens it.
    pub fn opens(&self) -> Duration {
        self.server.arrives
    }

    /// The addresses, which no other call of its world has.
    pub fn addrs(&self) -> Vec<Addr> {
        let [.., high, low] = self.number().to_be_bytes();
        (0..self.addresses.len()).map(|n| Addr::from(([10, 100 + n as u8, high, low], 65432))).collect()
    }
}

/// The requests as the answer to a server's plan: before each of its replies, it may wait for one more.
fn asked(written: &[Vec<u8>]) -> Answer {
    let ends = written.iter().scan(0, |end, request| {
        *end += request.len();
        Some(*end)
    });
    let mut replies: Vec<usize> = ends.collect();
    let all = replies.last().copied().unwrap_or_default();
    replies.resize(replies.len() + EXTRA_MAX, all);
    Answer { output: written.concat(), replies: Some(replies), ..Answer::default() }
}

/// What happens, in words.
impl<R: Clone + fmt::Debug> fmt::Display for Call<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requests = count(self.requests.len(), "request");
        write!(f, "client {} opens a connection at {:?} for {requests}", self.number(), self.opens())?;
        match &self.addresses[..] {
            [] => return write!(f, ", and has no address"),
            [Reaction::Serves] => {}
            [only] => write!(f, "; its address {}", only.name())?,
            several => {
                for (reaction, number) in several.iter().zip(1..) {
                    write!(f, "{} address {number} {}", if number == 1 { ";" } else { "," }, reaction.name())?;
                }
            }
        }
        match self.addresses.contains(&Reaction::Serves) {
            true => write!(f, "; its server{}", self.server.manners().to_string().replacen(',', "", 1)),
            false => Ok(()),
        }
    }
}
