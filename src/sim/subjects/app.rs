//! The framed application server as a subject.

mod client;
mod reference;
mod requests;

use std::time::Duration;

pub use self::client::AppClientSubject;
use crate::message::Limits;
use crate::protocols::app::{AppService, Timeouts};
use crate::selector::sim::Random;
use crate::sim::subject::{Answer, Subject};

/// The framed application server with the tutorial's dictionary, and limits and timeouts of its own.
#[derive(Clone, Debug, Default)]
pub struct AppSubject {
    limits: Limits,
    timeouts: Timeouts,
}

impl Subject for AppSubject {
    type Service = AppService;

    fn drawn(&self, random: &mut Random) -> Self {
        let limits = limits(random);
        let timeout = |random: &mut Random| Duration::from_millis(*random.pick(&[1, 50, 1_000, 10_000, 30_000]));
        AppSubject { limits, timeouts: Timeouts { header: timeout(random), content: timeout(random) } }
    }

    fn service(&self) -> AppService {
        AppService::new(self.limits, self.timeouts)
    }

    fn requests(&self, random: &mut Random) -> Vec<Vec<u8>> {
        requests::draw(random)
    }

    fn answer(&self, input: &[u8]) -> Answer {
        reference::answer(input, &self.limits)
    }

    fn is_error_reply(&self, bytes: &[u8]) -> bool {
        reference::is_error_reply(bytes)
    }

    fn patience(&self) -> Duration {
        self.timeouts.header + self.timeouts.content
    }

    fn input_len_max(&self) -> usize {
        (2 + self.limits.header_len_max + self.limits.content_len_max).max(64 << 10)
    }
}

/// Draws limits of messages.
fn limits(random: &mut Random) -> Limits {
    let usual = Limits::default();
    Limits {
        header_len_max: *random.pick(&[usual.header_len_max, usual.header_len_max, 110, 200, 65_535]),
        content_len_max: *random.pick(&[usual.content_len_max, usual.content_len_max, 0, 1, 50, 4_000]),
        depth_max: *random.pick(&[usual.depth_max, usual.depth_max, 0, 1, 2, 127]),
    }
}
