//! More descriptors than select(2) can watch. The numbers are the whole process's, so this is its only test.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use multiconn::address::Addr;
use multiconn::protocols::app::{AppServer, AppService, Request};
use multiconn::reactor::{Config, Handle, REFUSALS_MAX, Reactor};
use multiconn::selector::{self, Interest, PollSelector, SelectSelector, Selector, Token};
use multiconn::session::{End, Peer, Service};
use multiconn::trace::Log;
use rustix::process::{Resource, getrlimit, setrlimit};

/// Nothing takes longer, unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(20);
/// FD_SETSIZE, on every system there is.
const FD_SETSIZE: RawFd = 1024;
/// Descriptors that this test needs above that.
const ABOVE: u64 = 200;

/// The warnings of this process.
static WARNINGS: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Warnings;

impl log::Log for Warnings {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            WARNINGS.lock().unwrap().push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

/// The app server, and which of its connections were refused.
#[derive(Default)]
struct Refusals {
    app: AppService,
    peers: Vec<Addr>,
}

impl Service for Refusals {
    type Session = AppServer;

    fn accept(&mut self, peer: &Peer) -> AppServer {
        self.app.accept(peer)
    }

    fn ended(&mut self, _session: AppServer, peer: &Peer, end: End) {
        if let End::Refused = end {
            self.peers.push(peer.addr);
        }
    }
}

/// A server in a thread of its own.
struct Server {
    addr: SocketAddr,
    handle: Handle,
    thread: JoinHandle<Refusals>,
}

impl Server {
    fn start<S>(new: impl FnOnce() -> io::Result<S> + Send + 'static) -> Server
    where
        S: Selector<Listener = selector::SocketListener>,
    {
        let (sender, receiver) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut reactor = Reactor::with_subscriber(new().unwrap(), Refusals::default(), Config::default(), Log);
            let addr = reactor.listen("127.0.0.1:0").unwrap()[0];
            sender.send((addr, reactor.handle())).unwrap();
            reactor.run().unwrap();
            reactor.into_service()
        });
        let (addr, handle) = receiver.recv_timeout(PATIENCE).unwrap();
        Server { addr, handle, thread }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Those it has refused.
    fn stop(self) -> Vec<Addr> {
        self.handle.stop();
        self.thread.join().expect("it did not panic").peers
    }
}

/// Asks, and is answered, on a connection that stays.
fn ask(stream: &mut TcpStream) {
    let mut request = Vec::new();
    Request::Search("morpheus".into()).write(&mut request, true);
    stream.write_all(&request).unwrap();
    let mut reply = Vec::new();
    while !String::from_utf8_lossy(&reply).contains("Follow the white rabbit. 🐰\"}") {
        let mut bytes = [0; 1000];
        let len = stream.read(&mut bytes).unwrap();
        assert!(len > 0, "closed after {:?}", String::from_utf8_lossy(&reply));
        reply.extend_from_slice(&bytes[..len]);
    }
}

/// Opens descriptors until every number that select(2) can watch is taken.
fn take_all_below_the_limit() -> Vec<File> {
    let mut files = Vec::new();
    while files.last().is_none_or(|file: &File| file.as_raw_fd() < FD_SETSIZE) {
        files.push(File::open("/dev/null").unwrap());
    }
    files
}

fn too_high(fd: RawFd) -> String {
    format!("descriptor {fd} is beyond what select(2) can watch (FD_SETSIZE is {FD_SETSIZE})")
}

#[test]
fn who_can_not_be_watched_is_told_and_the_others_are_served() {
    let mut limit = getrlimit(Resource::Nofile);
    let needed = FD_SETSIZE as u64 + ABOVE;
    if limit.current.is_some_and(|current| current < needed) {
        limit.current = Some(needed);
        setrlimit(Resource::Nofile, limit).expect("the limit can be raised");
    }
    log::set_logger(&Warnings).unwrap();
    log::set_max_level(log::LevelFilter::Warn);

    let server = Server::start(SelectSelector::new);
    let mut early = [server.connect(), server.connect()];
    early.iter_mut().for_each(ask);
    let mut selector = SelectSelector::new().unwrap();
    let mut files = take_all_below_the_limit();

    // More than may be in the middle of being refused at once: each leaves its place.
    let mut refused = Vec::new();
    let mut logged = Vec::new();
    for _ in 0..2 * REFUSALS_MAX {
        let mut stream = server.connect();
        let mut told = String::new();
        stream.read_to_string(&mut told).expect("it ends in order");
        let (_, words) = told.split_once("the server is full, descriptor ").expect("it says why");
        let fd = words.split_once(' ').unwrap().0.parse().unwrap();
        assert!(fd >= FD_SETSIZE, "{fd}");
        assert!(told.ends_with(&format!("{}; try again later\"}}", too_high(fd))), "{told}");
        let addr = stream.local_addr().unwrap();
        refused.push(Addr::from(addr));
        logged.push(format!("Refused connection from {addr}: {}", too_high(fd)));
        early.iter_mut().for_each(ask);
    }

    // One that comes when there is room for its descriptor, and its client's, is served.
    files.drain(..2);
    let mut late = server.connect();
    assert!(late.as_raw_fd() < FD_SETSIZE);
    ask(&mut late);
    early.iter_mut().for_each(ask);

    nothing_high_gets_in(&mut selector);
    // poll(2) has no such limit.
    let other = Server::start(PollSelector::new);
    let mut stream = other.connect();
    assert!(stream.as_raw_fd() >= FD_SETSIZE);
    ask(&mut stream);

    // A server that stops waits for its peers to close.
    drop((early, late, stream));
    assert_eq!(other.stop(), []);
    assert_eq!(server.stop(), refused);
    assert_eq!(*WARNINGS.lock().unwrap(), logged, "one line for each, and nothing else");
}

/// What is too high for `selector` is an error wherever it's handed over, and leaves nothing behind.
fn nothing_high_gets_in(selector: &mut SelectSelector) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    // Nothing else is opened or closed meanwhile: every descriptor has the lowest number that is free.
    let lowest = File::open("/dev/null").unwrap().as_raw_fd();
    assert!(lowest >= FD_SETSIZE);
    let said = |error: io::Error| error.to_string();
    assert_eq!(selector.connect(addr.into()).map_err(said).unwrap_err(), too_high(lowest));

    let mut listener = selector::listener(listener).unwrap();
    assert_eq!(selector.watch_listener(&mut listener, Token(1)).map_err(said), Err(too_high(listener.as_raw_fd())));
    assert_eq!(selector.unwatch_listener(&mut listener, Token(1)).map_err(said), Err(too_high(listener.as_raw_fd())));

    let mut stream = PollSelector::new().unwrap().connect(addr.into()).unwrap();
    let expected = too_high(stream.as_raw_fd());
    assert_eq!(selector.can_watch(&stream), Err(expected.clone()));
    assert_eq!(selector.register(&mut stream, Token(2), Interest::READ).map_err(said), Err(expected.clone()));
    assert_eq!(selector.reregister(&mut stream, Token(2), Interest::WRITE).map_err(said), Err(expected.clone()));
    assert_eq!(selector.deregister(&mut stream, Token(2)).map_err(said), Err(expected));
    selector.close(stream, Token(2));

    assert!(SelectSelector::new().map(drop).map_err(said).unwrap_err().contains("is beyond what select(2) can watch"));
    let mut events = Vec::new();
    selector.select(&mut events, Some(Duration::ZERO)).unwrap();
    assert_eq!(events, []);
}
