//! One thread that waits for one connection, like a blocking `recv` in the texts.
//!
//! A thread blocked in `recv` can't be told to stop, and waits as long as the peer likes. So it blocks in poll(2)
//! instead, for its socket and for an interrupt, as Python does for every socket with a timeout. Between two waits it
//! runs the same [`Connection`] as the reactor, with the same limits, timeouts and behaviour.

use std::cell::{Cell, OnceCell};
use std::io;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::Config;
use super::orders::wait;
pub(super) use crate::connection::Word;
use crate::connection::{self, Connection, Found, Scratch, Wait};
use crate::selector::{Interest, Readiness, SocketStream, WakeFd};
use crate::session::{Service, Session};
use crate::sys::{self, PollFd};
use crate::trace::Trace;

/// The stack size of a thread that serves connections; the system only provides pages that are used. Sessions need a
/// few thousand bytes, or some ten thousand in debug builds.
pub(super) const STACK_LEN: usize = 256 << 10;

/// Silence after which a connection frees the memory of long messages. A busy one keeps using it.
const KEEP_MEMORY: Duration = Duration::from_millis(100);

/// An accepted connection.
pub(super) type Caller = connection::Caller<SocketStream>;

/// A way to interrupt a thread that waits for its connection.
pub(super) trait Interrupt {
    /// The descriptors to watch: one of them becomes ready on an interrupt.
    fn watched(&self) -> [PollFd; 2];

    /// Takes the interrupt, given poll(2)'s result for the descriptors.
    fn take(&mut self, found: [PollFd; 2]) -> Option<Word>;
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
    let mut trace = Trace::new(config.subscribers(), Instant::now());
    let mut wait = PollWait { interrupt, session_waker: SessionWaker::default(), has_much: false };
    connection::hold(service, caller, refusal, &config.connection, &mut trace, scratch, &mut wait);
}

/// Waits in poll(2).
struct PollWait<'a, I> {
    interrupt: &'a mut I,
    session_waker: SessionWaker,
    /// Long messages have left memory behind.
    has_much: bool,
}

impl<I: Interrupt> Wait<SocketStream> for PollWait<'_, I> {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn waker(&self) -> Waker {
        self.session_waker.waker()
    }

    fn waker_failure(&self) -> Option<io::Error> {
        self.session_waker.failure.take()
    }

    fn wait<T: Session>(
        &mut self,
        connection: &mut Connection<SocketStream, T>,
        scratch: &mut Scratch,
        interest: Interest,
        timeout: Option<Duration>,
    ) -> io::Result<Found> {
        let [one, other] = self.interrupt.watched();
        let mut fds = [
            if interest == Interest::NONE { PollFd::NONE } else { interest.poll_fd(&connection.stream) },
            self.session_waker.watched(),
            one,
            other,
        ];
        self.has_much |= scratch.is_large() || connection.holds_much();
        let may_be_idle =
            self.has_much && !connection.holds_much() && timeout.is_none_or(|timeout| timeout > KEEP_MEMORY);
        wait(&mut fds, if may_be_idle { Some(KEEP_MEMORY) } else { timeout })?;
        if may_be_idle && !fds.iter().any(PollFd::is_ready) {
            scratch.give_back();
            sys::trim_memory();
            self.has_much = false;
        }
        let [stream, woken, one, other] = fds;
        Ok(Found {
            readiness: stream.is_ready().then(|| Readiness::from(&stream)),
            is_woken: self.session_waker.take(woken),
            word: self.interrupt.take([one, other]),
        })
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
