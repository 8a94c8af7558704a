//! Sessions wired to each other in memory: no reactor, no selector, and a number as the clock. The result is the same
//! however the bytes are split on their way.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use multiconn::address::Addr;
use multiconn::folder::Folder;
use multiconn::message::{Heading, Limits, write_message};
use multiconn::protocols::app::{AppClient, AppServer, AppService, Reply, Request, Timeouts};
use multiconn::protocols::echo::{Echo, EchoClient, EchoServer, EchoService, EchoTalker, TUTORIAL_MESSAGES};
use multiconn::protocols::fixed::{FAREWELL, FixedClient, FixedServer, FixedService, GREETING};
use multiconn::protocols::getfile::{self, GetFileClient, GetFileService, Store};
use multiconn::protocols::line::PAUSE;
use multiconn::protocols::multiply::{Chunk, MultiplyClient, MultiplyService};
use multiconn::session::testing::Harness;
use multiconn::session::{Peer, Progress, Service, Session, SessionError, SessionIo, Source};

const OUTPUT_HIGH_WATER: usize = 2000;
const SEEDS: u64 = 300;

/// A session between two pipes.
struct Side<T> {
    harness: Harness<T>,
    progress: Progress,
    end: Option<Result<(), SessionError>>,
}

/// The bytes on their way from one side to the other.
#[derive(Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    has_ended: bool,
}

impl<T: Session> Side<T> {
    fn new(session: T) -> Self {
        let mut harness = Harness::new(session);
        harness.high_water = OUTPUT_HIGH_WATER;
        harness.messages_per_call = 3;
        Side { harness, progress: Progress::NeedInput, end: None }
    }

    fn reads(&self) -> bool {
        self.end.is_none()
            && match self.progress {
                Progress::NeedInput => self.harness.output.len() < OUTPUT_HIGH_WATER,
                Progress::NeedEither => true,
                Progress::NeedRoom | Progress::Working | Progress::Yield | Progress::Finished => false,
            }
    }

    /// Takes up to `len` bytes from its pipe, and lets the session go on.
    fn advance(&mut self, from: &mut Pipe, len: usize, now: Instant) {
        if self.end.is_some() {
            return;
        }
        let len = if self.reads() { len.min(from.bytes.len()) } else { 0 };
        let bytes: Vec<u8> = from.bytes.drain(..len).collect();
        self.harness.feed(&bytes);
        if from.has_ended && from.bytes.is_empty() {
            self.harness.end_input();
        }
        match self.harness.call(now) {
            Ok(Progress::Finished) => self.end = Some(Ok(())),
            Ok(progress) => self.progress = progress,
            Err(error) => self.end = Some(Err(error)),
        }
    }

    /// Lets up to `len` bytes of its output go, and the end after the last.
    fn send(&mut self, to: &mut Pipe, len: usize) -> usize {
        let len = len.min(self.harness.output.len());
        let mut sent = vec![0; len];
        self.harness.output.read_exact(&mut sent).expect("so many are there");
        to.bytes.extend(sent);
        to.has_ended = self.end.is_some() && self.harness.output.is_empty();
        len
    }
}

/// Two sides, the pipes between them, and chance.
struct Pair<C, S> {
    client: Side<C>,
    server: Side<S>,
    requests: Pipe,
    replies: Pipe,
    now: Instant,
    epoch: Instant,
    random: u64,
    piece_max: usize,
}

impl<C: Session, S: Session> Pair<C, S> {
    fn new(client: C, server: S, seed: u64) -> Self {
        let epoch = Instant::now();
        let mut pair = Pair {
            client: Side::new(client),
            server: Side::new(server),
            requests: Pipe::default(),
            replies: Pipe::default(),
            now: epoch,
            epoch,
            random: seed ^ 0x5851_f42d_4c95_7f2d,
            piece_max: 1,
        };
        pair.piece_max = [1, 3, 20, 500, 100_000][pair.below(5)];
        pair
    }

