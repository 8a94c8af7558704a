//! The turns of the loop, as the trace tells them: which connections run in each, in which order and with which share, and
//! which timers fire. It is the documented rule once more, without the loop's queues and timers.

use std::collections::VecDeque;
use std::time::Duration;

use super::share::{RunOf, Share};
use crate::exchange::{self, Stage};
use crate::session::{End, Role};
use crate::trace::{Event, Record, RunEnd};

/// The work of busy connections in a turn: at least this much, or more if there are many events.
const BUSY_WORK_MIN: usize = 384 << 10;
const BUSY_WORK_PER_EVENT: usize = 2 << 10;
/// The work of a run, or the memory, beyond which a connection is busy.
const BUSY_FROM: usize = 32 << 10;
/// The most timers of a turn, and the most connections with unsent output that these close.
const TIMERS_MAX: usize = 512;
const TIMEOUTS_MAX: usize = 4;
/// The most memory of an error reply. How much one takes is known after the next run of its connection.
const ERROR_MEMORY_MAX: usize = 1 << 10;

/// What is known of the turns.
#[derive(Debug, Default)]
pub struct Turns {
    /// Sessions may yield whenever they like.
    may_yield: bool,
    /// There are turns. Otherwise, a connection has a thread to itself.
    has_turns: bool,
    now: Turn,
    before: Turn,
    /// Each connection, by its number.
    known: Vec<Known>,
    /// The busy connections that are runnable, in their order.
    busy: VecDeque<u64>,
    /// The number of connections that are runnable and have just become ready.
    fresh: usize,
    /// The order of the busy ones isn't known: a stop makes all connections runnable.
    is_unordered: bool,
    /// The memory of all connections.
    memory: usize,
    /// A connection whose deadline has passed, and whether output waited for it.
    timed_out: Option<(u64, bool)>,
    /// Accepting is paused, and a connection has closed since.
    is_paused: bool,
    may_resume: bool,
    /// The loop has said that nothing can be accepted, and has accepted nothing since.
    has_told: bool,
    wrong: Option<String>,
}

/// A turn.
#[derive(Clone, Copy, Debug, Default)]
struct Turn {
    at: Duration,
    events: usize,
    /// The number of the fresh and busy connections that may still run in it, once the first has.
    left: Option<[usize; 2]>,
    /// What the busy ones may still do.
    work_left: usize,
    /// A busy one has run.
    has_run_busy: bool,
    /// The number of timers that have fired, and of connections that were closed with output.
    timers: usize,
    timeouts: usize,
    /// Something has panicked, so the work of the turn was begun again.
    has_panicked: bool,
}

/// What is known of a connection.
#[derive(Clone, Debug, Default)]
struct Known {
    is_open: bool,
    is_busy: bool,
    /// Whether it is runnable, and in which queue.
    queued: Option<Queue>,
    /// The current run.
    run: Option<RunOf>,
    /// The session's part is over.
    is_done: bool,
    /// It only waits for its peer's end.
    lingers: bool,
    input: usize,
    output: usize,
    memory: usize,
    /// The time of its timer, if it was set and has not been moved.
    timer: Option<Duration>,
    /// It has run since its timer was set.
    has_run: bool,
    /// The time of the last turn in which its deadline passed.
    due: Option<Duration>,
    /// The memory in use when it was ended to free some.
    over: Option<usize>,
}

/// A queue of runnable connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Queue {
    Fresh,
    Busy,
    /// It has run in this turn, and will again in the next.
    Later,
}

impl Turns {
    /// The turns of a loop whose sessions yield only if their share is used up, or else `may_yield` whenever they like.
    pub fn new(may_yield: bool) -> Self {
        Turns { may_yield, ..Turns::default() }
    }

    /// What is wrong.
    pub fn wrong(&self) -> Option<&str> {
        self.wrong.as_deref()
    }

