//! Reading the one request of a connection, within a time.

use std::time::{Duration, Instant};

use super::{Methods, Request, TOO_SLOW, parse};
use crate::address::Addr;
use crate::session::{Progress, SessionIo};

/// How long a request may take to arrive.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads a request.
#[derive(Debug)]
pub struct RequestReader {
    methods: Methods,
    /// When it must have arrived; set at the first call.
    until: Option<Instant>,
}

impl RequestReader {
    /// Creates a reader for requests with these methods.
    pub fn new(methods: Methods) -> Self {
        RequestReader { methods, until: None }
    }

    /// Takes the request off the input, once all of it is there.
    ///
    /// # Errors
    /// How the session goes on without a request: it waits, or it's over, since the peer has gone, we are stopping, or the
    /// request is refused. The refusal is in the output then.
    pub fn read(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Result<Request, Progress> {
        let until = *self.until.get_or_insert(now + REQUEST_TIMEOUT);
        let local = match io.peer().addr {
            Addr::Inet(_) => io.local_addr().ok(),
            Addr::Unix(own) => Some(Addr::Unix(own)),
        };
        let parsed = match parse(io.input().remaining(), local, self.methods) {
            Ok(None) if io.input_ended() || io.is_stopping() => return Err(Progress::Finished),
            Ok(None) if now < until => return Err(Progress::NeedInput),
            Ok(None) => Err(TOO_SLOW),
            Ok(Some(request)) => Ok(request),
            Err(refusal) => Err(refusal),
        };
        io.input().take_all();
        parsed.map_err(|refusal| {
            io.output().push(&refusal.response());
            Progress::Finished
        })
    }

    /// The time when the request must have arrived.
    pub fn deadline(&self) -> Option<Instant> {
        self.until
    }
}
