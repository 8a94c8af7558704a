//! Coverage: which rows of the tables, events of the trace and faults have been seen, of all that can happen.
//!
//! Peers that reach a rare row by chance may stop doing so unnoticed. So everything must be seen within [`SEEDS`] seeds,
//! or the tests and `multiconn simulate` fail. They also fail if something is seen that is said to be impossible here.

use std::collections::BTreeMap;
use std::ops::BitOrAssign;

use crate::machine::Step;
use crate::selector::sim::FaultKind;
use crate::trace::{self, Kind};
use crate::{exchange, message};

/// The number of seeds within which everything is seen, if each makes a world of each of our
/// [protocols](super::subjects). Any seeds will do.
pub const SEEDS: u64 = 500;

/// The kinds of events that don't occur in worlds of our protocols, and why.
const EVENTS_IMPOSSIBLE: [(Kind, &str); 8] = [
    (Kind::Panicked, "the sessions don't panic"),
    (Kind::StopDelayed, "stops in these worlds have no delay"),
    (Kind::Introduced, "no proxy is in front of these worlds"),
    (Kind::OutputEnded, "no session of these protocols ends its own side while it goes on"),
    (Kind::Dropped, "no session of these protocols ends its own side while it goes on"),
    (Kind::TurnEnded, "no subscriber of a world asks for times, which are not the simulator's"),
    (Kind::ConnectionIs, "no subscriber of a world asks for snapshots"),
    (Kind::LoopIs, "no subscriber of a world asks for snapshots"),
];

/// What has been seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// A bit for each pair of stage and event of a connection.
    stages: u128,
    /// A bit for each row of the reader of messages.
    phases: u32,
    /// A bit for each kind of events of the trace.
    events: u32,
    /// A bit for each kind of faults.
    faults: u32,
}

impl Coverage {
    /// Records an event.
    #[inline]
    pub fn saw(&mut self, event: &trace::Event<'_>) {
        self.events |= event_bit(event.kind());
        match event {
            trace::Event::Moved { from, event, .. } => self.stages |= stage_bit(*from, *event),
            trace::Event::Stepped(step) => self.stepped(step),
            _ => {}
        }
    }

    /// Records a step of a reader of messages. Steps of other machines are not counted.
    fn stepped(&mut self, step: &Step) {
        let mut rows = message::table::TRANSITIONS.iter();
        if let Some(row) = rows.position(|row| row.event.name() == step.event && row.from.name() == step.from) {
            self.phases |= 1 << row;
        }
    }

    /// Records the faults that have struck, by the names of their kinds.
    pub fn struck(&mut self, strikes: &BTreeMap<&'static str, u64>) {
        for (kind, _) in strikes.iter().filter(|&(_, &times)| times > 0) {
            let index = FaultKind::NAMES.iter().position(|name| name == kind);
            self.faults |= 1 << index.expect("NAMES has the name of every kind");
        }
    }

    /// Everything that can happen: its name, and whether it has been seen.
    fn possible(self) -> impl Iterator<Item = (String, bool)> {
        let stages = exchange::TRANSITIONS.iter().map(move |row| {
            (format!("{} --[ {} ]-->", row.from, row.event), self.stages & stage_bit(row.from, row.event) != 0)
        });
        let phases = message::table::TRANSITIONS
            .iter()
            .enumerate()
            .map(move |(index, row)| (format!("{} --[ {} ]-->", row.from, row.event), self.phases & 1 << index != 0));
        let is_possible = |kind: &Kind| EVENTS_IMPOSSIBLE.iter().all(|(impossible, _)| impossible != kind);
        let events = Kind::ALL.into_iter().filter(is_possible);
        let events = events.map(move |kind| (format!("event {kind}"), self.saw_kind(kind)));
        let faults = FaultKind::NAMES.into_iter().enumerate();
        let faults = faults.map(move |(index, kind)| (format!("fault {kind}"), self.faults & 1 << index != 0));
        stages.chain(phases).chain(events).chain(faults)
    }

    fn saw_kind(self, kind: Kind) -> bool {
        self.events & event_bit(kind) != 0
    }

    /// The names of what can happen and hasn't been seen.
    pub fn missing(self) -> Vec<String> {
        self.possible().filter(|&(_, is_seen)| !is_seen).map(|(name, _)| name).collect()
    }

    /// The names of what has been seen and is said to be impossible.
    pub fn impossible(self) -> Vec<String> {
        let kinds = EVENTS_IMPOSSIBLE.into_iter().map(|(kind, _)| kind);
        kinds.filter(|&kind| self.saw_kind(kind)).map(|kind| format!("event {kind}")).collect()
    }

    /// How much has been seen, and how much can happen.
    pub fn counts(self) -> (usize, usize) {
        (self.possible().filter(|&(_, is_seen)| is_seen).count(), self.possible().count())
    }
}

impl BitOrAssign for Coverage {
    fn bitor_assign(&mut self, other: Self) {
        self.stages |= other.stages;
        self.phases |= other.phases;
        self.events |= other.events;
        self.faults |= other.faults;
    }
}

fn stage_bit(stage: exchange::Stage, event: exchange::Event) -> u128 {
    1 << (stage as usize * exchange::Event::ALL.len() + event as usize)
}

fn event_bit(kind: Kind) -> u32 {
    1 << kind as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_covered_at_first_and_what_is_seen_is_not_missing() {
        let mut coverage = Coverage::default();
        let (seen, all) = coverage.counts();
        assert_eq!((seen, coverage.missing().len()), (0, all));
        coverage.saw(&trace::Event::Accepted);
        coverage.struck(&BTreeMap::from([("wakes", 3), ("latency", 0)]));
        assert_eq!(coverage.counts(), (2, all));
        let missing = coverage.missing();
        assert!(!missing.iter().any(|name| name == "event accepted" || name == "fault wakes"));
        assert!(missing.iter().any(|name| name == "fault latency"));
    }

    #[test]
    fn what_is_said_to_be_impossible_is_not_missing_but_reported_if_it_is_seen() {
        let mut coverage = Coverage::default();
        let missing = coverage.missing();
        for name in ["event output_ended", "event dropped"] {
            assert!(!missing.iter().any(|missing| missing == name), "{name}");
        }
        coverage.saw(&trace::Event::OutputEnded);
        assert_eq!(coverage.impossible(), ["event output_ended"]);
        assert_eq!(coverage.missing(), missing);
    }
}
