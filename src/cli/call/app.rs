//! `multiconn call app`: sends one request to a framed application server.

use std::io::{self, IsTerminal};
use std::time::Duration;

use clap::Args;

use super::converse::{converse, failure_of};
use super::pieces::Pieces;
use crate::cli::address::Address;
use crate::cli::explain::ExplainCall;
use crate::cli::failure::{Failure, unless_unread};
use crate::cli::stdout::print;
use crate::cli::units;
use crate::message::Limits;
use crate::protocols::app::{AppClient, PORT, Reply, Request};
use crate::session::End;
use crate::text::printable;

/// Send a request to a framed application server and print its answer
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  multiconn call app 127.0.0.1:65432 search morpheus")]
pub struct CallApp {
    /// Where the server is: HOST:PORT, [V6]:PORT, HOST (port 65432) or PORT (loopback)
    #[arg(value_name = "ADDRESS")]
    address: Address,
    /// `search` makes a JSON request; any other word is sent as bytes, followed by VALUE without a space
    #[arg(value_name = "ACTION")]
    action: String,
    /// What to search for
    #[arg(value_name = "VALUE", allow_hyphen_values = true)]
    value: String,
    /// How long to wait for the connection and for progress on it
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::timeout)]
    timeout: Duration,
    /// Maximum content length of a reply
    #[arg(long, value_name = "SIZE", default_value = "64m", value_parser = units::size)]
    max_content: usize,
    #[command(flatten)]
    explain: ExplainCall,
}

impl CallApp {
    /// A call of the server on a loopback port.
    pub fn new(port: u16, action: &str, value: &str, timeout: Duration) -> Self {
        let (action, value) = (action.to_owned(), value.to_owned());
        let max_content = Limits::default().content_len_max;
        let explain = ExplainCall::default();
        CallApp { address: Address::loopback(port), action, value, timeout, max_content, explain }
    }

    pub fn run(self) -> Result<(), Failure> {
        self.explain.start();
        let reply = self.ask()?;
        let printed = print(&shown(reply, io::stdout().is_terminal()));
        if self.explain.is_on() { unless_unread(printed) } else { printed }
    }

    /// Makes the request.
    pub fn ask(&self) -> Result<Reply, Failure> {
        let address = self.address.or_port(PORT);
        let addresses = address.to_connect_to()?;
        let request = Request::from_args(&self.action, &self.value);
        let limits = Limits { content_len_max: self.max_content, ..Limits::default() };
        let timeout = self.explain.timeout(self.timeout);
        let session = Pieces::new(AppClient::new(vec![request], limits, timeout), self.explain.pieces());
        let conversation = converse(&addresses, session, timeout)?;
        match conversation.end {
            End::Finished => {
                let mut replies = conversation.session.into_inner().into_replies();
                Ok(replies.pop().expect("a finished session has its reply"))
            }
            _ => Err(failure_of(&address, &conversation)),
        }
    }
}

/// Formats a reply for printing: text on a line of its own, bytes as they are. On a terminal, control characters from
/// the server are escaped.
pub fn shown(reply: Reply, on_terminal: bool) -> Vec<u8> {
    let line = match reply {
        Reply::Binary(bytes) if !on_terminal => return bytes,
        Reply::Binary(bytes) => bytes.escape_ascii().to_string(),
        Reply::Sum(sum) => sum.to_string(),
        Reply::Result(text) if !on_terminal => text,
        Reply::Result(text) => printable(text.as_bytes()),
    };
    (line + "\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_no_control_characters() {
        let text = || Reply::Result("a 🐰\t\x1b[31m\u{9b}1m".into());
        assert_eq!(shown(text(), true), "a 🐰\t\\u{1b}[31m\\u{9b}1m\n".as_bytes());
        assert_eq!(shown(text(), false), "a 🐰\t\x1b[31m\u{9b}1m\n".as_bytes());
        let bytes = || Reply::Binary(b"\x00\xffab".to_vec());
        assert_eq!(shown(bytes(), true), b"\\x00\\xffab\n");
        assert_eq!(shown(bytes(), false), b"\x00\xffab");
        assert_eq!(shown(Reply::Sum(-7), false), b"-7\n");
    }
}
