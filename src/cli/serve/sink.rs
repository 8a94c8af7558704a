//! `multiconn serve sink`: a server that never reads.

use std::collections::hash_map::Entry;
use std::time::Duration;

use clap::Args;

use super::run::run;
use crate::cli::failure::Failure;
use crate::cli::options::ServerOptions;
use crate::cli::units;
use crate::protocols::sink::{PORT, SinkService, Waiting};
use crate::queues;

/// The server that never reads: watch the kernels' buffers fill up (port 65432)
#[derive(Debug, Args)]
#[command(
    // A silent connection is held as long as any other, so an idle timeout has no use.
    mut_arg("idle_timeout", |arg| arg.hide(true)),
    after_help = "With -v, the server logs each connection's Recv-Q: the number of bytes that wait to be read.\n\n\
                  Example:\n  multiconn serve sink 127.0.0.1:65432 -v\n  \
                  multiconn call sink 127.0.0.1:65432 --send-until-full"
)]
pub struct ServeSink {
    #[command(flatten)]
    server: ServerOptions,
    /// Maximum time to hold a connection, since a client that leaves with bytes unsent goes unnoticed
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = units::timeout)]
    hold: Duration,
}

impl ServeSink {
    pub fn run(self) -> Result<(), Failure> {
        let mut service = SinkService::new(self.hold);
        if log::log_enabled!(target: "multiconn::protocols::sink", log::Level::Debug) {
            if queues::all().is_none() {
                log::debug!("This system does not report how many bytes wait to be read");
            }
            service = service.looking(waiting);
        }
        run(&self.server, "sink", PORT, service)
    }
}

/// The number of bytes from each peer that wait to be read, if the system reports it.
fn waiting() -> Waiting {
    let mut waiting = Waiting::new();
    let mut ambiguous = Vec::new();
    let open =
        queues::all().into_iter().flatten().filter(|socket| ["ESTABLISHED", "CLOSE_WAIT"].contains(&socket.state));
    for socket in open {
        match waiting.entry(socket.remote) {
            Entry::Vacant(entry) => {
                entry.insert(socket.recv_q);
            }
            // The client has connections from one port to several servers on this machine, which look the same here.
            Entry::Occupied(_) => ambiguous.push(socket.remote),
        }
    }
    for addr in ambiguous {
        waiting.remove(&addr);
    }
    waiting
}
