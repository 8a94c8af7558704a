//! The hub: receives the trace, and keeps what the paths show.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use serde_json::json;

use super::metrics::{Figures, Metrics};
use super::ring::Ring;
use crate::selector::Waker;
use crate::trace::{Event, LevelFilter, Portion, Record, Subscriber, Wants, json};

/// The details that readers of events get, at most, in a second. In turns beyond that, they get what happens to
/// connections as a whole.
const EVENTS_PER_SECOND: i64 = 5000;
/// While nobody reads, one turn of this many is measured.
const MEASURED: usize = 64;
/// The turns after the last that is told in detail, before looking whether there may be more.
const RESTING: usize = 8;
/// The connections that readers of events are shown in a turn, and the time between two such turns; and the time before
/// they are shown all again.
const SHOWN: usize = 64;
const SHOWN_EVERY: Duration = Duration::from_millis(50);
const SHOWN_AGAIN: Duration = Duration::from_millis(250);
/// The connections that a snapshot takes in a turn.
const SNAPSHOT: usize = 512;
/// The most bytes of a message that an event has.
const CONTENTS_MAX: usize = 1 << 10;
/// The most bytes that a reader of events takes at once.
const READ_MAX: usize = 64 << 10;

/// Receives the trace of a server, and keeps what its administrator's sessions show.
#[derive(Debug)]
pub struct Hub {
    started: Instant,
    /// The first line for each reader of events.
    header: String,
    /// Whether events have the bytes of messages.
    has_contents: bool,
    /// The number of the listener for administrators.
    listener: AtomicUsize,
    /// The number of readers of events.
    readers: AtomicUsize,
    /// Whether a snapshot is wanted.
    is_asked: AtomicBool,
    /// Nobody reads, and no snapshot is wanted: all that most turns look at.
    is_quiet: AtomicBool,
    /// The number of turns begun.
    turns: AtomicUsize,
    /// The number of turns that certainly are not told in detail.
    resting: AtomicUsize,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    ring: Ring,
    bucket: Bucket,
    metrics: Metrics,
    /// The wakers of all loops. A blocking model has none.
    wakers: Vec<Waker>,
    /// The loops that have begun to run.
    loops: Vec<Loop>,
    /// The snapshot in the making, and the latest.
    next: Snapshot,
    latest: Arc<Snapshot>,
    /// A line being made.
    line: Vec<u8>,
}

/// A loop that is shown.
#[derive(Debug)]
struct Loop {
    thread: ThreadId,
    sweep: Sweep,
    /// The next connection for readers of events, and when.
    shown: (usize, Instant),
    /// The next connection for the snapshot in the making.
    next: usize,
    /// The version of the last snapshot that has all of it.
    told: u64,
    figures: Option<Figures>,
}

impl Inner {
    /// The loop of this thread.
    fn this_loop(&mut self) -> &mut Loop {
        let thread = thread::current().id();
        let index = self.loops.iter().position(|each| each.thread == thread).unwrap_or_else(|| {
            let shown = (0, Instant::now());
            self.loops.push(Loop { thread, sweep: Sweep::Nobody, shown, next: 0, told: 0, figures: None });
            self.loops.len() - 1
        });
        &mut self.loops[index]
    }

    /// Wakes the loops of other threads. That of this one goes on by itself.
    fn wake_others(&self) {
        if self.wakers.len() > 1 {
            self.wakers.iter().for_each(Waker::wake);
        }
    }

    /// Publishes the snapshot in the making.
    fn publish(&mut self) {
        self.latest = Arc::new(std::mem::take(&mut self.next));
    }
}

/// For whom a loop tells what is, in this turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sweep {
    Nobody,
    Readers,
    Snapshot,
}

/// A snapshot.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    /// How many there have been.
    pub version: u64,
    /// The connections, as JSON with commas in between.
    pub connections: Vec<u8>,
    /// The loops, likewise.
    pub loops: Vec<u8>,
    /// Why accepting pauses, if it does in some loop.
    pub paused: Option<String>,
}

/// Limits the events that are told in detail.
#[derive(Debug)]
struct Bucket {
    /// Less than nothing after a turn of many events, all of which are told: the next turns pay for them.
    tokens: i64,
    filled: Instant,
    /// The turns that were not told in detail since the last that was.
    skipped: u64,
}

