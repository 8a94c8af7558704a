//! `accumulate` on a simulated network, in virtual time: the replies of each client and their times, and how a client
//! finds the end of a reply.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Poll, Waker};
use std::time::Duration;

use multiconn::address::Addr;
use multiconn::connection;
use multiconn::protocols::accumulate::{AccumulateClient, AccumulateServer, AccumulateService, SharedString};
use multiconn::reactor::{Config, Reactor};
use multiconn::selector::sim::{SimNet, SimPeer, SimSelector};
use multiconn::session::{End, Peer, Service, Session, SessionError, Source};

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn addr() -> Addr {
    Addr::from(([10, 0, 0, 1], 2000))
}

// The server.

/// Ends of connections: whose, when, and how.
type Ends = Rc<RefCell<Vec<(Addr, Duration, String)>>>;

/// The service, and how its sessions ended.
struct Recorder {
    service: AccumulateService,
    net: SimNet,
    ends: Ends,
}

impl Service for Recorder {
    type Session = AccumulateServer;

    fn accept(&mut self, peer: &Peer) -> AccumulateServer {
        self.service.accept(peer)
    }

    fn ended(&mut self, session: AccumulateServer, peer: &Peer, end: End) {
        self.ends.borrow_mut().push((peer.addr, self.net.now(), end.to_string()));
        self.service.ended(session, peer, end);
    }
}

struct Server {
    net: SimNet,
    reactor: Reactor<SimSelector, Recorder>,
    string: SharedString,
    ends: Ends,
}

impl Server {
    fn new(service: AccumulateService, config: impl Into<Config>) -> Server {
        let net = SimNet::new(1);
        let (string, ends) = (service.string(), Ends::default());
        let recorder = Recorder { service, net: net.clone(), ends: Rc::clone(&ends) };
        let mut reactor = Reactor::new(net.selector(), recorder, config);
        reactor.add_listener(net.listener(addr())).unwrap();
        Server { net, reactor, string, ends }
    }

    fn client_at(&self, time: Duration) -> SimPeer {
        self.net.client_at(time, addr())
    }

    fn run_until(&mut self, time: Duration) {
        let handle = self.reactor.handle();
        self.net.at(time, move || handle.stop());
        self.reactor.run().unwrap();
        assert_eq!(self.net.open_streams(), 0);
    }

    fn end_of(&self, peer: &SimPeer) -> (Duration, String) {
        let ends = self.ends.borrow();
        let (_, at, end) = ends.iter().find(|(addr, ..)| *addr == peer.addr()).expect("it has ended");
        (*at, end.clone())
    }
}

#[test]
fn each_read_is_answered_with_what_all_have_sent() {
    let mut server = Server::new(AccumulateService::default(), Config::default());
    let (first, second) = (server.client_at(seconds(1)), server.client_at(seconds(1)));
    first.drip_at(seconds(2), seconds(1), "abc").send_at(seconds(9), "d").close_at(seconds(10));
    // The end comes along with the last bytes, which are answered all the same.
    second.drip_at(seconds(5), seconds(1), "uuv").send_at(seconds(8), "v\0\u{ff}").end_at(seconds(8));
    server.run_until(seconds(20));
    let string = "abcuuvv\0\u{ff}";
    assert_eq!(first.received(), format!("aababc{string}d").into_bytes());
    assert_eq!(second.received(), format!("abcuabcuuabcuuv{string}").into_bytes());
    assert_eq!(second.end_seen(), Some(seconds(8)));
    assert_eq!(server.string.get(), format!("{string}d").into_bytes());
    assert_eq!(server.end_of(&first), (seconds(10), "finished".into()));
}

#[test]
fn however_the_bytes_are_split_the_string_is_the_same() {
    let input = b"the string";
    for cuts in 0..1u32 << (input.len() - 1) {
        let mut server = Server::new(AccumulateService::default(), Config::default());
        let client = server.client_at(seconds(1));
        let (mut begin, mut expected) = (0, Vec::new());
        for end in 1..=input.len() {
            if end == input.len() || cuts & (1 << (end - 1)) != 0 {
                client.send_at(seconds(1 + end as u64), &input[begin..end]);
                begin = end;
                expected.extend_from_slice(&input[..end]);
            }
        }
        client.end_at(seconds(30));
        server.run_until(seconds(40));
        assert_eq!((server.string.get(), client.received()), (input.to_vec(), expected));
    }
}

