//! The conversation between two servers, one of which takes over from the other.
//!
//! It consists of lines, over a Unix socket that the older server listens on. With each `socket` comes the descriptor of a
//! listening socket, as SCM_RIGHTS:
//!
//! | from | line | meaning |
//! |---|---|---|
//! | the newer | `multiconn-takeover 1 PROTOCOL` | the version of this conversation, and the protocol of the server |
//! | the older | `multiconn-takeover 1 PROTOCOL` | the same; if anything differs, both give up |
//! | | `socket served` | a socket for clients |
//! | | `socket systemd NAME` | a socket that systemd has passed |
//! | | `socket admin` | the socket of `--admin` |
//! | | `socket control` | the socket on which the older listens for this conversation |
//! | | `end` | that was the last |
//! | the newer | `ready` | its loops run |
//! | the older | `done` | it accepts no more connections, and leaves the files of Unix sockets alone |
//! | | or `late` | it has given up on the newer, and goes on |
//!
//! Until `ready`, the older server goes on as before, whatever happens. In any version, the first lines begin with
//! `multiconn-takeover` and the version.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage,
    recvmsg, sendmsg,
};

use crate::models::Kind;
use crate::selector::{ERRORS_ONLY, WakeFd};
use crate::sys::{self, PollFd};
use crate::text::{Escaped, reason};

const GREETING: &str = "multiconn-takeover";
/// The version of the conversation.
pub const VERSION: u32 = 1;
/// The longest line. The name of a socket of systemd has at most 255 bytes.
const LINE_MAX: usize = 400;
/// The most descriptors that may have arrived before their lines.
const FDS_MAX: usize = 4;

/// A line of the conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    Hello { version: u32, protocol: String },
    Socket(Kind),
    End,
    Ready,
    Done,
    Late,
}

impl Line {
    /// The line that this version says first.
    pub fn hello(protocol: &str) -> Line {
        Line::Hello { version: VERSION, protocol: protocol.to_owned() }
    }

    /// Checks that the other side's first line says that it speaks this version and serves `protocol`.
    pub fn check(self, protocol: &str) -> Result<(), Trouble> {
        match self {
            Line::Hello { version, .. } if version != VERSION => Err(Trouble::Version(version)),
            Line::Hello { protocol: theirs, .. } if theirs != protocol => Err(Trouble::Protocol(theirs)),
            Line::Hello { .. } => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    fn parse(text: &str) -> Option<Line> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        Some(match (word, rest) {
            (GREETING, rest) => {
                // Other versions may say other things after that.
                let (version, protocol) = rest.split_once(' ').unwrap_or((rest, ""));
                Line::Hello { version: version.parse().ok()?, protocol: protocol.to_owned() }
            }
            ("socket", "served") => Line::Socket(Kind::Served),
            ("socket", "admin") => Line::Socket(Kind::Admin),
            ("socket", "control") => Line::Socket(Kind::Control),
            ("socket", rest) => Line::Socket(Kind::Systemd(rest.strip_prefix("systemd ")?.to_owned())),
            ("end", "") => Line::End,
            ("ready", "") => Line::Ready,
            ("done", "") => Line::Done,
            ("late", "") => Line::Late,
            _ => return None,
        })
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Line::Hello { version, protocol } => write!(f, "{GREETING} {version} {protocol}"),
            Line::Socket(Kind::Served) => f.write_str("socket served"),
            Line::Socket(Kind::Admin) => f.write_str("socket admin"),
            Line::Socket(Kind::Control) => f.write_str("socket control"),
            Line::Socket(Kind::Systemd(name)) => write!(f, "socket systemd {name}"),
            Line::End => f.write_str("end"),
            Line::Ready => f.write_str("ready"),
            Line::Done => f.write_str("done"),
            Line::Late => f.write_str("late"),
        }
    }
}

/// Why a conversation ends early.
#[derive(Debug)]
pub enum Trouble {
    /// The other side has ended it.
    Ended,
    /// The other side takes too long.
    Silent,
    /// The server here has taken too long.
    Late,
    /// The other side says something else.
    Garbage(Vec<u8>),
    /// The other side speaks another version.
    Version(u32),
    /// The other side serves another protocol.
    Protocol(String),
    /// The other side belongs to another user.
    User(u32),
    /// The server here stops.
    Stopped,
    /// The system refuses.
    Failed(io::Error),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Ended => f.write_str("the other server has ended the conversation"),
            Trouble::Silent => f.write_str("the other server does not answer"),
            Trouble::Late => f.write_str("this server has taken too long to start, and the other one goes on"),
            Trouble::Garbage(what) => {
                write!(f, "the other side is no server of this kind: it says {}", Escaped(what))
            }
            Trouble::Version(version) => {
                write!(f, "the other server speaks version {version} of the takeover, and this one {VERSION}")
            }
            Trouble::Protocol(name) => write!(f, "the other server's protocol is {}", Escaped(name.as_bytes())),
            Trouble::User(id) => write!(f, "the other server belongs to another user, {id}"),
            Trouble::Stopped => f.write_str("this server stops"),
            Trouble::Failed(error) => f.write_str(&reason(error)),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Trouble::Ended,
            _ => Trouble::Failed(error),
        }
    }
}

