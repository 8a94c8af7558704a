//! The echo as a subject.

mod client;

use std::time::Duration;

pub use self::client::EchoClientSubject;
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
        lines(random)
    }

    /// Wire format: the same bytes; the server closes when the client has ended its sending side.
    fn answer(&self, input: &[u8]) -> Answer {
        Answer::stream(input)
    }

    fn patience(&self) -> Duration {
        self.delay
    }
}

/// Draws lines to be echoed.
fn lines(random: &mut Random) -> Vec<Vec<u8>> {
    let len_max = *random.pick(&[1, 20, 300, 5_000, 100_000]);
    let count = if len_max > 1000 { 1 + random.below(2) } else { 1 + random.below(5) };
    let line = |random: &mut Random| {
        // A pattern that no shift of the output matches.
        let mut line: Vec<u8> = (0..32).flat_map(|_| random.next().to_le_bytes()).chain([0]).collect();
        let len = 1 + random.below(len_max);
        line = line.repeat(len / line.len() + 1);
        line.truncate(len);
        line
    };
    (0..count).map(|_| line(random)).collect()
}
