//! The server that never reads, as a subject.

use std::time::Duration;

use crate::protocols::sink::SinkService;
use crate::selector::sim::Random;
use crate::sim::subject::{Answer, Subject};

/// The sink, with a time of its own to hold connections.
#[derive(Clone, Debug)]
pub struct SinkSubject {
    hold_timeout: Duration,
}

impl Default for SinkSubject {
    fn default() -> Self {
        SinkSubject { hold_timeout: Duration::from_secs(600) }
    }
}

impl Subject for SinkSubject {
    type Service = SinkService;

    fn drawn(&self, random: &mut Random) -> Self {
        SinkSubject { hold_timeout: Duration::from_millis(*random.pick(&[1, 100, 5_000, 600_000])) }
    }

    fn words(&self) -> String {
        format!("a sink that holds a connection for at most {:?}", self.hold_timeout)
    }

    fn service(&self) -> SinkService {
        SinkService::new(self.hold_timeout)
    }

    fn requests(&self, random: &mut Random) -> Vec<Vec<u8>> {
        (0..random.below(4)).map(|_| vec![b'x'; random.below(1000)]).collect()
    }

    /// Wire format: nothing is answered, and nothing is ever read.
    fn answer(&self, _input: &[u8]) -> Answer {
        Answer::default()
    }

    fn patience(&self) -> Duration {
        self.hold_timeout
    }

    fn gives_up(&self) -> bool {
        true
    }
}
