//! The guarantees that a loop relies on, tested on each selector over real sockets; and the servers under each.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{self, Shutdown, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fs, thread};

use multiconn::address::Addr;
use multiconn::client::converse;
use multiconn::folder::{Folder, MemoryFolder};
use multiconn::message::Limits;
use multiconn::protocols::app::{AppClient, AppService, Reply, Request, Timeouts};
use multiconn::protocols::echo::{EchoClient, EchoService};
use multiconn::protocols::getfile::GetFileService;
use multiconn::reactor::{Config, Reactor};
use multiconn::selector::{
    Event, Interest, Listener, MioSelector, PollSelector, Readiness, SelectSelector, Selector, SocketListener,
    SocketStream, Stream, Token, listener,
};
use multiconn::session::{End, Service};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use rustix::process::{Resource, getrlimit, setrlimit};

/// Nothing takes longer, unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(20);
const READ_WRITE: Interest = Interest { readable: true, writable: true, ..Interest::NONE };

/// A selector of real sockets.
trait SocketSelector: Selector<Stream = SocketStream, Listener = SocketListener> {
    /// Whether it can tell of a hang-up alone.
    const TELLS_HANG_UPS: bool = true;

    fn new() -> Self;
}

impl SocketSelector for MioSelector {
    fn new() -> Self {
        MioSelector::new().unwrap()
    }
}

impl SocketSelector for PollSelector {
    fn new() -> Self {
        PollSelector::new().unwrap()
    }
}

impl SocketSelector for SelectSelector {
    const TELLS_HANG_UPS: bool = false;

    fn new() -> Self {
        SelectSelector::new().unwrap()
    }
}

/// Each of the functions as a test for each selector.
macro_rules! for_every_selector {
    ($($test:ident)*) => {
        for_every_selector! { @ mio MioSelector [$($test)*] }
        for_every_selector! { @ poll PollSelector [$($test)*] }
        for_every_selector! { @ select SelectSelector [$($test)*] }
    };
    (@ $module:ident $selector:ident [$($test:ident)*]) => {
        mod $module {
            $(
                #[test]
                fn $test() {
                    let _alone = super::alone();
                    super::$test::<multiconn::selector::$selector>();
                }
            )*
        }
    };
}

for_every_selector! {
    what_has_come_makes_a_stream_readable
    only_what_was_asked_is_told
    room_is_told_when_there_is_some
    another_interest_is_another_question
    what_is_not_watched_is_not_told
    an_end_is_something_to_read
    a_reset_is_told_to_readers_and_writers
    a_hang_up_is_told_to_who_does_not_read
    what_comes_before_a_hang_up_makes_no_busy_loop
    a_reset_is_told_after_a_hang_up_that_is_known
    a_listener_is_readable_when_there_is_somebody
    a_connect_that_succeeds_is_writable
    a_connect_that_fails_tells_why
    a_waker_ends_a_select
    a_closed_stream_is_not_mistaken_for_the_next
    what_was_never_registered_is_closed_all_the_same
    a_timeout_ends_a_select
    many_streams_come_and_go
    the_echo_server_echoes
    the_app_server_answers
    the_file_server_sends_from_disk_and_from_memory
}

/// The tests of this file run one after the other: they share the process's descriptor numbers, and select(2) has a limit
/// on these.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A selector, and the interest registered with it.
struct Watched<S> {
    selector: S,
    listener: SocketListener,
    addr: Addr,
    events: Vec<Event>,
}

