//! Replies without memory of their own: ranges of files, bytes repeated, and bytes shared.

use std::cell::Cell;
use std::fs::File;
use std::io::Write;
use std::rc::Rc;
use std::time::{Duration, Instant};

use multiconn::folder::Folder;
use multiconn::protocols::accumulate::AccumulateService;
use multiconn::protocols::getfile::GetFileService;
use multiconn::protocols::multiply::MultiplyService;
use multiconn::reactor::Config;
use multiconn::selector::sim::SimNet;
use multiconn::session::testing::{Harness, PEER};
use multiconn::session::{Peer, Progress, Service, Session, SessionError, SessionIo};
use tempfile::TempDir;

use crate::support::{Server, millis, seconds};

fn content(len: u32) -> Vec<u8> {
    (0..len).map(|number| (number.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect()
}

/// A folder with one file, and a server of it.
fn file_server(content: &[u8]) -> (TempDir, Server<GetFileService>) {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("file"), content).unwrap();
    let folder = Folder::open(dir.path(), false).unwrap();
    let service = GetFileService::new(folder, seconds(10));
    (dir, Server::new(service, Config::default()))
}

/// Answers with a bit of everything.
struct Mixed(Option<File>);

impl Session for Mixed {
    fn advance(&mut self, io: &mut SessionIo<'_>, _now: Instant) -> Result<Progress, SessionError> {
        if io.input().is_empty() {
            return Ok(Progress::NeedInput);
        }
        let asked = io.input().take_all();
        io.output().push(b"first ");
        io.output().lend(asked);
        if let Some(file) = self.0.take() {
            io.output().push_file(file, 7, 99_990);
        }
        io.output().push_repeated(b"0123456", 20_000);
        io.output().push_shared(&[b's'; 30_000].into());
        io.output().push(b" last");
        Ok(Progress::Finished)
    }
}

#[test]
fn a_reply_of_every_kind_arrives_to_the_byte() {
    let content = content(100_000);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&content).unwrap();
    let repeated = b"0123456".repeat(20_000);
    let expected = [&b"first asked"[..], &content[7..99_997], &repeated, &[b's'; 30_000], b" last"].concat();
    for seed in 0..20 {
        let net = SimNet::new(seed);
        let opened = file.reopen().unwrap();
        let service = move |_: &Peer| Mixed(Some(opened.try_clone().unwrap()));
        let mut server = Server::on(&net, service, Config::default());
        let narrow = server.client_at(seconds(1));
        narrow.window(100 + 997 * seed as usize).reads_nothing().send_at(seconds(2), "asked");
        for n in 0..300 {
            narrow.read_at(seconds(3) + millis(n), 1 + (n * (seed + 3) * 7919 % 3000) as usize);
        }
        narrow.read_all_from(seconds(4));
        let wide = server.client_at(seconds(1));
        wide.window(1 << 20).send_at(seconds(2), "asked");
        server.run_until(seconds(9));
        for peer in [&narrow, &wide] {
            assert!(peer.received() == expected, "seed {seed}: {} bytes", peer.received().len());
            assert_eq!((server.end_of(peer).1.as_str(), peer.reset_seen()), ("finished", None), "seed {seed}");
        }
    }
}

/// Most bytes that are sent in a turn to one connection.
const SHARE: usize = 384 << 10;

#[test]
fn shared_bytes_take_few_writes() {
    for (len, writes) in [(1, 1), (60_000, 1), (250_000, 1), (700_000, 4)] {
        let mut service = AccumulateService::new(1 << 20);
        let mut writer = Harness::new(service.accept(&PEER));
        writer.feed(&vec![b'x'; len]);
        assert!(writer.call(Instant::now()).is_ok());
        let mut server = Server::new(service, Config::default());
        let peer = server.client_at(seconds(1));
        peer.window(1 << 20).send_at(seconds(2), "y");
        server.run_until(seconds(9));
        assert_eq!((peer.received().len(), server.net.counts().writes), (len + 1, writes));
    }
}

#[test]
fn what_is_huge_starves_nobody() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("small"), "small").unwrap();
    // It takes no room on the disk.
    File::create(dir.path().join("huge")).unwrap().set_len(64 << 20).unwrap();
    let folder = Folder::open(dir.path(), false).unwrap();
    let mut files = Server::new(GetFileService::new(folder, seconds(10)), Config::default());
    let mut copies = Server::new(MultiplyService { times: 64 << 20, ..MultiplyService::default() }, Config::default());
    check_share(&mut files, b"huge\n", b"small\n");
    check_share(&mut copies, b"x\n", b"\n");
}

