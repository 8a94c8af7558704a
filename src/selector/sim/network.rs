//! The state of a simulated network, and what happens on it.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::io::IoSlice;
use std::mem;
use std::ops::Range;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::task::Waker;
use std::time::{Duration, Instant};

use super::agenda::{Action, Agenda, Happening, Packet, Source};
use super::fault::{ConnectFailure, Fault, FaultKind, Faults, Way};
use super::link::{Answers, Link, Opening, client_addr};
use super::random::Random;
use super::{Counts, SimNet, SimPeer, Trigger};
use crate::address::Addr;
use crate::selector::{Event, Interest, Readiness, Token};

/// The time until a connection of ours is open or refused.
const HANDSHAKE_TIME: Duration = Duration::from_millis(1);
/// The time after which the system gives up connecting: tcp(7), `tcp_syn_retries`.
const GIVE_UP_AFTER: Duration = Duration::from_secs(127);

pub(super) struct Network {
    pub now: Duration,
    pub turn_time: Duration,
    /// How far the selectors' clock is ahead of the network's.
    clock_ahead: Duration,
    /// The time at which the selectors' clock stands.
    clock_stands: Option<Duration>,
    seed: u64,
    random: Random,
    agenda: Agenda,
    links: Vec<Link>,
    /// The number of open streams on the side under test.
    pub open_streams: usize,
    /// Each open file holds one of these.
    files: Arc<()>,
    /// By how many these have outnumbered the open streams.
    pub spare_files: usize,
    listeners: Vec<Backlog>,
    /// The open listeners.
    listening: Vec<usize>,
    pub answers: BTreeMap<Addr, Answer>,
    pub faults: Faults,
    pub windows_closed: bool,
    /// A fault wakes the selector.
    is_woken: bool,
    /// The wakers of sessions, which such a fault uses.
    pub wakers: Vec<Waker>,
    pub trigger: Trigger,
    /// The sources that may be ready: with changes since the last select or, level-triggered, found ready by it.
    ready: Vec<Source>,
    /// Received bytes while a script makes the answer to them.
    unanswered: Vec<u8>,
    pub counts: Counts,
    /// What each alarm calls when it rings.
    pub alarms: Vec<Rc<dyn Fn(u64)>>,
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
    addr: Addr,
    is_open: bool,
    token: Option<Token>,
    /// It's in the list of sources that may be ready, or will be.
    is_listed: bool,
    /// It will be reported although there may be nothing to accept.
    is_spurious: bool,
    waiting: VecDeque<usize>,
}

/// The zero of all simulated clocks. It's a real instant because there is no other kind, but only differences to it are
/// used.
pub fn epoch() -> Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    *EPOCH.get_or_init(Instant::now)
}

/// What can happen only while nothing is borrowed, since it may look at the network.
pub(super) enum Due {
    Call(Box<dyn FnOnce(&SimNet)>),
    /// An alarm rings.
    Ring(Rc<dyn Fn(u64)>, u64),
    /// The peer on a link answers the bytes that it has received.
    Answer(usize, Answers, Vec<u8>),
}

impl Network {
    pub fn new(seed: u64) -> Self {
        Network {
            now: Duration::ZERO,
            turn_time: Duration::from_micros(1),
            clock_ahead: Duration::ZERO,
            clock_stands: None,
            seed,
            random: Random::new(seed),
            agenda: Agenda::default(),
            links: Vec::new(),
            open_streams: 0,
            files: Arc::default(),
            spare_files: 0,
            listeners: Vec::new(),
            listening: Vec::new(),
            answers: BTreeMap::new(),
            faults: Faults::default(),
            windows_closed: false,
            is_woken: false,
            wakers: Vec::new(),
            trigger: Trigger::default(),
            ready: Vec::new(),
            unanswered: Vec::new(),
            counts: Counts::default(),
            alarms: Vec::new(),
        }
    }

    /// The selectors' clock.
    pub fn instant(&self) -> Instant {
        epoch() + self.clock()
    }

    fn clock(&self) -> Duration {
        self.clock_stands.unwrap_or(self.now) + self.clock_ahead
    }

    pub fn schedule(&mut self, time: Duration, what: Happening) {
        self.agenda.add(time, what, self.now);
    }

    pub fn call_at(&mut self, time: Duration, what: impl FnOnce(&SimNet) + 'static) {
        self.schedule(time, Happening::Call(Box::new(what)));
    }

    pub fn next_time(&self) -> Option<Duration> {
        self.agenda.next_time()
    }