    fn below(&mut self, len: usize) -> usize {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) as usize % len
    }

    fn piece(&mut self) -> usize {
        1 + self.below(self.piece_max)
    }

    fn elapsed(&self) -> Duration {
        self.now - self.epoch
    }

    fn is_over(&self) -> bool {
        self.client.end.is_some() && self.server.end.is_some() && self.is_quiet()
    }

    /// Whether nothing on its way can be taken by either side.
    fn is_quiet(&self) -> bool {
        let (client, server) = (&self.client, &self.server);
        client.harness.output.is_empty()
            && server.harness.output.is_empty()
            && (self.requests.bytes.is_empty() || !server.reads())
            && (self.replies.bytes.is_empty() || !client.reads())
    }

    /// Runs both sides in small steps until both have ended. If nothing moves, time passes.
    fn run(&mut self) {
        for _ in 0..1_000_000 {
            for _ in 0..8 {
                let len = self.piece();
                match self.below(4) {
                    0 => drop(self.client.send(&mut self.requests, len)),
                    1 => self.server.advance(&mut self.requests, len, self.now),
                    2 => drop(self.server.send(&mut self.replies, len)),
                    _ => self.client.advance(&mut self.replies, len, self.now),
                }
            }
            if self.is_over() {
                return;
            }
            if self.is_quiet() {
                self.settle();
            }
        }
        panic!("it does not come to an end: {:?} and {:?}", self.client.progress, self.server.progress);
    }

    /// All has arrived; what is left is to see the ends, or else to wait.
    fn settle(&mut self) {
        self.client.send(&mut self.requests, 0);
        self.server.send(&mut self.replies, 0);
        self.client.advance(&mut self.replies, 0, self.now);
        self.server.advance(&mut self.requests, 0, self.now);
        let (client, server) = (&self.client, &self.server);
        if !self.is_quiet() || client.end.is_some() || server.end.is_some() {
            return;
        }
        if [client.progress, server.progress].contains(&Progress::Yield) {
            return;
        }
        let deadlines = [client.harness.session.deadline(), server.harness.session.deadline()];
        let deadline = deadlines.into_iter().flatten().min().expect("a wait without a deadline");
        self.now = self.now.max(deadline);
    }
}

/// A peer that has connected to a server.
fn caller() -> Peer {
    Peer::accepted(Addr::from(([10, 0, 0, 2], 2)))
}

fn app_server(limits: Limits, timeouts: Timeouts) -> AppServer {
    AppService::new(limits, timeouts).accept(&caller())
}

fn echo_server() -> EchoServer {
    EchoService::default().accept(&caller())
}

/// Runs `requests` with the seed, and returns the replies, how each side ended, and when.
fn ask(
    requests: &[Request],
    limits: Limits,
    seed: u64,
) -> (Vec<Reply>, Result<(), SessionError>, Result<(), SessionError>, Duration) {
    let client = AppClient::new(requests.to_vec(), Limits::default(), Duration::from_secs(5));
    let mut pair = Pair::new(client, app_server(limits, Timeouts::default()), seed);
    pair.run();
    let elapsed = pair.elapsed();
    (pair.client.harness.session.into_replies(), pair.client.end.unwrap(), pair.server.end.unwrap(), elapsed)
}

fn search(value: &str) -> Request {
    Request::Search(value.into())
}

fn result(text: &str) -> Reply {
    Reply::Result(text.into())
}

#[test]
fn the_same_replies_for_every_split() {
    let cases = [
        (search("morpheus"), result("Follow the white rabbit. 🐰")),
        (search("🐶"), result("🐾 Playing ball! 🏐")),
        (search("\"quoted\"\n"), result("No match for '\"quoted\"\n'.")),
        (Request::Json { action: "dance".into(), value: "now".into() }, result("Error: invalid action 'dance'.")),
        (Request::Binary(vec![]), Reply::Binary(b"First 10 bytes of request: ".to_vec())),
        (Request::Binary((0..=255).collect()), {
            Reply::Binary(b"First 10 bytes of request: \0\x01\x02\x03\x04\x05\x06\x07\x08\x09".to_vec())
        }),
        (Request::Sum(vec![]), Reply::Sum(0)),
        (Request::Sum(vec![i32::MAX, i32::MAX, -1]), Reply::Sum(2 * i64::from(i32::MAX) - 1)),
    ];
    for seed in 0..SEEDS {
        for (request, reply) in &cases {
            let (replies, client, server, elapsed) = ask(std::slice::from_ref(request), Limits::default(), seed);
            assert_eq!(replies, std::slice::from_ref(reply), "seed {seed}");
            assert!(client.is_ok() && server.is_ok(), "seed {seed}: {client:?}, {server:?}");
            assert_eq!(elapsed, Duration::ZERO, "seed {seed}: nothing had to be waited for");
        }
    }
}

