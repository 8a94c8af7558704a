//! The state of a simulated network, and its scheduled events.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::io::IoSlice;
use std::mem;
use std::net::SocketAddr;
use std::ops::Range;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::fault::{ConnectFailure, Fault, FaultKind, Faults, Way};
use super::link::{Link, Opening, client_addr};
use super::random::Random;
use super::{Counts, SimNet, SimPeer};
use crate::selector::{Event, Readiness, Token};

/// The time until a connection of ours is open or refused.
const HANDSHAKE_TIME: Duration = Duration::from_millis(1);
/// The time after which the system gives up connecting: tcp(7), `tcp_syn_retries`.
const GIVE_UP_AFTER: Duration = Duration::from_secs(127);

/// A scheduled action. It gets the network as an argument, since holding it would keep it alive.
type Happening = Box<dyn FnOnce(&SimNet)>;

pub(super) struct Network {
    /// The clock's zero. It's a real instant because there is no other kind, but only differences to it are used.
    epoch: Instant,
    pub now: Duration,
    pub turn_time: Duration,
    seed: u64,
    random: Random,
    /// Sorted by time, and for the same time in the script's order.
    agenda: BTreeMap<(Duration, u64), Happening>,
    scheduled: u64,
    links: Vec<Link>,
    listeners: Vec<Backlog>,
    pub answers: HashMap<SocketAddr, Answer>,
    pub faults: Faults,
    /// Links and listeners with changes since the last select.
    edges: Vec<Edge>,
    pub counts: Counts,
}

/// An address's reaction to a connect.
#[derive(Clone)]
pub(super) enum Answer {
    Serve(Rc<RefCell<dyn FnMut(SimPeer)>>),
    Refuse,
    Ignore,
    GiveUp,
    Fail,
}

/// A listening socket.
struct Backlog {
    addr: SocketAddr,
    is_open: bool,
    token: Option<Token>,
    /// It's in the list of edges.
    is_listed: bool,
    waiting: VecDeque<usize>,
}

/// A source that has become ready since the last report.
#[derive(Clone, Copy)]
enum Edge {
    Link(usize),
    Listener(usize),
}

impl Network {
    pub fn new(seed: u64) -> Self {
        Network {
            epoch: Instant::now(),
            now: Duration::ZERO,
            turn_time: Duration::from_micros(1),
            seed,
            random: Random::new(seed),
            agenda: BTreeMap::new(),
            scheduled: 0,
            links: Vec::new(),
            listeners: Vec::new(),
            answers: HashMap::new(),
            faults: Faults::default(),
            edges: Vec::new(),
            counts: Counts::default(),
        }
    }

    pub fn instant(&self) -> Instant {
        self.epoch + self.now
    }

    pub fn schedule(&mut self, time: Duration, happening: impl FnOnce(&SimNet) + 'static) {
        self.scheduled += 1;
        self.agenda.insert((time, self.scheduled), Box::new(happening));
    }

    pub fn next_time(&self) -> Option<Duration> {
        self.agenda.first_key_value().map(|((time, _), _)| *time)
    }

    pub fn take_due(&mut self) -> Option<Happening> {
        let due = self.agenda.first_entry().filter(|entry| entry.key().0 <= self.now)?;
        Some(due.remove())
    }

    pub fn add_link(&mut self, link: Link) -> usize {
        self.links.push(link);
        self.links.len() - 1
    }

    pub fn link(&self, id: usize) -> &Link {
        &self.links[id]
    }

    /// Changes a link, which must happen only here: records the resulting edges, and lets the peer react.
    pub fn with_link<R>(&mut self, id: usize, change: impl FnOnce(&mut Link, Duration) -> R) -> R {
        let now = self.now;
        let link = &mut self.links[id];
        let result = change(link, now);
        if link.has_edge() && !mem::replace(&mut link.is_listed, true) {
            self.edges.push(Edge::Link(id));
        }
        // Deferred, so that no peer sees a program's single step halfway.
        if link.reacts() && !mem::replace(&mut link.is_reacting, true) {
            self.schedule(now, move |net| SimPeer { net: net.clone(), id }.react());
        }
        result
    }

    /// Appends the ready sources, in the seed's order, and returns whether there are any.
    pub fn report(&mut self, events: &mut Vec<Event>) -> bool {
        let before = events.len();
        let mut edges = mem::take(&mut self.edges);
        while !edges.is_empty() {
            let event = match edges.swap_remove(self.random.below(edges.len())) {
                Edge::Link(id) => self.links[id].take_event(),
                Edge::Listener(index) => self.listeners[index].take_event(),
            };
            events.extend(event);
        }
        events.len() > before
    }

