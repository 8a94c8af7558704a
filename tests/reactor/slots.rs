//! Slots, ids and timers when connections come and go.

use std::cell::Cell;
use std::collections::HashSet;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use multiconn::address::Addr;
use multiconn::protocols::echo::EchoService;
use multiconn::reactor::{Config, Reactor};
use multiconn::selector::sim::{Counts, SimListener, SimNet, SimSelector, SimStream};
use multiconn::selector::{Event, Interest, Readiness, Selector, Token, Waker};

use crate::support::{Recorder, echo_server, millis, run, seconds, server_addr};

#[test]
fn an_old_timer_leaves_the_slot_s_new_connection_alone() {
    let mut server = echo_server(Config::default());
    let old = server.client_at(seconds(1));
    old.send_at(seconds(2), "old").end_at(seconds(30));
    let new = server.client_at(seconds(31));
    new.send_at(seconds(70), "new");
    server.run_until(seconds(300));
    assert_eq!(new.received(), b"new");
    assert_eq!(server.end_of(&new), (seconds(130), "idle for 60s".into()));
}

/// A selector that tells in each turn that sources are ready for everything which are not.
struct Chatterbox {
    inner: SimSelector,
    about: About,
    watched: HashSet<Token>,
    closed: HashSet<Token>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    /// No source: it's silent.
    None,
    /// Those closed already.
    Closed,
    /// Every one that it has ever watched.
    All,
}

impl Selector for Chatterbox {
    type Stream = SimStream;
    type Listener = SimListener;

    fn now(&self) -> Instant {
        self.inner.now()
    }

    fn select(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        self.inner.select(events, timeout)?;
        let readiness = Readiness { readable: true, writable: true, read_closed: true, urgent: false };
        let about_all = self.watched.iter().filter(|_| self.about == About::All);
        let about_closed = self.closed.iter().filter(|_| self.about != About::None);
        events.extend(about_all.chain(about_closed).map(|&token| Event { token, readiness }));
        Ok(())
    }

    fn waker(&self) -> Waker {
        self.inner.waker()
    }

    fn register(&mut self, stream: &mut SimStream, token: Token, interest: Interest) -> io::Result<()> {
        assert!(!self.closed.contains(&token), "{token:?} is another connection's");
        assert!(self.watched.insert(token), "{token:?} is watched already");
        self.inner.register(stream, token, interest)
    }

    fn reregister(&mut self, stream: &mut SimStream, token: Token, interest: Interest) -> io::Result<()> {
        self.inner.reregister(stream, token, interest)
    }

    fn deregister(&mut self, stream: &mut SimStream, token: Token) -> io::Result<()> {
        self.inner.deregister(stream, token)
    }

    fn close(&mut self, stream: SimStream, token: Token) {
        self.watched.remove(&token);
        self.closed.insert(token);
        self.inner.close(stream, token);
    }

    fn watch_listener(&mut self, listener: &mut SimListener, token: Token) -> io::Result<()> {
        self.watched.insert(token);
        self.inner.watch_listener(listener, token)
    }

    fn unwatch_listener(&mut self, listener: &mut SimListener, token: Token) -> io::Result<()> {
        self.inner.unwatch_listener(listener, token)
    }

    fn accept(&mut self, listener: &mut SimListener) -> io::Result<(SimStream, Addr)> {
        self.inner.accept(listener)
    }

    fn connect(&mut self, addr: Addr) -> io::Result<SimStream> {
        self.inner.connect(addr)
    }
}

#[test]
fn events_of_old_connections_reach_no_new_one() {
    // One read that is tried in vain would tell.
    assert_eq!(serve_in_one_slot(About::Closed).reads, serve_in_one_slot(About::None).reads);
}

#[test]
fn false_events_do_no_harm() {
    assert!(serve_in_one_slot(About::All).reads > serve_in_one_slot(About::None).reads);
}

/// Serves twenty peers one after the other, and another in the same slot that stays, and returns what was called.
fn serve_in_one_slot(about: About) -> Counts {
    let net = SimNet::new(1);
    let selector = Chatterbox { inner: net.selector(), about, watched: HashSet::new(), closed: HashSet::new() };
    let recorder = Recorder::new(EchoService::default(), &net);
    let log = recorder.log();
    let mut reactor = Reactor::new(selector, recorder, Config::default());
    reactor.add_listener(net.listener(server_addr())).unwrap();
    let peers: Vec<_> = (1..=20)
        .map(|n| {
            let peer = net.client_at(seconds(n), server_addr());
            peer.send_at(seconds(n) + millis(100), "hello").end_at(seconds(n) + millis(200));
            peer
        })
        .collect();
    let last = net.client_at(seconds(30), server_addr());
    last.window(3).send_at(seconds(40), "hello").send_at(seconds(50), "again");
    let handle = reactor.handle();
    net.at(seconds(60), move || handle.stop());
    run(&mut reactor).unwrap();
    for (peer, n) in peers.iter().zip(1..) {
        assert_eq!((peer.received(), peer.end_seen()), (b"hello".to_vec(), Some(seconds(n) + millis(200))));
    }
    assert_eq!((last.received(), last.end_seen()), (b"helloagain".to_vec(), Some(seconds(60))));
    assert_eq!(log.borrow().ends.len(), 21);
    net.counts()
}

#[test]
fn short_connections_leave_no_pile_of_timers() {
    let mut server = echo_server(Config::default());
    let turns: Rc<Cell<[Counts; 2]>> = Rc::default();
    // Each waits, so that its idle timer is set, and each at another time, so that each timer would wake the loop once.
    for n in 0..20_000u64 {
        let at = seconds(1) + Duration::from_micros(n * 1000);
        let peer = server.client_at(at);
        peer.send_at(at + Duration::from_micros(300), "hello").end_at(at + Duration::from_micros(600));
    }
    for (index, at) in [(0, seconds(22)), (1, seconds(200))] {
        let (turns, net) = (Rc::clone(&turns), server.net.clone());
        server.net.at(at, move || {
            let mut both = turns.get();
            both[index] = net.counts();
            turns.set(both);
        });
    }
    server.run_until(seconds(300));
    assert_eq!(server.log.borrow().ends.len(), 20_000);
    assert!(server.log.borrow().ends.iter().all(|ended| ended.at < seconds(22)));
    let [before, after] = turns.get();
    let idle_turns = (after - before).selects;
    assert!(idle_turns < 1100, "{idle_turns} turns for timers of connections that are gone");
    assert_eq!((after - before).reads, 0);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let net = SimNet::new(seed);
        net.split_reads();
        let mut server = crate::support::Server::on(&net, EchoService::default(), Config::default());
        let peers: Vec<_> = (0..30).map(|n| server.client_at(seconds(n / 7))).collect();
        for (peer, n) in peers.iter().zip(0..) {
            peer.window(500).send_at(seconds(1 + n % 5), vec![n as u8; 3000]).end_at(seconds(8));
        }
        server.run_until(seconds(9));
        (net.counts(), peers.iter().map(|peer| peer.received().len()).collect::<Vec<_>>())
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7).0, run(8).0, "another seed, another course");
    assert_eq!(run(7).1, run(8).1, "but the same bytes");
}
