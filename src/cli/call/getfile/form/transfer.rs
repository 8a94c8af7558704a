//! One attempt at a download, which the list and the session of its connection share.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::cli::download::{Download, Progress};
use crate::protocols::getfile::{GetFileClient, Request, Store};
use crate::session::{self, Session, SessionError, SessionIo, State};

/// An attempt. Taking its [`Download`] ends it: the session's connection is closed as soon as the loop calls it.
#[derive(Clone, Debug)]
pub struct Attempt(Rc<RefCell<Shared>>);

#[derive(Debug)]
struct Shared {
    /// The number of the attempt, among all of the form.
    number: u64,
    download: Option<Download>,
    phase: Phase,
    /// Wakes the session, once it has been called.
    waker: Option<Waker>,
}

/// How far the connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The server's name is looked up.
    LookingUp,
    /// The connection is being opened.
    Connecting,
    /// The connection is open.
    Receiving,
}

impl Attempt {
    /// Creates an attempt before its connection.
    pub fn new(number: u64, download: Download) -> Self {
        let shared = Shared { number, download: Some(download), phase: Phase::LookingUp, waker: None };
        Attempt(Rc::new(RefCell::new(shared)))
    }

    /// Its number.
    pub fn number(&self) -> u64 {
        self.0.borrow().number
    }

    /// How far the connection is.
    pub fn phase(&self) -> Phase {
        self.0.borrow().phase
    }

    /// How far the download is, unless the attempt has ended.
    pub fn progress(&self) -> Option<Progress> {
        self.0.borrow().download.as_ref().map(Download::progress)
    }

    /// The name of the file that is written, unless the attempt has ended.
    pub fn name(&self) -> Option<String> {
        self.0.borrow().download.as_ref().map(Download::name)
    }

    /// Ends the attempt, and returns its download, unless it has ended before.
    pub fn end(&self) -> Option<Download> {
        let mut shared = self.0.borrow_mut();
        if let Some(waker) = shared.waker.take() {
            waker.wake();
        }
        shared.download.take()
    }

    /// The session for its connection, which requests the file at `path`.
    pub fn session(&self, path: &[u8], is_plain: bool, timeout: Duration) -> Transfer {
        let mut shared = self.0.borrow_mut();
        shared.phase = Phase::Connecting;
        let offset = shared.download.as_ref().map_or(0, Download::offset);
        let request = Request { path, with_status: !is_plain, offset };
        Transfer {
            client: GetFileClient::new(&request, self.clone(), timeout),
            attempt: self.clone(),
            is_interrupted: false,
        }
    }
}

impl Store for Attempt {
    fn expect(&mut self, len: u64) {
        if let Some(download) = &mut self.0.borrow_mut().download {
            download.expect(len);
        }
    }

    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.0.borrow_mut().download {
            Some(download) => download.take(bytes),
            None => Ok(()),
        }
    }
}

/// The session of an attempt's connection.
#[derive(Debug)]
pub struct Transfer {
    client: GetFileClient<Attempt>,
    attempt: Attempt,
    /// The loop stops before the file is complete.
    is_interrupted: bool,
}

impl Transfer {
    /// The number of its attempt.
    pub fn number(&self) -> u64 {
        self.attempt.number()
    }

    /// Whether the loop has stopped before the file was complete.
    pub fn is_interrupted(&self) -> bool {
        self.is_interrupted
    }
}

impl Session for Transfer {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<session::Progress, SessionError> {
        let mut shared = self.attempt.0.borrow_mut();
        self.is_interrupted = io.is_stopping();
        if shared.download.is_none() || self.is_interrupted {
            return Err(SessionError::other("interrupted"));
        }
        shared.phase = Phase::Receiving;
        shared.waker.get_or_insert_with(|| io.waker());
        drop(shared);
        self.client.advance(io, now)
    }

    fn deadline(&self) -> Option<Instant> {
        self.client.deadline()
    }

    fn is_idle(&self) -> bool {
        false
    }

    fn state(&self, _unused: usize) -> State {
        State::named("file")
    }
}
