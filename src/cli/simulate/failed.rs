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
    /// The smallest world that fails in the same way, in words, or the smallest when shrinking was stopped.
    world: String,
    was_stopped: bool,
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
        Failed {
            protocol,
            seed: world.seed(),
            violation,
            world: world_in_words,
            was_stopped: shrunk.was_stopped,
            replay,
        }
    }

    /// Prints the world and the command.
    pub fn print(&self) -> Result<(), Failure> {
        stdout::print(self.in_words().as_bytes())
    }

    fn in_words(&self) -> String {
        let Failed { seed, violation, world, was_stopped, replay, .. } = self;
        let smallest = if *was_stopped { "smallest world so far" } else { "smallest world" };
        format!("\nSeed {seed} fails. The {smallest} that does:\n\n{world}\n{violation}\n\nReplay: {replay}\n")
    }

    /// The failure in one line.
    pub fn failure(&self) -> Failure {
        let Failed { protocol, seed, violation, was_stopped, .. } = self;
        let stopped = if *was_stopped { "stopped while shrinking: " } else { "" };
        Failure::new(format!("{stopped}{protocol}, seed {seed}: {violation}"))
    }

    pub fn json(&self) -> Value {
        let Failed { protocol, seed, violation, world, was_stopped, replay } = self;
        json!({
            "protocol": protocol,
            "seed": seed,
            "oracle": violation.oracle.name(),
            "violation": violation.what,
            "world": world,
            "is_smallest": !was_stopped,
            "replay": replay,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::subjects::SinkSubject;
    use crate::sim::{Oracle, World};

    #[test]
    fn a_failure_says_whether_its_world_is_the_smallest() {
        let failed = |was_stopped| {
            let world = World::new(7, &SinkSubject::default());
            let violation = Violation::new(Oracle::Bytes, "peer 1: nothing");
            let (reduced, simplest) = (world.clone(), world.clone());
            Failed::new("sink", &world, &Shrunk { reduced, simplest, violation, was_stopped })
        };
        let (whole, stopped) = (failed(false), failed(true));
        assert!(whole.in_words().starts_with("\nSeed 7 fails. The smallest world that does:\n\na sink "));
        assert!(stopped.in_words().starts_with("\nSeed 7 fails. The smallest world so far that does:\n\na sink "));
        assert_eq!(whole.failure().to_string(), "sink, seed 7: bytes: peer 1: nothing");
        assert_eq!(stopped.failure().to_string(), "stopped while shrinking: sink, seed 7: bytes: peer 1: nothing");
        let is_smallest = |failed: &Failed| failed.json()["is_smallest"].clone();
        assert_eq!((is_smallest(&whole), is_smallest(&stopped)), (true.into(), false.into()));
    }
}
