//! The cost of deadlines to a reactor, with many connections and with few.
//!
//! The timer queue is private to the reactor, so the benches measure turns of a reactor without sockets or a protocol,
//! on a clock that they set. Each also runs without deadlines: the difference is the cost of the timers.
//!
//! - `move on`: one connection after the other gets a message, which moves its deadline, ten times per timeout. So for
//!   every tenth message, a timer fires early and is set again.
//! - `come and go`: beside the given number of connections, another one opens, gets a message and closes, and leaves its
//!   timer behind.
//! - `pass`: the deadlines of all connections pass at once, and a turn closes them; without deadlines, all peers end
//!   their side at once.

mod common;

use std::time::{Duration, Instant};

use common::stage::Staged;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use multiconn::session::{Peer, Progress, Service, Session, SessionError, SessionIo};

const TIMEOUT: Duration = Duration::from_secs(60);
const MESSAGES_PER_TIMEOUT: u32 = 10;
const MESSAGE: &[u8] = b"message";
const VARIANTS: [(&str, Option<Duration>); 2] = [("no deadlines", None), ("deadlines", Some(TIMEOUT))];

/// A session that drops its input, and fails after this `timeout` without any.
struct Patient {
    timeout: Option<Duration>,
    deadline: Option<Instant>,
}

impl Session for Patient {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        // Lets the connection close at once, whatever its peer may still send.
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

/// A reactor with this number of `connections`, each of which has received a message.
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
