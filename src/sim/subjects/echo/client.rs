//! The tutorial's echo client as a subject.

use std::time::Duration;

use super::lines;
use crate::protocols::echo::{EchoClient, EchoError};
use crate::selector::sim::Random;
use crate::session::SessionError;
use crate::sim::clients::{ClientSubject, Expected, Then, Verdict};

/// The echo client, with a timeout of its own.
#[derive(Clone, Debug)]
pub struct EchoClientSubject {
    timeout: Duration,
}

impl Default for EchoClientSubject {
    fn default() -> Self {
        EchoClientSubject { timeout: Duration::from_secs(10) }
    }
}

impl ClientSubject for EchoClientSubject {
    type Session = EchoClient;
    type Request = Vec<u8>;
    type Replies = u64;

    fn drawn(&self, random: &mut Random) -> Self {
        EchoClientSubject { timeout: Duration::from_millis(*random.pick(&[50, 1_000, 10_000, 30_000])) }
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn requests(&self, random: &mut Random) -> Vec<Vec<u8>> {
        if random.once_in(30) { Vec::new() } else { lines(random) }
    }

    fn session(&self, requests: &[Vec<u8>]) -> EchoClient {
        EchoClient::new(requests.into(), self.timeout)
    }

    fn written(&self, requests: &[Vec<u8>]) -> Vec<Vec<u8>> {
        requests.to_vec()
    }

    fn right_answers(&self, requests: &[Vec<u8>]) -> Vec<Vec<u8>> {
        requests.to_vec()
    }

    fn answers(&self, requests: &[Vec<u8>], random: &mut Random) -> Vec<Vec<u8>> {
        let mut answers = requests.to_vec();
        match random.below(12) {
            0 => drop(answers.pop()),
            1 => answers.push(b"more".to_vec()),
            2 => answers.reverse(),
            _ => {}
        }
        answers
    }

    /// Wire format: the same bytes come back. The client is done when they have.
    fn expected(&self, requests: &[Vec<u8>], input: &[u8]) -> Expected<u64> {
        let (mut same, mut rest) = (0, input);
        for request in requests {
            let len = request.len().min(rest.len());
            if rest[..len] != request[..len] {
                same += rest.iter().zip(request).take_while(|(one, other)| one == other).count();
                break;
            }
            (same, rest) = (same + len, &rest[len..]);
        }
        let all: usize = requests.iter().map(Vec::len).sum();
        let then = match () {
            () if same < input.len() => Then::Fails,
            () if same == all => Then::Completes,
            () => Then::Waits,
        };
        Expected { replies: same as u64, then, since: input.len() }
    }

    fn replies(&self, session: EchoClient) -> u64 {
        session.received()
    }

    fn verdict(&self, requests: &[Vec<u8>], error: &SessionError) -> Verdict {
        let all: usize = requests.iter().map(Vec::len).sum();
        match error.downcast_ref() {
            Some(EchoError::TooMuch { sent }) if *sent < all as u64 => Verdict::Early,
            Some(EchoError::TooMuch { .. } | EchoError::Differs { .. }) | None => Verdict::Wrong,
            Some(EchoError::Cut { .. }) => Verdict::Cut,
            Some(EchoError::Stalled { .. }) => Verdict::Slow,
        }
    }
}
