//! A connection of the generator: sends requests, and checks the replies.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use rustix::io::Errno;
use rustix::net::sockopt;
use socket2::{Domain, Socket, Type};

use super::Load;
use super::dialog::{Dialog, Received};
use super::talk::{Once, Talk};
use crate::address::Addr;
use crate::bench::raw::Wrong;
use crate::codec::proxy;
use crate::selector::{SocketStream, Stream};
use crate::text::reason;

/// The role of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It makes requests, timed by the load's pace.
    Busy,
    /// It sends a byte now and then.
    Drip,
    /// It makes one request and is then silent.
    Idle,
}

/// A request in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The time when it was due, in nanoseconds on the generator's clock.
    pub due: u64,
    /// The time when it was sent.
    pub sent: u64,
}

/// A connection, or the place for one.
#[derive(Debug)]
pub struct Link {
    pub role: Role,
    number: u64,
    stream: Option<SocketStream>,
    is_connected: bool,
    /// The system may delay small requests, as TCP does.
    delays: bool,
    /// The unsent rest of the PROXY header.
    header: Vec<u8>,
    /// The time when the connection was requested.
    pub opened: u64,
    sent: u64,
    sendable: u64,
    received: u64,
    /// The requests in flight, in the order in which they were sent.
    pub stamps: VecDeque<Stamp>,
    /// The requests and replies in flight, if the positions of bytes don't determine them.
    dialog: Option<Box<Dialog>>,
}

/// The reason why a connection has failed.
#[derive(Debug)]
pub enum Trouble {
    /// A system error.
    Io(io::Error),
    /// A wrong byte was received.
    WrongReply,
    /// A reply failed its check, or didn't end.
    Wrong(Wrong),
    /// The server closed while a request was in flight.
    ClosedEarly,
}

