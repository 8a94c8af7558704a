//! What a session can ask of its connection: to hear of the stop, to half-close, to be woken and send, to open others.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, Instant};

use multiconn::address::Addr;
use multiconn::connection;
use multiconn::reactor::Config;
use multiconn::session::{Connect, Peer, Progress, Service, Session, SessionError, SessionIo};

use crate::support::{Server, millis, seconds};

/// On a stop, says good-bye at once, and finishes what it has begun.
struct Polite {
    told: bool,
    is_busy: bool,
}

impl Session for Polite {
    fn advance(&mut self, io: &mut SessionIo<'_>, _now: Instant) -> Result<Progress, SessionError> {
        let said = io.input().take_all();
        self.is_busy = match said {
            b"stay" => true,
            b"go" => false,
            _ => self.is_busy,
        };
        if io.is_stopping() && !std::mem::replace(&mut self.told, true) {
            io.output().push(b"good-bye");
        }
        Ok(if io.input_ended() { Progress::Finished } else { Progress::NeedInput })
    }

    fn is_idle(&self) -> bool {
        !self.is_busy
    }
}

#[test]
fn a_session_hears_of_the_stop_and_may_say_good_bye() {
    let mut server = Server::new(|_: &Peer| Polite { told: false, is_busy: false }, Config::default());
    let [idle, busy] = [1, 1].map(|time| server.client_at(seconds(time)));
    busy.send_at(seconds(2), "stay").send_at(seconds(8), "go");
    server.run_until(seconds(5));
    assert_eq!((idle.received(), idle.end_seen(), idle.reset_seen()), (b"good-bye".to_vec(), Some(seconds(5)), None));
    assert_eq!(server.end_of(&idle), (seconds(5), "server is stopping".into()));
    assert_eq!((busy.received(), busy.end_seen()), (b"good-bye".to_vec(), Some(seconds(8))));
    assert_eq!(server.end_of(&busy), (seconds(8), "server is stopping".into()));
}

/// Answers the first word, ends its side, and listens on; says something too late.
struct HalfCloser {
    heard: Rc<RefCell<Vec<u8>>>,
}

impl Session for HalfCloser {
    fn advance(&mut self, io: &mut SessionIo<'_>, _now: Instant) -> Result<Progress, SessionError> {
        let said = io.input().take_all();
        if !said.is_empty() && self.heard.borrow().is_empty() {
            io.output().push_repeated(b"answer ", 1000);
            io.end_output();
        } else if !self.heard.borrow().is_empty() {
            io.output().push(b"too late");
        }
        self.heard.borrow_mut().extend_from_slice(said);
        Ok(if io.input_ended() { Progress::Finished } else { Progress::NeedInput })
    }
}

#[test]
fn a_session_can_end_its_side_and_read_on() {
    let heard = Rc::default();
    let service = {
        let heard = Rc::clone(&heard);
        move |_: &Peer| HalfCloser { heard: Rc::clone(&heard) }
    };
    let mut server = Server::new(service, Config::default());
    let peer = server.client_at(seconds(1));
    // The end comes after the output, when that has gone.
    peer.keeps_open().reads_nothing().window(1000).send_at(seconds(2), "one ").read_all_from(seconds(4));
    peer.read_at(seconds(4), 1000).send_at(seconds(3), "two ").send_at(seconds(6), "three").end_at(seconds(7));
    server.run_until(seconds(20));
    assert!(peer.received() == b"answer ".repeat(1000), "{} bytes", peer.received().len());
    assert_eq!((peer.end_seen(), peer.reset_seen()), (Some(seconds(4)), None));
    assert_eq!(*heard.borrow(), b"one two three");
    assert_eq!(server.end_of(&peer), (seconds(7), "finished".into()));
}

/// Sends what other sessions leave for it.
struct Listener {
    mail: Rc<RefCell<VecDeque<&'static str>>>,
    waker: Rc<RefCell<Option<Waker>>>,
}

impl Session for Listener {
    fn advance(&mut self, io: &mut SessionIo<'_>, _now: Instant) -> Result<Progress, SessionError> {
        self.waker.borrow_mut().get_or_insert_with(|| io.waker());
        while io.output().has_room()
            && let Some(words) = self.mail.borrow_mut().pop_front()
        {
            io.output().push(words.as_bytes());
        }
        Ok(if io.input_ended() { Progress::Finished } else { Progress::NeedInput })
    }
}

