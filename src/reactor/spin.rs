//! Busy-polling for a while before sleeping.
//!
//! Sleeping and waking costs more than a small request. If the next event is near, polling repeatedly is cheaper; if it
//! isn't, polling only burns the processor. So the loop polls for a short while, and only while that pays: while recent
//! waits have been that short. A loop with no work soon sleeps and costs nothing.

use std::hint;
use std::io;
use std::time::{Duration, Instant};

/// The waiting strategy of a reactor.
#[derive(Debug)]
pub(super) struct Spin {
    /// How long to poll before sleeping, while that pays.
    time: Duration,
    /// Consecutive short waits so far.
    short: u32,
    /// Consecutive short waits required before it polls.
    wanted: u32,
}

/// The consecutive short waits required at first, and the most ever required. The number grows when polling was in
/// vain, such as when the other side needs the very processor that this one burns.
const WANTED_MIN: u32 = 2;
const WANTED_MAX: u32 = 1024;

/// The result of one poll of the selector.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    /// The time after the poll.
    pub now: Instant,
    /// Whether there were events.
    pub has_events: bool,
}

impl Spin {
    pub fn new(time: Duration) -> Self {
        Spin { time, short: 0, wanted: WANTED_MIN }
    }

    /// Polls the selector through `select`, which may wait as long as its argument says, until there are events or
    /// `timeout` has passed; `now` is the start of the turn. Returns the time.
    ///
    /// Returns early when polling was in vain, and only sleeps in the next call: the selector may have been woken
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
        if timeout == Some(Duration::ZERO) || self.time.is_zero() {
            return Ok(select(timeout)?.now);
        }
        if self.short < self.wanted {
            let answer = select(timeout)?;
            let was_short = answer.has_events && answer.now < now + self.time;
            self.short = if was_short { self.short + 1 } else { 0 };
            return Ok(answer.now);
        }
        let until = now + timeout.map_or(self.time, |timeout| timeout.min(self.time));
        let mut has_waited = false;
        loop {
            let answer = select(Some(Duration::ZERO))?;
            if answer.has_events {
                // An event that is there at once says nothing about waits.
                if has_waited {
                    self.wanted = (self.wanted / 2).max(WANTED_MIN);
                }
                return Ok(answer.now);
            }
            has_waited = true;
            if answer.now >= until {
                self.short = 0;
                self.wanted = (self.wanted * 2).min(WANTED_MAX);
                return Ok(answer.now);
            }
            hint::spin_loop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPIN: Duration = Duration::from_micros(50);
    /// The duration of one poll.
    const ASKING: Duration = Duration::from_micros(1);

    /// A selector with its own clock, on which an event comes some time after each wait has begun.
    struct Script {
        spin: Spin,
        now: Instant,
        slept: u32,
        asked: u32,
    }

    impl Script {
        fn new(spin: Duration) -> Self {
            Script { spin: Spin::new(spin), now: Instant::now(), slept: 0, asked: 0 }
        }

        /// One wait with an event `after` its beginning, which comes in any case, or only to a sleeping loop.
        fn wait(&mut self, after: Duration, comes_to_sleepers_only: bool, timeout: Option<Duration>) {
            let began = self.now;
            let Script { spin, now, slept, asked } = self;
            let ended = spin.wait(timeout, began, |timeout| {
                let due = began + after;
                let has_events = if timeout == Some(Duration::ZERO) {
                    *asked += 1;
                    *now += ASKING;
                    *now >= due && !comes_to_sleepers_only
                } else {
                    *slept += 1;
                    let until = timeout.map_or(due, |timeout| began + timeout);
                    *now = (*now).max(due.min(until));
                    *now >= due
                };
                Ok(Answer { now: *now, has_events })
            });
            assert_eq!(ended.unwrap(), self.now);
        }
    }

    #[test]
    fn while_events_are_near_it_asks_and_does_not_sleep() {
        let mut script = Script::new(SPIN);
        for _ in 0..1000 {
            script.wait(Duration::from_micros(10), false, None);
        }
        assert_eq!(script.slept, WANTED_MIN);
        assert_eq!(script.asked, (1000 - WANTED_MIN) * 10);
    }

    #[test]
    fn where_they_are_far_it_sleeps_and_costs_nothing() {
        let mut script = Script::new(SPIN);
        for _ in 0..1000 {
            script.wait(Duration::from_millis(1), false, None);
        }
        assert_eq!((script.slept, script.asked), (1000, 0));
        // After dense traffic ends, it polls once more, within the allowed time.
        let mut script = Script::new(SPIN);
        for _ in 0..WANTED_MIN {
            script.wait(Duration::from_micros(10), false, None);
        }
        let began = script.now;
        script.wait(Duration::from_secs(1), false, None);
        assert_eq!(script.now - began, SPIN);
        let asked = script.asked;
        for _ in 0..1000 {
            script.wait(Duration::from_secs(1), false, None);
        }
        assert_eq!(script.asked, asked);
    }

    #[test]
    fn where_asking_is_in_vain_it_is_hardly_ever_tried() {
        let mut script = Script::new(SPIN);
        for _ in 0..10_000 {
            script.wait(Duration::from_micros(10), true, None);
        }
        let tries = script.asked / 50;
        assert!((8..20).contains(&tries), "{tries}");
    }

    #[test]
    fn what_is_there_at_once_is_no_reason_to_ask_for_longer() {
        // Like a client on the same processor: mostly it gets the processor while it's being written to, and has asked
        // again by then.
        let mut script = Script::new(SPIN);
        for turn in 0..10_000 {
            match turn % 5 {
                4 => script.wait(Duration::from_micros(10), true, None),
                _ => script.wait(Duration::ZERO, false, None),
            }
        }
        let tries = script.asked / 50;
        assert!((8..20).contains(&tries), "{tries}");
    }

    #[test]
    fn it_asks_no_longer_than_it_may_wait() {
        let mut script = Script::new(SPIN);
        for _ in 0..WANTED_MIN {
            script.wait(Duration::from_micros(10), false, None);
        }
        let began = script.now;
        script.wait(Duration::from_secs(1), false, Some(Duration::from_micros(7)));
        assert_eq!(script.now - began, Duration::from_micros(7));
    }

    #[test]
    fn without_time_for_it_each_wait_is_the_selectors() {
        let mut script = Script::new(Duration::ZERO);
        for _ in 0..100 {
            script.wait(Duration::from_micros(10), false, None);
        }
        assert_eq!((script.slept, script.asked), (100, 0));
    }
}
