//! One thread that waits for one connection, like a blocking `recv` in the texts.
//!
//! A thread blocked in `recv` can't be told to stop, and waits as long as the peer likes. So it blocks in poll(2)
//! instead, for its socket and for an interrupt, as Python does for every socket with a timeout. Between two waits it
//! runs the same [`Connection`] as the reactor, with the same limits, timeouts and behaviour.

use std::cell::{Cell, OnceCell};
use std::io;
use std::net::SocketAddr;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::orders::wait;
use super::{Config, Subscribers};
use crate::connection::{self, Budget, Connection, Outcome, Scratch, Share, TICK, Turn};
use crate::panics;
use crate::selector::{Interest, Readiness, Stream, TcpStream, WakeFd};
use crate::session::{End, Peer, Service, Session};
use crate::sys::{self, PollFd};
use crate::text::reason;
use crate::trace::{Event, PanicIn, Trace};

/// The stack size of a thread that serves connections; the system only provides pages that are used. Sessions need a
/// few thousand bytes, or some ten thousand in debug builds.
pub(super) const STACK_LEN: usize = 256 << 10;

/// How long to wait for a peer to close after its last reply. Its thread may have other peers to serve.
const LEAVE_TIMEOUT: Duration = Duration::from_millis(10);

/// Silence after which a connection frees the memory of long messages. A busy one keeps using it.
const KEEP_MEMORY: Duration = Duration::from_millis(100);

/// An accepted connection.
#[derive(Debug)]
pub(super) struct Caller {
    pub stream: TcpStream,
    pub addr: SocketAddr,
    /// Its number among all connections, from 1.
    pub number: u32,
}

/// A way to interrupt a thread that waits for its connection.
pub(super) trait Interrupt {
    /// The descriptors to watch: one of them becomes ready on an interrupt.
    fn watched(&self) -> [PollFd; 2];

    /// Takes the interrupt, given poll(2)'s result for the descriptors.
    fn take(&mut self, found: [PollFd; 2]) -> Option<Word>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// Finish work in progress.
    Stop,
    /// End at once.
    Cut,
}

/// Serves one connection from its first byte to its close.
///
/// A panic in its session ends only this connection, with a reset, so that half a reply never looks complete.
pub(super) fn serve<V: Service>(
    service: &mut V,
    caller: Caller,
    config: &Config,
    scratch: &mut Scratch,
    interrupt: &mut impl Interrupt,
) {
    hold(service, caller, None, config, scratch, interrupt);
}

/// Tells a client that the server is full, and `why`. Like any close, this waits for the client's until
/// [`linger_timeout`](connection::Config::linger_timeout).
pub(super) fn refuse<V: Service>(service: &mut V, caller: Caller, why: &str, config: &Config) {
    hold(service, caller, Some(why), config, &mut Scratch::default(), &mut Never);
}

/// Holds one connection until its close, to serve or to refuse it.
fn hold<V: Service>(
    service: &mut V,
    caller: Caller,
    refusal: Option<&str>,
    config: &Config,
    scratch: &mut Scratch,
    interrupt: &mut impl Interrupt,
) {
    let Caller { mut stream, addr, number } = caller;
    let peer = Peer::accepted(addr);
    let mut trace = Trace::new(config.subscribers(), Instant::now());
    trace.of(number).emit(&peer, refusal.map_or(Event::Accepted, |why| Event::Refused { why }));
    let session = match panics::catch(|| service.accept(&peer)) {
        Ok(session) => session,
        Err(panic) => {
            trace.of(number).emit(&peer, panicked(PanicIn::Accept, &panic.to_string()));
            return stream.reset_on_close();
        }
    };
    let mut connection = Connection::accepted(stream, session, peer);
    let end = match panics::catch(|| {
        run_to_the_end(&mut connection, number, refusal, &config.connection, &mut trace, scratch, interrupt)
    }) {
        Ok(end) => end,
        Err(panic) => {
            trace.of(number).emit(&peer, panicked(PanicIn::Session, &panic.to_string()));
            connection.panicked(trace.of(number));
            // Data left in there would reach the next connection.
            *scratch = Scratch::default();
            End::Panicked
        }
    };
    connection.prepare_close(&config.connection);
    trace.of(number).emit(&peer, Event::Closed { end: &end });
    scratch.give_back();
    drop(connection.stream);
    if let Err(panic) = panics::catch(|| service.ended(connection.session, &peer, end)) {
        trace.of(number).emit(&peer, panicked(PanicIn::Ended, &panic.to_string()));
    }
}

fn panicked(place: PanicIn, message: &str) -> Event<'_> {
    Event::Panicked { place, message }
}