#[test]
fn pipelined_requests_keep_their_order() {
    let requests: Vec<Request> = (0..100)
        .map(|n| match n % 4 {
            0 => search("ring"),
            1 => search(&n.to_string()),
            2 => Request::Sum(vec![n; 1 + n as usize]),
            _ => Request::Binary(n.to_string().repeat(50).into_bytes()),
        })
        .collect();
    let expected: Vec<Reply> = (0..100i64)
        .map(|n| match n % 4 {
            0 => result("In the caves beneath the Misty Mountains. 💍"),
            1 => result(&format!("No match for '{n}'.")),
            2 => Reply::Sum(n * (n + 1)),
            _ => Reply::Binary(format!("First 10 bytes of request: {}", &n.to_string().repeat(10)[..10]).into_bytes()),
        })
        .collect();
    for seed in 0..SEEDS / 5 {
        let (replies, client, server, elapsed) = ask(&requests, Limits::default(), seed);
        assert!(replies == expected, "seed {seed}: {} replies", replies.len());
        assert!(client.is_ok() && server.is_ok(), "seed {seed}: {client:?}, {server:?}");
        assert_eq!(elapsed, Duration::ZERO, "seed {seed}");
    }
}

#[test]
fn what_is_over_a_limit_is_answered_once_and_ends_the_connection() {
    let limits = Limits { header_len_max: 110, content_len_max: 100, depth_max: 4 };
    let over = Request::Binary(vec![b'x'; 101]);
    let requests = [search("ring"), over, search("morpheus")];
    for seed in 0..SEEDS {
        // Its header is a few bytes longer, too.
        let limits = Limits { header_len_max: 1000, ..limits };
        let (replies, client, server, _) = ask(&requests, limits, seed);
        let texts: Vec<_> = replies.iter().map(|reply| format!("{reply:?}")).collect();
        assert_eq!(texts.len(), 2, "seed {seed}: {texts:?}");
        assert!(texts[1].contains("Error: a content of 101 bytes is over the limit of 100"), "seed {seed}: {texts:?}");
        let (client, server) = (client.unwrap_err().to_string(), server.unwrap_err().to_string());
        assert_eq!(server, "a content of 101 bytes is over the limit of 100", "seed {seed}");
        assert_eq!(client, "peer closed after 2 of 3 replies", "seed {seed}");
    }
    // One byte less is no error.
    let (replies, client, server, _) =
        ask(&[Request::Binary(vec![b'x'; 100])], Limits { header_len_max: 1000, ..limits }, 0);
    assert_eq!((replies.len(), client.is_ok(), server.is_ok()), (1, true, true));
    for seed in 0..SEEDS {
        let (replies, _, server, _) = ask(&[Request::Binary(vec![b'x'; 5])], limits, seed);
        let [Reply::Result(text)] = &replies[..] else { panic!("seed {seed}: {replies:?}") };
        assert!(text.starts_with("Error: a header of ") && text.ends_with(" is over the limit of 110"), "{text}");
        assert_eq!(format!("Error: {}", server.unwrap_err()), *text, "seed {seed}");
    }
}

/// Takes everything and says nothing.
struct Mute;

impl Session for Mute {
    fn advance(&mut self, io: &mut SessionIo<'_>, _now: Instant) -> Result<Progress, SessionError> {
        io.input().take_all();
        Ok(if io.input_ended() { Progress::Finished } else { Progress::NeedInput })
    }
}

/// Says something, whatever it's told, and no more.
struct Fixed(Vec<u8>);

