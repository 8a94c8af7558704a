//! Every wait has a deadline, and it is kept to the instant.

use std::path::Path;
use std::time::{Duration, Instant};

use multiconn::connection;
use multiconn::folder::Folder;
use multiconn::protocols::accumulate::AccumulateService;
use multiconn::protocols::app::AppService;
use multiconn::protocols::echo::EchoService;
use multiconn::protocols::fixed::FixedService;
use multiconn::protocols::getfile::GetFileService;
use multiconn::protocols::multiply::MultiplyService;
use multiconn::reactor::Config;
use multiconn::session::{Peer, Progress, Service, Session, SessionError, SessionIo};

use crate::support::{MORPHEUS, RING, Server, app_server, echo_server, millis, replies, search, seconds};

#[test]
fn a_dripping_header_is_cut_ten_seconds_after_its_first_byte() {
    let mut server = app_server(Config::default());
    let request = search("morpheus", false);
    let dripping = server.client_at(seconds(1));
    dripping.drip_at(seconds(5), seconds(1), &request[..60]);
    let stalled = server.client_at(seconds(1));
    stalled.send_at(millis(7001), &request[..1]);
    // The second message's header counts from its own first byte.
    let second = server.client_at(seconds(1));
    second.send_at(seconds(2), search("ring", true)).drip_at(seconds(20), millis(900), &request[..60]);
    server.run_until(seconds(100));

    let (at, end) = server.end_of(&dripping);
    assert_eq!((at, end.as_str()), (seconds(15), "timed out after 10s, 9 bytes into a JSON header of 103"));
    assert_eq!(replies(&dripping.received()), [format!("Error: {end}")]);
    assert_eq!((dripping.end_seen(), dripping.reset_seen()), (Some(seconds(15)), None));

    let (at, end) = server.end_of(&stalled);
    assert_eq!((at, end.as_str()), (millis(17_001), "timed out after 10s, 1 byte into a protoheader of 2"));
    assert_eq!(replies(&stalled.received()).len(), 1);

    assert_eq!(server.end_of(&second).0, seconds(30));
    assert_eq!(replies(&second.received())[0], RING);
    assert_eq!(replies(&second.received()).len(), 2);
}

#[test]
fn a_content_may_drip_but_not_stall() {
    let mut server = app_server(Config::default());
    let request = search("morpheus", false);
    let (head, content) = request.split_at(request.len() - 20);
    let dripping = server.client_at(seconds(1));
    dripping.send_at(seconds(2), head).drip_at(seconds(3), seconds(29), content);
    let stalled = server.client_at(seconds(1));
    stalled.send_at(seconds(2), head).drip_at(seconds(3), seconds(29), &content[..3]);
    server.run_until(seconds(1000));
    assert_eq!(replies(&dripping.received()), [MORPHEUS]);
    assert_eq!(server.end_of(&dripping), (seconds(3 + 19 * 29), "finished".into()));
    let (at, end) = server.end_of(&stalled);
    assert_eq!(at, seconds(3 + 2 * 29 + 30));
    assert!(end.starts_with("timed out after 30s, "), "{end}");
    assert_eq!(replies(&stalled.received()), [format!("Error: {end}")]);
}

#[test]
fn the_idle_are_closed_without_a_reply() {
    let mut app = app_server(Config::default());
    let silent = app.client_at(seconds(1));
    let served = app.client_at(seconds(1));
    served.send_at(seconds(30), search("morpheus", true));
    app.run_until(seconds(200));
    assert_eq!((silent.received(), silent.end_seen()), (vec![], Some(seconds(61))));
    assert_eq!(app.end_of(&silent), (seconds(61), "idle for 60s".into()));
    assert_eq!((replies(&served.received()).len(), served.end_seen()), (1, Some(seconds(90))));

    let mut echo = echo_server(Config::default());
    let silent = echo.client_at(seconds(1));
    let served = echo.client_at(seconds(1));
    served.send_at(seconds(30), "hello");
    echo.run_until(seconds(200));
    assert_eq!((silent.received(), silent.end_seen()), (vec![], Some(seconds(61))));
    assert_eq!((served.received(), served.end_seen()), (b"hello".to_vec(), Some(seconds(90))));
}

/// How `service` ends a connection that is open from second 1 and says nothing.
fn silence_with(service: impl Service) -> (Duration, String) {
    let mut server = Server::new(service, Config::default());
    let silent = server.client_at(seconds(1));
    server.run_until(seconds(200));
    assert_eq!((silent.received(), silent.end_seen()), (vec![], Some(seconds(61))));
    server.end_of(&silent)
}