fn run_to_the_end<T: Session>(
    connection: &mut Connection<TcpStream, T>,
    number: u32,
    refusal: Option<&str>,
    config: &connection::Config,
    trace: &mut Trace<Subscribers>,
    scratch: &mut Scratch,
    interrupt: &mut impl Interrupt,
) -> End {
    let session_waker = SessionWaker::default();
    let mut stopping: Option<Instant> = None;
    let mut now = Instant::now();
    // Whether long messages have left memory behind.
    let mut has_much = false;
    if let Some(why) = refusal {
        connection.refuse(why, config, now);
    }
    loop {
        trace.begin_turn(now);
        let mut turn = Turn {
            scratch,
            config,
            now,
            stopping: stopping.is_some(),
            make_waker: &|| session_waker.waker(),
            leave_timeout: LEAVE_TIMEOUT,
            budget: Budget::new(Share::FULL),
            trace: trace.of(number),
        };
        let outcome = connection.run(&mut turn);
        connection.has_run(&outcome, &turn);
        if connection.is_over_memory(&config.memory) && matches!(outcome, Outcome::Wait { .. } | Outcome::Yield) {
            match connection.free_memory(config, now, trace.of(number)) {
                Some(end) => return end,
                None => continue,
            }
        }
        let (interest, deadline, timeout) = match outcome {
            Outcome::Wait { interest, deadline } => {
                let deadline = deadline.map(|deadline| deadline.max(now + TICK));
                let until = [deadline, stopping].into_iter().flatten().min();
                (interest, deadline, until.map(|until| until.saturating_duration_since(now)))
            }
            Outcome::Leave { deadline } => {
                (Interest::READ, Some(deadline), Some(deadline.saturating_duration_since(now)))
            }
            // No other connection waits for a turn, but there may have been an interrupt.
            Outcome::Yield => (Interest::NONE, None, Some(Duration::ZERO)),
            Outcome::NotConnected { end, .. } | Outcome::Close(end) => return end,
        };
        if let Some(error) = session_waker.failure.take()
            && connection.is_served()
        {
            let why = reason(&error);
            trace.of(number).emit(&connection.peer, Event::Refused { why: &why });
            connection.refuse(&why, config, now);
            continue;
        }
        let [one, other] = interrupt.watched();
        let mut fds = [
            if interest == Interest::NONE { PollFd::NONE } else { interest.poll_fd(&connection.stream) },
            session_waker.watched(),
            one,
            other,
        ];
        has_much |= scratch.is_large() || connection.holds_much();
        let may_be_idle = has_much && !connection.holds_much() && timeout.is_none_or(|timeout| timeout > KEEP_MEMORY);
        if let Err(error) = wait(&mut fds, if may_be_idle { Some(KEEP_MEMORY) } else { timeout }) {
            return End::Broken(error);
        }
        if may_be_idle && !fds.iter().any(PollFd::is_ready) {
            scratch.give_back();
            sys::trim_memory();
            has_much = false;
        }
        let [stream, woken, one, other] = fds;
        now = Instant::now();
        let readiness = Readiness::from(&stream);
        if stream.is_ready() {
            trace.of(number).step(&connection.peer, || Event::Selected { readiness });
        }
        connection.ready(readiness);
        if session_waker.take(woken) {
            trace.of(number).step(&connection.peer, || Event::Woken);
            connection.woken();
        }
        if deadline.is_some_and(|deadline| now >= deadline) {
            connection.deadline_passed(now);
        }
        match interrupt.take([one, other]) {
            Some(Word::Stop) if stopping.is_none() => {
                stopping = Some(now + config.drain_timeout);
                // Data that the peer sent before the stop counts as begun, even if it has not been read yet.
                connection.ready(Readiness { readable: true, ..Readiness::default() });
            }
            Some(Word::Cut) => return connection.cut(trace.of(number)),
            Some(Word::Stop) | None => {}
        }
        if stopping.is_some_and(|until| now >= until) {
            return connection.cut(trace.of(number));
        }
    }
}

/// The interrupt of a thread that can't be interrupted.
struct Never;

impl Interrupt for Never {
    fn watched(&self) -> [PollFd; 2] {
        [PollFd::NONE; 2]
    }

    fn take(&mut self, _found: [PollFd; 2]) -> Option<Word> {
        None
    }
}

/// The waker of the session on this thread's connection, made on demand.
#[derive(Default)]
struct SessionWaker {
    pair: OnceCell<(Waker, WakeFd)>,
    /// The error, if the system had no waker left. The session would wait for it forever.
    failure: Cell<Option<io::Error>>,
}

impl SessionWaker {
    fn waker(&self) -> Waker {
        if let Some((waker, _)) = self.pair.get() {
            return waker.clone();
        }
        match WakeFd::new() {
            Ok((waker, wake_fd)) => {
                let (waker, _) = self.pair.get_or_init(|| (Waker::from(waker), wake_fd));
                waker.clone()
            }
            Err(error) => {
                self.failure.set(Some(error));
                Waker::noop().clone()
            }
        }
    }

    fn watched(&self) -> PollFd {
        self.pair.get().map_or(PollFd::NONE, |(_, wake_fd)| PollFd::new(wake_fd, true, false))
    }

    fn take(&self, found: PollFd) -> bool {
        found.is_readable() && self.pair.get().is_some_and(|(_, wake_fd)| wake_fd.take())
    }
}
