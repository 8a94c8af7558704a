//! Servers in this process, by [`models::serve`]: under every model they serve, stop when they're told to, and leave
//! nothing behind.
#![cfg(target_os = "linux")]

use std::time::Duration;

/// Nothing takes longer, unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(20);

// Threads have the names of their tests, so the name of this module tells those from a server's.
mod alone {
    use std::fs;
    use std::io::{ErrorKind, Read, Write};
    use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
    use std::panic;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::sync::mpsc::{self, Receiver, Sender};
    use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
    use std::task::Waker;
    use std::thread::{self, JoinHandle};
    use std::time::Instant;

    use multiconn::address::Addr;
    use multiconn::models::{self, Config, Model, ServeError};
    use multiconn::protocols::app::{AppService, Request};
    use multiconn::protocols::echo::EchoService;
    use multiconn::reactor::Handle;
    use multiconn::session::{Peer, Progress, Reload, Service, Session, SessionError, SessionIo};

    use crate::PATIENCE;

    /// The threads and descriptors of this process. One test at a time has them to itself.
    struct Alone {
        before: (Vec<String>, usize),
        _turn: MutexGuard<'static, ()>,
    }

    impl Alone {
        fn new() -> Alone {
            static TURN: Mutex<()> = Mutex::new(());
            let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
            Alone { before: used(), _turn: turn }
        }

        /// That nothing is left of what has run.
        fn nothing_is_left(&self, name: &str) {
            // The system may take a moment to clear away a thread that has ended.
            wait_until(|| used() == self.before, || format!("{name}: {:?}, and before {:?}", used(), self.before));
        }
    }

    /// The names of all threads but those of tests, and the number of descriptors.
    fn used() -> (Vec<String>, usize) {
        let tasks = fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
        // One may have ended meanwhile.
        let mut names: Vec<String> = tasks.filter_map(|task| fs::read_to_string(task.join("comm")).ok()).collect();
        // The thread of a test has the main thread's name at first.
        let main = fs::read_to_string("/proc/self/comm").unwrap();
        names.retain(|name| !name.starts_with("alone::") && *name != main);
        names.sort();
        (names, fs::read_dir("/proc/self/fd").unwrap().count())
    }

