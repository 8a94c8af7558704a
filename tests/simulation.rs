//! Whole servers in simulated worlds: many seeds of each protocol, judged by the oracles. And servers with bugs, which
//! the oracles find.

use std::env;
use std::ops::Range;
use std::rc::Rc;
use std::time::{Duration, Instant};

use multiconn::selector::sim::Random;
use multiconn::session::{Peer, Progress, Session, SessionError, SessionIo};
use multiconn::sim::subject::Then;
use multiconn::sim::subjects::{AppSubject, EchoSubject, FixedSubject, MultiplySubject, SinkSubject};
use multiconn::sim::{Answer, Failure, Oracle, Subject, Violation, World, check, run};

/// The seeds of the worlds in which our protocols must pass: the variable `MULTICONN_SEEDS`, such as `0..20000`, or a
/// hundred.
fn seeds() -> Range<u64> {
    let Ok(range) = env::var("MULTICONN_SEEDS") else { return 0..100 };
    let seeds = range.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    seeds.unwrap_or_else(|| panic!("MULTICONN_SEEDS must be a range such as 0..100, not '{range}'"))
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
fn a_multiplying_server_passes() -> Result<(), Failure<MultiplySubject>> {
    check(&MultiplySubject::default(), seeds())
}

#[test]
fn a_sink_passes() -> Result<(), Failure<SinkSubject>> {
    check(&SinkSubject::default(), seeds())
}

#[test]
fn worlds_that_have_failed_pass() {
    // An error reply of a connection that yielded while it drained; last replies of connections that made way.
    check(&AppSubject::default(), 1602..1603).unwrap();
    for seed in [624, 5375] {
        check(&FixedSubject::default(), seed..seed + 1).unwrap();
    }
}

#[test]
fn worlds_that_have_failed_in_comparison_pass() {
    fn compared(seed: u64, subject: &impl Subject) -> Option<Violation> {
        run(&World { is_compared: true, ..World::new(seed, subject) }).violation
    }
    // A timeout under a blocking model that came late because the connection was woken for nothing.
    assert_eq!(compared(1362, &FixedSubject::default()), None);
    // An echo with a delay waits at other times if its input comes in other reads.
    assert_eq!(compared(6385, &EchoSubject::default()), None);
}

#[test]
fn a_seed_has_one_story() {
    for seed in 0..50 {
        let story = || run(&World::new(seed, &AppSubject::default()));
        let (one, other) = (story(), story());
        assert_eq!((one.hash, one.turns, one.time), (other.hash, other.turns, other.time), "seed {seed}");
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
fn dependences_are_found_by_comparison() {
    for (on, oracle) in [(Dependence::OnOthers, Oracle::Isolation), (Dependence::OnReads, Oracle::Agreement)] {
        let failure = check(&on, 0..500).expect_err("the dependence is found");
        assert_eq!(failure.violation.oracle, oracle, "{on:?}: {failure}");
        assert!(failure.world.peers.len() <= 3, "{on:?}: {failure}");
    }
}