    /// Records an event, which happens at the time `at`.
    pub fn record(&mut self, at: Duration, record: &Record<'_>) {
        let id = record.connection.map_or(0, |connection| connection.id);
        if let Err(what) = self.follow(at, id, record) {
            self.wrong.get_or_insert_with(|| match id {
                0 => what,
                id => format!("connection {id}: {what}"),
            });
        }
    }

    fn follow(&mut self, at: Duration, id: u64, record: &Record<'_>) -> Result<(), String> {
        let is_opened = record.connection.is_some_and(|connection| connection.peer.role != Role::Accepted);
        match &record.event {
            Event::TurnBegun { events, .. } => return self.turn_begun(at, *events),
            Event::Stopping { open, .. } => {
                self.is_paused = false;
                return self.stops(*open);
            }
            Event::AcceptingPaused { why, is_news } => return self.pauses(why, *is_news),
            Event::AcceptingResumed => (self.is_paused, self.may_resume) = (false, false),
            Event::Accepted | Event::Refused { .. } => self.has_told = false,
            Event::Panicked { .. } => self.now.has_panicked = true,
            Event::Selected { .. } | Event::Woken => self.enqueue(id, false),
            Event::RunBegun => return self.run_begun(id, is_opened),
            Event::RunEnded { how, input, output, work, memory, .. } => {
                return self.run_ended(id, *how, [*input, *output, *work], *memory);
            }
            Event::TimerSet { after } => {
                let known = self.known(id);
                (known.timer, known.has_run) = (Some(at + *after), false);
            }
            Event::TimerFired { is_due } => return self.timer_fired(id, *is_due),
            Event::Closed { end, .. } => return self.closed(id, end, is_opened),
            Event::CannotConnect { .. } => self.forget(id),
            // A client reads no more messages than it has asked for, and doesn't count them.
            Event::Stepped(_) if is_opened => {}
            event if id != 0 => self.happens(id, event),
            _ => {}
        }
        Ok(())
    }

    /// Judges a pause in accepting.
    fn pauses(&mut self, why: &str, is_news: bool) -> Result<(), String> {
        self.is_paused = true;
        // The loop says it once, unless a listener fails, or all places are taken, which is no news.
        if why.starts_with("a listener") || why.starts_with("all places") {
            return Ok(());
        }
        match std::mem::replace(&mut self.has_told, true) || is_news {
            true => Ok(()),
            false => Err(format!("it is no news that nothing can be accepted: {why}")),
        }
    }

    #[inline]
    fn known(&mut self, id: u64) -> &mut Known {
        let index = usize::try_from(id).expect("few connections");
        if self.known.len() <= index {
            self.known.resize_with(index + 1, Known::default);
        }
        &mut self.known[index]
    }

    /// Records what happens in a run, or to a connection outside one.
    fn happens(&mut self, id: u64, event: &Event<'_>) {
        let memory = self.memory;
        let known = self.known(id);
        if let Some(run) = &mut known.run {
            run.record(event);
        }
        if let Event::Moved { event, to, .. } = event {
            known.is_done = matches!(to, Stage::Draining | Stage::Lingering | Stage::Closed);
            known.lingers = *to == Stage::Lingering;
            // It is ended to free its memory; its peer still gets an error.
            if *event == exchange::Event::Violation && known.run.is_none() {
                known.over = Some(memory);
                let freed = std::mem::replace(&mut known.memory, ERROR_MEMORY_MAX);
                self.memory = self.memory - freed + ERROR_MEMORY_MAX;
            }
        }
    }

    fn enqueue(&mut self, id: u64, yields: bool) {
        let has_turns = self.has_turns;
        let known = self.known(id);
        if known.queued.is_some() || !known.is_open || !has_turns {
            return;
        }
        let is_busy = known.is_busy;
        known.queued = Some(match (yields, is_busy) {
            (true, _) => Queue::Later,
            (false, true) => Queue::Busy,
            (false, false) => Queue::Fresh,
        });
        if is_busy {
            self.busy.push_back(id);
        } else {
            self.fresh += 1;
        }
    }

