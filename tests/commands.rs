//! Commands without processes and sockets: each test scripts the programs of a runner and the peers of a simulated
//! network, in virtual time. Also the client's session, with its input split in every way.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use multiconn::buffer::Tail;
use multiconn::connection;
use multiconn::protocols::command::{
    CommandClient, CommandService, Limits, News, Program, Runner, Running, StartError,
};
use multiconn::reactor::{Config, Reactor};
use multiconn::selector::sim::{SimNet, SimPeer, SimSelector};
use multiconn::session::testing::Harness;
use multiconn::session::{Progress, Session};

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Runs programs that do what the test says. Clones are the same.
#[derive(Clone, Debug, Default)]
struct Stage(Arc<Mutex<Vec<Act>>>);

/// A program that was started.
#[derive(Debug)]
struct Act {
    name: String,
    waker: Waker,
    output: Vec<u8>,
    /// It goes on and on.
    floods: bool,
    end: Option<io::Result<ExitStatus>>,
    taken: usize,
    is_dropped: bool,
}

#[derive(Debug)]
struct Actor(Stage, usize);

impl Runner for Stage {
    fn start(&self, program: &Program, waker: Waker) -> Result<Box<dyn Running>, StartError> {
        match program.name.as_str() {
            "full" => return Err(StartError::TooMany),
            "ps" => return Err(StartError::Refused(io::ErrorKind::OutOfMemory.into())),
            _ => {}
        }
        let mut acts = self.0.lock().unwrap();
        acts.push(Act {
            name: program.name.clone(),
            waker,
            output: Vec::new(),
            floods: false,
            end: None,
            taken: 0,
            is_dropped: false,
        });
        Ok(Box::new(Actor(self.clone(), acts.len() - 1)))
    }
}

impl Running for Actor {
    fn read(&mut self, output: &mut Tail<'_>, len_max: usize) -> Poll<io::Result<News>> {
        let act = &mut self.0.0.lock().unwrap()[self.1];
        assert!(len_max > 0);
        if act.floods {
            act.output.resize(len_max, b'x');
        }
        let len = act.output.len().min(len_max);
        if len > 0 {
            output.extend(act.output.drain(..len));
            act.taken += len;
            return Poll::Ready(Ok(News::Output(len)));
        }
        act.end.take().map_or(Poll::Pending, |end| Poll::Ready(end.map(News::Ended)))
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        self.0.0.lock().unwrap()[self.1].is_dropped = true;
    }
}

impl Stage {
    fn act<R>(&self, index: usize, what: impl FnOnce(&mut Act) -> R) -> R {
        what(&mut self.0.lock().unwrap()[index])
    }

    /// Changes a program, if there is one, and wakes its session.
    fn change(&self, index: usize, what: impl FnOnce(&mut Act)) {
        let mut acts = self.0.lock().unwrap();
        let Some(act) = acts.get_mut(index) else { return };
        what(act);
        let waker = act.waker.clone();
        drop(acts);
        waker.wake();
    }

    fn put_out(&self, index: usize, bytes: impl AsRef<[u8]>) {
        self.change(index, |act| act.output.extend(bytes.as_ref()));
    }

    fn end(&self, index: usize, status: i32) {
        self.change(index, |act| act.end = Some(Ok(ExitStatus::from_raw(status << 8))));
    }

    fn started(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|act| act.name.clone()).collect()
    }

    fn is_dropped(&self, index: usize) -> bool {
        self.act(index, |act| act.is_dropped)
    }
}

struct Server {
    net: SimNet,
    stage: Stage,
    reactor: Reactor<SimSelector, CommandService>,
}

fn server_addr() -> SocketAddr {
    SocketAddr::from(([10, 255, 0, 1], 8888))
}

impl Server {
    fn new() -> Server {
        Server::with(Limits::default(), Config::default())
    }

    fn with(limits: Limits, config: impl Into<Config>) -> Server {
        let (net, stage) = (SimNet::new(1), Stage::default());
        let programs =
            ["w", "ps", "full"].map(|name| Program { name: name.into(), path: "/nowhere".into(), args: Vec::new() });
        let service = CommandService::new(programs.into(), stage.clone(), limits);
        let mut reactor = Reactor::new(net.selector(), service, config);
        reactor.add_listener(net.listener(server_addr())).expect("a listener");
        Server { net, stage, reactor }
    }