impl From<rustix::io::Errno> for Trouble {
    fn from(error: rustix::io::Errno) -> Self {
        io::Error::from(error).into()
    }
}

/// Bytes and descriptors that have arrived and are not used yet.
#[derive(Debug, Default)]
struct Arrived {
    bytes: Vec<u8>,
    fds: VecDeque<OwnedFd>,
}

impl Arrived {
    /// Takes the next line, once it is complete, with its descriptor if it's about a socket.
    fn next(&mut self) -> Result<Option<(Line, Option<OwnedFd>)>, Trouble> {
        let Some(len) = self.bytes.iter().position(|&byte| byte == b'\n') else {
            return match self.bytes.len() > LINE_MAX || self.fds.len() > FDS_MAX {
                true => Err(Trouble::Garbage(self.bytes.clone())),
                false => Ok(None),
            };
        };
        let garbage = || Trouble::Garbage(self.bytes[..len].to_vec());
        let text = str::from_utf8(&self.bytes[..len]).map_err(|_| garbage())?;
        let line = Line::parse(text).ok_or_else(garbage)?;
        let fd = match line {
            // A descriptor arrives with the first byte of its line.
            Line::Socket(_) => Some(self.fds.pop_front().ok_or_else(garbage)?),
            _ => None,
        };
        self.bytes.drain(..=len);
        Ok(Some((line, fd)))
    }
}

/// A conversation, in which every wait ends at a deadline, or when the server here stops.
#[derive(Debug)]
pub struct Conversation {
    stream: UnixStream,
    deadline: Instant,
    arrived: Arrived,
}

impl Conversation {
    /// The conversation over `stream`, which may take until `timeout` has passed.
    pub fn new(stream: UnixStream, timeout: Duration) -> io::Result<Conversation> {
        stream.set_nonblocking(true)?;
        Ok(Conversation { stream, deadline: Instant::now() + timeout, arrived: Arrived::default() })
    }

    /// Sets the time that the rest of it may take.
    pub fn allow(&mut self, timeout: Duration) {
        self.deadline = Instant::now() + timeout;
    }

    /// The other process, if the system tells.
    pub fn peer(&self) -> Option<u32> {
        #[cfg(target_os = "linux")]
        return rustix::net::sockopt::socket_peercred(&self.stream)
            .ok()
            .and_then(|peer| u32::try_from(peer.pid.as_raw_nonzero().get()).ok());
        #[cfg(not(target_os = "linux"))]
        None
    }

    /// Checks that the other side is a process of the same user. Where the system can't tell, the mode of the socket's file
    /// keeps others out.
    pub fn check_user(&self) -> Result<(), Trouble> {
        #[cfg(target_os = "linux")]
        {
            let peer = rustix::net::sockopt::socket_peercred(&self.stream)?;
            if peer.uid != rustix::process::geteuid() {
                return Err(Trouble::User(peer.uid.as_raw()));
            }
        }
        Ok(())
    }

