//! A proxy: for each connection it opens another one to an upstream address, and passes bytes on both ways.
//!
//! Run it with `cargo run --example proxy HOST:PORT`, the address of the upstream server. A side that reads slowly
//! slows down the other side, a side that ends is ended on the other side, and a side that fails ends the other with an
//! error.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::env;
use std::error::Error;
use std::net::{SocketAddr, ToSocketAddrs};
use std::rc::Rc;
use std::task::Waker;
use std::time::Instant;

use multiconn::address::Addr;
use multiconn::reactor::{Config, Reactor};
use multiconn::selector::MioSelector;
use multiconn::session::{Connect, End, Peer, Progress, Service, Session, SessionError, SessionIo};

/// Maximum bytes that wait between the two sides, in each direction.
pub const PIPE_LEN_MAX: usize = 64 << 10;
/// Maximum bytes in the output of a side: less than the high-water mark, at which that side would not be read either,
/// and one direction could block the other.
pub const OUTPUT_LEN_MAX: usize = 16 << 10;

/// The sides whose connections are to be opened.
type Wanted = Rc<RefCell<VecDeque<Side>>>;

/// The service.
pub struct Proxy {
    upstream: Vec<Addr>,
    wanted: Wanted,
}

impl Proxy {
    /// A proxy that connects to the first of these addresses that accepts.
    pub fn new(upstream: Vec<SocketAddr>) -> Self {
        let upstream = upstream.into_iter().map(Addr::from).collect();
        Proxy { upstream, wanted: Wanted::default() }
    }
}

impl Service for Proxy {
    type Session = Half;

    fn accept(&mut self, _peer: &Peer) -> Half {
        Half::Front(Side { pair: Rc::default(), number: 0, is_stopping: false }, Some(Rc::clone(&self.wanted)))
    }

    fn opens_connections(&self) -> bool {
        true
    }

    fn next_connect(&mut self) -> Option<Connect<Half>> {
        let side = self.wanted.borrow_mut().pop_front()?;
        Some(Connect { addresses: self.upstream.clone(), session: Half::Back(side) })
    }

    /// Also called for a connection that could not be opened.
    fn ended(&mut self, half: Half, peer: &Peer, end: End) {
        let (Half::Front(side, _) | Half::Back(side)) = half;
        if !matches!(end, End::Finished) {
            let pair = &mut *side.pair.borrow_mut();
            pair.failure = Some(format!("{}: {end}", peer.addr));
            pair.wake(1 - side.number);
        }
    }
}

/// The sessions: those of accepted connections, and those of connections to the upstream address.
pub enum Half {
    /// Asks for the other half in its first call. A connection over the limit is accepted too, but its session is
    /// never called.
    Front(Side, Option<Wanted>),
    /// The other half.
    Back(Side),
}

impl Session for Half {
    fn advance(&mut self, io: &mut SessionIo<'_>, _now: Instant) -> Result<Progress, SessionError> {
        if let Half::Front(side, wanted) = self
            && let Some(wanted) = wanted.take()
        {
            wanted.borrow_mut().push_back(Side { pair: Rc::clone(&side.pair), number: 1, is_stopping: false });
        }
        let (Half::Front(side, _) | Half::Back(side)) = self;
        side.advance(io)
    }

    /// A proxy can't know whether a reply is due, so at a stop the peers have the drain timeout to finish.
    fn is_idle(&self) -> bool {
        let (Half::Front(side, _) | Half::Back(side)) = self;
        !side.is_stopping
    }
}

/// One of the two sides of a pair: 0 is the front, 1 the back.
pub struct Side {
    pair: Rc<RefCell<Pair>>,
    number: usize,
    is_stopping: bool,
}

/// The state shared by the two sides.
#[derive(Default)]
struct Pair {
    /// The bytes that came from each side.
    pipes: [Pipe; 2],
    wakers: [Option<Waker>; 2],
    /// Why one of them ended too early.
    failure: Option<String>,
}

#[derive(Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    has_ended: bool,
}

impl Pair {
    fn wake(&self, number: usize) {
        if let Some(waker) = &self.wakers[number] {
            waker.wake_by_ref();
        }
    }
}

impl Side {
    fn advance(&mut self, io: &mut SessionIo<'_>) -> Result<Progress, SessionError> {
        self.is_stopping = io.is_stopping();
        let pair = &mut *self.pair.borrow_mut();
        pair.wakers[self.number].get_or_insert_with(|| io.waker());
        if let Some(failure) = &pair.failure {
            return Err(SessionError::other(failure.clone()));
        }

        let from_here = &mut pair.pipes[self.number];
        let taken = io.input().len().min(PIPE_LEN_MAX - from_here.bytes.len());
        from_here.bytes.extend(io.input().take(taken).unwrap_or_default());
        let ends = io.input_ended() && io.input().is_empty() && !from_here.has_ended;
        from_here.has_ended |= ends;
        let reads = !io.input_ended() && from_here.bytes.len() < PIPE_LEN_MAX;

        let to_here = &mut pair.pipes[1 - self.number];
        let given = to_here.bytes.len().min(OUTPUT_LEN_MAX.saturating_sub(io.output().len()));
        io.output().tail().extend(to_here.bytes.drain(..given));
        let waits_for_room = !to_here.bytes.is_empty();
        if to_here.has_ended && !waits_for_room {
            io.end_output();
        }

        if taken > 0 || ends || given > 0 {
            pair.wake(1 - self.number);
        }
        let is_done = pair.pipes.iter().all(|pipe| pipe.has_ended) && !waits_for_room;
        Ok(match (reads, waits_for_room) {
            // A session that waits for input after its end is finished once its output is sent. `Finished` would drop
            // unsent output on a connection that we have opened.
            _ if is_done => Progress::NeedInput,
            (true, false) => Progress::NeedInput,
            (true, true) => Progress::NeedEither,
            (false, true) => Progress::NeedRoom,
            // The other side wakes this one when it has taken or brought some bytes.
            (false, false) => Progress::Working,
        })
    }
}

/// Serves until the process is ended.
pub fn main() -> Result<(), Box<dyn Error>> {
    let upstream = env::args().nth(1).ok_or("the address of the upstream server is missing")?;
    let proxy = Proxy::new(upstream.to_socket_addrs()?.collect());
    let mut reactor = Reactor::new(MioSelector::new()?, proxy, Config::default());
    println!("Listening on {}", reactor.listen("127.0.0.1:0")?[0]);
    Ok(reactor.run()?)
}
