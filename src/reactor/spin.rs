//! Busy-polling before sleeping, where that raises throughput.
//!
//! Sleeping and being woken takes longer than a small request. If the next event depends on our last reply, as with a
//! client that waits for it, polling brings that event sooner. If requests come at their own times, polling only burns
//! the processor, however near the next event is. The length of the waits doesn't distinguish these cases; the rate of
//! events does. So the loop compares: it times a number of events with sleeping, then as many with polling. It
//! continues in the better way, and compares again from time to time. Linux's KVM does something similar with halt
//! polling.
//!
//! A loop with no work sleeps and costs nothing, and so does a loop whose events are further apart than the longest
//! poll.

use std::hint;
use std::io;
use std::time::{Duration, Instant};

/// The waiting strategy of a reactor.
#[derive(Debug)]
pub(super) struct Spin {
    /// How long to poll before sleeping, at most.
    max: Duration,
    /// The way that has proved better.
    chosen: Way,
    /// The way that is in use: the chosen one, or the other to compare.
    way: Way,
    /// The waits in that way so far.
    stretch: Stretch,
    /// The duration of the last stretch in the chosen way.
    reference: Duration,
    /// The stretches until the ways are compared again, and that number after the next comparison.
    left: u32,
    pause: u32,
    /// The last poll found nothing: it's time to sleep.
    sleeps_next: bool,
    /// Silences since the last whole stretch.
    silences: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Sleep,
    Poll,
}

/// Some consecutive waits.
#[derive(Clone, Copy, Debug, Default)]
struct Stretch {
    began: Option<Instant>,
    events: usize,
    waits: u32,
    waited: Duration,
    /// Polls that found nothing.
    vain: u32,
}

/// The events of a stretch.
const EVENTS: usize = 128;
/// How much sooner the events must come, as a ratio, for polling to be worth the processor.
const GAIN: f64 = 1.06;
/// The fewest and the most stretches between comparisons.
const PAUSE_MIN: u32 = 64;
const PAUSE_MAX: u32 = 1024;
/// A silence in dense traffic, in multiples of the longest poll, and how many of them end it. A single one may be a
/// hiccup of the machine.
const SILENCE: u32 = 8;
const SILENCES: u32 = 4;

/// The result of one poll of the selector.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    /// The time after the poll.
    pub now: Instant,
    /// The number of events.
    pub events: usize,
}

impl Spin {
    pub fn new(max: Duration) -> Self {
        Spin {
            max,
            chosen: Way::Sleep,
            way: Way::Sleep,
            stretch: Stretch::default(),
            reference: Duration::ZERO,
            left: 1,
            pause: PAUSE_MIN,
            sleeps_next: false,
            silences: 0,
        }
    }

    /// Polls the selector through `select`, which may wait as long as its argument says, until there are events or
    /// `timeout` has passed; `now` is the start of the turn. Returns the time.
    ///
    /// Returns early when polling found nothing, and only sleeps in the next call: the selector may have been woken
    /// without an event, and the reason for that must be handled before a sleep.
    ///
    /// # Errors
    /// The same as `select`'s.
    pub fn wait(
        &mut self,
        timeout: Option<Duration>,
        now: Instant,
        mut select: impl FnMut(Option<Duration>) -> io::Result<Answer>,
    ) -> io::Result<Instant> {
        if timeout == Some(Duration::ZERO) || self.max.is_zero() {
            return Ok(select(timeout)?.now);
        }
        let sleeps = std::mem::take(&mut self.sleeps_next) || self.way == Way::Sleep;
        let answer = if sleeps { select(timeout)? } else { self.poll(timeout, now, &mut select)? };
        self.note(answer, now);
        Ok(answer.now)
    }

    /// Polls until there are events, for as long as it may.
    fn poll(
        &mut self,
        timeout: Option<Duration>,
        now: Instant,
        select: &mut impl FnMut(Option<Duration>) -> io::Result<Answer>,
    ) -> io::Result<Answer> {
        let until = now + timeout.map_or(self.max, |timeout| timeout.min(self.max));
        loop {
            let answer = select(Some(Duration::ZERO))?;
            if answer.events > 0 {
                return Ok(answer);
            }
            if answer.now >= until {
                self.sleeps_next = true;
                self.stretch.vain += 1;
                return Ok(answer);
            }
            hint::spin_loop();
        }
    }

