//! Simulated work: the texts' busy handler, for every protocol and model.
//!
//! [`Busy`] puts it between each request and its reply. It shows the largest difference between the models: what
//! happens to other connections while one handler waits or computes.

use std::hint::black_box;
use std::io;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::{cores, no_thread};
use crate::buffer::{Outgoing, Output};
use crate::session::forward::forward_service;
use crate::session::{Connect, End, Peer, Progress, Service, Session, SessionError, SessionIo};

/// The work that a handler does for each request before it replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Waits this long, as for a database: on a timer in a reactor, where others go on; in the other models, the
    /// connection's thread sleeps.
    Wait(Duration),
    /// Computes this long, in processor time, on the connection's thread: in a reactor, all others wait.
    Compute(Duration),
    /// Has a small pool of threads compute, and waits until woken: others go on.
    Offload(Duration),
}

/// A service whose sessions do work for each request.
#[derive(Debug)]
pub struct Busy<V> {
    service: V,
    work: Work,
    computers: Option<Arc<Computers>>,
}

impl<V: Service> Busy<V> {
    /// Gives each request of `service` some `work`.
    ///
    /// # Errors
    /// If the threads for [`Work::Offload`], one per core, can't be started.
    pub fn new(service: V, work: Work) -> io::Result<Self> {
        let computers = match work {
            Work::Offload(_) => Some(Arc::new(Computers::start(cores())?)),
            Work::Wait(_) | Work::Compute(_) => None,
        };
        Ok(Busy { service, work, computers })
    }
}

impl<V: Service> Busy<V> {
    fn session(&self, session: V::Session, work: Option<Work>) -> BusySession<V::Session> {
        BusySession { session, work, computers: self.computers.clone(), job: None }
    }
}

impl<V: Service> Service for Busy<V> {
    type Session = BusySession<V::Session>;

    fn accept(&mut self, peer: &Peer) -> Self::Session {
        let session = self.service.accept(peer);
        self.session(session, Some(self.work))
    }

    fn accept_from(&mut self, listener: usize, peer: &Peer) -> Self::Session {
        let session = self.service.accept_from(listener, peer);
        self.session(session, Some(self.work))
    }

    fn ended(&mut self, session: Self::Session, peer: &Peer, end: End) {
        self.service.ended(session.session, peer, end);
    }

    forward_service!(service);

    fn shares_state(&self) -> bool {
        // A forked child doesn't have the computing threads.
        self.computers.is_some() || self.service.shares_state()
    }

    /// Opened connections make requests and receive none, so they do no work.
    fn next_connect(&mut self) -> Option<Connect<Self::Session>> {
        let Connect { addresses, session } = self.service.next_connect()?;
        Some(Connect { addresses, session: self.session(session, None) })
    }
}

/// A session that does work for each request.
#[derive(Debug)]
pub struct BusySession<T> {
    session: T,
    work: Option<Work>,
    computers: Option<Arc<Computers>>,
    job: Option<Job>,
}

/// The work for one request.
#[derive(Debug)]
struct Job {
    awaited: Awaited,
    /// The reply, which is sent once the work is done.
    reply: Reply,
}

/// The result of one call of the session.
#[derive(Debug)]
struct Reply {
    output: Outgoing,
    progress: Progress,
    /// Whether our sending side ends after it.
    ends_output: bool,
}

#[derive(Debug)]
enum Awaited {
    Time(Instant),
    Result(Arc<Computation>),
}

impl<T: Session> Session for BusySession<T> {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        let Some(work) = self.work else { return self.session.advance(io, now) };
        if let Some(job) = self.job.take() {
            if !job.is_done(now) {
                self.job = Some(job);
                return Ok(Progress::Working);
            }
            return Ok(job.reply.send(io));
        }
        if !io.output().has_room() {
            return Ok(Progress::NeedRoom);
        }
        let reply = self.handle(io, now)?;
        if reply.output.is_empty() {
            if reply.ends_output {
                io.end_output();
            }
            return Ok(reply.progress);
        }
        let awaited = match work {
            Work::Wait(time) => Awaited::Time(now + time),
            Work::Compute(time) => {
                compute(time, || true);
                return Ok(reply.send(io));
            }
            Work::Offload(time) => {
                let computers = self.computers.as_ref().expect("they are there where work is offloaded");
                Awaited::Result(computers.submit(time, io.waker()))
            }
        };
        self.job = Some(Job { awaited, reply });
        Ok(Progress::Working)
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.job {
            Some(Job { awaited: Awaited::Time(until), .. }) => Some(*until),
            Some(Job { awaited: Awaited::Result(_), .. }) => None,
            None => self.session.deadline(),
        }
    }

    fn is_idle(&self) -> bool {
        self.job.is_none() && self.session.is_idle()
    }

    fn refuse(&mut self, output: &mut Output<'_>, why: &str) {
        self.session.refuse(output, why);
    }
}