    fn client_at(&self, time: Duration) -> SimPeer {
        self.net.client_at(time, server_addr())
    }

    /// Lets the stage do something at `time`.
    fn at(&self, time: Duration, what: impl FnOnce(&Stage) + 'static) -> &Self {
        let stage = self.stage.clone();
        self.net.at(time, move || what(&stage));
        self
    }

    #[track_caller]
    fn run_until(&mut self, time: Duration) {
        let handle = self.reactor.handle();
        self.net.at(time, move || handle.stop());
        self.reactor.run().expect("it stops in order");
        assert_eq!(self.net.open_streams(), 0, "every stream is closed");
        assert!(self.stage.0.lock().unwrap().iter().all(|act| act.is_dropped), "nothing is left running");
    }
}

#[test]
fn a_name_ends_with_a_newline_or_the_end_or_a_pause() {
    for (sent, ends, starts_after) in [
        ("w\n", false, Duration::ZERO),
        ("w\r\n", false, Duration::ZERO),
        ("w\nps\n\0 and more", false, Duration::ZERO),
        ("w", true, Duration::ZERO),
        ("w\r", true, Duration::ZERO),
        ("w", false, millis(50)),
        ("w\r", false, millis(50)),
    ] {
        let mut server = Server::new();
        let peer = server.client_at(seconds(1));
        peer.send_at(seconds(1), sent);
        if ends {
            peer.end_at(seconds(1));
        }
        let time = seconds(1) + starts_after;
        if !starts_after.is_zero() {
            server.at(time - millis(1), |stage| assert!(stage.started().is_empty()));
        }
        server.at(time + millis(1), |stage| assert_eq!(stage.started(), ["w"]));
        server.at(seconds(5), |stage| {
            stage.put_out(0, "who and what\n");
            stage.end(0, 0);
        });
        server.run_until(seconds(10));
        assert_eq!(peer.received(), b"who and what\n", "{sent:?}");
        assert_eq!((peer.end_seen(), peer.reset_seen()), (Some(seconds(5)), None), "{sent:?}");
    }
}

#[test]
fn a_name_may_come_a_byte_at_a_time() {
    let mut server = Server::new();
    let quick = server.client_at(seconds(1));
    quick.drip_at(seconds(1), millis(49), "w\r\n");
    let slow = server.client_at(seconds(2));
    slow.drip_at(seconds(2), millis(51), "ww\n");
    server.at(seconds(3), |stage| stage.end(0, 0));
    server.run_until(seconds(4));
    assert_eq!(server.stage.started(), ["w", "w"], "the pause has ended the second one's name");
    assert_eq!(quick.end_seen(), Some(seconds(3)));
}

#[test]
fn a_name_that_is_not_on_the_list_is_told_so() {
    let long = "n".repeat(100);
    for (sent, name) in [
        ("top\n", "'top'"),
        ("\n", "''"),
        ("W\n", "'W'"),
        (" w\n", "' w'"),
        ("w; reboot\n", "'w; reboot'"),
        ("w\0\x1b[31m🐶\n", r"'w\x00\x1b[31m\xf0\x9f\x90\xb6'"),
        (&format!("{long}\n"), &format!("'{long}'")),
        (&format!("{long}\r\n"), &format!("'{long}'")),
        (&format!("{long}n\n"), &format!("'{long}n'")),
        (&format!("{long}nn\n"), &format!("'{long}' and more")),
        (&long.repeat(10_000), &format!("'{long}' and more")),
    ] {
        let mut server = Server::new();
        let peer = server.client_at(seconds(1));
        peer.send_at(seconds(1), sent);
        server.run_until(seconds(10));
        let said = String::from_utf8(peer.received()).unwrap();
        assert_eq!(said, format!("Error: {name} is not one of: w, ps, full\n"));
        assert_eq!((peer.end_seen(), peer.reset_seen()), (Some(seconds(1)), None), "{name}");
    }
}

#[test]
fn what_is_said_does_not_depend_on_the_pieces() {
    let sent = format!("{}\n", "n".repeat(120));
    let mut server = Server::new();
    server.net.split_reads();
    let peer = server.client_at(seconds(1));
    peer.drip_at(seconds(1), millis(10), sent);
    server.run_until(seconds(10));
    let said = String::from_utf8(peer.received()).unwrap();
    assert_eq!(said, format!("Error: '{}' and more is not one of: w, ps, full\n", "n".repeat(100)));
}

