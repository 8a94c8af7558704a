//! The client's side: sends a request, and stores the file as it arrives.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use super::{Request, cannot_send, number};
use crate::session::{Progress, Session, SessionError, SessionIo};
use crate::text::{Escaped, count, printable, reason};

/// A destination for a file's bytes.
pub trait Store {
    /// Announces the number of bytes to come, if known.
    fn expect(&mut self, len: u64);

    /// Stores bytes.
    ///
    /// # Errors
    /// If they can't be stored. The session then ends.
    fn take(&mut self, bytes: &[u8]) -> io::Result<()>;
}

/// Requests a file, and stores its bytes until it's complete.
#[derive(Debug)]
pub struct GetFileClient<S> {
    /// The request, until it's sent.
    request: Option<Vec<u8>>,
    /// The beginning of the server's errors, which name the file.
    cannot_send: String,
    store: S,
    state: DownloadState,
    /// Bytes of an incomplete status line, which stay in the input.
    begun: usize,
    timeout: Duration,
    deadline: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
enum DownloadState {
    /// Expecting the status, for a file from `offset` on.
    Status { offset: u64 },
    /// Expecting `left` more bytes.
    Rest { got: u64, left: u64 },
    /// Every byte belongs to the file.
    Plain { got: u64 },
}

/// Maximum length of a status line.
const STATUS_LEN_MAX: usize = 1000;

impl<S: Store> GetFileClient<S> {
    /// Creates a client that sends `request`, and passes the file to `store`. It gives up after `timeout` without
    /// progress.
    pub fn new(request: &Request<'_>, store: S, timeout: Duration) -> Self {
        let state = match request.with_status {
            true => DownloadState::Status { offset: request.offset },
            false => DownloadState::Plain { got: 0 },
        };
        let mut line = Vec::new();
        request.write(&mut line);
        let cannot_send = cannot_send(request.path);
        GetFileClient { request: Some(line), cannot_send, store, state, begun: 0, timeout, deadline: None }
    }

    /// The number of bytes of the file received.
    pub fn received(&self) -> u64 {
        match self.state {
            DownloadState::Status { .. } => 0,
            DownloadState::Rest { got, .. } | DownloadState::Plain { got } => got,
        }
    }

    /// The store.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Returns the store, with its contents.
    pub fn into_store(self) -> S {
        self.store
    }

    fn read_status(&mut self, io: &mut SessionIo<'_>, offset: u64) -> Result<bool, GetFileError> {
        let came = io.input().remaining();
        let not_a_status = |line| Err(GetFileError::NotAStatus(Escaped(line).to_string()));
        let line = match io.input().take_until(b'\n') {
            // The same limit applies however the line is split.
            Some(line) if line.len() <= STATUS_LEN_MAX => line,
            None if came.len() <= STATUS_LEN_MAX && !io.input_ended() => return Ok(false),
            None if came.is_empty() => return Err(GetFileError::NoStatus),
            Some(_) | None => return not_a_status(&came[..came.len().min(STATUS_LEN_MAX)]),
        };
        if let Some(reason) = line.strip_prefix(b"ERROR ") {
            let reason = reason.strip_prefix(self.cannot_send.as_bytes()).unwrap_or(reason);
            return Err(GetFileError::Refused(printable(reason)));
        }
        let len = line.strip_prefix(b"OK ").and_then(number);
        let Some(left) = len.and_then(|len| len.checked_sub(offset)) else { return not_a_status(line) };
        self.store.expect(left);
        self.state = DownloadState::Rest { got: 0, left };
        Ok(true)
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), GetFileError> {
        if bytes.is_empty() {
            return Ok(());
        }
        match &mut self.state {
            DownloadState::Plain { got } => *got += bytes.len() as u64,
            DownloadState::Rest { got, left } => {
                *left = left.checked_sub(bytes.len() as u64).ok_or(GetFileError::TooMuch { want: *got + *left })?;
                *got += bytes.len() as u64;
            }
            DownloadState::Status { .. } => unreachable!("the status has come"),
        }
        self.store.take(bytes).map_err(GetFileError::Store)
    }

    /// Processes received bytes, and returns whether the file is complete.
    fn receive(&mut self, io: &mut SessionIo<'_>) -> Result<bool, GetFileError> {
        if let DownloadState::Status { offset } = self.state
            && !self.read_status(io, offset)?
        {
            return Ok(false);
        }
        self.keep(io.input().take_all())?;
        match self.state {
            DownloadState::Rest { left: 0, .. } => Ok(true),
            DownloadState::Rest { got, left } if io.input_ended() => Err(GetFileError::Cut { got, want: got + left }),
            // An old server closes without a byte if it has no file to send.
            DownloadState::Plain { got: 0 } if io.input_ended() => Err(GetFileError::Nothing),
            DownloadState::Plain { .. } => Ok(io.input_ended()),
            DownloadState::Rest { .. } | DownloadState::Status { .. } => Ok(false),
        }
    }
}

impl<S: Store> Session for GetFileClient<S> {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        if let Some(request) = self.request.take() {
            io.output().push(&request);
            self.deadline = Some(now + self.timeout);
        }
        if io.input().len() > self.begun {
            self.deadline = Some(now + self.timeout);
        }
        if self.receive(io).map_err(SessionError::other)? {
            return Ok(Progress::Finished);
        }
        self.begun = io.input().len();
        match self.deadline {
            Some(deadline) if now >= deadline => {
                let (got, timeout) = (self.received(), self.timeout);
                Err(SessionError::other(GetFileError::Stalled { got, timeout }))
            }
            _ => Ok(Progress::NeedInput),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn is_idle(&self) -> bool {
        false
    }
}

/// Why a file was not received.
#[derive(Debug)]
#[non_exhaustive]
pub enum GetFileError {
    /// The server refused the request, for this reason.
    Refused(String),
    /// The server closed without sending a status.
    NoStatus,
    /// The first line isn't a status; this is the line, escaped.
    NotAStatus(String),
    /// The server closed without sending a byte, to a client that didn't ask for a status.
    Nothing,
    /// The connection was closed in the middle of the file.
    Cut {
        /// Bytes received.
        got: u64,
        /// Bytes expected.
        want: u64,
    },
    /// More bytes arrived than announced.
    TooMuch {
        /// Bytes expected.
        want: u64,
    },
    /// Nothing more came.
    Stalled {
        /// Bytes received before.
        got: u64,
        /// The time waited.
        timeout: Duration,
    },
    /// The received bytes can't be stored.
    Store(io::Error),
}

impl fmt::Display for GetFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(reason) => write!(f, "the server says: {reason}"),
            Self::NoStatus => {
                write!(f, "the server closed without a reply (it may be full, or an old one, which requires --plain)")
            }
            Self::NotAStatus(line) => write!(f, "not a file server's answer: {line} (an old server requires --plain)"),
            Self::Nothing => write!(f, "nothing came: the file is empty, or the server will not send it"),
            Self::Cut { got, want } => write!(f, "cut off after {got} of {want} bytes"),
            Self::TooMuch { want } => write!(f, "received more than the announced {}", count(*want, "byte")),
            Self::Stalled { got, timeout } => {
                write!(f, "timed out: nothing came for {timeout:?}, after {}", count(*got, "byte"))
            }
            Self::Store(error) => f.write_str(&reason(error)),
        }
    }
}

impl Error for GetFileError {}