    /// Lets happen what is due, until something is due that the network can't do itself.
    pub fn settle(&mut self) -> Option<Due> {
        while let Some(happening) = self.agenda.take_due(self.now) {
            match happening {
                Happening::Call(what) => return Some(Due::Call(what)),
                Happening::Ring(alarm, number) => return Some(Due::Ring(Rc::clone(&self.alarms[alarm]), number)),
                Happening::Act(id, action) => self.act(id, action),
                Happening::React(id) => {
                    if let Some(due) = self.react(id) {
                        return Some(due);
                    }
                }
                Happening::Arrive(id, packet) => self.arrive(id, packet),
                Happening::Knock(id, addr) => self.arrive_at_listener(id, addr),
                Happening::Report(source) => self.ready.push(source),
                Happening::Strike(index) => self.strike(index),
            }
        }
        None
    }

    // Links and their peers.

    pub fn add_link(&mut self, mut link: Link) -> usize {
        if self.windows_closed {
            link.close_window(true);
        }
        self.links.push(link);
        self.links.len() - 1
    }

    pub fn link(&self, id: usize) -> &Link {
        &self.links[id]
    }

    /// Changes a link, which must happen only here: lists it if it may be ready, and lets the peer react.
    #[inline]
    pub fn with_link<R>(&mut self, id: usize, change: impl FnOnce(&mut Link, Duration) -> R) -> R {
        let now = self.now;
        let link = &mut self.links[id];
        let result = change(link, now);
        if link.may_be_ready(self.trigger) && !mem::replace(&mut link.is_listed, true) {
            self.list(Source::Link(id));
        }
        // Deferred, so that no peer sees a program's single step halfway.
        let link = &mut self.links[id];
        if link.reacts() && !mem::replace(&mut link.is_reacting, true) {
            let delay = self.faults.latency(now);
            self.schedule(now + delay, Happening::React(id));
        }
        result
    }

    /// Adds a source to those that may be ready, now or when a fault lets it.
    fn list(&mut self, source: Source) {
        match self.faults.lateness(self.now) {
            Duration::ZERO => self.ready.push(source),
            delay => self.schedule(self.now + delay, Happening::Report(source)),
        }
    }

    fn act(&mut self, id: usize, action: Action) {
        match action {
            Action::Connect(addr) => match self.arrival(id, true) {
                time if time == self.now => self.arrive_at_listener(id, addr),
                time => self.schedule(time, Happening::Knock(id, addr)),
            },
            Action::Send(packet) => self.send(id, packet),
            Action::Close => {
                self.with_link(id, |link, _| link.leave());
                self.send(id, Packet::End);
            }
            // It may overtake data, which is lost then.
            Action::Reset => match self.arrival(id, false) {
                time if time == self.now => self.arrive(id, Packet::Reset),
                time => self.schedule(time, Happening::Arrive(id, Packet::Reset)),
            },
            Action::Read(len) => self.with_link(id, |link, now| link.take(len, now)),
            Action::ReadAll => self.with_link(id, |link, _| link.reads_all = true),
        }
    }

    /// The time at which something arrives that the peer on a link sends now: in order, not before what it has sent
    /// already.
    fn arrival(&mut self, id: usize, in_order: bool) -> Duration {
        let time = self.now + self.faults.latency(self.now);
        let link = &mut self.links[id];
        if !in_order {
            return time;
        }
        link.arrived_by = time.max(link.arrived_by);
        link.arrived_by
    }

    /// Adds a peer that connects to `addr` now.
    pub fn client(&mut self, addr: Addr) -> usize {
        let id = self.add_link(Link::new());
        self.act(id, Action::Connect(addr));
        id
    }

    /// Lets the peer on a link send `bytes` now.
    pub fn send_bytes(&mut self, id: usize, bytes: &[u8]) {
        match self.arrival(id, true) {
            time if time == self.now => self.with_link(id, |link, now| link.arrive(bytes, now)),
            time => self.schedule(time, Happening::Arrive(id, Packet::Bytes(bytes.to_vec()))),
        }
    }

    fn send(&mut self, id: usize, packet: Packet) {
        match self.arrival(id, true) {
            time if time == self.now => self.arrive(id, packet),
            time => self.schedule(time, Happening::Arrive(id, packet)),
        }
    }

    fn arrive(&mut self, id: usize, packet: Packet) {
        self.with_link(id, |link, now| match packet {
            Packet::Bytes(bytes) => link.arrive(&bytes, now),
            Packet::Flood(bytes) => link.arrive_forever(bytes, now),
            Packet::End => link.end(),
            Packet::Reset => link.reset(),
        });
    }

    /// Lets the peer on a link do what its script makes it do of its own accord.
    fn react(&mut self, id: usize) -> Option<Due> {
        self.with_link(id, |link, now| {
            link.is_reacting = false;
            if link.reads_all {
                link.take(usize::MAX, now);
            }
        });
        let link = &mut self.links[id];
        if link.is_unanswered()
            && let Some(answers) = link.answers.take()
        {
            let mut unanswered = mem::take(&mut self.unanswered);
            unanswered.extend_from_slice(&link.received[link.answered..]);
            link.answered = link.received.len();
            return Some(Due::Answer(id, answers, unanswered));
        }
        self.follow_end(id);
        None
    }