#[test]
fn a_session_that_is_woken_can_send_and_is_not_idle_then() {
    let mail: Rc<RefCell<VecDeque<&str>>> = Rc::default();
    let waker: Rc<RefCell<Option<Waker>>> = Rc::default();
    let service = {
        let (mail, waker) = (Rc::clone(&mail), Rc::clone(&waker));
        move |_: &Peer| Listener { mail: Rc::clone(&mail), waker: Rc::clone(&waker) }
    };
    let mut server = Server::new(service, Config::default());
    let peer = server.client_at(seconds(1));
    for (time, words) in [(30, "one "), (80, "two ")] {
        let (mail, waker) = (Rc::clone(&mail), Rc::clone(&waker));
        server.net.at(seconds(time), move || {
            mail.borrow_mut().push_back(words);
            waker.borrow().as_ref().unwrap().wake_by_ref();
        });
    }
    server.run_until(seconds(200));
    assert_eq!(peer.received(), b"one two ");
    assert_eq!(server.end_of(&peer), (seconds(140), "idle for 60s".into()));
}

/// A service whose sessions are of two types: those that ask another server, and those that bring the answer.
struct Relay {
    upstream: Addr,
    wanted: Rc<RefCell<VecDeque<Rc<Errand>>>>,
}

/// The state shared by an asking session and the one that runs for it.
#[derive(Default)]
struct Errand {
    question: RefCell<Vec<u8>>,
    answer: RefCell<Option<Vec<u8>>>,
    waker: RefCell<Option<Waker>>,
}

struct Asking {
    wanted: Rc<RefCell<VecDeque<Rc<Errand>>>>,
    errand: Option<Rc<Errand>>,
}

impl Session for Asking {
    fn advance(&mut self, io: &mut SessionIo<'_>, _now: Instant) -> Result<Progress, SessionError> {
        if let Some(errand) = &self.errand {
            let Some(answer) = errand.answer.borrow_mut().take() else { return Ok(Progress::Working) };
            io.output().push(&answer);
            return Ok(Progress::Finished);
        }
        let said = io.input().take_all();
        if said.is_empty() {
            return Ok(Progress::NeedInput);
        }
        let errand = Rc::<Errand>::default();
        *errand.question.borrow_mut() = said.to_vec();
        *errand.waker.borrow_mut() = Some(io.waker());
        self.wanted.borrow_mut().push_back(Rc::clone(&errand));
        self.errand = Some(errand);
        Ok(Progress::Working)
    }
}

struct Running {
    errand: Rc<Errand>,
    is_asked: bool,
}

impl Running {
    fn report(&self, answer: &[u8]) {
        *self.errand.answer.borrow_mut() = Some(answer.to_vec());
        self.errand.waker.borrow_mut().take().unwrap().wake();
    }
}

impl Session for Running {
    fn advance(&mut self, io: &mut SessionIo<'_>, _now: Instant) -> Result<Progress, SessionError> {
        if !std::mem::replace(&mut self.is_asked, true) {
            io.output().push(&self.errand.question.borrow());
            io.end_output();
        }
        if !io.input_ended() {
            return Ok(Progress::NeedInput);
        }
        self.report(io.input().take_all());
        Ok(Progress::Finished)
    }

    fn is_idle(&self) -> bool {
        false
    }
}

impl Service for Relay {
    type Session = Box<dyn Session>;

    fn accept(&mut self, _peer: &Peer) -> Box<dyn Session> {
        Box::new(Asking { wanted: Rc::clone(&self.wanted), errand: None })
    }

    fn opens_connections(&self) -> bool {
        true
    }

    fn next_connect(&mut self) -> Option<Connect<Box<dyn Session>>> {
        let errand = self.wanted.borrow_mut().pop_front()?;
        Some(Connect { addresses: vec![self.upstream], session: Box::new(Running { errand, is_asked: false }) })
    }
}

