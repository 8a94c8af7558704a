//! A panic in a session, or in its service, ends that connection and no other, wherever it happens.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::thread;
use std::time::Instant;

use multiconn::address::Addr;
use multiconn::buffer::Output;
use multiconn::reactor::{Config, Reactor};
use multiconn::selector::sim::{SimNet, SimPeer};
use multiconn::session::{Connect, End, Peer, Progress, Reload, Service, Session, SessionError, SessionIo};

use crate::support::{millis, seconds, server_addr};

/// Panics at a chosen step, counted from 1.
#[derive(Clone)]
struct Trap {
    steps: Rc<Cell<u32>>,
    springs_at: u32,
}

impl Trap {
    fn step(&self) {
        // Two panics at once would end the process.
        if thread::panicking() {
            return;
        }
        self.steps.set(self.steps.get() + 1);
        assert!(self.steps.get() != self.springs_at, "step {}", self.springs_at);
    }

    fn has_sprung(&self) -> bool {
        self.steps.get() >= self.springs_at
    }
}

/// Echoes half of its input at once and the rest a second later. A trapped session steps on its trap at every call.
struct Fragile {
    trap: Option<Trap>,
    rest: Option<(Vec<u8>, Instant)>,
}

impl Fragile {
    fn step(&self) {
        self.trap.iter().for_each(Trap::step);
    }
}

impl Session for Fragile {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        self.step();
        if let Some((rest, due)) = &self.rest {
            if now < *due {
                return Ok(Progress::Working);
            }
            io.output().push(rest);
            self.rest = None;
            self.step();
        }
        let bytes = io.input().take_all();
        if bytes.is_empty() {
            return Ok(if io.input_ended() { Progress::Finished } else { Progress::NeedInput });
        }
        let (now_sent, later) = bytes.split_at(bytes.len() / 2);
        io.output().push(now_sent);
        self.step();
        self.rest = Some((later.to_vec(), now + seconds(1)));
        Ok(Progress::Working)
    }

    fn deadline(&self) -> Option<Instant> {
        self.step();
        self.rest.as_ref().map(|(_, due)| *due)
    }

    fn is_idle(&self) -> bool {
        self.step();
        self.rest.is_none()
    }

    fn refuse(&mut self, output: &mut Output<'_>, _why: &str) {
        self.step();
        output.push(b"full");
    }
}

impl Drop for Fragile {
    fn drop(&mut self) {
        self.step();
    }
}

/// Sets the trap for its `nth` connection, from 0, and counts the open ones.
struct Host {
    trap: Trap,
    nth: u32,
    accepted: u32,
    trapped: Option<Peer>,
    present: Rc<Cell<i32>>,
}

impl Service for Host {
    type Session = Fragile;

    fn accept(&mut self, peer: &Peer) -> Fragile {
        let is_trapped = self.accepted == self.nth;
        self.accepted += 1;
        if is_trapped {
            self.trapped = Some(*peer);
            self.trap.step();
        }
        self.present.set(self.present.get() + 1);
        Fragile { trap: is_trapped.then(|| self.trap.clone()), rest: None }
    }

    fn ended(&mut self, _session: Fragile, peer: &Peer, _end: End) {
        self.present.set(self.present.get() - 1);
        if self.trapped == Some(*peer) {
            self.trap.step();
        }
    }
}

/// The outcome of a run with a trap at one step.
struct Outcome {
    has_sprung: bool,
    trapped: SimPeer,
    others: Vec<SimPeer>,
}

/// Two peers at a server with room for two, with the trap on the `nth`; a third that is refused; and a fourth after the
/// first two have gone.
fn run(springs_at: u32, nth: u32) -> Outcome {
    let trap = Trap { steps: Rc::default(), springs_at };
    let net = SimNet::new(u64::from(springs_at));
    let present = Rc::new(Cell::new(0));
    let host = Host { trap: trap.clone(), nth, accepted: 0, trapped: None, present: Rc::clone(&present) };
    let mut reactor = Reactor::new(net.selector(), host, Config { connections_max: 2, ..Config::default() });
    reactor.add_listener(net.listener(server_addr())).unwrap();
    let times = [1000, 1001, 1500, 9000].map(millis);
    let peers: Vec<_> = times.iter().map(|&time| net.client_at(time, server_addr())).collect();
    for (peer, time) in peers.iter().zip(times) {
        peer.send_at(time + seconds(1), "one ").send_at(time + seconds(3), "two.").end_at(time + seconds(5));
    }
    let handle = reactor.handle();
    net.at(seconds(20), move || handle.stop());
    // No audit: it would call a session, which may panic.
    reactor.run().expect("the loop goes on");
    assert_eq!((net.open_streams(), present.get()), (0, 0), "step {springs_at}");
    let mut others = peers;
    let trapped = others.remove(nth as usize);
    Outcome { has_sprung: trap.has_sprung(), trapped, others }
}

/// Runs with a trap at each step of the `nth` connection, until it reaches no further step.
fn at_every_step(nth: u32, check: impl Fn(u32, &Outcome)) -> u32 {
    for step in 1..1000 {
        let outcome = run(step, nth);
        if !outcome.has_sprung {
            return step - 1;
        }
        check(step, &outcome);
    }
    panic!("so many steps there are not");
}

