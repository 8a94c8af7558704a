//! Whose fault it is when a connection can't be accepted.

use std::io;
use std::time::Duration;

use rustix::io::Errno;

/// How long to wait before trying again when nothing could be accepted and no connection closes.
pub(crate) const RETRY_AFTER: Duration = Duration::from_millis(100);

/// What an error of accept(2) is about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum AcceptError {
    /// There is no connection to accept.
    NoneWaits,
    /// The connection that was to be accepted; there may be others.
    ThisConnection,
    /// Anything else, most likely that descriptors or memory have run out: it will not go away by trying again at once.
    Ours,
}

impl AcceptError {
    pub fn of(error: &io::Error) -> AcceptError {
        match error.kind() {
            io::ErrorKind::WouldBlock => AcceptError::NoneWaits,
            // The last three are what Linux hands over of a connection's network: accept(2).
            io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable => AcceptError::ThisConnection,
            // It has no kind of its own.
            _ if Errno::from_io_error(error) == Some(Errno::PROTO) => AcceptError::ThisConnection,
            _ => AcceptError::Ours,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_sorted_by_whose_they_are() {
        assert_eq!(AcceptError::of(&io::ErrorKind::WouldBlock.into()), AcceptError::NoneWaits);
        assert_eq!(AcceptError::of(&io::ErrorKind::ConnectionAborted.into()), AcceptError::ThisConnection);
        assert_eq!(AcceptError::of(&io::ErrorKind::Interrupted.into()), AcceptError::ThisConnection);
        assert_eq!(AcceptError::of(&Errno::PROTO.into()), AcceptError::ThisConnection);
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM, Errno::INVAL] {
            assert_eq!(AcceptError::of(&errno.into()), AcceptError::Ours, "{errno:?}");
        }
    }
}
