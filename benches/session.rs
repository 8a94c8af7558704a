//! The cost of one call of a session, from input to output, without a socket, a loop or a system call.
//!
//! A session that serves many messages gets one after the other; one that finishes after a message is created anew for
//! each.

mod common;

use std::hint::black_box;
use std::time::Instant;

use criterion::{Criterion, criterion_group, criterion_main};
use multiconn::protocols::app::{AppService, Request};
use multiconn::protocols::echo::{Echo, EchoService};
use multiconn::protocols::fixed::{self, FixedService};
use multiconn::protocols::multiply::MultiplyService;
use multiconn::session::testing::Harness;
use multiconn::session::{Progress, Service, Session};

/// Calls a session with `bytes`, all of which it has to use.
fn call(session: &mut Harness<impl Session>, bytes: &[u8], now: Instant) -> Progress {
    session.output.clear();
    session.feed(black_box(bytes));
    let progress = session.call(now).expect("a good request");
    debug_assert!(session.unused().is_empty() && !session.output.is_empty());
    progress
}

/// Calls a session with `message` over and over.
fn bench_kept(criterion: &mut Criterion, name: &str, mut service: impl Service, message: &[u8]) {
    let (peer, now) = (common::peer(), Instant::now());
    let mut session = Harness::new(service.accept(&peer));
    criterion.bench_function(name, |bench| bench.iter(|| call(&mut session, message, now)));
}

/// Calls a new session with each `message`.
fn bench_single(criterion: &mut Criterion, name: &str, mut service: impl Service, message: &[u8]) {
    let (peer, now) = (common::peer(), Instant::now());
    criterion.bench_function(name, |bench| {
        bench.iter(|| call(&mut Harness::new(service.accept(&peer)), message, now));
    });
}

fn app(criterion: &mut Criterion) {
    let search = common::search();
    let binary = common::message(&Request::Binary(b"binary: \xf0\x9f\x98\x83".to_vec()), true);
    let app = AppService::default;
    bench_kept(criterion, "session/app/search", app(), &search);
    bench_kept(criterion, "session/app/binary", app(), &binary);
    bench_kept(criterion, "session/app/16 searches in one call", app(), &search.repeat(16));
    let closed = common::message(&Request::Search("morpheus".into()), false);
    bench_single(criterion, "session/app/search, with a session for it alone", app(), &closed);
}

fn echo(criterion: &mut Criterion) {
    // The echo is sent from the input without a copy, so its length doesn't matter here.
    bench_kept(criterion, "session/echo/64 bytes", EchoService::default(), &[b'e'; 64]);
    bench_kept(criterion, "session/echo/16 KiB", EchoService::default(), &[b'e'; 16 << 10]);
    let prefixed = EchoService::new(Echo { prefix: b"Echo=>"[..].into(), ..Echo::default() });
    bench_kept(criterion, "session/echo/64 bytes, with a prefix", prefixed, &[b'e'; 64]);
}

fn others(criterion: &mut Criterion) {
    bench_single(criterion, "session/fixed/the message", FixedService::default(), &[b'f'; fixed::LEN]);
    let mut line = vec![b'm'; 63];
    line.push(b'\n');
    bench_single(criterion, "session/multiply/a line of 64 bytes", MultiplyService::default(), &line);
}

criterion_group! {
    name = benches;
    config = common::criterion();
    targets = app, echo, others
}
criterion_main!(benches);
