//! A connection that has a thread to itself: the loop of the blocking models.
//!
//! It runs the same [`Connection`] as the reactor, with the same limits, timeouts and behaviour. How it waits between two
//! runs is up to its caller: in poll(2), or in a simulated network.

use std::io;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::{Budget, Config, Connection, Outcome, Scratch, Share, TICK, Turn};
use crate::address::Addr;
use crate::panics;
use crate::selector::{Interest, Readiness, Stopwatch, Stream};
use crate::session::{End, Peer, Service, Session};
use crate::text::reason;
use crate::trace::{Event, PanicIn, Subscriber, Tally, Trace};

/// How long to wait for a peer to close after its last reply. Its thread may have other peers to serve.
const LEAVE_TIMEOUT: Duration = Duration::from_millis(10);

/// An accepted connection.
#[derive(Debug)]
pub(crate) struct Caller<S> {
    pub stream: S,
    pub addr: Addr,
    /// Its number among all connections, from 1.
    pub number: u32,
}

/// An order from outside to the thread of a connection.
#[cfg_attr(not(feature = "models"), expect(dead_code, reason = "only the models cut connections off"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// Finish work in progress.
    Stop,
    /// End at once.
    Cut,
}

/// What a thread waits with for its connection.
pub(crate) trait Wait<S> {
    /// The current time.
    fn now(&self) -> Instant;

    /// Makes a waker for the session.
    fn waker(&self) -> Waker;

    /// The error, if the system had no waker left. The session would wait for it forever.
    fn waker_failure(&self) -> Option<io::Error> {
        None
    }

    /// Waits for one of what `interest` says, a wake-up of the session or an order, but no longer than `timeout`.
    ///
    /// # Errors
    /// If it can't wait for this connection.
    fn wait<T: Session>(
        &mut self,
        connection: &mut Connection<S, T>,
        scratch: &mut Scratch,
        interest: Interest,
        timeout: Option<Duration>,
    ) -> io::Result<Found>;
}

/// What has happened during a wait.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub readiness: Option<Readiness>,
    /// Its session was woken.
    pub is_woken: bool,
    pub word: Option<Word>,
}

/// Holds one connection from its first byte to its close, to serve it or, for the reason `refusal`, to refuse it.
///
/// A panic in its session ends only this connection, with a reset, so that half a reply never looks complete.
pub(crate) fn hold<S: Stream, V: Service, U: Subscriber>(
    service: &mut V,
    caller: Caller<S>,
    refusal: Option<&str>,
    config: &Config,
    trace: &mut Trace<U>,
    scratch: &mut Scratch,
    wait: &mut impl Wait<S>,
) {
    let Caller { mut stream, addr, number } = caller;
    let peer = Peer::accepted(addr);
    let since = trace.at();
    trace.of(number).emit(&peer, refusal.map_or(Event::Accepted, |why| Event::Refused { why }));
    let session = match panics::catch(|| service.accept(&peer)) {
        Ok(session) => session,
        Err(panic) => {
            trace.of(number).emit(&peer, panicked(PanicIn::Accept, &panic.to_string()));
            return stream.reset_on_close();
        }
    };
    let mut connection = Connection::accepted(stream, session, peer);
    let mut tally = Tally::default();
    let end = match panics::catch(|| {
        if let Some(why) = refusal {
            connection.refuse(why, config, wait.now());
        }
        run_to_the_end(&mut connection, number, config, trace, scratch, wait, &mut tally)
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
    connection.prepare_close(config);
    let peer = connection.peer;
    let age = Some(wait.now().saturating_duration_since(since));
    trace.of(number).emit(&peer, Event::Closed { end: &end, age, tally: Some(tally) });
    scratch.give_back();
    drop(connection.stream);
    if let Err(panic) = panics::catch(|| service.ended(connection.session, &peer, end)) {
        trace.of(number).emit(&peer, panicked(PanicIn::Ended, &panic.to_string()));
    }
}

fn panicked(place: PanicIn, message: &str) -> Event<'_> {
    Event::Panicked { place, message }
}

fn run_to_the_end<S: Stream, T: Session, U: Subscriber>(
    connection: &mut Connection<S, T>,
    number: u32,
    config: &Config,
    trace: &mut Trace<U>,
    scratch: &mut Scratch,
    wait: &mut impl Wait<S>,
    tally: &mut Tally,
) -> End {
    let mut stopping: Option<Instant> = None;
    let mut now = wait.now();
    trace.begin_turn(now);
    loop {
        let mut turn = Turn {
            scratch,
            config,
            now,
            stopping: stopping.is_some(),
            make_waker: &|| wait.waker(),
            leave_timeout: LEAVE_TIMEOUT,
            budget: Budget::new(Share::FULL),
            watch: Stopwatch::started_if(trace.of(number).is_timed()),
            trace: trace.of(number),
        };
        let outcome = connection.run(&mut turn);
        connection.has_run(&outcome, &turn);
        turn.budget.count(tally);
        if connection.is_over_memory(&config.memory) && matches!(outcome, Outcome::Wait { .. } | Outcome::Yield) {
            match connection.free_memory(config, now, trace.of(number)) {
                Some(end) => return end,
                None => continue,
            }
        }
        let (interest, deadline, timeout) = match outcome {
            Outcome::Wait { interest, deadline } => {
                let deadline = deadline.map(|deadline| if deadline > now { deadline } else { now + TICK });
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
        if let Some(error) = wait.waker_failure()
            && connection.is_served()
        {
            let why = reason(&error);
            trace.of(number).emit(&connection.peer, Event::Refused { why: &why });
            connection.refuse(&why, config, now);
            continue;
        }
        let found = match wait.wait(connection, scratch, interest, timeout) {
            Ok(found) => found,
            Err(error) => return End::Broken(error),
        };
        now = wait.now();
        trace.begin_turn(now);
        if let Some(readiness) = found.readiness {
            trace.of(number).step(&connection.peer, || Event::Selected { readiness });
            connection.ready(readiness);
        }
        if found.is_woken {
            trace.of(number).step(&connection.peer, || Event::Woken);
            connection.woken();
        }
        if deadline.is_some_and(|deadline| now >= deadline) {
            connection.deadline_passed(now);
        }
        match found.word {
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