impl Bucket {
    /// Whether a turn that begins `now` is told in detail.
    fn has_room(&mut self, now: Instant) -> bool {
        let fresh = now.saturating_duration_since(self.filled).as_secs_f64() * EVENTS_PER_SECOND as f64;
        if fresh >= 1.0 {
            self.tokens = self.tokens.saturating_add(fresh as i64).min(EVENTS_PER_SECOND);
            self.filled = now;
        }
        self.tokens > 0
    }
}

impl Hub {
    /// Creates a hub. `started` is the present time, in RFC 3339. If it `has_contents`, events have the bytes of messages.
    pub fn new(started: &str, has_contents: bool) -> Self {
        let now = Instant::now();
        Hub {
            started: now,
            header: json::header(started),
            has_contents,
            listener: AtomicUsize::new(usize::MAX),
            readers: AtomicUsize::new(0),
            is_asked: AtomicBool::new(false),
            is_quiet: AtomicBool::new(true),
            turns: AtomicUsize::new(0),
            resting: AtomicUsize::new(0),
            inner: Mutex::new(Inner {
                ring: Ring::default(),
                bucket: Bucket { tokens: EVENTS_PER_SECOND, filled: now, skipped: 0 },
                metrics: Metrics::default(),
                wakers: Vec::new(),
                loops: Vec::new(),
                next: Snapshot::default(),
                latest: Arc::default(),
                line: Vec::new(),
            }),
        }
    }

    /// Sets the number of the listener for administrators, among those of their loop. Other connections are served.
    pub fn serves_from(&self, listener: usize) {
        self.listener.store(listener, Ordering::Relaxed);
    }

