//! What a message costs without a socket: decoding, encoding, and a whole request.

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use multiconn::buffer::{Input, Outgoing};
use multiconn::message::{Heading, Jsonheader, Limits, MessageReader, write_message};
use multiconn::protocols::app::{AppService, Request};
use multiconn::session::{LocalName, Peer, Service, Session, SessionIo, Wakers};

fn search(keep_alive: bool) -> Vec<u8> {
    let mut message = Vec::new();
    Request::Search("morpheus".into()).write(&mut message, keep_alive);
    message
}

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
    for (name, message) in [("whole message", search(true)), ("16 messages", search(true).repeat(16))] {
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

fn request(criterion: &mut Criterion) {
    let peer = Peer { addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)), number: None };
    let now = Instant::now();
    let mut group = criterion.benchmark_group("request to reply");
    let binary = {
        let mut message = Vec::new();
        Request::Binary(b"binary: \xf0\x9f\x98\x83".to_vec()).write(&mut message, true);
        message
    };
    for (name, message) in [("search", search(true)), ("binary", binary), ("16 searches", search(true).repeat(16))] {
        let mut session = AppService::default().accept(&peer);
        let mut out = Outgoing::default();
        group.throughput(Throughput::Bytes(message.len() as u64));
        group.bench_function(name, |bench| {
            bench.iter(|| {
                out.clear();
                let mut io = SessionIo {
                    input: Input::new(black_box(&message)),
                    output: out.output(64 << 10),
                    input_ended: false,
                    hung_up: false,
                    messages_left: u32::MAX,
                    peer: &peer,
                    wakers: Wakers::default(),
                    local: LocalName::default(),
                };
                session.advance(&mut io, now).expect("a good request")
            });
        });
    }
    group.finish();
}

criterion_group!(benches, decode, encode, request);
criterion_main!(benches);
