//! `multiconn call fixed`: sends sixteen bytes and prints the sixteen that come back.

use std::time::Duration;

use clap::Args;

use super::converse::{converse, failure_of};
use crate::cli::address::Address;
use crate::cli::failure::Failure;
use crate::cli::stdout::print;
use crate::cli::units;
use crate::protocols::fixed::{FAREWELL, FixedClient, PORT};
use crate::session::End;
use crate::text::Escaped;

/// Send a message of 16 bytes, and print the socket names of both ends and the 16 bytes that come back
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  multiconn call fixed 127.0.0.1:1060")]
pub struct CallFixed {
    /// Where the server is: HOST:PORT, [V6]:PORT, HOST (port 1060), PORT (loopback) or unix:PATH
    #[arg(value_name = "ADDRESS")]
    address: Address,
    /// How long to wait for the connection, and then for the complete reply
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::timeout)]
    timeout: Duration,
}

impl CallFixed {
    pub fn run(self) -> Result<(), Failure> {
        let address = self.address.or_port(PORT);
        let addresses = address.to_connect_to()?;
        let session = FixedClient::new(self.timeout);
        let conversation = converse(&addresses, session, self.timeout)?;
        let (local, server) = (conversation.session.local(), conversation.peer.addr);
        if let Some(local) = local {
            print(format!("Connected from {local} to {server}\n").as_bytes())?;
        }
        match conversation.end {
            End::Finished => print(format!("The server said {}\n", Escaped(FAREWELL)).as_bytes()),
            _ => Err(failure_of(&address, &conversation)),
        }
    }
}
