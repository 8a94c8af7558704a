//! Reloads requested from other threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use loom::sync::atomic::AtomicUsize;
use loom::thread;
use multiconn::protocols::echo::EchoService;
use multiconn::reactor::{Config, Handle, Reactor};
use multiconn::session::{Peer, Reload, Service};

use crate::selector::{Backlog, QuietSelector};
use crate::{check, run};

/// Another thread's part of the configuration. It has no order of its own: what is written before a request is read.
type Part = Arc<AtomicUsize>;

/// A service that reads its configuration again.
struct Reader {
    echo: EchoService,
    parts: [Part; 2],
    read: [usize; 2],
    /// The reloads that have begun.
    begun: u32,
    /// The threads of the reloads, if they have any.
    threads: Option<Arc<Threads>>,
}

#[derive(Default)]
struct Threads {
    running: AtomicU32,
    most: AtomicU32,
    ended: AtomicU32,
}

impl Service for Reader {
    type Session = <EchoService as Service>::Session;

    fn accept(&mut self, peer: &Peer) -> Self::Session {
        self.echo.accept(peer)
    }

    fn reload(&mut self) -> Option<Reload> {
        self.read = [0, 1].map(|index| self.parts[index].load(Relaxed));
        self.begun += 1;
        let threads = Arc::clone(self.threads.as_ref()?);
        Some(Box::new(move || {
            threads.most.fetch_max(threads.running.fetch_add(1, Relaxed) + 1, Relaxed);
            thread::yield_now();
            threads.running.fetch_sub(1, Relaxed);
            threads.ended.fetch_add(1, Relaxed);
        }))
    }
}

fn reactor(threads: Option<Arc<Threads>>) -> (Reactor<QuietSelector, Reader>, [Part; 2]) {
    let parts: [Part; 2] = Default::default();
    let reader = Reader { echo: EchoService::default(), parts: parts.clone(), read: [0; 2], begun: 0, threads };
    let mut reactor = Reactor::new(QuietSelector::new(), reader, Config::default());
    reactor.add_listener(Backlog(0)).unwrap();
    (reactor, parts)
}

/// Writes `part` in another thread, and then requests a reload.
fn request(part: Part, handle: Handle) {
    run(move || {
        part.store(1, Relaxed);
        handle.reload();
    });
}

#[test]
fn a_reload_reads_what_was_written_before_each_request() {
    check(|| {
        let (mut reactor, [first, second]) = reactor(None);
        request(first, reactor.handle());
        request(second, reactor.handle());
        while reactor.service().read != [1, 1] {
            assert!(reactor.turn().unwrap());
        }
        assert!(reactor.service().begun <= 2);
    });
}

#[test]
fn a_request_during_a_reload_is_carried_out_after_it() {
    check(|| {
        let threads: Arc<Threads> = Arc::default();
        let (mut reactor, [part, _]) = reactor(Some(Arc::clone(&threads)));
        reactor.handle().reload();
        request(part, reactor.handle());
        while reactor.service().read[0] == 0 || threads.ended.load(Relaxed) < reactor.service().begun {
            assert!(reactor.turn().unwrap());
        }
        assert_eq!(threads.most.load(Relaxed), 1);
        assert!(reactor.service().begun <= 2);
    });
}
