//! One string shared by all clients: each read is appended, and answered with the whole string so far.
//!
//! The texts' `strsvr` and `strclnt`, with a limit on the string, and a client that knows when its answer is complete.

mod segments;

use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::buffer::Output;
use crate::session::{End, Peer, Progress, Service, Session, SessionError, SessionIo, Source};
use crate::text::{Escaped, count};
use segments::Segments;

/// The texts' port.
pub const PORT: u16 = 2000;

/// Makes the server's sessions, and holds the string that they share.
pub struct AccumulateService {
    string_len_max: usize,
    board: Arc<Mutex<Board>>,
    until: Option<Until>,
}

/// The state shared by the sessions.
#[derive(Debug, Default)]
struct Board {
    string: Segments,
    /// The number of clients so far.
    come: u64,
    /// The number of clients being served.
    present: u64,
}

/// The condition that completes the service's work, and the callback to report it.
struct Until {
    clients: u32,
    tell: Box<dyn FnMut() + Send>,
}

impl Default for AccumulateService {
    /// Limits the string to 64 KiB.
    fn default() -> Self {
        AccumulateService::new(64 << 10)
    }
}

impl AccumulateService {
    /// Creates a service with a string of at most `string_len_max` bytes.
    pub fn new(string_len_max: usize) -> Self {
        AccumulateService { string_len_max, board: Arc::default(), until: None }
    }

    /// Calls `tell` once this number of `clients` have connected and all have disconnected, including any further ones.
    ///
    /// A client refused because the server is full doesn't count.
    pub fn tell_after(&mut self, clients: u32, tell: impl FnMut() + Send + 'static) {
        self.until = Some(Until { clients, tell: Box::new(tell) });
    }

    /// The string, which remains readable after the service is gone.
    pub fn string(&self) -> SharedString {
        SharedString(Arc::clone(&self.board))
    }
}

impl fmt::Debug for AccumulateService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccumulateService").field("board", &self.board).finish_non_exhaustive()
    }
}

impl Service for AccumulateService {
    type Session = AccumulateServer;

    fn accept(&mut self, _peer: &Peer) -> AccumulateServer {
        AccumulateServer { board: Arc::clone(&self.board), string_len_max: self.string_len_max, has_come: false }
    }

    fn ended(&mut self, session: AccumulateServer, _peer: &Peer, _end: End) {
        if !session.has_come {
            return;
        }
        let mut board = lock(&self.board);
        board.present -= 1;
        let Board { come, present, .. } = *board;
        drop(board);
        if let Some(Until { clients, tell }) = &mut self.until
            && present == 0
            && come >= u64::from(*clients)
        {
            log::info!("Clients that have come and gone: {come}");
            tell();
        }
    }

    fn shares_state(&self) -> bool {
        true
    }
}

/// The string of an [`AccumulateService`].
#[derive(Clone, Debug)]
pub struct SharedString(Arc<Mutex<Board>>);

impl SharedString {
    /// The current contents.
    pub fn get(&self) -> Vec<u8> {
        lock(&self.0).string.to_vec()
    }
}

fn lock(board: &Mutex<Board>) -> MutexGuard<'_, Board> {
    // A panic can't leave the board inconsistent, so a poisoned lock is usable.
    board.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The server's side: appends its input to the string, and answers with the whole string.
#[derive(Debug)]
pub struct AccumulateServer {
    board: Arc<Mutex<Board>>,
    string_len_max: usize,
    /// Whether it counts as a client; a refused one doesn't.
    has_come: bool,
}

/// Input that would exceed the string's limit. None of it is appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StringFull {
    /// Bytes that were read.
    pub read: usize,
    /// Bytes in the string.
    pub len: usize,
    /// The limit.
    pub max: usize,
}

impl fmt::Display for StringFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let StringFull { read, len, max } = self;
        let [read, len] = [*read, *len].map(|len| count(len, "byte"));
        write!(f, "appending {read} to the string of {len} would exceed the limit of {max}")
    }
}

impl std::error::Error for StringFull {}

