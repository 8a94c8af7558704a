//! A server that never reads: which ends of its peers it still notices, and which not.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use multiconn::address::Addr;
use multiconn::protocols::sink::{LOOK_INTERVAL, SinkService, Waiting};
use multiconn::reactor::Config;

use crate::support::{Server, millis, seconds};

fn sink() -> Server<SinkService> {
    Server::new(SinkService::new(seconds(100)), Config::default())
}

#[test]
fn nothing_is_read_of_anybody() {
    let mut server = sink();
    let silent = server.client_at(seconds(1));
    let talks = server.client_at(seconds(2));
    talks.drip_at(seconds(2), seconds(1), "nobody reads this");
    let floods = server.client_at(seconds(3));
    floods.flood_at(seconds(3), "nor this");
    server.run_until(seconds(200));
    for (peer, until) in [(&silent, 101), (&talks, 102), (&floods, 103)] {
        assert_eq!(server.end_of(peer), (seconds(until), "held for 100s".into()));
    }
    // A peer whose data was not read gets a reset.
    assert_eq!((silent.end_seen(), silent.reset_seen()), (Some(seconds(101)), None));
    assert_eq!((talks.reset_seen(), floods.reset_seen()), (Some(seconds(102)), Some(seconds(103))));
    let counts = server.net.counts();
    assert_eq!((counts.reads, counts.writes), (0, 0));
    assert!(counts.selects < 50, "{counts:?}");
}

#[test]
fn who_hangs_up_is_let_go_at_once() {
    let mut server = sink();
    let [silent, ends, closes, breaks, early] = [1, 1, 1, 1, 1].map(|time| server.client_at(seconds(time)));
    silent.end_at(seconds(2));
    ends.send_at(seconds(1), "unread").end_at(seconds(3));
    closes.send_at(seconds(1), "unread").send_at(seconds(2), "unread").close_at(seconds(4));
    breaks.send_at(seconds(1), "unread").reset_at(seconds(5));
    early.send_at(seconds(1), "unread").close_at(seconds(1));
    server.run_until(seconds(200));
    for (peer, at) in [(&silent, 2), (&ends, 3), (&closes, 4), (&early, 1)] {
        assert_eq!(server.end_of(peer), (seconds(at), "finished".into()));
    }
    assert_eq!(server.end_of(&breaks), (seconds(5), "connection reset by peer".into()));
    // There is nothing to linger for.
    assert_eq!((silent.end_seen(), silent.reset_seen()), (Some(seconds(2)), None));
    assert_eq!(ends.reset_seen(), Some(seconds(3)));
    assert_eq!(server.net.counts().reads, 0);
}

#[test]
fn a_stop_waits_for_nobody() {
    let mut server = sink();
    let peers = [1, 2].map(|time| server.client_at(seconds(time)));
    peers[1].send_at(seconds(2), "unread");
    server.run_until(seconds(3));
    for peer in &peers {
        assert_eq!(server.end_of(peer), (seconds(3), "server is stopping".into()));
        assert_eq!(peer.closed(), Some(seconds(3)));
    }
}

/// However many connections there are, and whenever they came.
#[test]
fn there_is_one_look_for_all() {
    let looks = Arc::new(AtomicU64::new(0));
    let asked: Arc<Mutex<Vec<Addr>>> = Arc::default();
    let service = {
        let (looks, asked) = (Arc::clone(&looks), Arc::clone(&asked));
        SinkService::new(seconds(100)).looking(move || {
            let number = looks.fetch_add(1, Ordering::Relaxed);
            asked.lock().unwrap().iter().map(|&addr| (addr.inet().unwrap(), number)).collect::<Waiting>()
        })
    };
    let mut server = Server::new(service, Config::default());
    let peers: Vec<_> = (0..20).map(|number| server.client_at(millis(1000 + 77 * number))).collect();
    asked.lock().unwrap().extend(peers.iter().map(|peer| peer.addr()));
    server.run_until(seconds(11));
    let most = seconds(10).as_millis() / LOOK_INTERVAL.as_millis() + 1;
    let looks = u128::from(looks.load(Ordering::Relaxed));
    assert!((most - 1..=most).contains(&looks), "{looks} looks");
    // All look at the same time soon after they have come, and in between the loop has nothing to do.
    let counts = server.net.counts();
    assert!(counts.selects < 120, "{counts:?}");
    assert_eq!(counts.reads, 0);
}
