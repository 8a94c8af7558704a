//! A simulated network with its own clock, for testing protocols and the reactor.
//!
//! Nothing here is a socket, and nothing sleeps. Peers are scripted in virtual time, and `select` jumps to the next
//! event in the script, or to the end of its timeout. So a test of an hour's silence takes no time and gives the same
//! result on every run, and events that are rare on a real network (a reset in mid-reply, a full window, exhausted
//! descriptors) happen when the script says.
//!
//! ```
//! use std::time::Duration;
//!
//! use multiconn::address::Addr;
//! use multiconn::protocols::echo::EchoService;
//! use multiconn::reactor::{Config, Reactor};
//! use multiconn::selector::sim::SimNet;
//!
//! let net = SimNet::new(1);
//! let addr = Addr::from(([10, 0, 0, 1], 65432));
//! let mut reactor = Reactor::new(net.selector(), EchoService::default(), Config::default());
//! reactor.add_listener(net.listener(addr))?;
//!
//! let seconds = Duration::from_secs;
//! let peer = net.client_at(seconds(1), addr);
//! peer.send_at(seconds(2), "Message 1 from client.").end_at(seconds(3));
//! let handle = reactor.handle();
//! net.at(seconds(4), move || handle.stop());
//!
//! reactor.run()?;
//! assert_eq!(peer.received(), b"Message 1 from client.");
//! assert_eq!(peer.end_seen(), Some(seconds(3)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Readiness is reported as sparingly as any system does: one edge for each direction in which something has happened,
//! and again when a stream is registered again. So code that works here does not rely on a more generous system.
//! [`SimNet::set_trigger`] chooses a more generous one.

mod agenda;
mod fault;
mod files;
mod link;
mod network;
mod peer;
mod random;
mod stream;

use std::cell::{RefCell, RefMut};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::agenda::{Action, Happening};
pub use self::fault::{ConnectFailure, Fault, FaultKind};
pub use self::files::{SimFile, SimFolder};
use self::link::Link;
pub use self::network::epoch;
use self::network::{Answer, Due, Network};
pub use self::peer::SimPeer;
pub use self::random::Random;
pub use self::stream::{SimListener, SimStream};
use super::{Event, Interest, Selector, Token, WakeFlag, Waker};
use crate::address::Addr;

/// A simulated network, on which scripts run. Clones are the same network.
#[derive(Clone)]
pub struct SimNet {
    network: Rc<RefCell<Network>>,
}

/// How readiness is reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trigger {
    /// Once for each change, as sparingly as any system does, and again when registered again: epoll(7), `EPOLLET`.
    #[default]
    Edge,
    /// As long as it lasts, as poll(2) does.
    Level,
}

/// The number of calls to the selector and its streams. Subtract two of these to count the calls in between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls of `select`.
    pub selects: u64,
    /// Calls of `accept`, successful or not.
    pub accepts: u64,
    /// Calls of `connect`.
    pub connects: u64,
    /// Calls of `read`.
    pub reads: u64,
    /// Calls of `write` and `write_vectored`.
    pub writes: u64,
    /// Calls of `register`.
    pub registers: u64,
    /// Calls of `reregister`.
    pub reregisters: u64,
    /// Calls of `deregister`.
    pub deregisters: u64,
}

impl std::ops::Sub for Counts {
    type Output = Counts;

    fn sub(self, before: Counts) -> Counts {
        Counts {
            selects: self.selects - before.selects,
            accepts: self.accepts - before.accepts,
            connects: self.connects - before.connects,
            reads: self.reads - before.reads,
            writes: self.writes - before.writes,
            registers: self.registers - before.registers,
            reregisters: self.reregisters - before.reregisters,
            deregisters: self.deregisters - before.deregisters,
        }
    }
}

impl SimNet {
    /// Creates a network on which nothing happens yet. Random choices, such as the order of simultaneous events, depend
    /// only on `seed`.
    pub fn new(seed: u64) -> Self {
        SimNet { network: Rc::new(RefCell::new(Network::new(seed))) }
    }

    /// A selector for this network.
    pub fn selector(&self) -> SimSelector {
        let (waker, wake_flag) = WakeFlag::new();
        SimSelector { net: self.clone(), waker, wake_flag }
    }

    /// Creates a socket that listens on `addr` from now on until it's dropped.
    pub fn listener(&self, addr: impl Into<Addr>) -> SimListener {
        let addr = addr.into();
        SimListener { net: self.clone(), index: self.network().listen(addr), addr }
    }