    /// The connections that may run in this turn are known when the first one does.
    fn begin_runs(&mut self) {
        if self.now.left.is_none() {
            self.now.left = Some([self.fresh, self.busy.len()]);
            self.now.work_left = BUSY_WORK_MIN.max(self.now.events * BUSY_WORK_PER_EVENT);
        }
    }

    fn turn_begun(&mut self, at: Duration, events: usize) -> Result<(), String> {
        self.begin_runs();
        let Turn { left, work_left, has_panicked, .. } = self.now;
        self.before = self.now;
        self.now = Turn { at, events, ..Turn::default() };
        self.timed_out = None;
        if std::mem::take(&mut self.may_resume) {
            return Err("a connection has closed, and accepting is not resumed".into());
        }
        let had_turns = std::mem::replace(&mut self.has_turns, true);
        for &id in &self.busy {
            let known = &mut self.known[id as usize];
            if known.queued == Some(Queue::Later) {
                known.queued = Some(Queue::Busy);
            }
        }
        self.is_unordered &= !self.busy.is_empty();
        match left {
            _ if has_panicked || !had_turns => Ok(()),
            Some([fresh, _]) if fresh > 0 => {
                Err(format!("a turn ends, and {fresh} ready connections have not run in it"))
            }
            Some([_, busy]) if busy > 0 && work_left > 0 => {
                Err(format!("a turn ends, and {busy} busy connections have not run, though {work_left} are left"))
            }
            _ => Ok(()),
        }
    }

    fn stops(&mut self, open: usize) -> Result<(), String> {
        let is_open = |known: &&Known| known.is_open;
        let all = self.known.iter().filter(is_open).count();
        let lingering = self.known.iter().filter(is_open).filter(|known| known.lingers).count();
        for id in 1..self.known.len() as u64 {
            self.enqueue(id, false);
        }
        self.is_unordered = true;
        match (all - lingering..=all).contains(&open) {
            true => Ok(()),
            false => Err(format!("a stop finds {open} connections at work, of {all} with {lingering} that linger")),
        }
    }

    fn run_begun(&mut self, id: u64, is_opened: bool) -> Result<(), String> {
        self.begin_runs();
        let (has_turns, is_unordered, now) = (self.has_turns, self.is_unordered, self.now);
        let [fresh, busy] = now.left.unwrap_or_default();
        let first = self.busy.front().copied();
        let known = self.known(id);
        let queued = known.queued.take();
        (known.is_open, known.has_run) = (true, true);
        let share = if !has_turns && id == 1 || queued == Some(Queue::Busy) { Share::FULL } else { Share::FIRST };
        known.run = Some(RunOf::new(share, known.input, known.is_done));
        let lingers = known.lingers;
        self.unqueue(id, queued);
        if now.has_panicked {
            return Ok(());
        }
        match queued {
            Some(Queue::Fresh) if now.has_run_busy => Err("it has just become ready, and runs after busy ones".into()),
            Some(Queue::Fresh) => Ok(()),
            Some(Queue::Busy) => {
                self.now.has_run_busy = true;
                match () {
                    () if fresh > 0 => Err(format!("it is busy, and runs before {fresh} that are ready")),
                    () if busy == 0 => Err("it is busy, and runs twice in a turn".into()),
                    () if now.work_left == 0 => Err("it is busy, and runs after all work of the turn is done".into()),
                    () if first != Some(id) && !is_unordered => Err("it is busy, and runs out of order".into()),
                    () => Ok(()),
                }
            }
            Some(Queue::Later) if !lingers => Err("it runs twice in a turn".into()),
            Some(Queue::Later) => Ok(()),
            // Where an address has failed, the next is tried at once.
            None if fresh > 0 && !is_opened => Err(format!("it runs before {fresh} that are ready")),
            None => Ok(()),
        }
    }