#[test]
fn a_session_can_have_connections_opened_to_servers_of_another_kind() {
    let upstream = Addr::from(([10, 255, 0, 9], 7));
    let relay = Relay { upstream, wanted: Rc::default() };
    let mut server = Server::new(relay, Config::default());
    let asked = Rc::new(Cell::new(0));
    let count = Rc::clone(&asked);
    server.net.server(upstream, move |peer| {
        count.set(count.get() + 1);
        peer.answers(|question| [b"you asked: ", question].concat());
    });
    let peers = [1, 1, 4].map(|time| server.client_at(seconds(time)));
    for (peer, words) in peers.iter().zip(["a", "b", "c"]) {
        peer.send_at(seconds(2), words);
    }
    server.run_until(seconds(10));
    for (peer, words) in peers.iter().zip(["a", "b", "c"]) {
        assert_eq!(String::from_utf8(peer.received()).unwrap(), format!("you asked: {words}"));
    }
    assert_eq!(asked.get(), 3);
}

/// Returns varying progress, whatever there is to do. Each call sends something, and may leave its input unused.
struct Careless {
    random: u64,
    uses_input: bool,
    seen: Rc<Cell<Seen>>,
}

/// The number of calls, and the most input and output pending before one of them.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    calls: u32,
    input: usize,
    output: usize,
}

const PER_CALL: usize = 700;

impl Careless {
    fn below(&mut self, len: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % len
    }
}

impl Session for Careless {
    fn advance(&mut self, io: &mut SessionIo<'_>, _now: Instant) -> Result<Progress, SessionError> {
        let Seen { calls, input, output } = self.seen.get();
        let (input, output) = (input.max(io.input().len()), output.max(io.output().len()));
        self.seen.set(Seen { calls: calls + 1, input, output });
        if self.uses_input {
            io.input().take_all();
        }
        // Not even a look at whether there is room.
        io.output().push(&[b'x'; PER_CALL]);
        Ok(match self.below(4) {
            0 => Progress::NeedInput,
            1 => Progress::NeedRoom,
            2 => Progress::NeedEither,
            _ => Progress::Yield,
        })
    }
}

#[test]
fn no_mixture_of_progress_grows_without_bound() {
    for seed in 0..50 {
        for uses_input in [true, false] {
            let seen = Rc::<Cell<Seen>>::default();
            let shared = Rc::clone(&seen);
            let service = move |_: &Peer| Careless { random: seed, uses_input, seen: Rc::clone(&shared) };
            let config =
                connection::Config { output_high_water: 5000, input_len_max: 100_000, ..connection::Config::default() };
            let mut server = Server::new(service, config);
            let peer = server.client_at(seconds(1));
            // It sends as fast as it can, and reads a little now and then, or nothing.
            peer.window(100).reads_nothing().flood_at(seconds(1), "flood").reset_at(seconds(40));
            for n in 0..if seed % 2 == 0 { 300 } else { 0 } {
                peer.read_at(seconds(2) + millis(100 * n), 60);
            }
            server.run_until(seconds(50));
            let Seen { calls, input, output } = seen.get();
            assert!(output < 5000 + PER_CALL, "seed {seed}: {output} bytes of output before a call");
            assert!(input <= 100_000 + (64 << 10), "seed {seed}: {input} bytes of input");
            assert!(calls > 1, "seed {seed}: {calls} calls");
            let (at, end) = server.end_of(&peer);
            if !uses_input && at < seconds(30) {
                assert_eq!(end, "more than 100000 bytes of unused input", "seed {seed}");
            }
        }
    }
}

/// The same on a connection that we have opened, where input is read although the output is full.
#[test]
fn nor_does_any_on_a_connection_of_our_own() {
    for seed in 0..50 {
        let seen = Rc::<Cell<Seen>>::default();
        let session = Careless { random: seed, uses_input: true, seen: Rc::clone(&seen) };
        let config = connection::Config { output_high_water: 5000, ..connection::Config::default() };
        let mut server = Server::new(|_: &Peer| -> Careless { unreachable!("nothing is accepted") }, config);
        let addr = Addr::from(([10, 255, 0, 9], 7));
        server.net.server(addr, |peer| {
            peer.window(100).reads_nothing().flood_at(seconds(1), "flood").reset_at(seconds(40));
        });
        server.reactor.connect(&[addr], session);
        server.run_until(seconds(50));
        // The reply to input that arrives while the output is full is the last before it has to wait.
        assert!(seen.get().output <= 5000 + 2 * PER_CALL, "seed {seed}: {:?}", seen.get());
    }
}