impl Session for Fixed {
    fn advance(&mut self, io: &mut SessionIo<'_>, _now: Instant) -> Result<Progress, SessionError> {
        io.output().push(&std::mem::take(&mut self.0));
        io.input().take_all();
        Ok(if io.input_ended() { Progress::Finished } else { Progress::NeedInput })
    }
}

#[test]
fn requests_that_are_not_answered_time_out() {
    for seed in 0..SEEDS {
        let client = AppClient::new(vec![search("ring"); 3], Limits::default(), Duration::from_secs(5));
        let mut pair = Pair::new(client, Mute, seed);
        pair.run();
        let end = pair.client.end.take().unwrap().unwrap_err();
        assert_eq!(
            (pair.elapsed(), end.to_string()),
            (Duration::from_secs(5), "timed out: nothing came for 5s".into())
        );

        // Half of a reply is none.
        let client = AppClient::new(vec![search("ring")], Limits::default(), Duration::from_secs(5));
        let mut pair = Pair::new(client, Fixed(b"\0\x10{\"byte".to_vec()), seed);
        pair.run();
        let end = pair.client.end.take().unwrap().unwrap_err();
        assert_eq!(pair.elapsed(), Duration::from_secs(5), "seed {seed}");
        assert_eq!(end.to_string(), "timed out after 5s, 6 bytes into a JSON header of 16", "seed {seed}");

        let messages: Arc<[Vec<u8>]> = TUTORIAL_MESSAGES.map(|text| text.as_bytes().to_vec()).into();
        let mut pair = Pair::new(EchoClient::new(messages, Duration::from_secs(7)), Mute, seed);
        pair.run();
        let end = pair.client.end.take().unwrap().unwrap_err();
        assert_eq!(pair.elapsed(), Duration::from_secs(7), "seed {seed}");
        assert_eq!(end.to_string(), "timed out: nothing came for 7s, after 0 of 44 bytes", "seed {seed}");
    }
}

#[test]
fn each_reply_is_waited_for_anew() {
    let (timeout, epoch) = (Duration::from_secs(5), Instant::now());
    let mut client = Side::new(AppClient::new(vec![search("ring"); 2], Limits::default(), timeout));
    let mut replies = Pipe::default();
    client.advance(&mut replies, 0, epoch);
    let mut reply = Vec::new();
    write_message(&mut reply, Heading::json(true), |content| content.extend_from_slice(b"{\"result\": \"\"}"));
    replies.bytes.extend(reply);
    let answered = epoch + Duration::from_secs(4);
    client.advance(&mut replies, usize::MAX, answered);
    assert_eq!(client.harness.session.deadline(), Some(answered + timeout));
}

#[test]
fn a_client_that_asks_half_is_left_to_the_server_s_patience() {
    for (sent, timeout, reply) in [(&b"\0"[..], 10, true), (b"\0\x02{", 10, true)] {
        let mut pair = Pair::new(Fixed(sent.to_vec()), app_server(Limits::default(), Timeouts::default()), 1);
        // `Fixed` drops the server's answer, so it is checked on its way.
        while pair.server.end.is_none() {
            let _ = pair.client.send(&mut pair.requests, 1);
            pair.client.advance(&mut pair.replies, 0, pair.now);
            pair.server.advance(&mut pair.requests, 1, pair.now);
            if pair.is_quiet() {
                pair.settle();
            }
        }
        assert_eq!(pair.elapsed(), Duration::from_secs(timeout));
        assert!(pair.server.end.unwrap().is_err());
        assert_eq!(!pair.server.harness.output.is_empty(), reply);
    }
}

#[test]
fn echo_for_every_split() {
    let tutorial: Arc<[Vec<u8>]> = TUTORIAL_MESSAGES.map(|text| text.as_bytes().to_vec()).into();
    let long: Arc<[Vec<u8>]> = [vec![], vec![1; 5000], vec![], (0..=255).collect(), vec![2; 10_000]].into();
    for seed in 0..SEEDS {
        for messages in [&tutorial, &long] {
            let client = EchoClient::new(Arc::clone(messages), Duration::from_secs(5));
            let mut pair = Pair::new(client, echo_server(), seed);
            pair.run();
            let (client, server) = (pair.client.end.take().unwrap(), pair.server.end.take().unwrap());
            assert!(client.is_ok() && server.is_ok(), "seed {seed}: {client:?}, {server:?}");
            assert_eq!(pair.client.harness.session.received(), pair.client.harness.session.total(), "seed {seed}");
            assert_eq!(pair.elapsed(), Duration::ZERO, "seed {seed}");
        }
    }
}

