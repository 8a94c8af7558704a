//! The echo as a subject.

mod client;

use std::time::{Duration, Instant};

pub use self::client::EchoClientSubject;
use crate::protocols::echo::{Echo, EchoService};
use crate::selector::sim::{self, Random};
use crate::sim::heard::Heard;
use crate::sim::subject::{Answer, Subject};

/// A prefix that fills a small window.
const PREFIX_LONG: &str = "a prefix of some length, so that it matters where an output is split: ";

/// About the most bytes of a stamp.
const STAMP_LEN_MAX: usize = 20;

/// The echo server. In some worlds, it puts text around each chunk, or delays it.
#[derive(Clone, Debug, Default)]
pub struct EchoSubject {
    prefix: &'static str,
    has_stamp: bool,
    delay: Duration,
}

impl Subject for EchoSubject {
    type Service = EchoService;

    fn drawn(&self, random: &mut Random) -> Self {
        let delay = if random.once_in(4) { Duration::from_millis(random.within(1..=300)) } else { Duration::ZERO };
        let prefix = if random.once_in(4) { *random.pick(&["Echo=>", "\n", PREFIX_LONG]) } else { "" };
        // How late a stamp is after a delay, nobody knows.
        let has_stamp = delay.is_zero() && random.once_in(6);
        EchoSubject { prefix, has_stamp, delay }
    }

    fn words(&self) -> String {
        let mut words = String::from("an echo server");
        if !self.prefix.is_empty() {
            words += &format!(", with {:?} before each chunk", self.prefix);
        }
        if self.has_stamp {
            words += ", with the time after each chunk";
        }
        if !self.delay.is_zero() {
            words += &format!(", {:?} late", self.delay);
        }
        words
    }

    fn service(&self) -> EchoService {
        let (prefix, stamp) = (self.prefix.as_bytes().into(), self.has_stamp.then_some(stamp as fn(Instant) -> String));
        EchoService::new(Echo { prefix, stamp, delay: self.delay })
    }

    fn requests(&self, random: &mut Random) -> Vec<Vec<u8>> {
        lines(random)
    }

    /// The answer to a client that sends all at once, without the stamp.
    fn answer(&self, input: &[u8]) -> Answer {
        Answer::stream(if input.is_empty() { Vec::new() } else { [self.prefix.as_bytes(), input].concat() })
    }

    /// Wire format: the same bytes, as they come, each chunk read preceded by the prefix and followed by ` at ` and the
    /// time; the server closes when the client has ended its sending side.
    fn answers(&self, heard: &[Heard<&[u8]>], connections: usize) -> Option<Vec<Answer>> {
        if self.prefix.is_empty() && !self.has_stamp {
            // It doesn't matter how the bytes come.
            return None;
        }
        let mut answers = vec![Answer::default(); connections];
        for heard in heard {
            if let Heard::Read { from, at, bytes } = *heard {
                let stamp = if self.has_stamp { format!(" at {at:?}") } else { String::new() };
                answers[from].reply(&[self.prefix.as_bytes(), bytes, stamp.as_bytes()].concat());
            }
        }
        Some(answers)
    }

    fn output_len_max(&self, input: &[u8], _answer: &Answer) -> usize {
        // A client sends few bytes one at a time.
        let chunks = input.len().min(300);
        input.len() + chunks * (self.prefix.len() + if self.has_stamp { STAMP_LEN_MAX } else { 0 })
    }

    fn patience(&self) -> Duration {
        self.delay
    }
}

/// The time of the network's clock.
fn stamp(at: Instant) -> String {
    format!("{:?}", at.saturating_duration_since(sim::epoch()))
}

/// Draws lines to be echoed.
fn lines(random: &mut Random) -> Vec<Vec<u8>> {
    let len_max = if random.once_in(60) { 100_000 } else { *random.pick(&[1, 1, 20, 300, 5_000]) };
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
