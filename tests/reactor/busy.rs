//! Requests with simulated work: what it holds up, and what not.

use std::time::{Duration, Instant};

use multiconn::connection;
use multiconn::models::{Busy, Work};
use multiconn::protocols::app::AppService;
use multiconn::protocols::echo::EchoService;
use multiconn::reactor::Config;
use multiconn::session::{Peer, Progress, Service, Session, SessionError, SessionIo};

use crate::support::{MORPHEUS, RING, Server, millis, replies, search, seconds};

const WORK: Duration = Duration::from_secs(3);

fn waits<V: Service>(service: V) -> Server<Busy<V>> {
    waits_with(service, connection::Config::default())
}

fn waits_with<V: Service>(service: V, config: connection::Config) -> Server<Busy<V>> {
    let service = Busy::new(service, Work::Wait(WORK)).expect("it takes no threads");
    let server = Server::new(service, config);
    server.net.set_turn_time(Duration::ZERO);
    server
}

#[test]
fn who_waits_for_one_request_goes_on_with_others() {
    let mut server = waits(AppService::default());
    let peers: Vec<_> = (1..=10)
        .map(|n| {
            let peer = server.client_at(millis(1000 + n));
            peer.send_at(millis(1000 + n), search("morpheus", false));
            peer
        })
        .collect();
    server.run_until(seconds(60));
    for (n, peer) in (1..=10).zip(&peers) {
        assert_eq!(replies(&peer.received()), [MORPHEUS]);
        assert_eq!(peer.end_seen(), Some(millis(1000 + n) + WORK), "none waits for another");
    }
}

#[test]
fn requests_of_one_connection_are_worked_on_one_after_the_other() {
    let mut server = waits(AppService::default());
    let peer = server.client_at(seconds(1));
    let pipelined = [search("morpheus", true), search("ring", true), search("ring", false)].concat();
    peer.send_at(seconds(1), pipelined).end_at(seconds(1));
    server.run_until(seconds(60));
    assert_eq!(replies(&peer.received()), [MORPHEUS, RING, RING]);
    assert_eq!(peer.end_seen(), Some(seconds(1) + 3 * WORK));
}

#[test]
fn an_echo_is_late_by_the_work_and_loses_nothing() {
    let mut server = waits(EchoService::default());
    let peer = server.client_at(seconds(1));
    peer.send_at(seconds(1), "one, ").send_at(seconds(2), "two").end_at(seconds(2));
    server.run_until(seconds(60));
    assert_eq!(peer.received(), b"one, two");
    assert_eq!(peer.end_seen(), Some(seconds(1) + 2 * WORK));
}

#[test]
fn work_is_not_the_peers_time() {
    let config = connection::Config { idle_timeout: seconds(2), ..connection::Config::default() };
    let mut server = waits_with(AppService::default(), config);
    let peer = server.client_at(seconds(1));
    peer.send_at(seconds(1), search("morpheus", true)).send_at(millis(5500), search("ring", true));
    let silent = server.client_at(seconds(1));
    silent.send_at(seconds(1), search("ring", true));
    server.run_until(seconds(60));
    // Its reply came at 4 s, so at 5.5 s it has been idle for 1.5 s, and at 8.5 s it has the next reply.
    assert_eq!(replies(&peer.received()), [MORPHEUS, RING]);
    assert_eq!(server.end_of(&peer).0, millis(10_500));
    assert_eq!(server.end_of(&silent), (seconds(6), "idle for 2s".into()));
}

#[test]
fn an_error_is_told_at_once() {
    let mut server = waits(AppService::default());
    let peer = server.client_at(seconds(1));
    peer.send_at(seconds(1), b"\0\x02{}");
    server.run_until(seconds(60));
    assert_eq!(peer.end_seen(), Some(seconds(1)));
    let replies = replies(&peer.received());
    assert!(replies[0].starts_with("Error: "), "{replies:?}");
}

#[test]
fn a_stop_waits_for_the_work() {
    let mut server = waits(AppService::default());
    let peer = server.client_at(seconds(1));
    peer.send_at(seconds(1), search("morpheus", true));
    server.run_until(seconds(2));
    assert_eq!(replies(&peer.received()), [MORPHEUS]);
    assert_eq!(server.end_of(&peer), (seconds(4), "server is stopping".into()));
}

#[test]
fn computing_comes_to_the_same() {
    let work = Work::Compute(millis(1));
    let mut server =
        Server::new(Busy::new(AppService::default(), work).expect("it takes no threads"), Config::default());
    let peer = server.client_at(seconds(1));
    peer.send_at(seconds(1), [search("morpheus", true), search("ring", false)].concat());
    server.run_until(seconds(60));
    assert_eq!(replies(&peer.received()), [MORPHEUS, RING]);
}

/// Sends each line back in capitals; says good-bye at a stop, and ends its side after `end`.
struct Polite;

impl Session for Polite {
    fn advance(&mut self, io: &mut SessionIo<'_>, _now: Instant) -> Result<Progress, SessionError> {
        if let Some(line) = io.input().take_until(b'\n') {
            io.output().push(&line.to_ascii_uppercase());
            if line == b"end" {
                io.end_output();
            }
        } else if io.is_stopping() {
            io.output().push(b"bye");
            return Ok(Progress::Finished);
        }
        Ok(if io.input_ended() { Progress::Finished } else { Progress::NeedInput })
    }
}

#[test]
fn a_session_at_work_half_closes_after_its_reply_and_hears_of_a_stop() {
    let mut server = waits(|_: &Peer| Polite);
    let peer = server.client_at(seconds(1));
    peer.keeps_open().send_at(seconds(1), "end\n").end_at(seconds(9));
    let stopped = server.client_at(seconds(1));
    stopped.send_at(seconds(10), "one\n");
    server.run_until(seconds(12));
    assert_eq!((peer.received(), peer.end_seen()), (b"END".to_vec(), Some(seconds(1) + WORK)));
    assert_eq!((stopped.received(), stopped.end_seen()), (b"ONEbye".to_vec(), Some(seconds(10) + 2 * WORK)));
}