    /// Takes a wait since `before` into account, and decides how to go on.
    fn note(&mut self, answer: Answer, before: Instant) {
        let waited = answer.now.saturating_duration_since(before);
        if waited > self.max * SILENCE {
            self.stretch = Stretch::default();
            self.silences += 1;
            if self.silences == SILENCES {
                *self = Spin::new(self.max);
            }
            return;
        }
        let stretch = &mut self.stretch;
        let began = *stretch.began.get_or_insert(before);
        stretch.events += answer.events;
        stretch.waits += 1;
        stretch.waited += waited;
        let elapsed = answer.now.saturating_duration_since(began);
        if self.way == Way::Poll && stretch.vain > 8 + stretch.waits / 4 {
            return self.choose(Way::Sleep);
        }
        let is_over = stretch.events >= EVENTS;
        if is_over {
            self.silences = 0;
        }
        if self.way != self.chosen {
            let limit = match self.way {
                Way::Poll => self.reference.div_f64(GAIN),
                Way::Sleep => self.reference.mul_f64(GAIN),
            };
            if elapsed > limit {
                self.choose(self.chosen);
            } else if is_over {
                self.choose(self.way);
            }
        } else if is_over {
            self.reference = elapsed;
            self.left = self.left.saturating_sub(1);
            self.way = match (self.left, self.chosen) {
                (0, Way::Poll) => Way::Sleep,
                (0, Way::Sleep) if self.is_worth_a_try(elapsed) => Way::Poll,
                _ => self.chosen,
            };
            self.stretch = Stretch::default();
        }
    }

    /// Whether polling could gain anything: the waits are short enough, and more than a small part of the time.
    fn is_worth_a_try(&self, elapsed: Duration) -> bool {
        let Stretch { waits, waited, .. } = self.stretch;
        waited < 2 * self.max * waits && waited.as_secs_f64() > elapsed.as_secs_f64() * (GAIN - 1.0)
    }

