//! Faults of the network and of the system, each for a time.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::time::Duration;

use super::random::Random;
use crate::address::Addr;

/// A fault of the network or the system, which strikes again and again while it lasts.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// When, in virtual time.
    pub during: Range<Duration>,
    /// Its choices, such as when it strikes. Nothing else draws from them, so a fault can be added or removed without
    /// a change to any other.
    pub random: Random,
}

/// What goes wrong during a [`Fault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// A read finds fewer bytes than there are; the others are a new edge.
    ShortReads,
    /// A write takes fewer bytes than there is room for; the remaining room is a new edge.
    ShortWrites,
    /// A read in two would block though there are bytes, which are a new edge.
    SpuriousReads,
    /// A write in two would block though there is room, which is a new edge.
    SpuriousWrites,
    /// Readiness of a registered source is reported though nothing happened, at random times. Without an end, something
    /// always happens on the network.
    SpuriousEvents,
    /// Readiness is reported up to that much later, and merged with what happens meanwhile.
    LateReadiness(Duration),
    /// What peers send, and their reading, is up to that much later. Each peer's bytes and FIN stay in order; its reset
    /// may overtake them. Ours takes no time.
    Latency(Duration),
    /// The windows of all peers are closed: writes would block.
    ClosedWindow,
    /// Accepting fails with this error number: `ECONNABORTED`, `EMFILE`, `ENFILE`, `ENOBUFS`, `ENOMEM`.
    AcceptFails(i32),
    /// Registering a stream or a listener fails with this error number: `ENOSPC`, `ENOMEM`.
    RegisterFails(i32),
    /// Connecting fails, to any address or to one.
    ConnectFails {
        /// How it fails.
        how: ConnectFailure,
        /// The only address to which it fails.
        to: Option<Addr>,
    },
    /// Opening a file fails with this error number: `ENOENT`, `EACCES`, `EMFILE`. This and the other faults of files last
    /// by the selector's clock.
    OpenFails(i32),
    /// Reading an open file fails with this error number: `EIO`.
    FileReadFails(i32),
    /// Open files end after that many bytes: they have become shorter since they were opened.
    FilesShrink(u64),
    /// The selector's clock stands, and then shows the time again. The network's own goes on.
    ClockStands,
    /// The selector's clock jumps ahead of the network's by that much, once.
    ClockJumps(Duration),
    /// The selector is woken for nothing, at random times, and with it one of the sessions whose wakers the network
    /// [keeps](super::SimNet::keep_waker), once or twice. Without an end, something always happens on the network.
    Wakes,
}

/// The ways in which connecting fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectFailure {
    /// The peer's system refuses a little later.
    Refused,
    /// It fails at once.
    Unreachable,
    /// No answer comes, and the system gives up after 127 seconds: tcp(7), `tcp_syn_retries`.
    TimedOut,
}

impl ConnectFailure {
    /// Its name, in words.
    pub fn name(self) -> &'static str {
        match self {
            ConnectFailure::Refused => "refused",
            ConnectFailure::Unreachable => "unreachable",
            ConnectFailure::TimedOut => "without an answer",
        }
    }
}

impl FaultKind {
    /// The names of all kinds.
    pub const NAMES: [&str; 17] = [
        "short reads",
        "short writes",
        "spurious reads",
        "spurious writes",
        "spurious events",
        "late readiness",
        "latency",
        "closed window",
        "accept fails",
        "register fails",
        "connect fails",
        "open fails",
        "file read fails",
        "files shrink",
        "clock stands",
        "clock jumps",
        "wakes",
    ];

    /// Its name, whatever its parameters.
    pub fn name(&self) -> &'static str {
        match self {
            FaultKind::ShortReads => "short reads",
            FaultKind::ShortWrites => "short writes",
            FaultKind::SpuriousReads => "spurious reads",
            FaultKind::SpuriousWrites => "spurious writes",
            FaultKind::SpuriousEvents => "spurious events",
            FaultKind::LateReadiness(_) => "late readiness",
            FaultKind::Latency(_) => "latency",
            FaultKind::ClosedWindow => "closed window",
            FaultKind::AcceptFails(_) => "accept fails",
            FaultKind::RegisterFails(_) => "register fails",
            FaultKind::ConnectFails { .. } => "connect fails",
            FaultKind::OpenFails(_) => "open fails",
            FaultKind::FileReadFails(_) => "file read fails",
            FaultKind::FilesShrink(_) => "files shrink",
            FaultKind::ClockStands => "clock stands",
            FaultKind::ClockJumps(_) => "clock jumps",
            FaultKind::Wakes => "wakes",
        }
    }
}