    pub(super) fn is_served_from(&self, listener: usize) -> bool {
        self.listener.load(Ordering::Relaxed) == listener
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a snapshot of all loops. It has come when the [latest](Hub::latest) is of the returned version or a later
    /// one: at once if there is no loop.
    pub(super) fn ask(&self) -> u64 {
        let mut inner = self.lock();
        if !self.is_asked.load(Ordering::Relaxed) {
            inner.next = Snapshot { version: inner.latest.version + 1, ..Snapshot::default() };
            if inner.wakers.is_empty() {
                inner.publish();
                return inner.latest.version;
            }
            inner.loops.iter_mut().for_each(|each| each.next = 0);
            self.is_asked.store(true, Ordering::Relaxed);
            self.note_whether_quiet();
            inner.wake_others();
        }
        inner.next.version
    }

    fn note_whether_quiet(&self) {
        let is_quiet = self.readers.load(Ordering::Relaxed) == 0 && !self.is_asked.load(Ordering::Relaxed);
        self.is_quiet.store(is_quiet, Ordering::Relaxed);
    }

    /// Takes what has come of a snapshot for all of it, since some loop doesn't answer.
    pub(super) fn give_up(&self) {
        let mut inner = self.lock();
        if self.is_asked.swap(false, Ordering::Relaxed) {
            inner.publish();
        }
        self.note_whether_quiet();
    }

    pub(super) fn latest(&self) -> Arc<Snapshot> {
        Arc::clone(&self.lock().latest)
    }

    /// The numbers, as text; in the format of OpenMetrics, or in the one before.
    pub(super) fn metrics(&self, is_openmetrics: bool) -> String {
        let inner = self.lock();
        let figures = inner.loops.iter().filter_map(|each| each.figures);
        let has_loop = figures.clone().next().is_some();
        inner.metrics.text(is_openmetrics, has_loop.then(|| figures.sum()))
    }

    /// Why the server isn't ready, if it isn't. `snapshot` is the latest, if the loop gives any.
    pub(super) fn not_ready(&self, snapshot: Option<&Snapshot>) -> Option<String> {
        let inner = self.lock();
        if inner.metrics.is_stopping() {
            return Some("stopping".to_owned());
        }
        let paused = snapshot.and_then(|snapshot| snapshot.paused.clone());
        paused.map(|why| format!("no connection can be accepted: {why}"))
    }

    #[cold]
    fn wants_of_readers(&self, has_readers: bool, mut wants: Wants) -> Wants {
        let mut inner = self.lock();
        let now = Instant::now();
        if has_readers {
            if inner.bucket.has_room(now) {
                (wants.level, wants.times) = (LevelFilter::Trace, true);
                let skipped = std::mem::take(&mut inner.bucket.skipped);
                if skipped > 0 {
                    let line = format!("{}\n", json!({ "event": "turns_skipped", "turns": skipped }));
                    inner.ring.push(0, line.as_bytes());
                }
            } else {
                inner.bucket.skipped += 1 + RESTING as u64;
                self.resting.store(RESTING, Ordering::Relaxed);
            }
        }
        let (is_asked, version) = (self.is_asked.load(Ordering::Relaxed), inner.next.version);
        let this = inner.this_loop();
        (this.sweep, wants.snapshot) = if is_asked && this.told < version {
            (Sweep::Snapshot, Some(Portion { from: this.next, count: SNAPSHOT }))
        } else if has_readers && now >= this.shown.1 {
            (Sweep::Readers, Some(Portion { from: this.shown.0, count: SHOWN }))
        } else {
            (Sweep::Nobody, None)
        };
        wants
    }

    fn record(&self, record: &Record<'_>) {
        let mut inner = self.lock();
        let inner = &mut *inner;
        inner.metrics.add(&record.event);
        let is_snapshot = matches!(record.event, Event::ConnectionIs(_) | Event::LoopIs(_));
        let has_readers = self.readers.load(Ordering::Relaxed) > 0;
        let for_snapshot = is_snapshot && inner.this_loop().sweep == Sweep::Snapshot;
        if let Event::LoopIs(is) = record.event {
            inner.this_loop().figures = Some(Figures::from(is));
        }
        if !has_readers && !for_snapshot {
            return;
        }
        inner.line.clear();
        let thread = thread::current();
        let name = thread.name().filter(|&name| name != "main");
        if json::write(&mut inner.line, record, self.started.elapsed(), name).is_err() {
            return;
        }
        if for_snapshot {
            return self.add_to_snapshot(inner, &record.event);
        }
        if let Event::LoopIs(is) = record.event {
            let pause = if is.next.is_some() { SHOWN_EVERY } else { SHOWN_AGAIN };
            inner.this_loop().shown = (is.next.unwrap_or(0), Instant::now() + pause);
        }
        if self.has_contents {
            append_contents(&mut inner.line, &record.event);
        }
        inner.bucket.tokens -= 1;
        inner.ring.push(record.connection.map_or(0, |connection| connection.id), &inner.line);
    }

    /// Adds the line to the snapshot in the making, and publishes it after the last loop's last part.
    fn add_to_snapshot(&self, inner: &mut Inner, event: &Event<'_>) {
        if !self.is_asked.load(Ordering::Relaxed) {
            // It came too late.
            return;
        }
        let Event::LoopIs(is) = event else { return append(&mut inner.next.connections, &inner.line) };
        let version = inner.next.version;
        let this = inner.this_loop();
        if let Some(next) = is.next {
            this.next = next;
            return;
        }
        this.told = version;
        append(&mut inner.next.loops, &inner.line);
        let paused = inner.next.paused.take().or(is.paused.map(str::to_owned));
        inner.next.paused = paused;
        if inner.loops.iter().filter(|each| each.told == version).count() >= inner.wakers.len() {
            inner.publish();
            self.is_asked.store(false, Ordering::Relaxed);
            self.note_whether_quiet();
        }
    }
}

/// Appends an item to a list.
fn append(list: &mut Vec<u8>, item: &[u8]) {
    if !list.is_empty() {
        list.extend_from_slice(b",\n");
    }
    list.extend_from_slice(item.trim_ascii_end());
}

/// Appends the bytes of an event to its line, as text in which other bytes are escaped.
fn append_contents(line: &mut Vec<u8>, event: &Event<'_>) {
    let (Event::Received { bytes } | Event::Sent { bytes, .. }) = event else { return };
    let bytes: Vec<u8> = bytes.slices().flatten().copied().take(CONTENTS_MAX).collect();
    line.truncate(line.trim_ascii_end().len() - 1);
    line.extend_from_slice(format!(",\"text\":{}}}\n", json!(bytes.escape_ascii().to_string())).as_bytes());
}

/// A subscriber that passes everything on to a hub.
#[derive(Clone, Debug)]
pub struct Watching(pub Arc<Hub>);

impl Subscriber for Watching {
    fn level(&self) -> LevelFilter {
        if self.0.readers.load(Ordering::Relaxed) > 0 { LevelFilter::Trace } else { LevelFilter::Info }
    }

