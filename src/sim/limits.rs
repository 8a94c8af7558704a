//! The limits and timeouts of a world's server, drawn from their edges.

use std::fmt;
use std::time::Duration;

use crate::connection::{self, Memory};
use crate::reactor;
use crate::selector::sim::Random;

/// A limit on memory that no world reaches.
const MEMORY_USUAL: usize = 512 << 20;

/// The limits and timeouts of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// See [`reactor::Config::connections_max`].
    pub connections_max: usize,
    /// See [`reactor::Config::refusals_max`].
    pub refusals_max: usize,
    /// See [`connection::Config::idle_timeout`].
    pub idle_timeout: Duration,
    /// See [`connection::Config::write_timeout`].
    pub write_timeout: Duration,
    /// See [`connection::Config::drain_timeout`].
    pub drain_timeout: Duration,
    /// See [`connection::Config::linger_timeout`].
    pub linger_timeout: Duration,
    /// See [`connection::Config::linger_len_max`].
    pub linger_len_max: usize,
    /// See [`connection::Config::output_high_water`].
    pub output_high_water: usize,
    /// See [`connection::Config::input_len_max`].
    pub input_len_max: usize,
    /// The limit on the memory of all connections together.
    pub memory_max: usize,
}

impl Limits {
    /// The usual limits, for sessions that leave at most `input_len_max` bytes unused.
    pub fn usual(input_len_max: usize) -> Self {
        let usual = connection::Config::default();
        Limits {
            connections_max: reactor::Config::default().connections_max,
            refusals_max: reactor::REFUSALS_MAX,
            idle_timeout: usual.idle_timeout,
            write_timeout: usual.write_timeout,
            drain_timeout: usual.drain_timeout,
            linger_timeout: usual.linger_timeout,
            linger_len_max: usual.linger_len_max,
            output_high_water: usual.output_high_water,
            input_len_max,
            memory_max: MEMORY_USUAL,
        }
    }

    /// Draws limits. Most are the usual ones, so that a few at their edges show what they do.
    pub fn drawn(random: &mut Random, input_len_max: usize) -> Self {
        let mut limits = Limits::usual(input_len_max);
        // In a world of few connections, little happens.
        if random.once_in(8) {
            limits.connections_max = *random.pick(&[1, 1, 2, 3, 5, 10]);
        }
        let mut edge = |limit: &mut usize, edges: &[usize]| {
            if random.once_in(3) {
                *limit = *random.pick(edges);
            }
        };
        edge(&mut limits.refusals_max, &[0, 1, 2]);
        edge(&mut limits.linger_len_max, &[0, 1, 100, 5_000]);
        edge(&mut limits.output_high_water, &[0, 1, 64, 200, 5_000]);
        edge(&mut limits.memory_max, &[64 << 10, 1 << 20]);
        let Limits { idle_timeout, write_timeout, drain_timeout, linger_timeout, .. } = &mut limits;
        for timeout in [idle_timeout, write_timeout, drain_timeout, linger_timeout] {
            if random.once_in(2) {
                *timeout = Duration::from_millis(*random.pick(&[1, 5, 50, 400, 3_000]));
            }
        }
        if random.once_in(8) {
            limits.drain_timeout = Duration::ZERO;
        }
        limits
    }

    /// Whether the memory of all connections together may not suffice.
    pub fn memory_is_short(&self) -> bool {
        self.memory_max < MEMORY_USUAL
    }

    /// The configuration of a reactor with these limits.
    pub fn config(&self) -> reactor::Config {
        reactor::Config {
            connections_max: self.connections_max,
            refusals_max: self.refusals_max,
            spin: Duration::ZERO,
            stop_delay: Duration::ZERO,
            connection: connection::Config {
                idle_timeout: self.idle_timeout,
                write_timeout: self.write_timeout,
                drain_timeout: self.drain_timeout,
                linger_timeout: self.linger_timeout,
                linger_len_max: self.linger_len_max,
                output_high_water: self.output_high_water,
                input_len_max: self.input_len_max,
                memory: Memory::new(self.memory_max),
                ..connection::Config::default()
            },
        }
    }
}

/// The limits as options of `serve` name them.
impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let usual = Limits::usual(self.input_len_max);
        write!(f, "at most {} connections and {} refusals", self.connections_max, self.refusals_max)?;
        write!(f, "; timeouts: idle {:?}, write {:?}", self.idle_timeout, self.write_timeout)?;
        write!(f, ", drain {:?}, linger {:?}", self.drain_timeout, self.linger_timeout)?;
        if self.output_high_water != usual.output_high_water {
            write!(f, "; high-water mark {}", self.output_high_water)?;
        }
        if self.linger_len_max != usual.linger_len_max {
            write!(f, "; at most {} bytes dropped", self.linger_len_max)?;
        }
        if self.memory_is_short() {
            write!(f, "; memory {}", self.memory_max)?;
        }
        Ok(())
    }
}
