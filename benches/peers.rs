//! Requests per second: an echo of 64 bytes over loopback, from this crate's reactor and from two servers without it: a
//! single-threaded tokio server, and one with a std thread for each connection.
//!
//! The same client drives all of them, as a closed loop: one thread holds all connections on one `mio::Poll`, and each
//! connection sends its next request as soon as it has the reply. The server runs in the same process, in its own
//! threads, and TCP_NODELAY is set on both sides. `reactor, spinning` polls a while before it sleeps, as
//! `multiconn serve` does; the others sleep whenever nothing is ready.
//!
//! Criterion measures the wall-clock time of client and server together, on one machine. That includes the time they
//! take from each other and the time to wake each other, which with one connection is nearly all of it. So this bench
//! shows whether the reactor has become slower, and roughly how it compares. For CPU use, latencies, and comparisons with
//! confidence intervals, use `multiconn bench`: see docs/benchmarks.md.

mod common;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use mio::{Events, Interest, Poll, Token};
use multiconn::protocols::echo::EchoService;
use multiconn::reactor::{Config, Reactor};
use multiconn::selector::MioSelector;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const MESSAGE: [u8; 64] = [b'e'; 64];
/// Maximum bytes that a server or the client reads at once.
const READ_LEN: usize = 4096;
const PATIENCE: Duration = Duration::from_secs(20);

fn peers(criterion: &mut Criterion) {
    let servers: [(&str, Start); 4] = [
        ("reactor", || reactor(Duration::ZERO)),
        ("reactor, spinning", || reactor(Duration::from_micros(20))),
        ("tokio, one thread", tokio_server),
        ("std, threads", thread_server),
    ];
    let mut group = criterion.benchmark_group("peers/echo");
    group.throughput(Throughput::Elements(1)).sampling_mode(SamplingMode::Flat).sample_size(20);
    for connections in [1, 50] {
        for (name, start) in servers {
            let server = start();
            let mut crowd = Crowd::connect(server.addr, connections);
            group.bench_function(BenchmarkId::new(name, connections), |bench| {
                bench.iter_custom(|requests| crowd.converse(requests));
            });
            drop(crowd);
            server.stop();
        }
    }
    group.finish();
}

/// The clients.
struct Crowd {
    poll: Poll,
    events: Events,
    links: Vec<Link>,
}

struct Link {
    stream: mio::net::TcpStream,
    /// Bytes received of the current reply.
    got: usize,
}

impl Crowd {
    fn connect(addr: SocketAddr, connections: usize) -> Crowd {
        let poll = Poll::new().expect("a selector");
        let links = (0..connections).map(|index| {
            let stream = TcpStream::connect(addr).expect("a connection");
            stream.set_nodelay(true).expect("no delay");
            stream.set_nonblocking(true).expect("no waiting");
            let mut stream = mio::net::TcpStream::from_std(stream);
            poll.registry().register(&mut stream, Token(index), Interest::READABLE).expect("it can be watched");
            Link { stream, got: 0 }
        });
        let links = links.collect();
        let mut crowd = Crowd { poll, events: Events::with_capacity(1024), links };
        // One request each, so that all connections are accepted.
        crowd.converse(connections as u64);
        crowd
    }

    /// Sends this number of `requests`, one at a time on each connection, and returns the time until the last reply.
    fn converse(&mut self, requests: u64) -> Duration {
        let began = Instant::now();
        let (mut asked, mut answered) = (0, 0);
        for link in &mut self.links {
            if asked < requests {
                link.ask();
                asked += 1;
            }
        }
        while answered < requests {
            self.poll.poll(&mut self.events, Some(PATIENCE)).expect("the selector works");
            assert!(!self.events.is_empty(), "no reply for {PATIENCE:?}");
            for event in &self.events {
                let link = &mut self.links[event.token().0];
                if link.is_answered() {
                    answered += 1;
                    if asked < requests {
                        link.ask();
                        asked += 1;
                    }
                }
            }
        }
        began.elapsed()
    }
}

impl Link {
    fn ask(&mut self) {
        let len = self.stream.write(&MESSAGE).expect("there is room for a request");
        assert_eq!(len, MESSAGE.len());
    }

    /// Reads once, and returns whether that completed a reply. A short read empties the socket, so later bytes cause
    /// another event.
    fn is_answered(&mut self) -> bool {
        let mut reply = [0; READ_LEN];
        let len = match self.stream.read(&mut reply) {
            Ok(0) => panic!("the server has closed"),
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            Err(error) => panic!("no reply: {error}"),
        };
        assert_eq!(MESSAGE.get(self.got..self.got + len), Some(&reply[..len]), "it is an echo");
        self.got = (self.got + len) % MESSAGE.len();
        self.got == 0
    }
}

type Start = fn() -> Server;

/// A server in its own threads.
struct Server {
    addr: SocketAddr,
    stop: Box<dyn FnOnce()>,
    thread: JoinHandle<()>,
}

impl Server {
    /// Stops the server, once its clients have closed, and waits until it has ended.
    fn stop(self) {
        (self.stop)();
        self.thread.join().expect("it did not panic");
    }

    /// A server that runs `serve`, which must return once the flag is set and one more client has connected.
    fn accepting(serve: impl FnOnce(TcpListener, &AtomicBool) + Send + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("its address");
        let is_over = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&is_over);
        let thread = thread::spawn(move || serve(listener, &flag));
        let stop = move || {
            is_over.store(true, Ordering::Release);
            drop(TcpStream::connect(addr));
        };
        Server { addr, stop: Box::new(stop), thread }
    }
}

/// This crate's server.
fn reactor(spin: Duration) -> Server {
    let selector = MioSelector::new().expect("a selector");
    let mut reactor = Reactor::new(selector, EchoService::default(), Config { spin, ..Config::default() });
    let addr = reactor.listen("127.0.0.1:0").expect("a free port")[0];
    let handle = reactor.handle();
    let thread = thread::spawn(move || reactor.run().expect("the selector works"));
    Server { addr, stop: Box::new(move || handle.stop()), thread }
}

/// A tokio server: one thread, and a task for each connection.
fn tokio_server() -> Server {
    Server::accepting(|listener, is_over| {
        listener.set_nonblocking(true).expect("no waiting");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("it can be watched");
            while let Ok((mut stream, _)) = listener.accept().await {
                if is_over.load(Ordering::Acquire) {
                    break;
                }
                stream.set_nodelay(true).expect("no delay");
                tokio::spawn(async move {
                    let mut buffer = [0; READ_LEN];
                    while let Ok(len @ 1..) = stream.read(&mut buffer).await {
                        if stream.write_all(&buffer[..len]).await.is_err() {
                            break;
                        }
                    }
                });
            }
        });
    })
}

/// A std server: a thread for each connection.
fn thread_server() -> Server {
    Server::accepting(|listener, is_over| {
        // The scope waits for all threads at the end.
        thread::scope(|scope| {
            while let Ok((mut stream, _)) = listener.accept() {
                if is_over.load(Ordering::Acquire) {
                    break;
                }
                stream.set_nodelay(true).expect("no delay");
                scope.spawn(move || {
                    let mut buffer = [0; READ_LEN];
                    while let Ok(len @ 1..) = stream.read(&mut buffer) {
                        if stream.write_all(&buffer[..len]).is_err() {
                            break;
                        }
                    }
                });
            }
        });
    })
}

criterion_group! {
    name = benches;
    config = common::criterion();
    targets = peers
}
criterion_main!(benches);
