//! `multiconn serve fixed`: answers sixteen bytes with sixteen.

use clap::Args;

use super::run::run;
use crate::cli::failure::Failure;
use crate::cli::options::ServerOptions;
use crate::protocols::fixed::{FixedService, PORT};

/// The server of sixteen bytes: answers a 16-byte message with a 16-byte one (port 1060)
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  multiconn serve fixed 127.0.0.1:1060\n  multiconn call fixed 127.0.0.1:1060")]
pub struct ServeFixed {
    #[command(flatten)]
    server: ServerOptions,
}

impl ServeFixed {
    pub fn run(self) -> Result<(), Failure> {
        run(&self.server, "fixed", PORT, FixedService { timeout: self.server.idle_timeout })
    }
}
