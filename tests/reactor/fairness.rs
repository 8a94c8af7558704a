//! One peer's hurry or sloth is no other peer's.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use multiconn::connection;
use multiconn::reactor::Config;
use multiconn::selector::sim::{Counts, SimNet, SimPeer};
use multiconn::session::{Peer, Progress, Session, SessionError, SessionIo};

use crate::support::{Server, app_server, echo_server, millis, replies, search, seconds};

/// Most bytes that a connection may have read in a turn: its budget, and what the last read goes beyond.
const TURN_LEN: usize = (384 << 10) + (64 << 10);

/// A peer's turns: the calls of `select` from its request to its reply.
fn count_turns(net: &SimNet, peer: &SimPeer, at: std::time::Duration, request: &[u8]) -> Rc<Cell<u64>> {
    let turns = Rc::new(Cell::new(0));
    let asked = Rc::new(Cell::new(Counts::default()));
    let now = {
        let (net, asked) = (net.clone(), Rc::clone(&asked));
        move || asked.set(net.counts())
    };
    net.at(at, now);
    peer.send_at(at, request);
    let (net, result) = (net.clone(), Rc::clone(&turns));
    peer.answers(move |_| {
        result.set((net.counts() - asked.get()).selects);
        Vec::new()
    });
    turns
}

/// How many bytes of `peer`'s have been read, and in how many turns, at each of two times.
fn taken_at(net: &SimNet, peer: &SimPeer, times: [Duration; 2]) -> Rc<Cell<[(usize, usize); 2]>> {
    let taken = Rc::new(Cell::new([(0, 0); 2]));
    for (index, at) in times.into_iter().enumerate() {
        let (taken, peer, net_then) = (Rc::clone(&taken), peer.clone(), net.clone());
        net.at(at, move || {
            let mut both = taken.get();
            both[index] = (peer.taken(), net_then.counts().selects as usize);
            taken.set(both);
        });
    }
    taken
}

#[test]
fn a_flood_starves_nobody() {
    let mut server = echo_server(Config::default());
    server.net.set_turn_time(millis(1));
    let flood = server.client_at(seconds(1));
    flood.window(1 << 20).flood_at(seconds(1), "flood").reset_at(seconds(3));
    let quiet: Vec<_> = (0..20).map(|_| server.client_at(seconds(1))).collect();
    let turns: Vec<_> = quiet
        .iter()
        .zip(0..)
        .map(|(peer, n)| count_turns(&server.net, peer, seconds(2) + millis(7 * n), b"hello"))
        .collect();
    let taken = taken_at(&server.net, &flood, [millis(1500), millis(1600)]);
    server.run_until(seconds(5));
    for (peer, turns) in quiet.iter().zip(turns) {
        assert_eq!(peer.received(), b"hello");
        assert!((1..=2).contains(&turns.get()), "answered after {} turns", turns.get());
    }
    let [(before, first), (after, last)] = taken.get();
    assert!(last - first >= 50, "{} turns", last - first);
    assert!((after - before) / (last - first) <= TURN_LEN, "a turn has a budget");
    assert!((after - before) / (last - first) >= 300 << 10, "which it may use");
}

#[test]
fn pipelined_messages_starve_nobody() {
    let mut server = app_server(Config::default());
    server.net.set_turn_time(millis(1));
    let flood = server.client_at(seconds(1));
    flood.window(10 << 20).flood_at(seconds(1), search("morpheus", true)).reset_at(millis(1300));
    let quiet = server.client_at(seconds(1));
    let turns = count_turns(&server.net, &quiet, millis(1150), &search("ring", false));
    server.run_until(seconds(5));
    assert_eq!(replies(&quiet.received()).len(), 1);
    assert!((1..=2).contains(&turns.get()), "answered after {} turns", turns.get());
    let answered = replies(&flood.received()).len();
    assert!((50_000..=260 * 300).contains(&answered), "256 in each of three hundred turns, not {answered}");
}

/// Bytes read from all of `peers` so far.
fn all_taken(peers: &[SimPeer]) -> usize {
    peers.iter().map(SimPeer::taken).sum()
}

