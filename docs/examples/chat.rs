//! A chat: the first line of a peer is its name, and every other line goes to all others.
//!
//! Run it with `cargo run --example chat`, join with `nc 127.0.0.1 PORT`, and stop it with Enter. A peer that reads too
//! slowly loses the oldest lines that wait for it, and learns how many. One that reads nothing is disconnected by the
//! connection's write timeout.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, Instant};
use std::{env, io, mem, thread};

use multiconn::codec::Lines;
use multiconn::connection::Config;
use multiconn::reactor::Reactor;
use multiconn::selector::MioSelector;
use multiconn::session::{End, Peer, Progress, Service, Session, SessionError, SessionIo};

const NAME_LEN_MAX: usize = 20;
const LINE_LEN_MAX: usize = 500;
/// How long a name may take, and a line from its first byte on.
const LINE_TIMEOUT: Duration = Duration::from_secs(30);
/// Maximum number of lines that wait for a member. Each other member may send a few hundred before it has its turn.
pub const MAILBOX_LEN_MAX: usize = 2000;

/// The members by name. A reactor is one thread, so no lock is needed.
pub type Room = Rc<RefCell<BTreeMap<String, Mailbox>>>;

/// The lines that wait for a member.
pub struct Mailbox {
    /// The oldest first.
    pub lines: VecDeque<Rc<str>>,
    /// Lines dropped since the member was last told.
    pub dropped: usize,
    waker: Waker,
}

fn tell_others(room: &Room, sender: &str, line: String) {
    let line = Rc::from(line);
    for (_, mailbox) in room.borrow_mut().iter_mut().filter(|(name, _)| *name != sender) {
        if mailbox.lines.len() == MAILBOX_LEN_MAX {
            mailbox.lines.pop_front();
            mailbox.dropped += 1;
        }
        // A member that has mail is woken already, or waits for room in its output.
        if mailbox.lines.is_empty() {
            mailbox.waker.wake_by_ref();
        }
        mailbox.lines.push_back(Rc::clone(&line));
    }
}

/// The service.
#[derive(Default)]
pub struct Chat {
    /// Shared with the sessions.
    pub room: Room,
}

impl Service for Chat {
    type Session = Member;

    fn accept(&mut self, _peer: &Peer) -> Member {
        Member { room: Rc::clone(&self.room), name: None, lines: Lines::new(LINE_LEN_MAX), deadline: None }
    }

    /// Every connection ends here, whatever its end, so no name is left behind.
    fn ended(&mut self, member: Member, _peer: &Peer, _end: End) {
        if let Some(name) = member.name {
            self.room.borrow_mut().remove(&name);
            tell_others(&self.room, &name, format!("* {name} has left\n"));
        }
    }
}

/// One connection.
pub struct Member {
    room: Room,
    name: Option<String>,
    lines: Lines,
    deadline: Option<Instant>,
}

impl Member {
    /// Moves lines from the mailbox to the output while that has room, and returns whether any are left.
    fn deliver(&mut self, io: &mut SessionIo<'_>) -> bool {
        let mut room = self.room.borrow_mut();
        let Some(mailbox) = self.name.as_ref().and_then(|name| room.get_mut(name)) else { return false };
        while io.output().has_room() {
            if mailbox.dropped > 0 {
                let dropped = mem::take(&mut mailbox.dropped);
                io.output().push(format!("* You have missed {dropped} lines\n").as_bytes());
            }
            let Some(line) = mailbox.lines.pop_front() else { break };
            io.output().push(line.as_bytes());
        }
        !mailbox.lines.is_empty()
    }

    fn hear(&mut self, line: &[u8], io: &mut SessionIo<'_>) {
        // Control characters could upset the terminals of other members.
        let text: String = String::from_utf8_lossy(line).chars().filter(|it| !it.is_control()).collect();
        let is_name = (1..=NAME_LEN_MAX).contains(&text.len()) && text.chars().all(char::is_alphanumeric);
        match &self.name {
            Some(name) => tell_others(&self.room, name, format!("{name}: {text}\n")),
            None if is_name && !self.room.borrow().contains_key(&text) => {
                tell_others(&self.room, &text, format!("* {text} has joined\n"));
                let mailbox = Mailbox { lines: VecDeque::new(), dropped: 0, waker: io.waker() };
                self.room.borrow_mut().insert(text.clone(), mailbox);
                self.name = Some(text);
            }
            None => io.output().push(b"* Choose another name, of letters and digits\n"),
        }
    }
}

impl Session for Member {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        let has_mail = self.deliver(io);
        loop {
            if !io.begin_message() {
                return Ok(Progress::Yield);
            }
            let Some(line) = self.lines.read(io.input())? else { break };
            self.deadline = None;
            self.hear(line, io);
        }
        if io.is_stopping() {
            io.output().push(b"* The server stops. Good-bye!\n");
        }
        if io.is_stopping() || io.input_ended() {
            return Ok(Progress::Finished);
        }
        let waits_for_line = self.name.is_none() || !io.input().is_empty();
        if waits_for_line && now >= *self.deadline.get_or_insert(now + LINE_TIMEOUT) {
            return Err(SessionError::timed_out("a line took too long"));
        }
        // With mail left, the output is full: the session goes on when the peer has read some of it.
        Ok(if has_mail { Progress::NeedEither } else { Progress::NeedInput })
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}

/// Serves until Enter is typed.
pub fn main() -> io::Result<()> {
    let addr = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    // Members may listen in silence for an hour.
    let config = Config { idle_timeout: Duration::from_secs(3600), ..Config::default() };
    let mut reactor = Reactor::new(MioSelector::new()?, Chat::default(), config);
    println!("Listening on {}", reactor.listen(addr)?[0]);
    let handle = reactor.handle();
    thread::spawn(move || {
        if io::stdin().read_line(&mut String::new()).is_ok_and(|len| len > 0) {
            handle.stop();
        }
    });
    reactor.run()
}
