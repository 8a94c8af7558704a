//! `multiconn call multiply`: shows the chunks in which a stream arrives.

use std::ops::ControlFlow;
use std::time::Duration;

use clap::Args;

use super::converse::{converse, failure_of};
use crate::cli::address::Address;
use crate::cli::failure::Failure;
use crate::cli::stdout::print;
use crate::cli::units;
use crate::protocols::multiply::{Chunk, MultiplyClient, PORT, Summary};
use crate::session::End;
use crate::text::{Escaped, count};

/// Have a string sent back many times over, and show the chunks in which it arrives
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  multiconn call multiply 127.0.0.1:2000 hello")]
pub struct CallMultiply {
    /// Where the server is: HOST:PORT, [V6]:PORT, HOST (port 2000), PORT (loopback) or unix:PATH
    #[arg(value_name = "ADDRESS")]
    address: Address,
    /// What to send
    #[arg(value_name = "TEXT", default_value = "hello", allow_hyphen_values = true, value_parser = string)]
    text: String,
    /// How long to wait for the connection and for each chunk
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = units::timeout)]
    timeout: Duration,
}

/// The number of chunks whose bytes are shown.
const SHOWN_CHUNKS: u64 = 5;

impl CallMultiply {
    /// With `quiet`, prints only the summary.
    pub fn run(self, quiet: bool) -> Result<(), Failure> {
        let address = self.address.or_port(PORT);
        let addresses = address.to_connect_to()?;
        let mut printed = Ok(());
        let show = |chunk: Chunk<'_>| {
            if !quiet {
                printed = print(line(chunk).as_bytes());
            }
            if printed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        let session = MultiplyClient::new(self.text.into_bytes(), show, self.timeout);
        let conversation = converse(&addresses, session, self.timeout)?;
        let (summary, copies) = (conversation.session.summary(), conversation.session.copies());
        let failure = match conversation.end {
            End::Finished => None,
            _ => Some(failure_of(&address, &conversation)),
        };
        drop(conversation);
        printed?;
        match failure {
            None => print(summed_up(summary, copies).as_bytes()),
            Some(failure) => Err(failure),
        }
    }
}

fn string(text: &str) -> Result<String, String> {
    match text {
        "" => Err("it must not be empty".into()),
        text if text.contains('\n') => Err("it must not contain a line break, which would end it".into()),
        text => Ok(text.into()),
    }
}

fn line(Chunk { number, bytes }: Chunk<'_>) -> String {
    let len = count(bytes.len(), "byte");
    match number {
        ..=SHOWN_CHUNKS => format!("chunk {number}: {len}: {}\n", Escaped(bytes)),
        _ => format!("chunk {number}: {len}\n"),
    }
}

fn summed_up(Summary { chunks, len, smallest, largest }: Summary, copies: u64) -> String {
    let [copies, len, chunks] =
        [(copies, "copy"), (len, "byte"), (chunks, "chunk")].map(|(number, noun)| count(number, noun));
    format!("{copies}, {len}, in {chunks}; the smallest has {}, the largest {largest}\n", count(smallest, "byte"))
}