impl AccumulateServer {
    fn come(&mut self) {
        if !mem::replace(&mut self.has_come, true) {
            let mut board = lock(&self.board);
            board.come += 1;
            board.present += 1;
        }
    }

    /// Appends `bytes`, and answers before another client appends any.
    fn append(&self, bytes: &[u8], output: &mut Output<'_>) -> Result<(), StringFull> {
        let Board { string, .. } = &mut *lock(&self.board);
        let (read, len, max) = (bytes.len(), string.len(), self.string_len_max);
        if read > max.saturating_sub(len) {
            return Err(StringFull { read, len, max });
        }
        string.append(bytes);
        string.push_to(output);
        Ok(())
    }
}

impl Session for AccumulateServer {
    fn advance(&mut self, io: &mut SessionIo<'_>, _now: Instant) -> Result<Progress, SessionError> {
        self.come();
        if !io.output().has_room() {
            // Each byte costs a whole string, so a peer that doesn't accept replies is not read from.
            return Ok(Progress::NeedRoom);
        }
        let bytes = io.input().take_all();
        if !bytes.is_empty() {
            log::debug!("Appending {} from {}", Escaped(bytes), io.peer());
            self.append(bytes, io.output()).map_err(SessionError::other)?;
        }
        Ok(if io.input_ended() { Progress::Finished } else { Progress::NeedInput })
    }
}

/// The silence after which a reply counts as complete, if its length doesn't decide.
pub const PAUSE: Duration = Duration::from_millis(50);

/// The client's side: sends its input piece by piece, each after the reply to the one before, and finishes when all are
/// answered.
///
/// TCP has no boundaries between replies. So the client treats the bytes since the piece was sent as its reply once
/// they are at least as long as the string's known minimum, and nothing more has come for a [pause](PAUSE). The string
/// only grows: its length is at least that of the last reply, or of all sent bytes, plus that of the new piece. A
/// one-byte piece has only one reply, which ends with that byte; so a reply of exactly the known length, usual while no
/// other client writes, needs no wait.
///
/// The server may read a longer piece in parts, each with its own reply. These arrive joined together, and count as
/// one.
pub struct AccumulateClient<I, F> {
    input: I,
    show: F,
    reply_len_max: usize,
    timeout: Duration,
    state: Waiting,
    /// The reply so far.
    reply: Vec<u8>,
    /// The previous reply.
    last: Vec<u8>,
    /// The string's known minimum length.
    known: usize,
    deadline: Option<Instant>,
    sent: u64,
    answered: u64,
}

/// What a client is waiting for.
#[derive(Clone, Copy, Debug)]
enum Waiting {
    /// The next piece of its input.
    Piece,
    /// The reply to `len` bytes, the last of which is `last`.
    Reply { len: usize, last: u8 },
}

/// Why a client did not get all its replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccumulateError {
    /// The server closed.
    Closed,
    /// Nothing more came for this long.
    Stalled(Duration),
    /// A reply was longer than this.
    TooLong(usize),
}

impl fmt::Display for AccumulateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => write!(f, "server closed before the end of the input"),
            Self::Stalled(timeout) => write!(f, "timed out: nothing came for {timeout:?}"),
            Self::TooLong(max) => write!(f, "a reply is over the limit of {}", count(*max, "byte")),
        }
    }
}

impl std::error::Error for AccumulateError {}

impl<I, F> AccumulateClient<I, F> {
    /// Creates a client that sends `input` and passes each reply to `show`. It rejects replies of more than
    /// `reply_len_max` bytes, and gives up after `timeout` without progress on one.
    pub fn new(input: I, show: F, reply_len_max: usize, timeout: Duration) -> Self {
        AccumulateClient {
            input,
            show,
            reply_len_max,
            timeout,
            state: Waiting::Piece,
            reply: Vec::new(),
            last: Vec::new(),
            known: 0,
            deadline: None,
            sent: 0,
            answered: 0,
        }
    }

    /// The number of bytes sent.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// The number of bytes answered.
    pub fn answered(&self) -> u64 {
        self.answered
    }
}

