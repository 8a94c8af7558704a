//! Asking the server before this one for its sockets.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::wire::{Conversation, Line, Trouble};
use crate::address::{Addr, UnixAddr};
use crate::client;
use crate::models::{Bound, Kind};
use crate::selector::{SocketListener, WakeFd};
use crate::text::reason;

/// How long the other server may take until it has passed all sockets. It may be giving up on another server first.
const PATIENCE: Duration = Duration::from_secs(10);

/// The server before this one, which has passed its sockets.
#[derive(Debug)]
pub struct Before {
    conversation: Conversation,
    pub sockets: Vec<(Kind, Bound)>,
}

/// Gets the sockets of the server that listens on `addr`, or `None` if nobody listens there.
pub fn connect(addr: UnixAddr, protocol: &str, closed: &WakeFd) -> Result<Option<Before>, String> {
    let stream = match client::connect(Addr::Unix(addr), PATIENCE) {
        Ok(socket) => OwnedFd::from(socket).into(),
        // If a dead server has left the file, or it's no socket, listening there finds that out.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        Err(error) if error.kind() == io::ErrorKind::TimedOut => return Err(Trouble::Silent.to_string()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(format!("{} (does the server there belong to another user?)", reason(&error)));
        }
        Err(error) => return Err(reason(&error)),
    };
    ask(stream, protocol, closed).map(Some).map_err(|trouble| trouble.to_string())
}

fn ask(stream: UnixStream, protocol: &str, closed: &WakeFd) -> Result<Before, Trouble> {
    let mut conversation = Conversation::new(stream, PATIENCE)?;
    conversation.check_user()?;
    conversation.say(&Line::hello(protocol), None, closed)?;
    conversation.hear_hello(protocol, closed)?;
    let mut sockets = Vec::new();
    loop {
        match conversation.hear(closed)? {
            (Line::Socket(Kind::Systemd(name)), Some(fd)) => {
                // The file is systemd's.
                sockets.push((Kind::Systemd(name), Bound::new(fd)?));
            }
            (Line::Socket(kind), Some(fd)) => sockets.push((kind, Bound::inherited(fd)?)),
            (Line::End, _) => return Ok(Before { conversation, sockets }),
            (other, _) => return Err(Trouble::Garbage(other.to_string().into_bytes())),
        }
    }
}

impl Before {
    /// Takes the control socket.
    pub fn take_control(&mut self) -> Option<SocketListener> {
        let index = self.sockets.iter().position(|(kind, _)| *kind == Kind::Control)?;
        self.sockets.swap_remove(index).1.into_listener().ok()
    }

    /// The rest of the conversation.
    pub fn into_conversation(self) -> Conversation {
        self.conversation
    }
}
