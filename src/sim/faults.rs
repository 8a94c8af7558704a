//! The faults of a world: which kinds there are, when each begins and when it ends.
//!
//! Each world switches on a few kinds at random: with all of them at once, nothing would be quiet enough for some bugs.

use std::fmt;
use std::time::Duration;

use rustix::io::Errno;

use crate::selector::sim::{Fault, FaultKind, Random};
use crate::text::{count, reason};

/// A fault that a world has for some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedFault {
    /// Its number in its world. Its choices follow from it and the seed alone.
    pub number: u64,
    /// What goes wrong.
    pub kind: FaultKind,
    /// When it begins.
    pub from: Duration,
    /// When it has passed.
    pub until: Duration,
}

/// The most faults of a world.
const FAULTS_MAX: u64 = 6;

impl PlannedFault {
    /// Draws the faults of the world `seed`, in which most happens within `span`.
    pub fn all_drawn(seed: u64, span: Duration) -> Vec<Self> {
        let random = &mut Random::stream(seed, "faults", 0);
        // A third of all worlds is without faults.
        let count = if random.once_in(3) { 0 } else { random.within(1..=FAULTS_MAX) };
        (0..count).map(|number| Self::drawn(seed, number, span)).collect()
    }

    /// The time at which the last of `faults` has passed, if there are any.
    pub fn last_end(faults: &[Self]) -> Option<Duration> {
        faults.iter().map(|fault| fault.until).max()
    }

