//! A protocol whose sessions wake each other, as a subject: from its first byte on, a client gets all that any client sends.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Waker;
use std::time::Instant;

use multiconn::selector::sim::Random;
use multiconn::session::{End, Peer, Progress, Service, Session, SessionError, SessionIo};
use multiconn::sim::{Answer, Heard, Subject};

/// What waits for each client that takes part.
type Mailboxes = Rc<RefCell<Vec<Mailbox>>>;

struct Mailbox {
    number: u64,
    mail: VecDeque<Rc<[u8]>>,
    waker: Waker,
}

/// The service.
#[derive(Default)]
pub struct Broadcast {
    mailboxes: Mailboxes,
    accepted: u64,
}

impl Service for Broadcast {
    type Session = Member;

    fn accept(&mut self, _peer: &Peer) -> Member {
        self.accepted += 1;
        Member { number: self.accepted, mailboxes: Rc::clone(&self.mailboxes) }
    }

    fn ended(&mut self, member: Member, _peer: &Peer, _end: End) {
        self.mailboxes.borrow_mut().retain(|mailbox| mailbox.number != member.number);
    }

    fn shares_state(&self) -> bool {
        true
    }
}

/// One connection.
pub struct Member {
    number: u64,
    mailboxes: Mailboxes,
}

impl Member {
    fn tell_all(&self, bytes: &[u8], waker: impl FnOnce() -> Waker) {
        let mut mailboxes = self.mailboxes.borrow_mut();
        if !mailboxes.iter().any(|mailbox| mailbox.number == self.number) {
            mailboxes.push(Mailbox { number: self.number, mail: VecDeque::new(), waker: waker() });
        }
        let bytes: Rc<[u8]> = bytes.into();
        for mailbox in mailboxes.iter_mut() {
            mailbox.mail.push_back(Rc::clone(&bytes));
            if mailbox.number != self.number {
                mailbox.waker.wake_by_ref();
            }
        }
    }
}

impl Session for Member {
    fn advance(&mut self, io: &mut SessionIo<'_>, _now: Instant) -> Result<Progress, SessionError> {
        let bytes = io.input().take_all();
        if !bytes.is_empty() {
            self.tell_all(bytes, || io.waker());
        }
        let mut mailboxes = self.mailboxes.borrow_mut();
        if let Some(mailbox) = mailboxes.iter_mut().find(|mailbox| mailbox.number == self.number) {
            while io.output().has_room()
                && let Some(bytes) = mailbox.mail.pop_front()
            {
                io.output().push(&bytes);
            }
            if !mailbox.mail.is_empty() {
                return Ok(if io.input_ended() { Progress::NeedRoom } else { Progress::NeedEither });
            }
        }
        Ok(if io.input_ended() { Progress::Finished } else { Progress::NeedInput })
    }

    fn is_idle(&self) -> bool {
        let mailboxes = self.mailboxes.borrow();
        mailboxes.iter().all(|mailbox| mailbox.number != self.number || mailbox.mail.is_empty())
    }
}

/// The subject.
#[derive(Clone, Debug)]
pub struct Broadcasting;

impl Subject for Broadcasting {
    type Service = Broadcast;

    fn words(&self) -> String {
        "a server that sends everything to everybody".to_owned()
    }

    fn service(&self) -> Broadcast {
        Broadcast::default()
    }

    fn requests(&self, random: &mut Random) -> Vec<Vec<u8>> {
        (0..random.below(4)).map(|_| vec![b'a' + random.next().to_le_bytes()[0] % 26; 1 + random.below(20)]).collect()
    }

    fn answer(&self, input: &[u8]) -> Answer {
        Answer::stream(input)
    }

    fn answers(&self, heard: &[Heard<&[u8]>], connections: usize) -> Option<Vec<Answer>> {
        let mut answers = vec![Answer { replies: Some(vec![0]), ..Answer::default() }; connections];
        let mut listening = Vec::new();
        for heard in heard {
            match *heard {
                Heard::Read { from, bytes, .. } => {
                    if !listening.contains(&from) {
                        listening.push(from);
                    }
                    listening.iter().for_each(|&to| answers[to].reply(bytes));
                }
                Heard::Done { from } => listening.retain(|&other| other != from),
                Heard::Closed { .. } | Heard::Stopping => {}
            }
        }
        Some(answers)
    }

    fn output_len_max(&self, _input: &[u8], _answer: &Answer) -> usize {
        // What a few dozen clients send.
        1_000
    }
}