/// Faults that strike of their own accord do so about this often, unless that would be less than once in [`GAP_MAX`].
const STRIKES: u32 = 32;
const GAP_MAX: Duration = Duration::from_secs(1);

/// The faults of a network.
#[derive(Debug, Default)]
pub(super) struct Faults {
    all: Vec<Injected>,
}

#[derive(Debug)]
struct Injected {
    fault: Fault,
    /// How often it may still strike.
    left: u64,
    /// How often it has struck.
    strikes: u64,
}

impl Injected {
    fn strike(&mut self) {
        self.left -= 1;
        self.strikes += 1;
    }
}

impl Faults {
    /// Adds a fault that strikes at most `times`, and returns its index.
    pub fn inject(&mut self, fault: Fault, times: u64) -> usize {
        self.all.push(Injected { fault, left: times, strikes: 0 });
        self.all.len() - 1
    }

    pub fn kind(&self, index: usize) -> FaultKind {
        self.all[index].fault.kind
    }

    pub fn random(&mut self, index: usize) -> &mut Random {
        &mut self.all[index].fault.random
    }

    /// When a fault strikes first, if it does so of its own accord.
    pub fn first_strike(&mut self, index: usize) -> Option<Duration> {
        let Fault { kind, during, random } = &mut self.all[index].fault;
        match kind {
            FaultKind::ClosedWindow | FaultKind::ClockStands => Some(during.start),
            FaultKind::ClockJumps(_) => Some(during.start + up_to(random, during.end.saturating_sub(during.start))),
            FaultKind::SpuriousEvents | FaultKind::Wakes => Some(during.start + gap(random, during)),
            _ => None,
        }
        .filter(|time| *time < during.end)
    }

    /// When it strikes next after it has done so at `now`, or ends.
    pub fn next_strike(&mut self, index: usize, now: Duration) -> Option<Duration> {
        let Fault { kind, during, random } = &mut self.all[index].fault;
        let is_endless = during.end == Duration::MAX;
        match kind {
            FaultKind::ClosedWindow | FaultKind::ClockStands => (now < during.end && !is_endless).then_some(during.end),
            FaultKind::SpuriousEvents | FaultKind::Wakes => {
                Some(now + gap(random, during)).filter(|time| *time < during.end)
            }
            _ => None,
        }
    }

    /// Counts a strike, unless the fault has ended by `now`.
    pub fn struck(&mut self, index: usize, now: Duration) -> bool {
        let injected = &mut self.all[index];
        let strikes = now < injected.fault.during.end;
        if strikes {
            injected.strike();
        }
        strikes
    }

    /// Whether a fault of this kind lasts.
    pub fn lasts(&mut self, kind: FaultKind, now: Duration) -> bool {
        self.active(now, |other| other == kind).is_some()
    }

