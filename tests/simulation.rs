//! Whole servers and clients in simulated worlds: many seeds of each protocol, judged by the oracles. And some with bugs,
//! which the oracles find.

#[path = "common/broadcast.rs"]
mod broadcast;
#[path = "common/moody.rs"]
mod moody;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::process::Command;
use std::rc::Rc;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use broadcast::Broadcasting;
use moody::Moody;
use multiconn::protocols::app::Request;
use multiconn::protocols::echo::EchoClient;
use multiconn::protocols::fixed::FixedService;
use multiconn::selector::sim::{FaultKind, Random, SimNet, Trigger};
use multiconn::session::{Peer, Progress, Session, SessionError, SessionIo};
use multiconn::sim::clients::call::Reaction;
use multiconn::sim::clients::{Call, ClientSubject, ClientWorld, Clients, Expected, Verdict};
use multiconn::sim::crowd::WINDOWS_MAX;
use multiconn::sim::faults::PlannedFault;
use multiconn::sim::limits::Limits;
use multiconn::sim::peer::{Leaving, Manner, Piece, Plan, Reading, WINDOW_USUAL, When};
use multiconn::sim::subject::Then;
use multiconn::sim::subjects::{
    AccumulateSubject, AppClientSubject, AppSubject, EchoClientSubject, EchoSubject, FixedSubject, GetFileSubject,
    MultiplySubject, SinkSubject,
};
use multiconn::sim::{
    Answer, Coverage, Failure, Oracle, Run, Scene, Simulated, Subject, World, check, coverage, run, shrink,
};

/// The seeds of the worlds in which our protocols must pass: the variable `MULTICONN_SEEDS`, such as `0..20000`, or a
/// hundred.
fn seeds() -> Range<u64> {
    let Ok(range) = env::var("MULTICONN_SEEDS") else { return 0..100 };
    let seeds = range.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    seeds.unwrap_or_else(|| panic!("MULTICONN_SEEDS must be a range such as 0..100, not '{range}'"))
}

