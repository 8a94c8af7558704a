//! `multiconn simulate`: servers and clients in simulated worlds, many of them or one in detail.

mod campaign;
mod failed;
mod progress;
mod protocol;
mod story;
mod tally;

use std::num::NonZero;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use clap::{Args, ValueEnum};
use log::LevelFilter;
use serde_json::json;

use super::failure::Failure;
use super::signals::{INTERRUPTED, interrupted};
use super::{stdout, units};
use crate::bench::whole::write_whole;
use crate::text::count;
use campaign::{Campaign, End};
use failed::Failed;
use protocol::Protocol;
use story::Telling;
use tally::Tally;

/// Run servers and clients in simulated worlds, each made from a number
///
/// A seed makes a world: limits, peers, and faults of the network and the system. The server runs in it in virtual time,
/// and is judged by what each peer receives and by how each connection ends. Clients are judged by their reports. The
/// world of a failure is shrunk to the smallest that fails in the same way.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    multiconn simulate --seeds 10000\n  \
    multiconn simulate --protocol app --time 10m --threads 4\n  \
    multiconn simulate --protocol app --seed 42 -v\n\n\
    Exit status: 0 if all is well, 1 after a failure, 2 after wrong usage, 3 if it was interrupted.")]
pub struct Simulate {
    /// Protocol to simulate; may be repeated [default: all]
    #[arg(long, value_name = "PROTOCOL", value_delimiter = ',')]
    protocol: Vec<Protocol>,
    /// Number of seeds to run for each protocol [default: 1000, or as many as --time allows]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    seeds: Option<u64>,
    /// First seed
    #[arg(long, value_name = "S", default_value_t = 0)]
    from: u64,
    /// Only this seed; with -v, tell its story
    #[arg(long, value_name = "S", conflicts_with_all = ["seeds", "from", "time"])]
    seed: Option<u64>,
    /// Only these peers of the world, or these clients
    #[arg(long, value_name = "N,…", value_delimiter = ',', requires = "seed")]
    peers: Option<Vec<u64>>,
    /// Only these faults of the world, or `none`
    #[arg(long, value_name = "N,…", requires = "seed", value_parser = faults)]
    faults: Option<Numbers>,
    /// Begin no other world after this time
    #[arg(long, value_name = "TIME", value_parser = units::timeout)]
    time: Option<Duration>,
    /// Number of threads [default: one for each processor]
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,
    /// Write the results to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write everything that happens to FILE, as `serve --trace` does; only for one seed of one protocol
    #[arg(long, value_name = "FILE", requires = "seed")]
    trace: Option<PathBuf>,
}

/// Numbers of faults.
#[derive(Clone, Debug)]
struct Numbers(Vec<u64>);

fn faults(text: &str) -> Result<Numbers, String> {
    if text == "none" {
        return Ok(Numbers(Vec::new()));
    }
    let numbers = text.split(',').map(str::parse).collect::<Result<_, _>>();
    numbers.map(Numbers).map_err(|_| "it must be numbers such as 0,2, or `none`".to_owned())
}

/// The seeds to run if there is no other bound.
const SEEDS: u64 = 1000;

impl Simulate {
    /// Runs the worlds; with `is_told`, tells the story of the only seed.
    pub fn run(self, is_told: bool) -> Result<(), Failure> {
        // The loops in the worlds log what they do, which is only of interest when a story is told.
        let level = log::max_level();
        log::set_max_level(LevelFilter::Off);
        let protocols =
            if self.protocol.is_empty() { Protocol::value_variants().to_vec() } else { self.protocol.clone() };
        match self.seed {
            Some(seed) => self.run_one(seed, &protocols, if is_told { level } else { LevelFilter::Off }),
            None => self.run_many(&protocols),
        }
    }

    fn run_one(&self, seed: u64, protocols: &[Protocol], level: LevelFilter) -> Result<(), Failure> {
        if let (Some(_), [_, _, ..]) = (&self.trace, protocols) {
            return Err(Failure::of_usage("--trace needs one protocol: add --protocol"));
        }
        let mut telling = Telling::to(level, self.trace.as_deref())?;
        let mut tally = Tally::default();
        for &protocol in protocols {
            let faults = self.faults.as_ref().map(|all| &all.0[..]);
            let told = protocol.tell(seed, self.peers.as_deref(), faults, &mut telling)?;
            telling.finish()?;
            let run = tally::in_words(&told.run);
            stdout::print(format!("{}: {run}\n", protocol.name()).as_bytes())?;
            tally.add(protocol, seed, &told.run);
            if let Some(failed) = told.failed {
                self.write(&tally, Some(&failed), true)?;
                return Err(failed.report()?);
            }
        }
        self.write(&tally, None, true)
    }

    fn run_many(&self, protocols: &[Protocol]) -> Result<(), Failure> {
        let interrupted = interrupted()?;
        let seeds = self.seeds.or_else(|| self.time.is_none().then_some(SEEDS));
        let threads = self.threads.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZero::get);
        let campaign = Campaign { protocols, from: self.from, seeds, time: self.time, interrupted: &interrupted };
        let (tally, end) = campaign.run(threads);
        stdout::print(tally.summary().as_bytes())?;
        match end {
            End::Done => self.write(&tally, None, true),
            End::Interrupted => {
                self.write(&tally, None, false)?;
                Err(Failure::with_status(INTERRUPTED, format!("interrupted after {}", count(tally.worlds, "world"))))
            }
            End::Failed { protocol, seed } => {
                let failed = protocol.shrink(seed);
                self.write(&tally, Some(&failed), false)?;
                Err(failed.report()?)
            }
        }
    }

    fn write(&self, tally: &Tally, failed: Option<&Failed>, is_complete: bool) -> Result<(), Failure> {
        let Some(path) = &self.json else { return Ok(()) };
        let mut results = tally.json();
        results["complete"] = json!(is_complete);
        results["failure"] = json!(failed.map(Failed::json));
        write_whole(path, format!("{results:#}\n").as_bytes())
            .map_err(|error| Failure::of_writing(&path.display().to_string(), &error))
    }
}
