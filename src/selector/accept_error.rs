//! Errors of accept(2), by what they affect.

use std::io;
use std::time::Duration;

use rustix::io::Errno;

/// The delay before the next attempt, if accepting has failed and no connection closes meanwhile.
pub(crate) const RETRY_AFTER: Duration = Duration::from_millis(100);

/// The scope of an error of accept(2).
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum AcceptError {
    /// There is no connection to accept.
    NoneWaits,
    /// The connection to be accepted has failed; others may be fine.
    ThisConnection,
    /// Any other error, most likely exhausted descriptors or memory: retrying at once won't help.
    Ours,
}

impl AcceptError {
    pub fn of(error: &io::Error) -> AcceptError {
        match error.kind() {
            io::ErrorKind::WouldBlock => AcceptError::NoneWaits,
            // The last three are network errors that Linux passes on from the connection: accept(2).
            io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable => AcceptError::ThisConnection,
            // EPROTO has no `ErrorKind` of its own.
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
