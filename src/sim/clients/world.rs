//! A world of clients: everything that a seed makes, as data.

use std::fmt;
use std::time::Duration;

use super::call::{Call, Reaction};
use super::subject::ClientSubject;
use crate::connection;
use crate::reactor;
use crate::selector::sim::{ConnectFailure, FaultKind, Random, Trigger};
use crate::sim::crowd::Crowd;
use crate::sim::faults::PlannedFault;
use crate::sim::limits::Limits;
use crate::sim::world::RECOVERY;

/// A world of clients. It is plain data: a smaller one is made by taking parts away, which changes nothing of the others.
#[derive(Clone, Debug)]
pub struct ClientWorld<C: ClientSubject> {
    /// The seed that it was made from.
    pub seed: u64,
    /// The protocol with its options.
    pub subject: C,
    /// The limits of the connections.
    pub limits: Limits,
    /// See [`connection::Config::connect_timeout`].
    pub connect_timeout: Duration,
    /// The calls.
    pub calls: Vec<Call<C::Request>>,
    /// The time of an early stop. Otherwise the loop ends with the last call.
    pub stops: Option<Duration>,
    /// How its selector reports readiness.
    pub trigger: Trigger,
    /// The faults of its network.
    pub faults: Vec<PlannedFault>,
}

impl<C: ClientSubject> ClientWorld<C> {
    /// The world of `seed`.
    pub fn new(seed: u64, subject: &C) -> Self {
        let subject = subject.drawn(&mut Random::stream(seed, "subject", 0));
        // The sessions know best how much they ask for.
        let limits = Limits::drawn(&mut Random::stream(seed, "limits", 0), usize::MAX);
        let random = &mut Random::stream(seed, "world", 0);
        let count = match random.below(240) {
            0..8 => random.within(1..=3),
            8 => random.within(30..=60),
            _ => random.within(13..=17),
        };
        let connect_timeout = Duration::from_millis(*random.pick(&[10_000, 10_000, 1_000, 100, 5]));
        let span = *random.pick(&[0, 1_000, 100_000, 10_000_000]);
        let mut crowd = Crowd::drawn(count, span, random);
        let stops = random.once_in(8).then(|| Duration::from_micros(random.within(0..=2 * span + 10_000)));
        let trigger = if random.once_in(3) { Trigger::Level } else { Trigger::Edge };
        let faults = PlannedFault::all_drawn(seed, Duration::from_micros(span));
        let faults: Vec<PlannedFault> = faults.into_iter().map(|fault| of_clients(seed, fault)).collect();
        let mut calls: Vec<_> = (0..count).map(|number| Call::drawn(seed, number, &mut crowd, &subject)).collect();
        // Somebody tries whether all is well again.
        let healed = faults.iter().map(|fault| fault.until).max();
        if let (Some(healed), None, false) = (healed, stops, limits.memory_is_short()) {
            calls.push(Call::probe(seed, count, healed + RECOVERY, &subject));
        }
        ClientWorld { seed, subject, limits, connect_timeout, calls, stops, trigger, faults }
    }

    /// The configuration of the loop.
    pub fn config(&self) -> reactor::Config {
        let config = self.limits.config();
        let connection = connection::Config { connect_timeout: self.connect_timeout, ..config.connection };
        reactor::Config { connection, ..config }
    }

    /// By how much its faults together can change the times at which something happens.
    pub fn delay(&self) -> Duration {
        PlannedFault::delay_of_all(&self.faults)
    }

    /// What happens to a connect at a certain time to an address with this reaction.
    pub fn reaction(&self, usual: Reaction, at: Duration) -> Reaction {
        let failure = |fault: &PlannedFault| match fault.kind {
            FaultKind::ConnectFails { how, .. } if (fault.from..fault.until).contains(&at) => Some(how),
            _ => None,
        };
        match self.faults.iter().find_map(failure) {
            None => usual,
            Some(ConnectFailure::Refused) => Reaction::Refuses,
            Some(ConnectFailure::Unreachable) => Reaction::Fails,
            Some(ConnectFailure::TimedOut) => Reaction::Ignores,
        }
    }
}

/// The fault in a world where connections are opened, instead of accepted.
fn of_clients(seed: u64, fault: PlannedFault) -> PlannedFault {
    let all = [ConnectFailure::Refused, ConnectFailure::Unreachable, ConnectFailure::TimedOut];
    match fault.kind {
        FaultKind::AcceptFails(_) => {
            let how = *Random::stream(seed, "connect failure", fault.number).pick(&all);
            PlannedFault { kind: FaultKind::ConnectFails { how, to: None }, ..fault }
        }
        _ => fault,
    }
}

/// The world in words.
impl<C: ClientSubject> fmt::Display for ClientWorld<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}", self.subject)?;
        writeln!(f, "connect timeout {:?}; {}", self.connect_timeout, self.limits)?;
        if self.trigger == Trigger::Level {
            writeln!(f, "level-triggered, as poll is")?;
        }
        for call in &self.calls {
            writeln!(f, "{call}")?;
        }
        for fault in &self.faults {
            writeln!(f, "{fault}")?;
        }
        match self.stops {
            Some(at) => writeln!(f, "the clients stop at {at:?}"),
            None => Ok(()),
        }
    }
}
