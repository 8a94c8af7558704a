//! The cost of messages: decoding a header, one message, and sixteen in a row; encoding one.

mod common;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use multiconn::buffer::Input;
use multiconn::message::{Heading, Jsonheader, Limits, MessageReader, write_message};

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    let limits = Limits::default();
    let plain =
        br#"{"byteorder": "little", "content-type": "text/json", "content-encoding": "utf-8", "content-length": 41}"#;
    let other = br#"{"content-length":41,"content-encoding":"utf-8","content-type":"text/json","byteorder":"little"}"#;
    group.bench_function("header as the tutorial spells it", |bench| {
        bench.iter(|| Jsonheader::parse(black_box(plain), &limits));
    });
    group.bench_function("header in another spelling", |bench| {
        bench.iter(|| Jsonheader::parse(black_box(other), &limits));
    });
    for (name, message) in [("whole message", common::search()), ("16 messages", common::search().repeat(16))] {
        group.throughput(Throughput::Bytes(message.len() as u64));
        group.bench_function(name, |bench| {
            let mut reader = MessageReader::default();
            bench.iter(|| {
                let mut input = Input::new(black_box(&message));
                while let Some(message) = reader.read(&mut input, &limits).expect("a good message") {
                    black_box(message);
                }
            });
        });
    }
    group.finish();
}

fn encode(criterion: &mut Criterion) {
    let mut out = Vec::new();
    criterion.bench_function("encode/whole message", |bench| {
        bench.iter(|| {
            out.clear();
            write_message(&mut out, Heading::json(true), |content| {
                content.extend_from_slice(black_box(br#"{"action": "search", "value": "morpheus"}"#));
            });
        });
    });
}

criterion_group! {
    name = benches;
    config = common::criterion();
    targets = decode, encode
}
criterion_main!(benches);
