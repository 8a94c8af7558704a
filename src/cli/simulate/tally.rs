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
    /// The seeds of which all protocols have had their worlds.
    pub seeds: u64,
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
        let (seen, all) = self.coverage.counts();
        let mut words = format!(
            "{} with {}, {} and {:.0?} of virtual time\n{seen} of {all} rows, events and faults\n",
            count(self.worlds, "world"),
            count(self.connections, "connection"),
            count(self.turns, "turn"),
            self.time,
        );
        let faults = self.faults_in_words();
        let _ = writeln!(words, "Faults: {}", if faults.is_empty() { "none".to_owned() } else { faults.join(", ") });
        let _ = writeln!(words, "Hash of all stories: {:016x}", self.hash);
        words
    }

    /// How often the faults of each kind have struck, in words, apart from those that never have.
    pub fn faults_in_words(&self) -> Vec<String> {
        let struck = self.faults.iter().filter(|&(_, &strikes)| strikes > 0);
        struck.map(|(kind, strikes)| format!("{kind} {strikes}")).collect()
    }

    pub fn json(&self) -> Value {
        json!({
            "simulate": 1,
            "version": env!("CARGO_PKG_VERSION"),
            "seeds": self.seeds,
            "worlds": self.worlds,
            "connections": self.connections,
            "turns": self.turns,
            "virtual_seconds": self.time.as_secs_f64(),
            "hash": format!("{:016x}", self.hash),
            "missing": self.coverage.missing(),
            "faults": self.faults,
        })
    }
}

/// One run in words.
pub fn in_words(run: &Run) -> String {
    let (connections, turns) = (count(run.connections, "connection"), count(run.turns, "turn"));
    format!("{connections}, {turns}, {:?} of virtual time, hash {:016x}", run.time, run.hash)
}
