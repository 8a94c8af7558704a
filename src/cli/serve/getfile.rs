//! `multiconn serve getfile`: a file server.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::run::run_with;
use crate::cli::descriptors::Needs;
use crate::cli::failure::{Failure, reason_of_folder};
use crate::cli::options::ServerOptions;
use crate::cli::units;
use crate::folder::Folder;
use crate::protocols::getfile::{GetFileService, PORT};

/// The file server: sends the files of one folder, and nothing else (port 50001)
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  multiconn serve getfile --root docs\n  multiconn call getfile 127.0.0.1 protocols.md -o /tmp/protocols.md"
)]
pub struct ServeGetFile {
    #[command(flatten)]
    server: ServerOptions,
    /// The folder to serve; files outside it are never sent
    #[arg(long, value_name = "DIR", default_value = ".")]
    root: PathBuf,
    /// Also serve files whose names, or whose folders' names, begin with a dot
    #[arg(long)]
    hidden: bool,
    /// How long a request may take, from its first byte on
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::timeout)]
    request_timeout: Duration,
}

/// The socket and the file.
const NEEDS: Needs = Needs { each: 2, woken: false };

impl ServeGetFile {
    pub fn run(self) -> Result<(), Failure> {
        let folder = Folder::open(&self.root, self.hidden).map_err(|error| {
            Failure::new(format!("cannot serve the folder {}: {}", self.root.display(), reason_of_folder(&error)))
        })?;
        let service = GetFileService::new(folder, self.request_timeout);
        run_with(&self.server, "getfile", PORT, NEEDS, service, |_| {})
    }
}
