//! What deadlines cost a reactor, with many connections and with few.
//!
//! The queue of timers is the reactor's own, so it's measured where it works: in turns of a reactor, but one with neither
//! sockets nor a protocol, on a clock that is moved by hand. What is left is the loop and its timers, and each is measured
//! without deadlines as well: the difference is what the timers take.
//!
//! - `move on`: each connection in turn gets a message, which moves its deadline on, ten times in each timeout. So for every
//!   tenth message a timer goes off early, and is set anew.
//! - `come and go`: while so many connections stay, another comes, gets a message and goes, and leaves its timer behind.
//! - `pass`: the deadlines of all connections pass at once, and a turn closes them; without deadlines, all peers end at
//!   once.

mod common;

use std::time::{Duration, Instant};

use common::stage::Staged;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use multiconn::session::{Peer, Progress, Service, Session, SessionError, SessionIo};

const TIMEOUT: Duration = Duration::from_secs(60);
const MESSAGES_PER_TIMEOUT: u32 = 10;
const MESSAGE: &[u8] = b"message";
const VARIANTS: [(&str, Option<Duration>); 2] = [("no deadlines", None), ("deadlines", Some(TIMEOUT))];

/// Takes what comes, and gives its peer so long for more.
struct Patient {
    timeout: Option<Duration>,
    deadline: Option<Instant>,
}

impl Session for Patient {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        // So that each is closed at once, whatever its peer may still send.
        io.ignore_input();
        if io.input_ended() {
            return Ok(Progress::Finished);
        }
        if io.input().take_all().is_empty() && self.deadline.is_some_and(|deadline| now >= deadline) {
            return Err(SessionError::timed_out("nothing came"));
        }
        self.deadline = self.timeout.map(|timeout| now + timeout);
        Ok(Progress::NeedInput)
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}

/// So many `connections`, each of which has sent a message.
fn staged(connections: usize, timeout: Option<Duration>) -> Staged<impl Service> {
    let mut staged = Staged::new(move |_: &Peer| Patient { timeout, deadline: None }, connections);
    staged.clients.iter().for_each(|client| client.send(MESSAGE));
    staged.turn();
    staged
}

fn move_on(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("timers/move on");
    group.throughput(Throughput::Elements(1));
    for connections in [1, 100, 10_000] {
        for (name, timeout) in VARIANTS {
            let mut staged = staged(connections, timeout);
            let pause = TIMEOUT / MESSAGES_PER_TIMEOUT / connections as u32;
            let mut next = 0;
            group.bench_function(BenchmarkId::new(name, connections), |bench| {
                bench.iter(|| {
                    staged.stage.pass(pause);
                    staged.clients[next].send(MESSAGE);
                    staged.turn();
                    next = (next + 1) % connections;
                });
            });
        }
    }
    group.finish();
}

fn come_and_go(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("timers/come and go");
    group.throughput(Throughput::Elements(1));
    for connections in [0, 10_000] {
        for (name, timeout) in VARIANTS {
            let mut staged = staged(connections, timeout);
            group.bench_function(BenchmarkId::new(name, connections), |bench| {
                bench.iter(|| {
                    let client = staged.stage.connect();
                    client.send(MESSAGE);
                    staged.turn();
                    client.end();
                    staged.turn();
                });
            });
        }
    }
    group.finish();
}

fn pass(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("timers/pass");
    for connections in [100, 10_000] {
        group.throughput(Throughput::Elements(connections as u64));
        for (name, timeout) in VARIANTS {
            let before = || {
                let staged = staged(connections, timeout);
                match timeout {
                    Some(timeout) => staged.stage.pass(timeout),
                    None => staged.clients.iter().for_each(|client| client.end()),
                }
                staged
            };
            group.bench_function(BenchmarkId::new(name, connections), |bench| {
                bench.iter_batched_ref(before, |staged| staged.turn(), BatchSize::PerIteration);
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = common::criterion();
    targets = move_on, come_and_go, pass
}
criterion_main!(benches);
