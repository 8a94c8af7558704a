//! A connection's share of a turn.

/// The most bytes read from a connection in a turn, and the most sent to it while more remain.
pub(super) const BYTES_PER_TURN: usize = 256 << 10;
/// The most messages that a session may begin in a turn.
const MESSAGES_PER_TURN: u32 = 256;

/// The rest of a connection's share of its turn.
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
