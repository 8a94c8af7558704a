//! The client's side: a request, and a file that is stored as it comes.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use super::{Request, number};
use crate::session::{Progress, Session, SessionError, SessionIo};
use crate::text::{Escaped, printable, reason};

/// Where the bytes of a file go.
pub trait Store {
    /// So many bytes are going to come, where that is known.
    fn expect(&mut self, len: u64);

    /// Takes bytes.
    ///
    /// # Errors
    /// If they can't be kept: nothing more is wanted then.
    fn take(&mut self, bytes: &[u8]) -> io::Result<()>;
}

/// Asks for a file, and stores what comes until it's whole.
#[derive(Debug)]
pub struct GetFileClient<S> {
    /// The request, until it's sent.
    request: Option<Vec<u8>>,
    store: S,
    state: DownloadState,
    /// Bytes of a status that is not whole yet, which stay in the input.
    begun: usize,
    timeout: Duration,
    deadline: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
enum DownloadState {
    /// The status is to come, for a file from `offset` on.
    Status { offset: u64 },
    /// So many bytes are to come yet.
    Rest { got: u64, left: u64 },
    /// Whatever comes is of the file.
    Plain { got: u64 },
}

/// Longest status line.
const STATUS_LEN_MAX: usize = 1000;

impl<S: Store> GetFileClient<S> {
    /// Makes `request`, and hands what comes to `store`. Gives up after `timeout` without progress.
    pub fn new(request: &Request<'_>, store: S, timeout: Duration) -> Self {
        let state = match request.with_status {
            true => DownloadState::Status { offset: request.offset },
            false => DownloadState::Plain { got: 0 },
        };
        let mut line = Vec::new();
        request.write(&mut line);
        GetFileClient { request: Some(line), store, state, begun: 0, timeout, deadline: None }
    }

    /// Bytes of the file that have come.
    pub fn received(&self) -> u64 {
        match self.state {
            DownloadState::Status { .. } => 0,
            DownloadState::Rest { got, .. } | DownloadState::Plain { got } => got,
        }
    }

    /// Where it's stored.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// The store, and with it what was stored.
    pub fn into_store(self) -> S {
        self.store
    }

    fn read_status(&mut self, io: &mut SessionIo<'_>, offset: u64) -> Result<bool, GetFileError> {
        let came = io.input().remaining();
        let not_a_status = |line| Err(GetFileError::NotAStatus(Escaped(line).to_string()));
        let line = match io.input().take_until(b'\n') {
            // However it's split, it's held to the same length.
            Some(line) if line.len() <= STATUS_LEN_MAX => line,
            None if came.len() <= STATUS_LEN_MAX && !io.input_ended() => return Ok(false),
            None if came.is_empty() => return Err(GetFileError::NoStatus),
            Some(_) | None => return not_a_status(&came[..came.len().min(STATUS_LEN_MAX)]),
        };
        if let Some(reason) = line.strip_prefix(b"ERROR ") {
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

    /// Goes on with what has come, and tells whether that's all.
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
            // An old server says nothing where it has nothing to say.
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

/// Why a file was not had.
#[derive(Debug)]
#[non_exhaustive]
pub enum GetFileError {
    /// The server will not send it.
    Refused(String),
    /// The server has closed without a word.
    NoStatus,
    /// What came first is no status; here it is, escaped.
    NotAStatus(String),
    /// The server has closed without a byte, to a client that knows no status.
    Nothing,
    /// The connection was closed within the file.
    Cut {
        /// Bytes that came.
        got: u64,
        /// Bytes that were to come.
        want: u64,
    },
    /// More came than was said.
    TooMuch {
        /// Bytes that were to come.
        want: u64,
    },
    /// Nothing more came.
    Stalled {
        /// Bytes that came before.
        got: u64,
        /// How long was waited.
        timeout: Duration,
    },
    /// What came can't be kept.
    Store(io::Error),
}

impl fmt::Display for GetFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(reason) => write!(f, "the server says: {reason}"),
            Self::NoStatus => {
                write!(f, "the server closed without a word (it is full, or an old one, which needs --plain)")
            }
            Self::NotAStatus(line) => write!(f, "not a file server's answer: {line} (an old one needs --plain)"),
            Self::Nothing => write!(f, "nothing came: the file is empty, or the server will not send it"),
            Self::Cut { got, want } => write!(f, "cut off after {got} of {want} bytes"),
            Self::TooMuch { want } => write!(f, "more came than the {want} bytes that were announced"),
            Self::Stalled { got, timeout } => write!(f, "timed out: nothing came for {timeout:?}, after {got} bytes"),
            Self::Store(error) => f.write_str(&reason(error)),
        }
    }
}

impl Error for GetFileError {}
