//! Runs the worlds of many seeds, without the program around the library, which would take long to build for each bug:
//! `worlds SEEDS`. Prints each seed, and after the first that fails the protocol and the oracle.

#[path = "../common/broadcast.rs"]
mod broadcast;
#[path = "../common/moody.rs"]
mod moody;

use std::process::ExitCode;

use broadcast::Broadcasting;
use moody::Moody;
use multiconn::sim::clients::Clients;
use multiconn::sim::subjects::{
    AccumulateSubject, AppClientSubject, AppSubject, EchoClientSubject, EchoSubject, FixedSubject, GetFileSubject,
    MultiplySubject, SinkSubject,
};
use multiconn::sim::{Coverage, Simulated, coverage, run};

/// The exit status after a failure.
const FAILED: u8 = 3;

fn main() -> ExitCode {
    let seeds: u64 = std::env::args().nth(1).and_then(|seeds| seeds.parse().ok()).expect("a number of seeds");
    let (mut seen, mut ignored) = (Coverage::default(), Coverage::default());
    for seed in 0..seeds {
        println!("{seed}");
        let failed = fails(seed, "app", &AppSubject::default(), &mut seen)
            || fails(seed, "echo", &EchoSubject::default(), &mut seen)
            || fails(seed, "fixed", &FixedSubject::default(), &mut seen)
            || fails(seed, "getfile", &GetFileSubject::default(), &mut seen)
            || fails(seed, "multiply", &MultiplySubject::default(), &mut seen)
            || fails(seed, "accumulate", &AccumulateSubject::default(), &mut seen)
            || fails(seed, "sink", &SinkSubject::default(), &mut seen)
            || fails(seed, "broadcast", &Broadcasting, &mut ignored)
            || fails(seed, "moody", &Moody::default(), &mut ignored)
            || fails(seed, "app-client", &Clients(AppClientSubject::default()), &mut seen)
            || fails(seed, "echo-client", &Clients(EchoClientSubject::default()), &mut seen);
        if failed {
            return FAILED.into();
        }
    }
    let missing = if seeds < coverage::SEEDS { Vec::new() } else { seen.missing() };
    if let Some(missing) = missing.first() {
        println!("coverage: {missing}");
        return FAILED.into();
    }
    ExitCode::SUCCESS
}

fn fails(seed: u64, protocol: &str, subject: &impl Simulated, seen: &mut Coverage) -> bool {
    let run = run(&subject.world(seed));
    *seen |= run.coverage;
    if let Some(violation) = &run.violation {
        println!("{protocol}: {violation}");
    }
    run.violation.is_some()
}
