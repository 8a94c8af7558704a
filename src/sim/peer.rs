//! A peer's plan: how it sends, how it reads, how it leaves. These are independent of each other, so a few of each make
//! one-shot clients, pipelining ones, slow readers, silent ones, and many that nobody thinks of.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use super::crowd::Crowd;
use super::subject::{Answer, Subject};
use crate::selector::sim::Random;
use crate::text::count;

/// The window of most peers, in bytes.
pub const WINDOW_USUAL: usize = 256 << 10;

/// A peer's plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Its number in its world. Its choices follow from it and the seed alone.
    pub number: u64,
    /// The time when it connects.
    pub arrives: Duration,
    /// The bytes that it sends.
    pub stream: Vec<u8>,
    /// The reference server's answer to all of them.
    pub answer: Rc<Answer>,
    /// The pieces in which it sends them.
    pub pieces: Vec<Piece>,
    /// How it reads.
    pub reading: Reading,
    /// The bytes that wait for it before a write blocks.
    pub window: usize,
    /// How it leaves.
    pub leaving: Leaving,
    /// How often it comes back, and after how long, if it wasn't served.
    pub returns: Option<(u32, Duration)>,
    /// It comes when all faults have passed, and must be served at once.
    pub is_probe: bool,
}

/// A piece of a peer's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The number of bytes.
    pub len: usize,
    /// The pause before it.
    pub pause: Duration,
    /// The number of bytes to receive first.
    pub awaits: usize,
}

/// How a peer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Everything as it comes.
    Eager,
    /// Nothing.
    Never,
    /// Nothing for a time after it has connected, then everything as it comes.
    Late(Duration),
    /// A limited number of reads with a pause before each, then everything as it comes.
    Slow {
        /// The most bytes of a read.
        len: usize,
        /// The pause before it.
        pause: Duration,
        /// The number of such reads.
        times: u32,
    },
}

/// How and when a peer leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// It ends its side when it has seen the server's end.
    Follows,
    /// It never ends its side.
    Stays,
    /// It leaves of its own accord.
    Leaves(Manner, When),
}

/// The manner of leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// A half-close: it reads on.
    HalfCloses,
    /// A close: what the server still sends is answered with a reset.
    Closes,
    /// A reset.
    Resets,
}

impl Manner {
    /// What it does, in words.
    pub const fn name(self) -> &'static str {
        match self {
            Manner::HalfCloses => "ends its side",
            Manner::Closes => "closes",
            Manner::Resets => "resets",
        }
    }
}

/// The time of leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// That long after the last piece.
    Sent(Duration),
    /// That long after it has connected.
    Connected(Duration),
}

impl Plan {
    /// Draws the plan of peer `number` of the world `seed`, which comes with the others of `crowd`.
    pub fn drawn(seed: u64, number: u64, crowd: &mut Crowd, subject: &impl Subject) -> Self {
        let random = &mut Random::stream(seed, "peer", number);
        let arrives = crowd.time(random) + if random.once_in(2) { short(random) } else { Duration::ZERO };
        let answer = |stream: &[u8]| {
            let answer = subject.answer(stream);
            let len_max = subject.output_len_max(stream, &answer);
            (answer, len_max)
        };
        Self::talking((number, crowd), arrives, |random| subject.requests(random), answer, random)
    }

