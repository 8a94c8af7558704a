//! The load generator: one thread that never sleeps, with all connections in one loop.
//!
//! It works in two ways. In the **closed loop** each reply lets the next request go, so that a server gets as much as it
//! takes: what it's able to do. In the **open loop** requests are due at times that were fixed before
//! ([`Timetable`]), and wait for a connection where none is free: a server that stalls is asked on, and what it makes
//! people wait is counted from the moment when each of them came. What the generator itself is late by is recorded beside
//! it, and so is how much of its time is work: a generator that has no time left measures itself.

mod link;
mod sources;
mod talk;
mod tally;

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::mem;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::{Events, Poll};
use rustix::time::{ClockId, clock_gettime};

use super::results::Pace;
use super::schedule::Timetable;
use link::{Link, Received, Role, Stamp, Trouble};
use sources::Sources;
pub use talk::{Once, Talk};
use tally::Tally;
pub use tally::UNANSWERED;

/// What is asked of a server, and how.
#[derive(Clone, Copy, Debug)]
pub struct Load<'a> {
    /// Where it is.
    pub target: SocketAddr,
    /// What is said.
    pub talk: &'a Talk,
    /// Connections that ask.
    pub busy: usize,
    /// Connections that send a byte now and then.
    pub dripping: usize,
    /// Connections that have asked once and are silent.
    pub idle: usize,
    /// Requests on their way at once on each connection.
    pub depth: usize,
    /// How requests are timed.
    pub pace: Pace,
    /// What a Poisson schedule is drawn from.
    pub seed: u64,
    /// How long there is load before it's measured.
    pub warmup: Duration,
    /// How long is measured.
    pub duration: Duration,
    /// Whether to look for events without a pause. Where servers have no other processor than this that would take it
    /// from them.
    pub spin: bool,
    /// Ends it.
    pub interrupted: &'a AtomicBool,
}

/// Moments of a run at which somebody may want to look at the server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Moment {
    /// All connections are open and nothing is sent.
    Connected,
    /// The measured time begins.
    Begun,
    /// So many replies have come in so many seconds of it.
    Underway {
        /// Right replies.
        replies: u64,
        /// Since the beginning of the measured time.
        seconds: f64,
    },
    /// The measured time is half over.
    Halfway,
    /// The measured time is over.
    Over,
    /// Nothing more is sent, and the connections are about to be closed.
    Closing,
}

/// What became of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// All of its time was measured.
    Whole,
    /// It was interrupted.
    Interrupted,
    /// There was no connection left, or no end of errors.
    NoServer,
}

/// What was measured.
#[derive(Debug)]
pub struct Measured {
    /// What became of it.
    pub finish: Finish,
    /// How long was measured.
    pub seconds: f64,
    /// Counts and times.
    pub tally: Tally,
    /// How much of the measured time the generator was at work, from 0 to 1.
    pub busy: f64,
    /// Processor time of the generator in the measured time.
    pub cpu_seconds: f64,
}

impl Load<'_> {
    /// Puts the load on, tells `watch` of the moments as they come, and returns what it was. A run has an end, whatever
    /// the server does.
    ///
    /// # Errors
    /// Where the system refuses what nothing goes without. What happens to connections is counted.
    pub fn run(&self, watch: &mut dyn FnMut(Moment)) -> io::Result<Measured> {
        let mut generator = Generator::new(self)?;
        if self.talk.once().is_none() {
            generator.open_all()?;
        }
        watch(Moment::Connected);
        generator.start();
        generator.go_on(watch)?;
        watch(Moment::Closing);
        Ok(generator.finish())
    }

    fn connections(&self) -> usize {
        self.busy + self.dripping + self.idle
    }
}

/// How long a run goes on for what was asked in its time and isn't answered yet.
const DRAIN_MAX: Duration = Duration::from_secs(1);
/// Connections that are opened before the first of them is answered: no more than a server's backlog holds.
const OPENING_AT_ONCE: usize = 64;
/// How long nothing happens before a server is taken for one that serves no more connections at once.
const OPENING_PATIENCE: Duration = Duration::from_millis(500);
/// How often a connection that drips sends a byte.
const DRIPS_PER_SECOND: f64 = 10.0;
/// Errors in a row after which the server is taken for gone.
const ERRORS_MAX: u64 = 1000;
/// How often progress is told.
const TELL_EVERY_NS: u64 = 250_000_000;
/// The longest sleep, where it sleeps.
const SLEEP_MAX: Duration = Duration::from_millis(10);

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Each connection asks once, so that the server has taken it.
    Opening,
    /// Under load.
    Running,
    /// Nothing more is asked.
    Stopping,
}