    pub fn read(&mut self, id: usize, buffer: &mut [u8]) -> io::Result<usize> {
        self.counts.reads += 1;
        let available = self.links[id].readable_len().min(buffer.len());
        let len_max = self.faults.shorten(available, Way::Read, self.now);
        self.with_link(id, |link, _| link.read(buffer, len_max))
    }

    pub fn write(&mut self, id: usize, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.counts.writes += 1;
        let len = parts.iter().map(|part| part.len()).sum::<usize>();
        let accepted = self.links[id].room().min(len);
        let len_max = self.faults.shorten(accepted, Way::Write, self.now);
        self.with_link(id, |link, _| link.write(parts, len_max))
    }

    /// Lets a registration fail, if a fault does.
    pub fn may_register(&mut self) -> io::Result<()> {
        self.faults.register(self.now)
    }

    pub fn inject(&mut self, fault: Fault, times: u64) {
        self.faults.inject(fault, times);
    }

    /// Injects a fault whose choices follow from the network's seed.
    pub fn inject_always(&mut self, kind: FaultKind, during: Range<Duration>, times: u64) {
        self.inject(Fault { kind, during, random: Random::stream(self.seed, kind.name(), 0) }, times);
    }

    pub fn listen(&mut self, addr: SocketAddr) -> usize {
        self.listeners.push(Backlog { addr, is_open: true, token: None, is_listed: false, waiting: VecDeque::new() });
        self.listeners.len() - 1
    }

    pub fn watch_listener(&mut self, index: usize, token: Option<Token>) {
        self.listeners[index].token = token;
        self.list_listener(index);
    }

    fn list_listener(&mut self, index: usize) {
        if !mem::replace(&mut self.listeners[index].is_listed, true) {
            self.edges.push(Edge::Listener(index));
        }
    }

    pub fn close_listener(&mut self, index: usize) {
        self.listeners[index].is_open = false;
        for id in mem::take(&mut self.listeners[index].waiting) {
            self.with_link(id, Link::refuse);
        }
    }

    pub fn arrive_at_listener(&mut self, id: usize, addr: SocketAddr) {
        match self.listeners.iter().position(|listener| listener.is_open && listener.addr == addr) {
            Some(index) => {
                self.listeners[index].waiting.push_back(id);
                self.list_listener(index);
            }
            None => self.with_link(id, Link::refuse),
        }
    }

    pub fn accept(&mut self, index: usize) -> io::Result<(usize, SocketAddr)> {
        self.counts.accepts += 1;
        self.faults.accept(self.now)?;
        let id = self.listeners[index].waiting.pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        self.with_link(id, Link::accept);
        Ok((id, client_addr(id)))
    }

    pub fn connect(&mut self, addr: SocketAddr) -> io::Result<usize> {
        self.counts.connects += 1;
        let answer = match self.faults.connect(addr, self.now) {
            None => self.answers.get(&addr).cloned().unwrap_or(Answer::Refuse),
            Some(ConnectFailure::Refused) => Answer::Refuse,
            Some(ConnectFailure::Unreachable) => Answer::Fail,
            Some(ConnectFailure::TimedOut) => Answer::GiveUp,
        };
        if matches!(answer, Answer::Fail) {
            return Err(io::ErrorKind::NetworkUnreachable.into());
        }
        let id = self.add_link(Link::opening());
        let answered_at = self.now + HANDSHAKE_TIME;
        match answer {
            Answer::Serve(script) => self.schedule(answered_at, move |net| {
                net.network().with_link(id, |link, now| link.opened(Opening::Done, now));
                script.borrow_mut()(SimPeer { net: net.clone(), id });
            }),
            Answer::Refuse => self.fail_opening(id, io::ErrorKind::ConnectionRefused, answered_at),
            Answer::GiveUp => self.fail_opening(id, io::ErrorKind::TimedOut, self.now + GIVE_UP_AFTER),
            Answer::Ignore | Answer::Fail => {}
        }
        Ok(id)
    }

    fn fail_opening(&mut self, id: usize, kind: io::ErrorKind, time: Duration) {
        self.schedule(time, move |net| {
            net.network().with_link(id, |link, now| link.opened(Opening::Failed(kind), now));
        });
    }

    pub fn open_streams(&self) -> usize {
        self.links.iter().filter(|link| link.is_open()).count()
    }
}

impl Backlog {
    fn take_event(&mut self) -> Option<Event> {
        self.is_listed = false;
        let token = self.token.filter(|_| self.is_open && !self.waiting.is_empty())?;
        Some(Event { token, readiness: Readiness { readable: true, ..Readiness::default() } })
    }
}