#[test]
fn an_echo_that_is_none_is_noticed() {
    let messages: Arc<[Vec<u8>]> = TUTORIAL_MESSAGES.map(|text| text.as_bytes().to_vec()).into();
    for seed in 0..SEEDS {
        for (answer, at_least, expected) in [
            ("Message 1 from cliXnt.", 22, "the echo differs from the sent bytes after 18 bytes"),
            ("Message 1 from client.Message 3", 44, "the echo differs from the sent bytes after 30 bytes"),
        ] {
            let answer = Fixed(answer.into());
            let mut pair = Pair::new(EchoClient::new(Arc::clone(&messages), Duration::from_secs(5)), answer, seed);
            // The client has to have sent what is answered.
            pair.client.advance(&mut pair.replies, 0, pair.now);
            assert!(pair.client.harness.output.len() >= at_least);
            pair.run();
            let end = pair.client.end.take().unwrap().unwrap_err();
            assert_eq!(end.to_string(), expected, "seed {seed}");
        }
    }
}

/// Lines to say.
#[derive(Default)]
struct Lines {
    lines: VecDeque<Vec<u8>>,
    /// Whether there will be more.
    goes_on: bool,
}

impl Source for Lines {
    fn next(&mut self, _make_waker: &dyn Fn() -> Waker) -> Result<Poll<Option<Vec<u8>>>, SessionError> {
        Ok(match self.lines.pop_front() {
            None if self.goes_on => Poll::Pending,
            line => Poll::Ready(line),
        })
    }
}

fn lines(lines: &[&str]) -> Lines {
    Lines { lines: lines.iter().map(|line| line.as_bytes().to_vec()).collect(), goes_on: false }
}

/// Sends `lines`, and records the replies.
fn talker(lines: Lines, heard: &RefCell<Vec<String>>) -> impl Session {
    let show = |reply: &[u8], _: &Peer| {
        heard.borrow_mut().push(String::from_utf8(reply.to_vec()).map_err(SessionError::other)?);
        Ok(())
    };
    EchoTalker::new(lines, show, 1 << 20, Duration::from_secs(5))
}

#[test]
fn lines_come_back_one_by_one_for_every_split() {
    let long = "7".repeat(5000);
    let said = ["1", "22", &long, "1", "0123456789"];
    for seed in 0..SEEDS {
        for prefix in ["", "Echo=>"] {
            let mut service = EchoService::new(Echo { prefix: prefix.as_bytes().into(), ..Echo::default() });
            let heard = RefCell::default();
            let mut pair = Pair::new(talker(lines(&said), &heard), accepted(&mut service), seed);
            pair.run();
            let (client, server) = (pair.client.end.take().unwrap(), pair.server.end.take().unwrap());
            assert!(client.is_ok() && server.is_ok(), "seed {seed}: {client:?}, {server:?}");
            assert_eq!(pair.elapsed(), Duration::ZERO, "seed {seed}");
            drop(pair);
            let heard = heard.into_inner();
            assert!(heard.iter().all(|reply| reply.starts_with(prefix)), "seed {seed}: {heard:?}");
            let lines_back: Vec<String> = heard.iter().map(|reply| reply.replace("Echo=>", "")).collect();
            assert_eq!(lines_back, said, "seed {seed}");
        }
    }
}

fn accepted<V: Service>(service: &mut V) -> V::Session {
    service.accept(&caller())
}

