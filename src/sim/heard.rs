//! What a server has heard, from all its peers: for references whose replies depend on the pieces in which input is read,
//! or on what others have sent.

use std::time::Duration;

/// Something that the server has learnt of a peer. A run has a sequence of these, in the order in which it learnt them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard<B> {
    /// It has read bytes from the connection of this number, for a session that still listened.
    Read {
        /// The connection, counted from zero in the order in which the peers connected.
        from: usize,
        /// The time on its clock.
        at: Duration,
        /// The bytes.
        bytes: B,
    },
    /// The session of a connection is done, and will not be called again.
    Done {
        /// The connection.
        from: usize,
    },
    /// A connection is closed, and the service has its session back.
    Closed {
        /// The connection.
        from: usize,
    },
    /// The server begins to stop.
    Stopping,
}
