//! `--admin ADDRESS`: watching a server in a browser.

use std::io;
use std::mem;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::SystemTime;

use clap::Args;

use super::address::Address;
use super::failure::Failure;
use super::systemd;
use crate::address::Addr;
use crate::admin::{AdminService, Hub, PLACES, Watching};
use crate::models::{self, Apart, Bound, Copies, Inherited, Kind, Model, ServeError};
use crate::reactor::{Config, Handle, Reactor};
use crate::selector::{MioSelector, SocketListener};
use crate::text::reason;

const HEADING: &str = "Watching";
/// The descriptors that it needs: its listener, the connections, and one that waits.
pub const DESCRIPTORS: u64 = PLACES as u64 + 2;

/// Where to watch the server.
#[derive(Debug, Args)]
pub struct AdminOptions {
    /// Show what the server does, for browsers, on another ADDRESS; PORT is one of 127.0.0.1, and port 0 picks a free one;
    /// unix:PATH is for `curl --unix-socket`, and systemd:NAME a socket that systemd has passed
    #[arg(long, help_heading = HEADING, value_name = "ADDRESS")]
    admin: Option<Address>,
    /// Let the events on it have the contents of messages
    #[arg(long, help_heading = HEADING, requires = "admin")]
    admin_contents: bool,
}

/// The hub of a server that can be watched, and its listener.
#[derive(Debug)]
pub struct Admin {
    pub hub: Arc<Hub>,
    listener: SocketListener,
    addr: Addr,
    kind: Kind,
}

impl AdminOptions {
    pub fn is_given(&self) -> bool {
        self.admin.is_some()
    }

    /// Listens for administrators, if the option is given: on one of the `inherited` sockets, if it fits.
    pub fn open(&self, model: Model, mode: Option<u32>, inherited: &mut Vec<Bound>) -> Result<Option<Admin>, Failure> {
        let Some(address) = &self.admin else { return Ok(None) };
        if model == Model::Fork {
            let why = "whose processes can't be watched from one another";
            return Err(Failure::of_usage(format!("--admin cannot be used with --model {model}, {why}")));
        }
        let now = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        let hub = Arc::new(Hub::new(&now, self.admin_contents));
        if let Some(name) = address.of_systemd() {
            let bound = systemd::take(name)?.swap_remove(0);
            let addr = bound.addr();
            let kind = bound.name().map_or(Kind::Admin, |name| Kind::Systemd(name.to_owned()));
            let failed = |error| Failure::new(ServeError::Listen { addr, error }.to_string());
            return Ok(Some(Admin { hub, listener: bound.into_listener().map_err(failed)?, addr, kind }));
        }
        let names = address.or_port(0).to_listen_on(1)?;
        let addresses: Vec<Addr> = names.into_iter().flatten().take(1).collect();
        let mut usable = Inherited::new(mem::take(inherited), &addresses);
        let mut listening =
            models::listen_alone(&addresses, mode, &mut usable).map_err(|error| Failure::new(error.to_string()))?;
        *inherited = usable.into_rest();
        let Some((listener, addr)) = listening.pop() else { return Ok(None) };
        Ok(Some(Admin { hub, listener, addr, kind: Kind::Admin }))
    }
}

impl Admin {
    /// The line that says where.
    pub fn line(&self) -> String {
        match self.addr {
            Addr::Inet(addr) => format!("Admin on http://{addr}/\n"),
            Addr::Unix(addr) => format!("Admin on {addr}\n"),
        }
    }

    /// Copies the listener for the server after this one.
    pub fn copy_to(&self, copies: &Copies) -> io::Result<()> {
        copies.add(self.kind.clone(), Arc::new(self.listener.try_clone()?));
        Ok(())
    }

    /// Makes the hub receive the trace of a server with this configuration.
    pub fn subscribe(&self, config: &mut models::Config) {
        config.subscribe(Watching(Arc::clone(&self.hub)));
    }

    /// The listener, for a server that accepts its connections apart from the others.
    pub fn into_apart(self) -> Apart {
        Apart { listener: Arc::new(self.listener), places: PLACES }
    }

    /// Answers in a thread with a loop of its own, beside a server without one.
    pub fn start(self) -> Result<Beside, Failure> {
        let failed =
            |error: io::Error| Failure::new(format!("cannot serve {}: {}", self.line().trim_end(), reason(&error)));
        let config = Config { connections_max: PLACES, ..Config::default() };
        let mut reactor =
            Reactor::new(MioSelector::new().map_err(failed)?, AdminService(Arc::clone(&self.hub)), config);
        reactor.add_listener(self.listener.try_clone().map_err(failed)?).map_err(failed)?;
        let handle = reactor.handle();
        let thread = thread::Builder::new().name("admin".to_owned()).spawn(move || reactor.run()).map_err(failed)?;
        Ok(Beside { handle, thread: Some(thread) })
    }
}

/// The thread that answers administrators. Dropping it ends the thread.
#[derive(Debug)]
pub struct Beside {
    handle: Handle,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Beside {
    /// The handle of its loop.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.handle.stop();
        match self.thread.take().map(JoinHandle::join) {
            None | Some(Ok(Ok(()))) => {}
            Some(Ok(Err(error))) => log::error!("The loop for administrators failed: {}", reason(&error)),
            Some(Err(_)) => log::error!("The loop for administrators panicked"),
        }
    }
}