/// The runs of the worlds of `seed`, of each of our protocols.
fn runs(seed: u64) -> [(&'static str, Run); 9] {
    [
        ("app", run(&World::new(seed, &AppSubject::default()))),
        ("accumulate", run(&World::new(seed, &AccumulateSubject::default()))),
        ("echo", run(&World::new(seed, &EchoSubject::default()))),
        ("fixed", run(&World::new(seed, &FixedSubject::default()))),
        ("getfile", run(&World::new(seed, &GetFileSubject::default()))),
        ("multiply", run(&World::new(seed, &MultiplySubject::default()))),
        ("sink", run(&World::new(seed, &SinkSubject::default()))),
        ("app-client", run(&Clients(AppClientSubject::default()).world(seed))),
        ("echo-client", run(&Clients(EchoClientSubject::default()).world(seed))),
    ]
}

#[test]
fn an_app_server_passes() -> Result<(), Failure<AppSubject>> {
    check(&AppSubject::default(), seeds())
}

#[test]
fn an_echo_server_passes() -> Result<(), Failure<EchoSubject>> {
    check(&EchoSubject::default(), seeds())
}

#[test]
fn a_server_of_fixed_messages_passes() -> Result<(), Failure<FixedSubject>> {
    check(&FixedSubject::default(), seeds())
}

#[test]
fn a_file_server_passes() -> Result<(), Failure<GetFileSubject>> {
    check(&GetFileSubject::default(), seeds())
}

#[test]
fn a_multiplying_server_passes() -> Result<(), Failure<MultiplySubject>> {
    check(&MultiplySubject::default(), seeds())
}

#[test]
fn a_server_of_a_shared_string_passes() -> Result<(), Failure<AccumulateSubject>> {
    check(&AccumulateSubject::default(), seeds())
}

#[test]
fn a_sink_passes() -> Result<(), Failure<SinkSubject>> {
    check(&SinkSubject::default(), seeds())
}

#[test]
fn sessions_that_wake_each_other_pass() -> Result<(), Failure<Broadcasting>> {
    check(&Broadcasting, seeds())
}

#[test]
fn sessions_that_panic_pass() -> Result<(), Failure<Moody>> {
    check(&Moody::default(), seeds())
}

#[test]
fn app_clients_pass() -> Result<(), Failure<Clients<AppClientSubject>>> {
    check(&Clients(AppClientSubject::default()), seeds())
}

#[test]
fn echo_clients_pass() -> Result<(), Failure<Clients<EchoClientSubject>>> {
    check(&Clients(EchoClientSubject::default()), seeds())
}

/// A peer that connects first, sends these bytes at once, follows the server's end and reads everything as it comes.
fn peer(stream: Vec<u8>) -> Plan {
    let pieces = vec![Piece { len: stream.len(), pause: Duration::ZERO, awaits: 0 }];
    Plan {
        number: 0,
        arrives: Duration::ZERO,
        stream,
        answer: Rc::default(),
        pieces,
        reading: Reading::Eager,
        window: WINDOW_USUAL,
        leaving: Leaving::Follows,
        returns: None,
        is_probe: false,
    }
}

/// A world of this peer, with the usual limits, which is compared.
fn world_of<S: Subject>(subject: S, peer: Plan) -> World<S> {
    let limits = Limits::usual(subject.input_len_max());
    let peers = vec![Rc::new(Plan { answer: subject.answer(&peer.stream).into(), ..peer })];
    let (trigger, faults, is_compared) = (Trigger::Edge, Vec::new(), true);
    World {
        seed: 0,
        subject,
        limits,
        peers,
        stops: None,
        stops_again: None,
        trigger,
        faults,
        reloads: None,
        is_compared,
    }
}

#[test]
fn a_connection_that_drains_more_than_its_share_goes_on() {
    // The peer has ended its side before it begins to read, and all of the output waits.
    let plan = Plan {
        window: 500_000,
        reading: Reading::Late(Duration::from_secs(1)),
        leaving: Leaving::Leaves(Manner::HalfCloses, When::Sent(Duration::ZERO)),
        ..peer(vec![b'x'; 1_400_000])
    };
    let mut world = world_of(EchoSubject::default(), plan);
    world.limits.output_high_water = 1 << 20;
    assert_eq!(run(&world).violation, None);
}

#[test]
fn a_timeout_is_in_time_under_a_blocking_model_that_is_woken_just_before_it() {
    let timeout = FixedService::default().timeout;
    let pause = Duration::from_micros(500);
    let mut plan = Plan { leaving: Leaving::Stays, ..peer(b"sixteen bytes...".to_vec()) };
    // The last piece comes just after it.
    let pieces = [(2, Duration::ZERO), (2, timeout - pause), (12, 2 * pause)];
    plan.pieces = pieces.map(|(len, pause)| Piece { len, pause, awaits: 0 }).into();
    assert_eq!(run(&world_of(FixedSubject::default(), plan)).violation, None);
}

#[test]
fn an_error_reply_that_waits_for_its_turn_is_charged_for_memory() {
    let mut stream = Vec::new();
    Request::Binary(vec![b'x'; 200_000]).write(&mut stream, true);
    let pieces = |pieces: &[(usize, u64)]| {
        pieces.iter().map(|&(len, pause)| Piece { len, pause: Duration::from_millis(pause), awaits: 0 }).collect()
    };
    // One read takes more memory than all connections may use, and there is more to read.
    let over = Plan { pieces: pieces(&[(1, 1), (stream.len() - 1, 1)]), ..peer(stream.clone()) };
    let mut world = world_of(AppSubject::default(), over);
    world.limits.memory_max = 64 << 10;
    assert_eq!(run(&world).violation, None);
    // Another takes less, but not beside the error reply.
    let under = Plan { number: 1, pieces: pieces(&[(stream.len(), 2)]), ..peer(stream) };
    world.peers.extend(world_of(AppSubject::default(), under).peers);
    assert_eq!(run(&world).violation, None);
}

#[test]
fn a_small_window_may_delay_output_that_the_reference_does_not_know() {
    // Whether the group is too long depends on how it comes.
    let stream = [&b"("[..], &[b'g'; 100], b")", &[b'x'; 5000]].concat();
    let latency = FaultKind::Latency(Duration::from_micros(600));
    let mut world = world_of(Moody::default(), Plan { window: 1, leaving: Leaving::Stays, ..peer(stream) });
    world.faults.push(PlannedFault { number: 0, kind: latency, from: Duration::ZERO, until: Duration::from_secs(3) });
    world.limits.write_timeout = Duration::from_millis(50);
    assert_eq!(run(&world).violation, None);
}

#[test]
fn input_may_be_on_its_way_at_a_stop_while_the_clock_stands() {
    let fault = |number, kind, from, until| {
        let [from, until] = [from, until].map(Duration::from_micros);
        PlannedFault { number, kind, from, until }
    };
    let piece = Piece { len: 2, pause: Duration::from_micros(300), awaits: 0 };
    let plan = Plan { arrives: Duration::from_millis(1), pieces: vec![piece], ..peer(b"12".to_vec()) };
    let mut world = world_of(EchoSubject::default(), plan);
    world.stops = Some(Duration::from_micros(1310));
    // By the server's clock, the connection closes before the latency begins.
    let latency = FaultKind::Latency(Duration::from_micros(200));
    world.faults = vec![fault(0, FaultKind::ClockStands, 0, 5000), fault(1, latency, 500, 5000)];
    for seed in 0..20 {
        world.seed = seed;
        assert_eq!(run(&world).violation, None, "seed {seed}");
    }
}

#[test]
fn a_client_whose_requests_are_cut_off_by_an_end_in_order_resets() {
    let subject = AppClientSubject::default();
    let requests = vec![Request::Binary(vec![b'x'; 10_000])];
    let answer = Rc::new(Answer::stream(subject.written(&requests).concat()));
    // The reply comes before the server has read all of the request.
    let plan = peer(subject.right_answers(&requests).concat());
    let server = Plan { window: 100, leaving: Leaving::Stays, answer, ..plan };
    let call = Call { addresses: vec![Reaction::Serves], requests: requests.into(), server };
    let connect_timeout = Duration::from_secs(1);
    let (limits, trigger) = (Limits::usual(usize::MAX), Trigger::Edge);
    let (calls, faults) = (vec![call], Vec::new());
    let world = ClientWorld { seed: 0, subject, limits, connect_timeout, calls, stops: None, trigger, faults };
    assert_eq!(run(&world).violation, None);
}

#[test]
fn many_seeds_cover_everything_that_can_happen() {
    let mut seen = Coverage::default();
    for seed in 0..coverage::SEEDS {
        runs(seed).iter().for_each(|(_, run)| seen |= run.coverage);
        assert_eq!(seen.impossible(), [""; 0], "said to be impossible, but seen in seed {seed}");
        if seen.missing().is_empty() {
            println!("{} seeds cover everything", seed + 1);
            return;
        }
    }
    panic!("{} seeds don't cover {}", coverage::SEEDS, seen.missing().join(", "));
}

/// The file into which a process writes its stories, for another to compare.
const STORIES: &str = "MULTICONN_STORIES";

/// The hash of each story of `seeds`, a line each, run on this number of threads.
fn stories(seeds: Range<u64>, threads: usize) -> Vec<String> {
    let (left, lines) = (Mutex::new(seeds), Mutex::new(BTreeMap::new()));
    let work = || {
        while let Some(seed) = { left.lock().unwrap().next() } {
            let told = runs(seed).map(|(protocol, run)| format!("{protocol}, seed {seed}: {:016x}", run.hash));
            lines.lock().unwrap().insert(seed, told);
        }
    };
    thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    lines.into_inner().unwrap().into_values().flatten().collect()
}

#[test]
fn a_seed_has_the_same_stories_in_another_process_and_on_other_threads() {
    // Half of the seeds, which run twice here.
    let Range { start, end } = seeds();
    let seeds = start..start + (end - start) / 2;
    if let Some(file) = env::var_os(STORIES) {
        return fs::write(file, stories(seeds, 3).join("\n")).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stories");
    let mut other = Command::new(env::current_exe().unwrap());
    other.args(["--exact", "a_seed_has_the_same_stories_in_another_process_and_on_other_threads"]).env(STORIES, &file);
    let mut other = other.spawn().unwrap();
    let here = stories(seeds, 1);
    assert!(other.wait().unwrap().success());
    let there = fs::read_to_string(file).unwrap();
    let mut pairs = here.iter().map(String::as_str).zip(there.lines());
    assert_eq!(pairs.find(|(here, there)| here != there), None, "stories differ");
    assert_eq!(here.len(), there.lines().count());
}

#[test]
fn a_seed_has_one_story_of_clients() {
    for seed in 0..50 {
        let story = || run(&Clients(AppClientSubject::default()).world(seed));
        let (one, other) = (story(), story());
        assert_eq!((one.hash, one.turns, one.time), (other.hash, other.turns, other.time), "seed {seed}");
    }
}

#[test]
fn a_call_that_is_taken_away_changes_no_other() {
    for seed in 0..50 {
        let world = Clients(EchoClientSubject::default()).world(seed);
        let mut smaller = world.clone();
        smaller.keep(Some(&[1]), Some(&[]));
        assert_eq!(smaller.calls, world.calls.into_iter().filter(|call| call.number() == 1).collect::<Vec<_>>());
        assert!(smaller.faults.is_empty());
    }
}

#[test]
fn a_part_that_is_taken_away_changes_no_other() {
    for seed in 0..50 {
        let world = World::new(seed, &EchoSubject::default());
        let mut smaller = world.clone();
        smaller.keep(Some(&[1]), Some(&[]));
        assert_eq!(smaller.peers, world.peers.into_iter().filter(|plan| plan.number == 1).collect::<Vec<_>>());
        assert!(smaller.faults.is_empty());
    }
}

#[test]
fn a_window_suits_the_replies_to_every_beginning_of_a_peers_input() {
    fn suits(seeds: Range<u64>, subject: &impl Subject) {
        for world in seeds.map(|seed| World::new(seed, subject)) {
            for plan in &world.peers {
                let mut end = 0;
                for piece in &plan.pieces {
                    end += piece.len;
                    let len = world.subject.answer(&plan.stream[..end]).len_max();
                    let fits = len <= (plan.window + 1) * WINDOWS_MAX;
                    assert!(fits, "seed {}: {len} bytes after {end}: {plan}", world.seed);
                }
            }
        }
    }
    // To answer every beginning of a few messages takes long.
    suits(0..10, &AppSubject::default());
    suits(0..200, &AccumulateSubject::default());
    suits(0..200, &EchoSubject::default());
    suits(0..200, &FixedSubject::default());
    suits(0..200, &MultiplySubject::default());
}

/// An echo with a bug.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Bug {
    /// It forgets the last byte before the end.
    ForgetsLastByte,
    /// It waits for nothing, again and again.
    NeverFinishes,
    /// It closes before the peer has ended.
    ClosesEarly,
    /// It panics at a certain byte.
    Panics,
}

struct BuggyEcho(Bug);

impl Session for BuggyEcho {
    fn advance(&mut self, io: &mut SessionIo<'_>, _now: Instant) -> Result<Progress, SessionError> {
        if !io.output().has_room() {
            return Ok(Progress::NeedRoom);
        }
        let BuggyEcho(bug) = *self;
        let bytes = io.input().take_all().to_vec();
        assert!(bug != Bug::Panics || !bytes.contains(&b'7'), "a byte that nobody expects");
        let forgotten = usize::from(bug == Bug::ForgetsLastByte && bytes.len() > 40);
        io.output().push(&bytes[..bytes.len() - forgotten]);
        if io.input_ended() {
            return Ok(if bug == Bug::NeverFinishes { Progress::Working } else { Progress::Finished });
        }
        Ok(if bug == Bug::ClosesEarly && bytes.len() > 40 { Progress::Finished } else { Progress::NeedInput })
    }
}

#[derive(Clone, Debug)]
struct Buggy(Bug);

impl Subject for Buggy {
    type Service = Box<dyn FnMut(&Peer) -> BuggyEcho>;

    fn service(&self) -> Self::Service {
        let Buggy(bug) = *self;
        Box::new(move |_| BuggyEcho(bug))
    }

    fn requests(&self, random: &mut Random) -> Vec<Vec<u8>> {
        vec![(b'0'..=b'9').cycle().take(random.below(100)).collect()]
    }

    fn answer(&self, input: &[u8]) -> Answer {
        Answer::stream(input)
    }
}

#[test]
fn bugs_are_found_and_shrunk_to_one_peer() {
    for (bug, oracle) in [
        (Bug::ForgetsLastByte, Oracle::Bytes),
        (Bug::ClosesEarly, Oracle::Bytes),
        (Bug::NeverFinishes, Oracle::Liveness),
        (Bug::Panics, Oracle::Panics),
    ] {
        let failure = check(&Buggy(bug), 0..100).expect_err("the bug is found");
        assert_eq!(failure.violation.oracle, oracle, "{bug:?}: {failure}");
        assert_eq!((failure.world.peers.len(), failure.world.faults.len()), (1, 0), "{bug:?}: {failure}");
        assert_eq!(failure.world.peers[0].arrives, Duration::ZERO, "{bug:?}: {failure}");
    }
}

/// A file server whose reference knows nothing of faults.
#[derive(Clone, Debug)]
struct Unsuspecting(GetFileSubject);

impl Subject for Unsuspecting {
    type Service = <GetFileSubject as Subject>::Service;

    fn drawn(&self, random: &mut Random) -> Self {
        Unsuspecting(self.0.drawn(random))
    }

    fn service(&self) -> Self::Service {
        self.0.service()
    }

    fn service_on(&self, net: &SimNet) -> Self::Service {
        self.0.service_on(net)
    }

    fn fault(&self, random: &mut Random) -> Option<FaultKind> {
        self.0.fault(random)
    }

    fn requests(&self, random: &mut Random) -> Vec<Vec<u8>> {
        self.0.requests(random)
    }

    fn answer(&self, input: &[u8]) -> Answer {
        self.0.answer(input)
    }

    fn is_error_reply(&self, bytes: &[u8]) -> bool {
        self.0.is_error_reply(bytes)
    }

    fn patience(&self) -> Duration {
        self.0.patience()
    }
}

#[test]
fn a_fault_of_files_is_found_and_nothing_else_is_left() {
    let failure = check(&Unsuspecting(GetFileSubject::default()), 0..100).expect_err("the fault is found");
    assert_eq!(failure.violation.oracle, Oracle::Bytes, "{failure}");
    let [fault] = &failure.world.faults[..] else { panic!("{failure}") };
    assert!(fault.strikes_files() && failure.world.peers.len() == 1, "{failure}");
}

#[test]
fn shrinking_that_is_stopped_keeps_the_smallest_world_so_far() {
    let subject = Buggy(Bug::ForgetsLastByte);
    let worlds = (0..100).map(|seed| World::new(seed, &subject));
    let (world, violation) = worlds
        .filter_map(|world| Some((run(&world).violation?, world)))
        .map(|(what, world)| (world, what))
        .next()
        .unwrap();
    let after = |runs| {
        let asked = Cell::new(0);
        let is_stopped = || asked.replace(asked.get() + 1) >= runs;
        let shrunk = shrink(&world, violation.clone(), is_stopped);
        assert_eq!(run(&shrunk.simplest).violation.as_ref(), Some(&shrunk.violation));
        (shrunk.simplest, shrunk.was_stopped)
    };
    let (whole, was_stopped) = after(0);
    assert!(was_stopped && whole.has_parts_of(&world));
    let (smaller, was_stopped) = after(10);
    assert!(was_stopped && smaller.peers.len() < world.peers.len());
    let (smallest, was_stopped) = after(u32::MAX);
    assert!(!was_stopped && smallest.peers.len() == 1 && !smallest.has_parts_of(&smaller));
}

/// An echo client with a bug.
struct BuggyClient(Bug, EchoClient);

impl Session for BuggyClient {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        let BuggyClient(bug, client) = self;
        match client.advance(io, now) {
            Ok(_) if *bug == Bug::ClosesEarly && client.received() > 40 => Ok(Progress::Finished),
            Ok(Progress::Finished) if *bug == Bug::NeverFinishes => Ok(Progress::NeedInput),
            progress => progress,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.1.deadline().filter(|_| self.0 != Bug::NeverFinishes)
    }

    fn is_idle(&self) -> bool {
        false
    }
}

#[derive(Clone, Debug)]
struct BuggyClients(Bug, EchoClientSubject);

impl ClientSubject for BuggyClients {
    type Session = BuggyClient;
    type Request = Vec<u8>;
    type Replies = u64;

    fn timeout(&self) -> Duration {
        self.1.timeout()
    }

    fn requests(&self, random: &mut Random) -> Vec<Vec<u8>> {
        self.1.requests(random)
    }

    fn session(&self, requests: &[Vec<u8>]) -> BuggyClient {
        BuggyClient(self.0, self.1.session(requests))
    }

    fn written(&self, requests: &[Vec<u8>]) -> Vec<Vec<u8>> {
        self.1.written(requests)
    }

    fn right_answers(&self, requests: &[Vec<u8>]) -> Vec<Vec<u8>> {
        self.1.right_answers(requests)
    }

    fn answers(&self, requests: &[Vec<u8>], random: &mut Random) -> Vec<Vec<u8>> {
        self.1.answers(requests, random)
    }

    fn expected(&self, requests: &[Vec<u8>], input: &[u8]) -> Expected<u64> {
        self.1.expected(requests, input)
    }

    fn replies(&self, session: BuggyClient) -> u64 {
        session.1.received()
    }

    fn verdict(&self, requests: &[Vec<u8>], error: &SessionError) -> Verdict {
        self.1.verdict(requests, error)
    }
}

/// A server whose peers depend on what they should not.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Dependence {
    /// A reply takes longer while other connections are open.
    OnOthers,
    /// Each chunk is sent back in reverse.
    OnReads,
}