    /// Creates a peer that connects to `addr` at `time`. It is reset if nothing listens there by then.
    pub fn client_at(&self, time: Duration, addr: impl Into<Addr>) -> SimPeer {
        let mut network = self.network();
        let id = network.add_link(Link::new());
        network.schedule(time, Happening::Act(id, Action::Connect(addr.into())));
        SimPeer { net: self.clone(), id }
    }

    /// Creates a peer that connects to `addr` now.
    pub fn client(&self, addr: impl Into<Addr>) -> SimPeer {
        SimPeer { net: self.clone(), id: self.network().client(addr.into()) }
    }

    /// Lets a server listen on `addr`. `script` scripts the peer for each connection opened to it.
    pub fn server(&self, addr: impl Into<Addr>, script: impl FnMut(SimPeer) + 'static) {
        self.network().answers.insert(addr.into(), Answer::Serve(Rc::new(RefCell::new(script))));
    }

    /// Makes connects to `addr` fail with a refusal a little later, which is the default for all addresses.
    pub fn refuse(&self, addr: impl Into<Addr>) {
        self.network().answers.insert(addr.into(), Answer::Refuse);
    }

    /// Makes connects to `addr` hang forever.
    pub fn ignore(&self, addr: impl Into<Addr>) {
        self.network().answers.insert(addr.into(), Answer::Ignore);
    }

    /// Makes connects to `addr` fail at once.
    pub fn unreachable(&self, addr: impl Into<Addr>) {
        self.network().answers.insert(addr.into(), Answer::Fail);
    }

    /// Calls `what` at `time`: to stop the reactor by its handle, check the counts, or anything else.
    pub fn at(&self, time: Duration, what: impl FnOnce() + 'static) {
        self.network().call_at(time, move |_| what());
    }

    /// Creates an alarm, which calls `what` with a number each time it rings: as [`at`](SimNet::at) does, but without an
    /// allocation for each call.
    pub fn alarm(&self, what: impl Fn(u64) + 'static) -> Alarm {
        let mut network = self.network();
        network.alarms.push(Rc::new(what));
        Alarm { net: self.clone(), index: network.alarms.len() - 1 }
    }

    /// Adds a fault, which strikes while it lasts.
    pub fn inject(&self, fault: Fault) {
        self.network().inject(fault, u64::MAX);
    }

    /// How often the injected faults of each kind have struck, by the kind's [name](FaultKind::name).
    pub fn injected(&self) -> BTreeMap<&'static str, u64> {
        self.network().faults.strikes()
    }

    /// Keeps the waker of a session, which [a fault](FaultKind::Wakes) wakes at times, even after the session's end.
    pub fn keep_waker(&self, waker: std::task::Waker) {
        self.network().wakers.push(waker);
    }

    /// Makes the next `times` calls of `accept` fail with the system's error number `errno`.
    pub fn fail_accepts(&self, errno: i32, times: u64) {
        self.network().inject_always(FaultKind::AcceptFails(errno), Duration::ZERO..Duration::MAX, times);
    }

    /// Makes every `accept` from `from` until `until` fail with the system's error number `errno`.
    pub fn fail_accepts_between(&self, errno: i32, from: Duration, until: Duration) {
        self.network().inject_always(FaultKind::AcceptFails(errno), from..until, u64::MAX);
    }

    /// Splits received bytes at random: a read finds some of them, and the others arrive right after it.
    pub fn split_reads(&self) {
        self.network().inject_always(FaultKind::ShortReads, Duration::ZERO..Duration::MAX, u64::MAX);
    }

    /// Sets how readiness is reported from now on, by default as [`Trigger::Edge`].
    pub fn set_trigger(&self, trigger: Trigger) {
        self.network().set_trigger(trigger);
    }

    /// Sets the duration of a turn in which `select` does not wait, by default a microsecond. Without it, the clock
    /// would stand still while there is always something to do.
    pub fn set_turn_time(&self, time: Duration) {
        self.network().turn_time = time;
    }

    /// Lets `time` pass outside of `select`, as it does in a computation or a lookup.
    pub fn pass(&self, time: Duration) {
        self.network().now += time;
    }

    /// Lets `time` pass, with everything that happens in it at its own time.
    pub fn play(&self, time: Duration) {
        let until = self.now() + time;
        loop {
            self.settle();
            let mut network = self.network();
            match network.next_time() {
                Some(next) if next <= until => network.now = next.max(network.now),
                Some(_) | None => return network.now = until,
            }
        }
    }

    /// The virtual time since the network was created.
    pub fn now(&self) -> Duration {
        self.network().now
    }

    /// The calls so far.
    pub fn counts(&self) -> Counts {
        self.network().counts
    }

    /// The number of open streams on the side under test.
    pub fn open_streams(&self) -> usize {
        self.network().open_streams
    }

    /// Runs everything that is due.
    fn settle(&self) {
        loop {
            // The borrow ends before the script is called, which may schedule more.
            let Some(due) = self.network().settle() else { return };
            match due {
                Due::Call(what) => what(self),
                Due::Ring(alarm, number) => alarm(number),
                Due::Answer(id, mut answers, bytes) => {
                    let answer = answers(&bytes);
                    self.network().answered(id, answers, bytes, answer);
                }
            }
        }
    }

    fn network(&self) -> RefMut<'_, Network> {
        self.network.borrow_mut()
    }
}

