//! Real connections take every row of the table of a connection's stages. Their traces show no step without a row.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use multiconn::connection;
use multiconn::exchange::{Event, Stage, TRANSITIONS, next};
use multiconn::protocols::app::{AppService, Request};
use multiconn::reactor::Reactor;
use multiconn::selector::sim::{SimNet, SimPeer};
use multiconn::session::{Peer, Progress, Session, SessionError, SessionIo};
use multiconn::trace::{self, Record, Subscriber};

/// Keeps the stages that connections go through.
#[derive(Default)]
struct Transitions(RefCell<BTreeSet<String>>);

impl Subscriber for Transitions {
    fn record(&self, record: &Record<'_>) {
        if let trace::Event::Moved { from, event, to } = record.event {
            self.0.borrow_mut().insert(format!("{from} --[ {event} ]--> {to}"));
        }
    }
}

/// Does what a letter says.
struct Obedient {
    word: Option<u8>,
    deadline: Option<Instant>,
}

impl Session for Obedient {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            return Err(SessionError::timed_out("it took too long"));
        }
        let said = io.input().take_all();
        self.word = said.first().copied().or(self.word);
        let Some(word) = self.word else { return Ok(Progress::NeedInput) };
        match word {
            b'e' if said.is_empty() => return Ok(Progress::NeedInput),
            b'e' => io.output().push(said),
            b'f' if io.input_ended() => return Ok(Progress::Finished),
            b'f' => return Ok(Progress::NeedInput),
            b's' => {
                io.ignore_input();
                return Ok(Progress::Working);
            }
            b'q' => return Ok(Progress::Finished),
            b'v' => return Err(SessionError::violation("that is not done")),
            b'b' if !said.is_empty() => io.output().push(&[b'x'; 1000]),
            // At work, and then one of these.
            b'w' | b'h' | b'V' | b'd' | b'F' if !said.is_empty() => {
                let wait = Duration::from_secs(if word == b'V' || word == b'F' { 1 } else { 5 });
                self.deadline = Some(now + wait).filter(|_| word == b'd');
                if word == b'V' || word == b'F' {
                    io.waker().wake();
                }
                return Ok(Progress::Working);
            }
            b'V' => return Err(SessionError::violation("that is not done")),
            b'F' => return Ok(Progress::Finished),
            b'h' if io.hung_up() => return Err(SessionError::input_ended("nobody waits")),
            b'W' => io.output().push(&[b'x'; 1000]),
            _ => {}
        }
        Ok(if io.output().has_room() { Progress::NeedInput } else { Progress::NeedRoom })
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn is_idle(&self) -> bool {
        !matches!(self.word, Some(b'w' | b'f'))
    }
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn addr(host: u8) -> SocketAddr {
    SocketAddr::from(([10, 255, 0, host], 65432))
}

fn config() -> connection::Config {
    connection::Config { output_high_water: 500, linger_len_max: 1000, ..connection::Config::default() }
}

/// A server whose peer says `words`, does what `script` says, and is stopped after a while.
fn serve(seen: &Transitions, words: &str, stop: u64, script: impl Fn(&SimPeer)) {
    let net = SimNet::new(1);
    let service = |_: &Peer| Obedient { word: None, deadline: None };
    let mut reactor = Reactor::with_subscriber(net.selector(), service, config(), seen);
    reactor.add_listener(net.listener(addr(1))).unwrap();
    let peer = net.client_at(seconds(1), addr(1));
    if !words.is_empty() {
        peer.send_at(seconds(2), words);
    }
    script(&peer);
    let handle = reactor.handle();
    net.at(seconds(stop), move || handle.stop());
    reactor.run().unwrap();
}

/// A client whose server does what `script` says with its connection.
fn call(seen: &Transitions, word: u8, stop: u64, prepare: impl Fn(&SimNet), script: impl Fn(&SimPeer) + 'static) {
    let net = SimNet::new(1);
    net.server(addr(1), move |peer| script(&peer));
    prepare(&net);
    let service = |_: &Peer| Obedient { word: None, deadline: None };
    let mut reactor = Reactor::with_subscriber(net.selector(), service, config(), seen);
    reactor.connect(&[addr(1)], Obedient { word: Some(word), deadline: None });
    let handle = reactor.handle();
    net.at(seconds(stop), move || handle.stop());
    reactor.run().unwrap();
}

