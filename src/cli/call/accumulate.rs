//! `multiconn call accumulate`: sends letters for the string shared by all clients.

use std::io::{self, IsTerminal};
use std::time::Duration;

use clap::Args;

use super::converse::{converse, failure_of};
use crate::cli::address::Address;
use crate::cli::failure::Failure;
use crate::cli::prompt::Prompt;
use crate::cli::stdin::{Bytewise, Stdin};
use crate::cli::stdout::print_line;
use crate::cli::units;
use crate::protocols::accumulate::{AccumulateClient, PORT};
use crate::session::{End, SessionError, Source};
use crate::text::count;

/// Send standard input to an accumulate server, piece by piece, and print its answers
#[derive(Debug, Args)]
#[command(
    after_help = "On a terminal, each line typed is sent without its newline; an empty line, or Ctrl-D, ends the \
                  input. From a pipe or a file, bytes are sent as they come, newlines included. Each piece is sent once the \
                  one before is answered, and each answer is printed on a line: the whole string so far.\n\nExample:\n  multiconn call accumulate 127.0.0.1:2000\n  printf abc | multiconn call accumulate 2000 --one-by-one"
)]
pub struct CallAccumulate {
    /// Where the server is: HOST:PORT, [V6]:PORT, HOST (port 2000), PORT (loopback) or unix:PATH
    #[arg(value_name = "ADDRESS")]
    address: Address,
    /// Send byte by byte
    #[arg(long)]
    one_by_one: bool,
    /// How long to wait for the connection and for each answer
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::timeout)]
    timeout: Duration,
    /// Maximum answer length
    #[arg(long, value_name = "SIZE", default_value = "64m", value_parser = units::size)]
    max_string: usize,
}

const PROMPT: &str = "enter a letter: ";

impl CallAccumulate {
    pub fn run(self) -> Result<(), Failure> {
        match (io::stdin().is_terminal(), self.one_by_one) {
            (true, true) => self.call(Bytewise::new(Prompt::new(PROMPT))),
            (true, false) => self.call(Prompt::new(PROMPT)),
            (false, true) => self.call(Bytewise::new(Stdin::bytes())),
            (false, false) => self.call(Stdin::bytes()),
        }
    }

    fn call(&self, input: impl Source) -> Result<(), Failure> {
        let address = self.address.or_port(PORT);
        let addresses = address.to_connect_to()?;
        let show = |reply: &[u8]| print_line(reply).map_err(SessionError::other);
        let session = AccumulateClient::new(input, show, self.max_string, self.timeout);
        let conversation = converse(&addresses, session, self.timeout)?;
        let failure = failure_of(&address, &conversation);
        let (sent, answered) = (conversation.session.sent(), conversation.session.answered());
        match conversation.end {
            End::Finished => Ok(()),
            End::ConnectFailed(_) | End::ConnectTimedOut(_) => Err(failure),
            // A failure on our side isn't the server's fault.
            End::Failed(error) if error.downcast_ref::<Failure>().is_some() => Err(failure),
            End::Failed(_)
            | End::Idle(_)
            | End::InputOverLimit(_)
            | End::MemoryOverLimit(_)
            | End::Broken(_)
            | End::WriteTimedOut(_)
            | End::Refused
            | End::Stopped
            | End::Cut
            | End::Panicked => {
                Err(Failure::new(format!("{failure}; {} sent, {answered} answered", count(sent, "byte"))))
            }
        }
    }
}