#[test]
fn a_request_does_not_wait_for_a_crowd_of_floods() {
    let mut server = echo_server(Config::default());
    server.net.set_turn_time(millis(1));
    let floods: Vec<_> = (0..200).map(|_| server.client_at(seconds(1))).collect();
    for flood in &floods {
        flood.window(1 << 20).flood_at(millis(1100), "flood").reset_at(seconds(2));
    }
    // One that is connected already, and one that is accepted beside them.
    let quiet = [server.client_at(seconds(1)), server.client_at(millis(1555))];
    let turns = [(millis(1500), &quiet[0]), (millis(1557), &quiet[1])]
        .map(|(at, peer)| count_turns(&server.net, peer, at, b"hello"));
    let before = Rc::new(Cell::new(0));
    let longest = Rc::new(Cell::new(0));
    for at in 1400..1800 {
        let (before, longest, floods) = (Rc::clone(&before), Rc::clone(&longest), floods.clone());
        server.net.at(millis(at), move || {
            let taken = all_taken(&floods);
            let len = taken - before.replace(taken);
            if at > 1400 {
                longest.set(len.max(longest.get()));
            }
        });
    }
    let shares = Rc::new(Cell::new((0, 0)));
    {
        let (shares, floods) = (Rc::clone(&shares), floods.clone());
        server.net.at(millis(1800), move || {
            let taken = || floods.iter().map(SimPeer::taken);
            shares.set((taken().min().unwrap(), taken().max().unwrap()));
        });
    }
    server.run_until(seconds(5));
    for (peer, turns) in quiet.iter().zip(turns) {
        assert_eq!(peer.received(), b"hello");
        assert!((1..=2).contains(&turns.get()), "answered after {} turns", turns.get());
    }
    // All of them together have as much read in a turn as one alone would.
    assert!((100 << 10..=TURN_LEN).contains(&longest.get()), "{} bytes in a turn", longest.get());
    let (least, most) = shares.get();
    assert!(least > 0 && most - least <= TURN_LEN, "they take turns: {least} to {most} bytes each");
}

/// Has always more to say.
struct Endless;

impl Session for Endless {
    fn advance(&mut self, io: &mut SessionIo<'_>, _now: Instant) -> Result<Progress, SessionError> {
        while io.output().has_room() {
            io.output().push(&[b'x'; 10_000]);
        }
        Ok(Progress::NeedRoom)
    }
}

#[test]
fn a_reader_that_is_never_full_starves_nobody() {
    let mut server = Server::new(
        |_: &Peer| Endless,
        connection::Config { drain_timeout: millis(10), ..connection::Config::default() },
    );
    server.net.set_turn_time(millis(10));
    let greedy = server.client_at(seconds(1));
    greedy.window(64 << 20);
    let second = server.client_at(millis(1500));
    second.window(64 << 20);
    server.run_until(seconds(2));
    assert!(greedy.received().len() > 1 << 20);
    assert!((millis(1500)..=millis(1510)).contains(&second.accepted().unwrap()));
    let turns = 2 + (2000 - 1500) / 10;
    let received = second.received().len();
    assert!(received <= turns * TURN_LEN, "{received} bytes in {turns} turns");
}

#[test]
fn a_timer_gives_no_second_share() {
    // Its idle timer, set before the flood, goes off in the middle of it.
    let mut server = echo_server(connection::Config { idle_timeout: millis(500), ..connection::Config::default() });
    server.net.set_turn_time(millis(1));
    let flood = server.client_at(seconds(1));
    flood.window(1 << 20).flood_at(millis(1250), "flood").reset_at(seconds(3));
    let taken = taken_at(&server.net, &flood, [millis(2000), millis(2900)]);
    server.run_until(seconds(5));
    let [(before, first), (after, last)] = taken.get();
    let share = (after - before) / (last - first);
    assert!(share <= TURN_LEN, "{share} bytes a turn");
}

#[test]
fn three_hundred_stalled_peers_hold_up_nobody() {
    let mut server = app_server(Config::default());
    let request = search("morpheus", false);
    let header_len = request.len() - request[..].iter().rev().position(|&byte| byte == b'{').unwrap() - 1;
    let stalled: Vec<_> = (0..300)
        .map(|n| {
            let peer = server.client_at(seconds(1));
            peer.send_at(seconds(2), &request[..1 + n % (request.len() - 1)]);
            peer
        })
        .collect();
    let served = server.client_at(seconds(3));
    served.send_at(seconds(3), &request);
    server.run_until(seconds(50));
    assert_eq!((replies(&served.received()).len(), served.end_seen()), (1, Some(seconds(3))));
    for (n, peer) in stalled.iter().enumerate() {
        let sent = 1 + n % (request.len() - 1);
        // The header's timeout, or the content's.
        let expected = if sent < header_len { seconds(12) } else { seconds(32) };
        let (at, end) = server.end_of(peer);
        // A turn closes only a few. The others wait for the next turn, which takes next to no time here.
        let in_time = (expected..expected + millis(1)).contains(&at);
        assert!(in_time && end.starts_with("timed out after "), "{sent} bytes at {at:?}: {end}");
    }
}
