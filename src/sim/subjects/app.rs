//! The framed application server as a subject.

mod client;
mod encodings;
mod json;
mod python;
mod reference;
mod requests;
mod values;

use std::time::Duration;

pub use self::client::AppClientSubject;
use crate::message::{ByteOrder, Limits};
use crate::protocols::app::{AppService, Timeouts};
use crate::selector::sim::Random;
use crate::sim::subject::{Answer, Subject};
use crate::text::count;

/// The framed application server with the tutorial's dictionary, and limits, timeouts and a byte order of its own.
#[derive(Clone, Debug)]
pub struct AppSubject {
    limits: Limits,
    timeouts: Timeouts,
    byteorder: ByteOrder,
}

impl Default for AppSubject {
    fn default() -> Self {
        AppSubject { limits: Limits::default(), timeouts: Timeouts::default(), byteorder: ByteOrder::Little }
    }
}

impl Subject for AppSubject {
    type Service = AppService;

    fn drawn(&self, random: &mut Random) -> Self {
        let limits = limits(random);
        let timeout = |random: &mut Random| Duration::from_millis(*random.pick(&[1, 50, 1_000, 10_000, 30_000]));
        let timeouts = Timeouts { header: timeout(random), content: timeout(random) };
        // The machine's own would make worlds that differ from machine to machine.
        let byteorder = if random.once_in(4) { ByteOrder::Big } else { ByteOrder::Little };
        AppSubject { limits, timeouts, byteorder }
    }

    fn words(&self) -> String {
        let usual = Limits::default();
        let Limits { header_len_max, content_len_max, depth_max } = self.limits;
        let mut words = String::from("an app server");
        for (what, len_max, usual) in
            [("header", header_len_max, usual.header_len_max), ("content", content_len_max, usual.content_len_max)]
        {
            if len_max != usual {
                words += &format!(", {what} at most {}", count(len_max, "byte"));
            }
        }
        if depth_max != usual.depth_max {
            words += &format!(", nesting at most {depth_max} deep");
        }
        let Timeouts { header, content } = self.timeouts;
        words + &format!("; timeouts: header {header:?}, content {content:?}")
    }

    fn service(&self) -> AppService {
        AppService::with_byteorder(self.limits, self.timeouts, self.byteorder)
    }

    fn requests(&self, random: &mut Random) -> Vec<Vec<u8>> {
        requests::draw(random)
    }

    fn answer(&self, input: &[u8]) -> Answer {
        reference::answer(input, &self.limits, self.byteorder)
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
        content_len_max: pick(
            random,
            &[usual.content_len_max, usual.content_len_max, 0, 1, 50, 4_000],
            &[9, 10, 65_535, 65_536],
        ),
        depth_max: *random.pick(&[usual.depth_max, usual.depth_max, 0, 1, 2, 127]),
    }
}

/// One of the `usual` sizes, or rarely one of the `rare` ones.
fn pick(random: &mut Random, usual: &[usize], rare: &[usize]) -> usize {
    let choice = random.below(60 * usual.len());
    *rare.get(choice).unwrap_or(&usual[choice % usual.len()])
}