impl Trouble {
    /// The name under which the error is counted.
    pub fn kind(&self) -> String {
        match self {
            Self::Io(error) => reason(error),
            Self::WrongReply => "wrong reply".into(),
            Self::Wrong(wrong) => wrong.kind.into(),
            Self::ClosedEarly => "closed by the server".into(),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Wrong> for Trouble {
    fn from(wrong: Wrong) -> Self {
        Self::Wrong(wrong)
    }
}

impl Link {
    /// Creates a place for a connection with up to `depth` requests in flight.
    pub fn new(number: usize, role: Role, depth: usize, talk: &Talk) -> Link {
        Link {
            role,
            number: number as u64,
            stream: None,
            is_connected: false,
            delays: false,
            header: Vec::new(),
            opened: 0,
            sent: 0,
            sendable: 0,
            received: 0,
            stamps: VecDeque::with_capacity(depth.min(DEPTH_TYPICAL)),
            dialog: talk.exchange().map(|_| Box::default()),
        }
    }

    /// Whether there is a connection, even one that is not open yet.
    pub fn is_there(&self) -> bool {
        self.stream.is_some()
    }

    /// Whether it's open.
    pub fn is_connected(&self) -> bool {
        self.is_connected
    }

    /// Begins to open a connection to `target`, from `source` if given.
    pub fn open(&mut self, target: Addr, source: Option<Ipv4Addr>, now: u64) -> io::Result<()> {
        let stream = match (target, source) {
            (Addr::Inet(target), None) => TcpStream::connect(target)?.into(),
            (Addr::Inet(target), Some(source)) => connect_from(source, target)?.into(),
            (Addr::Unix(_), _) => SocketStream::connect(target)?,
        };
        self.stream = Some(stream);
        self.header.clear();
        self.delays = target.inet().is_some();
        self.opened = now;
        self.is_connected = false;
        (self.sent, self.sendable, self.received) = (0, 0, 0);
        if let Some(dialog) = &mut self.dialog {
            dialog.clear();
        }
        Ok(())
    }

    /// Registers for its events; an open connection for a single request only for readability.
    pub fn watch(&mut self, registry: &Registry, talk: &Talk) -> io::Result<()> {
        let is_short = talk.once().is_some() && self.is_connected && !self.has_more_to_send();
        let interest = if is_short { Interest::READABLE } else { Interest::READABLE | Interest::WRITABLE };
        let token = Token(self.number as usize);
        self.stream.as_mut().map_or(Ok(()), |stream| registry.register(stream, token, interest))
    }

    /// Checks whether the connection is open by now.
    pub fn establish(&mut self, load: &Load<'_>) -> io::Result<bool> {
        if self.is_connected {
            return Ok(true);
        }
        let Some(stream) = &self.stream else { return Ok(false) };
        if !stream.is_open()? {
            return match stream.take_error()? {
                Some(error) => Err(error),
                None => Ok(false),
            };
        }
        // The system doesn't delay a single request.
        if self.delays && load.talk.once().is_none() {
            sockopt::set_tcp_nodelay(stream, true)?;
        }
        if let Some(version) = load.send_proxy {
            let own = stream.local_addr().ok().and_then(Addr::inet);
            self.header = proxy::write(version, own, load.target.inet());
        }
        self.is_connected = true;
        Ok(true)
    }

    /// Queues request `number` for sending.
    pub fn begin(&mut self, stamp: Stamp, talk: &Talk, number: u64) {
        self.stamps.push_back(stamp);
        self.sendable += match &mut self.dialog {
            Some(dialog) => dialog.begin(talk, number, self.sendable - self.sent),
            None => talk.request_len(),
        };
    }

    /// Queues one more byte for sending.
    pub fn drip(&mut self) {
        self.sendable += 1;
    }

    /// Sends queued bytes, as far as the system accepts them.
    pub fn send(&mut self, talk: &Talk) -> io::Result<()> {
        let Some(stream) = &mut self.stream else { return Ok(()) };
        if !self.is_connected {
            return Ok(());
        }
        while !self.header.is_empty() {
            match stream.write(&self.header) {
                Ok(len) => _ = self.header.drain(..len),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if talk.once() == Some(Once::ClientCloses) && self.received == 0 && self.sent == self.sendable {
            // Nothing is sent, so this happens once for each connection, when it's open.
            return stream.end_output();
        }
        while self.sent < self.sendable {
            let out = match (&self.dialog, talk.numbered()) {
                (Some(dialog), Some(_)) => dialog.unsent(self.sendable - self.sent),
                _ => talk.out(self.number, self.sent, self.sendable),
            };
            match stream.write(out) {
                Ok(len) => self.sent += len as u64,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whether queued bytes wait for the system to accept them.
    pub fn has_more_to_send(&self) -> bool {
        self.sent < self.sendable || !self.header.is_empty()
    }

    /// Reads input and checks it. If the server `has_ended` its side, nothing follows the available input.
    pub fn receive(&mut self, talk: &Talk, scratch: &mut [u8], has_ended: bool) -> Result<Received, Trouble> {
        let Some(stream) = &mut self.stream else { return Ok(Received::default()) };
        let before = self.received;
        let mut found = Received::default();
        loop {
            match stream.read(scratch) {
                Ok(0) => {
                    found.ended = true;
                    break;
                }
                Ok(len) => {
                    if let (Some(dialog), Some(exchange)) = (&mut self.dialog, talk.exchange()) {
                        let awaited = self.stamps.len() - found.replies as usize;
                        let more = dialog.receive(exchange, &scratch[..len], awaited)?;
                        found.replies += more.replies;
                        found.bytes += more.bytes;
                        if len < scratch.len() {
                            found.ended = has_ended;
                            break;
                        }
                        continue;
                    }
                    // Unrequested bytes are wrong, even if their values are right.
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
                    // Data that arrives after a short read causes another event.
                    if len < scratch.len() {
                        found.ended = has_ended;
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Trouble::Io(error)),
            }
        }
        let whole = |bytes: u64| bytes.checked_div(talk.reply_len()).unwrap_or_default();
        let found = match (&mut self.dialog, talk.exchange()) {
            (Some(dialog), Some(exchange)) if talk.once().is_some() && found.ended => dialog.end(exchange)?,
            (Some(_), _) => found,
            (None, _) => {
                // If a connection serves a single request, the reply is complete when the connection closes.
                let replies = match talk.once() {
                    Some(_) => u64::from(found.ended && self.received == talk.reply_len()),
                    None => whole(self.received) - whole(before),
                };
                Received { replies, bytes: replies * talk.reply_len(), ..found }
            }
        };
        match talk.once() {
            Some(_) if found.ended && found.replies == 0 => Err(Trouble::ClosedEarly),
            Some(_) | None => Ok(found),
        }
    }

    /// Closes it normally.
    pub fn close(&mut self) {
        self.stream = None;
        self.is_connected = false;
    }

    /// Closes it with a reset, which frees the port at once, and does no harm if the server has closed already.
    pub fn reset(&mut self) {
        if let Some(stream) = &mut self.stream {
            // If this fails, the port stays in use for a while.
            stream.reset_on_close();
        }
        self.close();
    }
}

/// Initial capacity for requests in flight.
const DEPTH_TYPICAL: usize = 64;

/// Opens a connection from one address to another.
fn connect_from(source: Ipv4Addr, target: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(target), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((source, 0)).into())?;
    match socket.connect(&target.into()) {
        Ok(()) => {}
        // The connection is being opened.
        Err(error) if Errno::from_io_error(&error) == Some(Errno::INPROGRESS) => {}
        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
        Err(error) => return Err(error),
    }
    Ok(TcpStream::from_std(socket.into()))
}