#[test]
fn what_a_server_adds_is_lost_for_no_split() {
    let said = ["1", "234", "5678", "90"];
    for seed in 0..SEEDS {
        let mut service = EchoService::new(Echo {
            prefix: b"Echo=>".as_slice().into(),
            stamp: Some(|_| "NOON".into()),
            delay: Duration::from_secs(1),
        });
        let heard = RefCell::default();
        let mut pair = Pair::new(talker(lines(&said), &heard), accepted(&mut service), seed);
        pair.run();
        let (client, server) = (pair.client.end.take().unwrap(), pair.server.end.take().unwrap());
        assert!(client.is_ok() && server.is_ok(), "seed {seed}: {client:?}, {server:?}");
        assert!(pair.elapsed() >= Duration::from_secs(4), "seed {seed}: each chunk is late");
        drop(pair);
        let heard = heard.into_inner();
        assert_eq!(heard.len(), 4, "seed {seed}");
        let heard = heard.concat();
        // Bytes after the last line has come back may arrive too late to be read.
        let rest = heard.replace("Echo=>", "").replace(" at NOON", "");
        let tail = rest.strip_prefix(&said.concat()).unwrap_or_else(|| panic!("seed {seed}: {heard}"));
        assert!(" at NOON".starts_with(tail), "seed {seed}: {heard}");
    }
}

#[test]
fn a_chunk_has_its_prefix_and_its_stamp() {
    let mut service = EchoService::new(Echo {
        prefix: b"Echo=>".as_slice().into(),
        stamp: Some(|_| "Sun Apr 25 07:46:01 2010".into()),
        ..Echo::default()
    });
    let mut server = Side::new(accepted(&mut service));
    let mut requests = Pipe { bytes: VecDeque::from(b"onetwo".to_vec()), has_ended: true };
    let now = Instant::now();
    for len in [3, 3, 0] {
        server.advance(&mut requests, len, now);
    }
    let expected = "Echo=>one at Sun Apr 25 07:46:01 2010Echo=>two at Sun Apr 25 07:46:01 2010";
    assert_eq!(String::from_utf8(said_by(&mut server)).unwrap(), expected);
    assert!(matches!(server.end, Some(Ok(()))));
}

/// What a session has sent.
fn said_by<T: Session>(side: &mut Side<T>) -> Vec<u8> {
    side.harness.take_output()
}

/// Gives a session `pieces` one after the other, then nothing, or only the end, until `after` has passed. Returns how it
/// ended.
fn told<T: Session>(side: &mut Side<T>, pieces: &[&[u8]], has_ended: bool, after: Duration) -> Option<String> {
    let now = Instant::now();
    let mut from = Pipe::default();
    side.advance(&mut from, 0, now);
    for piece in pieces {
        from.bytes.extend(*piece);
        side.advance(&mut from, piece.len(), now);
    }
    from.has_ended = has_ended;
    side.advance(&mut from, 0, now + after);
    Some(match side.end.take()? {
        Ok(()) => "finished".into(),
        Err(error) => error.to_string(),
    })
}

const NO_TIME: Duration = Duration::ZERO;

#[test]
fn a_line_that_does_not_come_back() {
    let talk = |pieces: &[&[u8]], has_ended, after| {
        let heard = RefCell::default();
        told(&mut Side::new(talker(lines(&["hello", "hello"]), &heard)), pieces, has_ended, after)
    };
    assert_eq!(talk(&[], true, NO_TIME).unwrap(), "peer closed after echoing 0 of a line's 5 bytes");
    assert_eq!(talk(&[b"he"], true, NO_TIME).unwrap(), "peer closed after echoing 2 of a line's 5 bytes");
    assert_eq!(talk(&[b"hello"], true, NO_TIME).unwrap(), "peer closed after echoing 0 of a line's 5 bytes");
    assert_eq!(talk(&[b"hello", b"hello"], true, NO_TIME).unwrap(), "finished");
    // Bytes that aren't the line's don't count, but they restart the timeout.
    assert_eq!(talk(&[b"xhxe"], true, NO_TIME).unwrap(), "peer closed after echoing 2 of a line's 5 bytes");
    assert_eq!(talk(&[b"xhxe"], false, Duration::from_millis(4999)), None);
    assert_eq!(
        talk(&[b"xhxe"], false, Duration::from_secs(5)).unwrap(),
        "timed out: nothing came for 5s, after 2 of a line's 5 bytes"
    );
    assert_eq!(
        talk(&[b"hello"], false, Duration::from_secs(5)).unwrap(),
        "timed out: nothing came for 5s, after 0 of a line's 5 bytes"
    );
    let flood = [b'x'; 1 << 19];
    assert_eq!(talk(&[&flood, &flood], false, NO_TIME), None);
    assert_eq!(talk(&[&flood, &flood, b"x"], false, NO_TIME).unwrap(), "a reply is over the limit of 1048576 bytes");
}

