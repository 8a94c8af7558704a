//! Identifiers of the sources that a selector watches.

use crate::selector::Token;
use crate::trace::{APART, is_apart};

/// The numbers of connections, in a sequence each for the served ones and for those apart. None is 0.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    served: u32,
    apart: u32,
}

impl Numbers {
    /// The next number of the sequence.
    pub fn next(&mut self, is_apart: bool) -> u32 {
        let (latest, mark) = if is_apart { (&mut self.apart, APART) } else { (&mut self.served, 0) };
        *latest = (*latest + 1) % APART;
        *latest = (*latest).max(1);
        *latest | mark
    }
}

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

    /// Whether it belongs to a [listener apart](super::Reactor::add_listener_apart). The key of such a listener has the
    /// same mark.
    #[inline]
    pub fn is_apart(self) -> bool {
        is_apart(self.generation)
    }

    pub fn token(self) -> Token {
        Token((self.generation as usize) << 32 | self.key as usize)
    }
}

/// The source that a token identifies.
pub(super) enum Watched {
    Listener(usize),
    ListenerApart(usize),
    Connection(ConnectionId),
}

impl Watched {
    #[inline]
    pub fn of(token: Token) -> Watched {
        let (generation, key) = ((token.0 >> 32) as u32, token.0 as u32);
        match generation {
            0 if key & APART != 0 => Watched::ListenerApart((key & !APART) as usize),
            0 => Watched::Listener(key as usize),
            _ => Watched::Connection(ConnectionId { key, generation }),
        }
    }

    pub fn listener_token(index: usize) -> Token {
        Token(index)
    }

    pub fn listener_apart_token(index: usize) -> Token {
        Token(index | APART as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sequence_of_numbers_goes_on_with_1_and_keeps_its_mark() {
        let mut numbers = Numbers { served: APART - 2, apart: 0 };
        assert_eq!([(); 3].map(|()| numbers.next(false)), [APART - 1, 1, 2]);
        assert_eq!([(); 2].map(|()| numbers.next(true)), [APART | 1, APART | 2]);
        numbers.apart = APART - 2;
        let apart = [(); 2].map(|()| numbers.next(true));
        assert_eq!(apart, [u32::MAX, APART | 1]);
        assert!(apart.into_iter().all(is_apart) && !is_apart(numbers.next(false)));
    }

    #[test]
    fn a_token_identifies_its_source() {
        assert!(matches!(Watched::of(Watched::listener_token(3)), Watched::Listener(3)));
        assert!(matches!(Watched::of(Watched::listener_apart_token(3)), Watched::ListenerApart(3)));
        let id = ConnectionId::new(7, APART | 1);
        assert!(matches!(Watched::of(id.token()), Watched::Connection(found) if found == id));
    }
}