    /// Ends a reaction that an answer has interrupted.
    pub fn answered(&mut self, id: usize, answers: Answers, mut unanswered: Vec<u8>, answer: Vec<u8>) {
        unanswered.clear();
        self.unanswered = unanswered;
        // Bytes received meanwhile are answered next.
        self.with_link(id, |link, _| link.answers = Some(answers));
        if !answer.is_empty() {
            self.send(id, Packet::Bytes(answer));
        }
        self.follow_end(id);
    }

    fn follow_end(&mut self, id: usize) {
        if self.links[id].follows_end() {
            self.links[id].has_followed_end = true;
            self.send(id, Packet::End);
        }
    }

    // Selecting.

    /// Appends the events of ready sources, in the seed's order, and returns whether there are any.
    pub fn report(&mut self, events: &mut Vec<Event>) -> bool {
        let before = events.len();
        let mut sources = mem::take(&mut self.ready);
        let mut still_ready = 0;
        // The sources that are ready as long as nobody does anything about it are collected at the end.
        while sources.len() > still_ready {
            let index = self.random.below(sources.len() - still_ready);
            let (event, stays) = match sources[index] {
                Source::Link(id) => self.links[id].take_event(self.trigger),
                Source::Listener(id) => self.listeners[id].take_event(self.trigger),
            };
            events.extend(event);
            let last = sources.len() - still_ready - 1;
            sources.swap(index, last);
            if stays {
                still_ready += 1;
            } else {
                sources.swap_remove(last);
            }
        }
        self.ready = sources;
        events.len() > before
    }

    /// Whether a fault has woken the selector.
    pub fn take_wake(&mut self) -> bool {
        mem::take(&mut self.is_woken)
    }

    pub fn set_trigger(&mut self, trigger: Trigger) {
        self.trigger = trigger;
        for id in 0..self.links.len() {
            self.with_link(id, |_, _| {});
        }
        for index in 0..self.listening.len() {
            self.list_listener(self.listening[index]);
        }
    }

    // The calls of a program.

    pub fn watch(&mut self, id: usize, token: Token, interest: Interest, again: bool) -> io::Result<()> {
        self.faults.register(self.now)?;
        self.with_link(id, |link, _| link.watch(token, interest, again))
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
        if self.windows_closed && len > 0 {
            self.faults.closed_window(self.now);
        }
        let accepted = self.links[id].room().min(len);
        let len_max = self.faults.shorten(accepted, Way::Write, self.now);
        self.with_link(id, |link, _| link.write(parts, len_max))
    }

    /// Opens a file, and returns something that it holds while it is open.
    pub fn open_file(&mut self) -> io::Result<Arc<()>> {
        self.faults.open(self.clock())?;
        let open = Arc::clone(&self.files);
        let files = Arc::strong_count(&self.files) - 1;
        self.spare_files = self.spare_files.max(files.saturating_sub(self.open_streams));
        Ok(open)
    }

    /// The number of the `len` bytes from `offset` on that a read of an open file finds.
    pub fn read_file(&mut self, offset: u64, len: usize) -> io::Result<usize> {
        let now = self.clock();
        self.faults.read_file(now)?;
        let end = offset.saturating_add(len as u64);
        Ok(self.faults.file_len(end, now).saturating_sub(offset) as usize)
    }

    pub fn close(&mut self, id: usize) {
        self.open_streams -= 1;
        self.with_link(id, Link::close);
    }

    pub fn listen(&mut self, addr: Addr) -> usize {
        let index = self.listeners.len();
        self.listeners.push(Backlog::new(addr));
        self.listening.push(index);
        index
    }

    pub fn watch_listener(&mut self, index: usize, token: Token) -> io::Result<()> {
        self.faults.register(self.now)?;
        self.listeners[index].token = Some(token);
        self.list_listener(index);
        Ok(())
    }

    pub fn unwatch_listener(&mut self, index: usize) {
        self.listeners[index].token = None;
    }

    fn list_listener(&mut self, index: usize) {
        if !mem::replace(&mut self.listeners[index].is_listed, true) {
            self.list(Source::Listener(index));
        }
    }

    pub fn close_listener(&mut self, index: usize) {
        self.listeners[index].is_open = false;
        self.listening.retain(|&listening| listening != index);
        for id in mem::take(&mut self.listeners[index].waiting) {
            self.with_link(id, Link::refuse);
        }
    }