impl<S: SocketSelector> Watched<S> {
    fn new() -> Self {
        let listener = listener(net::TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
        let addr = Listener::local_addr(&listener).unwrap();
        Watched { selector: S::new(), listener, addr, events: Vec::new() }
    }

    /// The two ends of a connection: the one to be watched, and its peer.
    fn pair(&mut self) -> (SocketStream, net::TcpStream) {
        let peer = net::TcpStream::connect(self.addr).unwrap();
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        peer.set_write_timeout(Some(PATIENCE)).unwrap();
        // It's in the backlog when connect returns, or very soon.
        loop {
            match self.selector.accept(&mut self.listener) {
                Ok((stream, addr)) => {
                    assert_eq!(addr.inet(), peer.local_addr().ok());
                    return (stream, peer);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// What is ready right now.
    fn now(&mut self) -> Vec<Event> {
        self.events.clear();
        self.selector.select(&mut self.events, Some(Duration::ZERO)).unwrap();
        self.events.clone()
    }

    /// Waits until something is ready.
    fn next(&mut self) -> Vec<Event> {
        self.events.clear();
        self.selector.select(&mut self.events, Some(PATIENCE)).unwrap();
        assert!(!self.events.is_empty(), "something is ready");
        self.events.clone()
    }

    /// Waits until the only stream is ready for one thing, and only that.
    fn expect(&mut self, token: Token, expected: Interest) {
        let events = self.next();
        let [event] = events[..] else { panic!("{events:?}") };
        let Readiness { readable, writable, read_closed: _, urgent: _ } = event.readiness;
        let found = Interest { readable, writable, ..Interest::NONE };
        assert_eq!((event.token, found), (token, expected), "{events:?}");
    }
}

/// Waits until there is something to read, without a selector, and without reading it.
fn arrived(stream: &SocketStream) {
    while recv(stream, &mut [0], RecvFlags::PEEK).is_err_and(|error| error == Errno::WOULDBLOCK) {
        thread::yield_now();
    }
}

/// Reads what is there.
fn drain(stream: &mut SocketStream) -> io::Result<usize> {
    let mut len = 0;
    loop {
        match stream.read(&mut [0; 4096]) {
            Ok(0) => return Ok(len),
            Ok(more) => len += more,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(len),
            Err(error) => return Err(error),
        }
    }
}

/// Writes until nothing more is taken.
fn fill(stream: &mut SocketStream) -> usize {
    let mut len = 0;
    loop {
        match stream.write(&[b'x'; 4096]) {
            Ok(more) => len += more,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return len,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Closes so that the other side gets a reset: with something unread.
fn reset(mut stream: SocketStream, peer: net::TcpStream) -> SocketStream {
    stream.write_all(b"unread").unwrap();
    peer.peek(&mut [0]).unwrap();
    drop(peer);
    stream
}

fn what_has_come_makes_a_stream_readable<S: SocketSelector>() {
    let mut watched = Watched::<S>::new();
    let (mut stream, mut peer) = watched.pair();
    watched.selector.register(&mut stream, Token(7), Interest::READ).unwrap();
    assert_eq!(watched.now(), []);
    for _ in 0..3 {
        peer.write_all(b"hello").unwrap();
        watched.expect(Token(7), Interest::READ);
        assert_eq!(drain(&mut stream).unwrap(), 5);
        assert_eq!(watched.now(), []);
    }
    // It's also told of what had come before.
    let (mut stream, mut peer) = watched.pair();
    peer.write_all(b"hello").unwrap();
    arrived(&stream);
    watched.selector.register(&mut stream, Token(8), Interest::READ).unwrap();
    watched.expect(Token(8), Interest::READ);
}

fn only_what_was_asked_is_told<S: SocketSelector>() {
    let mut watched = Watched::<S>::new();
    let (mut full, _peer) = watched.pair();
    let (mut fed, mut peer) = watched.pair();
    fill(&mut full);
    peer.write_all(b"hello").unwrap();
    arrived(&fed);
    watched.selector.register(&mut full, Token(1), Interest::READ).unwrap();
    watched.selector.register(&mut fed, Token(2), Interest::WRITE).unwrap();
    watched.expect(Token(2), Interest::WRITE);
    let (mut both, mut peer) = watched.pair();
    peer.write_all(b"hello").unwrap();
    arrived(&both);
    watched.selector.deregister(&mut fed, Token(2)).unwrap();
    watched.selector.register(&mut both, Token(3), READ_WRITE).unwrap();
    watched.expect(Token(3), READ_WRITE);
}

fn room_is_told_when_there_is_some<S: SocketSelector>() {
    let mut watched = Watched::<S>::new();
    let (mut stream, mut peer) = watched.pair();
    let mut len = fill(&mut stream);
    watched.selector.register(&mut stream, Token(1), Interest::WRITE).unwrap();
    // What it took may still be on its way to the peer, which makes room for more.
    while !watched.now().is_empty() {
        len += fill(&mut stream);
    }
    let reader = thread::spawn(move || {
        let mut bytes = vec![0; len];
        peer.read_exact(&mut bytes).unwrap();
        peer
    });
    watched.expect(Token(1), Interest::WRITE);
    assert!(fill(&mut stream) > 0);
    reader.join().unwrap();
}

fn another_interest_is_another_question<S: SocketSelector>() {
    let mut watched = Watched::<S>::new();
    let (mut stream, mut peer) = watched.pair();
    peer.write_all(b"hello").unwrap();
    arrived(&stream);
    watched.selector.register(&mut stream, Token(1), Interest::WRITE).unwrap();
    watched.expect(Token(1), Interest::WRITE);
    // Readiness that exists already is reported again.
    for interest in [Interest::READ, Interest::WRITE, READ_WRITE, Interest::READ] {
        watched.selector.reregister(&mut stream, Token(1), interest).unwrap();
        watched.expect(Token(1), interest);
    }
}

fn what_is_not_watched_is_not_told<S: SocketSelector>() {
    let mut watched = Watched::<S>::new();
    let (mut stream, mut peer) = watched.pair();
    peer.write_all(b"hello").unwrap();
    arrived(&stream);
    assert_eq!(watched.now(), []);
    watched.selector.register(&mut stream, Token(1), READ_WRITE).unwrap();
    watched.expect(Token(1), READ_WRITE);
    watched.selector.deregister(&mut stream, Token(1)).unwrap();
    assert_eq!(watched.now(), []);
    // Not even that it's broken.
    let mut stream = reset(stream, peer);
    assert_eq!(watched.now(), []);
    assert!(watched.selector.deregister(&mut stream, Token(1)).is_err(), "it's not there any more");
    assert!(watched.selector.reregister(&mut stream, Token(1), Interest::READ).is_err());
    watched.selector.register(&mut stream, Token(2), Interest::READ).unwrap();
    assert_eq!(watched.next()[0].token, Token(2));
}

fn an_end_is_something_to_read<S: SocketSelector>() {
    let mut watched = Watched::<S>::new();
    let (mut stream, mut peer) = watched.pair();
    watched.selector.register(&mut stream, Token(1), Interest::READ).unwrap();
    peer.write_all(b"last").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    let mut bytes = Vec::new();
    while stream.read_to_end(&mut bytes).is_err_and(|error| error.kind() == ErrorKind::WouldBlock) {
        watched.expect(Token(1), Interest::READ);
    }
    assert_eq!(bytes, b"last");
    // One half goes on, and the end of the other isn't reported without read interest.
    fill(&mut stream);
    watched.selector.reregister(&mut stream, Token(1), Interest::WRITE).unwrap();
    while !watched.now().is_empty() {
        fill(&mut stream);
    }
    let reader = thread::spawn(move || peer.read_to_end(&mut Vec::new()));
    watched.expect(Token(1), Interest::WRITE);
    stream.end_output().unwrap();
    reader.join().unwrap().unwrap();
}

fn a_reset_is_told_to_readers_and_writers<S: SocketSelector>() {
    let mut watched = Watched::<S>::new();
    let (mut stream, peer) = watched.pair();
    watched.selector.register(&mut stream, Token(1), Interest::READ).unwrap();
    let mut stream = reset(stream, peer);
    let events = watched.next();
    assert!(events[0].token == Token(1) && events[0].readiness.readable, "{events:?}");
    assert_eq!(drain(&mut stream).unwrap_err().kind(), ErrorKind::ConnectionReset);
    watched.selector.close(stream, Token(1));

    let (mut stream, mut peer) = watched.pair();
    fill(&mut stream);
    watched.selector.register(&mut stream, Token(2), Interest::WRITE).unwrap();
    while !watched.now().is_empty() {
        fill(&mut stream);
    }
    peer.read_exact(&mut [0]).unwrap();
    drop(peer);
    let events = watched.next();
    assert!(events[0].token == Token(2) && events[0].readiness.writable, "{events:?}");
    let error = stream.write(b"more").unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
}

/// Not on select(2): it would have to watch for reading, and would report that again and again.
fn a_hang_up_is_told_to_who_does_not_read<S: SocketSelector>() {
    for resets in [false, true] {
        let mut watched = Watched::<S>::new();
        let (mut stream, mut peer) = watched.pair();
        watched.selector.register(&mut stream, Token(1), Interest::HANGUP).unwrap();
        peer.write_all(b"unread").unwrap();
        arrived(&stream);
        assert!(watched.now().iter().all(|event| !event.readiness.read_closed), "it's there yet");
        if resets {
            stream = reset(stream, peer);
        } else {
            drop(peer);
        }
        if S::TELLS_HANG_UPS {
            let events = watched.next();
            let closed = Readiness { readable: true, read_closed: true, ..events[0].readiness };
            assert_eq!(events, [Event { token: Token(1), readiness: closed }]);
        } else {
            assert_eq!(watched.now(), []);
        }
        watched.selector.deregister(&mut stream, Token(1)).unwrap();
        assert_eq!(watched.now(), []);
    }
}

/// Unread input is reported once for each arrival, or not at all.
fn what_comes_before_a_hang_up_makes_no_busy_loop<S: SocketSelector>() {
    let mut watched = Watched::<S>::new();
    let (mut stream, mut peer) = watched.pair();
    watched.selector.register(&mut stream, Token(1), Interest::HANGUP).unwrap();
    for _ in 0..3 {
        peer.write_all(b"hello").unwrap();
        arrived(&stream);
        watched.now();
        assert_eq!((watched.now(), watched.now()), (Vec::new(), Vec::new()));
    }
    let both = Interest { writable: true, ..Interest::HANGUP };
    watched.selector.reregister(&mut stream, Token(1), both).unwrap();
    assert!(watched.next()[0].readiness.writable);
    // With read interest after all, it's reported as readable.
    watched.selector.reregister(&mut stream, Token(1), Interest::READ).unwrap();
    watched.expect(Token(1), Interest::READ);
    assert_eq!(drain(&mut stream).unwrap(), 15);
}

/// The hang-up itself is reported once more, or not at all, so there is no busy loop. select(2) reports neither.
fn a_reset_is_told_after_a_hang_up_that_is_known<S: SocketSelector>() {
    let mut watched = Watched::<S>::new();
    let (mut stream, peer) = watched.pair();
    peer.shutdown(net::Shutdown::Write).unwrap();
    arrived(&stream);
    watched.selector.register(&mut stream, Token(1), Interest::ERROR).unwrap();
    watched.now();
    assert_eq!((watched.now(), watched.now()), (Vec::new(), Vec::new()));
    assert!(stream.connected().unwrap());
    let mut stream = reset(stream, peer);
    if S::TELLS_HANG_UPS {
        let events = watched.next();
        assert!(events[0].token == Token(1) && events[0].readiness.read_closed, "{events:?}");
        // After the end of input, Linux says so of a reset.
        let error = stream.connected().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
    } else {
        assert_eq!(watched.now(), []);
    }
    watched.selector.deregister(&mut stream, Token(1)).unwrap();
    assert_eq!(watched.now(), []);
}

fn a_listener_is_readable_when_there_is_somebody<S: SocketSelector>() {
    let mut watched = Watched::<S>::new();
    watched.selector.watch_listener(&mut watched.listener, Token(3)).unwrap();
    assert_eq!(watched.now(), []);
    for _ in 0..2 {
        let peer = net::TcpStream::connect(watched.addr).unwrap();
        let events = watched.next();
        assert!(events[0].token == Token(3) && events[0].readiness.readable, "{events:?}");
        let (_, addr) = watched.selector.accept(&mut watched.listener).unwrap();
        assert_eq!(addr.inet(), peer.local_addr().ok());
        let none = watched.selector.accept(&mut watched.listener).unwrap_err();
        assert_eq!(none.kind(), ErrorKind::WouldBlock);
        assert_eq!(watched.now(), []);
    }
    watched.selector.unwatch_listener(&mut watched.listener, Token(3)).unwrap();
    let (_stream, _peer) = watched.pair();
    assert_eq!(watched.now(), []);
    let _waiting = net::TcpStream::connect(watched.addr).unwrap();
    assert_eq!(watched.now(), []);
    // A connection that arrived meanwhile is reported when the listener is watched again.
    watched.selector.watch_listener(&mut watched.listener, Token(4)).unwrap();
    assert_eq!(watched.next()[0].token, Token(4));
}

fn a_connect_that_succeeds_is_writable<S: SocketSelector>() {
    let mut watched = Watched::<S>::new();
    let mut stream = watched.selector.connect(watched.addr).unwrap();
    watched.selector.register(&mut stream, Token(1), Interest::WRITE).unwrap();
    watched.expect(Token(1), Interest::WRITE);
    assert!(stream.connected().unwrap());
    stream.write_all(b"hello").unwrap();
}

fn a_connect_that_fails_tells_why<S: SocketSelector>() {
    let mut watched = Watched::<S>::new();
    let nobody = net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = match watched.selector.connect(nobody.into()) {
        // Some systems know at once.
        Err(error) => error,
        Ok(mut stream) => {
            watched.selector.register(&mut stream, Token(1), Interest::WRITE).unwrap();
            let events = watched.next();
            assert!(events[0].token == Token(1) && events[0].readiness.writable, "{events:?}");
            stream.connected().unwrap_err()
        }
    };
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

fn a_waker_ends_a_select<S: SocketSelector>() {
    let mut watched = Watched::<S>::new();
    for _ in 0..3 {
        let waker = watched.selector.waker();
        let thread = thread::spawn(move || waker.wake());
        watched.selector.select(&mut watched.events, None).unwrap();
        assert_eq!(watched.events, [], "it's no event");
        thread.join().unwrap();
    }
    // Also one that came before, and many as one.
    let waker = watched.selector.waker();
    (0..100_000).for_each(|_| waker.wake());
    watched.selector.select(&mut watched.events, None).unwrap();
    assert_eq!(watched.events, []);
    // That clears it: the next select is ended by the stream.
    let (mut stream, mut peer) = watched.pair();
    watched.selector.register(&mut stream, Token(1), Interest::READ).unwrap();
    peer.write_all(b"hello").unwrap();
    watched.selector.select(&mut watched.events, None).unwrap();
    assert_eq!(watched.events.len(), 1);
}

fn a_closed_stream_is_not_mistaken_for_the_next<S: SocketSelector>() {
    let mut watched = Watched::<S>::new();
    let (mut first, mut peer) = watched.pair();
    let (mut other, mut other_peer) = watched.pair();
    watched.selector.register(&mut first, Token(1), READ_WRITE).unwrap();
    watched.selector.register(&mut other, Token(2), Interest::READ).unwrap();
    peer.write_all(b"hello").unwrap();
    arrived(&first);
    let number = first.as_raw_fd();
    watched.selector.close(first, Token(1));
    assert_eq!(watched.now(), []);

    // The lowest number that is free is the one that was just closed.
    let mut next = watched.selector.connect(watched.addr).unwrap();
    assert_eq!(next.as_raw_fd(), number, "no other test opens or closes anything meanwhile");
    assert_eq!(watched.now(), [], "it's not watched for having the number of one that was");
    watched.selector.register(&mut next, Token(3), Interest::WRITE).unwrap();
    watched.expect(Token(3), Interest::WRITE);
    watched.selector.reregister(&mut next, Token(3), Interest::READ).unwrap();
    other_peer.write_all(b"hello").unwrap();
    watched.expect(Token(2), Interest::READ);
}

#[test]
fn poll_survives_a_stream_that_was_dropped() {
    let _alone = alone();
    let mut watched = Watched::<PollSelector>::new();
    let (mut stream, _peer) = watched.pair();
    watched.selector.register(&mut stream, Token(1), Interest::READ).unwrap();
    drop(stream);
    let broken = Readiness { readable: true, writable: true, read_closed: true, urgent: false };
    assert_eq!(watched.next(), [Event { token: Token(1), readiness: broken }]);
    // The next connection gets its descriptor number and its place.
    let mut next = watched.selector.connect(watched.addr).unwrap();
    watched.selector.register(&mut next, Token(2), Interest::WRITE).unwrap();
    watched.expect(Token(2), Interest::WRITE);
    watched.selector.close(next, Token(2));
    assert_eq!(watched.now(), []);
}

fn what_was_never_registered_is_closed_all_the_same<S: SocketSelector>() {
    let mut watched = Watched::<S>::new();
    let (stream, mut peer) = watched.pair();
    watched.selector.close(stream, Token(1));
    assert_eq!(peer.read(&mut [0]).unwrap(), 0);
    assert_eq!(watched.now(), []);
}

fn a_timeout_ends_a_select<S: SocketSelector>() {
    let mut watched = Watched::<S>::new();
    let (mut stream, _peer) = watched.pair();
    watched.selector.register(&mut stream, Token(1), Interest::READ).unwrap();
    for timeout in [Duration::ZERO, Duration::from_nanos(1), Duration::from_micros(1500)] {
        watched.selector.select(&mut watched.events, Some(timeout)).unwrap();
        assert_eq!(watched.events, []);
    }
    // The system accepts even the longest timeout.
    let waker = watched.selector.waker();
    waker.wake();
    watched.selector.select(&mut watched.events, Some(Duration::MAX)).unwrap();
    assert_eq!(watched.events, []);
}

fn many_streams_come_and_go<S: SocketSelector>() {
    raise_limit();
    let mut watched = Watched::<S>::new();
    let mut chance = Chance(1);
    let mut open: Vec<(Token, SocketStream, net::TcpStream)> = Vec::new();
    for number in 0..300 {
        let (mut stream, peer) = watched.pair();
        watched.selector.register(&mut stream, Token(number), Interest::READ).unwrap();
        open.push((Token(number), stream, peer));
        // Two come for each that goes.
        if number % 3 == 2 {
            let (token, stream, _) = open.swap_remove(chance.below(open.len()));
            watched.selector.close(stream, token);
        }
    }
    while !open.is_empty() {
        assert_eq!(watched.now(), []);
        let speaking = chance.below(open.len());
        let (token, stream, peer) = &mut open[speaking];
        peer.write_all(b"hello").unwrap();
        arrived(stream);
        let (token, stays) = (*token, chance.below(3) > 0);
        watched.expect(token, Interest::READ);
        let (_, stream, _) = &mut open[speaking];
        drain(stream).unwrap();
        if stays {
            watched.selector.deregister(stream, token).unwrap();
            watched.selector.register(stream, token, Interest::READ).unwrap();
        }
        let (token, stream, _) = open.swap_remove(chance.below(open.len()));
        watched.selector.close(stream, token);
    }
}

/// 300 connections have 600 ends here, for which some systems have to be asked.
fn raise_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = Some(limit.current.unwrap_or(1024).max(1024).min(limit.maximum.unwrap_or(1024)));
    setrlimit(Resource::Nofile, limit).expect("the limit can be raised as far as it goes");
}

/// xorshift: the same on every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

/// Runs `service` in a thread of its own while `clients` talk to it, and returns what they have learned.
fn serving<S: SocketSelector, V: Service + Send + 'static, T>(service: V, clients: impl FnOnce(SocketAddr) -> T) -> T {
    let (sender, receiver) = std::sync::mpsc::channel();
    let server = thread::spawn(move || {
        let mut reactor = Reactor::new(S::new(), service, Config::default());
        let addr = reactor.listen("127.0.0.1:0").unwrap()[0];
        sender.send((addr, reactor.handle())).unwrap();
        reactor.run().unwrap();
    });
    let (addr, handle) = receiver.recv_timeout(PATIENCE).unwrap();
    let learned = clients(addr);
    handle.stop();
    server.join().expect("it did not panic");
    learned
}

fn the_echo_server_echoes<S: SocketSelector>() {
    // Short ones, and some that fill every buffer on the way.
    let messages: Vec<Vec<u8>> = (0..20).map(|n: u8| vec![n; 1 << n]).collect();
    let conversations = serving::<S, _, _>(EchoService::default(), |addr| {
        // A client that doesn't read its replies holds up no other.
        let mut silent = net::TcpStream::connect(addr).unwrap();
        silent.set_nonblocking(true).unwrap();
        while silent.write(&[b'x'; 1 << 16]).is_ok() {}
        let sessions = (0..10).map(|_| EchoClient::new(messages.clone().into(), PATIENCE));
        converse(&[addr], sessions, PATIENCE).unwrap()
    });
    assert_eq!(conversations.len(), 10);
    for conversation in conversations {
        assert!(matches!(conversation.end, End::Finished), "{}", conversation.end);
        assert_eq!(conversation.session.received(), (1 << 20) - 1);
    }
}

fn the_file_server_sends_from_disk_and_from_memory<S: SocketSelector>() {
    // More than a socket's buffers hold.
    let pattern: Vec<u8> = (0..65_521u32).map(|number| (number.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect();
    let contents = pattern.repeat(200);
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), &contents).unwrap();
    let mut memory = MemoryFolder::new(false);
    memory.insert("file", &contents[..]);
    let get = |addr| {
        let mut stream = net::TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"\x00777 file\n").unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).unwrap();
        reply
    };
    let expected = [b"OK 13104200\n", &contents[777..]].concat();
    let disk = Folder::open(dir.path(), false).unwrap();
    assert!(serving::<S, _, _>(GetFileService::new(disk, PATIENCE), get) == expected);
    assert!(serving::<S, _, _>(GetFileService::new(memory, PATIENCE), get) == expected);
}

fn the_app_server_answers<S: SocketSelector>() {
    let service = AppService::new(Limits::default(), Timeouts::default());
    let requests = vec![Request::Search("morpheus".into()), Request::Sum(vec![1, 2]), Request::Search("ring".into())];
    let conversations = serving::<S, _, _>(service, |addr| {
        let sessions = (0..10).map(|_| AppClient::new(requests.clone(), Limits::default(), PATIENCE));
        converse(&[addr], sessions, PATIENCE).unwrap()
    });
    let expected = [
        Reply::Result("Follow the white rabbit. 🐰".into()),
        Reply::Sum(3),
        Reply::Result("In the caves beneath the Misty Mountains. 💍".into()),
    ];
    assert_eq!(conversations.len(), 10);
    for conversation in conversations {
        assert!(matches!(conversation.end, End::Finished), "{}", conversation.end);
        assert_eq!(conversation.session.into_replies(), expected);
    }
}
