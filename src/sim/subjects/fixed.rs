//! Sixteen bytes there, sixteen back, as a subject.

use std::time::Duration;

use crate::protocols::fixed::FixedService;
use crate::selector::sim::Random;
use crate::sim::subject::{Answer, Subject, Then};

/// The server of fixed messages, with a timeout of its own.
#[derive(Clone, Debug)]
pub struct FixedSubject {
    timeout: Duration,
}

impl Default for FixedSubject {
    fn default() -> Self {
        FixedSubject { timeout: FixedService::default().timeout }
    }
}

impl Subject for FixedSubject {
    type Service = FixedService;

    fn drawn(&self, random: &mut Random) -> Self {
        FixedSubject { timeout: Duration::from_millis(*random.pick(&[1, 100, 5_000, 60_000])) }
    }

    fn words(&self) -> String {
        format!("a server of fixed messages, each within {:?}", self.timeout)
    }

    fn service(&self) -> FixedService {
        FixedService { timeout: self.timeout }
    }

    fn requests(&self, random: &mut Random) -> Vec<Vec<u8>> {
        let message = b"Hi there, server, and what comes after that";
        let len = *random.pick(&[16, 16, 16, 1, 15, 17, message.len()]);
        vec![message[..len].to_vec()]
    }

    /// Wire format: exactly 16 bytes, then the server closes; a short message is an error.
    fn answer(&self, input: &[u8]) -> Answer {
        let replies = Some(vec![0, 16]);
        match input.len() {
            0..16 => Answer { replies, then: Then::WaitsForRest, ..Answer::default() },
            _ => Answer { output: b"Farewell, client".to_vec(), replies, then: Then::Closes, ..Answer::default() },
        }
    }

    fn crowd(&self) -> u64 {
        2
    }

    fn patience(&self) -> Duration {
        self.timeout
    }
}