#[test]
fn who_names_nothing_gets_nothing() {
    let mut server = Server::new();
    let silent = server.client_at(seconds(1));
    let ending = server.client_at(seconds(2));
    ending.end_at(seconds(3));
    let reset = server.client_at(seconds(4));
    reset.send_at(seconds(4), "to").reset_at(seconds(4));
    server.run_until(seconds(100));
    assert_eq!((silent.received(), silent.closed()), (vec![], Some(seconds(61))));
    assert_eq!((ending.received(), ending.closed()), (vec![], Some(seconds(3))));
    assert!(server.stage.started().is_empty());
}

#[test]
fn what_keeps_a_program_from_running_is_told() {
    let mut server = Server::new();
    let [full, refused, missing] = [1, 2, 3].map(|n| server.client_at(seconds(n)));
    full.send_at(seconds(1), "full\n");
    refused.send_at(seconds(2), "ps\n");
    missing.send_at(seconds(3), "w\n");
    server.at(seconds(4), |stage| stage.change(0, |act| act.end = Some(Err(io::ErrorKind::NotFound.into()))));
    server.run_until(seconds(10));
    assert_eq!(full.received(), b"Error: too many programs are running, try again later\n");
    assert_eq!(refused.received(), b"Error: cannot run 'ps': out of memory\n");
    assert_eq!(missing.received(), b"Error: cannot run 'w': no such file\n");
}

#[test]
fn output_comes_as_it_is_put_out_and_a_status_says_nothing() {
    for status in [0, 3] {
        let mut server = Server::new();
        let peer = server.client_at(seconds(1));
        // What is sent meanwhile has no meaning.
        peer.send_at(seconds(1), "w\n").send_at(seconds(3), "ps\n").send_at(seconds(4), "ps\n".repeat(300_000));
        server.at(seconds(2), |stage| stage.put_out(0, "one\ntw"));
        let seen = peer.clone();
        server.net.at(seconds(3), move || assert_eq!(seen.received(), b"one\ntw"));
        server.at(seconds(5), |stage| stage.put_out(0, "o\nthree"));
        server.at(seconds(6), move |stage| stage.end(0, status));
        server.run_until(seconds(10));
        assert_eq!(peer.received(), b"one\ntwo\nthree");
        assert_eq!((peer.end_seen(), peer.reset_seen()), (Some(seconds(6)), None));
        assert_eq!(server.stage.started(), ["w"]);
    }
}

#[test]
fn who_ends_its_side_with_the_name_waits_and_who_ends_it_later_has_gone() {
    for (ends_after, waits) in [(0, true), (99, true), (100, true), (101, false), (5000, false)] {
        let mut server = Server::new();
        let peer = server.client_at(seconds(1));
        peer.send_at(seconds(1), "w\n").end_at(seconds(1) + millis(ends_after));
        server.at(millis(6200), move |stage| assert_eq!(stage.is_dropped(0), !waits, "{ends_after} ms"));
        server.at(seconds(7), |stage| {
            stage.put_out(0, "w\n");
            stage.end(0, 0);
        });
        server.run_until(seconds(10));
        assert_eq!(peer.received(), if waits { &b"w\n"[..] } else { b"" }, "{ends_after} ms");
    }
    // The name was whole only after the pause.
    let mut server = Server::new();
    let peer = server.client_at(seconds(1));
    peer.send_at(seconds(1), "w").end_at(seconds(1) + millis(149));
    server.at(seconds(3), |stage| stage.put_out(0, "w\n"));
    server.at(seconds(4), |stage| stage.end(0, 0));
    server.run_until(seconds(10));
    assert_eq!(peer.received(), b"w\n");
}

