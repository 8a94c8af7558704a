//! Stops in simulated worlds: sessions that end too late or too early, which the oracles find; and second stops.

use std::time::{Duration, Instant};

use multiconn::selector::sim::Random;
use multiconn::session::{Peer, Progress, Session, SessionError, SessionIo};
use multiconn::sim::{Answer, Failure, Oracle, Subject, World, check};

/// Whether a session has something in progress.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Says {
    /// While it has half a line.
    TheTruth,
    /// Always: a stop waits for nothing.
    Busy,
    /// Never: a stop closes it in the middle of a line.
    Idle,
}

/// Returns each line, the last one at the latest when its peer ends. It keeps half a line itself, so only its word tells
/// the loop about that.
struct Lines {
    says: Says,
    begun: Vec<u8>,
    /// The time when it will have taken too long.
    until: Option<Instant>,
}

/// The longest time that it takes.
const PATIENCE: Duration = Duration::from_secs(10);

impl Session for Lines {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        if now >= *self.until.get_or_insert(now + PATIENCE) {
            return Err(SessionError::timed_out("it takes too long"));
        }
        if !io.output().has_room() {
            return Ok(Progress::NeedRoom);
        }
        while let Some(rest) = io.input().take_until(b'\n') {
            self.begun.extend_from_slice(rest);
            self.begun.push(b'\n');
            io.output().push(&self.begun);
            self.begun.clear();
        }
        self.begun.extend_from_slice(io.input().take_all());
        if io.input_ended() {
            io.output().push(&self.begun);
            return Ok(Progress::Finished);
        }
        Ok(Progress::NeedInput)
    }

    fn is_idle(&self) -> bool {
        match self.says {
            Says::TheTruth => self.begun.is_empty(),
            Says::Busy => false,
            Says::Idle => true,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.until
    }
}

#[derive(Clone, Debug)]
struct LineSubject(Says);

impl Subject for LineSubject {
    type Service = Box<dyn FnMut(&Peer) -> Lines>;

    fn service(&self) -> Self::Service {
        let LineSubject(says) = *self;
        Box::new(move |_| Lines { says, begun: Vec::new(), until: None })
    }

    fn requests(&self, random: &mut Random) -> Vec<Vec<u8>> {
        (0..random.below(4)).map(|_| [&b"line ".repeat(random.below(30))[..], b"\n"].concat()).collect()
    }

    fn answer(&self, input: &[u8]) -> Answer {
        let ends = (1..=input.len()).filter(|&end| input[end - 1] == b'\n');
        let replies: Vec<usize> = std::iter::once(0).chain(ends).collect();
        let all = replies.last().copied().unwrap_or(0);
        let (output, at_end) = input.split_at(all);
        Answer { output: output.to_vec(), replies: Some(replies), at_end: at_end.to_vec(), ..Answer::default() }
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }
}

/// Finds what is wrong with such sessions: it needs a stop.
fn found(says: Says) -> Oracle {
    let failure = check(&LineSubject(says), 0..300).expect_err("the bug is found");
    assert!(failure.world.stops.is_some(), "{failure}");
    failure.violation.oracle
}

#[test]
fn sessions_that_finish_what_has_begun_pass() -> Result<(), Failure<LineSubject>> {
    check(&LineSubject(Says::TheTruth), 0..300)
}

#[test]
fn a_session_that_stays_at_a_stop_with_nothing_in_progress_is_found() {
    assert_eq!(found(Says::Busy), Oracle::Liveness);
}

#[test]
fn a_session_that_leaves_a_request_at_a_stop_is_found() {
    assert_eq!(found(Says::Idle), Oracle::Bytes);
}

#[test]
fn some_worlds_stop_twice_and_say_so() {
    let worlds: Vec<_> = (0..100).map(|seed| World::new(seed, &LineSubject(Says::TheTruth))).collect();
    assert!(worlds.iter().any(|world| world.stops.is_some() && world.stops_again.is_none()));
    let twice: Vec<_> = worlds.iter().filter(|world| world.stops_again.is_some()).collect();
    assert!(!twice.is_empty());
    for world in twice {
        assert!(world.stops_again >= world.stops, "{world}");
        assert!(world.to_string().contains("\nthe server gets another order to stop at "), "{world}");
    }
}