    fn drawn(seed: u64, number: u64, span: Duration) -> Self {
        let random = &mut Random::stream(seed, "planned fault", number);
        let errnos = |errnos: &[Errno], random: &mut Random| random.pick(errnos).raw_os_error();
        let short = |random: &mut Random| {
            let max = *random.pick(&[10, 1_000, 20_000, 300_000]);
            Duration::from_micros(random.within(1..=max))
        };
        let kind = match random.below(13) {
            0 => FaultKind::ShortReads,
            1 => FaultKind::ShortWrites,
            2 => FaultKind::SpuriousReads,
            3 => FaultKind::SpuriousWrites,
            4 => FaultKind::SpuriousEvents,
            5 => FaultKind::LateReadiness(short(random)),
            6 => FaultKind::Latency(short(random)),
            7 => FaultKind::ClosedWindow,
            8 => {
                let all = [Errno::CONNABORTED, Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
                FaultKind::AcceptFails(errnos(&all, random))
            }
            9 => FaultKind::RegisterFails(errnos(&[Errno::NOSPC, Errno::NOMEM], random)),
            10 => FaultKind::ClockStands,
            11 => FaultKind::ClockJumps(short(random)),
            _ => FaultKind::Wakes,
        };
        let from = match random.once_in(2) {
            true => Duration::ZERO,
            false => Duration::from_micros(random.within(0..=span.as_micros() as u64)),
        };
        let longest = match kind {
            // Each turn skips some of these, without a pause.
            FaultKind::AcceptFails(errno) if errno == Errno::CONNABORTED.raw_os_error() => 40,
            // The loop asks the time again and again.
            FaultKind::ClockStands => *random.pick(&[100, 5_000]),
            // No connection outlives these.
            FaultKind::RegisterFails(_) => *random.pick(&[100, 1_000, 10_000, 20_000_000]),
            _ => *random.pick(&[100, 10_000, 500_000, 20_000_000]),
        };
        let until = from + Duration::from_micros(random.within(1..=longest));
        PlannedFault { number, kind, from, until }
    }

    /// The fault for the network of the world `seed`.
    pub fn fault(&self, seed: u64) -> Fault {
        Fault { kind: self.kind, during: self.from..self.until, random: Random::stream(seed, "fault", self.number) }
    }

    /// By how much `faults` together can change the times at which something happens.
    pub fn delay_of_all(faults: &[PlannedFault]) -> Duration {
        // What is left by a short read, or found by none at all, is reported again, and may be late again.
        let repeats_readiness = |fault: &PlannedFault| {
            matches!(
                fault.kind,
                FaultKind::ShortReads | FaultKind::ShortWrites | FaultKind::SpuriousReads | FaultKind::SpuriousWrites
            )
        };
        let is_repeated = faults.iter().any(repeats_readiness);
        let delay = |fault: &PlannedFault| match fault.kind {
            FaultKind::LateReadiness(most) if is_repeated => fault.until - fault.from + most,
            _ => fault.delay(),
        };
        faults.iter().map(delay).sum()
    }

    /// By how much it alone can change the times at which something happens.
    pub fn delay(&self) -> Duration {
        match self.kind {
            FaultKind::LateReadiness(most) | FaultKind::Latency(most) | FaultKind::ClockJumps(most) => most,
            FaultKind::ClosedWindow | FaultKind::AcceptFails(_) | FaultKind::ClockStands => self.until - self.from,
            FaultKind::ShortReads
            | FaultKind::ShortWrites
            | FaultKind::SpuriousReads
            | FaultKind::SpuriousWrites
            | FaultKind::SpuriousEvents
            | FaultKind::RegisterFails(_)
            // These decide what happens, and not when.
            | FaultKind::ConnectFails { .. }
            | FaultKind::OpenFails(_)
            | FaultKind::FileReadFails(_)
            | FaultKind::FilesShrink(_)
            | FaultKind::Wakes => Duration::ZERO,
        }
    }

    /// Whether it makes the loop ask the time again and again.
    pub fn makes_turns_empty(&self) -> bool {
        matches!(self.kind, FaultKind::ClockStands)
    }

    /// Whether it can keep the server from accepting.
    pub fn prevents_accepting(&self) -> bool {
        matches!(self.kind, FaultKind::AcceptFails(_) | FaultKind::RegisterFails(_))
    }

    /// Whether input that a peer has sent may look as if it had not arrived yet.
    pub fn hides_input(&self) -> bool {
        matches!(self.kind, FaultKind::Latency(_) | FaultKind::ShortReads | FaultKind::SpuriousReads)
    }

    /// Whether it strikes files.
    pub fn strikes_files(&self) -> bool {
        self.breaks_transfers() || matches!(self.kind, FaultKind::OpenFails(_))
    }

    /// Whether it breaks the connection on which a file is being sent.
    pub fn breaks_transfers(&self) -> bool {
        matches!(self.kind, FaultKind::FileReadFails(_) | FaultKind::FilesShrink(_))
    }

    /// Whether it lasts at that time.
    pub fn lasts_at(&self, time: Duration) -> bool {
        (self.from..self.until).contains(&time)
    }

    /// Whether it can break a connection.
    pub fn breaks_connections(&self) -> bool {
        matches!(self.kind, FaultKind::RegisterFails(_))
    }
}

/// What goes wrong, and when.
impl fmt::Display for PlannedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PlannedFault { number, kind, from, until } = self;
        write!(f, "fault {number}: {}", kind.name())?;
        match kind {
            FaultKind::LateReadiness(most) | FaultKind::Latency(most) => write!(f, ", up to {most:?}")?,
            FaultKind::ClockJumps(by) => write!(f, " by {by:?}")?,
            FaultKind::ConnectFails { how, .. } => write!(f, ", {}", how.name())?,
            FaultKind::FilesShrink(most) => write!(f, " to at most {}", count(*most, "byte"))?,
            FaultKind::AcceptFails(errno)
            | FaultKind::RegisterFails(errno)
            | FaultKind::OpenFails(errno)
            | FaultKind::FileReadFails(errno) => {
                write!(f, ", {}", reason(&std::io::Error::from_raw_os_error(*errno)))?;
            }
            _ => {}
        }
        write!(f, ", from {from:?} until {until:?}")
    }
}
