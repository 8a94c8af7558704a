//! `multiconn call command`: prints the output of a program on the server's side.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use clap::Args;

use super::converse::{converse, failure_of};
use crate::cli::address::Address;
use crate::cli::failure::Failure;
use crate::cli::standard;
use crate::cli::stdout::cannot_print;
use crate::cli::terminal::Terminal;
use crate::cli::units;
use crate::protocols::command::{CommandClient, NAME_LEN_MAX, PORT};
use crate::session::End;
use crate::text::printable;

/// Have a command server run a program, and print its output as it arrives
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  multiconn call command 127.0.0.1:8888 w")]
pub struct CallCommand {
    /// Where the server is: HOST:PORT, [V6]:PORT, HOST (port 8888), PORT (loopback) or unix:PATH
    #[arg(value_name = "ADDRESS")]
    address: Address,
    /// The server's name for the program
    #[arg(value_name = "NAME", value_parser = name)]
    name: String,
    /// How long to wait for the connection
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::timeout)]
    timeout: Duration,
    /// How long the program may stay silent
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = units::timeout)]
    silence: Duration,
}

impl CallCommand {
    pub fn run(self) -> Result<(), Failure> {
        let address = self.address.or_port(PORT);
        let addresses = address.to_connect_to()?;
        let out: Box<dyn Write> = match io::stdout().is_terminal() {
            true => Box::new(Terminal::new(standard::output())),
            false => Box::new(standard::output()),
        };
        let session = CommandClient::new(self.name, out, self.silence);
        let conversation = converse(&addresses, session, self.timeout)?;
        let failure = match conversation.end {
            End::Finished => None,
            _ => Some(failure_of(&address, &conversation)),
        };
        let addr = conversation.peer.addr;
        let notice = conversation.session.into_notice().map_err(|error| cannot_print(&error))?;
        match (failure, notice) {
            (Some(failure), _) => Err(failure),
            (None, Some(words)) => Err(Failure::new(format!("{addr} answers: {}", printable(&words)))),
            (None, None) => Ok(()),
        }
    }
}

/// Checks that a name can be sent.
fn name(text: &str) -> Result<String, String> {
    match text.len() {
        1..=NAME_LEN_MAX if !text.contains('\n') => Ok(text.to_owned()),
        _ => Err(format!("a name has 1 to {NAME_LEN_MAX} bytes, and no line break")),
    }
}