    fn arrive_at_listener(&mut self, id: usize, addr: Addr) {
        match self.listening.iter().copied().find(|&index| self.listeners[index].addr == addr) {
            Some(index) => {
                self.listeners[index].waiting.push_back(id);
                self.list_listener(index);
            }
            None => self.with_link(id, Link::refuse),
        }
    }

    pub fn accept(&mut self, index: usize) -> io::Result<(usize, Addr)> {
        self.counts.accepts += 1;
        self.faults.accept(self.now)?;
        let id = self.listeners[index].waiting.pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        self.with_link(id, Link::accept);
        self.open_streams += 1;
        Ok((id, client_addr(id, self.listeners[index].addr)))
    }

    pub fn connect(&mut self, addr: Addr) -> io::Result<usize> {
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
        self.open_streams += 1;
        let answered_at = self.arrival(id, true) + HANDSHAKE_TIME;
        self.links[id].arrived_by = answered_at;
        match answer {
            Answer::Serve(script) => self.call_at(answered_at, move |net| {
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
        self.call_at(time, move |net| {
            net.network().with_link(id, |link, now| link.opened(Opening::Failed(kind), now));
        });
    }

    // Faults.

    /// Adds a fault that strikes at most `times`.
    pub fn inject(&mut self, fault: Fault, times: u64) {
        let index = self.faults.inject(fault, times);
        if let Some(time) = self.faults.first_strike(index) {
            self.schedule(time, Happening::Strike(index));
        }
    }

    /// Injects a fault whose choices follow from the network's seed.
    pub fn inject_always(&mut self, kind: FaultKind, during: Range<Duration>, times: u64) {
        self.inject(Fault { kind, during, random: Random::stream(self.seed, kind.name(), 0) }, times);
    }

    /// Lets a fault begin, strike or end, which does so of its own accord.
    fn strike(&mut self, index: usize) {
        let now = self.now;
        match self.faults.kind(index) {
            FaultKind::ClosedWindow => {
                self.windows_closed = self.faults.lasts(FaultKind::ClosedWindow, now);
                for id in 0..self.links.len() {
                    let is_closed = self.windows_closed;
                    self.with_link(id, |link, _| link.close_window(is_closed));
                }
            }
            FaultKind::ClockStands => {
                let stands_at = self.clock_stands.unwrap_or(now);
                self.clock_stands = self.faults.lasts(FaultKind::ClockStands, now).then_some(stands_at);
                self.faults.struck(index, now);
            }
            FaultKind::ClockJumps(by) => {
                self.clock_ahead += by;
                self.faults.struck(index, now);
            }
            FaultKind::Wakes if self.faults.struck(index, now) => self.wake_for_nothing(index),
            FaultKind::SpuriousEvents if self.faults.struck(index, now) => self.report_for_nothing(index),
            _ => {}
        }
        if let Some(time) = self.faults.next_strike(index, now) {
            self.schedule(time, Happening::Strike(index));
        }
    }

    /// Wakes the selector, and one of the sessions.
    fn wake_for_nothing(&mut self, index: usize) {
        self.is_woken = true;
        if self.wakers.is_empty() {
            return;
        }
        let random = self.faults.random(index);
        let waker = random.pick(&self.wakers);
        waker.wake_by_ref();
        if random.once_in(2) {
            waker.wake_by_ref();
        }
    }

    /// Lets some registered source be reported as ready.
    fn report_for_nothing(&mut self, index: usize) {
        let (links, listeners) = (self.links.len(), self.listening.len());
        let first = self.faults.random(index).below((links + listeners).max(1));
        let mut sources = (first..links + listeners).chain(0..first);
        let registered = sources.find(|&source| match source.checked_sub(links) {
            None => self.links[source].interest() != Interest::NONE,
            Some(listener) => self.listeners[self.listening[listener]].token.is_some(),
        });
        let Some(source) = registered else { return };
        if source < links {
            return self.with_link(source, |link, _| link.is_spurious = true);
        }
        let listener = self.listening[source - links];
        self.listeners[listener].is_spurious = true;
        self.list_listener(listener);
    }
}

impl Backlog {
    fn new(addr: Addr) -> Self {
        Backlog { addr, is_open: true, token: None, is_listed: false, is_spurious: false, waiting: VecDeque::new() }
    }

    /// The event to report, if any, and whether it is ready as long as nothing is done about it.
    fn take_event(&mut self, trigger: Trigger) -> (Option<Event>, bool) {
        let is_spurious = mem::take(&mut self.is_spurious);
        let is_ready = !self.waiting.is_empty();
        let token = self.token.filter(|_| self.is_open && (is_ready || is_spurious));
        let readiness = Readiness { readable: true, ..Readiness::default() };
        let stays = token.is_some() && is_ready && trigger == Trigger::Level;
        self.is_listed = stays;
        (token.map(|token| Event { token, readiness }), stays)
    }
}