/// An alarm of a [`SimNet`].
#[derive(Debug)]
pub struct Alarm {
    net: SimNet,
    index: usize,
}

impl Alarm {
    /// Rings with `number` at `time`.
    pub fn ring_at(&self, time: Duration, number: u64) {
        self.net.network().schedule(time, Happening::Ring(self.index, number));
    }
}

impl fmt::Debug for SimNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimNet").finish_non_exhaustive()
    }
}

/// A selector for the streams and listeners of a [`SimNet`].
#[derive(Debug)]
pub struct SimSelector {
    net: SimNet,
    waker: Waker,
    wake_flag: Arc<WakeFlag>,
}

/// The number of selects after which a loop counts as spinning.
const SELECTS_MAX: u64 = 2_000_000;

impl Selector for SimSelector {
    type Stream = SimStream;
    type Listener = SimListener;

    fn now(&self) -> Instant {
        self.net.network().instant()
    }

    /// Jumps to the next event, or to the end of `timeout`.
    ///
    /// # Errors
    /// If nothing will ever happen, or it's called so often that the loop seems to spin. A test fails instead of
    /// hanging.
    fn select(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        let until = {
            let mut network = self.net.network();
            network.counts.selects += 1;
            if network.counts.selects > SELECTS_MAX {
                return Err(io::Error::other(format!("{SELECTS_MAX} selects: the loop spins")));
            }
            timeout.map(|timeout| network.now + timeout)
        };
        loop {
            self.net.settle();
            let mut network = self.net.network();
            // Both: one fault is one wake-up.
            let is_woken = self.wake_flag.take() | network.take_wake();
            let has_events = network.report(events);
            if timeout == Some(Duration::ZERO) {
                let turn_time = network.turn_time;
                network.now += turn_time;
                return Ok(());
            }
            if is_woken || has_events {
                return Ok(());
            }
            network.now = match (network.next_time(), until) {
                (Some(next), until) if until.is_none_or(|until| next <= until) => next.max(network.now),
                (_, Some(until)) if network.now >= until => return Ok(()),
                (_, Some(until)) => until,
                (_, None) => return Err(io::Error::other("select would wait forever: nothing will ever happen")),
            };
        }
    }

    fn waker(&self) -> Waker {
        self.waker.clone()
    }

    fn register(&mut self, stream: &mut SimStream, token: Token, interest: Interest) -> io::Result<()> {
        let mut network = self.net.network();
        network.counts.registers += 1;
        network.watch(stream.id, token, interest, false)
    }

    fn reregister(&mut self, stream: &mut SimStream, token: Token, interest: Interest) -> io::Result<()> {
        let mut network = self.net.network();
        network.counts.reregisters += 1;
        network.watch(stream.id, token, interest, true)
    }

    fn deregister(&mut self, stream: &mut SimStream, _token: Token) -> io::Result<()> {
        let mut network = self.net.network();
        network.counts.deregisters += 1;
        network.with_link(stream.id, |link, _| link.unwatch())
    }

    fn close(&mut self, stream: SimStream, _token: Token) {
        drop(stream);
    }

    fn watch_listener(&mut self, listener: &mut SimListener, token: Token) -> io::Result<()> {
        self.net.network().watch_listener(listener.index, token)
    }

    fn unwatch_listener(&mut self, listener: &mut SimListener, _token: Token) -> io::Result<()> {
        self.net.network().unwatch_listener(listener.index);
        Ok(())
    }

    fn accept(&mut self, listener: &mut SimListener) -> io::Result<(SimStream, Addr)> {
        let (id, addr) = self.net.network().accept(listener.index)?;
        Ok((SimStream { net: self.net.clone(), id, local: listener.addr }, addr))
    }

    fn connect(&mut self, addr: Addr) -> io::Result<SimStream> {
        let id = self.net.network().connect(addr)?;
        Ok(SimStream { net: self.net.clone(), id, local: link::inet_client_addr(id) })
    }
}