#[test]
fn a_speaker_takes_the_time_to_think_and_the_server_has_to_wait() {
    let later = Duration::from_secs(1000);
    let heard = RefCell::default();
    let mut side = Side::new(talker(Lines { goes_on: true, ..Lines::default() }, &heard));
    assert_eq!(told(&mut side, &[], false, later), None);
    assert_eq!((side.progress, side.harness.session.deadline()), (Progress::NeedInput, None));
    assert_eq!(told(&mut side, &[b"a greeting"], true, NO_TIME).unwrap(), "peer closed before the next line");
}

#[test]
fn a_reply_that_cannot_be_shown_is_the_last() {
    let mut said = lines(&["one", "two"]);
    said.goes_on = true;
    let full = |_: &[u8], _: &Peer| Err(SessionError::other("the paper is full"));
    let mut side = Side::new(EchoTalker::new(said, full, 100, Duration::from_secs(5)));
    assert_eq!(told(&mut side, &[b"Echo=>one"], false, NO_TIME).unwrap(), "the paper is full");
    assert_eq!(said_by(&mut side), b"one");
}

fn fixed_server() -> FixedServer {
    accepted(&mut FixedService { timeout: Duration::from_secs(9) })
}

fn fixed_client() -> FixedClient {
    FixedClient::new(Duration::from_secs(9))
}

#[test]
fn sixteen_bytes_and_sixteen_back_for_every_split() {
    for seed in 0..SEEDS {
        let mut pair = Pair::new(fixed_client(), fixed_server(), seed);
        pair.run();
        let (client, server) = (pair.client.end.take().unwrap(), pair.server.end.take().unwrap());
        assert!(client.is_ok() && server.is_ok(), "seed {seed}: {client:?}, {server:?}");
        assert_eq!(pair.elapsed(), Duration::ZERO, "seed {seed}");
    }
    for at in 0..=16 {
        let (first, second) = GREETING.split_at(at);
        let mut server = Side::new(fixed_server());
        assert_eq!(told(&mut server, &[first, second], false, NO_TIME).unwrap(), "finished");
        assert_eq!(said_by(&mut server), FAREWELL);
        let (first, second) = FAREWELL.split_at(at);
        let mut client = Side::new(fixed_client());
        assert_eq!(told(&mut client, &[first, second], true, NO_TIME).unwrap(), "finished");
        assert_eq!(said_by(&mut client), GREETING);
    }
}

#[test]
fn a_fixed_message_that_does_not_come_whole_says_how_far_it_came() {
    let bytes = |got| if got == 1 { "1 byte".to_owned() } else { format!("{got} bytes") };
    for got in 0..16 {
        let closed = format!("socket closed {} into a 16-byte message", bytes(got));
        // A peer that says nothing is the connection's to judge.
        let slow = (got > 0).then(|| format!("timed out after 9s, {} into a 16-byte message", bytes(got)));
        let said = &GREETING[..got];
        let mut server = Side::new(fixed_server());
        assert_eq!(told(&mut server, &[said], true, NO_TIME), Some(closed.clone()));
        assert_eq!(told(&mut Side::new(fixed_server()), &[said], false, Duration::from_secs(9)), slow);
        assert_eq!(told(&mut Side::new(fixed_server()), &[said], false, Duration::from_millis(8999)), None);
        assert!(server.harness.output.is_empty());

        let slow = format!("timed out after 9s, {} into a 16-byte message", bytes(got));
        let said = &FAREWELL[..got];
        assert_eq!(told(&mut Side::new(fixed_client()), &[said], true, NO_TIME), Some(closed));
        assert_eq!(told(&mut Side::new(fixed_client()), &[said], false, Duration::from_secs(9)), Some(slow));
        assert_eq!(told(&mut Side::new(fixed_client()), &[said], false, Duration::from_millis(8999)), None);
    }
}