struct Dependent {
    on: Dependence,
    /// There are as many of these as open connections.
    open: Rc<()>,
    reply_at: Option<Instant>,
}

impl Session for Dependent {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        if !io.output().has_room() {
            return Ok(Progress::NeedRoom);
        }
        if !io.input().is_empty() && self.on == Dependence::OnOthers {
            let others = Rc::strong_count(&self.open) as u32 - 2;
            let reply_at = *self.reply_at.get_or_insert(now + Duration::from_millis(10) * others);
            if now < reply_at {
                return Ok(Progress::Working);
            }
        }
        self.reply_at = None;
        let mut bytes = io.input().take_all().to_vec();
        if self.on == Dependence::OnReads {
            bytes.reverse();
        }
        io.output().push(&bytes);
        Ok(if io.input_ended() { Progress::Finished } else { Progress::NeedInput })
    }

    fn deadline(&self) -> Option<Instant> {
        self.reply_at
    }
}

impl Subject for Dependence {
    type Service = Box<dyn FnMut(&Peer) -> Dependent>;

    fn service(&self) -> Self::Service {
        let (on, open) = (*self, Rc::new(()));
        Box::new(move |_| Dependent { on, open: Rc::clone(&open), reply_at: None })
    }

    fn requests(&self, random: &mut Random) -> Vec<Vec<u8>> {
        vec![(b'0'..=b'9').cycle().take(random.below(100)).collect()]
    }

