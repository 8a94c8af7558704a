//! A protocol whose sessions do what few do, as a subject: an echo that panics, yields, leaves out bytes, keeps others for
//! later, ends its own side, and is called again and again at a deadline that it doesn't move.

use std::time::{Duration, Instant};

use multiconn::selector::sim::Random;
use multiconn::session::{End, Peer, Progress, Service, Session, SessionError, SessionIo};
use multiconn::sim::subject::Then;
use multiconn::sim::{Answer, Heard, Subject};

/// A byte that isn't echoed.
const LEFT_OUT: u8 = b' ';
/// What a session does at a byte.
const PANIC: u8 = b'!';
const YIELD: u8 = b'~';
const END_OUTPUT: u8 = b'.';
/// Bytes between these are kept as unused input until all are there, and the most of them.
const GROUP: [u8; 2] = *b"()";
const GROUP_LEN_MAX: usize = 50;
/// The time for which a session keeps its deadline after it has passed, and the interval of the calls meanwhile.
const LATE: Duration = Duration::from_millis(10);
const TICK: Duration = Duration::from_millis(1);

/// The service. It panics now and then, too: when it is asked for a session, or learns of an end.
pub struct Moods {
    subject: Moody,
    accepted: u32,
    ended: u32,
}

impl Service for Moods {
    type Session = Mood;

    fn accept(&mut self, _peer: &Peer) -> Mood {
        self.accepted += 1;
        assert!(!self.subject.panics_at_accept || !self.accepted.is_multiple_of(5), "no session");
        let Moody { ends_output, stubborn_for, .. } = self.subject;
        Mood { ends_output, stubborn_for, deadline: None, is_late: false }
    }

    fn ended(&mut self, _mood: Mood, _peer: &Peer, _end: End) {
        self.ended += 1;
        assert!(!self.subject.panics_at_end || !self.ended.is_multiple_of(3), "no end");
    }
}

/// One connection.
pub struct Mood {
    ends_output: bool,
    stubborn_for: Option<Duration>,
    deadline: Option<Instant>,
    is_late: bool,
}

impl Session for Mood {
    /// Never finishes: after the end of input, nothing will ever happen to the connection.
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        if let Some(after) = self.stubborn_for {
            self.is_late |= now >= *self.deadline.get_or_insert(now + after) + LATE;
        }
        // What later calls add is dropped.
        let mut ends_output = false;
        while let Some(&byte) = io.input().remaining().first() {
            if !io.output().has_room() {
                return Ok(Progress::NeedRoom);
            }
            let len = match byte == GROUP[0] {
                true => match io.input().remaining().iter().position(|&byte| byte == GROUP[1]) {
                    Some(at) => at + 1,
                    None => return Ok(Progress::NeedInput),
                },
                false => 1,
            };
            match byte {
                PANIC => panic!("in a bad mood"),
                END_OUTPUT if self.ends_output => {
                    io.end_output();
                    ends_output = true;
                }
                _ => {}
            }
            let bytes = io.input().take(len).expect("they are there");
            if byte != LEFT_OUT && !ends_output {
                io.output().push(bytes);
            }
            if byte == YIELD {
                return Ok(Progress::Yield);
            }
        }
        Ok(Progress::NeedInput)
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline.filter(|_| !self.is_late)
    }
}

/// The subject.
#[derive(Clone, Debug, Default)]
pub struct Moody {
    panics_at_accept: bool,
    panics_at_end: bool,
    ends_output: bool,
    stubborn_for: Option<Duration>,
}

impl Subject for Moody {
    type Service = Moods;

    fn drawn(&self, random: &mut Random) -> Self {
        let (panics_at_accept, panics_at_end, ends_output) = (random.once_in(4), random.once_in(4), random.once_in(3));
        let stubborn_for = random.once_in(3).then(|| Duration::from_millis(*random.pick(&[0, 1, 30, 2_000])));
        Moody { panics_at_accept, panics_at_end, ends_output, stubborn_for }
    }

    fn words(&self) -> String {
        let mut words = String::from("a moody echo server");
        if self.panics_at_accept {
            words += ", which panics at some connections";
        }
        if self.panics_at_end {
            words += ", which panics at some ends";
        }
        if self.ends_output {
            words += ", which ends its own side at some bytes";
        }
        if let Some(after) = self.stubborn_for {
            words += &format!(", with a stubborn deadline after {after:?}");
        }
        words
    }

    fn service(&self) -> Moods {
        Moods { subject: self.clone(), accepted: 0, ended: 0 }
    }

    fn requests(&self, random: &mut Random) -> Vec<Vec<u8>> {
        (0..1 + random.below(6)).map(|_| request(random)).collect()
    }

    fn answer(&self, input: &[u8]) -> Answer {
        let (mut output, mut rest, mut is_over) = (Vec::new(), input, false);
        let mut then = Then::Waits;
        while let Some(&byte) = rest.first() {
            let len = match byte {
                PANIC => {
                    then = Then::Panics;
                    break;
                }
                _ if byte == GROUP[0] => rest.iter().position(|&byte| byte == GROUP[1]).map_or(rest.len(), |at| at + 1),
                _ => 1,
            };
            let (bytes, after) = rest.split_at(len);
            if len > GROUP_LEN_MAX {
                // It depends on how it comes.
                then = Then::Unknown;
                break;
            }
            is_over |= byte == END_OUTPUT && self.ends_output;
            let is_cut_off = byte == GROUP[0] && bytes.last() != Some(&GROUP[1]);
            if !is_over && byte != LEFT_OUT && !is_cut_off {
                output.extend_from_slice(bytes);
            }
            rest = after;
        }
        Answer { then, ..Answer::stream(output) }
    }

    /// Which connections the service panics at depends on the order in which they come; and a peer that follows the
    /// server's end goes on in vain.
    fn answers(&self, heard: &[Heard<&[u8]>], connections: usize) -> Option<Vec<Answer>> {
        (self.panics_at_accept || self.ends_output).then(|| {
            let mut inputs = vec![Vec::new(); connections];
            for heard in heard {
                if let Heard::Read { from, bytes, .. } = *heard {
                    inputs[from].extend_from_slice(bytes);
                }
            }
            inputs.iter().map(|input| self.answer(input)).collect()
        })
    }

    fn panics(&self) -> bool {
        true
    }

    fn yields(&self) -> bool {
        true
    }

    fn patience(&self) -> Duration {
        self.stubborn_for.map_or(Duration::ZERO, |after| after + 2 * LATE)
    }

    fn puts_off(&self) -> Duration {
        self.stubborn_for.map_or(Duration::ZERO, |_| TICK)
    }

    fn input_len_max(&self) -> usize {
        GROUP_LEN_MAX
    }
}

fn request(random: &mut Random) -> Vec<u8> {
    let word = |random: &mut Random| vec![b'a' + random.next().to_le_bytes()[0] % 26; 1 + random.below(12)];
    match random.below(13) {
        12 => vec![YIELD; 1 + random.below(5)],
        0 => vec![PANIC],
        1 => vec![END_OUTPUT],
        2..5 => vec![LEFT_OUT; 1 + random.below(5)],
        5 => [vec![GROUP[0]], vec![b'g'; *random.pick(&[3, 48, 49, 49, 50, 70])]].concat(),
        6 => [vec![GROUP[0]], word(random), word(random), vec![GROUP[1]]].concat(),
        7 => vec![b'x'; *random.pick(&[100, 5_000])],
        _ => word(random),
    }
}