#[test]
fn who_is_gone_leaves_nothing_running() {
    let mut server = Server::new();
    let reset = server.client_at(seconds(1));
    reset.send_at(seconds(1), "w\n").reset_at(seconds(2));
    server.at(seconds(2) + millis(1), |stage| assert!(stage.is_dropped(0)));
    // One that waited for the answer with its side ended, and is reset.
    let waiting = server.client_at(seconds(6));
    waiting.send_at(seconds(6), "w\n").end_at(seconds(6)).reset_at(seconds(7));
    server.at(seconds(7) - millis(1), |stage| assert!(!stage.is_dropped(2)));
    server.at(seconds(7) + millis(1), |stage| assert!(stage.is_dropped(2)));
    // One that waited for the answer, and left: that shows when something is sent to it.
    let left = server.client_at(seconds(3));
    left.send_at(seconds(3), "w\n").close_at(seconds(3));
    server.at(seconds(4), |stage| stage.put_out(1, "1\n"));
    server.at(seconds(5), |stage| stage.put_out(1, "2\n"));
    server.at(seconds(5) + millis(1), |stage| assert!(stage.is_dropped(1)));
    // One that reads nothing.
    let stuck = server.client_at(seconds(10));
    stuck.reads_nothing().window(10).send_at(seconds(10), "w\n");
    server.at(seconds(11), |stage| stage.put_out(3, "much more than there is room for\n"));
    // Its program's time is over sooner than its own.
    server.at(seconds(40) + millis(1), |stage| assert!(stage.is_dropped(3)));
    server.run_until(seconds(60));
    assert_eq!(stuck.closed(), Some(seconds(41)));
}

#[test]
fn a_program_that_takes_too_long_is_ended_and_the_client_told() {
    for (output, told) in [
        ("", "Error: 'w' was ended after 30s\n"),
        ("line\n", "line\nError: 'w' was ended after 30s\n"),
        ("half a line", "half a line\nError: 'w' was ended after 30s\n"),
    ] {
        for half_closed in [false, true] {
            let mut server = Server::new();
            let peer = server.client_at(seconds(1));
            peer.send_at(seconds(1), "w\n");
            if half_closed {
                peer.end_at(seconds(1));
            }
            server.at(seconds(2), move |stage| stage.put_out(0, output));
            server.at(millis(30_999), |stage| assert!(!stage.is_dropped(0)));
            server.at(millis(31_001), |stage| assert!(stage.is_dropped(0)));
            server.run_until(seconds(40));
            assert_eq!(String::from_utf8(peer.received()).unwrap(), told);
            assert_eq!((peer.end_seen(), peer.reset_seen()), (Some(seconds(31)), None));
        }
    }
}

#[test]
fn a_program_that_puts_out_too_much_is_ended_and_the_client_told() {
    for (pieces, told) in [
        (&["12345", "67890"][..], "1234567890"),
        (&["1234567890"], "1234567890"),
        (&["123456789\n"], "123456789\n"),
        (&["12345678901"], "1234567890\nError: 'w' was ended after 10 bytes of output\n"),
        (&["123456789", "\n", "1"], "123456789\nError: 'w' was ended after 10 bytes of output\n"),
        (&["123456789012345678901234567890"], "1234567890\nError: 'w' was ended after 10 bytes of output\n"),
    ] {
        let mut server = Server::with(Limits { output_len_max: 10, ..Limits::default() }, Config::default());
        let peer = server.client_at(seconds(1));
        peer.send_at(seconds(1), "w\n");
        for (&piece, n) in pieces.iter().zip(2..) {
            server.at(seconds(n), move |stage| stage.put_out(0, piece));
        }
        server.at(seconds(8), |stage| stage.end(0, 0));
        server.run_until(seconds(10));
        assert_eq!(String::from_utf8(peer.received()).unwrap(), told, "{pieces:?}");
        let is_ended = told.contains("Error");
        assert_eq!(peer.end_seen().unwrap() < seconds(8), is_ended, "{pieces:?}");
    }
}

#[test]
fn a_slow_reader_makes_the_program_wait() {
    let config = connection::Config { output_high_water: 1000, ..connection::Config::default() };
    let mut server = Server::with(Limits::default(), config);
    let peer = server.client_at(seconds(1));
    peer.reads_nothing().window(500).send_at(seconds(1), "w\n");
    server.at(seconds(2), |stage| stage.change(0, |act| act.output = vec![b'x'; 1_000_000]));
    let seen = 300_000;
    server.at(seconds(3), move |stage| stage.act(0, |act| assert!(act.taken <= seen, "{}", act.taken)));
    for n in 3..13 {
        peer.read_at(seconds(n), 400);
    }
    server.at(seconds(13), move |stage| stage.act(0, |act| assert!(act.taken <= seen, "{}", act.taken)));
    peer.read_all_from(seconds(14));
    server.at(seconds(15), |stage| stage.act(0, |act| assert_eq!(act.taken, 1_000_000)));
    server.at(seconds(16), |stage| stage.end(0, 0));
    server.run_until(seconds(20));
    assert_eq!(peer.received().len(), 1_000_000);
}

