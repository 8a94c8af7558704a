//! Reading the one request of a connection, within a time.

use std::time::{Duration, Instant};

use super::{Methods, Refusal, Request, TOO_SLOW, parse};
use crate::address::Addr;
use crate::session::SessionIo;

/// How long a request may take to arrive.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads a request.
#[derive(Debug)]
pub struct RequestReader {
    methods: Methods,
    /// When it must have arrived; set at the first call.
    until: Option<Instant>,
}

/// The result of a call.
#[derive(Debug)]
pub enum Reading {
    /// The request.
    Whole(Request),
    /// It isn't complete.
    Incomplete,
    /// The peer has gone without one, or we are stopping.
    Over,
    /// It is refused.
    Refused(Refusal),
}

impl RequestReader {
    /// Creates a reader for requests with these methods.
    pub fn new(methods: Methods) -> Self {
        RequestReader { methods, until: None }
    }

    /// Takes the request off the input, once all of it is there.
    pub fn read(&mut self, io: &mut SessionIo<'_>, now: Instant) -> Reading {
        let until = *self.until.get_or_insert(now + REQUEST_TIMEOUT);
        let local = match io.peer().addr {
            Addr::Inet(_) => io.local_addr().ok(),
            Addr::Unix(own) => Some(Addr::Unix(own)),
        };
        let reading = match parse(io.input().remaining(), local, self.methods) {
            Ok(Some(request)) => Reading::Whole(request),
            Ok(None) if io.input_ended() || io.is_stopping() => return Reading::Over,
            Ok(None) if now < until => return Reading::Incomplete,
            Ok(None) => Reading::Refused(TOO_SLOW),
            Err(refusal) => Reading::Refused(refusal),
        };
        io.input().take_all();
        reading
    }

    /// The time when the request must have arrived.
    pub fn deadline(&self) -> Option<Instant> {
        self.until
    }
}
