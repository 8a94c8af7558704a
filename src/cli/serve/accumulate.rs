//! `multiconn serve accumulate`: the server of a string shared by all clients.

use std::sync::{Arc, OnceLock};

use clap::Args;

use super::run::run_with;
use crate::cli::descriptors::Needs;
use crate::cli::failure::Failure;
use crate::cli::options::ServerOptions;
use crate::cli::stdout::print_line;
use crate::cli::units;
use crate::protocols::accumulate::{AccumulateService, PORT};
use crate::reactor::Handle;

/// The server of one string: appends what any client sends, and answers with the whole string (port 2000)
#[derive(Debug, Args)]
#[command(
    after_help = "Users at a prompt may be silent for more than a minute: if so, set a longer --idle-timeout.\n\nExample:\n  multiconn serve accumulate 127.0.0.1:2000 --clients 2\n  multiconn call accumulate 127.0.0.1:2000"
)]
pub struct ServeAccumulate {
    #[command(flatten)]
    server: ServerOptions,
    /// Stop once N clients have connected and all have disconnected [default: serve until SIGINT or SIGTERM]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    clients: Option<u32>,
    /// Maximum string length; a client that exceeds it is disconnected
    #[arg(long, value_name = "SIZE", default_value = "64k", value_parser = units::size)]
    max_string: usize,
}

impl ServeAccumulate {
    pub fn run(self) -> Result<(), Failure> {
        let mut service = AccumulateService::new(self.max_string);
        let string = service.string();
        // The server needs the service first, so its handle is set later.
        let handle = Arc::new(OnceLock::new());
        if let Some(clients) = self.clients {
            let handle = Arc::clone(&handle);
            service.tell_after(clients, move || handle.get().into_iter().for_each(Handle::stop));
        }
        run_with(&self.server, "accumulate", PORT, Needs::SOCKET, service, |server| {
            handle.set(server.clone()).expect("there is one server")
        })?;
        print_line(&string.get())
    }
}
