//! The memory that all connections may use together.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use multiconn::buffer::Output;
use multiconn::connection::{self, Memory};
use multiconn::selector::sim::SimPeer;

use multiconn::protocols::app::AppService;
use multiconn::protocols::echo::EchoService;
use multiconn::protocols::multiply::MultiplyService;
use multiconn::session::{Peer, Progress, Service, Session, SessionError, SessionIo};

use crate::support::{Server, app_server, echo_server, millis, replies, search, seconds};

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

/// Keeps what it gets, and has always more to do.
struct Busy;

impl Session for Busy {
    fn advance(&mut self, io: &mut SessionIo<'_>, _now: Instant) -> Result<Progress, SessionError> {
        Ok(if io.input().is_empty() { Progress::NeedInput } else { Progress::Yield })
    }

    fn refuse(&mut self, output: &mut Output<'_>, why: &str) {
        output.push(why.as_bytes());
    }
}

#[test]
fn a_connection_gives_way_when_it_runs_if_it_is_queued_already() {
    let mut server = Server::new(|_: &Peer| Busy, config(&Memory::new(1000)));
    let peer = server.client_at(seconds(1));
    peer.send_at(seconds(2), [b'x'; 2000]);
    server.run_until(seconds(9));
    assert_eq!(peer.received(), b"the server is full, its connections use 1000 bytes; try again later");
    assert_eq!(server.end_of(&peer).1, "all connections use more than 1000 bytes of memory, this one the most");
}

/// The default high-water mark, which is also the length of a read.
const MARK: usize = 64 << 10;

/// The most memory that a connection uses whose peer sends `pieces` and reads `reads` bytes every 10 ms, and what it
/// uses in the end.
fn used_for(service: impl Service, pieces: &[&[u8]], reads: usize) -> (usize, usize) {
    let memory = Memory::new(usize::MAX);
    let mut server = Server::new(service, config(&memory));
    let peer = server.client_at(seconds(1));
    peer.window(1000).reads_nothing();
    for (piece, n) in pieces.iter().zip(0..) {
        peer.send_at(seconds(2) + millis(10 * n), piece);
    }
    (0..800).for_each(|n| _ = peer.read_at(seconds(2) + millis(10 * n + 5), reads));
    let (most, last) = (watched(&peer, &memory), Rc::new(Cell::new(0)));
    let cell = Rc::clone(&last);
    server.net.at(seconds(10), move || cell.set(memory.used()));
    server.run_until(seconds(11));
    (most.get(), last.get())
}

#[test]
fn replies_that_wait_take_their_length_and_the_mark() {
    let long = search(&"v".repeat(1_000_000), true);
    // Various amounts below the mark wait when the long reply is appended.
    for (count, reads) in [(0, 0), (100, 0), (300, 0), (100, 1000), (300, 1000)] {
        let (most, _) = used_for(AppService::default(), &[&search("ring", true).repeat(count), &long, &long], reads);
        assert!(most <= MARK + 1_000_200, "{most} bytes after {count} short replies, {reads} read at once");
    }
    for (len, reads) in [(1000, 0), (60_000, 0), (66_000, 0), (70_000, 0), (30_000, 1000), (66_000, 1000)] {
        let piece = vec![b'x'; len];
        let (most, _) = used_for(EchoService::default(), &[&piece[..]; 300], reads);
        assert!(most <= 2 * MARK, "{most} bytes in pieces of {len}, {reads} read at once");
    }
}

#[test]
fn a_string_that_is_multiplied_takes_its_length() {
    for len in [100, 20_000, 999_999] {
        let string = vec![b'x'; len];
        let (most, last) = used_for(MultiplyService::default(), &[&string, b"\n", &[b'x'; MARK]], 0);
        // Until it is whole, it is unused input, in a buffer that grows by doubling.
        assert!(most <= 2 * (len + MARK), "{most} bytes for {len}");
        assert!(last <= len.max((16 << 10) + 100), "{last} bytes for {len}");
    }
}

/// Characters that Python shows as escapes are the longest replies: `\u200e` for one byte, its backslash escaped again.
#[test]
fn a_reply_has_up_to_seven_times_the_content() {
    let content = [&b"{\"action\": [\""[..], &[b'\xfd'; 100_000], b"\"]}"].concat();
    let header = format!(
        r#"{{"byteorder": "little", "content-type": "text/json", "content-encoding": "cp1255", "content-length": {}}}"#,
        content.len()
    );
    let request = [&u16::try_from(header.len()).unwrap().to_be_bytes()[..], header.as_bytes(), &content].concat();
    let (most, last) = used_for(AppService::default(), &[&request], 0);
    assert!(most == last && (690_000..=7 * content.len()).contains(&last), "{most} bytes, {last} in the end");
}
