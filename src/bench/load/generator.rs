//! The generator at work: opening the connections, the loop under load, and what is measured of it when.

mod asking;
mod connections;

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::mem;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mio::{Events, Poll};
use rustix::time::{ClockId, clock_gettime};

use super::addresses::ClientAddresses;
use super::link::{Link, Role, Stamp};
use super::tally::Tally;
use super::{Finish, Load, Measured, Moment, Once, SETTLING, talk};
use crate::bench::results::{Pace, Schedule};
use crate::bench::schedule::Timetable;

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

/// All connections of a run, and when they ask.
pub struct Generator<'a> {
    load: &'a Load<'a>,
    epoch: Instant,
    poll: Poll,
    links: Vec<Link>,
    addresses: ClientAddresses,
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
    /// With its connections, none of which is open.
    pub fn new(load: &'a Load<'a>) -> io::Result<Generator<'a>> {
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
            addresses: ClientAddresses::new(load.target, connections, are_short),
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
    pub fn open_all(&mut self) -> io::Result<()> {
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
    pub fn start(&mut self) {
        self.stage = Stage::Running;
        let now = self.now();
        self.begin = now + self.load.warmup.as_nanos() as u64;
        if self.load.dripping > 0 {
            let rate = self.load.dripping as f64 * DRIPS_PER_SECOND;
            self.drips = Some(Timetable::new(rate, Schedule::Even, 0));
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
    pub fn go_on(&mut self, watch: &mut dyn FnMut(Moment)) -> io::Result<()> {
        let settling = self.begin.saturating_sub(SETTLING.as_nanos() as u64);
        let mut moments = VecDeque::from([(settling, Moment::Settling), (self.begin, Moment::Begun)]);
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

    /// What has come of it by now.
    pub fn finish(mut self) -> Measured {
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

    fn is_without_server(&self) -> bool {
        self.errors_in_row >= ERRORS_MAX && self.load.talk.once().is_some()
            || self.load.talk.once().is_none() && self.busy_lost == self.load.busy
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

/// Processor time of this thread.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn seconds(from: u64, to: u64) -> f64 {
    (to - from) as f64 / 1e9
}
