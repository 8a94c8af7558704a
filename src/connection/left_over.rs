//! Data that a run of a connection leaves over for the next.

use std::time::{Duration, Instant};

use super::memory::{Charge, Memory};
use crate::buffer::{Outgoing, Rest};

/// Unused input and unsent output. While there is none, this owns no heap memory and is only a pointer.
#[derive(Debug, Default)]
pub(super) struct LeftOver(Option<Box<Kept>>);

/// The input, the output, or both.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub input: Rest,
    pub output: Outgoing,
    /// The wait for the peer to accept some of the output, if there is any.
    wait: Option<WriteWait>,
    /// The memory in use.
    charge: Charge,
}

/// A wait for a peer to accept output.
#[derive(Clone, Copy, Debug)]
struct WriteWait {
    /// The last time the stream accepted something.
    since: Instant,
    /// The time of the next try to write, even if the system reports no room.
    next_try: Instant,
    /// The time at which the peer will have accepted nothing for too long.
    until: Instant,
}

impl WriteWait {
    /// The timeout divided by the wait before the first try; each later try doubles the time since the last progress.
    const FIRST_TRY: u32 = 64;

    fn new(now: Instant, timeout: Duration) -> Self {
        WriteWait { since: now, next_try: now + timeout / Self::FIRST_TRY, until: now + timeout }
    }

    fn tried_in_vain(&mut self, now: Instant) {
        if now >= self.next_try {
            self.next_try = self.until.min(now + (now - self.since));
        }
    }
}

impl LeftOver {
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub fn has_input(&self) -> bool {
        self.0.as_ref().is_some_and(|kept| !kept.input.is_empty())
    }

    pub fn has_output(&self) -> bool {
        self.0.as_ref().is_some_and(|kept| !kept.output.is_empty())
    }

    /// Charges the memory that it takes now to `memory`.
    #[inline]
    pub fn charge(&mut self, memory: &Memory) {
        if let Some(kept) = &mut self.0 {
            kept.charge.set(kept.input.capacity() + kept.output.capacity(), memory);
        }
    }

    /// The memory charged for it, in bytes.
    pub fn charged(&self) -> usize {
        self.0.as_ref().map_or(0, |kept| kept.charge.bytes())
    }

    /// Whether the memory that it takes is part of what all connections use.
    pub fn is_charged(&self) -> bool {
        self.0.as_ref().is_some_and(|kept| kept.charge.is_set())
    }

    /// The most memory that it may use: in proportion to what it holds, and at least for output up to twice the
    /// `high_water` mark. `None` if it holds chunks that may be larger than what is left of them.
    pub fn memory_max(&self, high_water: usize) -> Option<usize> {
        let kept = self.0.as_ref()?;
        let output = kept.output.capacity_max()?.max(high_water.saturating_mul(2));
        Some(output.saturating_add(kept.input.capacity_max()))
    }

    /// The number of bytes of input.
    pub fn input_len(&self) -> usize {
        self.0.as_ref().map_or(0, |kept| kept.input.len())
    }

    /// The number of bytes of output, or `usize::MAX` if there are more.
    pub fn output_len(&self) -> usize {
        self.0.as_ref().map_or(0, |kept| kept.output.len())
    }

    fn write_wait(&self) -> Option<&WriteWait> {
        self.0.as_ref()?.wait.as_ref()
    }

    /// The time of the next try to write, if there is output.
    pub fn next_try(&self) -> Option<Instant> {
        self.write_wait().map(|wait| wait.next_try)
    }

    /// The deadline for the peer to accept some of the output, if there is any.
    pub fn write_deadline(&self) -> Option<Instant> {
        self.write_wait().map(|wait| wait.until)
    }

    /// Records a try to write: whether the stream took some of the output, which begins another `timeout`.
    pub fn tried_to_write(&mut self, has_sent: bool, now: Instant, timeout: Duration) {
        let Some(kept) = &mut self.0 else { return };
        if has_sent {
            kept.wait = Some(WriteWait::new(now, timeout));
        } else if let Some(wait) = &mut kept.wait {
            wait.tried_in_vain(now);
        }
        self.tidy();
    }

    /// The data, if any, to use some of it; call [`Self::tidy`] afterwards.
    pub fn kept(&mut self) -> Option<&mut Kept> {
        self.0.as_deref_mut()
    }

    pub fn keep_input(&mut self, input: &[u8]) {
        if !input.is_empty() {
            self.0.get_or_insert_default().input.extend(input);
        }
    }

    /// Keeps `output`; there must be none yet. The peer must accept some of it within `timeout`.
    pub fn keep_output(&mut self, output: Outgoing, now: Instant, timeout: Duration) {
        if output.is_empty() {
            return;
        }
        let kept = self.0.get_or_insert_default();
        kept.output = output;
        kept.wait = Some(WriteWait::new(now, timeout));
    }

    /// Frees memory that the output doesn't need, if it has more than `capacity_max`: growth doubles it.
    pub fn trim_output(&mut self, capacity_max: usize) {
        if let Some(kept) = &mut self.0
            && kept.output.capacity() > capacity_max
        {
            kept.output.trim();
        }
    }

    pub fn drop_input(&mut self) {
        if let Some(kept) = &mut self.0 {
            kept.input = Rest::default();
        }
        self.tidy();
    }

    /// Frees the memory of data that is used up.
    pub fn tidy(&mut self) {
        let Some(kept) = &mut self.0 else { return };
        if kept.output.is_empty() {
            kept.wait = None;
            if kept.input.is_empty() {
                self.0 = None;
            }
        }
    }
}
