//! A selector without a system: peers are silent, and a loop without work sleeps until it is woken.

use std::io::{self, Read, Write};
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use loom::thread;
use multiconn::address::Addr;
use multiconn::selector::{Event, Interest, Listener, Readiness, Selector, Stream, Token, WakeFlag, Waker};

pub const ADDR: Addr =
    Addr::Inet(std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 65432));

/// More looks at the flag than the other threads have steps.
const LOOKS_MAX: u32 = 100;

pub struct QuietSelector {
    now: Instant,
    events: Vec<Event>,
    waker: Waker,
    flag: Arc<WakeFlag>,
}

impl QuietSelector {
    pub fn new() -> Self {
        let (waker, flag) = WakeFlag::new();
        QuietSelector { now: Instant::now(), events: Vec::new(), waker, flag }
    }

    /// The flag that wakes it.
    pub fn flag(&self) -> &Arc<WakeFlag> {
        &self.flag
    }
}

/// Waits until `flag` is set, and takes it.
///
/// # Errors
/// If no other thread sets it any more.
pub fn sleep(flag: &WakeFlag) -> io::Result<()> {
    for _ in 0..LOOKS_MAX {
        if flag.take() {
            return Ok(());
        }
        // Lets another thread go on, if there is one that can.
        thread::yield_now();
    }
    Err(io::Error::other("nothing wakes the loop any more"))
}

impl Selector for QuietSelector {
    type Stream = QuietStream;
    type Listener = Backlog;

    fn now(&self) -> Instant {
        self.now
    }

    /// Time stands still, so that no timer makes up for a wake-up that is lost.
    fn select(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        events.append(&mut self.events);
        if events.is_empty() && timeout != Some(Duration::ZERO) {
            return sleep(&self.flag);
        }
        self.flag.take();
        Ok(())
    }

    fn waker(&self) -> Waker {
        self.waker.clone()
    }

    fn register(&mut self, _stream: &mut QuietStream, token: Token, interest: Interest) -> io::Result<()> {
        if interest.writable {
            self.events.push(Event { token, readiness: Readiness { writable: true, ..Readiness::default() } });
        }
        Ok(())
    }

    fn reregister(&mut self, stream: &mut QuietStream, token: Token, interest: Interest) -> io::Result<()> {
        self.register(stream, token, interest)
    }

    fn deregister(&mut self, _stream: &mut QuietStream, _token: Token) -> io::Result<()> {
        Ok(())
    }

    fn close(&mut self, _stream: QuietStream, _token: Token) {}

    fn watch_listener(&mut self, _listener: &mut Backlog, _token: Token) -> io::Result<()> {
        Ok(())
    }

    fn unwatch_listener(&mut self, _listener: &mut Backlog, _token: Token) -> io::Result<()> {
        Ok(())
    }

    fn accept(&mut self, listener: &mut Backlog) -> io::Result<(QuietStream, Addr)> {
        listener.0 = listener.0.checked_sub(1).ok_or(io::ErrorKind::WouldBlock)?;
        Ok((QuietStream::default(), ADDR))
    }

    fn connect(&mut self, _addr: Addr) -> io::Result<QuietStream> {
        Ok(QuietStream::default())
    }
}

/// A number of peers that wait to be accepted.
pub struct Backlog(pub u32);

impl Listener for Backlog {
    fn local_addr(&self) -> io::Result<Addr> {
        Ok(ADDR)
    }
}

/// A peer that reads everything, sends nothing, and closes when we do.
#[derive(Debug, Default)]
pub struct QuietStream {
    has_ended: bool,
}

impl Stream for QuietStream {
    fn end_output(&mut self) -> io::Result<()> {
        self.has_ended = true;
        Ok(())
    }

    fn connected(&mut self) -> io::Result<bool> {
        Ok(true)
    }
}

impl Read for QuietStream {
    fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
        match mem::take(&mut self.has_ended) {
            true => Ok(0),
            false => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl Write for QuietStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
