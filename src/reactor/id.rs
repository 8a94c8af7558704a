//! Identifiers of the sources that a selector watches.

use crate::selector::Token;

/// The slab key and generation of a connection. A reused slot has a new generation, so an event or a timer for its
/// former connection finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ConnectionId {
    key: u32,
    /// Never 0, which marks the listeners' tokens.
    generation: u32,
}

// A token holds both numbers.
const _: () = assert!(usize::BITS >= 64, "tokens need 64 bits");

impl ConnectionId {
    pub fn new(key: usize, generation: u32) -> Self {
        ConnectionId { key: u32::try_from(key).expect("fewer connections than 2^32"), generation }
    }

    pub fn key(self) -> usize {
        self.key as usize
    }

    pub fn generation(self) -> u32 {
        self.generation
    }

    pub fn token(self) -> Token {
        Token((self.generation as usize) << 32 | self.key as usize)
    }
}

/// The source that a token identifies.
pub(super) enum Watched {
    Listener(usize),
    Connection(ConnectionId),
}

impl Watched {
    #[inline]
    pub fn of(token: Token) -> Watched {
        let (generation, key) = ((token.0 >> 32) as u32, token.0 as u32);
        match generation {
            0 => Watched::Listener(key as usize),
            _ => Watched::Connection(ConnectionId { key, generation }),
        }
    }

    pub fn listener_token(index: usize) -> Token {
        Token(index)
    }
}