#[test]
fn without_an_address_a_connection_fails_like_any_other() {
    let mut server = Server::new(|_: &Peer| Polite { told: false, is_busy: false }, Config::default());
    assert_eq!(server.reactor.connect::<Addr>(&[], Polite { told: false, is_busy: false }), 1);
    server.run_until(seconds(1));
    let log = server.log.borrow();
    assert_eq!(log.ends[0].end.to_string(), "no address to connect to");
    assert_eq!(log.ends[0].at, Duration::ZERO);
}

/// Uses a byte a call, and goes on as long as there are any.
struct Nibbler;

impl Session for Nibbler {
    fn advance(&mut self, io: &mut SessionIo<'_>, _now: Instant) -> Result<Progress, SessionError> {
        Ok(match io.input().take(1) {
            Some(_) => Progress::Yield,
            None => Progress::NeedInput,
        })
    }
}

#[test]
fn input_that_is_being_used_may_wait() {
    let config = connection::Config { input_len_max: 100, ..connection::Config::default() };
    let mut server = Server::new(|_: &Peer| Nibbler, config);
    let peer = server.client_at(seconds(1));
    peer.send_at(seconds(2), [b'x'; 5000]);
    server.run_until(seconds(20));
    assert_eq!((peer.taken(), server.end_of(&peer).1), (5000, "server is stopping".into()));
}

/// Says much, ends its side, and then is done, or fails.
struct Parting {
    fails: bool,
}

impl Session for Parting {
    fn advance(&mut self, io: &mut SessionIo<'_>, _now: Instant) -> Result<Progress, SessionError> {
        io.output().push_repeated(b"farewell", 100_000);
        io.end_output();
        if self.fails { Err(SessionError::other("something else is wrong")) } else { Ok(Progress::Finished) }
    }
}

#[test]
fn a_client_that_has_ended_its_side_is_finished_when_all_is_sent() {
    for (fails, end) in [(false, "finished"), (true, "something else is wrong")] {
        let mut server = Server::new(|_: &Peer| -> Parting { unreachable!("nothing is accepted") }, Config::default());
        let addr = Addr::from(([10, 255, 0, 9], 7));
        let received = Rc::new(Cell::new(0));
        let count = Rc::clone(&received);
        server.net.server(addr, move |peer| {
            peer.window(1000);
            // It answers before it has read everything.
            peer.send_at(seconds(1), "enough");
            let count = Rc::clone(&count);
            peer.answers(move |bytes| {
                count.set(count.get() + bytes.len());
                Vec::new()
            });
        });
        server.reactor.connect(&[addr], Parting { fails });
        server.run_until(seconds(20));
        assert_eq!(received.get() == 800_000, !fails, "{} bytes", received.get());
        assert_eq!(server.log.borrow().ends[0].end.to_string(), end);
    }
}

/// Ends its side at once, and writes on: a byte for each that it reads, as far as there is room.
struct Deaf {
    has_ended: bool,
}

impl Session for Deaf {
    fn advance(&mut self, io: &mut SessionIo<'_>, _now: Instant) -> Result<Progress, SessionError> {
        if !std::mem::replace(&mut self.has_ended, true) {
            io.end_output();
        }
        while !io.input().is_empty() {
            if !io.output().has_room() {
                return Ok(Progress::NeedRoom);
            }
            let byte = io.input().take(1).expect("a byte");
            io.output().push(byte);
        }
        Ok(Progress::NeedInput)
    }
}

#[test]
fn dropped_output_leaves_room() {
    let config = connection::Config { output_high_water: 1, ..connection::Config::default() };
    let mut server = Server::new(|_: &Peer| Deaf { has_ended: false }, config);
    let peer = server.client_at(seconds(1));
    peer.keeps_open().send_at(seconds(2), "some bytes").send_at(seconds(3), "and more").end_at(seconds(10));
    server.run_until(seconds(20));
    assert_eq!(peer.taken(), "some bytesand more".len());
    let (at, end) = server.end_of(&peer);
    assert_eq!((at >= seconds(10), &end[..]), (true, "finished"), "at {at:?}");
}
