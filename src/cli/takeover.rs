//! `--takeover PATH`: a server that takes over from the one before it, without refusing or losing a connection.
//!
//! A server listens on PATH, a Unix socket. The server after it connects there, and gets all listening sockets, in the
//! [conversation](wire) between both. Once its loops run, the older server accepts no more, finishes its connections, and
//! ends. The socket of PATH is passed on too, so that the path always answers.

mod before;
mod control;
mod wire;

use std::mem;
use std::sync::Arc;

use clap::Args;

use super::failure::Failure;
use super::systemd;
use crate::address::UnixAddr;
use crate::models::{Bound, Config, Copies, Kind};
use crate::selector::{SocketListener, WakeFd};
use crate::text::reason;
use before::Before;
pub use control::Control;

use wire::Conversation;

/// Descriptors for the control socket, a conversation, and the wake-up pair of its thread.
pub const DESCRIPTORS: u64 = 4;

/// The option.
#[derive(Debug, Args)]
pub struct TakeoverOption {
    /// Take over from the server that runs with the same PATH, if there is one: it passes its listening sockets on, finishes
    /// its requests and ends. The next server can take over from this one. PATH is a Unix socket for processes of the same
    /// user
    #[arg(long, help_heading = "Listening", value_name = "PATH", value_parser = path)]
    takeover: Option<UnixAddr>,
}

fn path(text: &str) -> Result<UnixAddr, String> {
    let addr = UnixAddr::new(text).map_err(|error| error.to_string())?;
    match addr.path() {
        Some(_) => Ok(addr),
        None => Err("an abstract name has no file whose mode could keep others out".to_owned()),
    }
}

impl TakeoverOption {
    pub fn is_given(&self) -> bool {
        self.takeover.is_some()
    }

    /// Gets the sockets of the server before this one, or makes the control socket if there is none. Call it before anything
    /// else listens.
    pub fn begin(&self, protocol: &str) -> Result<Option<Takeover>, Failure> {
        let Some(addr) = self.takeover else { return Ok(None) };
        let failed = |why: String| Failure::new(format!("cannot take over from {}: {why}", addr.name()));
        let (copies, closed) = Copies::new().map_err(|error| failed(reason(&error)))?;
        let mut before = before::connect(addr, protocol, &closed).map_err(failed)?;
        let control = match &mut before {
            Some(before) => before.take_control().ok_or_else(|| failed("it passes no control socket".to_owned()))?,
            None => control::listen(addr).map_err(|error| Failure::new(error.to_string()))?,
        };
        let mut sockets = before.as_mut().map(|before| mem::take(&mut before.sockets)).unwrap_or_default();
        let systemds = sockets.extract_if(.., |(kind, _)| matches!(kind, Kind::Systemd(_)));
        systemd::inherit(systemds.filter_map(|(kind, bound)| match kind {
            Kind::Systemd(name) => Some((bound, name)),
            _ => None,
        }));
        let admin = sockets.extract_if(.., |(kind, _)| *kind == Kind::Admin).map(|(_, bound)| bound).collect();
        let served = sockets.into_iter().map(|(_, bound)| bound).collect();
        let control = Arc::new(control);
        copies.add(Kind::Control, Arc::clone(&control));
        let protocol = protocol.to_owned();
        let conversation = before.map(Before::into_conversation);
        Ok(Some(Takeover { copies, closed, control, conversation, protocol, admin, served }))
    }
}

/// A takeover that has begun: the sockets of the server before, if there is one, and the conversation with it.
#[derive(Debug)]
pub struct Takeover {
    copies: Copies,
    closed: WakeFd,
    control: Arc<SocketListener>,
    conversation: Option<Conversation>,
    protocol: String,
    /// The sockets for administrators.
    admin: Vec<Bound>,
    /// All others, but those of systemd.
    served: Vec<Bound>,
}

impl Takeover {
    /// Takes the sockets for administrators.
    pub fn take_admin(&mut self) -> Vec<Bound> {
        mem::take(&mut self.admin)
    }

    /// Lets a server with this configuration use all other sockets, and copies its own. `left_over` are the sockets for
    /// administrators that it doesn't use.
    pub fn configure(&mut self, config: &mut Config, left_over: Vec<Bound>) {
        config.inherited = mem::take(&mut self.served);
        config.inherited.extend(left_over);
        config.copies = Some(self.copies.clone());
    }
}
