//! A string many times over, as a subject.

use std::time::Duration;

use super::{LETTERS, repeated};
use crate::protocols::line::LineLimits;
use crate::protocols::multiply::MultiplyService;
use crate::selector::sim::Random;
use crate::sim::subject::{Answer, Subject, Then};
use crate::text::count;

/// The multiplying server. A pause ends no string here: which one it ends is a matter of time.
#[derive(Clone, Debug)]
pub struct MultiplySubject {
    times: u64,
    len_max: usize,
    timeout: Duration,
}

impl Default for MultiplySubject {
    fn default() -> Self {
        let MultiplyService { limits, times, .. } = MultiplyService::default();
        MultiplySubject { times, len_max: limits.len_max, timeout: limits.timeout }
    }
}

impl Subject for MultiplySubject {
    type Service = MultiplyService;

    fn drawn(&self, random: &mut Random) -> Self {
        MultiplySubject {
            // Replies that take a busy connection several turns are rare, since they take as long as many worlds.
            times: if random.once_in(250) { 10_000 } else { *random.pick(&[0, 1, 2, 100, 1_000]) },
            len_max: *random.pick(&[self.len_max, 1, 10, 100]),
            timeout: Duration::from_millis(*random.pick(&[1, 100, 5_000, 30_000])),
        }
    }

    fn words(&self) -> String {
        let MultiplySubject { times, len_max, timeout } = *self;
        let (times, len_max) = (count(times, "time"), count(len_max, "byte"));
        format!("a multiplying server: a string of at most {len_max}, within {timeout:?}, comes back {times}")
    }

    fn service(&self) -> MultiplyService {
        let limits = LineLimits { len_max: self.len_max, timeout: self.timeout, pause: None };
        MultiplyService { limits, times: self.times, keyboard: None }
    }

    fn requests(&self, random: &mut Random) -> Vec<Vec<u8>> {
        let len = *random.pick(if self.times < 10_000 { &[0, 1, 10, 11, 50] } else { &[10, 10, 100, 100] });
        let mut string = repeated(LETTERS, len);
        if random.once_in(2) {
            let end: &&[u8] = random.pick(&[b"\n", b"\nmore"]);
            string.extend_from_slice(end);
        }
        vec![string]
    }

    /// Wire format: a string, ended by a newline or by the end of the client's sending side, repeated; then the
    /// server closes.
    fn answer(&self, input: &[u8]) -> Answer {
        let newline = input.iter().position(|&byte| byte == b'\n');
        let string = &input[..newline.unwrap_or(input.len())];
        if string.len() > self.len_max {
            return Answer { then: Then::Fails, ..Answer::default() };
        }
        let output = string.repeat(usize::try_from(self.times).expect("few times"));
        match newline {
            Some(_) => Answer { output, then: Then::Closes, ..Answer::default() },
            None => Answer { at_end: output, ..Answer::default() },
        }
    }

    fn output_len_max(&self, input: &[u8], _answer: &Answer) -> usize {
        // A string that is too long gets nothing, but its beginning may get more than any other.
        input.len().min(self.len_max) * usize::try_from(self.times).expect("few times")
    }

    fn crowd(&self) -> u64 {
        3
    }

    fn patience(&self) -> Duration {
        self.timeout
    }
}