#[test]
fn the_silent_are_idle_whatever_the_protocol() {
    let folder = Folder::open(Path::new(env!("CARGO_MANIFEST_DIR")), false).unwrap();
    for ended in [
        silence_with(AppService::default()),
        silence_with(EchoService::default()),
        silence_with(FixedService::default()),
        silence_with(MultiplyService::default()),
        silence_with(AccumulateService::default()),
        silence_with(GetFileService::new(folder, seconds(10))),
        // A session that knows nothing of timeouts.
        silence_with(|_: &Peer| Shout),
    ] {
        assert_eq!(ended, (seconds(61), "idle for 60s".into()));
    }
}

struct Shout;

impl Session for Shout {
    fn advance(&mut self, io: &mut SessionIo<'_>, _now: Instant) -> Result<Progress, SessionError> {
        while let Some(line) = io.input().take_until(b'\n') {
            io.output().push(&line.to_ascii_uppercase());
            io.output().push(b"\n");
        }
        Ok(if io.input_ended() { Progress::Finished } else { Progress::NeedInput })
    }
}

#[test]
fn what_comes_and_what_is_sent_begins_the_idle_time_anew() {
    let mut server = Server::new(|_: &Peer| Shout, Config::default());
    let peer = server.client_at(seconds(1));
    // Half a line is something that comes.
    peer.send_at(seconds(50), "a\nb").send_at(seconds(100), "c").send_at(seconds(150), "\n");
    server.run_until(seconds(300));
    assert_eq!(peer.received(), b"A\nBC\n");
    assert_eq!(server.end_of(&peer), (seconds(210), "idle for 60s".into()));
}

#[test]
fn a_peer_that_takes_no_reply_is_cut() {
    let request = search("morpheus", true);
    let mut server = app_server(Config::default());
    let never = server.client_at(seconds(1));
    never.window(100).reads_nothing().send_at(seconds(2), request.repeat(5000));
    // Any progress counts.
    let slow = server.client_at(seconds(1));
    slow.window(100).reads_nothing().send_at(seconds(2), request.repeat(3));
    slow.read_at(seconds(31), 1).read_at(seconds(60), 1);
    // One message and no more: it is draining already.
    let draining = server.client_at(seconds(1));
    draining.window(100).reads_nothing().send_at(seconds(2), search("morpheus", false));
    server.run_until(seconds(200));
    assert_eq!(server.end_of(&never), (seconds(32), "peer read nothing for 30s".into()));
    assert_eq!(server.end_of(&slow), (seconds(90), "peer read nothing for 30s".into()));
    assert_eq!(server.end_of(&draining), (seconds(32), "peer read nothing for 30s".into()));
    // A reply that is cut short never looks complete.
    let ends = [&never, &slow, &draining].map(|peer| (peer.end_seen(), peer.reset_seen()));
    assert_eq!(ends, [(None, Some(seconds(32))), (None, Some(seconds(90))), (None, Some(seconds(32)))]);

    let mut echo = echo_server(connection::Config { write_timeout: seconds(5), ..connection::Config::default() });
    let never = echo.client_at(seconds(1));
    never.window(100).reads_nothing().send_at(seconds(2), [0; 101]);
    echo.run_until(seconds(200));
    assert_eq!(echo.end_of(&never), (seconds(7), "peer read nothing for 5s".into()));
}

#[test]
fn room_that_is_not_reported_is_no_progress_at_the_deadline() {
    // The peer's system takes a little more right after the reply, which is too little to be reported.
    let mut server = app_server(Config::default());
    let peer = server.client_at(seconds(1));
    peer.window(10_000)
        .room_reported_from(5000)
        .reads_nothing()
        .send_at(seconds(2), search("morpheus", true).repeat(500));
    peer.read_at(millis(2001), 1000);
    server.run_until(seconds(200));
    let (at, end) = server.end_of(&peer);
    assert_eq!(end, "peer read nothing for 30s");
    assert!((seconds(32)..seconds(33)).contains(&at), "{at:?}");
    // Whenever the peer takes something, it has the whole timeout from then on, or a little more.
    for taken_at in (0..30).map(|second| seconds(2 + second)) {
        let mut server = app_server(Config::default());
        let peer = server.client_at(seconds(1));
        peer.window(10_000).room_reported_from(5000).reads_nothing();
        peer.send_at(seconds(2), search("morpheus", true).repeat(500)).read_at(taken_at, 1000);
        server.run_until(seconds(200));
        let (at, _) = server.end_of(&peer);
        let waited = taken_at - seconds(2);
        assert!((taken_at + seconds(30)..=seconds(33) + 2 * waited).contains(&at), "{taken_at:?}: {at:?}");
    }
}

