//! A warm connection serves a message without touching the allocator; a large value, and a long string for many peers,
//! take little memory.

use std::cell::Cell;
use std::io::{Read, Write};
use std::iter::repeat_n;
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use allocation_counter::measure;
use multiconn::message::{Heading, write_message};
use multiconn::protocols::accumulate::AccumulateService;
use multiconn::protocols::app::{AppService, Request};
use multiconn::protocols::echo::EchoService;
use multiconn::reactor::{Config, Reactor};
use multiconn::selector::MioSelector;
use multiconn::selector::sim::SimNet;
use multiconn::session::Service;
use multiconn::session::testing::{Harness, PEER};
use multiconn::sim::subjects::{AppSubject, GetFileSubject};
use multiconn::sim::{Subject, World, run};

/// Allocations of a reactor that serves one connection, on which `request` is sent over and over, and answered with
/// replies of these lengths.
fn allocations(
    service: impl Service,
    request: &[u8],
    reply_lens: impl IntoIterator<Item = usize> + Send + 'static,
) -> u64 {
    let mut reactor = Reactor::new(MioSelector::new().unwrap(), service, Config::default());
    let addr = reactor.listen("127.0.0.1:0").unwrap()[0];
    let handle = reactor.handle();
    let request = request.to_vec();
    let client = thread::spawn(move || {
        converse(addr, &request, reply_lens);
        handle.stop();
    });
    // Counts what this thread does, which is all that the reactor does.
    let counted = measure(|| reactor.run().unwrap());
    client.join().unwrap();
    counted.count_total
}

fn converse(addr: SocketAddr, request: &[u8], reply_lens: impl IntoIterator<Item = usize>) {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut reply = Vec::new();
    for len in reply_lens {
        reply.resize(len, 0);
        stream.write_all(request).unwrap();
        stream.read_exact(&mut reply).unwrap();
    }
}

fn message(request: &Request) -> Vec<u8> {
    let mut message = Vec::new();
    request.write(&mut message, true);
    message
}

#[track_caller]
fn assert_no_steady_state_allocation<V: Service>(service: impl Fn() -> V, request: &[u8], reply_len: usize) {
    let few = allocations(service(), request, repeat_n(reply_len, 50));
    let many = allocations(service(), request, repeat_n(reply_len, 1050));
    assert_eq!(many, few, "1000 more messages must not cost one more allocation");
}

/// The length of a kept reply of two digits' content: its header is 0x67 bytes without the word that keeps it.
fn reply_len(content: &str) -> usize {
    2 + 0x67 + r#", "connection": "keep-alive""#.len() + content.len()
}