#[test]
fn what_would_go_over_the_limit_ends_one_connection_and_changes_nothing() {
    let mut server = Server::new(AccumulateService::new(10), Config::default());
    let (steady, greedy) = (server.client_at(seconds(1)), server.client_at(seconds(1)));
    steady.send_at(seconds(2), "12345").send_at(seconds(4), "67890").send_at(seconds(5), "1");
    greedy.send_at(seconds(3), "abcdef");
    server.run_until(seconds(20));
    let over =
        |bytes: &str, len| format!("appending {bytes} to the string of {len} bytes would exceed the limit of 10");
    assert_eq!(server.end_of(&greedy), (seconds(3), over("6 bytes", 5)));
    assert_eq!((greedy.received(), greedy.reset_seen()), (vec![], None));
    assert_eq!(server.end_of(&steady), (seconds(5), over("1 byte", 10)));
    assert_eq!(steady.received(), b"123451234567890");
    assert_eq!(server.string.get(), b"1234567890");
}

#[test]
fn the_silent_are_closed_and_the_deaf_are_not_read_from() {
    let config = connection::Config { output_high_water: 100_000, ..connection::Config::default() };
    let mut server = Server::new(AccumulateService::default(), config);
    let silent = server.client_at(seconds(1));
    silent.send_at(seconds(30), vec![b'x'; 50_000]);
    let deaf = server.client_at(seconds(1));
    deaf.window(10_000).reads_nothing().drip_at(seconds(31), millis(10), [b'y'; 100]);
    let taken = Rc::new(RefCell::new(0));
    let (seen, peer) = (Rc::clone(&taken), deaf.clone());
    server.net.at(seconds(40), move || *seen.borrow_mut() = peer.taken());
    let other = server.client_at(seconds(41));
    other.send_at(seconds(42), "z");
    deaf.read_all_from(seconds(50)).end_at(seconds(80));
    server.run_until(seconds(200));
    assert_eq!(server.end_of(&silent), (seconds(90), "idle for 60s".into()));
    // 10,000 are on their way, and less than the mark and one more reply wait.
    assert_eq!(*taken.borrow(), 3);
    assert_eq!(other.received().len(), 50_004);
    // Those that waited to be read come as one piece.
    assert_eq!(deaf.received().len(), 3 * 50_000 + 6 + 50_101);
    assert_eq!(server.string.get().len(), 50_101);
}

#[test]
fn it_tells_when_so_many_have_come_and_all_have_gone() {
    let told = Arc::new(AtomicU32::new(0));
    let mut service = AccumulateService::default();
    let count = Arc::clone(&told);
    service.tell_after(3, move || {
        count.fetch_add(1, Ordering::Relaxed);
    });
    let mut server = Server::new(service, Config { connections_max: 2, ..Config::default() });
    let at = |time: u64| {
        let (told, seen) = (Arc::clone(&told), Rc::new(RefCell::new(0)));
        let cell = Rc::clone(&seen);
        server.net.at(seconds(time), move || *cell.borrow_mut() = told.load(Ordering::Relaxed));
        seen
    };
    let clients = [(1, 5), (2, 10), (6, 8), (9, 20)].map(|(from, to)| {
        let client = server.client_at(seconds(from));
        client.end_at(seconds(to));
        client
    });
    // Refused, and so not one that has come.
    let refused = server.client_at(seconds(3));
    refused.end_at(seconds(4));
    // The third has gone at 8, when the second is there yet; before that has gone, a fourth comes.
    let (before, after) = (at(19), at(21));
    clients[3].send_at(seconds(15), "x");
    server.run_until(seconds(30));
    assert_eq!((*before.borrow(), *after.borrow()), (0, 1));
    assert_eq!(server.end_of(&refused).1, "over the connection limit");
}

// The client.

/// Pieces of input, and when there are no more.
#[derive(Clone, Default)]
struct Script(Rc<RefCell<Typed>>);

#[derive(Default)]
struct Typed {
    pieces: VecDeque<Vec<u8>>,
    has_ended: bool,
    waker: Option<Waker>,
}

impl Source for Script {
    fn next(&mut self, make_waker: &dyn Fn() -> Waker) -> Result<Poll<Option<Vec<u8>>>, SessionError> {
        let mut typed = self.0.borrow_mut();
        let piece = typed.pieces.pop_front();
        if piece.is_none() && !typed.has_ended {
            typed.waker = Some(make_waker());
            return Ok(Poll::Pending);
        }
        Ok(Poll::Ready(piece))
    }
}

