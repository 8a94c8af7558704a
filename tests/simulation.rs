//! Whole servers in simulated worlds: many seeds of each protocol, judged by the oracles.

use multiconn::sim::subjects::{AppSubject, EchoSubject};
use multiconn::sim::{Subject, World, run};

fn seeds_pass(subject: &impl Subject, count: u64) {
    for seed in 0..count {
        let world = World::new(seed, subject);
        if let Some(violation) = run(&world).violation {
            panic!("seed {seed}: {violation}\n{world}");
        }
    }
}

#[test]
fn an_echo_server_passes() {
    seeds_pass(&EchoSubject::default(), 300);
}

#[test]
fn an_app_server_passes() {
    seeds_pass(&AppSubject::default(), 300);
}

#[test]
fn a_seed_has_one_story() {
    for seed in 0..100 {
        let story = || run(&World::new(seed, &AppSubject::default()));
        let (one, other) = (story(), story());
        assert_eq!((one.hash, one.turns, one.time), (other.hash, other.turns, other.time), "seed {seed}");
    }
}
