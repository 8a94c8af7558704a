//! Peers that send more than they read, or more than they should.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use multiconn::connection;
use multiconn::protocols::app::AppService;
use multiconn::reactor::Config;
use multiconn::selector::Interest;
use multiconn::selector::sim::SimPeer;

use crate::support::{Server, app_server, echo_server, millis, replies, search, seconds};

/// What one read brings at most.
const READ_LEN: usize = 64 << 10;

/// The interest in `peer` at each of `times`.
pub fn interest_at<const N: usize>(peer: &SimPeer, times: [u64; N]) -> [Rc<Cell<Interest>>; N] {
    times.map(|time| {
        let seen = Rc::new(Cell::new(Interest::NONE));
        let (cell, peer) = (Rc::clone(&seen), peer.clone());
        peer.net().clone().at(seconds(time), move || cell.set(peer.interest()));
        seen
    })
}

/// How many bytes of `peer`'s have been read at `time`.
fn taken_at(peer: &SimPeer, time: Duration) -> Rc<Cell<usize>> {
    let seen = Rc::new(Cell::new(0));
    let (cell, peer) = (Rc::clone(&seen), peer.clone());
    peer.net().clone().at(time, move || cell.set(peer.taken()));
    seen
}

#[test]
fn echo_of_a_peer_that_does_not_read_is_bounded() {
    let config = connection::Config { output_high_water: 100_000, ..connection::Config::default() };
    let mut server = echo_server(config);
    let peer = server.client_at(seconds(1));
    let bytes: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    peer.window(50_000).reads_nothing().send_at(seconds(2), &bytes);
    let [during, after] = interest_at(&peer, [10, 30]);
    let taken = taken_at(&peer, seconds(10));
    peer.read_all_from(seconds(20));
    server.run_until(seconds(31));
    assert!(taken.get() >= 100_000, "it reads up to the mark: {}", taken.get());
    assert!(taken.get() < 50_000 + 100_000 + READ_LEN, "and not beyond: {}", taken.get());
    assert_eq!(during.get(), Interest::WRITE, "nothing is read before something is sent");
    assert_eq!(after.get(), Interest::READ);
    assert!(peer.received() == bytes, "when it reads again, it gets all the rest");
}

#[test]
fn replies_to_a_peer_that_does_not_read_are_bounded() {
    let mut server = app_server(Config::default());
    let peer = server.client_at(seconds(1));
    let request = search("morpheus", true);
    peer.window(1000).reads_nothing().send_at(seconds(2), request.repeat(20_000));
    let [during, after] = interest_at(&peer, [10, 30]);
    let taken = taken_at(&peer, seconds(10));
    peer.read_all_from(seconds(20));
    server.run_until(seconds(31));
    // Replies are longer than requests, so the input taken stays below what the output may hold.
    assert!(taken.get() <= 1000 + (64 << 10) + READ_LEN, "{}", taken.get());
    assert_eq!((during.get(), after.get()), (Interest::WRITE, Interest::READ));
    assert_eq!(replies(&peer.received()).len(), 20_000);
}

#[test]
fn an_error_reply_arrives_with_unread_input_behind_it() {
    let mut server = app_server(Config::default());
    let at_once = server.client_at(seconds(1));
    at_once.send_at(seconds(2), [vec![0, 0], vec![b'x'; 200_000]].concat());
    let later = server.client_at(seconds(1));
    later.keeps_open().send_at(seconds(2), [0, 0]);
    for n in 0..100 {
        later.send_at(seconds(2) + millis(10 * n), [b'x'; 2000]);
    }
    later.end_at(seconds(3));
    // Told before the content comes, of which there is a lot.
    let oversized = server.client_at(seconds(1));
    let header = br#"{"byteorder": "big", "content-type": "x", "content-encoding": "x", "content-length": 9999999}"#;
    let head = [&(header.len() as u16).to_be_bytes()[..], header].concat();
    oversized.send_at(seconds(2), [head, vec![b'x'; 9_999_999]].concat());
    server.run_until(seconds(9));
    for (peer, sent) in [(&at_once, 200_002), (&later, 200_002), (&oversized, 9_999_999 + 2 + header.len())] {
        let replies = replies(&peer.received());
        assert!(replies.len() == 1 && replies[0].starts_with("Error: "), "{replies:?}");
        assert_eq!((peer.end_seen(), peer.reset_seen()), (Some(seconds(2)), None));
        assert_eq!(peer.taken(), sent, "what came was read before the close");
    }
    assert_eq!(later.closed(), Some(seconds(3)));
}

#[test]
fn lingering_is_bounded_in_bytes() {
    let config = connection::Config { linger_len_max: 1 << 20, ..connection::Config::default() };
    let mut server = app_server(config);
    let peer = server.client_at(seconds(1));
    peer.keeps_open().send_at(seconds(2), [0, 0]).flood_at(seconds(2), "flood");
    server.run_until(seconds(9));
    assert_eq!(replies(&peer.received()), ["Error: the header length is zero"]);
    let taken = peer.taken();
    assert!((1 << 20..(1 << 20) + 2 * READ_LEN).contains(&taken), "{taken}");
    assert!(peer.closed().unwrap() < millis(2100), "{:?}", peer.closed());
}

#[test]
fn lingering_is_bounded_in_time_however_much_comes() {
    let mut server = app_server(connection::Config { linger_len_max: usize::MAX, ..connection::Config::default() });
    server.net.set_turn_time(millis(10));
    let peer = server.client_at(seconds(1));
    peer.keeps_open().send_at(seconds(2), [0, 0]).flood_at(seconds(2), "flood");
    server.run_until(seconds(9));
    assert_eq!(replies(&peer.received()), ["Error: the header length is zero"]);
    let closed = peer.closed().unwrap();
    assert!((seconds(4)..seconds(4) + millis(20)).contains(&closed), "{closed:?}");
}

#[test]
fn input_that_comes_while_the_last_reply_drains_does_not_destroy_it() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let entry = "long ".repeat(100_000);
    std::fs::write(file.path(), format!(r#"{{"who": "{entry}"}}"#)).unwrap();
    let service = AppService::with_dictionary(Default::default(), Default::default(), file.path().to_owned()).unwrap();
    let mut server = Server::new(service, Config::default());
    let peer = server.client_at(seconds(1));
    peer.window(100_000).reads_nothing().send_at(seconds(2), search("who", false));
    for n in 0..10 {
        peer.read_at(seconds(3 + n), 60_000);
    }
    peer.send_at(seconds(5), "one more thing").end_at(seconds(12));
    server.run_until(seconds(30));
    assert_eq!(peer.reset_seen(), None);
    assert_eq!(replies(&peer.received()), [entry]);
    assert_eq!(server.end_of(&peer).1, "finished");
}