#[test]
fn a_connection_takes_every_row_and_no_other_step() {
    let seen = &Transitions::default();
    let nothing = |_: &SimPeer| {};

    // Connecting.
    call(seen, b'f', 9, |_| {}, |peer| drop(peer.end_at(seconds(1)).clone()));
    call(seen, b'f', 99, |net| net.ignore(addr(1)), |_| {});
    call(seen, b'f', 5, |net| net.ignore(addr(1)), |_| {});
    call(seen, b'f', 9, |net| net.refuse(addr(1)), |_| {});

    // Receiving.
    serve(seen, "e", 9, nothing);
    serve(seen, "", 9, |peer| drop(peer.end_at(seconds(3)).clone()));
    serve(seen, "f", 9, |peer| drop(peer.end_at(seconds(3)).clone()));
    serve(seen, "v", 9, nothing);
    serve(seen, "q", 9, nothing);
    serve(seen, "", 200, nothing);
    serve(seen, "", 9, |peer| drop(peer.reset_at(seconds(3)).clone()));
    serve(seen, "f", 9, nothing);
    serve(seen, "eee", 99, |peer| drop(peer.reads_nothing().window(1).clone()));

    // Responding.
    serve(seen, "b", 9, |peer| {
        drop(peer.reads_nothing().window(1).read_all_from(seconds(5)).read_at(seconds(5), 1000).clone())
    });
    serve(seen, "b", 99, |peer| drop(peer.reads_nothing().window(1).clone()));
    serve(seen, "b", 9, |peer| drop(peer.reads_nothing().window(1).reset_at(seconds(3)).clone()));
    serve(seen, "s", 9, nothing);
    serve(seen, "w", 9, nothing);
    call(seen, b'f', 9, |_| {}, |peer| drop(peer.send_at(seconds(1), "F").clone()));
    serve(seen, "V", 9, nothing);
    serve(seen, "F", 9, nothing);
    serve(seen, "d", 99, nothing);
    serve(seen, "h", 99, |peer| drop(peer.end_at(seconds(3)).clone()));
    serve(seen, "e", 9, |peer| {
        peer.reads_nothing().window(0).read_at(seconds(30), 0);
    });

    // Draining and lingering.
    let app = |script: &dyn Fn(&SimPeer)| {
        let net = SimNet::new(1);
        let mut reactor = Reactor::with_subscriber(net.selector(), AppService::default(), config(), seen);
        reactor.add_listener(net.listener(addr(1))).unwrap();
        let peer = net.client_at(seconds(1), addr(1));
        script(&peer);
        let handle = reactor.handle();
        net.at(seconds(60), move || handle.stop());
        reactor.run().unwrap();
    };
    let mut request = Vec::new();
    Request::Search("ring".into()).write(&mut request, false);
    app(&|peer| drop(peer.send_at(seconds(2), &request).clone()));
    app(&|peer| drop(peer.send_at(seconds(2), [0, 0]).clone()));
    app(&|peer| drop(peer.keeps_open().send_at(seconds(2), [0, 0]).clone()));
    app(&|peer| drop(peer.keeps_open().send_at(seconds(2), [0, 0]).send_at(seconds(3), [7; 2000]).clone()));
    app(&|peer| drop(peer.keeps_open().send_at(seconds(2), [0, 0]).reset_at(seconds(3)).clone()));
    app(&|peer| drop(peer.keeps_open().send_at(millis(59_500), [0, 0]).clone()));
    app(&|peer| drop(peer.reads_nothing().window(1).send_at(seconds(2), &request).clone()));
    app(&|peer| drop(peer.reads_nothing().window(1).send_at(seconds(2), &request).reset_at(seconds(3)).clone()));
    app(&|peer| drop(peer.reads_nothing().window(1).send_at(seconds(59), &request).clone()));

    // Cut short.
    let net = SimNet::new(1);
    let config = connection::Config { linger_timeout: seconds(60), ..config() };
    let mut reactor =
        Reactor::with_subscriber(net.selector(), |_: &Peer| Obedient { word: None, deadline: None }, config, seen);
    reactor.add_listener(net.listener(addr(1))).unwrap();
    net.client_at(seconds(1), addr(1)).keeps_open().send_at(seconds(2), "v");
    let handle = reactor.handle();
    net.at(seconds(3), move || handle.stop());
    reactor.run().unwrap();

    let net = SimNet::new(1);
    net.ignore(addr(2));
    let at_once = connection::Config { drain_timeout: Duration::ZERO, ..connection::Config::default() };
    let mut reactor =
        Reactor::with_subscriber(net.selector(), |_: &Peer| Obedient { word: None, deadline: None }, at_once, seen);
    reactor.connect(&[addr(2)], Obedient { word: None, deadline: None });
    let handle = reactor.handle();
    net.at(seconds(3), move || handle.stop());
    reactor.run().unwrap();

    let seen = seen.0.borrow();
    let rows: BTreeSet<String> =
        TRANSITIONS.iter().map(|row| format!("{} --[ {} ]--> {}", row.from, row.event, row.to)).collect();
    let missing: Vec<_> = rows.difference(&seen).collect();
    let connection = |line: &&String| Stage::ALL.iter().any(|stage| line.starts_with(&format!("{stage} ")));
    let others: Vec<_> = seen.difference(&rows).filter(connection).collect();
    assert!(missing.is_empty() && others.is_empty(), "missing: {missing:#?}\nno rows: {others:#?}");
    assert_eq!(next(Stage::Closed, Event::Cut), None);
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}
