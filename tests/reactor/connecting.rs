//! Connections of our own.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use multiconn::address::Addr;
use multiconn::message::Limits;
use multiconn::protocols::app::{AppClient, Reply, Request};
use multiconn::protocols::echo::EchoClient;
use multiconn::reactor::{Config, Reactor};
use multiconn::selector::sim::{SimNet, SimPeer, SimSelector};
use multiconn::session::{Peer, Progress, Service, Session, SessionError, SessionIo};

use crate::support::{Log, MORPHEUS, Recorder, message, millis, run, seconds};

type Clients<T> = (SimNet, Reactor<SimSelector, Recorder<fn(&Peer) -> T>>, Rc<RefCell<Log<T>>>);

fn clients<T: Session>() -> Clients<T>
where
    fn(&Peer) -> T: Service<Session = T>,
{
    let net = SimNet::new(1);
    let service: fn(&Peer) -> T = |_| unreachable!("nothing is accepted");
    let recorder = Recorder::new(service, &net);
    let log = recorder.log();
    (net.clone(), Reactor::new(net.selector(), recorder, Config::default()), log)
}

fn addr(n: u8) -> Addr {
    Addr::from(([10, 254, 0, n], 65432))
}

fn echo_client() -> EchoClient {
    EchoClient::new(Arc::new([b"Message 1".to_vec(), vec![b'2'; 300_000]]), seconds(30))
}

fn echo(peer: SimPeer) {
    peer.answers(<[u8]>::to_vec);
}

/// Number, time and text of each end.
fn ends<T>(log: &RefCell<Log<T>>) -> Vec<(u32, Duration, String)> {
    log.borrow().ends.iter().map(|it| (it.peer.number().unwrap(), it.at, it.end.to_string())).collect()
}