/// One client asks for a huge reply, and another for a small one meanwhile.
fn check_share<V: multiconn::session::Service>(server: &mut Server<V>, huge: &[u8], little: &[u8]) {
    server.net.set_turn_time(millis(1));
    let greedy = server.client_at(seconds(1));
    greedy.window(128 << 20).send_at(millis(1), huge);
    let others: Vec<_> = (0..10).map(|n| server.client_at(millis(1020 + 7 * n))).collect();
    for other in &others {
        other.send_at(Duration::ZERO, little);
    }
    let seen = Rc::new(Cell::new((0, 0)));
    let (cell, peer, net) = (Rc::clone(&seen), greedy.clone(), server.net.clone());
    server.net.at(millis(1100), move || cell.set((peer.received().len(), net.counts().selects as usize)));
    server.run_until(seconds(5));
    let (received, turns) = seen.get();
    assert!(received > 50 * SHARE && received <= turns * SHARE, "{received} bytes in {turns} turns");
    assert_eq!(greedy.received().len(), 64 << 20);
    for (other, n) in others.iter().zip(0..) {
        let asked = millis(1020 + 7 * n);
        let ended = server.end_of(other).0;
        assert!(asked <= ended && ended <= asked + millis(3), "asked at {asked:?}, it was answered at {ended:?}");
    }
}

#[test]
fn a_peer_that_takes_nothing_is_given_up() {
    let (_dir, mut server) = file_server(&content(1_000_000));
    let never = server.client_at(seconds(1));
    never.window(1000).reads_nothing().send_at(seconds(2), "file\n");
    let once = server.client_at(seconds(1));
    once.window(1000).reads_nothing().send_at(seconds(2), "file\n").read_at(seconds(31), 1);
    server.run_until(seconds(100));
    assert_eq!(server.end_of(&never), (seconds(32), "peer read nothing for 30s".into()));
    assert_eq!(server.end_of(&once), (seconds(61), "peer read nothing for 30s".into()));

    let mut server = Server::new(MultiplyService::default(), Config::default());
    let never = server.client_at(seconds(1));
    never.window(1000).reads_nothing().send_at(seconds(2), "hello\n");
    server.run_until(seconds(100));
    assert_eq!(server.end_of(&never), (seconds(32), "peer read nothing for 30s".into()));
}

#[test]
fn a_file_that_shrinks_while_it_is_sent_breaks_its_connection_and_no_other() {
    let content = content(1_000_000);
    let (dir, mut server) = file_server(&content);
    let before = server.client_at(seconds(1));
    before.window(1000).reads_nothing().send_at(seconds(2), "\0file\n").read_all_from(seconds(4));
    let after = server.client_at(seconds(1));
    after.send_at(seconds(5), "\0file\n");
    let path = dir.path().join("file");
    server.net.at(seconds(3), move || File::options().write(true).open(path).unwrap().set_len(500_000).unwrap());
    server.run_until(seconds(9));
    assert_eq!(server.end_of(&before).1, "the file has become shorter while it was sent");
    assert!([b"OK 1000000\n", &content[..500_000]].concat().starts_with(&before.received()));
    assert_eq!((before.end_seen(), before.reset_seen()), (None, Some(seconds(4))), "it doesn't look complete");
    assert_eq!(server.end_of(&after).1, "finished");
    assert!(after.received() == [b"OK 500000\n", &content[..500_000]].concat());
}

#[test]
fn a_file_that_grows_while_it_is_sent_is_as_long_as_was_said() {
    let content = content(100_000);
    let (dir, mut server) = file_server(&content);
    let peer = server.client_at(seconds(1));
    peer.window(1000).reads_nothing().send_at(seconds(2), "\0file\n").read_all_from(seconds(4));
    let path = dir.path().join("file");
    server.net.at(seconds(3), move || {
        File::options().append(true).open(path).unwrap().write_all(b"more").unwrap();
    });
    server.run_until(seconds(9));
    assert!(peer.received() == [b"OK 100000\n", &content[..]].concat());
}

#[test]
fn a_stop_lets_a_file_that_is_on_its_way_arrive() {
    let content = content(1_000_000);
    let (_dir, mut server) = file_server(&content);
    let peer = server.client_at(seconds(1));
    peer.window(1000).reads_nothing().send_at(seconds(2), "file\n").read_all_from(seconds(6));
    let never = server.client_at(seconds(1));
    never.window(1000).reads_nothing().send_at(seconds(2), "file\n");
    server.run_until(seconds(5));
    assert!(peer.received() == content);
    assert_eq!((server.end_of(&peer).1.as_str(), peer.reset_seen()), ("finished", None));
    assert_eq!(server.end_of(&never), (seconds(15), "server stopped before it was done".into()));
}

#[test]
fn the_pause_after_a_string_is_fifty_milliseconds() {
    let mut server = Server::new(MultiplyService { times: 3, ..MultiplyService::default() }, Config::default());
    let peer = server.client_at(seconds(1));
    peer.drip_at(seconds(2), millis(49), "hello");
    server.run_until(seconds(5));
    assert_eq!(
        (peer.received(), peer.end_seen()),
        (b"hellohellohello".to_vec(), Some(seconds(2) + millis(4 * 49 + 50)))
    );
}
