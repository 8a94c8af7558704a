//! A connection's share of a turn.

/// Most bytes read from a connection, and most sent to it with more to come, before it's another's turn.
pub(super) const BYTES_PER_TURN: usize = 256 << 10;
/// Most messages that a session may begin before it's another's turn.
const MESSAGES_PER_TURN: u32 = 256;

/// What a connection may still take of its turn.
#[derive(Debug)]
pub(super) struct Budget {
    /// Bytes to read.
    pub readable: usize,
    /// Bytes to send with more to come.
    pub sendable: usize,
    /// Messages that the session may begin.
    pub messages: u32,
}

impl Budget {
    pub fn new() -> Self {
        Budget { readable: BYTES_PER_TURN, sendable: BYTES_PER_TURN, messages: MESSAGES_PER_TURN }
    }
}
