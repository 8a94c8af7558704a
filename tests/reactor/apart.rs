//! Connections of listeners apart: beside the served ones, after them, and unseen.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use multiconn::connection;
use multiconn::reactor::{Config, Reactor};
use multiconn::selector::sim::{SimNet, SimPeer, SimSelector, Trigger};
use multiconn::session::{Peer, Progress, Service, Session, SessionError, SessionIo};
use multiconn::trace::{Event, LevelFilter, Record, Subscriber, Wants};

use crate::support::{millis, run, seconds, server_addr};

fn apart_addr() -> SocketAddr {
    SocketAddr::from(([10, 255, 0, 1], 9000))
}

/// The calls of sessions, in order: `s` for a served one, `a` for one apart.
#[derive(Clone, Default)]
struct Calls(Rc<RefCell<String>>);

/// Serves an echo at its first listener, and a ticker at its second.
struct Pair {
    calls: Calls,
}

enum Side {
    Served(Calls),
    Apart { calls: Calls, next: Option<Instant>, is_over: bool },
}

impl Service for Pair {
    type Session = Side;

    fn accept(&mut self, _peer: &Peer) -> Side {
        Side::Served(self.calls.clone())
    }

    fn accept_from(&mut self, listener: usize, peer: &Peer) -> Side {
        match listener {
            0 => self.accept(peer),
            _ => Side::Apart { calls: self.calls.clone(), next: None, is_over: false },
        }
    }
}

impl Session for Side {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        match self {
            Side::Served(calls) => {
                calls.0.borrow_mut().push('s');
                let bytes = io.input().take_all();
                io.output().push(bytes);
                Ok(if io.input_ended() { Progress::Finished } else { Progress::NeedInput })
            }
            Side::Apart { calls, next, is_over } => {
                calls.0.borrow_mut().push('a');
                let bytes = io.input().take_all();
                assert_ne!(bytes, b"panic", "as it was told");
                let is_stopping = io.is_stopping();
                *is_over |= is_stopping || io.input_ended();
                io.output().push(if is_stopping { "bye" } else { "." }.as_bytes());
                *next = Some(now + seconds(1));
                Ok(if *is_over { Progress::Finished } else { Progress::NeedInput })
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self {
            Side::Served(_) => None,
            Side::Apart { next, .. } => *next,
        }
    }

    fn is_idle(&self) -> bool {
        matches!(self, Side::Served(_))
    }
}

struct Server<T = ()> {
    net: SimNet,
    reactor: Reactor<SimSelector, Pair, T>,
    calls: Calls,
}

impl<T: Subscriber> Server<T> {
    fn new(places: usize, subscriber: T) -> Self {
        let (net, calls) = (SimNet::new(1), Calls::default());
        let idle = connection::Config { idle_timeout: seconds(1000), ..connection::Config::default() };
        let config = Config { connections_max: 1, ..Config::from(idle) };
        let service = Pair { calls: calls.clone() };
        let mut reactor = Reactor::with_subscriber(net.selector(), service, config, subscriber);
        reactor.add_listener(net.listener(server_addr())).unwrap();
        reactor.add_listener_apart(net.listener(apart_addr()), places).unwrap();
        Server { net, reactor, calls }
    }

    fn served(&self, time: Duration) -> SimPeer {
        self.net.client_at(time, server_addr())
    }

    fn apart(&self, time: Duration) -> SimPeer {
        self.net.client_at(time, apart_addr())
    }