    /// How often the faults of each kind have struck.
    pub fn strikes(&self) -> BTreeMap<&'static str, u64> {
        let mut strikes = BTreeMap::new();
        for injected in &self.all {
            *strikes.entry(injected.fault.kind.name()).or_default() += injected.strikes;
        }
        strikes
    }

    /// The first fault that can strike at `now` and has this kind.
    fn active(&mut self, now: Duration, is_kind: impl Fn(FaultKind) -> bool) -> Option<&mut Injected> {
        let is_active = |it: &&mut Injected| is_kind(it.fault.kind) && it.left > 0 && it.fault.during.contains(&now);
        self.all.iter_mut().find(is_active)
    }

    /// How many of `len` bytes a read or a write can move.
    ///
    /// # Errors
    /// `WouldBlock` if it can't move any.
    pub fn shorten(&mut self, len: usize, way: Way, now: Duration) -> io::Result<usize> {
        if self.all.is_empty() || len == 0 {
            return Ok(len);
        }
        let (spurious, short) = match way {
            Way::Read => (FaultKind::SpuriousReads, FaultKind::ShortReads),
            Way::Write => (FaultKind::SpuriousWrites, FaultKind::ShortWrites),
        };
        if let Some(injected) = self.active(now, |kind| kind == spurious)
            && injected.fault.random.once_in(2)
        {
            injected.strike();
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let Some(injected) = self.active(now, |kind| kind == short) else { return Ok(len) };
        let shortened = 1 + injected.fault.random.below(len);
        if shortened < len {
            injected.strike();
        }
        Ok(shortened)
    }

    /// How much later something of a peer's happens.
    pub fn latency(&mut self, now: Duration) -> Duration {
        self.delay(now, |kind| if let FaultKind::Latency(max) = kind { Some(max) } else { None })
    }

    /// How much later readiness is reported.
    pub fn lateness(&mut self, now: Duration) -> Duration {
        self.delay(now, |kind| if let FaultKind::LateReadiness(max) = kind { Some(max) } else { None })
    }

    fn delay(&mut self, now: Duration, max: impl Fn(FaultKind) -> Option<Duration>) -> Duration {
        let Some(injected) = self.active(now, |kind| max(kind).is_some()) else { return Duration::ZERO };
        injected.strike();
        let max = max(injected.fault.kind).unwrap_or_default();
        up_to(&mut injected.fault.random, max)
    }

    /// Counts a write that a closed window blocks.
    pub fn closed_window(&mut self, now: Duration) {
        if let Some(injected) = self.active(now, |kind| kind == FaultKind::ClosedWindow) {
            injected.strike();
        }
    }

    /// Lets an accept fail.
    pub fn accept(&mut self, now: Duration) -> io::Result<()> {
        self.fail(now, |kind| if let FaultKind::AcceptFails(errno) = kind { Some(errno) } else { None })
    }

    /// Lets a registration fail.
    pub fn register(&mut self, now: Duration) -> io::Result<()> {
        self.fail(now, |kind| if let FaultKind::RegisterFails(errno) = kind { Some(errno) } else { None })
    }

    /// Lets the opening of a file fail.
    pub fn open(&mut self, now: Duration) -> io::Result<()> {
        self.fail(now, |kind| if let FaultKind::OpenFails(errno) = kind { Some(errno) } else { None })
    }

    /// Lets the reading of a file fail.
    pub fn read_file(&mut self, now: Duration) -> io::Result<()> {
        self.fail(now, |kind| if let FaultKind::FileReadFails(errno) = kind { Some(errno) } else { None })
    }

    /// The length of an open file that had `len` bytes when it was opened.
    pub fn file_len(&mut self, len: u64, now: Duration) -> u64 {
        let mut shortest = len;
        for injected in self.all.iter_mut().filter(|injected| injected.fault.during.contains(&now)) {
            if let FaultKind::FilesShrink(most) = injected.fault.kind
                && most < len
            {
                injected.strike();
                shortest = shortest.min(most);
            }
        }
        shortest
    }

    fn fail(&mut self, now: Duration, errno: impl Fn(FaultKind) -> Option<i32>) -> io::Result<()> {
        let Some(injected) = self.active(now, |kind| errno(kind).is_some()) else { return Ok(()) };
        injected.strike();
        errno(injected.fault.kind).map_or(Ok(()), |errno| Err(io::Error::from_raw_os_error(errno)))
    }

    /// How a connect to `addr` fails, if it does.
    pub fn connect(&mut self, addr: Addr, now: Duration) -> Option<ConnectFailure> {
        let failure = |kind| match kind {
            FaultKind::ConnectFails { how, to } if to.is_none_or(|to| to == addr) => Some(how),
            _ => None,
        };
        let injected = self.active(now, |kind| failure(kind).is_some())?;
        injected.strike();
        failure(injected.fault.kind)
    }
}

/// A time of at most `max`.
fn up_to(random: &mut Random, max: Duration) -> Duration {
    Duration::from_nanos(random.within(0..=u64::try_from(max.as_nanos()).unwrap_or(u64::MAX)))
}

/// The time between two strikes of a fault.
fn gap(random: &mut Random, during: &Range<Duration>) -> Duration {
    let mean = during.end.saturating_sub(during.start) / STRIKES;
    Duration::from_nanos(1) + up_to(random, (mean * 2).min(GAP_MAX))
}

/// The directions in which bytes move.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    Read,
    Write,
}