    /// Sends `line`, with a descriptor if it's about a socket.
    pub fn say(&mut self, line: &Line, fd: Option<BorrowedFd<'_>>, closed: &WakeFd) -> Result<(), Trouble> {
        let text = format!("{line}\n");
        let (mut sent, fds) = (0, fd.as_slice());
        while sent < text.len() {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            // It goes with the first byte.
            if sent == 0 && !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
                return Err(io::Error::other("no room for a descriptor").into());
            }
            let rest = [IoSlice::new(&text.as_bytes()[sent..])];
            match sendmsg(&self.stream, &rest, &mut control, ERRORS_ONLY) {
                Ok(len) => sent += len,
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => self.wait(true, closed)?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Waits for the next line, which has a descriptor if it's about a socket.
    pub fn hear(&mut self, closed: &WakeFd) -> Result<(Line, Option<OwnedFd>), Trouble> {
        loop {
            if let Some(heard) = self.arrived.next()? {
                return Ok(heard);
            }
            match self.receive() {
                Ok(0) => {
                    return Err(match self.arrived.bytes.is_empty() {
                        true => Trouble::Ended,
                        false => Trouble::Garbage(self.arrived.bytes.clone()),
                    });
                }
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => self.wait(false, closed)?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Waits for the other side's first line, and checks that it speaks this version and serves `protocol`.
    pub fn hear_hello(&mut self, protocol: &str, closed: &WakeFd) -> Result<(), Trouble> {
        self.hear(closed)?.0.check(protocol)
    }

    /// Waits for this line, and accepts no other.
    pub fn hear_only(&mut self, line: &Line, closed: &WakeFd) -> Result<(), Trouble> {
        match self.hear(closed)?.0 {
            heard if heard == *line => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    fn receive(&mut self) -> rustix::io::Result<usize> {
        let mut bytes = [0; LINE_MAX];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_MAX))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = recvmsg(&self.stream, &mut [IoSliceMut::new(&mut bytes)], &mut control, CLOSED_IN_PROGRAMS)?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(fds) = message {
                for fd in fds {
                    #[cfg(target_vendor = "apple")]
                    rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC)?;
                    self.arrived.fds.push_back(fd);
                }
            }
        }
        if received.flags.contains(ReturnFlags::CTRUNC) {
            // Too many at once, or no descriptor is left here.
            return Err(rustix::io::Errno::MFILE);
        }
        self.arrived.bytes.extend(&bytes[..received.bytes]);
        Ok(received.bytes)
    }

    fn wait(&self, to_write: bool, closed: &WakeFd) -> Result<(), Trouble> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Trouble::Silent);
        }
        let mut fds = [PollFd::new(&self.stream, !to_write, to_write), PollFd::new(closed, true, false)];
        match sys::poll(&mut fds, Some(left)) {
            Ok(_) if fds[1].is_ready() => Err(Trouble::Stopped),
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error.into()),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

fn unexpected(line: &Line) -> Trouble {
    Trouble::Garbage(line.to_string().into_bytes())
}

/// A descriptor that arrives is closed in the programs that this process starts.
#[cfg(not(target_vendor = "apple"))]
const CLOSED_IN_PROGRAMS: RecvFlags = RecvFlags::CMSG_CLOEXEC;
#[cfg(target_vendor = "apple")]
const CLOSED_IN_PROGRAMS: RecvFlags = RecvFlags::empty();

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::os::fd::AsFd;
    use std::thread;

    use super::*;
    use crate::selector::Waker;

    const SOON: Duration = Duration::from_millis(50);
    const LATE: Duration = Duration::from_secs(20);

    fn lines() -> [Line; 9] {
        [
            Line::hello("app"),
            Line::Socket(Kind::Served),
            Line::Socket(Kind::Admin),
            Line::Socket(Kind::Control),
            Line::Socket(Kind::Systemd("web 1".to_owned())),
            Line::End,
            Line::Ready,
            Line::Done,
            Line::Late,
        ]
    }

    /// A conversation, its other end, and what would stop it.
    fn pair(timeout: Duration) -> (Conversation, UnixStream, (Waker, WakeFd)) {
        let (one, other) = UnixStream::pair().unwrap();
        (Conversation::new(one, timeout).unwrap(), other, WakeFd::new().unwrap())
    }

    #[test]
    fn a_line_is_written_as_it_is_read() {
        for line in lines() {
            assert_eq!(Line::parse(&line.to_string()), Some(line));
        }
    }

    #[test]
    fn lines_arrive_in_any_pieces() {
        let text: String = lines().iter().map(|line| format!("{line}\n")).collect();
        for split in 0..=text.len() {
            let mut arrived = Arrived::default();
            let mut heard = Vec::new();
            for piece in [&text[..split], &text[split..]] {
                arrived.bytes.extend(piece.as_bytes());
                arrived.fds.extend((arrived.fds.len()..FDS_MAX).map(|_| tempfile::tempfile().unwrap().into()));
                while let Some((line, fd)) = arrived.next().unwrap() {
                    assert_eq!(fd.is_some(), matches!(line, Line::Socket(_)));
                    heard.push(line);
                }
            }
            assert_eq!(heard, lines(), "split at {split}");
        }
    }

    #[test]
    fn anything_else_is_garbage() {
        let long = "x".repeat(LINE_MAX + 1);
        let wrong = [
            "\n",
            "GET / HTTP/1.1\r\n",
            "socket\n",
            "socket web\n",
            "multiconn-takeover x app\n",
            "ready now\n",
            &long,
        ];
        for text in wrong {
            let mut arrived = Arrived { bytes: text.into(), fds: VecDeque::new() };
            assert!(matches!(arrived.next(), Err(Trouble::Garbage(_))), "{text}");
        }
        let mut arrived = Arrived { bytes: b"\xff\n".into(), fds: VecDeque::new() };
        assert!(matches!(arrived.next(), Err(Trouble::Garbage(_))));
    }

    #[test]
    fn a_socket_without_its_descriptor_is_garbage() {
        let mut arrived = Arrived { bytes: b"socket served\n".into(), fds: VecDeque::new() };
        assert!(matches!(arrived.next(), Err(Trouble::Garbage(_))));
    }

    #[test]
    fn sockets_arrive_with_their_lines() {
        let (mut teller, other, (_waker, closed)) = pair(LATE);
        let mut hearer = Conversation::new(other, LATE).unwrap();
        let listeners: Vec<_> = (0..600).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let addresses: Vec<_> = listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
        thread::scope(|scope| {
            scope.spawn(|| {
                let (_waker, closed) = WakeFd::new().unwrap();
                for listener in &listeners {
                    teller.say(&Line::Socket(Kind::Served), Some(listener.as_fd()), &closed).unwrap();
                }
                teller.say(&Line::End, None, &closed).unwrap();
            });
            for addr in addresses {
                let (line, fd) = hearer.hear(&closed).unwrap();
                assert_eq!(line, Line::Socket(Kind::Served));
                let fd = fd.unwrap();
                assert!(rustix::io::fcntl_getfd(&fd).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
                assert_eq!(TcpListener::from(fd).local_addr().unwrap(), addr);
            }
            hearer.hear_only(&Line::End, &closed).unwrap();
        });
    }

    #[test]
    fn a_line_that_comes_byte_by_byte_is_heard() {
        let (mut hearer, mut other, (_waker, closed)) = pair(LATE);
        thread::scope(|scope| {
            scope.spawn(|| {
                for byte in b"ready\n" {
                    other.write_all(&[*byte]).unwrap();
                    thread::yield_now();
                }
            });
            hearer.hear_only(&Line::Ready, &closed).unwrap();
        });
    }

    #[test]
    fn silence_and_half_a_line_last_until_the_deadline() {
        for said in ["", "read"] {
            let (mut hearer, mut other, (_waker, closed)) = pair(SOON);
            other.write_all(said.as_bytes()).unwrap();
            assert!(matches!(hearer.hear(&closed), Err(Trouble::Silent)), "{said}");
        }
    }

    #[test]
    fn so_does_a_peer_that_does_not_read() {
        let (mut teller, _other, (_waker, closed)) = pair(SOON);
        let trouble = loop {
            if let Err(trouble) = teller.say(&Line::End, None, &closed) {
                break trouble;
            }
        };
        assert!(matches!(trouble, Trouble::Silent), "{trouble}");
    }

    #[test]
    fn a_stop_ends_a_wait() {
        let (mut hearer, _other, (waker, closed)) = pair(LATE);
        waker.wake();
        assert!(matches!(hearer.hear(&closed), Err(Trouble::Stopped)));
    }

    #[test]
    fn an_end_is_told_from_half_a_line() {
        for (said, is_garbage) in [("", false), ("read", true)] {
            let (mut hearer, mut other, (_waker, closed)) = pair(LATE);
            other.write_all(said.as_bytes()).unwrap();
            drop(other);
            let trouble = hearer.hear(&closed).unwrap_err();
            assert_eq!(matches!(trouble, Trouble::Garbage(_)), is_garbage, "{trouble}");
        }
    }

    #[test]
    fn other_versions_and_protocols_are_told() {
        let hear = |said: &str| {
            let (mut hearer, mut other, (_waker, closed)) = pair(LATE);
            other.write_all(said.as_bytes()).unwrap();
            hearer.hear_hello("app", &closed).map_err(|trouble| trouble.to_string())
        };
        assert_eq!(hear("multiconn-takeover 1 app\n"), Ok(()));
        let version = "the other server speaks version 2 of the takeover, and this one 1";
        assert_eq!(hear("multiconn-takeover 2 {}\n").unwrap_err(), version);
        assert_eq!(hear("multiconn-takeover 1 echo\n").unwrap_err(), "the other server's protocol is 'echo'");
        let other = "the other side is no server of this kind: it says 'ready'";
        assert_eq!(hear("ready\n").unwrap_err(), other);
    }

    #[test]
    fn both_sides_of_a_pair_are_of_the_same_user() {
        let (conversation, _other, _) = pair(LATE);
        conversation.check_user().unwrap();
    }

    #[test]
    fn the_end_of_a_conversation_reaches_the_other_side() {
        let (conversation, mut other, _) = pair(LATE);
        drop(conversation);
        assert_eq!(other.read(&mut [0]).unwrap(), 0);
    }
}