    /// Goes on in the way that has proved better. The more often the result is the same, the less often it is checked.
    fn choose(&mut self, way: Way) {
        self.pause = if way == self.chosen { (self.pause * 2).min(PAUSE_MAX) } else { PAUSE_MIN };
        (self.chosen, self.way, self.left) = (way, way, self.pause);
        self.stretch = Stretch::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: Duration = Duration::from_micros(100);
    /// The duration of one poll, and the time until a sleeper runs once it is woken.
    const ASKING: Duration = Duration::from_micros(1);
    const WAKING: Duration = Duration::from_micros(30);

    fn micros(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    /// A selector with its own clock.
    struct Script {
        spin: Spin,
        now: Instant,
        slept: u32,
        asked: u32,
    }

    impl Script {
        fn new(max: Duration) -> Self {
            Script { spin: Spin::new(max), now: Instant::now(), slept: 0, asked: 0 }
        }

        /// Waits until an event at `due`, which a poll finds as well unless `comes_to_sleepers_only`.
        fn wait_until(&mut self, due: Instant, comes_to_sleepers_only: bool, timeout: Option<Duration>) {
            let mut has_come = false;
            while !has_come {
                let began = self.now;
                let Script { spin, now, slept, asked } = self;
                let ended = spin.wait(timeout, began, |timeout| {
                    if timeout == Some(Duration::ZERO) {
                        *asked += 1;
                        *now += ASKING;
                        has_come = *now >= due && !comes_to_sleepers_only;
                    } else {
                        *slept += 1;
                        let wakes = if *now < due { WAKING } else { ASKING };
                        *now = (*now).max(due) + wakes;
                        has_come = true;
                    }
                    Ok(Answer { now: *now, events: usize::from(has_come) })
                });
                assert_eq!(ended.unwrap(), self.now);
            }
        }

        /// A client that waits for each reply: its next request comes `after` the reply, which takes 5 us to make.
        fn converse(&mut self, requests: u32, after: Duration) {
            for _ in 0..requests {
                self.now += micros(5);
                self.wait_until(self.now + after, false, None);
            }
        }

        /// Requests that come at their own times, each taking 5 us.
        fn serve_at_a_rate(&mut self, requests: u32, gap: Duration) {
            let mut due = self.now;
            for _ in 0..requests {
                due += gap;
                self.now += micros(5);
                self.wait_until(due, false, None);
            }
        }

        fn counts(&self) -> (u32, u32) {
            (self.slept, self.asked)
        }
    }

    #[test]
    fn a_client_that_waits_for_replies_is_polled_for() {
        // Sleeping makes the waits longer than the poll that would have caught the event.
        for after in [10, 40, 80] {
            let mut script = Script::new(MAX);
            script.converse(1000, micros(after));
            let (slept, _) = script.counts();
            assert!(slept < 3 * EVENTS as u32, "after {after} us: slept {slept} times of 1000");
            script.converse(100_000, micros(after));
            let slept = script.slept - slept;
            assert!(slept < 2000, "after {after} us: slept {slept} times of 100000");
        }
    }

    #[test]
    fn requests_that_come_at_their_own_times_are_slept_for() {
        for gap in [25, 50, 90] {
            let mut script = Script::new(MAX);
            script.serve_at_a_rate(100_000, micros(gap));
            let (slept, asked) = script.counts();
            let polled = ASKING * asked;
            let all = micros(gap) * 100_000;
            assert!(polled < all / 50, "a gap of {gap} us: {polled:?} of {all:?} polled, {slept} sleeps");
        }
    }

    #[test]
    fn where_events_are_far_it_sleeps_and_costs_nothing() {
        let mut script = Script::new(MAX);
        script.converse(1000, Duration::from_millis(1));
        script.serve_at_a_rate(1000, Duration::from_secs(1));
        assert_eq!(script.counts(), (2000, 0));
        // After dense traffic ends, the loop polls a few times more, each within the allowed time.
        let mut script = Script::new(MAX);
        script.converse(1000, micros(10));
        let (slept, asked) = script.counts();
        script.converse(1000, Duration::from_secs(1));
        assert_eq!(script.slept - slept, 1000);
        assert!(ASKING * (script.asked - asked) <= MAX * SILENCES);
    }

    #[test]
    fn where_polling_is_in_vain_it_is_hardly_ever_tried() {
        // The client needs the processor that the loop burns.
        let mut script = Script::new(MAX);
        for _ in 0..100_000 {
            script.now += micros(5);
            script.wait_until(script.now + micros(10), true, None);
        }
        let tries = script.asked / 100;
        assert!((8..120).contains(&tries), "{tries} polls in vain");
    }

    #[test]
    fn a_loop_that_never_waits_never_polls() {
        let mut script = Script::new(MAX);
        for _ in 0..10_000 {
            script.now += micros(50);
            script.wait_until(script.now, false, None);
        }
        assert_eq!(script.counts(), (10_000, 0));
    }

    #[test]
    fn the_better_way_is_found_again_when_traffic_changes() {
        let mut script = Script::new(MAX);
        script.serve_at_a_rate(100_000, micros(50));
        script.converse(PAUSE_MAX * EVENTS as u32 + 1000, micros(30));
        let (slept, _) = script.counts();
        script.converse(1000, micros(30));
        assert!(script.slept - slept < 2 * EVENTS as u32);
        script.converse(PAUSE_MAX * EVENTS as u32, micros(30));
        script.serve_at_a_rate(PAUSE_MAX * EVENTS as u32 + 1000, micros(50));
        let (_, asked) = script.counts();
        script.serve_at_a_rate(1000, micros(50));
        assert!(script.asked - asked < 50 * EVENTS as u32);
    }

    #[test]
    fn it_polls_no_longer_than_it_may_wait() {
        let mut script = Script::new(MAX);
        script.converse(1000, micros(10));
        let began = script.now;
        let Script { spin, now, .. } = &mut script;
        let ended = spin.wait(Some(micros(7)), began, |timeout| {
            assert_eq!(timeout, Some(Duration::ZERO), "it polls");
            *now += ASKING;
            Ok(Answer { now: *now, events: 0 })
        });
        assert_eq!(ended.unwrap() - began, micros(7));
    }

    #[test]
    fn without_time_for_it_each_wait_is_the_selectors() {
        let mut script = Script::new(Duration::ZERO);
        script.converse(1000, micros(10));
        assert_eq!(script.counts(), (1000, 0));
    }
}
