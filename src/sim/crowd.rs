//! The peers of a world together: when they come, and how much each of them does.

use std::time::Duration;

use crate::selector::sim::Random;

/// The peers of a world together. The more there are, the less each of them does, so that a world of many peers takes
/// hardly longer than one of few.
#[derive(Clone, Debug)]
pub struct Crowd {
    /// The number of peers.
    count: u64,
    /// The times at about which they come.
    times: Vec<Duration>,
    /// The number of pieces in which others may still send.
    pieces_left: usize,
}

/// The number of pieces in which the peers send, from which on none sends byte by byte. Most pieces take a turn.
const PIECES: usize = 490;

/// The most bytes that the peers would send one by one if all of them did.
const DRIPS: usize = 1_500;

/// The number of windows that the output for all peers together may fill, since each takes a turn.
const WINDOWS: usize = 400;

/// The most windows that the output for one peer may fill.
pub const WINDOWS_MAX: usize = 50;

impl Crowd {
    /// Draws the times at which `count` peers come within `span`, in microseconds.
    pub fn drawn(count: u64, span: u64, random: &mut Random) -> Self {
        let times = (0..random.within(1..=4)).map(|_| Duration::from_micros(random.within(0..=span))).collect();
        Crowd { count, times, pieces_left: PIECES }
    }

    /// Draws a time at which a peer comes.
    pub fn time(&self, random: &mut Random) -> Duration {
        *random.pick(&self.times)
    }

    /// The most bytes that the next peer sends one by one.
    pub fn drips_max(&self) -> usize {
        self.share(DRIPS).clamp(5, 80).min(self.pieces_left)
    }

    /// Notes the number of pieces in which another peer sends.
    pub fn sends_in(&mut self, pieces: usize) {
        self.pieces_left = self.pieces_left.saturating_sub(pieces);
    }

    /// The most windows that the output for a peer may fill.
    pub fn windows_max(&self) -> usize {
        self.share(WINDOWS).clamp(5, WINDOWS_MAX)
    }

    fn share(&self, all: usize) -> usize {
        all / self.count.max(1) as usize
    }
}
