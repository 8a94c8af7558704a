//! `multiconn call getfile`: downloads a file from a file server.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::converse::{converse, failure_of};
use crate::cli::address::Address;
use crate::cli::download::Download;
use crate::cli::failure::Failure;
use crate::cli::units;
use crate::protocols::getfile::{GetFileClient, GetFileError, PORT, Request};
use crate::session::End;
use crate::text::printable;

/// Get a file from a file server
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  multiconn call getfile 127.0.0.1:50001 protocols.md -o /tmp/protocols.md")]
pub struct CallGetFile {
    /// Where the server is: HOST:PORT, [V6]:PORT, HOST (port 50001), PORT (loopback) or unix:PATH
    #[arg(value_name = "ADDRESS")]
    address: Address,
    /// The file's path on the server, below the served folder
    #[arg(value_name = "PATH")]
    path: OsString,
    /// Where to put it: a file, a folder, or `-` for standard output [default: the last component of PATH, in the
    /// current folder]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it exists; the new one has its permissions, and its owner and group where that is allowed.
    /// A symbolic link is replaced, not followed
    #[arg(short, long)]
    force: bool,
    /// Continue an interrupted transfer
    #[arg(long, conflicts_with = "plain")]
    resume: bool,
    /// Ask as the texts' client does, for servers that support nothing else: such a server reports neither the file's
    /// length nor errors
    #[arg(long)]
    plain: bool,
    /// How long to wait for the connection and for progress on it
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::timeout)]
    timeout: Duration,
}

impl CallGetFile {
    /// With `quiet`, shows no progress.
    pub fn run(self, quiet: bool) -> Result<(), Failure> {
        let address = self.address.or_port(PORT);
        let path = self.path.as_bytes();
        if path.is_empty() || path.contains(&b'\n') {
            return Err(Failure::of_usage("PATH must not be empty or contain a line break"));
        }
        let addresses = address.to_connect_to()?;
        let download = Download::to(self.output.as_deref(), &self.path, self.force, self.resume, !quiet)?;
        let request = Request { path, with_status: !self.plain, offset: download.offset() };
        let session = GetFileClient::new(&request, download, self.timeout);
        let conversation = converse(&addresses, session, self.timeout)?;
        let (end, name) = (&conversation.end, conversation.session.store().name());
        let error = match end {
            End::Failed(error) => error.downcast_ref::<GetFileError>(),
            _ => None,
        };
        let failure = match (end, error) {
            (End::Finished, _) => return conversation.session.into_store().finish(),
            (_, Some(GetFileError::Store(error))) => Failure::of_writing(&name, error),
            (_, Some(error)) => {
                let (path, addr) = (printable(path), conversation.peer.addr);
                Failure::new(format!("getting '{path}' from {addr} failed: {error}"))
            }
            (_, None) => failure_of(&address, &conversation),
        };
        let hint = match error {
            // Resuming is impossible: for example, the server's file has become shorter.
            Some(GetFileError::Refused(_) | GetFileError::NotAStatus(_)) => "; without --resume it starts over",
            _ if self.plain => "",
            _ => "; --resume goes on from there",
        };
        Err(conversation.session.into_store().give_up(failure, hint))
    }
}