#[test]
fn a_panic_in_any_call_of_one_that_is_served_ends_it_with_a_reset() {
    let steps = at_every_step(0, |step, Outcome { trapped, others, .. }| {
        let received = trapped.received();
        assert!(b"one two.".starts_with(&received), "step {step}");
        // A panic after the end of the conversation ends nothing more.
        let is_whole = trapped.closed() == Some(seconds(6)) && received == b"one two.";
        assert_eq!(trapped.reset_seen().is_some(), !is_whole || trapped.end_seen().is_none(), "step {step}");
        assert_eq!((others[0].received(), others[0].reset_seen()), (b"one two.".to_vec(), None), "step {step}");
        assert_eq!((others[2].received(), others[2].reset_seen()), (b"one two.".to_vec(), None), "step {step}");
        // Its place is free from then on.
        let third = others[1].received();
        let is_served = trapped.closed().is_none_or(|closed| closed < millis(1500));
        assert_eq!(third, if is_served { &b"one two."[..] } else { b"full" }, "step {step}, {trapped:?}");
    });
    assert!(steps > 20, "{steps}");
}

#[test]
fn a_panic_in_any_call_of_one_that_is_refused_ends_it_with_a_reset() {
    let steps = at_every_step(2, |step, Outcome { trapped, others, .. }| {
        assert!(b"full".starts_with(&trapped.received()), "step {step}");
        for other in others {
            assert_eq!((other.received(), other.reset_seen()), (b"one two.".to_vec(), None), "step {step}");
        }
    });
    // Accepting, refusing, having ended, and going.
    assert_eq!(steps, 4);
}

/// Panics in a call that has written into the buffers that all connections share.
struct Messy;

impl Session for Messy {
    fn advance(&mut self, io: &mut SessionIo<'_>, _now: Instant) -> Result<Progress, SessionError> {
        let bytes = io.input().take_all();
        io.output().push(bytes);
        assert!(bytes != b"panic", "as asked for");
        Ok(Progress::NeedInput)
    }
}

#[test]
fn nothing_of_it_gets_to_the_next() {
    let net = SimNet::new(1);
    let mut reactor = Reactor::new(net.selector(), |_: &Peer| Messy, Config::default());
    reactor.add_listener(net.listener(server_addr())).unwrap();
    let [messy, next] = [1, 1].map(|time| net.client_at(seconds(time), server_addr()));
    messy.send_at(seconds(2), "panic");
    next.send_at(seconds(2), "hello").send_at(seconds(3), "again");
    let handle = reactor.handle();
    net.at(seconds(4), move || handle.stop());
    crate::support::run(&mut reactor).unwrap();
    assert_eq!((messy.received(), messy.reset_seen()), (vec![], Some(seconds(2))));
    assert_eq!((next.received(), next.reset_seen()), (b"helloagain".to_vec(), None));
}

/// Panics when it reloads.
struct Unreadable;

impl Service for Unreadable {
    type Session = Messy;

    fn accept(&mut self, _peer: &Peer) -> Messy {
        Messy
    }

    fn reload(&mut self) -> Option<Reload> {
        panic!("no such file");
    }
}

#[test]
fn a_panic_that_concerns_no_connection_is_not_hidden() {
    let net = SimNet::new(1);
    let mut reactor = Reactor::new(net.selector(), Unreadable, Config::default());
    reactor.add_listener(net.listener(server_addr())).unwrap();
    let handle = reactor.handle();
    net.at(seconds(1), move || handle.reload());
    let panic = panic::catch_unwind(AssertUnwindSafe(|| crate::support::run(&mut reactor))).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"no such file"));
}

/// Opens a connection when it reads `connect`, and panics when it reads `panic`.
struct Caller(Rc<Cell<u32>>);

impl Session for Caller {
    fn advance(&mut self, io: &mut SessionIo<'_>, _now: Instant) -> Result<Progress, SessionError> {
        match io.input().take_all() {
            b"connect" => self.0.set(self.0.get() + 1),
            said => assert!(said != b"panic", "as asked for"),
        }
        Ok(Progress::NeedInput)
    }
}

struct Exchange {
    wanted: Rc<Cell<u32>>,
    upstream: Addr,
}

impl Service for Exchange {
    type Session = Caller;

    fn accept(&mut self, _peer: &Peer) -> Caller {
        Caller(Rc::clone(&self.wanted))
    }

    fn opens_connections(&self) -> bool {
        true
    }

    fn next_connect(&mut self) -> Option<Connect<Caller>> {
        self.wanted.set(self.wanted.get().checked_sub(1)?);
        Some(Connect { addresses: vec![self.upstream], session: Caller(Rc::clone(&self.wanted)) })
    }
}

#[test]
fn a_connection_that_another_session_wants_is_opened_all_the_same() {
    for seed in 0..20 {
        let net = SimNet::new(seed);
        let upstream = Addr::from(([10, 255, 0, 9], 7));
        let opened = Rc::new(Cell::new(None));
        let (seen, clock) = (Rc::clone(&opened), net.clone());
        net.server(upstream, move |_| seen.set(Some(clock.now())));
        let mut reactor = Reactor::new(net.selector(), Exchange { wanted: Rc::default(), upstream }, Config::default());
        reactor.add_listener(net.listener(server_addr())).unwrap();
        for words in ["connect", "panic"] {
            net.client_at(seconds(1), server_addr()).send_at(seconds(2), words);
        }
        let handle = reactor.handle();
        net.at(seconds(9), move || handle.stop());
        crate::support::run(&mut reactor).unwrap();
        assert_eq!(opened.get(), Some(millis(2001)), "seed {seed}");
    }
}