    /// Draws the plan of a peer that sends its `messages`, or something else, to get an `answer` from the other side. The
    /// number with the answer is about the most bytes that come back, wherever the peer's input ends.
    pub fn talking(
        (number, crowd): (u64, &mut Crowd),
        arrives: Duration,
        messages: impl FnOnce(&mut Random) -> Vec<Vec<u8>>,
        answer: impl FnOnce(&[u8]) -> (Answer, usize),
        random: &mut Random,
    ) -> Self {
        let messages = match random.below(16) {
            0 => Vec::new(),
            1 => vec![(0..random.below(200)).map(|_| random.next().to_le_bytes()[0]).collect()],
            _ => messages(random),
        };
        let mut stream = messages.concat();
        if !stream.is_empty() && random.once_in(10) {
            mutate(&mut stream, random);
        }
        let (answer, len_max) = answer(&stream);
        let answer = Rc::new(answer);
        let pieces = split(&messages, &answer, crowd.drips_max(), random);
        crowd.sends_in(pieces.len());
        let leaving = match random.below(16) {
            0..4 => Leaving::Follows,
            4 => Leaving::Stays,
            5..12 => Leaving::Leaves(Manner::HalfCloses, when(random)),
            12..14 => Leaving::Leaves(Manner::Closes, when(random)),
            _ => Leaving::Leaves(Manner::Resets, when(random)),
        };
        let reading = match random.below(12) {
            0 => Reading::Never,
            1 => Reading::Late(short(random)),
            2 => Reading::Slow { len: 1, pause: Duration::from_secs(1), times: 20 },
            3 => Reading::Slow { len: 1 + random.below(50_000), pause: short(random), times: 50 },
            _ => Reading::Eager,
        };
        let window = *random.pick(&[WINDOW_USUAL, WINDOW_USUAL, WINDOW_USUAL, 64 << 10, 4 << 10, 100, 1]);
        let window = window.max(len_max / crowd.windows_max());
        let returns = random.once_in(4).then(|| (1 + random.below(3) as u32, short(random)));
        Plan { number, arrives, stream, answer, pieces, reading, window, leaving, returns, is_probe: false }
    }

    /// Draws the plan of a peer that sends its requests at once, ends its side and reads: one that any server serves at once.
    pub fn probe(seed: u64, number: u64, arrives: Duration, subject: &impl Subject) -> Self {
        let stream = subject.requests(&mut Random::stream(seed, "peer", number)).concat();
        let answer = Rc::new(subject.answer(&stream));
        let piece = Piece { len: stream.len(), pause: Duration::ZERO, awaits: 0 };
        let pieces = if stream.is_empty() { Vec::new() } else { vec![piece] };
        let leaving = Leaving::Leaves(Manner::HalfCloses, When::Sent(Duration::ZERO));
        // With room for everything, only the server's own turns are between it and the end.
        let (reading, window) = (Reading::Eager, WINDOW_USUAL.max(answer.len_max()));
        Plan { number, arrives, stream, answer, pieces, reading, window, leaving, returns: None, is_probe: true }
    }

    /// What it does once it has a connection, in words.
    pub fn manners(&self) -> impl fmt::Display {
        Manners(self)
    }

    /// Whether it reads whatever comes as it comes.
    pub fn reads_eagerly(&self) -> bool {
        self.reading == Reading::Eager
    }
}

/// A duration from nothing to some seconds, most often a short one.
fn short(random: &mut Random) -> Duration {
    let max = *random.pick(&[1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 5_000_000]);
    Duration::from_micros(random.within(0..=max))
}

fn when(random: &mut Random) -> When {
    match random.once_in(2) {
        true => When::Sent(if random.once_in(2) { Duration::ZERO } else { short(random) }),
        false => When::Connected(short(random)),
    }
}

/// The most bytes of a conversation that is often sent byte by byte.
const SHORT_LEN: usize = 200;

/// The virtual time of a turn with something to do.
const TURN_TIME: Duration = Duration::from_micros(1);

/// The most time between the pieces of most peers, in microseconds: so short that few timeouts come before the last piece.
const BEAT_USUAL: u64 = 100;