    fn attached(&self, waker: Waker) {
        self.0.lock().wakers.push(waker);
    }

    fn wants(&self) -> Wants {
        let hub = &self.0;
        let turn = hub.turns.load(Ordering::Relaxed).wrapping_add(1);
        hub.turns.store(turn, Ordering::Relaxed);
        let wants = Wants { times: turn.is_multiple_of(MEASURED), ..Wants::events(LevelFilter::Info) };
        if hub.is_quiet.load(Ordering::Relaxed) {
            return wants;
        }
        let is_asked = hub.is_asked.load(Ordering::Relaxed);
        let has_readers = hub.readers.load(Ordering::Relaxed) > 0;
        let resting = hub.resting.load(Ordering::Relaxed);
        if resting > 0 && !is_asked {
            hub.resting.store(resting - 1, Ordering::Relaxed);
            return wants;
        }
        hub.wants_of_readers(has_readers, wants)
    }

    fn record(&self, record: &Record<'_>) {
        self.0.record(record);
    }
}

/// A reader of events, with its place.
#[derive(Debug)]
pub(super) struct Reader {
    hub: Arc<Hub>,
    cursor: u64,
    /// The only connection that it wants to see.
    connection: Option<u64>,
}

impl Reader {
    pub fn new(hub: &Arc<Hub>, connection: Option<u64>) -> Self {
        hub.readers.fetch_add(1, Ordering::Relaxed);
        hub.note_whether_quiet();
        let mut inner = hub.lock();
        // All connections are shown to it from the beginning.
        let now = Instant::now();
        inner.loops.iter_mut().for_each(|each| each.shown = (0, now));
        let cursor = inner.ring.end();
        inner.wake_others();
        drop(inner);
        Reader { hub: Arc::clone(hub), cursor, connection }
    }

    /// The line that comes before all others, as a server-sent event.
    pub fn header(&self) -> String {
        format!("data: {}\n", self.hub.header)
    }

    /// The next lines, as server-sent events.
    pub fn read(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        let inner = self.hub.lock();
        // A loop that sleeps has connections to show, too.
        let now = Instant::now();
        if inner.loops.len() < inner.wakers.len() || inner.loops.iter().any(|each| now >= each.shown.1) {
            inner.wake_others();
        }
        let dropped = inner.ring.read(&mut self.cursor, self.connection, |line| {
            text.extend_from_slice(b"data: ");
            text.extend_from_slice(line);
            text.push(b'\n');
            text.len() < READ_MAX
        });
        drop(inner);
        if dropped == 0 {
            return text;
        }
        let mut told = format!("data: {}\n", json::dropped(dropped)).into_bytes();
        told.append(&mut text);
        told
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.hub.readers.fetch_sub(1, Ordering::Relaxed);
        self.hub.note_whether_quiet();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selector::{Readiness, WakeFlag};
    use crate::session::End;
    use crate::trace::{LoopIs, Totals};

    /// The hub of a server with this many loops.
    fn watching(loops: usize) -> Watching {
        let watching = Watching(Arc::new(Hub::new("2026-01-01T00:00:00Z", false)));
        (0..loops).for_each(|_| watching.attached(WakeFlag::new().0));
        watching
    }

    fn looping(totals: &Totals, next: Option<usize>) -> LoopIs<'_> {
        let paused = Some("full");
        LoopIs { open: 1, runnable: 0, timers: 0, paused, stopping: false, totals, has_messages: false, next }
    }

    fn tell(watching: &Watching, event: Event<'_>) {
        watching.record(&Record { turn: 1, at: Instant::now(), connection: None, event });
    }

    #[test]
    fn turns_of_many_events_are_as_rare_as_the_limit_demands() {
        let begun = Instant::now();
        let mut bucket = Bucket { tokens: EVENTS_PER_SECOND, filled: begun, skipped: 0 };
        let mut told = 0;
        // Ten seconds of turns of a millisecond, each with 400 events.
        for millis in 1..=10_000 {
            if bucket.has_room(begun + Duration::from_millis(millis)) {
                told += 400;
                bucket.tokens -= 400;
            }
        }
        let limit = 11 * EVENTS_PER_SECOND;
        assert!((limit - 400..=limit + 400).contains(&told), "{told}");
    }

