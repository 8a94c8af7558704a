//! What goes over the wire: the bytes that are sent, and those that have to come back.

/// Most bytes that are sent in one call.
const PIECE_LEN_MAX: usize = 256 << 10;
/// Most bytes that are received in one call.
pub const RECEIVE_LEN_MAX: usize = 256 << 10;
/// A prime: as a length of the pattern of echoes it lets the place in the stream decide every byte, so that what is lost,
/// doubled, or another's doesn't look right.
const PATTERN_LEN: usize = 65_537;
/// How far the streams of neighbouring connections are apart.
const SHIFT: u64 = 7919;

/// What is said on each connection.
#[derive(Clone, Debug)]
pub struct Talk {
    out: Pattern,
    back: Pattern,
    request_len: u64,
    reply_len: u64,
    shift: u64,
    once: Option<Once>,
}

/// A connection that serves for one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Once {
    /// The server closes when it has answered.
    ServerCloses,
    /// We end our side when all is sent, and the server closes then.
    ClientCloses,
}

impl Talk {
    /// Messages of `size` bytes come back.
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
        }
    }

    /// The same request again and again, always with the same reply.
    pub fn fixed(request: &[u8], reply: &[u8]) -> Talk {
        Talk {
            out: Pattern::new(request, PIECE_LEN_MAX),
            back: Pattern::new(reply, RECEIVE_LEN_MAX),
            request_len: request.len() as u64,
            reply_len: reply.len() as u64,
            shift: 0,
            once: None,
        }
    }

    /// A request on a connection of its own, which the server closes when it has answered.
    pub fn fixed_once(request: &[u8], reply: &[u8]) -> Talk {
        Talk { once: Some(Once::ServerCloses), ..Talk::fixed(request, reply) }
    }

    /// A connection on which nothing is said.
    pub fn nothing() -> Talk {
        Talk { once: Some(Once::ClientCloses), ..Talk::fixed(&[], &[]) }
    }

    /// Whether each request has a connection of its own, and who closes it.
    pub fn once(&self) -> Option<Once> {
        self.once
    }

    /// Bytes of a request.
    pub fn request_len(&self) -> u64 {
        self.request_len
    }

    /// Bytes of a reply.
    pub fn reply_len(&self) -> u64 {
        self.reply_len
    }

    /// What goes out on connection number `connection`, from byte `from` to byte `to` of it, or the beginning of that.
    pub fn out(&self, connection: u64, from: u64, to: u64) -> &[u8] {
        self.out.at(connection * self.shift + from, to - from)
    }

    /// Whether `bytes` are what has to come back on connection number `connection` from byte `from` of it on.
    pub fn is_right(&self, connection: u64, from: u64, bytes: &[u8]) -> bool {
        self.back.at(connection * self.shift + from, bytes.len() as u64) == bytes
    }
}

/// An endless repetition of some bytes, of which any part up to a certain length is there in one piece.
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
        // Of no bytes at all there is no repetition.
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
        // Far on, it's in one piece, too, though not all of a long one at once.
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