    /// Takes a connection out of the queue that it was in.
    fn unqueue(&mut self, id: u64, queued: Option<Queue>) {
        let Some(queue) = queued else { return };
        let left = self.now.left.as_mut();
        if queue == Queue::Fresh {
            self.fresh -= 1;
            if let Some([fresh, _]) = left {
                *fresh = fresh.saturating_sub(1);
            }
            return;
        }
        self.busy.retain(|&other| other != id);
        if let (Queue::Busy, Some([_, busy])) = (queue, left) {
            *busy = busy.saturating_sub(1);
        }
    }

    fn run_ended(
        &mut self,
        id: u64,
        how: RunEnd,
        [input, output, work]: [usize; 3],
        memory: usize,
    ) -> Result<(), String> {
        let may_yield = self.may_yield;
        let known = self.known(id);
        let Some(run) = known.run.take() else { return Ok(()) };
        let share = run.share();
        let yields = how == RunEnd::Yields;
        let counts = if yields { work.max(share.work()) } else { work };
        known.is_busy = yields || work > BUSY_FROM || memory > BUSY_FROM;
        (known.input, known.output) = (input, output);
        let before = std::mem::replace(&mut known.memory, memory);
        self.memory = self.memory - before + memory;
        if share == Share::FULL {
            self.now.work_left = self.now.work_left.saturating_sub(counts);
        }
        if yields {
            self.enqueue(id, true);
        }
        run.ends(how, [input, output, work], may_yield)
    }

    fn timer_fired(&mut self, id: u64, is_due: bool) -> Result<(), String> {
        self.now.timers += 1;
        let (now, before) = (self.now, self.before);
        let known = self.known(id);
        let timer = known.timer.take();
        let has_run = std::mem::take(&mut known.has_run);
        let has_output = known.output > 0;
        let last_due = if is_due { known.due.replace(now.at) } else { None };
        self.timed_out = is_due.then_some((id, has_output));
        if now.has_panicked || before.has_panicked {
            return Ok(());
        }
        if now.timeouts >= TIMEOUTS_MAX || now.timers > TIMERS_MAX {
            let Turn { timers, timeouts, .. } = now;
            return Err(format!("its timer is number {timers} of a turn, which has closed {timeouts} with output"));
        }
        if !is_due && !has_run {
            return Err("its timer fires before its deadline, which has not moved".into());
        }
        if last_due == Some(now.at) {
            return Err("its deadline passes twice in a turn".into());
        }
        let is_late = timer.is_some_and(|timer| timer <= before.at);
        if is_late && before.timeouts < TIMEOUTS_MAX && before.timers < TIMERS_MAX / 2 {
            return Err("its timer fires a turn late".into());
        }
        Ok(())
    }

    fn closed(&mut self, id: u64, end: &End, is_opened: bool) -> Result<(), String> {
        self.may_resume |= self.is_paused && !is_opened;
        if self.timed_out == Some((id, true)) {
            self.now.timeouts += 1;
        }
        let judged = match *end {
            End::MemoryOverLimit(max) => self.frees_memory(id, max, is_opened),
            _ => Ok(()),
        };
        self.forget(id);
        judged
    }

    /// Judges that a connection is ended to free memory.
    fn frees_memory(&mut self, id: u64, max: usize, is_opened: bool) -> Result<(), String> {
        let all = self.memory;
        let most = self.known.iter().filter(|known| known.over.is_none()).map(|known| known.memory).max();
        let known = self.known(id);
        let (over, memory, output) = (known.over, known.memory, known.output);
        let used = over.unwrap_or(all);
        if used <= max {
            return Err(format!("it is ended to free memory, of which {used} bytes are in use, and {max} allowed"));
        }
        if over.is_none() && most.is_some_and(|most| memory < most) {
            return Err(format!("it is ended to free {memory} bytes of memory, and another uses more"));
        }
        if over.is_none() && output == 0 && !is_opened {
            return Err("it is ended to free memory, and its peer gets no error".into());
        }
        Ok(())
    }