    fn answer(&self, input: &[u8]) -> Answer {
        match self {
            Dependence::OnOthers => Answer::stream(input),
            Dependence::OnReads => Answer { then: Then::Unknown, ..Answer::default() },
        }
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(3)
    }
}

#[test]
fn bugs_of_clients_are_found_and_shrunk_to_one_call() {
    for (bug, oracle) in [(Bug::ClosesEarly, Oracle::Reports), (Bug::NeverFinishes, Oracle::Liveness)] {
        let clients = Clients(BuggyClients(bug, EchoClientSubject::default()));
        let failure = check(&clients, 0..100).expect_err("the bug is found");
        assert_eq!(failure.violation.oracle, oracle, "{bug:?}: {failure}");
        assert_eq!((failure.world.calls.len(), failure.world.faults.len()), (1, 0), "{bug:?}: {failure}");
        assert_eq!(failure.world.calls[0].opens(), Duration::ZERO, "{bug:?}: {failure}");
    }
}

#[test]
fn dependences_are_found_by_comparison() {
    for (on, oracle) in [(Dependence::OnOthers, Oracle::Isolation), (Dependence::OnReads, Oracle::Agreement)] {
        let failure = check(&on, 0..5000).expect_err("the dependence is found");
        assert_eq!(failure.violation.oracle, oracle, "{on:?}: {failure}");
        assert!(failure.world.peers.len() <= 3, "{on:?}: {failure}");
    }
}
