//! `multiconn simulate`: servers and clients in simulated worlds, many of them or one in detail.

mod campaign;
mod failed;
mod progress;
mod protocol;
mod story;
mod tally;

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use clap::{Args, ValueEnum};
use log::LevelFilter;
use serde_json::json;

use super::failure::Failure;
use super::signals::{INTERRUPTED, interrupted};
use super::{outputs, stdout, units};
use crate::bench::whole::write_whole;
use crate::sim::coverage;
use crate::text::count;
use campaign::{Campaign, End};
use failed::Failed;
use protocol::{Parts, Protocol};
use story::Telling;
use tally::Tally;

/// Run servers and clients in simulated worlds, each made from a number
///
/// A seed makes a world: limits, peers, and faults of the network and the system. The server runs in it in virtual time,
/// and is judged by what each peer receives and by how each connection ends. Clients are judged by their reports. The
/// world of a failure is shrunk to the smallest that fails in the same way.
///
/// 500 seeds or more of all protocols must cover everything that can happen: the rows of the tables of
/// transitions, the events of the trace, and the kinds of faults. Otherwise the command fails, too.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    multiconn simulate --seeds 10000\n  \
    multiconn simulate --protocol app --time 10m --threads 4\n  \
    multiconn simulate --protocol app --seed 42 -v\n  \
    multiconn simulate --protocol app --seed 42 --html story.html\n\n\
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
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    threads: Option<u32>,
    /// Write the results to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write everything that happens to FILE, as `serve --trace` does; only for one seed of one protocol
    #[arg(long, value_name = "FILE", requires = "seed")]
    trace: Option<PathBuf>,
    /// Write a page to FILE that shows everything that happens; only for one seed of one protocol
    #[arg(long, value_name = "FILE", requires = "seed")]
    html: Option<PathBuf>,
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
        // Many worlds may take hours, so check first.
        let files =
            [("--json", self.json.as_deref()), ("--trace", self.trace.as_deref()), ("--html", self.html.as_deref())];
        outputs::check(files.into_iter().filter_map(|(option, path)| Some((option, path?))), None, &[])?;
        let protocols = self.protocols();
        match self.seed {
            Some(seed) => self.run_one(seed, &protocols, if is_told { level } else { LevelFilter::Off }),
            None => self.run_many(&protocols),
        }
    }

    /// The protocols, each once, in the order in which they were named.
    fn protocols(&self) -> Vec<Protocol> {
        let mut protocols = Vec::new();
        let named = if self.protocol.is_empty() { Protocol::value_variants() } else { &self.protocol };
        for &protocol in named {
            if !protocols.contains(&protocol) {
                protocols.push(protocol);
            }
        }
        protocols
    }

    fn run_one(&self, seed: u64, protocols: &[Protocol], level: LevelFilter) -> Result<(), Failure> {
        for (option, file) in [("--trace", &self.trace), ("--html", &self.html)] {
            if file.is_some() && protocols.len() > 1 {
                return Err(Failure::of_usage(format!("{option} needs one protocol: add --protocol")));
            }
        }
        let faults = self.faults.as_ref().map(|all| &all.0[..]);
        let parts = Parts { peers: self.peers.as_deref(), faults };
        protocols.iter().try_for_each(|protocol| protocol.check(seed, parts))?;
        let title = || format!("multiconn: {}, seed {seed}", protocols[0].name());
        let page = self.html.as_deref().map(|path| (path, title()));
        let interrupted = interrupted()?;
        let mut telling = Telling::to(level, self.trace.as_deref(), page, &interrupted)?;
        let mut tally = Tally::default();
        for &protocol in protocols {
            let told = protocol.tell(seed, parts, &mut telling)?;
            telling.finish()?;
            let run = tally::in_words(&told.run);
            stdout::print(format!("{}: {run}\n", protocol.name()).as_bytes())?;
            tally.add(protocol, seed, &told.run);
            if let Some(failed) = told.failed {
                let (printed, written) = (failed.print(), self.write(&tally, Some(&failed), true));
                let failures = [Some(failed.failure()), printed.err(), written.err()];
                return Failure::all_of(failures.into_iter().flatten().collect());
            }
            if interrupted.load(Ordering::Relaxed) {
                let why = format!("interrupted at {}, seed {seed}", protocol.name());
                let (failure, written) = (Failure::with_status(INTERRUPTED, why), self.write(&tally, None, false));
                return Failure::all_of([Some(failure), written.err()].into_iter().flatten().collect());
            }
        }
        tally.seeds = 1;
        self.write(&tally, None, true)
    }

    fn run_many(&self, protocols: &[Protocol]) -> Result<(), Failure> {
        let interrupted = interrupted()?;
        let seeds = self.seeds.or_else(|| self.time.is_none().then_some(SEEDS));
        if seeds.is_some_and(|seeds| self.from.checked_add(seeds - 1).is_none()) {
            return Err(Failure::of_usage(format!("--from {}: the largest seed is {}", self.from, u64::MAX)));
        }
        let processors = || thread::available_parallelism().map_or(1, NonZero::get);
        let threads = self.threads.map_or_else(processors, |threads| threads as usize);
        let campaign = Campaign { protocols, from: self.from, seeds, time: self.time, interrupted: &interrupted };
        let (tally, end) = campaign.run(threads);
        // An output that fails keeps nothing from the others, and the campaign's own failure comes first.
        let mut printed = stdout::print(tally.summary().as_bytes());
        let (failed, failure) = match end {
            End::Done => (None, covers_everything(protocols, &tally).err()),
            End::Interrupted => {
                let failure =
                    Failure::with_status(INTERRUPTED, format!("interrupted after {}", count(tally.seeds, "seed")));
                let hint = format!("go on with --from {}", self.from.wrapping_add(tally.seeds));
                (None, Some(failure.with_hint(&hint)))
            }
            End::Failed { protocol, seed } => {
                let failed = protocol.shrink(seed, &interrupted);
                printed = printed.and_then(|()| failed.print());
                let failure = failed.failure();
                (Some(failed), Some(failure))
            }
        };
        let written = self.write(&tally, failed.as_ref(), matches!(end, End::Done));
        Failure::all_of([failure, printed.err(), written.err()].into_iter().flatten().collect())
    }

    fn write(&self, tally: &Tally, failed: Option<&Failed>, is_complete: bool) -> Result<(), Failure> {
        let Some(path) = &self.json else { return Ok(()) };
        let mut results = tally.json();
        results["complete"] = json!(is_complete);
        results["failure"] = json!(failed.map(Failed::json));
        write_whole(path, format!("{results:#}\n").as_bytes()).map_err(|error| Failure::of_writing_file(path, &error))
    }
}