impl<I, F> fmt::Debug for AccumulateClient<I, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { state, known, sent, answered, .. } = self;
        write!(f, "AccumulateClient {{ {state:?}, known: {known}, sent: {sent}, answered: {answered} }}")
    }
}

impl<I: Source, F: FnMut(&[u8]) -> Result<(), SessionError>> AccumulateClient<I, F> {
    /// Adds received bytes to the reply.
    fn receive(&mut self, bytes: &[u8], now: Instant) -> Result<(), AccumulateError> {
        if bytes.len() > self.reply_len_max - self.reply.len() {
            return Err(AccumulateError::TooLong(self.reply_len_max));
        }
        self.reply.extend_from_slice(bytes);
        let patience = if self.is_long_enough() { PAUSE } else { self.timeout };
        self.deadline = Some(now + patience);
        Ok(())
    }

    fn is_long_enough(&self) -> bool {
        match self.state {
            // Unrequested bytes of unknown length: the rest of a reply that was treated as complete too early.
            Waiting::Piece => !self.reply.is_empty(),
            Waiting::Reply { .. } => self.reply.len() >= self.known,
        }
    }

    /// Whether there is a reply to show. `is_quiet` means that nothing more has come for a while, or ever will.
    fn has_reply(&self, is_quiet: bool) -> bool {
        let is_exact = match self.state {
            Waiting::Piece => false,
            Waiting::Reply { len, last } => {
                len == 1 && self.reply.len() == self.known && self.reply.last() == Some(&last)
            }
        };
        is_exact || is_quiet && self.is_long_enough()
    }

    fn show_reply(&mut self) -> Result<(), SessionError> {
        if let Waiting::Reply { len, .. } = self.state {
            self.answered += len as u64;
            // If several replies are joined, the length says nothing; and input that doesn't begin with the previous
            // reply is more than a reply.
            if len == 1 && self.reply.starts_with(&self.last) {
                self.known = self.reply.len();
            }
        }
        self.state = Waiting::Piece;
        self.deadline = None;
        self.last = mem::take(&mut self.reply);
        (self.show)(&self.last)
    }

    fn send(&mut self, piece: &[u8], io: &mut SessionIo<'_>, now: Instant) {
        // An empty piece gets no answer.
        let Some(&last) = piece.last() else { return };
        log::debug!("Sending {} to {}", Escaped(piece), io.peer());
        io.output().push(piece);
        self.sent += piece.len() as u64;
        self.known += piece.len();
        self.state = Waiting::Reply { len: piece.len(), last };
        self.deadline = Some(now + self.timeout);
    }
}

impl<I: Source, F: FnMut(&[u8]) -> Result<(), SessionError>> Session for AccumulateClient<I, F> {
    fn advance(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Progress, SessionError> {
        let bytes = io.input().take_all();
        if !bytes.is_empty() {
            log::debug!("Received {} from {}", Escaped(bytes), io.peer());
            self.receive(bytes, now).map_err(SessionError::other)?;
        }
        let is_overdue = self.deadline.is_some_and(|deadline| now >= deadline);
        if self.has_reply(is_overdue || io.input_ended()) {
            self.show_reply()?;
        } else if is_overdue {
            return Err(SessionError::other(AccumulateError::Stalled(self.timeout)));
        }
        while matches!(self.state, Waiting::Piece) && self.reply.is_empty() {
            match self.input.next(&|| io.waker())? {
                Poll::Ready(None) => return Ok(Progress::Finished),
                Poll::Ready(Some(_)) | Poll::Pending if io.input_ended() => break,
                Poll::Ready(Some(piece)) => self.send(&piece, io, now),
                Poll::Pending => break,
            }
        }
        if io.input_ended() {
            return Err(SessionError::other(AccumulateError::Closed));
        }
        // While a long piece goes out, replies to its first part may arrive, and the server may wait for us to read
        // them.
        Ok(Progress::NeedEither)
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn is_idle(&self) -> bool {
        false
    }
}