/// Decides in which pieces the requests are sent, at most `drips_max` of a byte.
fn split(requests: &[Vec<u8>], answer: &Answer, drips_max: usize, random: &mut Random) -> Vec<Piece> {
    let awaits_replies = random.once_in(2);
    // Otherwise a short conversation would be over in a few turns.
    let drips = requests.iter().map(Vec::len).sum::<usize>() <= SHORT_LEN && !random.once_in(4);
    let manner = if drips { 0 } else { random.below(5) };
    let beat = match manner {
        // Longer than a turn, so that pieces come one by one.
        0..3 if random.once_in(4) => 2 * TURN_TIME + short(random),
        0..3 if !random.once_in(8) => 2 * TURN_TIME + Duration::from_micros(random.within(0..=BEAT_USUAL)),
        3.. if random.once_in(2) => short(random),
        _ => Duration::ZERO,
    };
    let mut pieces = Vec::with_capacity(match manner {
        0 => drips_max.min(requests.iter().map(Vec::len).sum()) + requests.len(),
        1 | 2 => 4 * requests.len(),
        _ => requests.len(),
    });
    let (mut sent, mut pause, mut awaits) = (0, Duration::ZERO, 0);
    for (index, request) in requests.iter().enumerate() {
        let mut left = request.len();
        while left > 0 {
            let len = match manner {
                // Byte by byte, but not for ever.
                0 if left <= 200 && pieces.len() < drips_max => 1,
                1 | 2 => 1 + random.below(left),
                _ => left,
            };
            pieces.push(Piece { len, pause, awaits });
            (pause, awaits, left) = (beat, 0, left - len);
        }
        sent += request.len();
        pause = if random.once_in(4) { Duration::ZERO } else { beat };
        if awaits_replies {
            awaits = match &answer.replies {
                Some(replies) => replies.get(index + 1).copied().unwrap_or(usize::MAX),
                None => answer.output.len().min(sent),
            };
        }
    }
    pieces
}

/// Changes one thing: a bit, a byte, or what is there at all.
fn mutate(stream: &mut [u8], random: &mut Random) {
    // Most mistakes matter near the beginning.
    let len = if random.once_in(2) { stream.len() } else { stream.len().min(40) };
    let at = random.below(len);
    match random.below(3) {
        0 => stream[at] ^= 1 << random.below(8),
        1 => stream[at] = random.next().to_le_bytes()[0],
        _ => {
            let end = at + random.below(stream.len() - at);
            stream[at..end].reverse();
        }
    }
}

/// What it does, in words.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "peer {} connects at {:?}{}", self.number, self.arrives, self.manners())
    }
}

/// What a peer does once it has a connection, in words.
struct Manners<'a>(&'a Plan);

impl fmt::Display for Manners<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Manners(plan) = self;
        match &plan.pieces[..] {
            [] => write!(f, ", sends nothing")?,
            [_] => write!(f, ", sends {} at once", count(plan.stream.len(), "byte"))?,
            pieces => {
                let len = count(plan.stream.len(), "byte");
                write!(f, ", sends {len} in {}", count(pieces.len(), "piece"))?;
                let pauses = pieces.iter().filter(|piece| !piece.pause.is_zero()).count();
                let waits = pieces.iter().filter(|piece| piece.awaits > 0).count();
                let total: Duration = pieces.iter().map(|piece| piece.pause).sum();
                if pauses > 0 {
                    write!(f, " with {}, {total:?} in all", count(pauses, "pause"))?;
                }
                if waits > 0 {
                    write!(f, ", waits for replies {}", count(waits, "time"))?;
                }
            }
        }
        match plan.reading {
            Reading::Eager => {}
            Reading::Never => write!(f, ", reads nothing")?,
            Reading::Late(after) => write!(f, ", reads nothing for {after:?}")?,
            Reading::Slow { len, pause, times } => {
                write!(f, ", reads at most {} every {pause:?}, {}", count(len, "byte"), count(times as usize, "time"))?;
            }
        }
        if plan.window != WINDOW_USUAL {
            write!(f, ", has a window of {}", count(plan.window, "byte"))?;
        }
        match plan.leaving {
            Leaving::Follows => {}
            Leaving::Stays => write!(f, ", never ends its side")?,
            Leaving::Leaves(manner, when) => {
                let manner = manner.name();
                match when {
                    When::Sent(Duration::ZERO) => write!(f, ", then {manner}")?,
                    When::Sent(after) => write!(f, ", {manner} {after:?} later")?,
                    When::Connected(after) => write!(f, ", {manner} {after:?} after it has connected")?,
                }
            }
        }
        if let Some((times, after)) = plan.returns {
            let times = count(times as usize, "time");
            write!(f, ", comes back up to {times}, {after:?} later, if it wasn't served")?;
        }
        Ok(())
    }
}
