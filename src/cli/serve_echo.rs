//! `multiconn serve echo`: the multi-connection echo server.

use clap::Args;

use super::options::ServerOptions;
use super::{Failure, serve};
use crate::protocols::echo::{EchoService, PORT};

/// The multi-connection echo server: what comes goes back
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  multiconn serve echo 127.0.0.1:65432\n  multiconn call echo 127.0.0.1:65432 --connections 3"
)]
pub struct ServeEcho {
    #[command(flatten)]
    server: ServerOptions,
}

impl ServeEcho {
    pub fn run(self) -> Result<(), Failure> {
        serve::run(&self.server, PORT, EchoService { idle_timeout: self.server.idle_timeout })
    }
}
