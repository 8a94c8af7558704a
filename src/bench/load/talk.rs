//! The data on the wire: the bytes to send, and the bytes to expect.

use crate::bench::raw::{Exchange, Template};

/// The most bytes sent in one call.
const PIECE_LEN_MAX: usize = 256 << 10;
/// The most bytes received in one call.
pub const RECEIVE_LEN_MAX: usize = 256 << 10;
/// The length of the echo pattern. It's a prime, so that each byte depends on its position in the stream, and lost,
/// repeated or misdirected data doesn't look right.
const PATTERN_LEN: usize = 65_537;
/// The distance between the streams of neighbouring connections.
const SHIFT: u64 = 7919;

/// The data on each connection.
#[derive(Clone, Debug)]
pub struct Talk {
    out: Pattern,
    back: Pattern,
    request_len: u64,
    reply_len: u64,
    shift: u64,
    once: Option<Once>,
    /// The requests and replies, if the positions of bytes don't determine them.
    exchange: Option<Exchange>,
    first_number: u64,
}

/// A connection used for one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Once {
    /// The server closes after its answer.
    ServerCloses,
    /// We end our side when everything is sent, and then the server closes.
    ClientCloses,
}

impl Talk {
    /// Messages of `size` bytes, which are echoed.
    pub fn echo(size: u64) -> Talk {
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let unit: Vec<u8> = (0..PATTERN_LEN)
            .map(|_| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random as u8
            })
            .collect();
        let pattern = |len| Pattern::new(&unit, len);
        Talk {
            out: pattern(PIECE_LEN_MAX),
            back: pattern(RECEIVE_LEN_MAX),
            request_len: size,
            reply_len: size,
            shift: SHIFT,
            once: None,
            exchange: None,
            first_number: 0,
        }
    }

    /// The same request and the same reply, repeated.
    pub fn fixed(request: &[u8], reply: &[u8]) -> Talk {
        Talk {
            out: Pattern::new(request, PIECE_LEN_MAX),
            back: Pattern::new(reply, RECEIVE_LEN_MAX),
            request_len: request.len() as u64,
            reply_len: reply.len() as u64,
            shift: 0,
            once: None,
            exchange: None,
            first_number: 0,
        }
    }

    /// A request on its own connection, which the server closes after its answer.
    pub fn fixed_once(request: &[u8], reply: &[u8]) -> Talk {
        Talk { once: Some(Once::ServerCloses), ..Talk::fixed(request, reply) }
    }

    /// A connection without data.
    pub fn nothing() -> Talk {
        Talk { once: Some(Once::ClientCloses), ..Talk::fixed(&[], &[]) }
    }

    /// Requests of any protocol, numbered from `first_number` on.
    pub fn raw(exchange: Exchange, first_number: u64) -> Talk {
        let once = exchange.framing.is_until_close().then_some(Once::ServerCloses);
        let fixed = Talk::fixed(exchange.request.as_fixed().unwrap_or_default(), &[]);
        Talk { once, exchange: Some(exchange), first_number, ..fixed }
    }

    /// The requests and replies, if the positions of bytes don't determine them.
    pub fn exchange(&self) -> Option<&Exchange> {
        self.exchange.as_ref()
    }

    /// The requests, if they differ from each other.
    pub fn numbered(&self) -> Option<&Template> {
        self.exchange.as_ref().map(|exchange| &exchange.request).filter(|request| request.as_fixed().is_none())
    }

    /// The number of the first request.
    pub fn first_number(&self) -> u64 {
        self.first_number
    }

    /// Whether each request has its own connection, and which side closes it.
    pub fn once(&self) -> Option<Once> {
        self.once
    }

    /// The length of a request in bytes; 0 if they are numbered.
    pub fn request_len(&self) -> u64 {
        self.request_len
    }

    /// The length of a reply in bytes; 0 if it isn't known in advance.
    pub fn reply_len(&self) -> u64 {
        self.reply_len
    }

    /// The data to send on connection `connection`, from byte `from` to byte `to`, or the beginning of that.
    pub fn out(&self, connection: u64, from: u64, to: u64) -> &[u8] {
        self.out.at(connection * self.shift + from, to - from)
    }

    /// Whether `bytes` are the correct input on connection `connection`, starting at byte `from`.
    pub fn is_right(&self, connection: u64, from: u64, bytes: &[u8]) -> bool {
        self.back.at(connection * self.shift + from, bytes.len() as u64) == bytes
    }
}

/// An endless repetition of some bytes; any part up to a certain length is contiguous.
#[derive(Clone, Debug)]
struct Pattern {
    bytes: Vec<u8>,
    period: usize,
}

impl Pattern {
    fn new(unit: &[u8], len_max: usize) -> Pattern {
        Pattern { bytes: unit.iter().copied().cycle().take(unit.len() + len_max).collect(), period: unit.len() }
    }

    fn at(&self, from: u64, len: u64) -> &[u8] {
        // An empty pattern has no repetitions.
        let from = (from % self.period.max(1) as u64) as usize;
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        &self.bytes[from..][..len.min(self.bytes.len() - self.period)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_differs_by_connection_and_by_place() {
        let talk = Talk::echo(64);
        assert_eq!(talk.out(0, 0, 64).len(), 64);
        assert!(talk.is_right(0, 0, talk.out(0, 0, 64)));
        assert!(!talk.is_right(1, 0, talk.out(0, 0, 64)));
        assert!(!talk.is_right(0, 1, talk.out(0, 0, 64)));
        // A part far into the stream is contiguous, too, but only up to a certain length.
        let far = 1 << 40;
        assert!(talk.is_right(3, far, talk.out(3, far, far + 70_000)));
        assert_eq!(talk.out(3, far, far + (1 << 30)).len(), PIECE_LEN_MAX);
    }

    #[test]
    fn fixed_requests_follow_each_other() {
        let talk = Talk::fixed(b"ask", b"answer");
        assert_eq!(talk.out(5, 1, 7), b"skaska");
        assert!(talk.is_right(5, 4, b"eranswer"));
        assert!(!talk.is_right(5, 4, b"eranswex"));
        assert_eq!(Talk::nothing().out(1, 0, 0), b"");
    }
}
