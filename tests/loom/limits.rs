//! Reactors in several threads with a common limit on their connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Instant;

use multiconn::buffer::Output;
use multiconn::reactor::{Config, Reactor};
use multiconn::session::{End, Peer, Progress, Service, Session, SessionError, SessionIo};

use crate::selector::{Backlog, QuietSelector};
use crate::{check, run};

/// The guests of all reactors.
#[derive(Default)]
struct Guests {
    present: AtomicU32,
    most: AtomicU32,
    served: AtomicU32,
    refused: AtomicU32,
}

/// Stays for two turns.
struct Guest {
    guests: Arc<Guests>,
    is_present: bool,
}

impl Session for Guest {
    fn advance(&mut self, _io: &mut SessionIo<'_>, _now: Instant) -> Result<Progress, SessionError> {
        let Guest { guests, is_present } = self;
        if !*is_present {
            *is_present = true;
            guests.most.fetch_max(guests.present.fetch_add(1, Relaxed) + 1, Relaxed);
            return Ok(Progress::Yield);
        }
        guests.present.fetch_sub(1, Relaxed);
        guests.served.fetch_add(1, Relaxed);
        Ok(Progress::Finished)
    }

    fn refuse(&mut self, _output: &mut Output<'_>, _why: &str) {
        self.guests.refused.fetch_add(1, Relaxed);
    }
}

struct House {
    guests: Arc<Guests>,
    ended: u32,
}

impl Service for House {
    type Session = Guest;

    fn accept(&mut self, _peer: &Peer) -> Guest {
        Guest { guests: Arc::clone(&self.guests), is_present: false }
    }

    fn ended(&mut self, _guest: Guest, _peer: &Peer, _end: End) {
        self.ended += 1;
    }
}

/// Serves or refuses one guest.
fn serve(mut reactor: Reactor<QuietSelector, House>) {
    while reactor.service().ended == 0 {
        assert!(reactor.turn().unwrap());
    }
}

#[test]
fn reactors_together_serve_no_more_than_the_limit_and_lose_no_place() {
    check(|| {
        let guests: Arc<Guests> = Arc::default();
        let house = || House { guests: Arc::clone(&guests), ended: 0 };
        let config = Config { connections_max: 1, ..Config::default() };
        let mut reactors = [(); 3].map(|()| Reactor::new(QuietSelector::new(), house(), config.clone()));
        let [first, others @ ..] = &mut reactors;
        for other in others {
            other.share_limit(first);
        }
        for reactor in &mut reactors {
            reactor.add_listener(Backlog(1)).unwrap();
        }
        let [first, second, third] = reactors;
        let workers = [first, second].map(|reactor| run(move || serve(reactor)));
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        let served = guests.served.load(Relaxed);
        assert_eq!(served + guests.refused.load(Relaxed), 2);
        serve(third);
        assert_eq!(guests.served.load(Relaxed), served + 1);
        assert_eq!(guests.most.load(Relaxed), 1);
    });
}
