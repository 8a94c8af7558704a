//! What a loop has done so far, in numbers.

use crate::session::{End, EndKind};

/// What a [reactor](crate::reactor) has done since its creation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Turns.
    pub turns: u64,
    /// Messages that sessions have [begun](crate::session::SessionIo::begin_message). Protocols without messages, such as
    /// the echo, begin none.
    pub messages: u64,
    /// Bytes received from peers.
    pub bytes_in: u64,
    /// Bytes sent to peers, files included.
    pub bytes_out: u64,
    /// Connections accepted and served.
    pub accepted: u64,
    /// Connections accepted only to be refused.
    pub refused: u64,
    /// Connections closed, by the [kind](End::kind) of their end, in the order of [`EndKind::ALL`].
    pub closed: [u64; EndKind::ALL.len()],
}

impl Totals {
    /// Counts a connection that has ended.
    pub(crate) fn closed(&mut self, end: &End) {
        self.closed[end.kind() as usize] += 1;
    }
}