    /// Waits until something is so that other threads bring about.
    fn wait_until(is_so: impl Fn() -> bool, failure: impl Fn() -> String) {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < PATIENCE, "{}", failure());
            thread::yield_now();
        }
    }

    /// A way to serve.
    struct Kind {
        name: String,
        model: Model,
        config: Config,
        /// How many connections it serves at once, at most.
        at_once: usize,
    }

    /// All models but the one that needs a process of its own.
    fn kinds() -> Vec<Kind> {
        let mut kinds = Vec::new();
        for model in Model::ALL.into_iter().filter(|&model| model != Model::Fork) {
            for workers in if model.is_reactor() { [1, 3].iter() } else { [1].iter() } {
                let config = Config { workers: *workers, pool_size: 4, ..Config::default() };
                let at_once = match model {
                    Model::Sequential => 1,
                    Model::Pool => config.pool_size,
                    _ => 1000,
                };
                kinds.push(Kind { name: format!("{model} with {workers}"), model, config, at_once });
            }
        }
        kinds
    }

    /// A server that runs in a thread.
    struct Running {
        addresses: Vec<Addr>,
        handle: Handle,
        result: Receiver<std::io::Result<()>>,
        thread: JoinHandle<()>,
    }

    impl Running {
        fn start<V: Service<Session: Send> + Send + 'static>(kind: &Kind, service: V) -> Running {
            let server = models::serve(kind.model, service, kind.config.clone());
            Running::run(server.unwrap_or_else(|error| panic!("{}: {error}", kind.name)))
        }

        fn run(server: models::Server<'static>) -> Running {
            let (addresses, handle) = (server.addresses().to_vec(), server.handle().clone());
            let (sender, result) = mpsc::channel();
            let work = move || sender.send(server.run()).expect("somebody waits for it");
            let thread = thread::Builder::new().name("server".into()).spawn(work).expect("it starts");
            Running { addresses, handle, result, thread }
        }

        fn connect(&self) -> TcpStream {
            connect(self.addresses[0])
        }

        /// Tells it from another thread to stop.
        fn tell_to_stop(&self) {
            let handle = self.handle.clone();
            thread::spawn(move || handle.stop()).join().expect("no panic");
        }

        /// Waits until it has stopped.
        fn stopped(self, name: &str) {
            match self.result.recv_timeout(PATIENCE) {
                Ok(result) => result.unwrap_or_else(|error| panic!("{name}: {error}")),
                Err(error) => panic!("{name}: it does not stop: {error}"),
            }
            self.thread.join().expect("no panic");
        }

        fn stop(self, name: &str) {
            self.tell_to_stop();
            self.stopped(name);
        }
    }

    fn connect(addr: Addr) -> TcpStream {
        let stream = TcpStream::connect(addr).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// What comes back is what is sent.
    fn echo(stream: &mut TcpStream, words: &str) {
        say(stream, words);
        hear(stream, words);
    }

    fn say(stream: &mut TcpStream, words: &str) {
        stream.write_all(words.as_bytes()).unwrap();
    }

    fn hear(stream: &mut TcpStream, words: &str) {
        let mut came = vec![0; words.len()];
        stream.read_exact(&mut came).unwrap_or_else(|error| panic!("{error} instead of '{words}'"));
        assert_eq!(String::from_utf8_lossy(&came), words);
    }

    /// Nothing comes but the end.
    fn hear_the_end(stream: &mut TcpStream) {
        assert_eq!(stream.read(&mut [0]).expect("it ends in order"), 0);
    }

    /// The same, or a reset: for one that was not served yet.
    fn hear_the_end_or_reset(stream: &mut TcpStream) {
        let came = stream.read(&mut [0]).map_err(|error| error.kind());
        assert!(matches!(came, Ok(0) | Err(ErrorKind::ConnectionReset)), "{came:?}");
    }

    /// A connection that is served to its end.
    fn echo_and_end(addr: Addr) {
        let mut stream = connect(addr);
        echo(&mut stream, "🐶 one");
        echo(&mut stream, "🐶 two");
        stream.shutdown(Shutdown::Write).unwrap();
        hear_the_end(&mut stream);
    }

    fn search_and_end(addr: Addr) {
        let mut stream = connect(addr);
        let mut requests = Vec::new();
        Request::Search("ring".into()).write(&mut requests, true);
        Request::Search("morpheus".into()).write(&mut requests, false);
        stream.write_all(&requests).unwrap();
        let mut replies = Vec::new();
        stream.read_to_end(&mut replies).expect("it ends in order");
        let replies = String::from_utf8_lossy(&replies);
        let (ring, morpheus) = replies.split_once("In the caves beneath the Misty Mountains. 💍\"}").expect(&replies);
        assert!(ring.contains("\"result\"") && morpheus.ends_with("{\"result\": \"Follow the white rabbit. 🐰\"}"));
    }

    #[test]
    fn they_serve_and_stop_and_leave_nothing() {
        let alone = Alone::new();
        for kind in kinds() {
            let running = Running::start(&kind, EchoService::default());
            assert!(
                running.addresses.len() == 1 && running.addresses[0].inet().is_some_and(|addr| addr.port() > 0),
                "{}",
                kind.name
            );
            (0..10).for_each(|_| echo_and_end(running.addresses[0]));
            running.stop(&kind.name);
            alone.nothing_is_left(&kind.name);

            let running = Running::start(&kind, AppService::default());
            (0..10).for_each(|_| search_and_end(running.addresses[0]));
            running.stop(&kind.name);
            alone.nothing_is_left(&kind.name);
        }
    }

    #[test]
    fn several_addresses_are_all_served() {
        let alone = Alone::new();
        for Kind { name, model, config, at_once } in kinds() {
            let names = ["127.0.0.1:0 [::1]:0", "127.0.0.1:0", "127.0.0.1:0"];
            let parse = |name: &str| name.split(' ').map(|addr| addr.parse().unwrap()).collect();
            let config = Config { names: names.into_iter().map(parse).collect(), ..config };
            let running = Running::start(&Kind { name: name.clone(), model, config, at_once }, EchoService::default());
            let (v4, v6): (Vec<SocketAddr>, Vec<SocketAddr>) =
                running.addresses.iter().filter_map(|addr| addr.inet()).partition(SocketAddr::is_ipv4);
            assert_eq!(v4.len(), 3, "{name}: {:?}", running.addresses);
            assert!(v4.iter().all(|addr| addr.port() > 0), "{name}: {v4:?}");
            // Where there is IPv6, one name has one port.
            assert!(v6.iter().all(|addr| addr.port() == v4[0].port()), "{name}: {v6:?}, and {v4:?}");
            for _ in 0..3 {
                running.addresses.iter().copied().for_each(echo_and_end);
            }
            running.stop(&name);
            alone.nothing_is_left(&name);
        }
    }

    #[test]
    fn fifty_idle_connections_are_closed_at_a_stop() {
        let alone = Alone::new();
        for kind in kinds() {
            let running = Running::start(&kind, EchoService::default());
            let mut peers: Vec<TcpStream> = (0..50).map(|_| running.connect()).collect();
            let (served, waiting) = peers.split_at_mut(kind.at_once.min(50));
            served.iter_mut().for_each(|peer| echo(peer, "hello"));
            running.tell_to_stop();
            // Each lingers until its peer has closed too.
            for peer in served {
                hear_the_end(peer);
                peer.shutdown(Shutdown::Write).unwrap();
            }
            for peer in waiting {
                hear_the_end_or_reset(peer);
                // It fails where there was a reset.
                let _ = peer.shutdown(Shutdown::Write);
            }
            running.stopped(&kind.name);
            drop(peers);
            alone.nothing_is_left(&kind.name);
        }
    }

    /// By the time the first of them is served, the others may be gone.
    #[test]
    fn a_stop_comes_while_several_listeners_have_connections() {
        let alone = Alone::new();
        for Kind { name, model, config, at_once } in kinds() {
            let names = vec![vec!["127.0.0.1:0".parse().unwrap()]; 3];
            let config = Config { names, ..config };
            let server = models::serve(model, EchoService::default(), config).unwrap();
            let mut peers: Vec<TcpStream> = server.addresses().iter().copied().map(connect).collect();
            // All are there when it begins.
            let running = Running::run(server);
            let (served, waiting) = peers.split_at_mut(at_once.min(3));
            served.iter_mut().for_each(|peer| echo(peer, "hello"));
            running.tell_to_stop();
            for peer in served {
                hear_the_end(peer);
                peer.shutdown(Shutdown::Write).unwrap();
            }
            waiting.iter_mut().for_each(hear_the_end_or_reset);
            running.stopped(&name);
            drop(peers);
            alone.nothing_is_left(&name);
        }
    }

    #[test]
    fn a_server_that_never_runs_leaves_nothing() {
        let alone = Alone::new();
        for kind in kinds() {
            let server = models::serve(kind.model, EchoService::default(), kind.config.clone()).unwrap();
            let mut peer = connect(server.addresses()[0]);
            drop(server);
            hear_the_end_or_reset(&mut peer);
            drop(peer);
            alone.nothing_is_left(&kind.name);
        }
    }

    #[test]
    fn a_stop_that_comes_first_is_heeded() {
        let alone = Alone::new();
        for kind in kinds() {
            let server = models::serve(kind.model, EchoService::default(), kind.config.clone()).unwrap();
            server.handle().stop();
            Running::run(server).stopped(&kind.name);
            alone.nothing_is_left(&kind.name);
        }
    }

    /// Echoes, and counts how often it's told to reload.
    struct Reloads {
        echo: EchoService,
        count: Arc<AtomicUsize>,
    }

    impl Service for Reloads {
        type Session = <EchoService as Service>::Session;

        fn accept(&mut self, peer: &Peer) -> Self::Session {
            self.echo.accept(peer)
        }

        fn reload(&mut self) -> Option<Reload> {
            self.count.fetch_add(1, Ordering::SeqCst);
            None
        }
    }

    #[test]
    fn each_reload_comes_once() {
        let alone = Alone::new();
        for kind in kinds() {
            let count = Arc::new(AtomicUsize::new(0));
            let running = Running::start(&kind, Reloads { echo: EchoService::default(), count: Arc::clone(&count) });
            let reloads = || count.load(Ordering::SeqCst);
            for number in 1..=5 {
                // Somebody is served meanwhile; where there is one at a time, it comes when that one has gone.
                let mut peer = running.connect();
                echo(&mut peer, "before");
                running.handle.reload();
                echo(&mut peer, "after");
                drop(peer);
                wait_until(|| reloads() >= number, || format!("{}: reload {number} does not come", kind.name));
                (0..5).for_each(|_| echo_and_end(running.addresses[0]));
                assert_eq!(reloads(), number, "{}", kind.name);
            }
            running.stop(&kind.name);
            assert_eq!(reloads(), 5, "{}", kind.name);
            alone.nothing_is_left(&kind.name);
        }
    }

    /// Echoes, and goes on with each reload when the test lets it.
    struct Slow {
        echo: EchoService,
        begun: Sender<()>,
        go_on: Arc<Mutex<Receiver<()>>>,
    }

    impl Service for Slow {
        type Session = <EchoService as Service>::Session;

        fn accept(&mut self, peer: &Peer) -> Self::Session {
            self.echo.accept(peer)
        }

        fn reload(&mut self) -> Option<Reload> {
            let (begun, go_on) = (self.begun.clone(), Arc::clone(&self.go_on));
            Some(Box::new(move || {
                begun.send(()).expect("the test waits for it");
                // At the end of the test, nobody lets it go on.
                let _ = go_on.lock().unwrap().recv();
            }))
        }
    }

    #[test]
    fn connections_go_on_during_a_reload_and_a_stop_does_not_wait_for_it() {
        let alone = Alone::new();
        for kind in kinds() {
            let (begun, begins) = mpsc::channel();
            let (let_go_on, go_on) = mpsc::channel();
            let service = Slow { echo: EchoService::default(), begun, go_on: Arc::new(Mutex::new(go_on)) };
            let running = Running::start(&kind, service);
            let begins = || begins.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{}: {error}", kind.name));
            // One that was there before, where it doesn't keep the reload from beginning.
            let mut kept = (kind.at_once > 1).then(|| running.connect());
            kept.iter_mut().for_each(|kept| echo(kept, "before"));
            running.handle.reload();
            begins();
            let all_are_served = |kept: &mut Option<TcpStream>| {
                kept.iter_mut().for_each(|kept| echo(kept, "meanwhile"));
                (0..5).for_each(|_| echo_and_end(running.addresses[0]));
            };
            all_are_served(&mut kept);
            // However many come during a reload, they make one more.
            (0..3).for_each(|_| running.handle.reload());
            all_are_served(&mut kept);
            let_go_on.send(()).unwrap();
            begins();
            all_are_served(&mut kept);
            drop(kept);
            running.stop(&kind.name);
            drop(let_go_on);
            alone.nothing_is_left(&kind.name);
        }
    }

    #[test]
    fn a_panic_in_a_reload_ends_only_that() {
        let alone = Alone::new();
        for kind in kinds() {
            let (begun, begins) = mpsc::channel();
            let (let_go_on, go_on) = mpsc::channel();
            let go_on = Arc::new(Mutex::new(go_on));
            // Its lock is poisoned, so that the reload panics.
            let poison = Arc::clone(&go_on);
            let poisoning = thread::spawn(move || {
                let _locked = poison.lock().unwrap();
                panic::resume_unwind(Box::new("poison"));
            });
            assert!(poisoning.join().is_err());
            let running = Running::start(&kind, Slow { echo: EchoService::default(), begun, go_on });
            for _ in 0..2 {
                running.handle.reload();
                begins.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{}: {error}", kind.name));
                echo_and_end(running.addresses[0]);
            }
            running.stop(&kind.name);
            drop(let_go_on);
            alone.nothing_is_left(&kind.name);
        }
    }

    /// Says that its connections share something.
    struct Sharing(EchoService);

    impl Service for Sharing {
        type Session = <EchoService as Service>::Session;

        fn accept(&mut self, peer: &Peer) -> Self::Session {
            self.0.accept(peer)
        }

        fn shares_state(&self) -> bool {
            true
        }
    }

    #[test]
    fn processes_can_not_share_state_and_threads_can() {
        let alone = Alone::new();
        let refused = models::serve(Model::Fork, Sharing(EchoService::default()), Config::default()).unwrap_err();
        assert!(matches!(refused, ServeError::SharesState { model: Model::Fork }), "{refused:?}");
        assert_eq!(
            refused.to_string(),
            "cannot serve this service under the model fork: its connections share state, and what one process changes \
             no other would see (models that can: reactor, poll, select, sequential, threads, pool)"
        );
        for kind in kinds() {
            let running = Running::start(&kind, Sharing(EchoService::default()));
            echo_and_end(running.addresses[0]);
            running.stop(&kind.name);
        }
        alone.nothing_is_left("all");
    }

    #[test]
    fn an_address_in_use_is_refused() {
        let alone = Alone::new();
        let refused = |kind: &Kind, addr: Addr| {
            let config = Config { names: vec![vec![addr]], ..kind.config.clone() };
            let error = models::serve(kind.model, EchoService::default(), config).unwrap_err();
            assert!(matches!(&error, ServeError::Listen { addr: at, .. } if *at == addr), "{}: {error:?}", kind.name);
            let hint = "(is a server running there already? port 0 picks a free one)";
            assert_eq!(
                error.to_string(),
                format!("cannot listen on {addr}: address already in use {hint}"),
                "{}",
                kind.name
            );
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        for kind in &kinds() {
            refused(kind, listener.local_addr().unwrap().into());
        }
        drop(listener);
        // A server with several workers shares its port among them, but not with anybody else.
        for first in &kinds() {
            let running = Running::start(first, EchoService::default());
            for second in &kinds() {
                refused(second, running.addresses[0]);
            }
            echo_and_end(running.addresses[0]);
            running.stop(&first.name);
        }
        alone.nothing_is_left("all");
    }

    /// Echoes, and panics when it reads `panic`.
    struct Fragile;

    const ON_PURPOSE: &str = "on purpose";

    impl Session for Fragile {
        fn advance(&mut self, io: &mut SessionIo<'_>, _now: Instant) -> Result<Progress, SessionError> {
            let bytes = io.input().take_all();
            assert!(bytes != b"panic", "{ON_PURPOSE}");
            io.output().push(bytes);
            Ok(if io.input_ended() { Progress::Finished } else { Progress::NeedInput })
        }
    }

    /// The kinds, and pools that have fewer workers than connections.
    fn kinds_and_pools() -> Vec<Kind> {
        let pools = [1, 3].map(|pool_size| {
            let config = Config { pool_size, ..Config::default() };
            Kind { name: format!("a pool of {pool_size}"), model: Model::Pool, config, at_once: pool_size }
        });
        kinds().into_iter().chain(pools).collect()
    }

    #[test]
    fn a_panic_ends_its_own_connection_only_and_with_a_reset() {
        let alone = Alone::new();
        for kind in kinds_and_pools() {
            let name = &kind.name;
            let running = Running::start(&kind, |_: &Peer| Fragile);
            let mut others: Vec<TcpStream> = (1..kind.at_once.min(4)).map(|_| running.connect()).collect();
            // More than there are workers.
            for _ in 0..5 {
                others.iter_mut().for_each(|other| echo(other, "before"));
                let mut fragile = running.connect();
                echo(&mut fragile, "hello");
                say(&mut fragile, "panic");
                assert_eq!(fragile.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset, "{name}");
                others.iter_mut().for_each(|other| echo(other, "after"));
                echo_and_end(running.addresses[0]);
            }
            drop(others);
            running.stop(name);
            alone.nothing_is_left(name);
        }
    }

    #[test]
    fn a_service_that_panics_ends_that_connection_only_and_with_a_reset() {
        let alone = Alone::new();
        for kind in kinds_and_pools() {
            let name = &kind.name;
            let mut count = 0;
            let service = move |_: &Peer| {
                count += 1;
                assert!(count % 2 == 0, "{ON_PURPOSE}");
                Fragile
            };
            let running = Running::start(&kind, service);
            for _ in 0..3 {
                let mut refused = running.connect();
                assert_eq!(refused.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset, "{name}");
                echo_and_end(running.addresses[0]);
            }
            running.stop(name);
            alone.nothing_is_left(name);
        }
    }

    /// Echoes, and when it reads `work` has it done elsewhere.
    struct Worker {
        orders: Sender<Order>,
        done: Option<Arc<AtomicBool>>,
    }

    /// Work to do: for whom, and where to write that it's done.
    struct Order {
        waker: Waker,
        done: Arc<AtomicBool>,
    }

    impl Order {
        /// Does it in another thread.
        fn done(self) {
            let work = move || {
                self.done.store(true, Ordering::Release);
                self.waker.wake();
            };
            thread::spawn(work).join().expect("no panic");
        }
    }

    impl Session for Worker {
        fn advance(&mut self, io: &mut SessionIo<'_>, _now: Instant) -> Result<Progress, SessionError> {
            if let Some(done) = &self.done {
                if !done.load(Ordering::Acquire) {
                    return Ok(Progress::Working);
                }
                self.done = None;
                io.output().push(b"done");
            }
            let bytes = io.input().take_all();
            if bytes == b"work" {
                let done = Arc::new(AtomicBool::new(false));
                self.done = Some(Arc::clone(&done));
                self.orders.send(Order { waker: io.waker(), done }).expect("the test waits for it");
                return Ok(Progress::Working);
            }
            io.output().push(bytes);
            Ok(if io.input_ended() { Progress::Finished } else { Progress::NeedInput })
        }
    }

    /// A server whose work the test does.
    fn start_working(kind: &Kind) -> (Running, Receiver<Order>) {
        let (sender, orders) = mpsc::channel();
        let running = Running::start(kind, move |_: &Peer| Worker { orders: sender.clone(), done: None });
        (running, orders)
    }

    #[test]
    fn who_has_work_done_elsewhere_is_woken_and_others_are_served_meanwhile() {
        let alone = Alone::new();
        for kind in kinds() {
            let (running, orders) = start_working(&kind);
            let mut working = running.connect();
            echo(&mut working, "hello");
            for round in 0..3 {
                say(&mut working, "work");
                let order = orders.recv_timeout(PATIENCE).expect("it has work");
                if round > 0 {
                    // For nothing.
                    order.waker.wake_by_ref();
                }
                if kind.at_once > 1 {
                    let mut other = running.connect();
                    echo(&mut other, "meanwhile");
                    say(&mut other, "work");
                    orders.recv_timeout(PATIENCE).expect("it has work too").done();
                    hear(&mut other, "done");
                }
                // It has to wait: else this would come first.
                order.done();
                hear(&mut working, "done");
                echo(&mut working, "hello again");
            }
            drop(working);
            running.stop(&kind.name);
            alone.nothing_is_left(&kind.name);
        }
    }

    #[test]
    fn a_waker_outlives_its_connection_and_its_server() {
        let alone = Alone::new();
        for kind in kinds() {
            let (running, orders) = start_working(&kind);
            let mut working = running.connect();
            say(&mut working, "work");
            let Order { waker, done } = orders.recv_timeout(PATIENCE).expect("it has work");
            done.store(true, Ordering::Release);
            waker.wake_by_ref();
            hear(&mut working, "done");
            drop(working);
            echo_and_end(running.addresses[0]);
            waker.wake_by_ref();
            echo_and_end(running.addresses[0]);
            running.stop(&kind.name);
            waker.wake();
            alone.nothing_is_left(&kind.name);
        }
    }

    #[test]
    fn a_stop_waits_for_work() {
        let alone = Alone::new();
        for kind in kinds() {
            let (running, orders) = start_working(&kind);
            let mut working = running.connect();
            say(&mut working, "work");
            let order = orders.recv_timeout(PATIENCE).expect("it has work");
            running.tell_to_stop();
            // That it has heard of it shows in that it listens no more.
            wait_until(
                || TcpStream::connect(running.addresses[0]).is_err(),
                || format!("{}: it goes on listening", kind.name),
            );
            order.done();
            hear(&mut working, "done");
            hear_the_end(&mut working);
            drop(working);
            running.stopped(&kind.name);
            alone.nothing_is_left(&kind.name);
        }
    }
}
