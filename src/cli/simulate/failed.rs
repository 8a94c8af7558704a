//! A failure: the world that shows it, and the command that replays it.

use serde_json::{Value, json};

use crate::cli::failure::Failure;
use crate::cli::stdout;
use crate::sim::{Scene, Shrunk, Violation};

/// A world that fails.
#[derive(Debug)]
pub struct Failed {
    /// The name of its protocol.
    protocol: &'static str,
    seed: u64,
    violation: Violation,
    /// The smallest world that fails in the same way, in words.
    world: String,
    /// The command that runs it again.
    replay: String,
}

impl Failed {
    pub fn new<W: Scene>(protocol: &'static str, world: &W, shrunk: &Shrunk<W>) -> Failed {
        let numbers = |all: Vec<u64>| all.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
        let mut replay = format!("multiconn simulate --protocol {} --seed {} -v", protocol, world.seed());
        let reduced = &shrunk.reduced;
        if reduced.peers() != world.peers() && !reduced.peers().is_empty() {
            replay += &format!(" --peers {}", numbers(reduced.peers()));
        }
        if reduced.faults() != world.faults() {
            let faults = numbers(reduced.faults());
            replay += &format!(" --faults {}", if faults.is_empty() { "none" } else { &faults });
        }
        let (violation, world_in_words) = (shrunk.violation.clone(), shrunk.simplest.to_string());
        Failed { protocol, seed: world.seed(), violation, world: world_in_words, replay }
    }

    /// Prints the world and the command.
    pub fn print(&self) -> Result<(), Failure> {
        let Failed { seed, violation, world, replay, .. } = self;
        stdout::print(
            format!("\nSeed {seed} fails. The smallest world that does:\n\n{world}\n{violation}\n\nReplay: {replay}\n")
                .as_bytes(),
        )
    }

    /// The failure in one line.
    pub fn failure(&self) -> Failure {
        let Failed { protocol, seed, violation, .. } = self;
        Failure::new(format!("{protocol}, seed {seed}: {violation}"))
    }

    pub fn json(&self) -> Value {
        let Failed { protocol, seed, violation, world, replay } = self;
        json!({
            "protocol": protocol,
            "seed": seed,
            "oracle": violation.oracle.name(),
            "violation": violation.what,
            "world": world,
            "replay": replay,
        })
    }
}
