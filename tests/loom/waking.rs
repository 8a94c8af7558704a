//! Sessions woken from other threads.

use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Instant;

use loom::sync::atomic::AtomicBool;
use loom::sync::atomic::Ordering::Relaxed;
use multiconn::reactor::{Config, Reactor};
use multiconn::session::{Peer, Progress, Session, SessionError, SessionIo};

use crate::selector::{ADDR, QuietSelector};
use crate::{check, run};

/// A letter to a session. It has no order of its own: what is written before a wake-up is there after it.
#[derive(Default)]
pub struct Letter(AtomicBool);

impl Letter {
    pub fn write(&self) {
        self.0.store(true, Relaxed);
    }

    fn is_there(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// A session that finishes when all its letters are there.
pub struct Reader {
    letters: Arc<[Letter]>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    waker: Option<Waker>,
    calls: usize,
}

impl Session for Reader {
    fn advance(&mut self, io: &mut SessionIo<'_>, _now: Instant) -> Result<Progress, SessionError> {
        let is_done = self.letters.iter().all(Letter::is_there);
        let waker = io.waker();
        let mut seen = self.seen.lock().unwrap();
        seen.calls += 1;
        seen.waker = Some(waker);
        Ok(if is_done { Progress::Finished } else { Progress::Working })
    }

    fn is_idle(&self) -> bool {
        false
    }
}

/// A reader that a reactor runs, seen from outside.
pub struct Mailbox {
    letters: Arc<[Letter]>,
    waker: Waker,
    seen: Arc<Mutex<Seen>>,
    /// The calls before anything happened.
    calls: usize,
}

pub type Office = Reactor<QuietSelector, fn(&Peer) -> Reader>;

/// Creates a reactor with a session for each of `counts`, which waits for that number of letters.
pub fn office<const SESSIONS: usize>(counts: [usize; SESSIONS]) -> (Office, [Mailbox; SESSIONS]) {
    let no_service: fn(&Peer) -> Reader = |_| unreachable!("no peer connects");
    let mut reactor = Reactor::new(QuietSelector::new(), no_service, Config::default());
    let mailboxes = counts.map(|count| {
        let letters: Arc<[Letter]> = (0..count).map(|_| Letter::default()).collect();
        let seen: Arc<Mutex<Seen>> = Arc::default();
        reactor.connect(&[ADDR], Reader { letters: Arc::clone(&letters), seen: Arc::clone(&seen) });
        let waker = loop {
            assert!(reactor.turn().unwrap());
            if let Some(waker) = seen.lock().unwrap().waker.clone() {
                break waker;
            }
        };
        let calls = seen.lock().unwrap().calls;
        Mailbox { letters, waker, seen, calls }
    });
    (reactor, mailboxes)
}

impl Mailbox {
    /// Writes a letter, and then wakes the reader.
    pub fn send(&self, index: usize) {
        self.letters[index].write();
        self.waker.wake_by_ref();
    }

    /// The number of the reader's calls since this was created.
    fn calls(&self) -> usize {
        self.seen.lock().unwrap().calls - self.calls
    }
}

#[test]
fn each_wake_up_calls_the_session_once_which_sees_what_came_before() {
    check(|| {
        let (mut reactor, [mailbox]) = office([2]);
        let mailbox = Arc::new(mailbox);
        for index in 0..2 {
            let mailbox = Arc::clone(&mailbox);
            run(move || mailbox.send(index));
        }
        reactor.run().unwrap();
        // Two at once count as one.
        assert!(mailbox.calls() <= 2);
    });
}

#[test]
fn a_wake_up_calls_no_other_session() {
    check(|| {
        // The first waits for another letter, so that it is still there.
        let (mut reactor, [first, second]) = office([2, 1]);
        let mailboxes = Arc::new([first, second]);
        let [first, second] = &*mailboxes;
        let senders = Arc::clone(&mailboxes);
        run(move || senders.iter().for_each(|mailbox| mailbox.send(0)));
        while second.calls() == 0 {
            assert!(reactor.turn().unwrap());
        }
        assert_eq!(first.calls(), 1);
    });
}

#[test]
#[should_panic = "nothing wakes the loop any more"]
fn a_letter_written_after_the_wake_up_may_never_be_read() {
    check(|| {
        let (mut reactor, [mailbox]) = office([1]);
        run(move || {
            mailbox.waker.wake_by_ref();
            mailbox.letters[0].write();
        });
        reactor.run().unwrap();
    });
}
