//! Stops from other threads, and wake-ups of a reactor that has ended.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, Weak};
use std::task::Waker;
use std::time::Instant;

use multiconn::reactor::{Config, Reactor};
use multiconn::session::{Peer, Progress, Session, SessionError, SessionIo};
use multiconn::trace::{Event, Record, Subscriber};

use crate::selector::{ADDR, Backlog, QuietSelector};
use crate::waking::office;
use crate::{check, run};

/// A session that does nothing and can be woken.
struct Idler {
    waker: Weak<Mutex<Option<Waker>>>,
}

impl Session for Idler {
    fn advance(&mut self, io: &mut SessionIo<'_>, _now: Instant) -> Result<Progress, SessionError> {
        if let Some(waker) = self.waker.upgrade() {
            *waker.lock().unwrap() = Some(io.waker());
        }
        Ok(Progress::NeedInput)
    }
}

/// Counts the stops.
struct Stops(Arc<AtomicU32>);

impl Subscriber for Stops {
    fn record(&self, record: &Record<'_>) {
        if matches!(record.event, Event::Stopping { .. }) {
            self.0.fetch_add(1, Relaxed);
        }
    }
}

#[test]
fn two_threads_stop_a_reactor_once() {
    check(|| {
        let stops: Arc<AtomicU32> = Arc::default();
        let no_service = |_: &Peer| -> Idler { unreachable!("no peer connects") };
        let subscriber = Stops(Arc::clone(&stops));
        let mut reactor = Reactor::with_subscriber(QuietSelector::new(), no_service, Config::default(), subscriber);
        reactor.add_listener(Backlog(0)).unwrap();
        for _ in 0..2 {
            let handle = reactor.handle();
            run(move || handle.stop());
        }
        reactor.run().unwrap();
        assert_eq!(stops.load(Relaxed), 1);
    });
}

#[test]
fn a_stop_and_a_wake_up_at_once_are_both_seen() {
    check(|| {
        let (mut reactor, [mailbox]) = office([1]);
        reactor.add_listener(Backlog(0)).unwrap();
        let handle = reactor.handle();
        run(move || mailbox.send(0));
        run(move || handle.stop());
        reactor.run().unwrap();
    });
}

#[test]
fn a_reactor_that_has_ended_can_be_woken_and_leaves_nothing_behind() {
    check(|| {
        let selector = QuietSelector::new();
        let flag = Arc::downgrade(selector.flag());
        let waker: Arc<Mutex<Option<Waker>>> = Arc::default();
        let no_service = |_: &Peer| -> Idler { unreachable!("no peer connects") };
        let mut reactor = Reactor::new(selector, no_service, Config::default());
        reactor.connect(&[ADDR], Idler { waker: Arc::downgrade(&waker) });
        while waker.lock().unwrap().is_none() {
            assert!(reactor.turn().unwrap());
        }
        let (handle, waker) = (reactor.handle(), Arc::into_inner(waker).unwrap().into_inner().unwrap().unwrap());
        let stopping = run(move || handle.stop());
        let waking = run(move || {
            waker.wake_by_ref();
            waker.wake();
        });
        reactor.run().unwrap();
        drop(reactor);
        stopping.join().unwrap();
        waking.join().unwrap();
        assert!(flag.upgrade().is_none());
    });
}
