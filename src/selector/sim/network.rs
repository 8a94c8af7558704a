//! The state of a simulated network, and its scheduled events.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::ops::Range;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::link::{Link, Opening, client_addr};
use super::random::Random;
use super::{Counts, SimNet, SimPeer};
use crate::selector::{Event, Readiness, Token};

/// The time until a connection of ours is open or refused.
const HANDSHAKE_TIME: Duration = Duration::from_millis(1);

/// A scheduled action. It gets the network as an argument, since holding it would keep it alive.
type Happening = Box<dyn FnOnce(&SimNet)>;

pub(super) struct Network {
    /// The clock's zero. It's a real instant because there is no other kind, but only differences to it are used.
    epoch: Instant,
    pub now: Duration,
    pub turn_time: Duration,
    random: Random,
    pub splits_reads: bool,
    /// Sorted by time, and for the same time in the script's order.
    agenda: BTreeMap<(Duration, u64), Happening>,
    scheduled: u64,
    links: Vec<Link>,
    listeners: Vec<Backlog>,
    pub answers: HashMap<SocketAddr, Answer>,
    faults: Vec<AcceptFault>,
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

struct AcceptFault {
    errno: i32,
    during: Range<Duration>,
    times_left: u64,
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
            random: Random::new(seed),
            splits_reads: false,
            agenda: BTreeMap::new(),
            scheduled: 0,
            links: Vec::new(),
            listeners: Vec::new(),
            answers: HashMap::new(),
            faults: Vec::new(),
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
        let len_max = match self.splits_reads {
            true => 1 + self.random.below(self.links[id].readable_len().max(1)),
            false => buffer.len(),
        };
        self.with_link(id, |link, _| link.read(buffer, len_max))
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

    pub fn fail_accepts(&mut self, errno: i32, during: Range<Duration>, times_left: u64) {
        self.faults.push(AcceptFault { errno, during, times_left });
    }

    pub fn accept(&mut self, index: usize) -> io::Result<(usize, SocketAddr)> {
        self.counts.accepts += 1;
        let now = self.now;
        let is_due = |fault: &&mut AcceptFault| fault.times_left > 0 && fault.during.contains(&now);
        if let Some(fault) = self.faults.iter_mut().find(is_due) {
            fault.times_left -= 1;
            return Err(io::Error::from_raw_os_error(fault.errno));
        }
        let id = self.listeners[index].waiting.pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        self.with_link(id, Link::accept);
        Ok((id, client_addr(id)))
    }

    pub fn connect(&mut self, addr: SocketAddr) -> io::Result<usize> {
        self.counts.connects += 1;
        let answer = self.answers.get(&addr).cloned().unwrap_or(Answer::Refuse);
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
            Answer::Refuse => self.schedule(answered_at, move |net| {
                let refused = Opening::Failed(io::ErrorKind::ConnectionRefused);
                net.network().with_link(id, |link, now| link.opened(refused, now));
            }),
            Answer::Ignore | Answer::Fail => {}
        }
        Ok(id)
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
