//! The sum of many runs.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::protocol::Protocol;
use crate::sim::{Coverage, Run};
use crate::text::count;

/// The sum of many runs.
#[derive(Debug, Default)]
pub struct Tally {
    pub worlds: u64,
    pub turns: u64,
    pub connections: u64,
    /// The virtual time.
    pub time: Duration,
    /// The hash of all stories, in any order.
    pub hash: u64,
    pub coverage: Coverage,
    /// How often the faults of each kind have struck.
    pub faults: BTreeMap<&'static str, u64>,
}

impl Tally {
    pub fn add(&mut self, protocol: Protocol, seed: u64, run: &Run) {
        self.worlds += 1;
        self.turns += run.turns;
        self.connections += run.connections as u64;
        self.time += run.time;
        // Runs end in any order, so each hash is bound to its seed and they are added.
        let bound = (run.hash ^ seed).wrapping_mul(2 * protocol as u64 + 0x9e37_79b9_7f4a_7c15);
        self.hash = self.hash.wrapping_add(bound);
        self.coverage |= run.coverage;
        for (kind, strikes) in &run.faults {
            *self.faults.entry(kind).or_default() += strikes;
        }
    }

    /// All of it in words.
    pub fn summary(&self) -> String {
        let (taken, all) = self.coverage.rows();
        let mut words = format!(
            "{} with {}, {} and {:.0?} of virtual time\n{taken} of {all} rows of the table of a connection\n",
            count(self.worlds, "world"),
            count(self.connections, "connection"),
            count(self.turns, "turn"),
            self.time,
        );
        let faults: Vec<String> = self.faults.iter().map(|(kind, strikes)| format!("{kind} {strikes}")).collect();
        let _ = writeln!(words, "Faults: {}", if faults.is_empty() { "none".to_owned() } else { faults.join(", ") });
        let _ = writeln!(words, "Hash of all stories: {:016x}", self.hash);
        words
    }

    pub fn json(&self) -> Value {
        let missing: Vec<String> =
            self.coverage.missing().map(|(from, event)| format!("{from} --[ {event} ]-->")).collect();
        json!({
            "simulate": 1,
            "version": env!("CARGO_PKG_VERSION"),
            "worlds": self.worlds,
            "connections": self.connections,
            "turns": self.turns,
            "virtual_seconds": self.time.as_secs_f64(),
            "hash": format!("{:016x}", self.hash),
            "rows_missing": missing,
            "faults": self.faults,
        })
    }
}

/// One run in words.
pub fn in_words(run: &Run) -> String {
    let (connections, turns) = (count(run.connections, "connection"), count(run.turns, "turn"));
    format!("{connections}, {turns}, {:?} of virtual time, hash {:016x}", run.time, run.hash)
}