#[test]
fn a_fixed_message_that_is_another() {
    // The server takes any, and looks at no more than it needs.
    for said in [&b"0123456789abcdef"[..], b"\x1b[31m----------------------", &[0xff; 100_000]] {
        let mut server = Side::new(fixed_server());
        assert_eq!(told(&mut server, &[said], false, NO_TIME).unwrap(), "finished");
        assert_eq!(said_by(&mut server), FAREWELL);
        assert_eq!(server.harness.unused().len(), said.len() - 16);
    }
    let client =
        |said: &[&[u8]], has_ended, after| told(&mut Side::new(fixed_client()), said, has_ended, after).unwrap();
    let other = r"the reply is 'Farewell,\x1bclient', not 'Farewell, client'";
    assert_eq!(client(&[b"Farewell,\x1bclient"], false, NO_TIME), other);
    assert_eq!(client(&[b"Farewell,\x1bclient and more"], false, NO_TIME), other);
    let longer = "the reply goes on after its 16 bytes";
    assert_eq!(client(&[b"Farewell, client!"], false, NO_TIME), longer);
    assert_eq!(client(&[FAREWELL, b"!"], true, NO_TIME), longer);
    let open = "the reply is complete, but the server did not close within 9s";
    assert_eq!(client(&[FAREWELL], false, Duration::from_secs(9)), open);
}

#[test]
fn multiplied_for_every_split() {
    for seed in 0..SEEDS / 5 {
        for (string, times) in [(&b"hello"[..], 1000), (b"h", 1), (&[7; 5000], 3)] {
            let mut got = Vec::new();
            let show = |Chunk { bytes, .. }: Chunk<'_>| {
                got.extend_from_slice(bytes);
                ControlFlow::Continue(())
            };
            let mut service = MultiplyService { times, ..MultiplyService::default() };
            let client = MultiplyClient::new(string.to_vec(), show, Duration::from_secs(5));
            let mut pair = Pair::new(client, service.accept(&caller()), seed);
            pair.run();
            let (client, server) = (pair.client.end.take().unwrap(), pair.server.end.take().unwrap());
            assert!(client.is_ok() && server.is_ok(), "seed {seed}: {client:?}, {server:?}");
            assert_eq!(pair.elapsed(), PAUSE, "seed {seed}: it's the pause that ends the string");
            assert_eq!(pair.client.harness.session.copies(), times, "seed {seed}");
            drop(pair);
            assert!(got == string.repeat(times as usize), "seed {seed}");
        }
    }
}

/// Keeps what it's given.
#[derive(Default)]
struct Kept(Vec<u8>);

impl Store for Kept {
    fn expect(&mut self, _len: u64) {}

    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

#[test]
fn files_for_every_split() {
    let dir = tempfile::TempDir::new().unwrap();
    let content: Vec<u8> = (0..6000u32).map(|number| (number.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect();
    std::fs::write(dir.path().join("12 monkeys"), &content).unwrap();
    let folder = Folder::open(dir.path(), false).unwrap();
    let mut service = GetFileService::new(folder, Duration::from_secs(10));
    for seed in 0..SEEDS / 5 {
        for (with_status, offset) in [(false, 0), (true, 0), (true, 1), (true, 5999), (true, 6000)] {
            let request = getfile::Request { path: b"12 monkeys", with_status, offset };
            let client = GetFileClient::new(&request, Kept::default(), Duration::from_secs(5));
            let mut pair = Pair::new(client, service.accept(&caller()), seed);
            pair.run();
            let (client, server) = (pair.client.end.take().unwrap(), pair.server.end.take().unwrap());
            assert!(client.is_ok() && server.is_ok(), "seed {seed}: {client:?}, {server:?}");
            assert!(pair.client.harness.session.store().0 == content[offset as usize..], "seed {seed}");
            assert_eq!(pair.elapsed(), Duration::ZERO, "seed {seed}");
        }
    }
}
