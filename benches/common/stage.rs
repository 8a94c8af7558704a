//! A selector without system calls, to measure the cost of the reactor itself.
//!
//! The bench sets the time and what is ready; nothing waits. The simulated network of the tests could do the same, but it
//! records everything that happens on it, and does more scheduling work than a reactor.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, IoSlice, Read, Write};
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use multiconn::address::Addr;
use multiconn::reactor::{Config, Reactor};
use multiconn::selector::{Event, Interest, Listener, Readiness, Selector, Stream, Token, WakeFd, Waker};
use multiconn::session::Service;

/// A reactor on a stage, with a fixed number of clients.
pub struct Staged<V: Service> {
    pub stage: Stage,
    pub reactor: Reactor<Stage, V>,
    pub clients: Vec<Client>,
}

impl<V: Service> Staged<V> {
    /// Creates a reactor that has accepted this number of `connections`. None has sent anything yet.
    pub fn new(service: V, connections: usize) -> Self {
        let stage = Stage::new();
        // Leaves room for one more, which comes and goes.
        let config = Config { connections_max: connections + 1, ..Config::default() };
        let mut reactor = Reactor::new(stage.clone(), service, config);
        reactor.add_listener(StageListener).expect("a listener that can be watched");
        let clients = (0..connections).map(|_| stage.connect()).collect();
        let mut staged = Staged { stage, reactor, clients };
        while !staged.stage.0.arriving.borrow().is_empty() {
            staged.turn();
        }
        staged
    }

    pub fn turn(&mut self) {
        self.reactor.turn().expect("a stage does not fail");
    }
}

/// The selector. Clones are the same stage.
#[derive(Clone)]
pub struct Stage(Rc<State>);

struct State {
    now: Cell<Instant>,
    /// The events that the next select reports.
    events: RefCell<Vec<Event>>,
    listener: Cell<Option<Token>>,
    arriving: RefCell<VecDeque<Rc<Line>>>,
    waker: Waker,
    _wake_fd: WakeFd,
}

/// A connection, seen from both sides.
#[derive(Default)]
struct Line {
    token: Cell<Option<Token>>,
    /// The message that was sent but not read yet.
    message: Cell<&'static [u8]>,
    /// Whether the client has ended its side.
    is_ended: Cell<bool>,
}

impl Stage {
    fn new() -> Self {
        let (waker, wake_fd) = WakeFd::new().expect("a socket pair for the waker, which is never used");
        Stage(Rc::new(State {
            now: Cell::new(Instant::now()),
            events: RefCell::default(),
            listener: Cell::default(),
            arriving: RefCell::default(),
            waker,
            _wake_fd: wake_fd,
        }))
    }

    /// Lets `time` pass.
    pub fn pass(&self, time: Duration) {
        self.0.now.set(self.0.now.get() + time);
    }

    /// Connects a client, to be accepted in the next turn.
    pub fn connect(&self) -> Client {
        let line = Rc::new(Line::default());
        self.0.arriving.borrow_mut().push_back(Rc::clone(&line));
        self.tell(self.0.listener.get(), Readiness { readable: true, ..Readiness::default() });
        Client { stage: self.clone(), line }
    }

    /// Adds an event for the next select. Without a token, it adds none: the reactor tries a new stream anyway.
    fn tell(&self, token: Option<Token>, readiness: Readiness) {
        self.0.events.borrow_mut().extend(token.map(|token| Event { token, readiness }));
    }
}

/// The other side of a connection.
pub struct Client {
    stage: Stage,
    line: Rc<Line>,
}

impl Client {
    /// Sends `message`, to be read in the next turn.
    pub fn send(&self, message: &'static [u8]) {
        self.line.message.set(message);
        self.stage.tell(self.line.token.get(), Readiness { readable: true, ..Readiness::default() });
    }

    /// Ends its side.
    pub fn end(&self) {
        self.line.is_ended.set(true);
        self.stage.tell(
            self.line.token.get(),
            Readiness { readable: true, writable: false, read_closed: true, urgent: false },
        );
    }
}

impl Selector for Stage {
    type Stream = StageStream;
    type Listener = StageListener;

    fn now(&self) -> Instant {
        self.0.now.get()
    }

    fn select(&mut self, events: &mut Vec<Event>, _timeout: Option<Duration>) -> io::Result<()> {
        events.append(&mut self.0.events.borrow_mut());
        Ok(())
    }

    fn waker(&self) -> Waker {
        self.0.waker.clone()
    }

    fn register(&mut self, stream: &mut StageStream, token: Token, _interest: Interest) -> io::Result<()> {
        stream.0.token.set(Some(token));
        Ok(())
    }

    fn reregister(&mut self, stream: &mut StageStream, token: Token, interest: Interest) -> io::Result<()> {
        self.register(stream, token, interest)
    }

    fn deregister(&mut self, stream: &mut StageStream, _token: Token) -> io::Result<()> {
        stream.0.token.set(None);
        Ok(())
    }

    fn close(&mut self, stream: StageStream, _token: Token) {
        stream.0.token.set(None);
    }

    fn watch_listener(&mut self, _listener: &mut StageListener, token: Token) -> io::Result<()> {
        self.0.listener.set(Some(token));
        Ok(())
    }

    fn unwatch_listener(&mut self, _listener: &mut StageListener, _token: Token) -> io::Result<()> {
        self.0.listener.set(None);
        Ok(())
    }

    fn accept(&mut self, _listener: &mut StageListener) -> io::Result<(StageStream, Addr)> {
        let line = self.0.arriving.borrow_mut().pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        Ok((StageStream(line), Addr::from((Ipv4Addr::LOCALHOST, 1))))
    }

    fn connect(&mut self, _addr: Addr) -> io::Result<StageStream> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Our side of a connection.
pub struct StageStream(Rc<Line>);

impl Read for StageStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.message.take() {
            [] if self.0.is_ended.get() => Ok(0),
            [] => Err(io::ErrorKind::WouldBlock.into()),
            message => {
                buffer[..message.len()].copy_from_slice(message);
                Ok(message.len())
            }
        }
    }
}

/// Accepts all bytes, and drops them.
impl Write for StageStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(parts.iter().map(|part| part.len()).sum())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for StageStream {
    fn end_output(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn connected(&mut self) -> io::Result<bool> {
        Ok(true)
    }
}

/// The only listener.
pub struct StageListener;

impl Listener for StageListener {
    fn local_addr(&self) -> io::Result<Addr> {
        Ok(Addr::from((Ipv4Addr::LOCALHOST, 1)))
    }
}