#[test]
fn echo_clients_are_served_and_the_run_returns_with_the_last() {
    let (net, mut reactor, log) = clients();
    net.server(addr(1), echo);
    assert_eq!((1..=3).map(|_| reactor.connect(&[addr(1)], echo_client())).collect::<Vec<_>>(), [1, 2, 3]);
    run(&mut reactor).unwrap();
    let mut ends = ends(&log);
    ends.sort();
    assert_eq!(ends.iter().map(|(number, ..)| *number).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(ends.iter().all(|(_, at, end)| *at < seconds(1) && end == "finished"), "{ends:?}");
    assert!(log.borrow().ends.iter().all(|it| it.session.received() == 300_009));
    assert_eq!(net.open_streams(), 0);
}

#[test]
fn an_app_client_gets_its_replies() {
    let (net, mut reactor, log) = clients();
    let reply = {
        let mut bytes = Vec::new();
        let heading = multiconn::message::Heading::json(true);
        multiconn::message::write_message(&mut bytes, heading, |content| {
            content.extend_from_slice(format!(r#"{{"result": "{MORPHEUS}"}}"#).as_bytes());
        });
        bytes
    };
    let requests = vec![Request::Search("morpheus".into()), Request::Search("morpheus".into())];
    let asked = Rc::new(RefCell::new(Vec::new()));
    let heard = Rc::clone(&asked);
    net.server(addr(1), move |peer| {
        let (reply, heard) = (reply.clone(), Rc::clone(&heard));
        peer.answers(move |bytes| {
            heard.borrow_mut().extend_from_slice(bytes);
            reply.repeat(2)
        });
    });
    reactor.connect(&[addr(1)], AppClient::new(requests.clone(), Limits::default(), seconds(5)));
    run(&mut reactor).unwrap();
    assert_eq!(*asked.borrow(), [message(&requests[0], true), message(&requests[1], false)].concat());
    assert_eq!(ends(&log), [(1, millis(1), "finished".into())]);
    let session = log.borrow_mut().ends.pop().unwrap().session;
    assert_eq!(session.into_replies(), [Reply::Result(MORPHEUS.into()), Reply::Result(MORPHEUS.into())]);
}

#[test]
fn a_long_request_may_take_longer_than_the_timeout_while_it_moves() {
    let (net, mut reactor, log) = clients();
    let request = vec![Request::Binary(vec![b'x'; 100_000])];
    let reply = message(&Request::Binary(b"thanks".to_vec()), false);
    let request_len = message(&request[0], false).len();
    net.server(addr(1), move |peer| {
        peer.window(10_000).reads_nothing().keeps_open();
        for n in 1..=100 {
            peer.read_at(millis(100 * n), 1500);
        }
        let (reply, mut got) = (reply.clone(), 0);
        peer.answers(move |bytes| {
            got += bytes.len();
            if got == request_len { reply.clone() } else { Vec::new() }
        });
    });
    // This one stops reading in the middle of it.
    net.server(addr(2), |peer| {
        peer.window(10_000).reads_nothing();
        for n in 1..=10 {
            peer.read_at(millis(100 * n), 1500);
        }
    });
    reactor.connect(&[addr(1)], AppClient::new(request.clone(), Limits::default(), seconds(2)));
    reactor.connect(&[addr(2)], AppClient::new(request, Limits::default(), seconds(2)));
    run(&mut reactor).unwrap();
    let mut ends = ends(&log);
    ends.sort();
    assert_eq!((ends[0].1, ends[0].2.as_str()), (millis(6700), "finished"));
    assert_eq!(ends[1].2, "timed out: nothing came for 2s");
    assert!((seconds(3)..seconds(5)).contains(&ends[1].1), "{:?}", ends[1].1);
}

#[test]
fn a_reply_that_does_not_come_is_waited_for_no_longer_than_the_timeout() {
    let (net, mut reactor, log) = clients();
    net.server(addr(1), |_| {});
    // The last of this one's request goes a second later.
    net.server(addr(2), |peer| {
        peer.window(10_000).reads_nothing().read_at(seconds(1), 100_000);
    });
    for (n, request) in [(1, Request::Search("ring".into())), (2, Request::Binary(vec![b'x'; 15_000]))] {
        reactor.connect(&[addr(n)], AppClient::new(vec![request], Limits::default(), seconds(2)));
    }
    run(&mut reactor).unwrap();
    let why = "timed out: nothing came for 2s".to_owned();
    assert_eq!(ends(&log), [(1, seconds(2) + millis(1), why.clone()), (2, seconds(3), why)]);
}

#[test]
fn a_refused_connect_goes_on_to_the_next_address() {
    let (net, mut reactor, log) = clients();
    net.refuse(addr(1));
    net.unreachable(addr(2));
    net.ignore(addr(3));
    net.server(addr(4), echo);
    reactor.connect(&[addr(1), addr(2), addr(3), addr(4)], echo_client());
    run(&mut reactor).unwrap();
    let log = log.borrow();
    let [ended] = log.ends.as_slice() else { panic!("one connection, one end") };
    // Refused at 1 ms, unreachable at once, given up after 10 s, opened after another ms.
    assert_eq!((ended.peer.addr, ended.end.to_string()), (addr(4), "finished".into()));
    assert!((millis(10_002)..millis(10_003)).contains(&ended.at), "{:?}", ended.at);
    assert_eq!((net.counts().connects, net.open_streams()), (4, 0));
}

#[test]
fn when_every_address_fails_the_service_is_told() {
    let (net, mut reactor, log) = clients();
    net.refuse(addr(1));
    net.unreachable(addr(2));
    net.ignore(addr(3));
    reactor.connect(&[addr(2), addr(1)], echo_client());
    reactor.connect(&[addr(1), addr(2)], echo_client());
    reactor.connect(&[addr(2)], echo_client());
    reactor.connect(&[addr(1), addr(3)], echo_client());
    run(&mut reactor).unwrap();
    let mut ends = ends(&log);
    ends.sort();
    assert_eq!((ends[0].1, ends[0].2.as_str()), (millis(1), "connection refused"));
    assert_eq!((ends[1].1, ends[1].2.as_str()), (millis(1), "network unreachable"));
    assert_eq!((ends[2].1, ends[2].2.as_str()), (millis(0), "network unreachable"));
    assert_eq!((ends[3].1, ends[3].2.as_str()), (millis(10_001), "no answer within 10s"));
    assert_eq!(net.open_streams(), 0);
}

#[test]
fn the_time_to_connect_counts_from_the_connect() {
    let (net, mut reactor, log) = clients();
    net.server(addr(1), echo);
    // Looking up the address took this long.
    net.pass(seconds(15));
    reactor.connect(&[addr(1)], echo_client());
    run(&mut reactor).unwrap();
    let [(1, at, end)] = &ends(&log)[..] else { panic!("one connection, one end") };
    assert!((millis(15_001)..millis(15_002)).contains(at) && end == "finished", "{end} at {at:?}");
}

#[test]
fn a_server_that_is_silent_or_gone_is_an_error_of_its_own_connection() {
    let (net, mut reactor, log) = clients();
    net.server(addr(1), |_| {});
    net.server(addr(2), |peer| {
        peer.reset_at(seconds(2));
    });
    net.server(addr(3), |peer| {
        peer.send_at(seconds(3), "Mess").end_at(seconds(3));
    });
    net.server(addr(4), |peer| {
        peer.send_at(seconds(4), "Massage");
    });
    for n in 1..=4 {
        reactor.connect(&[addr(n)], echo_client());
    }
    run(&mut reactor).unwrap();
    let mut ends = ends(&log);
    ends.sort();
    assert_eq!(ends[0].1, seconds(30) + millis(1));
    assert!(ends[0].2.starts_with("timed out: nothing came for 30s, after 0 of"), "{ends:?}");
    assert_eq!((ends[1].1, ends[1].2.as_str()), (seconds(2), "connection reset by peer"));
    assert_eq!((ends[2].1, ends[2].2.contains("closed after echoing 4 of")), (seconds(3), true), "{ends:?}");
    assert_eq!((ends[3].1, ends[3].2.contains("differs")), (seconds(4), true), "{ends:?}");
}

#[test]
fn a_request_that_is_cut_off_ends_with_a_reset() {
    let (net, mut reactor, log) = clients();
    let peers = Rc::new(RefCell::new(Vec::new()));
    // One is silent, one answers wrongly, and neither reads all.
    for (n, answer) in [(1, ""), (2, "Massage")] {
        let seen = Rc::clone(&peers);
        net.server(addr(n), move |peer| {
            peer.window(1000).send_at(seconds(1), answer);
            peer.reads_nothing().read_at(millis(500), 500).read_all_from(seconds(60));
            seen.borrow_mut().push(peer);
        });
        reactor.connect(&[addr(n)], echo_client());
    }
    run(&mut reactor).unwrap();
    net.pass(seconds(60));
    assert_eq!(ends(&log).len(), 2);
    for peer in peers.borrow().iter() {
        assert_eq!(peer.end_seen(), None, "{:?}", ends(&log));
        assert!(peer.reset_seen().is_some(), "{:?}", ends(&log));
    }
}

#[test]
fn a_stop_gives_up_connecting() {
    let (net, mut reactor, log) = clients();
    net.ignore(addr(1));
    reactor.connect(&[addr(1)], echo_client());
    let handle = reactor.handle();
    net.at(seconds(3), move || handle.stop());
    run(&mut reactor).unwrap();
    assert_eq!(ends(&log), [(1, seconds(3), "server is stopping".into())]);
}

/// Sends a number of chunks, each of which fills the output, and needs no answer.
struct Sender {
    chunks_left: u32,
}

impl Session for Sender {
    fn advance(&mut self, io: &mut SessionIo<'_>, _now: Instant) -> Result<Progress, SessionError> {
        while io.output().has_room() {
            if self.chunks_left == 0 {
                return Ok(if io.output().is_empty() { Progress::Finished } else { Progress::NeedEither });
            }
            self.chunks_left -= 1;
            io.output().push(&[b'x'; 100_000]);
        }
        Ok(Progress::NeedEither)
    }
}

#[test]
fn a_session_that_waits_for_room_is_told_of_it_also_when_it_is_there_at_once() {
    let (net, mut reactor, log) = clients();
    let peer = Rc::new(RefCell::new(None));
    let seen = Rc::clone(&peer);
    net.server(addr(1), move |peer| *seen.borrow_mut() = Some(peer));
    reactor.connect(&[addr(1)], Sender { chunks_left: 30 });
    run(&mut reactor).unwrap();
    let [(1, at, end)] = &ends(&log)[..] else { panic!("one connection, one end") };
    assert!(*at < millis(2) && end == "finished", "{end} at {at:?}");
    assert_eq!(peer.take().unwrap().received().len(), 3_000_000);
}