    fn run_until(&mut self, time: Duration) {
        let handle = self.reactor.handle();
        self.net.at(time, move || handle.stop());
        run(&mut self.reactor).unwrap();
        assert_eq!(self.net.open_streams(), 0, "every stream is closed");
    }
}

fn text(peer: &SimPeer) -> String {
    String::from_utf8(peer.received()).unwrap()
}

#[test]
fn they_have_places_of_their_own_and_others_wait_in_the_backlog() {
    for trigger in [Trigger::Edge, Trigger::Level] {
        let mut server = Server::new(2, ());
        server.net.set_trigger(trigger);
        let served = server.served(seconds(1));
        served.send_at(seconds(2), "hello").end_at(seconds(50));
        let (first, second) = (server.apart(millis(100)), server.apart(millis(200)));
        let third = server.apart(millis(300));
        first.end_at(seconds(10));
        second.end_at(seconds(60));
        third.end_at(seconds(60));
        server.run_until(seconds(100));
        assert_eq!(text(&served), "hello", "the only place is still free");
        assert!(first.accepted().unwrap() < seconds(1) && second.accepted().unwrap() < seconds(1));
        let accepted = third.accepted().unwrap();
        assert!(accepted >= seconds(10) && accepted < seconds(13), "{accepted:?}");
        let counts = server.net.counts();
        assert!(counts.selects < 1000, "it does not spin: {counts:?}");
        let totals = server.reactor.totals();
        assert_eq!((totals.accepted, totals.bytes_in, totals.closed.iter().sum()), (1, 5, 1u64));
    }
}

#[test]
fn they_run_after_the_served_ones_and_a_few_in_a_turn() {
    let mut server = Server::new(32, ());
    let peers: Vec<_> = (0..20).map(|_| server.apart(seconds(1))).collect();
    let served = server.served(seconds(1));
    for peer in &peers {
        peer.send_at(seconds(5), "x").end_at(seconds(90));
    }
    // A byte for each turn.
    server.net.set_turn_time(millis(1));
    for n in 0..20 {
        served.send_at(seconds(5) + n * millis(1), "x");
    }
    served.end_at(seconds(90));
    let handle = server.reactor.handle();
    server.net.at(seconds(100), move || handle.stop());
    while server.reactor.turn().unwrap() {
        assert_eq!(server.reactor.audit(), Ok(()));
        server.calls.0.borrow_mut().push('|');
    }
    let story = server.calls.0.borrow();
    for turn in story.split('|') {
        assert!(turn.trim_start_matches('s').trim_start_matches('a').is_empty(), "{turn} in {story}");
        assert!(turn.matches('a').count() <= 4, "{turn} in {story}");
    }
    assert!(story.contains("saaaa"), "{story}");
}

#[test]
fn a_stop_ends_them_last() {
    let mut server = Server::new(2, ());
    let served = server.served(seconds(1));
    served.reads_nothing().send_at(seconds(2), vec![b'x'; 300_000]);
    let (before, after) = (server.apart(seconds(1)), server.apart(seconds(12)));
    let late = server.served(seconds(12));
    server.run_until(seconds(10));
    assert!(text(&before).starts_with(".........") && text(&before).ends_with("bye"), "{}", text(&before));
    assert_eq!(late.accepted(), None);
    assert!(after.accepted().is_some(), "it is still open while others finish");
    assert!(text(&after).ends_with("bye"), "{}", text(&after));
    assert!(before.closed() >= served.closed());
}

#[test]
fn they_do_not_keep_the_loop_from_ending() {
    let (net, calls) = (SimNet::new(1), Calls::default());
    let mut reactor = Reactor::new(net.selector(), Pair { calls }, Config::default());
    reactor.add_listener_apart(net.listener(apart_addr()), 1).unwrap();
    run(&mut reactor).unwrap();
    assert_eq!(net.open_streams(), 0);
}

#[test]
fn they_are_accepted_later_if_the_system_has_no_room() {
    let mut server = Server::new(2, ());
    server.net.fail_accepts_between(24, seconds(1), seconds(2));
    let peer = server.apart(millis(1500));
    peer.end_at(seconds(5));
    server.run_until(seconds(10));
    assert!(peer.accepted().is_some_and(|at| at >= seconds(2)), "{:?}", peer.accepted());
    assert!(server.net.counts().selects < 1000);
}

#[test]
fn a_panic_ends_only_the_one_that_it_concerns() {
    let mut server = Server::new(2, ());
    let (peer, other) = (server.apart(seconds(1)), server.apart(seconds(1)));
    peer.send_at(seconds(2), "panic");
    server.run_until(seconds(10));
    assert!(peer.reset_seen().is_some() && text(&other).ends_with("bye"));
}

#[derive(Clone, Default)]
struct Seen(Rc<RefCell<Vec<String>>>);

impl Subscriber for Seen {
    fn record(&self, record: &Record<'_>) {
        if !matches!(record.event, Event::TurnBegun { .. }) {
            let id = record.connection.map_or(0, |connection| connection.id);
            self.0.borrow_mut().push(format!("{id} {}", record.event.kind()));
        }
    }
}

#[test]
fn the_trace_leaves_them_out() {
    let seen = Seen::default();
    let mut server = Server::new(2, seen.clone());
    let peer = server.apart(seconds(1));
    peer.send_at(seconds(2), "x").end_at(seconds(4));
    server.run_until(seconds(10));
    assert!(!peer.received().is_empty());
    assert_eq!(*seen.0.borrow(), ["0 stopping"]);
    // And the numbers of served connections have no gaps.
    let seen = Seen::default();
    let mut server = Server::new(2, seen.clone());
    server.apart(seconds(1)).end_at(seconds(4));
    server.served(seconds(2)).end_at(seconds(3));
    server.run_until(seconds(10));
    assert!(seen.0.borrow().iter().any(|line| line == "1 accepted"));
}

/// Counts what measured turns did for them.
#[derive(Clone, Default)]
struct Deeds(Rc<Cell<usize>>);

impl Subscriber for Deeds {
    fn wants(&self) -> Wants {
        Wants { times: true, ..Wants::events(LevelFilter::Trace) }
    }

    fn record(&self, record: &Record<'_>) {
        if let Event::TurnEnded { apart, .. } = record.event {
            self.0.set(self.0.get() + apart);
        }
    }
}

#[test]
fn a_measured_turn_tells_how_often_something_was_done_for_them() {
    let deeds = Deeds::default();
    let mut server = Server::new(2, deeds.clone());
    server.apart(millis(500)).end_at(millis(2600));
    server.served(seconds(1)).send_at(seconds(2), "hello").end_at(seconds(3));
    server.run_until(seconds(10));
    // It is accepted, and runs; its timer fires twice, and it runs each time; and it runs at its end, which it sees.
    assert_eq!((deeds.0.get(), server.calls.0.borrow().matches('a').count()), (7, 4));
}

#[test]
fn they_are_accepted_no_more_when_the_others_are_not() {
    let mut server = Server::new(2, ());
    let served = server.served(seconds(1));
    served.send_at(seconds(2), "x").send_at(seconds(8), "y").end_at(seconds(9));
    let (before, after) = (server.apart(seconds(1)), server.apart(seconds(6)));
    let handle = server.reactor.handle();
    server.net.at(seconds(5), move || handle.stop_accepting());
    server.run_until(seconds(20));
    assert_eq!(text(&served), "xy");
    assert_eq!((after.accepted(), after.reset_seen()), (None, Some(seconds(6))));
    assert!(text(&before).ends_with("bye"), "{}", text(&before));
}
