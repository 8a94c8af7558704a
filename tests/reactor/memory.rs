//! The memory that all connections may use together.

use std::cell::Cell;
use std::rc::Rc;

use multiconn::connection::{self, Memory};
use multiconn::selector::sim::SimPeer;

use crate::support::{app_server, echo_server, millis, replies, search, seconds};

const MAX: usize = 1 << 20;

fn config(memory: &Memory) -> connection::Config {
    connection::Config { memory: memory.clone(), ..connection::Config::default() }
}

/// The most that is in use at the end of any millisecond of the first minute.
fn watched(peer: &SimPeer, memory: &Memory) -> Rc<Cell<usize>> {
    let most = Rc::new(Cell::new(0));
    for at in 0..10_000 {
        let (most, memory) = (Rc::clone(&most), memory.clone());
        peer.net().at(millis(at), move || most.set(most.get().max(memory.used())));
    }
    most
}

#[test]
fn the_longest_unfinished_messages_give_way() {
    let memory = Memory::new(MAX);
    let mut server = app_server(config(&memory));
    let request = search(&"x".repeat(200_000), true);
    let heavy: Vec<_> = (0..30).map(|_| server.client_at(seconds(1))).collect();
    let most = watched(&heavy[0], &memory);
    for (peer, n) in heavy.iter().zip(0..) {
        peer.send_at(seconds(2) + millis(20 * n), &request[..request.len() - 1]);
    }
    // Half a message of the usual length is beside them all the time.
    let light = server.client_at(seconds(1));
    let request = search("ring", false);
    light.send_at(seconds(1), &request[..50]).send_at(seconds(5), &request[50..]);
    server.run_until(seconds(10));
    let ended: Vec<_> = heavy.iter().filter(|peer| !peer.received().is_empty()).collect();
    assert!((30 - 5..30).contains(&ended.len()), "{} of 30 ended", ended.len());
    for peer in ended {
        let told = "Error: the server is full, its connections use 1048576 bytes; try again later";
        assert_eq!(replies(&peer.received()), [told]);
        assert_eq!(server.end_of(peer).1, "all connections use more than 1048576 bytes of memory, this one the most");
    }
    assert_eq!(replies(&light.received()).len(), 1);
    assert_eq!(server.end_of(&light).1, "finished");
    assert!(most.get() > MAX / 2 && most.get() <= MAX, "{} bytes", most.get());
}

#[test]
fn output_that_nobody_reads_gives_way_with_a_reset() {
    let memory = Memory::new(MAX);
    let mut server = echo_server(config(&memory));
    let heavy: Vec<_> = (0..60).map(|_| server.client_at(seconds(1))).collect();
    let most = watched(&heavy[0], &memory);
    for peer in &heavy {
        peer.window(100).reads_nothing().flood_at(seconds(2), "flood").reset_at(seconds(9));
    }
    let light = server.client_at(seconds(1));
    light.send_at(seconds(5), "hello");
    server.run_until(seconds(8));
    let reset = heavy.iter().filter(|peer| peer.reset_seen().is_some()).count();
    assert!(reset > 60 - 20 && reset < 60, "{reset} of 60 were reset");
    assert_eq!(light.received(), b"hello");
    assert!(most.get() > MAX / 2 && most.get() <= MAX, "{} bytes", most.get());
    server.run_until(seconds(10));
    assert_eq!(memory.used(), 0, "all of it is given back");
}
