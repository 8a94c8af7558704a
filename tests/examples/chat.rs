//! The chat: names, lines, slow readers, and the good-bye.

use std::cell::RefCell;
use std::rc::Rc;

use multiconn::connection::Config;
use multiconn::selector::sim::SimPeer;

use crate::support::{Server, millis, received, seconds};

#[allow(dead_code)]
#[path = "../../docs/examples/chat.rs"]
mod example;

use example::{Chat, MAILBOX_LEN_MAX};

/// Most bytes that a connection reads in a turn.
const BYTES_PER_TURN: usize = 256 << 10;

fn server() -> Server<Chat> {
    Server::new(Chat::default(), Config::default())
}

/// A peer that connects at `second` and says its name.
fn member(server: &Server<Chat>, second: u64, name: &str) -> SimPeer {
    let peer = server.client_at(seconds(second));
    peer.send_at(seconds(second), format!("{name}\n"));
    peer
}

#[test]
fn lines_go_to_all_others_with_the_name_of_the_sender() {
    let mut server = server();
    let (ann, bob, eve) = (member(&server, 1, "ann"), member(&server, 2, "bob"), member(&server, 3, "eve"));
    ann.send_at(seconds(4), "hel").send_at(seconds(5), "lo\r\nsecond\n");
    bob.send_at(seconds(6), "\x1b[2Jhi\n").end_at(seconds(7));
    eve.reset_at(seconds(8));
    ann.end_at(seconds(9));
    server.run_until(seconds(10));
    let heard = "* bob has joined\n* eve has joined\nbob: [2Jhi\n* bob has left\n* eve has left\n";
    assert_eq!(received(&ann), heard);
    assert_eq!(received(&bob), "* eve has joined\nann: hello\nann: second\n");
    assert_eq!(server.end_of(&bob), (seconds(7), "finished".into()));
}

#[test]
fn a_name_is_checked_and_belongs_to_one_member() {
    let mut server = server();
    let (ann, other) = (member(&server, 1, "ann"), member(&server, 2, "ann"));
    other.send_at(seconds(3), "a nn\n\n").send_at(seconds(4), format!("{}\nbob\nhi\n", "x".repeat(21)));
    other.end_at(seconds(5));
    // A name is free again once its owner has left.
    let bob = member(&server, 6, "bob");
    server.run_until(seconds(7));
    let choose = "* Choose another name, of letters and digits\n";
    assert_eq!(received(&other), choose.repeat(4));
    let good_bye = "* The server stops. Good-bye!\n";
    let heard = format!("* bob has joined\nbob: hi\n* bob has left\n* bob has joined\n{good_bye}");
    assert_eq!(received(&ann), heard);
    assert_eq!(received(&bob).lines().last(), good_bye.lines().last());
}

#[test]
fn all_get_a_good_bye_at_a_stop() {
    let mut server = server();
    let (ann, bob, nameless) = (member(&server, 1, "ann"), member(&server, 1, "bob"), server.client_at(seconds(1)));
    ann.send_at(seconds(2), "half a li");
    server.run_until(seconds(3));
    for peer in [&ann, &bob, &nameless] {
        assert!(received(peer).ends_with("* The server stops. Good-bye!\n"));
        assert_eq!((peer.end_seen(), peer.reset_seen()), (Some(seconds(3)), None));
        assert_eq!(server.end_of(peer).1, "finished");
    }
}

#[test]
fn a_line_or_a_name_that_takes_too_long_ends_the_connection() {
    let mut server = server();
    let (silent, dripping) = (server.client_at(seconds(1)), member(&server, 1, "drip"));
    dripping.drip_at(seconds(2), seconds(1), [b'x'; 100]);
    let long = member(&server, 1, "long");
    long.send_at(seconds(2), "x".repeat(501));
    server.run_until(seconds(50));
    assert_eq!(server.end_of(&silent), (seconds(31), "a line took too long".into()));
    assert_eq!(server.end_of(&dripping), (seconds(32), "a line took too long".into()));
    assert_eq!(server.end_of(&long), (seconds(2), "a line of more than 500 bytes".into()));
}

#[test]
fn a_peer_that_never_reads_but_keeps_sending_costs_no_more_than_its_mailbox() {
    let chat = Chat::default();
    let room = Rc::clone(&chat.room);
    let config = Config { write_timeout: seconds(3), ..Config::default() };
    let mut server = Server::new(chat, config);
    server.net.set_turn_time(millis(10));
    let (deaf, loud, good) = (member(&server, 1, "deaf"), member(&server, 1, "loud"), member(&server, 1, "good"));
    deaf.window(1000).reads_nothing().flood_at(seconds(2), "I can't hear you\n");
    loud.flood_at(seconds(2), "Can you hear me?\n").end_at(seconds(7));

    // How many bytes of the deaf peer were read, and how many lines it has missed, over time.
    let seen = Rc::new(RefCell::new(Vec::new()));
    for n in 0..40 {
        let (room, seen, deaf) = (Rc::clone(&room), Rc::clone(&seen), deaf.clone());
        server.net.at(seconds(2) + millis(100 * n), move || {
            for mailbox in room.borrow().values() {
                assert!(mailbox.lines.len() <= MAILBOX_LEN_MAX && mailbox.lines.capacity() <= 2 * MAILBOX_LEN_MAX);
            }
            seen.borrow_mut().extend(room.borrow().get("deaf").map(|mailbox| (deaf.taken(), mailbox.dropped)));
        });
    }
    server.run_until(seconds(8));

    // Once its output is full, it is read from no further; from then on its mailbox loses lines.
    let seen = seen.borrow();
    let (taken, dropped) = *seen.last().expect("it was a member for a while");
    assert!(dropped > 1000, "{dropped}");
    assert!(seen.iter().filter(|it| it.0 == taken).count() > 20, "{seen:?}");
    assert!(taken <= BYTES_PER_TURN, "{taken}");
    let (at, end) = server.end_of(&deaf);
    assert_eq!(end, "peer read nothing for 3s");
    assert!((seconds(5)..seconds(6)).contains(&at), "{at:?}");

    // The others have missed nothing.
    let good = received(&good);
    assert!(!good.contains("missed"));
    assert_eq!(good.matches("loud: Can you hear me?\n").count(), loud.taken() / 17);
    let heard = good.matches("deaf: I can't hear you\n").count();
    assert!((1000..=taken / 17).contains(&heard), "{heard}");
}

#[test]
fn a_peer_that_reads_again_learns_how_much_it_has_missed() {
    let mut server = server();
    let (slow, loud) = (member(&server, 1, "slow"), member(&server, 1, "loud"));
    slow.window(1000).reads_nothing().read_all_from(seconds(5)).end_at(seconds(6));
    for n in 0..40 {
        loud.send_at(seconds(2) + millis(50 * n), format!("{}\n", "x".repeat(400)).repeat(100));
    }
    server.run_until(seconds(7));
    let slow = received(&slow);
    let missed = slow.lines().find_map(|line| line.strip_prefix("* You have missed ")?.strip_suffix(" lines"));
    let missed: usize = missed.expect("a note").parse().unwrap();
    let heard = slow.lines().filter(|line| line.starts_with("loud: ")).count();
    assert_eq!(heard + missed, 4000);
    assert!((MAILBOX_LEN_MAX..MAILBOX_LEN_MAX + 200).contains(&heard), "{heard}");
}
