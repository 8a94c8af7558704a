//! Running many worlds, on several threads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::progress::Progress;
use super::protocol::Protocol;
use super::tally::Tally;

/// Many worlds to run: those of some seeds, for each protocol.
pub struct Campaign<'a> {
    pub protocols: &'a [Protocol],
    pub from: u64,
    /// The number of seeds, if there is a bound.
    pub seeds: Option<u64>,
    /// The time after which no other world begins.
    pub time: Option<Duration>,
    pub interrupted: &'a AtomicBool,
}

/// The end of a campaign.
pub enum End {
    Done,
    Interrupted,
    /// A world fails. Of those that were run, it is the one with the lowest seed.
    Failed {
        protocol: Protocol,
        seed: u64,
    },
}

/// What the threads share.
struct Shared {
    next: AtomicU64,
    is_over: AtomicBool,
    sum: Mutex<Sum>,
}

#[derive(Default)]
struct Sum {
    tally: Tally,
    failed: Option<(u64, Protocol)>,
}

impl Campaign<'_> {
    pub fn run(&self, threads: usize) -> (Tally, End) {
        let shared =
            Shared { next: AtomicU64::new(0), is_over: AtomicBool::new(false), sum: Mutex::new(Sum::default()) };
        let progress = Progress::new(self.seeds, self.time);
        thread::scope(|scope| {
            for _ in 1..threads {
                let started = thread::Builder::new().spawn_scoped(scope, || self.work(&shared, &progress));
                // The system has no room for more, so those that run do all the work.
                if started.is_err() {
                    break;
                }
            }
            self.work(&shared, &progress);
        });
        progress.finish();
        let Sum { tally, failed } = shared.sum.into_inner().expect("no thread has panicked");
        let end = match failed {
            Some((seed, protocol)) => End::Failed { protocol, seed },
            None if self.interrupted.load(Ordering::Relaxed) => End::Interrupted,
            None => End::Done,
        };
        (tally, end)
    }

    fn work(&self, shared: &Shared, progress: &Progress) {
        while !(shared.is_over.load(Ordering::Relaxed) || self.interrupted.load(Ordering::Relaxed)) {
            let index = shared.next.fetch_add(1, Ordering::Relaxed);
            if self.seeds.is_some_and(|seeds| index >= seeds) || progress.is_late() {
                return;
            }
            let seed = self.from.wrapping_add(index);
            for &protocol in self.protocols {
                let run = protocol.run(seed);
                let sum = &mut *shared.sum.lock().expect("no thread has panicked");
                sum.tally.add(protocol, seed, &run);
                if run.violation.is_some() && sum.failed.is_none_or(|(lowest, _)| seed < lowest) {
                    sum.failed = Some((seed, protocol));
                    shared.is_over.store(true, Ordering::Relaxed);
                }
                if Some(&protocol) == self.protocols.last() {
                    sum.tally.seeds += 1;
                }
                progress.show(&sum.tally);
            }
        }
    }
}
