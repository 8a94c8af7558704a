//! `multiconn call echo`: opens many connections at once to an echo server.

mod talk;

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use super::converse::{check_all, converse_all};
use crate::cli::address::Address;
use crate::cli::failure::Failure;
use crate::cli::stdout::print;
use crate::cli::{descriptors, units};
use crate::client::Conversation;
use crate::protocols::echo::{EchoClient, PORT, TUTORIAL_MESSAGES};
use crate::session::End;
use crate::text::count;
use talk::Talk;

/// Send messages to an echo server on many connections at once and check the replies; or send lines and print the
/// replies
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  multiconn call echo 127.0.0.1:65432 --connections 3 --message hello\n  \
                  multiconn call echo 127.0.0.1:65432 'Hello network world' --connections 8")]
pub struct CallEcho {
    /// Where the server is: HOST:PORT, [V6]:PORT, HOST (port 65432), PORT (loopback) or unix:PATH
    #[arg(value_name = "ADDRESS")]
    address: Address,
    /// Send each LINE, without a newline, once the one before is answered, and print the reply; `-` stands for the lines
    /// of standard input
    #[arg(value_name = "LINE", conflicts_with = "messages", value_parser = NonEmptyStringValueParser::new())]
    lines: Vec<String>,
    /// Number of connections to open at once [default: 2, or 1 with LINE]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    connections: Option<u32>,
    /// What to send on each connection; may be given more than once [default: the tutorial's two messages]
    #[arg(long = "message", value_name = "TEXT", allow_hyphen_values = true)]
    messages: Vec<String>,
    /// How long to wait for a connection and for progress on it
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::timeout)]
    timeout: Duration,
    /// Maximum length of a reply to a LINE
    #[arg(long, value_name = "SIZE", default_value = "64m", value_parser = units::size)]
    max_reply: usize,
}

impl CallEcho {
    /// The tutorial's call to the server on a loopback port.
    pub fn tutorial(port: u16, connections: u32, timeout: Duration) -> Self {
        CallEcho {
            address: Address::loopback(port),
            lines: Vec::new(),
            connections: Some(connections),
            messages: Vec::new(),
            timeout,
            max_reply: 0,
        }
    }

    pub fn run(self) -> Result<(), Failure> {
        let address = self.address.or_port(PORT);
        descriptors::raise_limit();
        match self.lines.is_empty() {
            true => {
                let (report, result) = self.check(&address)?;
                print(report.as_bytes())?;
                result
            }
            false => {
                let (connections, reply_len_max) = (self.connections.unwrap_or(1), self.max_reply);
                Talk { connections, lines: self.lines, reply_len_max, timeout: self.timeout }.run(&address)
            }
        }
    }

    /// Sends the messages and checks the replies. Returns the report, and the failure if there is one.
    pub fn ask(self) -> Result<(String, Result<(), Failure>), Failure> {
        let address = self.address.or_port(PORT);
        self.check(&address)
    }

    fn check(self, address: &Address) -> Result<(String, Result<(), Failure>), Failure> {
        let addresses = address.to_connect_to()?;
        let messages: Arc<[Vec<u8>]> = match self.messages.as_slice() {
            [] => TUTORIAL_MESSAGES.map(|message| message.as_bytes().to_vec()).into(),
            messages => messages.iter().map(|message| message.as_bytes().to_vec()).collect(),
        };
        let connections = self.connections.unwrap_or(2);
        let sessions = (0..connections).map(|_| EchoClient::new(Arc::clone(&messages), self.timeout));
        let conversations = converse_all(&addresses, sessions, self.timeout)?;
        Ok((report(&conversations), check_all(address, &conversations)))
    }
}

fn is_good(conversation: &Conversation<EchoClient>) -> bool {
    matches!(conversation.end, End::Finished)
}

/// Formats a line for each connection, and a summary.
fn report(conversations: &[Conversation<EchoClient>]) -> String {
    let mut text = String::new();
    for Conversation { peer, session, end } in conversations {
        let (got, want) = (session.received(), session.total());
        text += &match end {
            End::Finished => format!("{peer}: {} sent and received\n", count(got, "byte")),
            end => format!("{peer}: failed with {got} of {want} bytes received: {end}\n"),
        };
    }
    let all = conversations.len();
    let good = conversations.iter().filter(|conversation| is_good(conversation)).count();
    let bytes: u64 = conversations.iter().map(|conversation| conversation.session.received()).sum();
    text + &format!("{good} of {all} connections good, {} received\n", count(bytes, "byte"))
}