    #[test]
    fn while_nobody_reads_it_wants_little_and_keeps_no_lines() {
        let watching = watching(1);
        let wants: Vec<_> = (0..MEASURED).map(|_| watching.wants()).collect();
        assert!(wants.iter().all(|wants| wants.level == LevelFilter::Info && wants.snapshot.is_none()));
        assert_eq!(wants.iter().filter(|wants| wants.times).count(), 1);
        tell(&watching, Event::Closed { end: &End::Finished, age: None, tally: None });
        assert_eq!(watching.0.lock().ring.end(), 0);
    }

    #[test]
    fn a_reader_gets_details_up_to_a_rate_and_learns_of_turns_without_them() {
        let watching = watching(1);
        let mut reader = Reader::new(&watching.0, None);
        assert_eq!(watching.wants().level, LevelFilter::Trace);
        watching.0.lock().bucket.tokens = 1;
        tell(&watching, Event::Selected { readiness: Readiness::default() });
        let before = watching.0.lock().bucket.filled;
        let has_room = |after: Duration| watching.0.lock().bucket.has_room(before + after);
        assert!(!has_room(Duration::from_micros(100)));
        watching.0.lock().bucket.skipped = 3;
        assert!(has_room(Duration::from_secs(1)));
        assert_eq!(watching.0.lock().bucket.tokens, EVENTS_PER_SECOND);
        assert_eq!(watching.wants().level, LevelFilter::Trace);
        let text = String::from_utf8(reader.read()).unwrap();
        assert!(text.ends_with("data: {\"event\":\"turns_skipped\",\"turns\":3}\n\n"), "{text}");
        drop(reader);
        assert_eq!(watching.level(), LevelFilter::Info);
    }

    #[test]
    fn a_snapshot_is_whole_after_its_last_portion() {
        let watching = watching(1);
        let version = watching.0.ask();
        assert_eq!(watching.wants().snapshot, Some(Portion { from: 0, count: SNAPSHOT }));
        let totals = Totals::default();
        tell(&watching, Event::LoopIs(&looping(&totals, Some(512))));
        assert!(watching.0.latest().version < version);
        assert_eq!(watching.wants().snapshot, Some(Portion { from: 512, count: SNAPSHOT }));
        tell(&watching, Event::LoopIs(&looping(&totals, None)));
        let latest = watching.0.latest();
        assert_eq!(latest.version, version);
        assert_eq!(watching.wants().snapshot, None);
        assert_eq!(watching.0.not_ready(Some(&latest)).unwrap(), "no connection can be accepted: full");
        tell(&watching, Event::Stopping { open: 0, timeout: Duration::ZERO });
        assert_eq!(watching.0.not_ready(None).unwrap(), "stopping");
    }

    #[test]
    fn a_snapshot_has_the_loops_of_all_threads_or_those_that_have_answered() {
        let watching = watching(2);
        let totals = Totals::default();
        let answer = || {
            assert_eq!(watching.wants().snapshot, Some(Portion { from: 0, count: SNAPSHOT }));
            tell(&watching, Event::LoopIs(&looping(&totals, None)));
        };
        let version = watching.0.ask();
        answer();
        assert_eq!(watching.wants().snapshot, None, "this one has answered");
        assert!(watching.0.latest().version < version);
        thread::scope(|scope| scope.spawn(answer).join().unwrap());
        let loops = |snapshot: &Snapshot| snapshot.loops.split(|&byte| byte == b'\n').count();
        assert_eq!((watching.0.latest().version, loops(&watching.0.latest())), (version, 2));

        let version = watching.0.ask();
        answer();
        watching.0.give_up();
        assert_eq!((watching.0.latest().version, loops(&watching.0.latest())), (version, 1));
    }

    #[test]
    fn without_a_loop_a_snapshot_is_there_at_once() {
        let watching = watching(0);
        let version = watching.0.ask();
        assert_eq!(watching.0.latest().version, version);
        assert!(watching.0.ask() > version);
    }
}
