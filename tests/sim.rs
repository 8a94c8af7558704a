//! The simulated network itself: edges, time, and how connections end on it.

use std::io::{ErrorKind, Read, Write};
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Wake;
use std::time::Duration;

use multiconn::address::Addr;
use multiconn::folder::{Files, FolderError, MemoryFolder};
use multiconn::selector::sim::{
    ConnectFailure, Fault, FaultKind, Random, SimListener, SimNet, SimPeer, SimSelector, SimStream, Trigger,
};
use multiconn::selector::{Event, Interest, Readiness, Selector, Stream, Token};

const READABLE: Readiness = Readiness { readable: true, writable: false, read_closed: false, urgent: false };
const WRITABLE: Readiness = Readiness { readable: false, writable: true, read_closed: false, urgent: false };
const ENDED: Readiness = Readiness { readable: true, writable: false, read_closed: true, urgent: false };
const BROKEN: Readiness = Readiness { readable: true, writable: true, read_closed: true, urgent: false };
const BOTH: Interest = Interest { readable: true, writable: true, ..Interest::NONE };

const LISTENER: Token = Token(1);
const STREAM: Token = Token(2);

fn addr() -> Addr {
    Addr::from(([10, 255, 0, 1], 65432))
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

struct Fixture {
    net: SimNet,
    selector: SimSelector,
    listener: SimListener,
    peer: SimPeer,
    stream: SimStream,
}

impl Fixture {
    /// A peer that connected at once, and our end of its connection.
    fn new(script: impl FnOnce(&SimPeer)) -> Self {
        let net = SimNet::new(1);
        let (mut selector, mut listener) = (net.selector(), net.listener(addr()));
        selector.watch_listener(&mut listener, LISTENER).unwrap();
        let peer = net.client_at(Duration::ZERO, addr());
        script(&peer);
        let mut events = Vec::new();
        selector.select(&mut events, None).unwrap();
        assert_eq!(events, [Event { token: LISTENER, readiness: READABLE }]);
        let (stream, from) = selector.accept(&mut listener).unwrap();
        assert_eq!(from, peer.addr());
        assert_eq!(selector.accept(&mut listener).unwrap_err().kind(), ErrorKind::WouldBlock);
        Fixture { net, selector, listener, peer, stream }
    }

    /// What the stream is ready for by the time `at`, or when something happens before that.
    fn select(&mut self, at: Duration) -> Option<Readiness> {
        let mut events = Vec::new();
        let timeout = at.saturating_sub(self.net.now());
        self.selector.select(&mut events, Some(timeout)).unwrap();
        assert!(events.len() <= 1 && events.iter().all(|event| event.token == STREAM), "{events:?}");
        events.first().map(|event| event.readiness)
    }

    fn register(&mut self, interest: Interest) {
        self.selector.register(&mut self.stream, STREAM, interest).unwrap();
    }

    fn reregister(&mut self, interest: Interest) {
        self.selector.reregister(&mut self.stream, STREAM, interest).unwrap();
    }
}

#[test]
fn an_edge_is_told_once_and_again_when_registered_anew() {
    let mut it = Fixture::new(|peer| {
        peer.send_at(seconds(1), "abc").send_at(seconds(3), "def");
    });
    it.register(Interest::READ);
    assert_eq!((it.select(seconds(9)), it.net.now()), (Some(READABLE), seconds(1)));
    assert_eq!((it.select(seconds(2)), it.net.now()), (None, seconds(2)), "nothing new, though it is unread");
    it.reregister(BOTH);
    assert_eq!((it.select(seconds(9)), it.net.now()), (Some(Readiness { writable: true, ..READABLE }), seconds(2)));
    assert_eq!((it.select(seconds(9)), it.net.now()), (Some(READABLE), seconds(3)), "more is an edge");
    let mut bytes = [0; 10];
    assert_eq!(it.stream.read(&mut bytes).unwrap(), 6);
    assert_eq!(&bytes[..6], b"abcdef");
    assert_eq!(it.stream.read(&mut bytes).unwrap_err().kind(), ErrorKind::WouldBlock);
    it.reregister(Interest::READ);
    assert_eq!(it.select(seconds(9)), None, "it is not ready any more");
}

#[test]
fn nothing_is_told_that_is_not_asked_for() {
    let mut it = Fixture::new(|peer| {
        peer.send_at(seconds(1), "abc").end_at(seconds(2));
    });
    assert_eq!(it.select(seconds(3)), None);
    it.register(Interest::WRITE);
    assert_eq!(it.select(seconds(4)), Some(WRITABLE));
    it.selector.deregister(&mut it.stream, STREAM).unwrap();
    it.register(Interest::READ);
    assert_eq!(it.select(seconds(9)), Some(ENDED));
}

#[test]
fn a_hang_up_is_told_without_what_came_before_it() {
    let mut it = Fixture::new(|peer| {
        peer.send_at(seconds(1), "abc").end_at(seconds(2)).reset_at(seconds(3));
    });
    it.register(Interest::HANGUP);
    assert_eq!((it.select(seconds(9)), it.net.now()), (Some(ENDED), seconds(2)));
    assert!(it.stream.connected().unwrap(), "half of it goes on");
    it.reregister(Interest::HANGUP);
    assert_eq!(it.select(seconds(2)), Some(ENDED), "it lasts");
    assert_eq!((it.select(seconds(9)), it.net.now()), (Some(BROKEN), seconds(3)));
    assert_eq!(it.stream.connected().unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_reset_is_told_after_a_hang_up_that_is_known() {
    let mut it = Fixture::new(|peer| {
        peer.end_at(seconds(1)).reset_at(seconds(3));
    });
    it.register(Interest::ERROR);
    assert_eq!((it.select(seconds(2)), it.net.now()), (None, seconds(2)));
    it.reregister(Interest::ERROR);
    assert_eq!((it.select(seconds(9)), it.net.now()), (Some(BROKEN), seconds(3)));
}

#[test]
fn what_came_before_a_hang_up_is_there_for_who_wants_to_read_after_all() {
    let mut it = Fixture::new(|peer| {
        peer.send_at(seconds(1), "abc");
    });
    it.register(Interest { writable: true, ..Interest::HANGUP });
    assert_eq!(it.select(seconds(0)), Some(WRITABLE));
    assert_eq!((it.select(seconds(2)), it.net.now()), (None, seconds(2)));
    it.reregister(Interest::READ);
    assert_eq!(it.select(seconds(9)), Some(READABLE));
}

#[test]
fn room_is_an_edge_after_a_write_that_would_block() {
    let mut it = Fixture::new(|peer| {
        peer.window(5).reads_nothing().read_at(seconds(2), 3);
    });
    it.register(Interest::WRITE);
    assert_eq!(it.select(seconds(1)), Some(WRITABLE));
    assert_eq!(it.stream.write(b"abc").unwrap(), 3);
    assert_eq!(it.stream.write(b"defgh").unwrap(), 2, "what there was room for");
    assert_eq!(it.stream.write(b"fgh").unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!((it.select(seconds(9)), it.net.now()), (Some(WRITABLE), seconds(2)));
    assert_eq!(it.stream.write(b"fghij").unwrap(), 3);
    assert_eq!(it.peer.received(), b"abc");
}

#[test]
fn a_reset_is_told_whatever_is_asked_for_and_loses_what_was_unread() {
    let mut it = Fixture::new(|peer| {
        peer.send_at(seconds(1), "abc").reset_at(seconds(2));
    });
    it.register(Interest::WRITE);
    assert_eq!(it.select(seconds(1)), Some(WRITABLE));
    assert_eq!((it.select(seconds(9)), it.net.now()), (Some(BROKEN), seconds(2)));
    assert_eq!(it.stream.read(&mut [0; 10]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(it.stream.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
}

#[test]
fn a_close_with_input_unread_is_a_reset() {
    let mut read = Fixture::new(|peer| {
        peer.send_at(seconds(1), "abc");
    });
    let mut unread = Fixture::new(|peer| {
        peer.send_at(seconds(1), "abc");
    });
    for it in [&mut read, &mut unread] {
        assert_eq!(it.select(seconds(1)), None);
        assert_eq!(it.stream.write(b"reply").unwrap(), 5);
    }
    assert_eq!(read.stream.read(&mut [0; 10]).unwrap(), 3);
    let (read_peer, unread_peer) = (read.peer.clone(), unread.peer.clone());
    read.selector.close(read.stream, STREAM);
    unread.selector.close(unread.stream, STREAM);
    assert_eq!((read_peer.end_seen(), read_peer.reset_seen()), (Some(seconds(1)), None));
    assert_eq!(read_peer.received(), b"reply");
    assert_eq!((unread_peer.end_seen(), unread_peer.reset_seen()), (None, unread_peer.closed()));
    assert_eq!(unread_peer.received(), b"", "the reply is destroyed");
}

#[test]
fn the_end_comes_after_what_was_sent_before_it() {
    let mut it = Fixture::new(|peer| {
        peer.reads_nothing().read_at(seconds(2), 3).read_at(seconds(3), 3);
    });
    it.register(Interest::READ);
    it.stream.write_all(b"abcd").unwrap();
    it.stream.end_output().unwrap();
    assert_eq!(it.stream.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert_eq!(it.select(seconds(2)), None);
    assert_eq!((it.peer.received(), it.peer.end_seen()), (b"abc".to_vec(), None));
    assert_eq!(it.select(seconds(3)), None);
    assert_eq!((it.peer.received(), it.peer.end_seen()), (b"abcd".to_vec(), Some(seconds(3))));
}

#[test]
fn a_select_that_would_never_return_fails() {
    let mut it = Fixture::new(|_| {});
    it.register(Interest::READ);
    let error = it.selector.select(&mut Vec::new(), None).unwrap_err();
    assert!(error.to_string().contains("nothing will ever happen"), "{error}");
    it.selector.waker().wake();
    it.selector.select(&mut Vec::new(), None).expect("a wake-up is something");
    assert_eq!(it.net.now(), Duration::ZERO);
}

#[test]
fn registrations_are_checked_as_the_system_does() {
    let mut it = Fixture::new(|_| {});
    let kind = |result: std::io::Result<()>| result.unwrap_err().kind();
    assert_eq!(kind(it.selector.reregister(&mut it.stream, STREAM, Interest::READ)), ErrorKind::NotFound);
    assert_eq!(kind(it.selector.deregister(&mut it.stream, STREAM)), ErrorKind::NotFound);
    assert_eq!(kind(it.selector.register(&mut it.stream, STREAM, Interest::NONE)), ErrorKind::InvalidInput);
    it.register(Interest::READ);
    assert_eq!(kind(it.selector.register(&mut it.stream, STREAM, Interest::READ)), ErrorKind::AlreadyExists);
}

const ALWAYS: Range<Duration> = Duration::ZERO..Duration::MAX;

fn fault(kind: FaultKind, during: Range<Duration>) -> Fault {
    Fault { kind, during, random: Random::new(7) }
}

impl Fixture {
    fn inject(&self, kind: FaultKind, during: Range<Duration>) {
        self.net.inject(fault(kind, during));
    }

    /// How often faults of this kind have struck.
    fn strikes(&self, kind: FaultKind) -> u64 {
        self.net.injected()[kind.name()]
    }

    /// The results of reading as a loop does: at each event, until a short read.
    fn read_at_edges(&mut self) -> (Vec<u8>, u32) {
        let (mut received, mut blocked) = (Vec::new(), 0);
        while let Some(readiness) = self.select(self.net.now()) {
            assert_eq!(readiness, READABLE);
            let mut bytes = [0; 100];
            match self.stream.read(&mut bytes) {
                Ok(len) => received.extend(&bytes[..len]),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    blocked += 1;
                }
            }
        }
        (received, blocked)
    }

    /// The results of writing `bytes` in the same way.
    fn write_at_edges(&mut self, bytes: &[u8]) -> (usize, u32) {
        let (mut sent, mut blocked) = (0, 0);
        while sent < bytes.len()
            && let Some(readiness) = self.select(self.net.now())
        {
            assert_eq!(readiness, WRITABLE);
            match self.stream.write(&bytes[sent..]) {
                Ok(len) => sent += len,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    blocked += 1;
                }
            }
        }
        (sent, blocked)
    }
}

#[test]
fn the_rest_of_a_short_read_is_an_edge() {
    let mut it = Fixture::new(|peer| {
        peer.send_at(seconds(1), [b'x'; 100]);
    });
    it.register(Interest::READ);
    it.inject(FaultKind::ShortReads, ALWAYS);
    assert_eq!(it.select(seconds(1)), Some(READABLE));
    it.reregister(Interest::READ);
    assert_eq!(it.read_at_edges(), (vec![b'x'; 100], 0));
    assert!((1..100).contains(&it.strikes(FaultKind::ShortReads)));
}

#[test]
fn the_room_after_a_short_write_is_an_edge() {
    let mut it = Fixture::new(|peer| {
        peer.window(60).reads_nothing();
    });
    it.register(Interest::WRITE);
    it.inject(FaultKind::ShortWrites, ALWAYS);
    assert_eq!(it.write_at_edges(&[b'x'; 100]), (60, 0), "until it is full");
    assert!((1..60).contains(&it.strikes(FaultKind::ShortWrites)));
    it.peer.read_at(it.net.now(), 60);
    assert_eq!(it.write_at_edges(&[b'x'; 40]), (40, 0));
}

#[test]
fn after_a_spurious_read_or_write_there_is_an_edge() {
    let mut it = Fixture::new(|peer| {
        peer.send_at(Duration::ZERO, [b'x'; 100]);
    });
    it.inject(FaultKind::SpuriousReads, ALWAYS);
    it.inject(FaultKind::SpuriousWrites, ALWAYS);
    it.register(Interest::READ);
    let (bytes, mut blocked) = it.read_at_edges();
    assert_eq!(bytes.len(), 100);
    it.reregister(Interest::WRITE);
    for _ in 0..10 {
        let (sent, more) = it.write_at_edges(b"x");
        assert_eq!(sent, 1);
        blocked += more;
        it.reregister(Interest::WRITE);
    }
    let strikes = it.strikes(FaultKind::SpuriousReads) + it.strikes(FaultKind::SpuriousWrites);
    assert!(blocked > 0 && strikes == u64::from(blocked), "{blocked}, {strikes}");
}

#[test]
fn files_fail_and_shrink_while_a_fault_lasts() {
    let (eio, emfile) = (5, 24);
    let mut it = Fixture::new(|_| {});
    let mut files = MemoryFolder::new(false);
    files.insert("file", *b"0123456789");
    let folder = it.net.folder(Rc::new(files));
    it.inject(FaultKind::OpenFails(emfile), seconds(1)..seconds(2));
    it.inject(FaultKind::FileReadFails(eio), seconds(2)..seconds(3));
    it.inject(FaultKind::FilesShrink(7), seconds(3)..seconds(5));
    it.inject(FaultKind::FilesShrink(4), seconds(4)..seconds(5));
    let (file, _) = folder.file(b"file").unwrap();
    for (at, len, from_3) in [(0, Ok(10), Ok(7)), (1, Err(emfile), Ok(7)), (2, Ok(10), Err(eio))].into_iter().chain([
        (3, Ok(10), Ok(4)),
        (4, Ok(10), Ok(1)),
        (5, Ok(10), Ok(7)),
    ]) {
        it.select(seconds(at));
        let opened = folder.file(b"file").map(|(_, len)| len).map_err(|error| match error {
            FolderError::System(error) => error.raw_os_error().unwrap(),
            error => panic!("{error}"),
        });
        assert_eq!(opened, len, "at {at}");
        let result = it.stream.send_file(&file, 3, 100).map_err(|error| error.raw_os_error().unwrap());
        assert_eq!(result, from_3, "at {at}");
        assert!(folder.file(b"nothing").is_err());
    }
    assert_eq!(it.stream.send_file(&file, 10, 100).unwrap(), 0, "the end");
    it.select(seconds(6));
    assert_eq!(it.peer.received(), b"34567893456789345633456789");
    assert_eq!(it.strikes(FaultKind::OpenFails(0)), 1);
    assert_eq!(it.strikes(FaultKind::FileReadFails(0)), 1);
}

#[test]
fn open_files_are_counted() {
    let it = Fixture::new(|_| {});
    let mut files = MemoryFolder::new(false);
    files.insert("file", *b"contents");
    let folder = it.net.folder(Rc::new(files));
    drop(folder.file(b"file").unwrap());
    let _one = folder.file(b"file").unwrap();
    assert_eq!((it.net.open_streams(), it.net.spare_files()), (1, 0));
    let _other = folder.file(b"file").unwrap();
    assert_eq!(it.net.spare_files(), 1);
}

#[test]
fn what_happens_late_is_played_in_order() {
    let mut it = Fixture::new(|peer| {
        peer.reads_nothing().read_all_from(seconds(2));
    });
    it.inject(FaultKind::Latency(seconds(1)), ALWAYS);
    it.stream.write_all(b"late").unwrap();
    it.net.play(seconds(4));
    assert_eq!((it.net.now(), it.peer.received()), (seconds(4), b"late".to_vec()));
    assert!(it.peer.received_at().unwrap() <= seconds(3));
}

#[test]
fn nothing_fails_before_a_fault_or_after_it() {
    let (enospc, emfile) = (28, 24);
    let mut it = Fixture::new(|_| {});
    let during = seconds(1)..seconds(2);
    it.inject(FaultKind::RegisterFails(enospc), during.clone());
    it.inject(FaultKind::AcceptFails(emfile), during);
    for at in 0..3 {
        it.select(seconds(at));
        let registered = it.selector.register(&mut it.stream, STREAM, Interest::READ);
        let accepted = it.selector.accept(&mut it.listener).unwrap_err();
        if at == 1 {
            assert_eq!(registered.unwrap_err().raw_os_error(), Some(enospc));
            assert_eq!(accepted.raw_os_error(), Some(emfile));
        } else {
            registered.unwrap();
            assert_eq!(accepted.kind(), ErrorKind::WouldBlock);
            it.selector.deregister(&mut it.stream, STREAM).unwrap();
        }
    }
    assert_eq!((it.strikes(FaultKind::RegisterFails(0)), it.strikes(FaultKind::AcceptFails(0))), (1, 1));
}

#[test]
fn connects_fail_to_one_address_or_to_all() {
    let other = Addr::from(([10, 255, 0, 2], 65432));
    let outcome = |how, to, addr| {
        let net = SimNet::new(1);
        net.server(other, |_| {});
        net.inject(fault(FaultKind::ConnectFails { how, to }, ALWAYS));
        let mut selector = net.selector();
        let mut stream = selector.connect(addr).map_err(|error| (error.kind(), net.now()))?;
        selector.register(&mut stream, STREAM, Interest::WRITE).unwrap();
        selector.select(&mut Vec::new(), None).unwrap();
        stream.connected().map_err(|error| (error.kind(), net.now()))
    };
    let handshake = Duration::from_millis(1);
    assert_eq!(outcome(ConnectFailure::Refused, None, other), Err((ErrorKind::ConnectionRefused, handshake)));
    assert_eq!(outcome(ConnectFailure::TimedOut, Some(other), other), Err((ErrorKind::TimedOut, seconds(127))));
    let unreachable = outcome(ConnectFailure::Unreachable, None, other);
    assert_eq!(unreachable, Err((ErrorKind::NetworkUnreachable, Duration::ZERO)));
    assert_eq!(outcome(ConnectFailure::Unreachable, Some(addr()), other), Ok(true));
}

#[test]
fn late_readiness_is_merged_until_it_is_reported() {
    let mut it = Fixture::new(|peer| {
        peer.drip_at(seconds(1), Duration::from_millis(1), [b'x'; 100]);
    });
    let late = FaultKind::LateReadiness(seconds(1));
    it.inject(late, seconds(1)..seconds(2));
    it.register(Interest::READ);
    let mut reported = 0;
    while it.select(seconds(9)) == Some(READABLE) {
        reported += 1;
        let _ = it.stream.read(&mut [0; 100]);
    }
    assert_eq!(it.peer.taken(), 100);
    assert!((1..50).contains(&reported) && it.strikes(late) > 0, "{reported} reports");
}

#[test]
fn latency_keeps_the_order_of_bytes_and_their_end() {
    let mut it = Fixture::new(|peer| {
        for n in 0..100 {
            peer.send_at(seconds(1) + Duration::from_millis(n), [n as u8]);
        }
        peer.end_at(Duration::from_millis(1100));
    });
    it.inject(FaultKind::Latency(seconds(3)), ALWAYS);
    it.register(Interest::READ);
    let (mut received, mut ended) = (Vec::<u8>::new(), false);
    while !ended {
        it.select(seconds(9)).expect("more arrives");
        let mut bytes = [0; 100];
        while !ended && let Ok(len) = it.stream.read(&mut bytes) {
            received.extend(&bytes[..len]);
            ended = len == 0;
        }
    }
    assert_eq!(received, (0..100).collect::<Vec<u8>>());
    assert!(it.net.now() > Duration::from_millis(1100), "the end was late");
    it.stream.write_all(b"abc").unwrap();
    assert_eq!(it.peer.received(), b"");
    it.select(seconds(99));
    assert_eq!(it.peer.received(), b"abc");
}

#[test]
fn a_closed_window_blocks_writes_until_it_opens() {
    for trigger in [Trigger::Edge, Trigger::Level] {
        let mut it = Fixture::new(|_| {});
        it.net.set_trigger(trigger);
        it.inject(FaultKind::ClosedWindow, seconds(1)..seconds(2));
        assert_eq!(it.select(seconds(1)), None);
        it.register(Interest::WRITE);
        assert_eq!(it.stream.write(b"abc").unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!((it.select(seconds(9)), it.net.now()), (Some(WRITABLE), seconds(2)));
        assert_eq!(it.stream.write(b"abc").unwrap(), 3);
        assert_eq!((it.peer.received(), it.strikes(FaultKind::ClosedWindow)), (b"abc".to_vec(), 1));
    }
}

#[test]
fn spurious_events_and_wakes_happen_only_while_they_last() {
    let mut it = Fixture::new(|_| {});
    it.register(Interest::READ);
    it.inject(FaultKind::SpuriousEvents, seconds(1)..seconds(2));
    it.inject(FaultKind::Wakes, seconds(3)..seconds(4));
    let (mut events, mut wakes) = (0, 0);
    while it.net.now() < seconds(5) {
        let mut ready = Vec::new();
        it.selector.select(&mut ready, Some(seconds(5) - it.net.now())).unwrap();
        let now = it.net.now();
        if !ready.is_empty() {
            assert!(now >= seconds(1) && now < seconds(2), "{now:?}");
            events += 1;
        } else if now < seconds(5) {
            assert!(now >= seconds(3) && now < seconds(4), "{now:?}");
            wakes += 1;
        }
    }
    assert!(events > 0 && events == it.strikes(FaultKind::SpuriousEvents), "{events}");
    assert!(wakes > 0 && wakes == it.strikes(FaultKind::Wakes), "{wakes}");
}

/// Counts how often it is woken.
#[derive(Default)]
struct Counting(AtomicU64);

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn wakes_reach_a_session_once_or_twice() {
    let mut it = Fixture::new(|_| {});
    let counting = Arc::new(Counting::default());
    it.net.keep_waker(Arc::clone(&counting).into());
    it.inject(FaultKind::Wakes, seconds(3)..seconds(4));
    while it.net.now() < seconds(5) {
        it.select(seconds(5));
    }
    let (woken, strikes) = (counting.0.load(Ordering::Relaxed), it.strikes(FaultKind::Wakes));
    assert!(strikes > 1 && (strikes + 1..2 * strikes).contains(&woken), "{woken} times, {strikes} strikes");
}

#[test]
fn the_clock_stands_and_jumps_while_the_network_goes_on() {
    let mut it = Fixture::new(|_| {});
    let began = it.selector.now();
    it.inject(FaultKind::ClockStands, seconds(1)..seconds(3));
    it.inject(FaultKind::ClockJumps(seconds(60)), seconds(5)..seconds(7));
    let clock: Vec<u64> = (0..8)
        .map(|at| {
            it.select(seconds(at));
            (it.selector.now() - began).as_secs()
        })
        .collect();
    assert_eq!(clock[..6], [0, 1, 1, 3, 4, 5]);
    assert_eq!(clock[7], 67);
    assert_eq!((it.strikes(FaultKind::ClockStands), it.strikes(FaultKind::ClockJumps(seconds(0)))), (1, 1));
}

#[test]
fn a_level_is_reported_as_long_as_it_lasts() {
    let mut it = Fixture::new(|peer| {
        peer.send_at(seconds(1), "abc").end_at(seconds(2)).window(3).reads_nothing().read_at(seconds(4), 1);
    });
    it.net.set_trigger(Trigger::Level);
    it.register(Interest::READ);
    assert_eq!((it.select(seconds(9)), it.net.now()), (Some(READABLE), seconds(1)));
    assert_eq!(it.select(seconds(9)), Some(READABLE), "it is unread");
    it.stream.read_exact(&mut [0; 3]).unwrap();
    assert_eq!((it.select(seconds(9)), it.net.now()), (Some(ENDED), seconds(2)));
    assert_eq!(it.select(seconds(9)), Some(ENDED));
    it.reregister(Interest::WRITE);
    assert_eq!(it.select(seconds(9)), Some(WRITABLE));
    assert_eq!(it.select(seconds(9)), Some(WRITABLE));
    assert_eq!(it.stream.write(b"abc").unwrap(), 3);
    assert_eq!((it.select(seconds(9)), it.net.now()), (Some(WRITABLE), seconds(4)), "not while it is full");
    it.reregister(Interest::READ);
    it.selector.deregister(&mut it.stream, STREAM).unwrap();
    assert_eq!(it.select(seconds(5)), None);
}
