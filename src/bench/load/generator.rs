//! The generator: opens the connections, runs the loop under load, and measures.

mod asking;
mod connections;

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::iter;
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
use crate::bench::schedule::{Requests, Timetable};

/// The stage of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Each connection makes one request, which shows that the server has accepted it.
    Opening,
    /// Under load.
    Running,
    /// No more requests are made.
    Stopping,
}

/// All connections of a run, with its schedule.
pub struct Generator<'a> {
    load: &'a Load<'a>,
    epoch: Instant,
    poll: Poll,
    links: Vec<Link>,
    addresses: ClientAddresses,
    scratch: Vec<u8>,
    stage: Stage,
    tally: Tally,
    /// The time when the load began.
    started: u64,
    /// The time when the warm-up ends.
    begin: u64,
    /// The requests of the open loop.
    requests: Option<Requests>,
    /// Free places for requests, each with its connection's number; the one that has been free for longest comes first.
    free: VecDeque<usize>,
    drips: Option<Timetable>,
    next_drip: usize,
    /// Failed connections that are to be opened again.
    retries: Vec<usize>,
    confirmed: usize,
    lost: usize,
    busy_lost: usize,
    errors_in_row: u64,
    in_flight: usize,
    next_number: u64,
    finish: Finish,
    worked_ns: u64,
    cpu_at_beginning: Duration,
    cpu_used: Duration,
    busy_share: f64,
}

impl<'a> Generator<'a> {
    /// Creates the generator, with no connection open.
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
            links: (0..connections).map(|number| Link::new(number, role(number), load.depth, load.talk)).collect(),
            addresses: ClientAddresses::new(load.target, connections, are_short),
            scratch: vec![0; talk::RECEIVE_LEN_MAX],
            stage: Stage::Opening,
            tally: Tally::new(load.pace),
            started: 0,
            begin: 0,
            requests: None,
            free: VecDeque::with_capacity(load.busy * load.depth),
            drips: None,
            next_drip: 0,
            retries: Vec::new(),
            confirmed: 0,
            lost: 0,
            busy_lost: 0,
            errors_in_row: 0,
            in_flight: 0,
            next_number: load.talk.first_number(),
            finish: Finish::Whole,
            worked_ns: 0,
            cpu_at_beginning: Duration::ZERO,
            cpu_used: Duration::ZERO,
            busy_share: 0.0,
        })
    }

    /// The number of the next request.
    fn take_number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number - 1
    }

    /// Nanoseconds since the run began.
    fn now(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }

    /// Opens all connections and makes one request on each. If no further answer arrives for a while, the remaining
    /// connections are left waiting, like any clients of a server that serves fewer at once.
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

    /// Starts the load.
    pub fn start(&mut self) {
        self.stage = Stage::Running;
        let now = self.now();
        if self.load.dripping > 0 {
            let rate = self.load.dripping as f64 * DRIPS_PER_SECOND;
            self.drips = Some(Timetable::new(rate, Schedule::Even, 0));
        }
        // In rotation, so that consecutive requests use different connections.
        for _ in 0..self.load.depth {
            for key in 0..self.load.busy {
                // A connection that still waits for its first answer may have no room for another request.
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
        self.started = self.now();
        self.begin = self.started + self.load.warmup.as_nanos() as u64;
        match self.load.pace {
            Pace::Closed => {}
            Pace::Open { rate_per_second, schedule } => {
                self.requests = Some(Requests::new(Timetable::new(rate_per_second, schedule, self.load.seed)));
                self.tally.measure(self.begin..self.begin + self.load.duration.as_nanos() as u64);
            }
        }
    }

    /// Runs the loop until the run is over.
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
                // A poll that finds events is work, but sleeping is not.
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

    /// Begins measuring. In the closed loop, the load waits until the server has been inspected, which may take a while,
    /// and then the measured time begins. In the open loop nothing waits, and the time is fixed.
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

    /// Returns the result so far.
    pub fn finish(mut self) -> Measured {
        let now = self.now();
        let window = self.tally.window();
        let seconds = match self.finish {
            Finish::Whole => seconds(window.start, window.end),
            Finish::Interrupted | Finish::NoServer => seconds(window.start, now.clamp(window.start, window.end)),
        };
        // Record the requests that came due while the generator was kept from running.
        while self.finish == Finish::Whole && self.is_due_before(window.end) && self.arrive(now) {}
        let is_busy = |link: &&mut Link| link.role == Role::Busy;
        let stamps = self.links.iter_mut().filter(is_busy).flat_map(|link| mem::take(&mut link.stamps));
        let (mut requests, started) = (self.requests.take(), self.started);
        let waiting = iter::from_fn(|| Some(started + requests.as_mut()?.take_waiting()?));
        self.tally.end(stamps, waiting, now);
        let (busy, cpu_seconds) = (self.busy_share.min(1.0), self.cpu_used.as_secs_f64());
        Measured { finish: self.finish, seconds, tally: self.tally, busy, cpu_seconds }
    }

    /// Waits for an event, or until `timeout` has passed.
    fn wait(&mut self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(events, timeout) {
            // The loop checks for signals anyway.
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                events.clear();
                Ok(())
            }
            result => result,
        }
    }

    fn time_to_sleep(&self, now: u64) -> Duration {
        let next = [self.requests.as_ref().map(Requests::next_due), self.drips.as_ref().map(Timetable::next_due)];
        let due = next.into_iter().flatten().min();
        let left = due.map_or(SLEEP_MAX, |due| Duration::from_nanos((self.started + due).saturating_sub(now)));
        // Rounded down, since a system that counts in milliseconds rounds up, and sleeps too long.
        Duration::from_millis(left.min(SLEEP_MAX).as_millis() as u64)
    }

    fn is_without_server(&self) -> bool {
        self.errors_in_row >= ERRORS_MAX && self.load.talk.once().is_some()
            || self.load.talk.once().is_none() && self.busy_lost == self.load.busy
    }
}

/// How long a run continues after the measured time, for replies to requests from that time.
const DRAIN_MAX: Duration = Duration::from_secs(1);
/// The most connections that wait for their first answer while others are opened: no more than a server's backlog holds.
const OPENING_AT_ONCE: usize = 64;
/// How long a server may leave connections unanswered before it counts as unable to serve more of them at once.
const OPENING_PATIENCE: Duration = Duration::from_millis(500);
/// The rate at which a dripping connection sends bytes.
const DRIPS_PER_SECOND: f64 = 10.0;
/// Consecutive errors after which the server counts as gone.
const ERRORS_MAX: u64 = 1000;
/// The interval between progress reports.
const TELL_EVERY_NS: u64 = 250_000_000;
/// The longest sleep, if the generator sleeps at all.
const SLEEP_MAX: Duration = Duration::from_millis(10);

/// Processor time used by this thread.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn seconds(from: u64, to: u64) -> f64 {
    (to - from) as f64 / 1e9
}
