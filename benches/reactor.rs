//! The cost of a reactor's turn, with and without its system calls.
//!
//! Everything runs in one thread: clients send, the reactor takes turns until it has read all of that, and the clients
//! read. Only the turns are measured. They include no wake-ups and no context switches, which are most of a request's
//! time when client and server run in different threads; `peers.rs` measures that.
//!
//! - `tcp`: over loopback, on epoll or kqueue. A turn includes the delivery of its replies, since on loopback the sender
//!   does the receiver's work in the kernel. In `1 of 100`, ninety-nine connections are silent.
//! - `no system`: with a selector that knows at once what is ready, and streams in memory: the cost of the loop itself.

mod common;

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::rc::Rc;
use std::time::{Duration, Instant};

use common::stage::Staged;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use multiconn::protocols::app::AppService;
use multiconn::protocols::echo::EchoService;
use multiconn::reactor::{Config, Reactor};
use multiconn::selector::MioSelector;
use multiconn::session::{Peer, Progress, Service, Session, SessionError, SessionIo};

/// Each crowd's name, number of connections, and number of these that send a request at once.
const CROWDS: [(&str, usize, usize); 4] = [("1", 1, 1), ("10", 10, 10), ("100", 100, 100), ("1 of 100", 100, 1)];
const ECHO: [u8; 64] = [b'e'; 64];

fn tcp(criterion: &mut Criterion) {
    for (name, connections, asking) in CROWDS {
        let loopback = Loopback::new(EchoService::default(), connections, &ECHO);
        bench_tcp(criterion, &format!("echo/{name}"), loopback, asking);
        let loopback = Loopback::new(AppService::default(), connections, &common::search());
        bench_tcp(criterion, &format!("app/{name}"), loopback, asking);
    }
}

fn bench_tcp(criterion: &mut Criterion, name: &str, mut loopback: Loopback<impl Service>, asking: usize) {
    let mut group = criterion.benchmark_group("reactor/tcp");
    group.throughput(Throughput::Elements(asking as u64));
    group.bench_function(name, |bench| {
        bench.iter_custom(|times| (0..times).map(|_| loopback.serve(asking)).sum());
    });
    group.finish();
}

fn no_system(criterion: &mut Criterion) {
    for (name, connections, asking) in CROWDS {
        bench_staged(
            criterion,
            &format!("echo/{name}"),
            Staged::new(EchoService::default(), connections),
            asking,
            &ECHO,
        );
        // Leaked once, since the bench sends the same message over and over.
        let search = common::search().leak();
        bench_staged(
            criterion,
            &format!("app/{name}"),
            Staged::new(AppService::default(), connections),
            asking,
            search,
        );
    }
}

fn bench_staged(
    criterion: &mut Criterion,
    name: &str,
    mut staged: Staged<impl Service>,
    asking: usize,
    request: &'static [u8],
) {
    let mut group = criterion.benchmark_group("reactor/no system");
    group.throughput(Throughput::Elements(asking as u64));
    group.bench_function(name, |bench| {
        bench.iter(|| {
            staged.clients[..asking].iter().for_each(|client| client.send(request));
            staged.turn();
        });
    });
    group.finish();
}

/// A reactor and its clients.
struct Loopback<V: Service> {
    reactor: Reactor<MioSelector, Counting<V>>,
    clients: Vec<TcpStream>,
    request: Vec<u8>,
    reply: Vec<u8>,
}

impl<V: Service> Loopback<V> {
    /// Opens this number of `connections`, and serves one request on each.
    fn new(service: V, connections: usize, request: &[u8]) -> Self {
        let selector = MioSelector::new().expect("a selector");
        let service = Counting { service, used: Rc::default() };
        let mut reactor = Reactor::new(selector, service, Config::default());
        let addr = reactor.listen("127.0.0.1:0").expect("a free port")[0];
        let clients = (0..connections).map(|_| TcpStream::connect(addr).expect("a connection")).collect();
        let mut loopback = Loopback { reactor, clients, request: request.to_vec(), reply: Vec::new() };
        for client in &loopback.clients {
            client.set_nodelay(true).expect("no delay");
            client.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        }
        loopback.reply = loopback.first_reply();
        loopback.serve(connections);
        loopback
    }

    /// The reply to the first client. The reactor sends it with one call, so one read returns all of it.
    fn first_reply(&mut self) -> Vec<u8> {
        self.ask(1);
        let mut reply = vec![0; 4096];
        let len = self.clients[0].read(&mut reply).expect("a reply");
        reply.truncate(len);
        reply
    }

    /// Serves one request of each of the first `asking` clients, and returns the time of the turns that this took.
    fn serve(&mut self, asking: usize) -> Duration {
        let took = self.ask(asking);
        let mut reply = vec![0; self.reply.len()];
        for mut client in &self.clients[..asking] {
            client.read_exact(&mut reply).expect("a reply");
            assert!(reply == self.reply, "{}", reply.escape_ascii());
        }
        took
    }

    fn ask(&mut self, asking: usize) -> Duration {
        for mut client in &self.clients[..asking] {
            client.write_all(&self.request).expect("there is room for a request");
        }
        let used = Rc::clone(&self.reactor.service().used);
        let awaited = used.get() + asking * self.request.len();
        let began = Instant::now();
        // Counts the bytes read, because one turn too many would wait forever.
        while used.get() < awaited {
            self.reactor.turn().expect("the selector works");
        }
        began.elapsed()
    }
}

const PATIENCE: Duration = Duration::from_secs(20);

/// A service that counts the bytes of input that its sessions use.
struct Counting<V> {
    service: V,
    used: Rc<Cell<usize>>,
}

impl<V: Service> Service for Counting<V> {
    type Session = Counted<V::Session>;

    fn accept(&mut self, peer: &Peer) -> Self::Session {
        Counted { session: self.service.accept(peer), used: Rc::clone(&self.used) }
    }
}

struct Counted<T> {
    session: T,
    used: Rc<Cell<usize>>,
}

impl<T: Session> Session for Counted<T> {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        let before = io.input().used();
        let result = self.session.advance(io, now);
        self.used.set(self.used.get() + io.input().used() - before);
        result
    }

    fn deadline(&self) -> Option<Instant> {
        self.session.deadline()
    }

    fn is_idle(&self) -> bool {
        self.session.is_idle()
    }
}

criterion_group! {
    name = benches;
    config = common::criterion();
    targets = tcp, no_system
}
criterion_main!(benches);