impl<T: Session> BusySession<T> {
    /// Lets the session handle at most one request, and returns its reply. An error, with its reply, costs no work.
    fn handle(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Reply, SessionError> {
        let mut output = Outgoing::default();
        let result = io.divert(&mut output, 1, |io| self.session.advance(io, now));
        match result {
            // The end of our side waits for the reply.
            Ok(progress) => Ok(Reply { output, progress, ends_output: mem::take(&mut io.ends_output) }),
            Err(error) => {
                io.output().append(output);
                Err(error)
            }
        }
    }
}

impl Reply {
    /// Sends it. Unless it's the last, the session is called again in the next turn: it may have been woken meanwhile, or
    /// the server may be stopping; and the time that the work took was not the peer's.
    fn send(self, io: &mut SessionIo<'_>) -> Progress {
        io.output().append(self.output);
        if self.ends_output {
            io.end_output();
        }
        match self.progress {
            Progress::Finished => Progress::Finished,
            Progress::NeedInput | Progress::NeedRoom | Progress::NeedEither | Progress::Working | Progress::Yield => {
                Progress::Yield
            }
        }
    }
}

impl Job {
    fn is_done(&self, now: Instant) -> bool {
        match &self.awaited {
            Awaited::Time(until) => now >= *until,
            Awaited::Result(computation) => computation.done.load(Ordering::Acquire),
        }
    }
}

/// Keeps this thread's processor busy for `time`, or until the result is no longer wanted.
fn compute(time: Duration, is_wanted: impl Fn() -> bool) {
    let used = || {
        let used = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(used.tv_sec.unsigned_abs(), u32::try_from(used.tv_nsec).unwrap_or(0))
    };
    let end = used() + time;
    let mut number = 1u64;
    while is_wanted() && used() < end {
        for _ in 0..1000 {
            number = black_box(number.wrapping_mul(6364136223846793005).wrapping_add(1));
        }
    }
}

/// A small pool of threads that compute.
#[derive(Debug)]
struct Computers {
    queue: Option<Sender<Arc<Computation>>>,
    threads: Vec<JoinHandle<()>>,
}

/// A task for the pool.
#[derive(Debug)]
struct Computation {
    time: Duration,
    done: AtomicBool,
    /// Wakes the session that waits for it.
    waker: Waker,
}

impl Computers {
    fn start(count: usize) -> io::Result<Self> {
        let (queue, computations) = mpsc::channel();
        let computations = Arc::new(Mutex::new(computations));
        let mut computers = Computers { queue: Some(queue), threads: Vec::new() };
        for number in 1..=count {
            let computations = Arc::clone(&computations);
            let builder = thread::Builder::new().name(format!("computer {number}"));
            computers.threads.push(
                builder.spawn(move || compute_all(&computations)).map_err(|error| no_thread(number, count, &error))?,
            );
        }
        Ok(computers)
    }

    /// Has a thread of the pool compute for `time`, and then wake `waker`. Each connection has at most one task.
    fn submit(&self, time: Duration, waker: Waker) -> Arc<Computation> {
        let computation = Arc::new(Computation { time, done: AtomicBool::new(false), waker });
        let queue = self.queue.as_ref().expect("it's open until they are dropped");
        queue.send(Arc::clone(&computation)).expect("they end only when the queue is closed");
        computation
    }
}

fn compute_all(computations: &Mutex<Receiver<Arc<Computation>>>) {
    let next = || computations.lock().unwrap_or_else(PoisonError::into_inner).recv();
    while let Ok(computation) = next() {
        // If the connection is gone, this is the only reference left.
        compute(computation.time, || Arc::strong_count(&computation) > 1);
        computation.done.store(true, Ordering::Release);
        computation.waker.wake_by_ref();
    }
}

impl Drop for Computers {
    fn drop(&mut self) {
        self.queue = None;
        for thread in mem::take(&mut self.threads) {
            // The thread has no way to panic.
            let _ = thread.join();
        }
    }
}
