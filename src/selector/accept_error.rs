//! Whose fault it is when a connection can't be accepted.

use std::io;
use std::time::Duration;

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
        // EPROTO has no kind of its own.
        const EPROTO: i32 = match () {
            () if cfg!(target_os = "linux") => 71,
            () if cfg!(target_os = "freebsd") => 92,
            () if cfg!(target_os = "openbsd") => 95,
            () if cfg!(target_os = "netbsd") => 96,
            () => 100,
        };
        match error.kind() {
            io::ErrorKind::WouldBlock => AcceptError::NoneWaits,
            // The last three are what Linux hands over of a connection's network: accept(2).
            io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable => AcceptError::ThisConnection,
            _ if error.raw_os_error() == Some(EPROTO) => AcceptError::ThisConnection,
            _ => AcceptError::Ours,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_sorted_by_whose_they_are() {
        let errno = io::Error::from_raw_os_error;
        assert_eq!(AcceptError::of(&io::ErrorKind::WouldBlock.into()), AcceptError::NoneWaits);
        assert_eq!(AcceptError::of(&io::ErrorKind::ConnectionAborted.into()), AcceptError::ThisConnection);
        assert_eq!(AcceptError::of(&io::ErrorKind::Interrupted.into()), AcceptError::ThisConnection);
        if cfg!(target_os = "linux") {
            assert_eq!(AcceptError::of(&errno(71)), AcceptError::ThisConnection, "EPROTO");
            for (number, name) in [(24, "EMFILE"), (23, "ENFILE"), (105, "ENOBUFS"), (12, "ENOMEM"), (22, "EINVAL")] {
                assert_eq!(AcceptError::of(&errno(number)), AcceptError::Ours, "{name}");
            }
        }
    }
}