#[test]
fn one_that_floods_leaves_others_their_turn() {
    let limits = Limits { output_len_max: 1 << 30, run_time_max: seconds(2) };
    let mut server =
        Server::with(limits, connection::Config { output_high_water: 1 << 30, ..connection::Config::default() });
    server.net.set_turn_time(millis(10));
    let flooded = server.client_at(seconds(1));
    flooded.send_at(seconds(1), "w\n");
    server.at(millis(1500), |stage| stage.change(0, |act| act.floods = true));
    let other = server.client_at(seconds(2));
    other.send_at(seconds(2), "top\n");
    server.run_until(seconds(10));
    assert!(other.end_seen().unwrap() < millis(2100), "{other:?}");
    assert!(flooded.received().ends_with(b"x\nError: 'w' was ended after 2s\n"));
}

#[test]
fn a_stop_waits_for_programs_and_not_for_ever() {
    let mut server = Server::new();
    let peer = server.client_at(seconds(1));
    peer.send_at(seconds(1), "w\n");
    let idle = server.client_at(seconds(1));
    server.at(seconds(5), |stage| stage.put_out(0, "late\n"));
    server.at(seconds(6), |stage| stage.end(0, 0));
    server.run_until(seconds(3));
    assert_eq!((peer.received(), peer.end_seen()), (b"late\n".to_vec(), Some(seconds(6))));
    assert_eq!(idle.end_seen(), Some(seconds(3)));

    let mut server = Server::new();
    let peer = server.client_at(seconds(1));
    peer.send_at(seconds(1), "w\n");
    server.run_until(seconds(3));
    assert_eq!(peer.closed(), Some(seconds(13)));
}

#[test]
fn whoever_is_one_too_many_is_told() {
    let mut server = Server::with(Limits::default(), Config { connections_max: 1, ..Config::default() });
    let first = server.client_at(seconds(1));
    first.send_at(seconds(1), "w\n");
    let second = server.client_at(seconds(2));
    server.at(seconds(3), |stage| stage.end(0, 0));
    server.run_until(seconds(4));
    assert_eq!(
        String::from_utf8(second.received()).unwrap(),
        "Error: the server is full, its only connection is in use; try again later\n"
    );
}

#[test]
fn every_order_of_events() {
    type Event = fn(&Server, &SimPeer, Duration);
    let events: [Event; 6] = [
        |server, _, time| _ = server.at(time, |stage| stage.put_out(0, "out")),
        |server, _, time| _ = server.at(time, |stage| stage.put_out(0, "put\n")),
        |server, _, time| _ = server.at(time, |stage| stage.end(0, 1)),
        |_, peer, time| _ = peer.send_at(time, "more\n"),
        |_, peer, time| _ = peer.end_at(time),
        |_, peer, time| _ = peer.reset_at(time),
    ];
    // In every order; one after the other, close together, and all at once.
    for order in permutations(events.len()) {
        for pause in [seconds(1), millis(20), Duration::ZERO] {
            let mut server = Server::new();
            let peer = server.client_at(seconds(1));
            peer.send_at(seconds(1), "w\n");
            for (&event, n) in order.iter().zip(1..) {
                events[event](&server, &peer, seconds(1) + pause * n);
            }
            server.run_until(seconds(50));
            let received = peer.received();
            let whole: &[u8] =
                if order.iter().position(|&event| event == 0) < order.iter().position(|&event| event == 1) {
                    b"output\n"
                } else {
                    b"put\nout"
                };
            assert!(whole.starts_with(&received), "{order:?}, {pause:?}: {received:?}");
            assert!(peer.closed().is_some_and(|time| time <= seconds(31)), "{order:?}, {pause:?}");
        }
    }
}

fn permutations(len: usize) -> Vec<Vec<usize>> {
    if len == 0 {
        return vec![vec![]];
    }
    let shorter = permutations(len - 1);
    let insert = |order: &Vec<usize>, at: usize| [&order[..at], &[len - 1], &order[at..]].concat();
    shorter.iter().flat_map(|order| (0..len).map(move |at| insert(order, at))).collect()
}