    fn forget(&mut self, id: u64) {
        let known = std::mem::take(self.known(id));
        self.memory -= known.memory;
        self.unqueue(id, known.queued);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::selector::Readiness;
    use crate::session::{Peer, Progress, State};
    use crate::trace::Connection;

    const WAITS: RunEnd = RunEnd::Waits(Progress::NeedInput);

    /// Turns with these connections, each of which has run once and waits.
    fn with_waiting(connections: u64) -> Turns {
        let mut turns = Turns::default();
        turn(&mut turns, 0);
        for id in 1..=connections {
            run(&mut turns, id, WAITS, 0, 0);
        }
        turns
    }

    fn tell(turns: &mut Turns, id: u64, event: Event<'_>) {
        let peer = Peer::accepted(([10, 0, 0, 1], 1).into());
        let connection = (id > 0).then_some(Connection { id, peer: &peer });
        turns.record(turns.now.at, &Record { turn: 1, at: Instant::now(), connection, event });
    }

    /// Begins the turn at this time, in milliseconds.
    fn turn(turns: &mut Turns, at: u64) {
        let at = Duration::from_millis(at);
        let event = Event::TurnBegun { waited: Duration::ZERO, events: 1 };
        turns.record(at, &Record { turn: 1, at: Instant::now(), connection: None, event });
    }

    fn selected(turns: &mut Turns, id: u64) {
        tell(turns, id, Event::Selected { readiness: Readiness::default() });
    }

    fn run(turns: &mut Turns, id: u64, how: RunEnd, received: usize, memory: usize) {
        tell(turns, id, Event::RunBegun);
        if received > 0 {
            tell(turns, id, Event::Received { bytes: crate::trace::Bytes::new(received, &[]) });
        }
        let (state, work) = (State::named("idle"), (4 << 10) + 2 * received);
        tell(turns, id, Event::RunEnded { how, state, input: 0, output: 0, work, memory, took: None });
    }

    #[track_caller]
    fn finds(turns: &Turns, words: &str) {
        let wrong = turns.wrong().unwrap_or("nothing");
        assert!(wrong.contains(words), "{wrong}");
    }

    #[test]
    fn ready_connections_run_in_their_turn_and_before_busy_ones() {
        let mut turns = with_waiting(3);
        turn(&mut turns, 1);
        (1..=3).for_each(|id| selected(&mut turns, id));
        run(&mut turns, 2, RunEnd::Yields, 32 << 10, 0);
        run(&mut turns, 1, WAITS, 5, 0);
        run(&mut turns, 3, WAITS, 5, 0);
        turn(&mut turns, 2);
        selected(&mut turns, 3);
        run(&mut turns, 3, WAITS, 5, 0);
        run(&mut turns, 2, WAITS, 5, 0);
        turn(&mut turns, 3);
        assert_eq!(turns.wrong(), None);
        selected(&mut turns, 1);
        turn(&mut turns, 4);
        finds(&turns, "1 ready connections have not run");
    }

    #[test]
    fn busy_connections_run_in_order_until_the_work_is_done() {
        let busy = || {
            let mut turns = with_waiting(3);
            turn(&mut turns, 1);
            (1..=3).for_each(|id| selected(&mut turns, id));
            (1..=3).for_each(|id| run(&mut turns, id, RunEnd::Yields, 32 << 10, 0));
            turn(&mut turns, 2);
            turns
        };
        let mut turns = busy();
        run(&mut turns, 1, RunEnd::Yields, 384 << 10, 0);
        turn(&mut turns, 3);
        run(&mut turns, 2, WAITS, 5, 0);
        run(&mut turns, 3, WAITS, 5, 0);
        run(&mut turns, 1, WAITS, 5, 0);
        turn(&mut turns, 4);
        assert_eq!(turns.wrong(), None);

        let mut turns = busy();
        run(&mut turns, 1, RunEnd::Yields, 384 << 10, 0);
        run(&mut turns, 2, WAITS, 5, 0);
        finds(&turns, "after all work of the turn is done");

        let mut turns = busy();
        run(&mut turns, 1, WAITS, 5, 0);
        turn(&mut turns, 3);
        finds(&turns, "2 busy connections have not run");

        let mut turns = busy();
        run(&mut turns, 2, WAITS, 5, 0);
        finds(&turns, "out of order");
    }

    #[test]
    fn memory_makes_a_connection_busy() {
        let mut turns = with_waiting(2);
        turn(&mut turns, 1);
        selected(&mut turns, 1);
        run(&mut turns, 1, WAITS, 5, (32 << 10) + 1);
        turn(&mut turns, 2);
        (1..=2).for_each(|id| selected(&mut turns, id));
        run(&mut turns, 1, WAITS, 5, 0);
        finds(&turns, "it is busy, and runs before 1 that are ready");
    }

    #[test]
    fn timers_fire_when_they_are_due() {
        let set = |after| {
            let mut turns = with_waiting(1);
            tell(&mut turns, 1, Event::TimerSet { after: Duration::from_millis(after) });
            turns
        };
        let mut turns = set(5);
        turn(&mut turns, 5);
        tell(&mut turns, 1, Event::TimerFired { is_due: true });
        assert_eq!(turns.wrong(), None);
        tell(&mut turns, 1, Event::TimerFired { is_due: true });
        finds(&turns, "twice in a turn");

        let mut turns = set(5);
        turn(&mut turns, 5);
        turn(&mut turns, 6);
        tell(&mut turns, 1, Event::TimerFired { is_due: true });
        finds(&turns, "a turn late");

        let mut turns = set(5);
        turn(&mut turns, 5);
        tell(&mut turns, 1, Event::TimerFired { is_due: false });
        finds(&turns, "which has not moved");
    }

    #[test]
    fn memory_is_freed_where_most_is_used_and_only_if_it_must_be() {
        let closed = |id, max| {
            let mut turns = with_waiting(0);
            run(&mut turns, 1, WAITS, 0, 100);
            tell(&mut turns, 2, Event::RunBegun);
            let (state, how) = (State::named("idle"), WAITS);
            tell(
                &mut turns,
                2,
                Event::RunEnded { how, state, input: 0, output: 7, work: 4096, memory: 200, took: None },
            );
            tell(&mut turns, id, Event::Closed { end: &End::MemoryOverLimit(max), age: None, tally: None });
            turns
        };
        assert_eq!(closed(2, 299).wrong(), None);
        finds(&closed(2, 300), "300 bytes are in use, and 300 allowed");
        finds(&closed(1, 299), "another uses more");
    }

    #[test]
    fn an_error_reply_of_unknown_length_may_take_the_rest_of_the_memory() {
        let closed = |used| {
            let mut turns = with_waiting(0);
            run(&mut turns, 1, WAITS, 0, used);
            run(&mut turns, 2, WAITS, 0, used);
            for id in [1, 2] {
                let (from, event) = (Stage::Receiving, exchange::Event::Violation);
                tell(&mut turns, id, Event::Moved { from, event, to: Stage::Draining });
            }
            tell(&mut turns, 2, Event::Closed { end: &End::MemoryOverLimit(10_000), age: None, tally: None });
            turns
        };
        assert_eq!(closed(10_000).wrong(), None);
        finds(&closed(10_000 - ERROR_MEMORY_MAX), "10000 bytes are in use, and 10000 allowed");
    }

    #[test]
    fn accepting_is_resumed_when_a_connection_closes() {
        let mut turns = with_waiting(1);
        tell(&mut turns, 0, Event::AcceptingPaused { why: "no descriptor", is_news: true });
        tell(&mut turns, 1, Event::Closed { end: &End::Finished, age: None, tally: None });
        tell(&mut turns, 0, Event::AcceptingResumed);
        turn(&mut turns, 1);
        assert_eq!(turns.wrong(), None);
        tell(&mut turns, 0, Event::AcceptingPaused { why: "no descriptor", is_news: false });
        assert_eq!(turns.wrong(), None, "it was said before");
        run(&mut turns, 2, WAITS, 0, 0);
        tell(&mut turns, 2, Event::Closed { end: &End::Finished, age: None, tally: None });
        turn(&mut turns, 2);
        finds(&turns, "accepting is not resumed");
    }
}
