//! Names for what a selector watches.

use crate::selector::Token;

/// Slab key and generation of a connection. A slot that is used again has a new generation, so an event or a timer for
/// the connection that was there before finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ConnectionId {
    key: u32,
    /// Never 0: such tokens are the listeners'.
    generation: u32,
}

// Both numbers go into a token.
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

/// What a token stands for.
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
