//! One connection of the generator's: what is sent on it, and whether what comes back is right.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use rustix::io::Errno;
use socket2::{Domain, SockRef, Socket, Type};

use super::talk::{Once, Talk};
use crate::text::reason;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It asks as fast as it may.
    Busy,
    /// It sends a byte now and then.
    Drip,
    /// It has asked once and is silent.
    Idle,
}

/// A request that is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// When it was due: nanoseconds on the generator's clock.
    pub due: u64,
    /// When it was sent.
    pub sent: u64,
}

/// A connection, or the place for one.
#[derive(Debug)]
pub struct Link {
    pub role: Role,
    number: u64,
    stream: Option<TcpStream>,
    is_connected: bool,
    /// When it was asked for.
    pub opened: u64,
    sent: u64,
    sendable: u64,
    received: u64,
    /// The requests that are on their way, the first that was sent being the first.
    pub stamps: VecDeque<Stamp>,
}

/// Why a connection is of no use any more: a kind of error.
#[derive(Debug)]
pub enum Trouble {
    /// The system's.
    Io(io::Error),
    /// Another byte came than had to.
    WrongReply,
    /// The server has closed with a request on its way.
    ClosedEarly,
}

impl Trouble {
    /// The name under which it's counted.
    pub fn kind(&self) -> String {
        match self {
            Self::Io(error) => reason(error),
            Self::WrongReply => "wrong reply".into(),
            Self::ClosedEarly => "closed by the server".into(),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// What has come.
#[derive(Clone, Copy, Debug, Default)]
pub struct Received {
    /// Whole replies.
    pub replies: u64,
    /// The server has closed its side.
    pub ended: bool,
}

impl Link {
    /// A place for a connection that may have `depth` requests on their way.
    pub fn new(number: usize, role: Role, depth: usize) -> Link {
        Link {
            role,
            number: number as u64,
            stream: None,
            is_connected: false,
            opened: 0,
            sent: 0,
            sendable: 0,
            received: 0,
            stamps: VecDeque::with_capacity(depth.min(DEPTH_TYPICAL)),
        }
    }

    /// Whether there is a connection, be it one that is not open yet.
    pub fn is_there(&self) -> bool {
        self.stream.is_some()
    }

    /// Whether it's open.
    pub fn is_connected(&self) -> bool {
        self.is_connected
    }

    /// Asks for a connection to `target`, from `source` if there is to be one in particular.
    pub fn open(&mut self, target: SocketAddr, source: Option<Ipv4Addr>, now: u64) -> io::Result<()> {
        let stream = match source {
            None => TcpStream::connect(target)?,
            Some(source) => connect_from(source, target)?,
        };
        self.stream = Some(stream);
        self.opened = now;
        self.is_connected = false;
        (self.sent, self.sendable, self.received) = (0, 0, 0);
        Ok(())
    }

    /// Has what happens on it told; of one that's used once and is open, no more than what comes.
    pub fn watch(&mut self, registry: &Registry, talk: &Talk) -> io::Result<()> {
        let is_short = talk.once().is_some() && self.is_connected && !self.has_more_to_send();
        let interest = if is_short { Interest::READABLE } else { Interest::READABLE | Interest::WRITABLE };
        let token = Token(self.number as usize);
        self.stream.as_mut().map_or(Ok(()), |stream| registry.register(stream, token, interest))
    }

    /// Looks whether the connection is open by now.
    pub fn establish(&mut self, talk: &Talk) -> io::Result<bool> {
        if self.is_connected {
            return Ok(true);
        }
        let Some(stream) = &self.stream else { return Ok(false) };
        match stream.peer_addr() {
            Ok(_) => {
                // One request alone is never held back.
                if talk.once().is_none() {
                    stream.set_nodelay(true)?;
                }
                self.is_connected = true;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::NotConnected => match stream.take_error()? {
                Some(error) => Err(error),
                None => Ok(false),
            },
            Err(error) => Err(error),
        }
    }

    /// Lets a request be sent.
    pub fn begin(&mut self, stamp: Stamp, talk: &Talk) {
        self.stamps.push_back(stamp);
        self.sendable += talk.request_len();
    }

    /// Lets one more byte be sent.
    pub fn drip(&mut self) {
        self.sendable += 1;
    }

    /// Sends what may be sent, as far as the system takes it.
    pub fn send(&mut self, talk: &Talk) -> io::Result<()> {
        let Some(stream) = &mut self.stream else { return Ok(()) };
        if !self.is_connected {
            return Ok(());
        }
        if talk.once() == Some(Once::ClientCloses) && self.received == 0 && self.sent == self.sendable {
            // Nothing is sent, so this comes once for each connection: when it's open.
            return stream.shutdown(Shutdown::Write);
        }
        while self.sent < self.sendable {
            match stream.write(talk.out(self.number, self.sent, self.sendable)) {
                Ok(len) => self.sent += len as u64,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whether it waits for the system to take what may be sent.
    pub fn has_more_to_send(&self) -> bool {
        self.sent < self.sendable
    }

    /// Takes what has come and checks it. If the server `has_ended` its side, nothing follows what is there now.
    pub fn receive(&mut self, talk: &Talk, scratch: &mut [u8], has_ended: bool) -> Result<Received, Trouble> {
        let Some(stream) = &mut self.stream else { return Ok(Received::default()) };
        let before = self.received;
        let mut ended = false;
        loop {
            match stream.read(scratch) {
                Ok(0) => {
                    ended = true;
                    break;
                }
                Ok(len) => {
                    // Of what comes unasked even the right bytes are wrong.
                    let expected = match self.role {
                        Role::Drip => self.sent,
                        Role::Busy | Role::Idle => {
                            let answered = before.checked_div(talk.reply_len()).unwrap_or_default();
                            (answered + self.stamps.len() as u64) * talk.reply_len()
                        }
                    };
                    let is_right = talk.is_right(self.number, self.received, &scratch[..len]);
                    self.received += len as u64;
                    if !is_right || self.received > expected {
                        return Err(Trouble::WrongReply);
                    }
                    // What comes after a short read makes an event of its own.
                    if len < scratch.len() {
                        ended = has_ended;
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Trouble::Io(error)),
            }
        }
        let whole = |bytes: u64| bytes.checked_div(talk.reply_len()).unwrap_or_default();
        match talk.once() {
            // One that has a connection for itself is answered when that is closed.
            Some(_) if ended && self.received == talk.reply_len() => Ok(Received { replies: 1, ended }),
            Some(_) if ended => Err(Trouble::ClosedEarly),
            Some(_) => Ok(Received::default()),
            None => Ok(Received { replies: whole(self.received) - whole(before), ended }),
        }
    }

    /// Closes it in order.
    pub fn close(&mut self) {
        self.stream = None;
        self.is_connected = false;
    }

    /// Closes it with a reset: where the server has closed already that harms nobody, and no port is kept for a minute.
    pub fn reset(&mut self) {
        if let Some(stream) = &self.stream {
            // Where it fails the port is kept.
            let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
        self.close();
    }
}

/// Requests on their way at once that there is room for from the beginning.
const DEPTH_TYPICAL: usize = 64;

/// Asks for a connection from one address to another.
fn connect_from(source: Ipv4Addr, target: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(target), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((source, 0)).into())?;
    match socket.connect(&target.into()) {
        Ok(()) => {}
        // It is on its way.
        Err(error) if Errno::from_io_error(&error) == Some(Errno::INPROGRESS) => {}
        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
        Err(error) => return Err(error),
    }
    Ok(TcpStream::from_std(socket.into()))
}