#[test]
fn lingering_ends_with_the_peer_or_in_time() {
    let mut server = app_server(Config::default());
    // Zero is no header length.
    let follows = server.client_at(seconds(1));
    follows.send_at(seconds(2), [0, 0]);
    let later = server.client_at(seconds(1));
    later.keeps_open().send_at(seconds(2), [0, 0]).send_at(seconds(3), [7; 1000]).end_at(millis(3500));
    let never = server.client_at(seconds(1));
    never.keeps_open().send_at(seconds(2), [0, 0]).drip_at(millis(2100), millis(200), [7; 50]);
    server.run_until(seconds(100));
    for (peer, closed) in [(&follows, seconds(2)), (&later, millis(3500)), (&never, seconds(4))] {
        assert_eq!(replies(&peer.received()), ["Error: the header length is zero"]);
        assert_eq!(peer.end_seen(), Some(seconds(2)), "it is not made to wait for the reply's end");
        assert_eq!(peer.closed(), Some(closed));
        assert_eq!(server.end_of(peer), (closed, "the header length is zero".into()));
    }
    assert_eq!((follows.reset_seen(), later.reset_seen()), (None, None));
}

#[test]
fn who_takes_up_reading_again_is_not_idle() {
    let config = connection::Config { idle_timeout: seconds(5), ..connection::Config::default() };
    let mut echo = echo_server(config.clone());
    // More than the window and the high-water mark: it has to wait for room.
    let peer = echo.client_at(seconds(1));
    peer.window(200 << 10).reads_nothing().send_at(seconds(2), vec![1; 300 << 10]);
    peer.read_all_from(seconds(20)).read_at(seconds(20), usize::MAX).send_at(seconds(21), "more");
    echo.run_until(seconds(100));
    assert_eq!(peer.received().len(), (300 << 10) + 4);
    assert_eq!(echo.end_of(&peer), (seconds(26), "idle for 5s".into()));

    let mut app = app_server(config);
    let peer = app.client_at(seconds(1));
    peer.window(200 << 10).reads_nothing().send_at(seconds(2), search("morpheus", true).repeat(2000));
    peer.read_all_from(seconds(20)).read_at(seconds(20), usize::MAX).send_at(seconds(21), search("ring", true));
    app.run_until(seconds(100));
    assert_eq!(replies(&peer.received()).len(), 2001);
    assert_eq!(app.end_of(&peer), (seconds(26), "idle for 5s".into()));
}

#[test]
fn a_thousand_timers_go_off_each_at_its_time() {
    let mut server = app_server(Config { connections_max: 2000, ..Config::default() });
    let peers: Vec<_> = (0..1000).map(|n| server.client_at(millis(1000 + n * 7919 % 1000))).collect();
    server.run_until(seconds(100));
    for peer in peers {
        let accepted = peer.accepted().unwrap();
        assert_eq!(server.end_of(&peer).0, accepted + Duration::from_secs(60));
    }
}

#[test]
fn who_reads_slowly_is_not_taken_for_one_who_reads_nothing() {
    let mut server = echo_server(Config::default());
    let peer = server.client_at(seconds(1));
    // It takes too little for the system to say so, up to second 101, and then nothing.
    peer.window(100_000).room_reported_from(50_000).reads_nothing();
    peer.send_at(seconds(1), vec![b'x'; 150_000]);
    for n in 0..20 {
        peer.read_at(seconds(6 + 5 * n), 1000);
    }
    server.run_until(seconds(300));
    let (at, end) = server.end_of(&peer);
    assert_eq!(end, "peer read nothing for 30s");
    // What it took after one look is found at the next, 30 seconds later, and the look after that finds nothing.
    assert!((seconds(131)..=seconds(161)).contains(&at), "{at:?}");
    assert_eq!(peer.received().len(), 20_000);
}

#[test]
fn who_has_taken_its_reply_has_the_message_s_time_for_the_next() {
    let mut server = app_server(Config::default());
    let request = search("ring", true);
    let (head, rest) = request.split_at(request.len() - 3);
    let peer = server.client_at(seconds(1));
    peer.window(100).reads_nothing().send_at(seconds(2), [&request[..], head].concat());
    // From here on only input is left over, for longer than output may be.
    peer.read_all_from(seconds(5)).drip_at(seconds(20), seconds(20), rest);
    server.run_until(seconds(70));
    assert_eq!(replies(&peer.received()), [RING, RING]);
}
