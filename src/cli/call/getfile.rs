//! `multiconn call getfile`: downloads a file from a file server, or several with a form in a browser.

mod failed;
mod form;

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::converse::converse;
use crate::cli::address::Address;
use crate::cli::download::Download;
use crate::cli::failure::Failure;
use crate::cli::units;
use crate::protocols::getfile::{GetFileClient, PORT, Request};
use form::{FormOptions, Settings};

/// Get a file from a file server
#[derive(Debug, Args)]
#[command(override_usage = "multiconn call getfile [OPTIONS] <ADDRESS> <PATH>\n       \
                      multiconn call getfile [OPTIONS] --form [<ADDRESS>] --into <DIR>")]
#[command(after_help = "Examples:\n  multiconn call getfile 127.0.0.1:50001 protocols.md -o /tmp/protocols.md\n  \
                        multiconn call getfile --form --into /tmp")]
pub struct CallGetFile {
    /// Where the server is: HOST:PORT, [V6]:PORT, HOST (port 50001), PORT (loopback) or unix:PATH
    #[arg(value_name = "ADDRESS", required_unless_present = "form")]
    address: Option<Address>,
    /// The file's path on the server, below the served folder
    #[arg(value_name = "PATH", required_unless_present = "form")]
    path: Option<OsString>,
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
    #[command(flatten)]
    form: FormOptions,
}

impl CallGetFile {
    /// With `quiet`, shows no progress.
    pub fn run(self, quiet: bool) -> Result<(), Failure> {
        if self.form.is_given() {
            let settings = Settings { force: self.force, plain: self.plain, timeout: self.timeout };
            return self.form.run(settings);
        }
        let (Some(address), Some(path)) = (&self.address, &self.path) else {
            return Err(Failure::of_usage("ADDRESS and PATH are missing"));
        };
        let (address, file) = (address.or_port(PORT), path);
        let path = file.as_bytes();
        if path.is_empty() || path.contains(&b'\n') {
            return Err(Failure::of_usage("PATH must not be empty or contain a line break"));
        }
        let addresses = address.to_connect_to()?;
        let download = Download::to(self.output.as_deref(), file, self.force, self.resume, !quiet)?;
        let request = Request { path, with_status: !self.plain, offset: download.offset() };
        let session = GetFileClient::new(&request, download, self.timeout);
        let conversation = converse(&addresses, session, self.timeout)?;
        let name = conversation.session.store().name();
        match failed::why(&conversation, &address, path, &name, self.plain) {
            None => conversation.session.into_store().finish(),
            Some(failed) => Err(conversation.session.into_store().give_up(failed.failure, failed.hint)),
        }
    }
}
