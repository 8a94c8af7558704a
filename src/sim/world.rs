//! A world: everything that a seed makes, as data.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use super::crowd::Crowd;
use super::faults::PlannedFault;
use super::limits::Limits;
use super::peer::Plan;
use super::subject::Subject;
use crate::selector::sim::{FaultKind, Random, Trigger};

/// A world. It is plain data: a smaller one is made by taking parts away, which changes nothing of the others.
#[derive(Clone, Debug)]
pub struct World<S> {
    /// The seed that it was made from.
    pub seed: u64,
    /// The protocol with its options.
    pub subject: S,
    /// The server's limits.
    pub limits: Limits,
    /// The peers.
    pub peers: Vec<Rc<Plan>>,
    /// The time of an early stop. Otherwise the server stops when every peer has done all that it wants and all timeouts
    /// have passed.
    pub stops: Option<Duration>,
    /// The time of another order to stop, which must not change anything.
    pub stops_again: Option<Duration>,
    /// How its selector reports readiness.
    pub trigger: Trigger,
    /// The faults of its network.
    pub faults: Vec<PlannedFault>,
    /// The time of a reload.
    pub reloads: Option<Duration>,
    /// Whether it is run again in other ways, and the runs are compared; see [`mod@super::run`].
    pub is_compared: bool,
}

impl<S: Subject> World<S> {
    /// The world of `seed`.
    pub fn new(seed: u64, subject: &S) -> Self {
        let subject = subject.drawn(&mut Random::stream(seed, "subject", 0));
        let limits = Limits::drawn(&mut Random::stream(seed, "limits", 0), subject.input_len_max());
        let random = &mut Random::stream(seed, "world", 0);
        let count = match random.below(240) {
            0..8 => random.within(1..=3),
            8 => random.within(40..=200),
            _ => random.within(11..=15) * subject.crowd(),
        };
        let span = *random.pick(&[0, 1_000, 100_000, 10_000_000]);
        let mut crowd = Crowd::drawn(count, span, random);
        let stops = random.once_in(8).then(|| Duration::from_micros(random.within(0..=2 * span + 10_000)));
        let stops_again = stops.and_then(|stops| second_stop(seed, stops, limits.drain_timeout));
        let trigger = if random.once_in(3) { Trigger::Level } else { Trigger::Edge };
        let reloads = random.once_in(8).then(|| Duration::from_micros(random.within(0..=span)));
        let mut faults = PlannedFault::all_drawn(seed, Duration::from_micros(span));
        for fault in &mut faults {
            // Some are of a kind that only this protocol notices.
            let random = &mut Random::stream(seed, "fault of the protocol", fault.number);
            if random.once_in(3) {
                fault.kind = subject.fault(random).unwrap_or(fault.kind);
            }
        }
        let mut peers: Vec<Rc<Plan>> =
            (0..count).map(|number| Rc::new(Plan::drawn(seed, number, &mut crowd, &subject))).collect();
        // Where there is room for it, somebody tries whether the server has recovered.
        let has_room = limits.connections_max as u64 > 4 * count && !limits.memory_is_short();
        if let (Some(healed), true, None) = (PlannedFault::last_end(&faults), has_room, stops) {
            peers.push(Rc::new(Plan::probe(seed, count, healed + RECOVERY, &subject)));
        }
        let is_compared = seed.is_multiple_of(COMPARED_EACH);
        World { seed, subject, limits, peers, stops, stops_again, trigger, faults, reloads, is_compared }
    }

    /// Whether it has the same parts as another world of the same seed.
    pub fn has_parts_of(&self, other: &Self) -> bool {
        let of = |world: &Self| (world.stops, world.stops_again, world.trigger, world.reloads);
        of(self) == of(other) && self.limits == other.limits && self.peers == other.peers && self.faults == other.faults
    }

    /// By how much the server's clock is ahead of the network's in the end.
    pub fn clock_ahead(&self) -> Duration {
        let jump = |fault: &PlannedFault| match fault.kind {
            FaultKind::ClockJumps(by) => by,
            _ => Duration::ZERO,
        };
        self.faults.iter().map(jump).sum()
    }

    /// By how much its faults together can change the times at which something happens.
    pub fn delay(&self) -> Duration {
        PlannedFault::delay_of_all(&self.faults)
    }

    /// The faults that strike files at `time`.
    pub fn file_faults(&self, time: Duration) -> impl Iterator<Item = &PlannedFault> {
        self.faults.iter().filter(move |fault| fault.strikes_files() && fault.lasts_at(time))
    }

    /// The time at which the last fault has passed.
    pub fn healed(&self) -> Duration {
        PlannedFault::last_end(&self.faults).unwrap_or_default()
    }
}

/// Draws the time of a second stop: mostly before the first has come to an end.
fn second_stop(seed: u64, first: Duration, drain_timeout: Duration) -> Option<Duration> {
    let random = &mut Random::stream(seed, "second stop", 0);
    let most = *random.pick(&[0, 1_000, drain_timeout.as_micros() as u64]);
    random.once_in(2).then(|| first + Duration::from_micros(random.within(0..=most)))
}

/// Runs are compared in each world whose seed is a multiple of this, since they cost several times as much.
pub const COMPARED_EACH: u64 = 128;

/// The time after which a fault that has passed must not be noticed any more.
pub const RECOVERY: Duration = Duration::from_millis(200);

/// The world in words.
impl<S: Subject> fmt::Display for World<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.subject.words())?;
        writeln!(f, "{}", self.limits)?;
        if self.trigger == Trigger::Level {
            writeln!(f, "level-triggered, as poll is")?;
        }
        for plan in &self.peers {
            writeln!(f, "{plan}")?;
        }
        for fault in &self.faults {
            writeln!(f, "{fault}")?;
        }
        if let Some(at) = self.reloads {
            writeln!(f, "the server reloads at {at:?}")?;
        }
        if let Some(at) = self.stops {
            writeln!(f, "the server stops at {at:?}")?;
        }
        match self.stops_again {
            Some(at) => writeln!(f, "the server gets another order to stop at {at:?}"),
            None => Ok(()),
        }
    }
}
