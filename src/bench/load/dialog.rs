//! Requests and replies on one connection, for protocols in which a byte's position in the stream doesn't determine its
//! value.

use std::collections::VecDeque;

use super::talk::Talk;
use crate::bench::raw::{Exchange, Partial, Wrong};

/// The result of a read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Received {
    /// The number of complete replies.
    pub replies: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Whether the server has closed its side.
    pub ended: bool,
}

/// The requests and replies in flight. Its memory is reused.
#[derive(Debug, Default)]
pub struct Dialog {
    /// Numbered requests; the last bytes may be unsent.
    outgoing: Vec<u8>,
    /// The numbers of the requests in flight, if they are numbered.
    numbers: VecDeque<u64>,
    /// The incomplete reply.
    partial: Partial,
    /// The expected reply, in memory that the checks reuse.
    expected: Vec<u8>,
}

impl Dialog {
    /// Begins request `number` after `unsent` bytes of earlier ones, and returns its length.
    pub fn begin(&mut self, talk: &Talk, number: u64, unsent: u64) -> u64 {
        let Some(requests) = talk.numbered() else { return talk.request_len() };
        self.numbers.push_back(number);
        let sent = self.outgoing.len() - unsent as usize;
        // The unsent bytes move to the front only if they are no more than the sent ones, so moving costs little.
        if sent as u64 >= unsent {
            self.outgoing.drain(..sent);
        }
        let before = self.outgoing.len();
        requests.write(number, &mut self.outgoing);
        (self.outgoing.len() - before) as u64
    }

    /// The last `len` bytes of numbered requests.
    pub fn unsent(&self, len: u64) -> &[u8] {
        &self.outgoing[self.outgoing.len() - len as usize..]
    }

    /// Takes `bytes` that have arrived while `awaited` requests are in flight, and returns the replies that they complete.
    pub fn receive(&mut self, exchange: &Exchange, bytes: &[u8], awaited: usize) -> Result<Received, Wrong> {
        let Dialog { numbers, partial, expected, .. } = self;
        let (awaited, mut received) = (awaited as u64, Received::default());
        partial.take(&exchange.framing, bytes, |reply| {
            if received.replies == awaited {
                return Err(Wrong::unrequested(reply));
            }
            exchange.check.check(numbers.pop_front().unwrap_or_default(), reply, expected)?;
            received.replies += 1;
            received.bytes += reply.len() as u64;
            Ok(())
        })?;
        match partial.as_slice() {
            begun if received.replies == awaited && !begun.is_empty() => Err(Wrong::unrequested(begun)),
            _ => Ok(received),
        }
    }

    /// Returns the reply that ends with the connection, unless it has no bytes.
    pub fn end(&mut self, exchange: &Exchange) -> Result<Received, Wrong> {
        let reply = self.partial.as_slice();
        if reply.is_empty() {
            return Ok(Received { ended: true, ..Received::default() });
        }
        exchange.check.check(self.numbers.pop_front().unwrap_or_default(), reply, &mut self.expected)?;
        Ok(Received { replies: 1, bytes: reply.len() as u64, ended: true })
    }

    /// Clears it for a new connection.
    pub fn clear(&mut self) {
        self.outgoing.clear();
        self.numbers.clear();
        self.partial.clear();
    }
}
