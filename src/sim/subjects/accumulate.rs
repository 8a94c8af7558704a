//! One string shared by all clients, as a subject.

use super::{LETTERS, repeated};
use crate::protocols::accumulate::AccumulateService;
use crate::selector::sim::Random;
use crate::sim::heard::Heard;
use crate::sim::subject::{Answer, Subject, Then};
use crate::text::count;

/// The server of the shared string, with a limit of its own.
#[derive(Clone, Debug)]
pub struct AccumulateSubject {
    string_len_max: usize,
}

impl Default for AccumulateSubject {
    fn default() -> Self {
        AccumulateSubject { string_len_max: 64 << 10 }
    }
}

impl Subject for AccumulateSubject {
    type Service = AccumulateService;

    fn drawn(&self, random: &mut Random) -> Self {
        // A segment of the string has 16 KiB.
        let edges = [self.string_len_max, self.string_len_max, 0, 1, 30, 300, 300, 16 << 10, (16 << 10) + 1];
        AccumulateSubject { string_len_max: *random.pick(&edges) }
    }

    fn words(&self) -> String {
        format!("a server of a shared string of at most {}", count(self.string_len_max, "byte"))
    }

    fn service(&self) -> AccumulateService {
        AccumulateService::new(self.string_len_max)
    }

    fn requests(&self, random: &mut Random) -> Vec<Vec<u8>> {
        let len_max = match self.string_len_max {
            // Enough to fill some segments, if few do it.
            10_000.. if random.once_in(2_000) => 20_000,
            _ => 8,
        };
        let piece = |random: &mut Random| {
            let (first, len) = (random.below(26), 1 + random.below(len_max));
            repeated(&LETTERS[first..first + 26], len)
        };
        (0..random.below(16)).map(|_| piece(random)).collect()
    }

    fn crowd(&self) -> u64 {
        2
    }

    /// The answer to a client that is alone and sends all at once.
    fn answer(&self, input: &[u8]) -> Answer {
        match input.len() > self.string_len_max {
            true => Answer { then: Then::Fails, ..Answer::default() },
            false => Answer::stream(input),
        }
    }

    /// Wire format: after each read, the whole string that all clients together have sent so far; the client closes. A
    /// client that would exceed the limit is disconnected.
    fn answers(&self, heard: &[Heard<&[u8]>], connections: usize) -> Option<Vec<Answer>> {
        let mut answers = vec![Answer { replies: Some(vec![0]), ..Answer::default() }; connections];
        let mut string = Vec::new();
        for heard in heard {
            let Heard::Read { from, bytes, .. } = *heard else { continue };
            if string.len() + bytes.len() > self.string_len_max {
                answers[from].then = Then::Fails;
            } else {
                string.extend_from_slice(bytes);
                answers[from].reply(&string);
            }
        }
        Some(answers)
    }

    fn output_len_max(&self, input: &[u8], _answer: &Answer) -> usize {
        // Each byte may be read alone, but few are.
        input.len().min(60) * self.string_len_max.min(input.len() + 3_000)
    }
}
