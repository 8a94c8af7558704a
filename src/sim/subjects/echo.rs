//! The echo as a subject.

use std::time::Duration;

use crate::protocols::echo::{Echo, EchoService};
use crate::selector::sim::Random;
use crate::sim::subject::{Answer, Subject};

/// The echo server, with delays in some worlds.
#[derive(Clone, Debug, Default)]
pub struct EchoSubject {
    delay: Duration,
}

impl Subject for EchoSubject {
    type Service = EchoService;

    fn drawn(&self, random: &mut Random) -> Self {
        let delay = if random.once_in(4) { Duration::from_millis(random.within(1..=300)) } else { Duration::ZERO };
        EchoSubject { delay }
    }

    fn service(&self) -> EchoService {
        EchoService::new(Echo { delay: self.delay, ..Echo::default() })
    }

    fn requests(&self, random: &mut Random) -> Vec<Vec<u8>> {
        let len_max = *random.pick(&[1, 20, 300, 5_000, 100_000]);
        let count = if len_max > 1000 { 1 + random.below(2) } else { 1 + random.below(36) };
        let line = |random: &mut Random| {
            let len = 1 + random.below(len_max);
            let mut line = Vec::with_capacity(len + 8);
            // A pattern that no shift of the output matches.
            while line.len() < len.min(256) {
                line.extend_from_slice(&random.next().to_le_bytes());
            }
            line.push(0);
            while line.len() < len {
                line.extend_from_within(..line.len().min(len - line.len()));
            }
            line.truncate(len);
            line
        };
        (0..count).map(|_| line(random)).collect()
    }

    /// Wire format: the same bytes; the server closes when the client has ended its sending side.
    fn answer(&self, input: &[u8]) -> Answer {
        Answer::stream(input)
    }

    fn patience(&self) -> Duration {
        self.delay
    }
}