/// A conversation, and what was shown of it: what, and when.
struct Call {
    net: SimNet,
    input: Script,
    shown: Rc<RefCell<Vec<(Duration, String)>>>,
}

struct Ended<T>(Option<(T, End)>);

impl<T: Session> Service for Ended<T> {
    type Session = T;

    fn accept(&mut self, _peer: &Peer) -> T {
        unreachable!("it listens on nothing")
    }

    fn ended(&mut self, session: T, _peer: &Peer, end: End) {
        self.0 = Some((session, end));
    }
}

impl Call {
    fn new() -> Call {
        Call { net: SimNet::new(1), input: Script::default(), shown: Rc::default() }
    }

    /// All of the input, there from the beginning.
    fn of(pieces: &[&str]) -> Call {
        let call = Call::new();
        let mut typed = call.input.0.borrow_mut();
        typed.pieces = pieces.iter().map(|piece| piece.as_bytes().to_vec()).collect();
        typed.has_ended = true;
        drop(typed);
        call
    }

    fn type_at(&self, time: Duration, piece: Option<&str>) {
        let (typed, piece) = (Rc::clone(&self.input.0), piece.map(|piece| piece.as_bytes().to_vec()));
        self.net.at(time, move || {
            let mut typed = typed.borrow_mut();
            typed.has_ended = piece.is_none();
            typed.pieces.extend(piece);
            typed.waker.take().into_iter().for_each(Waker::wake);
        });
    }

    /// Runs it with a server that does what `script` says, and returns how it ended, when, how many bytes were sent and
    /// how many of these answered.
    fn run(&self, script: impl FnMut(SimPeer) + 'static) -> (String, Duration, u64, u64) {
        self.net.server(addr(), script);
        let (shown, net) = (Rc::clone(&self.shown), self.net.clone());
        let show = move |reply: &[u8]| {
            shown.borrow_mut().push((net.now(), String::from_utf8_lossy(reply).into_owned()));
            Ok(())
        };
        let session = AccumulateClient::new(self.input.clone(), show, 1000, seconds(10));
        let mut reactor = Reactor::new(self.net.selector(), Ended(None), Config::default());
        reactor.connect(&[addr()], session);
        reactor.run().unwrap();
        let (session, end) = reactor.into_service().0.expect("it has ended");
        (end.to_string(), self.net.now(), session.sent(), session.answered())
    }

    fn lines(&self) -> Vec<String> {
        self.shown.borrow().iter().map(|(_, line)| line.clone()).collect()
    }
}

/// Answers as a server does that has `string` already, and reads up to `piece` bytes at once.
fn server_with(string: &str, piece: usize) -> impl FnMut(SimPeer) + 'static {
    let string = string.as_bytes().to_vec();
    move |peer| {
        let mut string = string.clone();
        peer.answers(move |bytes| {
            let mut answer = Vec::new();
            for piece in bytes.chunks(piece) {
                string.extend_from_slice(piece);
                answer.extend_from_slice(&string);
            }
            answer
        });
    }
}

#[test]
fn letter_by_letter_without_a_pause() {
    let call = Call::of(&["a", "b", "", "c"]);
    let (end, at, sent, answered) = call.run(server_with("", 1));
    assert_eq!((end.as_str(), sent, answered), ("finished", 3, 3));
    assert_eq!(call.lines(), ["a", "ab", "abc"]);
    assert!(at < millis(50), "{at:?}");
    // Whatever others have written, after one pause at the beginning.
    let call = Call::of(&["a", "b", "c"]);
    let (end, at, ..) = call.run(server_with("xyz", 1));
    assert_eq!(end, "finished");
    assert_eq!(call.lines(), ["xyza", "xyzab", "xyzabc"]);
    assert!((millis(50)..millis(100)).contains(&at), "{at:?}");
}

#[test]
fn pieces_that_the_server_reads_in_parts_have_their_replies_in_one() {
    let call = Call::of(&["abc", "d", "ef"]);
    assert_eq!(call.run(server_with("", 1)).0, "finished");
    assert_eq!(call.lines(), ["aababc", "abcd", "abcdeabcdef"]);
    let call = Call::of(&["aaa", "a", "a"]);
    assert_eq!(call.run(server_with("", 1)).0, "finished");
    assert_eq!(call.lines(), ["aaaaaa", "aaaa", "aaaaa"]);
    let call = Call::of(&["abc", "d", "ef"]);
    assert_eq!(call.run(server_with("", 1024)).0, "finished");
    assert_eq!(call.lines(), ["abc", "abcd", "abcdef"]);
}

