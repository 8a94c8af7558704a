//! `multiconn serve fixed`: sixteen bytes there, sixteen back.

use clap::Args;

use super::failure::Failure;
use super::options::ServerOptions;
use super::serve;
use crate::protocols::fixed::{FixedService, PORT};

/// The server of sixteen bytes: answers a message of 16 with one of 16 (port 1060)
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  multiconn serve fixed 127.0.0.1:1060\n  multiconn call fixed 127.0.0.1:1060")]
pub struct ServeFixed {
    #[command(flatten)]
    server: ServerOptions,
}

impl ServeFixed {
    pub fn run(self) -> Result<(), Failure> {
        serve::run(&self.server, PORT, FixedService { timeout: self.server.idle_timeout })
    }
}