struct Generator<'a> {
    load: &'a Load<'a>,
    epoch: Instant,
    poll: Poll,
    links: Vec<Link>,
    sources: Sources,
    scratch: Vec<u8>,
    stage: Stage,
    tally: Tally,
    /// When the load began.
    started: u64,
    /// When it has been long enough for it to be measured.
    begin: u64,
    timetable: Option<Timetable>,
    /// Places for a request, each by its connection; that which is free for longest is taken first.
    free: VecDeque<usize>,
    /// When the requests were due that wait for a place.
    queue: VecDeque<u64>,
    drips: Option<Timetable>,
    next_drip: usize,
    /// Connections that have failed and are to be made again.
    retries: Vec<usize>,
    confirmed: usize,
    lost: usize,
    busy_lost: usize,
    errors_in_row: u64,
    in_flight: usize,
    finish: Finish,
    worked_ns: u64,
    cpu_at_beginning: Duration,
    cpu_used: Duration,
    busy_share: f64,
}

impl<'a> Generator<'a> {
    fn new(load: &'a Load<'a>) -> io::Result<Generator<'a>> {
        let role = |number| match number {
            number if number < load.busy => Role::Busy,
            number if number < load.busy + load.dripping => Role::Drip,
            _ => Role::Idle,
        };
        let connections = load.connections();
        let are_short = load.talk.once() == Some(Once::ClientCloses);
        Ok(Generator {
            load,
            epoch: Instant::now(),
            poll: Poll::new()?,
            links: (0..connections).map(|number| Link::new(number, role(number), load.depth)).collect(),
            sources: Sources::new(load.target, connections, are_short),
            scratch: vec![0; talk::RECEIVE_LEN_MAX],
            stage: Stage::Opening,
            tally: Tally::new(load.pace),
            started: 0,
            begin: 0,
            timetable: None,
            free: VecDeque::with_capacity(load.busy * load.depth),
            queue: VecDeque::new(),
            drips: None,
            next_drip: 0,
            retries: Vec::new(),
            confirmed: 0,
            lost: 0,
            busy_lost: 0,
            errors_in_row: 0,
            in_flight: 0,
            finish: Finish::Whole,
            worked_ns: 0,
            cpu_at_beginning: Duration::ZERO,
            cpu_used: Duration::ZERO,
            busy_share: 0.0,
        })
    }

    /// Nanoseconds since the run began.
    fn now(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }

    /// Opens all connections and asks once on each. Those that get no answer while nothing else happens are left to wait,
    /// as they'd have to with this server.
    fn open_all(&mut self) -> io::Result<()> {
        let all = self.links.len();
        let mut events = Events::with_capacity(1024);
        let mut at_once = OPENING_AT_ONCE;
        let (mut opened, mut settled) = (0, 0);
        let mut patience = Instant::now() + OPENING_PATIENCE;
        while self.confirmed + self.lost < all {
            while opened < all && opened - (self.confirmed + self.lost) < at_once {
                let now = self.now();
                self.connect(opened, Stamp { due: now, sent: now });
                opened += 1;
            }
            self.wait(&mut events, Some(SLEEP_MAX))?;
            for event in &events {
                self.event(event);
            }
            if self.load.interrupted.load(Ordering::Relaxed) {
                return Ok(());
            }
            if self.confirmed + self.lost > settled {
                settled = self.confirmed + self.lost;
                patience = Instant::now() + OPENING_PATIENCE;
            } else if Instant::now() >= patience {
                if opened == all {
                    break;
                }
                at_once = all;
                patience = Instant::now() + OPENING_PATIENCE;
            }
        }
        Ok(())
    }

    /// From now on there is load.
    fn start(&mut self) {
        self.stage = Stage::Running;
        let now = self.now();
        self.begin = now + self.load.warmup.as_nanos() as u64;
        if self.load.dripping > 0 {
            let rate = self.load.dripping as f64 * DRIPS_PER_SECOND;
            self.drips = Some(Timetable::new(rate, super::results::Schedule::Even, 0));
        }
        // Round and round, so that neighbours in time are different connections.
        for _ in 0..self.load.depth {
            for key in 0..self.load.busy {
                // One that waits for its first answer goes on to.
                let has_place = self.links[key].stamps.len() < self.load.depth;
                let is_of_use = self.load.talk.once().is_some() || self.links[key].is_there();
                if has_place && is_of_use {
                    match self.load.pace {
                        Pace::Closed => self.ask(key, Stamp { due: now, sent: now }),
                        Pace::Open { .. } => self.free.push_back(key),
                    }
                }
            }
        }
        match self.load.pace {
            Pace::Closed => {}
            Pace::Open { rate_per_second, schedule } => {
                self.timetable = Some(Timetable::new(rate_per_second, schedule, self.load.seed));
                self.tally.measure(self.begin..self.begin + self.load.duration.as_nanos() as u64);
            }
        }
        self.started = self.now();
    }

    /// The loop, until the run is over.
    fn go_on(&mut self, watch: &mut dyn FnMut(Moment)) -> io::Result<()> {
        let mut moments = VecDeque::from([(self.begin, Moment::Begun)]);
        let mut next_tell = u64::MAX;
        let mut events = Events::with_capacity(1024);
        let mut before = self.now();
        loop {
            let timeout = if self.load.spin { Duration::ZERO } else { self.time_to_sleep(before) };
            self.wait(&mut events, Some(timeout))?;
            let woken = self.now();
            let mut has_worked = !events.is_empty();
            for event in &events {
                let now = self.event(event);
                self.ask_what_is_due(now);
            }
            has_worked |= self.ask_what_is_due(woken);
            has_worked |= self.retry();
            let now = if has_worked { self.now() } else { woken };
            if has_worked {
                // A poll that finds something is work, but sleeping is not.
                self.worked_ns += now - if self.load.spin { before } else { woken };
            }
            before = now;

            while let Some(&(at, moment)) = moments.front()
                && now >= at
            {
                moments.pop_front();
                watch(moment);
                if moment == Moment::Begun {
                    self.begin_measuring();
                    let window = self.tally.window();
                    let halfway = window.start + (window.end - window.start) / 2;
                    moments.extend([(halfway, Moment::Halfway), (window.end, Moment::Over)]);
                    next_tell = window.start + TELL_EVERY_NS;
                    before = self.now();
                }
                if moment == Moment::Over {
                    self.end_measuring(now);
                }
            }
            let window = self.tally.window();
            if now >= next_tell && now < window.end {
                self.tally.advance(now);
                watch(Moment::Underway { replies: self.tally.replies, seconds: seconds(window.start, now) });
                next_tell = now + TELL_EVERY_NS;
            }
            if self.load.interrupted.load(Ordering::Relaxed) {
                self.finish = Finish::Interrupted;
            } else if self.is_without_server() {
                self.finish = Finish::NoServer;
            }
            if self.finish != Finish::Whole {
                if now >= window.start && now < window.end {
                    watch(Moment::Over);
                    self.end_measuring(now);
                }
                return Ok(());
            }
            if now >= window.end {
                self.tally.advance(now);
                if self.tally.awaited == 0 && !self.is_due_before(window.end) {
                    self.stage = Stage::Stopping;
                }
                let is_hard_end = now - window.end >= DRAIN_MAX.as_nanos() as u64;
                if is_hard_end || self.stage == Stage::Stopping && self.in_flight == 0 {
                    return Ok(());
                }
            }
        }
    }

    /// In the closed loop the measured time begins when it has been looked at the server, which may take a while and
    /// which the load waits for. In the open loop nothing waits, and the time is fixed.
    fn begin_measuring(&mut self) {
        match self.load.pace {
            Pace::Closed => {
                let now = self.now();
                self.tally.measure(now..now + self.load.duration.as_nanos() as u64);
            }
            Pace::Open { .. } => {}
        }
        self.worked_ns = 0;
        self.cpu_at_beginning = cpu_time();
    }

    fn end_measuring(&mut self, now: u64) {
        let took = now.saturating_sub(self.tally.window().start).max(1);
        self.cpu_used = cpu_time().saturating_sub(self.cpu_at_beginning);
        self.busy_share = self.worked_ns as f64 / took as f64;
    }

    fn finish(mut self) -> Measured {
        let now = self.now();
        let window = self.tally.window();
        let seconds = match self.finish {
            Finish::Whole => seconds(window.start, window.end),
            Finish::Interrupted | Finish::NoServer => seconds(window.start, now.clamp(window.start, window.end)),
        };
        // One that was kept from running until now has missed them.
        while self.finish == Finish::Whole && self.is_due_before(window.end) {
            if let Some(due) = self.take_due(now) {
                self.tally.due(due, now);
                self.queue.push_back(due);
            }
        }
        let is_busy = |link: &&mut Link| link.role == Role::Busy;
        let stamps = self.links.iter_mut().filter(is_busy).flat_map(|link| mem::take(&mut link.stamps));
        self.tally.end(stamps, self.queue.iter().copied(), now);
        let (busy, cpu_seconds) = (self.busy_share.min(1.0), self.cpu_used.as_secs_f64());
        Measured { finish: self.finish, seconds, tally: self.tally, busy, cpu_seconds }
    }

    /// Until there is an event, or `timeout` has passed.
    fn wait(&mut self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(events, timeout) {
            // The signal that has come is looked for anyway.
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                events.clear();
                Ok(())
            }
            result => result,
        }
    }

    fn time_to_sleep(&self, now: u64) -> Duration {
        let due =
            [&self.timetable, &self.drips].into_iter().flatten().map(|table| self.started + table.next_due()).min();
        let left = due.map_or(SLEEP_MAX, |due| Duration::from_nanos(due.saturating_sub(now)));
        // A system that counts in milliseconds would sleep too long.
        Duration::from_millis(left.min(SLEEP_MAX).as_millis() as u64)
    }

    /// Serves a connection on which something has happened, and returns the time.
    fn event(&mut self, event: &Event) -> u64 {
        let key = event.token().0;
        let has_ended = event.is_read_closed();
        let link = &mut self.links[key];
        if !link.is_there() {
            return self.now();
        }
        let was_connected = link.is_connected();
        match link.establish(self.load.talk) {
            Ok(true) => {}
            Ok(false) => return self.now(),
            Err(error) => return self.trouble(key, &Trouble::Io(error)),
        }
        if !was_connected {
            let opened = link.opened;
            let took = self.now() - opened;
            self.tally.connect.record(took);
        }
        let link = &mut self.links[key];
        let received = match (!was_connected || link.has_more_to_send()).then(|| link.send(self.load.talk)) {
            Some(Err(error)) => Err(Trouble::Io(error)),
            None | Some(Ok(())) if event.is_readable() || has_ended || event.is_error() => {
                link.receive(self.load.talk, &mut self.scratch, has_ended)
            }
            None | Some(Ok(())) => Ok(Received::default()),
        };
        let received = match received {
            Ok(received) => received,
            Err(trouble) => return self.trouble(key, &trouble),
        };
        let now = self.now();
        if self.load.talk.once().is_some() {
            if received.replies > 0 {
                match self.load.talk.once() {
                    Some(Once::ServerCloses) => self.links[key].reset(),
                    Some(Once::ClientCloses) | None => self.links[key].close(),
                }
                self.answered(key, 1, now);
            }
            return now;
        }
        if received.replies > 0 {
            self.answered(key, received.replies, now);
        }
        if received.ended {
            return self.trouble(key, &Trouble::ClosedEarly);
        }
        self.push(key);
        now
    }

    /// Sends what may be sent on a connection.
    fn push(&mut self, key: usize) {
        let link = &mut self.links[key];
        if link.has_more_to_send()
            && let Err(error) = link.send(self.load.talk)
        {
            self.trouble(key, &Trouble::Io(error));
        }
    }

    /// Whole replies have come, the right ones; what comes back to one that drips is checked, and no reply. What they let
    /// go is begun, and not sent yet where the connection is kept.
    fn answered(&mut self, key: usize, replies: u64, now: u64) {
        let mut left = replies;
        while let Some(stamp) = self.links[key].stamps.pop_front() {
            // Those that went out together have taken the same time.
            let mut alike = 1;
            while alike < left && self.links[key].stamps.front() == Some(&stamp) {
                self.links[key].stamps.pop_front();
                alike += 1;
            }
            left -= alike;
            self.in_flight -= alike as usize;
            self.errors_in_row = 0;
            match self.stage {
                Stage::Opening => self.confirmed += 1,
                Stage::Running | Stage::Stopping if self.links[key].role == Role::Busy => {
                    self.tally.replies(stamp, alike, now);
                    for _ in 0..alike {
                        self.go_on_with(key, now);
                    }
                }
                Stage::Running | Stage::Stopping => {}
            }
            if left == 0 {
                return;
            }
        }
    }

    /// A place for a request is free again.
    fn go_on_with(&mut self, key: usize, now: u64) {
        if self.stage == Stage::Stopping {
            return;
        }
        match self.load.pace {
            Pace::Closed if now >= self.tally.window().end => {}
            Pace::Closed => self.begin(key, Stamp { due: now, sent: now }),
            Pace::Open { .. } => match self.queue.pop_front() {
                Some(due) => self.begin(key, Stamp { due, sent: now }),
                None => self.free.push_back(key),
            },
        }
    }

    /// Lets go what is due by now, and returns whether there was anything. No more than is due: what a server has missed
    /// waits in the queue, and isn't made up for.
    fn ask_what_is_due(&mut self, now: u64) -> bool {
        let mut has_worked = false;
        while let Some(due) = self.take_due(now) {
            has_worked = true;
            self.tally.due(due, now);
            // Places of connections that are gone are passed over.
            let place = loop {
                match self.free.pop_front() {
                    Some(key) if self.load.talk.once().is_none() && !self.links[key].is_there() => {}
                    place => break place,
                }
            };
            match place {
                Some(key) => self.ask(key, Stamp { due, sent: now }),
                None => self.queue.push_back(due),
            }
        }
        while let Some(drips) = &mut self.drips {
            if self.stage == Stage::Stopping || drips.take_due(now.saturating_sub(self.started)).is_none() {
                break;
            }
            has_worked = true;
            let key = self.load.busy + self.next_drip;
            self.next_drip = (self.next_drip + 1) % self.load.dripping;
            if self.links[key].is_connected() {
                self.links[key].drip();
                self.push(key);
            }
        }
        has_worked
    }

    fn take_due(&mut self, now: u64) -> Option<u64> {
        if self.stage == Stage::Stopping {
            return None;
        }
        let due = self.timetable.as_mut()?.take_due(now.saturating_sub(self.started))?;
        Some(self.started + due)
    }

    /// Whether there is a request that's due before then and was not noticed yet.
    fn is_due_before(&self, time: u64) -> bool {
        self.timetable.as_ref().is_some_and(|timetable| self.started + timetable.next_due() < time)
    }

    /// Begins a request and sends it.
    fn ask(&mut self, key: usize, stamp: Stamp) {
        self.begin(key, stamp);
        if self.load.talk.once().is_none() {
            self.push(key);
        }
    }

    /// Begins a request: on a connection of its own at once, else when that is [pushed](Self::push).
    fn begin(&mut self, key: usize, stamp: Stamp) {
        if self.load.talk.once().is_some() {
            return self.connect(key, stamp);
        }
        self.in_flight += 1;
        self.links[key].begin(stamp, self.load.talk);
    }

    /// Opens a connection with a first request.
    fn connect(&mut self, key: usize, stamp: Stamp) {
        let now = self.now();
        let link = &mut self.links[key];
        let mut opened = link.open(self.load.target, self.sources.next(), now);
        if let Err(error) = &opened
            && error.kind() == ErrorKind::AddrNotAvailable
            && self.sources.spread()
        {
            opened = link.open(self.load.target, self.sources.next(), now);
        }
        self.in_flight += 1;
        link.begin(stamp, self.load.talk);
        let opened = opened.and_then(|()| link.establish(self.load.talk));
        // On loopback it's open by now.
        if matches!(opened, Ok(true)) {
            let took = self.now() - now;
            self.tally.connect.record(took);
        }
        let link = &mut self.links[key];
        let begun = opened.and_then(|_| {
            link.send(self.load.talk)?;
            link.watch(self.poll.registry(), self.load.talk)
        });
        if let Err(error) = begun {
            self.trouble(key, &Trouble::Io(error));
        }
    }

    /// A connection is of no use any more. Returns the time.
    fn trouble(&mut self, key: usize, trouble: &Trouble) -> u64 {
        let link = &mut self.links[key];
        link.reset();
        let stamps = mem::take(&mut link.stamps);
        self.in_flight -= stamps.len();
        self.errors_in_row += 1;
        self.tally.trouble(trouble.kind(), stamps.into_iter());
        if self.load.talk.once().is_some() {
            self.retries.push(key);
        } else {
            self.lost += 1;
            self.busy_lost += usize::from(self.links[key].role == Role::Busy);
        }
        self.now()
    }

    /// Makes connections again that have failed, where each request has its own.
    fn retry(&mut self) -> bool {
        if self.retries.is_empty() {
            return false;
        }
        let now = self.now();
        for key in mem::take(&mut self.retries) {
            self.go_on_with(key, now);
        }
        true
    }

    fn is_without_server(&self) -> bool {
        self.errors_in_row >= ERRORS_MAX && self.load.talk.once().is_some()
            || self.load.talk.once().is_none() && self.busy_lost == self.load.busy
    }
}

/// Processor time of this thread.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn seconds(from: u64, to: u64) -> f64 {
    (to - from) as f64 / 1e9
}