/// What the client writes.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One call of a client with these bytes.
fn call<W: Write>(client: &mut Harness<CommandClient<W>>, bytes: &[u8], ends: bool, now: Instant) -> (String, Vec<u8>) {
    client.feed(bytes);
    if ends {
        client.end_input();
    }
    let result = match client.call(now) {
        Ok(Progress::Finished) => "finished".into(),
        Ok(progress) => {
            assert_eq!(progress, Progress::NeedInput);
            String::new()
        }
        Err(error) => error.to_string(),
    };
    (result, client.take_output())
}

#[test]
fn the_servers_own_words_are_told_from_output() {
    let cases: [(&str, &str, Option<&str>); 14] = [
        ("", "", None),
        ("line\nline", "line\nline", None),
        ("Error: 'w' is not one of: ps\n", "", Some("Error: 'w' is not one of: ps")),
        ("Error: cannot run 'w': no such file\n", "", Some("Error: cannot run 'w': no such file")),
        (
            "Error: too many programs are running, try again later\n",
            "",
            Some("Error: too many programs are running, try again later"),
        ),
        ("a\nError: 'w' was ended after 30s\n", "a\n", Some("Error: 'w' was ended after 30s")),
        ("Error: 'w' was ended after 30s\n", "", Some("Error: 'w' was ended after 30s")),
        // Another's words.
        ("Error: 'ps' is not one of: w\n", "Error: 'ps' is not one of: w\n", None),
        ("Error: of a program's own\n", "Error: of a program's own\n", None),
        // Not the only line, not the last one, not a line, not the beginning of one.
        ("a\nError: cannot run 'w': so\n", "a\nError: cannot run 'w': so\n", None),
        ("Error: cannot run 'w': so\nb\n", "Error: cannot run 'w': so\nb\n", None),
        ("Error: 'w' was ended after 1s\nb", "Error: 'w' was ended after 1s\nb", None),
        ("Error: 'w' was ended after 1s", "Error: 'w' was ended after 1s", None),
        ("aError: 'w' was ended after 1s\n", "aError: 'w' was ended after 1s\n", None),
    ];
    let now = Instant::now();
    for (sent, printed, notice) in cases {
        for first in 0..=sent.len() {
            for second in first..=sent.len() {
                let written = Written::default();
                let mut client = Harness::new(CommandClient::new("w".into(), written.clone(), seconds(60)));
                assert_eq!(call(&mut client, b"", false, now), (String::new(), b"w\n".to_vec()));
                for piece in [&sent[..first], &sent[first..second]] {
                    assert_eq!(call(&mut client, piece.as_bytes(), false, now), (String::new(), vec![]));
                }
                // What can't be the server's is written at once.
                if !sent.starts_with("Error: ") && !sent.contains("\nE") {
                    assert_eq!(*written.0.lock().unwrap(), &sent.as_bytes()[..second]);
                }
                assert_eq!(call(&mut client, &sent.as_bytes()[second..], true, now).0, "finished");
                let said = client.session.into_notice().unwrap().map(|words| String::from_utf8(words).unwrap());
                assert_eq!(said.as_deref(), notice, "{sent:?}");
                assert_eq!(*written.0.lock().unwrap(), printed.as_bytes(), "{sent:?}");
            }
        }
    }
}

#[test]
fn a_server_may_be_silent_only_so_long() {
    let written = Written::default();
    let mut client = Harness::new(CommandClient::new("w".into(), written.clone(), seconds(60)));
    let now = Instant::now();
    call(&mut client, b"", false, now);
    assert_eq!(client.session.deadline(), Some(now + seconds(60)));
    assert_eq!(call(&mut client, b"x", false, now + seconds(59)).0, "");
    assert_eq!(client.session.deadline(), Some(now + seconds(119)));
    assert_eq!(call(&mut client, b"", false, now + seconds(119)).0, "timed out: nothing came for 60s");
    assert_eq!(client.session.into_notice().unwrap(), None);
    assert_eq!(*written.0.lock().unwrap(), b"x");
}

#[test]
fn output_that_cannot_be_written_ends_the_client() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut client = Harness::new(CommandClient::new("w".into(), Closed, seconds(60)));
    let now = Instant::now();
    assert_eq!(call(&mut client, b"", false, now).0, "");
    assert_eq!(call(&mut client, b"x", false, now).0, "the output cannot be written");
    assert_eq!(client.session.into_notice().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
}
