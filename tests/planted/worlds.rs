//! Runs the worlds of many seeds, without the program around the library, which would take long to build for each bug:
//! `worlds SEEDS`. Prints each seed, and after the first that fails the protocol and the oracle.

#[path = "../common/broadcast.rs"]
mod broadcast;

use std::process::ExitCode;

use broadcast::Broadcasting;
use multiconn::sim::clients::Clients;
use multiconn::sim::subjects::{
    AccumulateSubject, AppClientSubject, AppSubject, EchoClientSubject, EchoSubject, FixedSubject, GetFileSubject,
    MultiplySubject, SinkSubject,
};
use multiconn::sim::{Simulated, run};

/// The exit status after a failure.
const FAILED: u8 = 3;

fn main() -> ExitCode {
    let seeds: u64 = std::env::args().nth(1).and_then(|seeds| seeds.parse().ok()).expect("a number of seeds");
    for seed in 0..seeds {
        println!("{seed}");
        let failed = fails(seed, "app", &AppSubject::default())
            || fails(seed, "echo", &EchoSubject::default())
            || fails(seed, "fixed", &FixedSubject::default())
            || fails(seed, "getfile", &GetFileSubject::default())
            || fails(seed, "multiply", &MultiplySubject::default())
            || fails(seed, "accumulate", &AccumulateSubject::default())
            || fails(seed, "sink", &SinkSubject::default())
            || fails(seed, "broadcast", &Broadcasting)
            || fails(seed, "app-client", &Clients(AppClientSubject::default()))
            || fails(seed, "echo-client", &Clients(EchoClientSubject::default()));
        if failed {
            return FAILED.into();
        }
    }
    ExitCode::SUCCESS
}

fn fails(seed: u64, protocol: &str, subject: &impl Simulated) -> bool {
    let violation = run(&subject.world(seed)).violation;
    if let Some(violation) = &violation {
        println!("{protocol}: {violation}");
    }
    violation.is_some()
}