/// Checks that the seeds, if they are enough, cover everything that can happen, and that nothing has happened
/// that is said to be impossible.
fn covers_everything(protocols: &[Protocol], tally: &Tally) -> Result<(), Failure> {
    let are_all = Protocol::value_variants().iter().all(|protocol| protocols.contains(protocol));
    let are_enough = are_all && tally.seeds >= coverage::SEEDS;
    let (missing, impossible) = (tally.coverage.missing(), tally.coverage.impossible());
    let mut failures = Vec::new();
    if are_enough && !missing.is_empty() {
        failures.push(Failure::new(format!("{} seeds don't cover {}", tally.seeds, missing.join(", "))));
    }
    if !impossible.is_empty() {
        failures.push(Failure::new(format!("said to be impossible, but seen: {}", impossible.join(", "))));
    }
    Failure::all_of(failures)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Event;

    #[test]
    fn many_seeds_of_all_protocols_must_cover_everything_and_nothing_else() {
        let all = Protocol::value_variants();
        let covers = |protocols, seeds, event: Option<Event<'_>>| {
            let mut tally = Tally { seeds, ..Tally::default() };
            event.iter().for_each(|event| tally.coverage.saw(event));
            covers_everything(protocols, &tally).map_err(|failure| (failure.status(), failure.to_string()))
        };
        assert_eq!(covers(all, coverage::SEEDS - 1, None), Ok(()));
        assert_eq!(covers(&all[1..], coverage::SEEDS, None), Ok(()));
        let (status, why) = covers(all, coverage::SEEDS, None).unwrap_err();
        assert_eq!(status, 1);
        let (missing, last) =
            ("500 seeds don't cover connecting --[ connected ]-->, ", ", fault clock jumps, fault wakes");
        assert!(why.starts_with(missing) && why.ends_with(last), "{why}");
        assert_eq!(
            covers(all, 1, Some(Event::OutputEnded)),
            Err((1, "said to be impossible, but seen: event output_ended".to_owned()))
        );
    }
}