#[test]
fn a_search_allocates_nothing() {
    let reply_len = reply_len(r#"{"result": "Follow the white rabbit. 🐰"}"#);
    assert_no_steady_state_allocation(AppService::default, &message(&Request::Search("morpheus".into())), reply_len);
}

#[test]
fn a_search_in_vain_allocates_nothing() {
    let reply_len = reply_len(r#"{"result": "No match for 'needle'."}"#);
    assert_no_steady_state_allocation(AppService::default, &message(&Request::Search("needle".into())), reply_len);
}

#[test]
fn bytes_and_sums_allocate_nothing() {
    let more = "binary/custom-server-binary-type".len() + "binary".len() - "text/json".len() - "utf-8".len();
    let len = reply_len("First 10 bytes of request: 0123456789") + more;
    assert_no_steady_state_allocation(AppService::default, &message(&Request::Binary(b"0123456789".to_vec())), len);
    // One digit of content-length less.
    let len = reply_len("12345678") + "binary/i64".len() + "binary".len() - "text/json".len() - "utf-8".len() - 1;
    assert_no_steady_state_allocation(AppService::default, &message(&Request::Sum(vec![1, -2, 3])), len);
}

#[test]
fn echo_allocates_nothing() {
    assert_no_steady_state_allocation(EchoService::default, &[b'e'; 16 << 10], 16 << 10);
}

#[test]
fn a_short_string_of_all_clients_allocates_nothing() {
    // Between these lengths no buffer doubles.
    let [few, many] = [600, 1000].map(|len| allocations(AccumulateService::default(), b"x", 1..=len));
    assert_eq!(many, few, "400 more replies must not cost one more allocation");
}

/// The most bytes in use while a request with the action `value` is answered, and the length of the answer.
fn memory_for(value: &str) -> (u64, usize) {
    let mut server = Harness::new(AppService::default().accept(&PEER));
    let mut request = Vec::new();
    write_message(&mut request, Heading::json(false), |content| {
        content.extend_from_slice(format!("{{\"action\": {value}}}").as_bytes());
    });
    server.feed(&request);
    let taken = measure(|| assert!(server.call(Instant::now()).is_ok()));
    (taken.bytes_max, server.take_output().len())
}

#[test]
fn a_large_value_is_told_back_in_little_memory() {
    const LEN: usize = 1 << 18;
    let list = |element: &str| format!("[{}]", vec![element; LEN / (element.len() + 1)].join(","));
    let members = |key: fn(usize) -> usize| {
        let members: Vec<String> = (0..LEN / 10).map(|number| format!("\"{:05x}\":0", key(number))).collect();
        format!("{{{}}}", members.join(","))
    };
    let deep = format!("{}1{}", "[".repeat(60), "]".repeat(60));
    let text = |piece: &str| format!("\"{}\"", piece.repeat((LEN - 2) / piece.len()));
    let long = format!("\"{}\"", "x".repeat(LEN - 2000));
    let nested = (0..60).fold(long, |value, _| format!(r#"{{"a":0,"b":0,"a":{value}}}"#));

    for (value, halves) in [
        (list("1"), 3),
        (list("12.5"), 3),
        (list("1e5"), 4),
        (list("null"), 3),
        (list("[]"), 3),
        (list(&deep), 3),
        (list("\"\""), 3),
        (list(r#"{"a":1}"#), 3),
        (list(r#"{"id":12345,"name":"Some Name","tags":["a","b"],"ok":true}"#), 3),
        (list(r#"{"a":1,"a":2}"#), 4),
        (list(r#"{"a":0,"":0,"":0,"a":0}"#), 4),
        (text("some text, "), 3),
        (text(r"so\u00e9e\n"), 5),
        (format!("[{}]", text("some text, ")), 3),
        (format!("[{}]", text(r"so\u00e9e\n")), 4),
        (format!("[{}]", text(r#"\"'"#)), 4),
        // The places of keys are noted.
        (members(|number| number), 5),
        // And members are moved.
        (members(|number| number.max(1)), 6),
        (nested, 5),
    ] {
        let (taken, reply) = memory_for(&value);
        let shown = &value[..20];
        assert!(taken <= halves * reply as u64 / 2, "{taken} for {shown}…, answered with {reply}");
    }
    // Of members whose key comes again, not all are kept until the end.
    for value in [members(|_| 0), members(|number| number % 7), members(|number| number % (LEN / 20))] {
        let (taken, _) = memory_for(&value);
        assert!(taken <= 4 * LEN as u64, "{taken} for {}…", &value[..20]);
    }
}

#[test]
fn peers_that_read_nothing_share_a_long_string() {
    const PEERS: u32 = 100;

    let net = SimNet::new(1);
    let mut service = AccumulateService::new(1 << 20);
    let mut writer = Harness::new(service.accept(&PEER));
    writer.feed(&[b'x'; 700 << 10]);
    assert!(writer.call(Instant::now()).is_ok());
    let string = service.string();
    let config = Config::default();
    let memory = config.connection.memory.clone();
    let mut reactor = Reactor::new(net.selector(), service, config);
    let addr = SocketAddr::from(([10, 0, 0, 1], 2000));
    reactor.add_listener(net.listener(addr)).unwrap();
    for n in 0..PEERS {
        let at = Duration::from_secs(1) + n * Duration::from_millis(10);
        net.client_at(at, addr).window(1000).reads_nothing().send_at(at, "y").send_at(at + Duration::from_secs(3), "z");
    }
    let handle = reactor.handle();
    let charged = Rc::new(Cell::new(0));
    let cell = Rc::clone(&charged);
    net.at(Duration::from_secs(10), move || {
        cell.set(memory.used());
        handle.stop();
    });
    let taken = measure(|| reactor.run().unwrap());
    println!("{PEERS} peers take {} bytes, and {} are accounted for", taken.bytes_max, charged.get());
    assert_eq!(string.get().len(), (700 << 10) + PEERS as usize, "one reply to each waits");
    // The end of the string, which is not shared, has less than 16 KiB.
    assert!(taken.bytes_max < u64::from(PEERS) * (20 << 10), "{} bytes for {PEERS} peers", taken.bytes_max);
    assert!(charged.get() as u64 > taken.bytes_max / 2, "{} bytes are accounted for", charged.get());
}

#[test]
#[cfg(feature = "cli")]
fn a_request_that_is_measured_and_its_reply_allocate_nothing() {
    use multiconn::bench::raw::{Check, End, Framing, Partial, Template};

    for end in [End::Length(7), End::Delimiter(b"\n".to_vec()), End::Regex(r"\d+ ok\n".parse().unwrap())] {
        let framing = Framing::new(end, 100).unwrap();
        let text: Template = "{i:3} ok\\n".parse().unwrap();
        let check = Check::Bytes(text.clone());
        let (mut partial, mut bytes, mut scratch) = (Partial::default(), Vec::new(), Vec::new());
        let mut exchange = |number| {
            bytes.clear();
            text.write(number, &mut bytes);
            let mut replies = 0;
            for piece in bytes.chunks(4) {
                let is_right = |reply: &[u8]| {
                    replies += 1;
                    check.check(number, reply, &mut scratch)
                };
                partial.take(&framing, piece, is_right).unwrap();
            }
            assert_eq!(replies, 1);
        };
        exchange(0);
        assert_eq!(measure(|| (1..1000).for_each(&mut exchange)).count_total, 0);
    }
}

#[test]
fn a_simulated_world_leaves_nothing_behind() {
    fn passes(seed: u64, subject: &impl Subject) -> bool {
        run(&World::new(seed, subject)).violation.is_none()
    }
    let worlds =
        || (0..40).all(|seed| passes(seed, &AppSubject::default()) && passes(seed, &GetFileSubject::default()));
    // Once for what is created on first use.
    assert!(worlds());
    let counted = measure(|| assert!(worlds()));
    assert_eq!((counted.count_current, counted.bytes_current), (0, 0));
}