#[test]
fn a_reply_that_comes_bit_by_bit_is_one() {
    let call = Call::of(&["a", "b"]);
    let (end, at, ..) = call.run(|peer| {
        // Another client writes at the same time.
        peer.drip_at(seconds(1), millis(49), "xyza").drip_at(seconds(2), seconds(1), "xyzab");
    });
    assert_eq!((end.as_str(), at), ("finished", seconds(6)));
    assert_eq!(call.lines(), ["xyza", "xyzab"]);
}

#[test]
fn a_reply_taken_to_be_whole_too_soon_does_no_lasting_harm() {
    let call = Call::new();
    for (time, letter) in [(1, "a"), (5, "b"), (6, "c")] {
        call.type_at(seconds(time), Some(letter));
    }
    call.type_at(seconds(8), None);
    let (end, at, ..) = call.run(|peer| {
        peer.send_at(millis(1100), "xy").send_at(millis(1900), "za");
        peer.send_at(millis(5100), "xyzab").send_at(millis(6100), "xyzabc");
    });
    assert_eq!((end.as_str(), at), ("finished", seconds(8)));
    assert_eq!(call.lines(), ["xy", "za", "xyzab", "xyzabc"]);
    // And so where the rest comes along with the next.
    let call = Call::of(&["a", "b", "c"]);
    let (end, ..) = call.run(|peer| {
        peer.send_at(millis(100), "xy").send_at(millis(200), "zaxyzab").send_at(millis(300), "xyzabc");
    });
    assert_eq!((end.as_str(), call.lines().last().unwrap().as_str()), ("finished", "xyzabc"));
}

#[test]
fn who_thinks_has_all_the_time_and_learns_of_the_close() {
    let call = Call::new();
    call.type_at(seconds(3600), Some("a"));
    call.type_at(seconds(7200), None);
    assert_eq!(call.run(server_with("", 1)), ("finished".into(), seconds(7200), 1, 1));
    assert_eq!(*call.shown.borrow(), [(seconds(3600), "a".into())]);

    let call = Call::new();
    call.type_at(seconds(1), Some("a"));
    let ended = call.run(|peer| {
        peer.send_at(seconds(2), "a").end_at(seconds(9));
    });
    assert_eq!(ended, ("server closed before the end of the input".into(), seconds(9), 1, 1));
}

#[test]
fn a_reply_and_the_end_together() {
    // Where all is answered by then, that is as good an end as any.
    let call = Call::of(&["ab"]);
    let (end, _, sent, answered) = call.run(|peer| {
        peer.send_at(seconds(2), "xyab").end_at(seconds(2));
    });
    assert_eq!((end.as_str(), sent, answered), ("finished", 2, 2));
    assert_eq!(call.lines(), ["xyab"]);
    let call = Call::of(&["ab", "c"]);
    let (end, _, sent, answered) = call.run(|peer| {
        peer.send_at(seconds(2), "xyab").end_at(seconds(2));
    });
    assert_eq!((end.as_str(), sent, answered), ("server closed before the end of the input", 2, 2));
    assert_eq!(call.lines(), ["xyab"]);
    // Half a reply is none.
    let call = Call::of(&["a", "b"]);
    let (end, _, sent, answered) = call.run(|peer| {
        peer.send_at(seconds(2), "a").send_at(seconds(3), "a").end_at(seconds(3));
    });
    assert_eq!((end.as_str(), sent, answered), ("server closed before the end of the input", 2, 1));
    assert_eq!(call.lines(), ["a"]);
}

#[test]
fn silence_floods_and_resets() {
    let call = Call::of(&["a", "b"]);
    let ended = call.run(|peer| {
        peer.send_at(seconds(2), "a");
    });
    assert_eq!(ended, ("timed out: nothing came for 10s".into(), seconds(12), 2, 1));
    let call = Call::of(&["a"]);
    let (end, ..) = call.run(|peer| {
        peer.flood_at(seconds(2), "x");
    });
    assert_eq!((end.as_str(), call.lines().len()), ("a reply is over the limit of 1000 bytes", 0));
    let call = Call::of(&["a"]);
    let (end, at, sent, answered) = call.run(|peer| {
        peer.reset_at(seconds(2));
    });
    assert_eq!((end.as_str(), at, sent, answered), ("connection reset by peer", seconds(2), 1, 0));
}
