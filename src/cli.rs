//! The command line: one module for each subcommand.

// Doc comments in here are help texts, in which `[V6]` is no link.
#![allow(rustdoc::broken_intra_doc_links)]

mod address;
mod bench;
mod bench_report;
mod call_accumulate;
mod call_app;
mod call_command;
mod call_echo;
mod call_fixed;
mod call_getfile;
mod call_multiply;
mod call_raw;
mod call_sink;
mod demo;
mod descriptors;
mod download;
mod log;
mod model;
mod options;
mod program;
mod pty;
mod redirect;
mod serve;
mod serve_accumulate;
mod serve_app;
mod serve_command;
mod serve_echo;
mod serve_fixed;
mod serve_getfile;
mod serve_multiply;
mod serve_sink;
mod signals;
mod stdin;
mod terminal;
mod units;

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::client::{self, Conversation};
use crate::message::ProtocolError;
use crate::protocols::app::AppError;
use crate::session::{End, Session, SessionError};
use crate::text::{printable, reason};
use address::Address;

/// The servers and clients of Python's socket tutorials, on one hand-rolled event loop.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
#[command(
    after_help = "Log lines go to standard error; RUST_LOG sets them in detail. See docs/ for the protocols' bytes."
)]
pub struct Cli {
    #[command(flatten)]
    verbosity: Verbosity,
    #[command(subcommand)]
    command: Command,
}

/// How much to log.
#[derive(Clone, Copy, Debug, Args)]
struct Verbosity {
    /// Log more: messages (-v); bytes, state transitions and interest changes (-vv)
    #[arg(short, long, global = true, display_order = 100, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    verbose: u8,
    /// Log errors only
    #[arg(short, long, global = true, display_order = 101)]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a server until SIGINT or SIGTERM
    #[command(subcommand)]
    Serve(serve::Serve),
    /// Talk to a server
    #[command(subcommand)]
    Call(Call),
    Redirect(redirect::Redirect),
    Bench(Box<bench::Bench>),
    /// Run both servers and the tutorial's conversations with them, and show the transcript
    Demo,
}

#[derive(Debug, Subcommand)]
enum Call {
    App(call_app::CallApp),
    Echo(call_echo::CallEcho),
    Fixed(call_fixed::CallFixed),
    Multiply(call_multiply::CallMultiply),
    Accumulate(call_accumulate::CallAccumulate),
    Command(call_command::CallCommand),
    #[command(name = "getfile")]
    GetFile(call_getfile::CallGetFile),
    Sink(call_sink::CallSink),
    Raw(call_raw::CallRaw),
}

impl Cli {
    /// Does what the command line asks for, and returns the exit status: that of the program where one was run, 0 else.
    ///
    /// # Errors
    /// What failed, on what, and why, in one line.
    pub fn run(self) -> Result<u8, Failure> {
        match self.command {
            Command::Demo => {
                log::start_transcript(self.verbosity);
                demo::run()?;
            }
            Command::Serve(serve) => {
                log::start(self.verbosity, ::log::LevelFilter::Info);
                serve.run()?;
            }
            Command::Bench(bench) => {
                log::start(self.verbosity, ::log::LevelFilter::Warn);
                bench.run()?;
            }
            Command::Call(call) => {
                log::start(self.verbosity, ::log::LevelFilter::Warn);
                match call {
                    Call::App(call) => call.run(),
                    Call::Echo(call) => call.run(),
                    Call::Fixed(call) => call.run(),
                    Call::Multiply(call) => call.run(self.verbosity.quiet),
                    Call::Accumulate(call) => call.run(),
                    Call::Command(call) => call.run(),
                    Call::GetFile(call) => call.run(self.verbosity.quiet),
                    Call::Sink(call) => call.run(),
                    Call::Raw(call) => call.run(),
                }?;
            }
            Command::Redirect(redirect) => {
                log::start(self.verbosity, ::log::LevelFilter::Warn);
                return redirect.run();
            }
        }
        Ok(0)
    }
}

/// Why a command failed: one line for people.
#[derive(Clone, Debug)]
pub struct Failure {
    text: String,
    status: u8,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}

impl Failure {
    fn new(message: impl Into<String>) -> Failure {
        Failure::with_status(1, message)
    }

    /// What was asked for makes no sense.
    fn of_usage(message: impl Into<String>) -> Failure {
        Failure::with_status(2, message)
    }

    fn with_status(status: u8, message: impl Into<String>) -> Failure {
        Failure { text: message.into(), status }
    }

    /// The same, with something to know beside it.
    fn with_hint(self, hint: &str) -> Failure {
        Failure { text: format!("{} ({hint})", self.text), ..self }
    }

    /// The exit status that tells of it.
    pub fn status(&self) -> u8 {
        self.status
    }

    /// The event loop itself has failed.
    fn of_loop(error: &io::Error) -> Failure {
        Failure::new(format!("the event loop failed: {}", reason(error)))
    }

    /// Of several conversations with the server at `address`, some did not end as they should.
    ///
    /// # Errors
    /// The first that did not, and how many more.
    fn of_conversations<T>(address: &Address, conversations: &[Conversation<T>]) -> Result<(), Failure> {
        let mut failed = conversations.iter().filter(|conversation| !matches!(conversation.end, End::Finished));
        let Some(first) = failed.next() else { return Ok(()) };
        let failure = Failure::of_conversation(address, first);
        if conversations.len() == 1 || Failure::ours(first).is_some() {
            return Err(failure);
        }
        let (count, all, number) = (1 + failed.count(), conversations.len(), first.peer);
        Err(Failure::new(format!("{count} of {all} connections failed, the first being {number}: {failure}")))
    }

    /// What has failed may be on our side: its session has found that we can't go on.
    fn ours<T>(conversation: &Conversation<T>) -> Option<&Failure> {
        match &conversation.end {
            End::Failed(error) => error.downcast_ref(),
            _ => None,
        }
    }

    /// A conversation with the server at `address` did not end as it should.
    fn of_conversation<T>(address: &Address, conversation: &Conversation<T>) -> Failure {
        if let Some(ours) = Failure::ours(conversation) {
            return ours.clone();
        }
        let addr = conversation.peer.addr;
        Failure::new(match &conversation.end {
            End::ConnectFailed(error) => cannot_connect(address, addr, &reason(error), error.kind()),
            end @ End::ConnectTimedOut(_) => cannot_connect(address, addr, &end.to_string(), io::ErrorKind::TimedOut),
            End::Failed(error) if is_malformed(error) => {
                format!("the conversation with {addr} failed: malformed reply: {error}")
            }
            end => format!("the conversation with {addr} failed: {end}"),
        })
    }
}

/// Whether a reply is no message at all, rather than one that is too long for us.
fn is_malformed(error: &SessionError) -> bool {
    match error.downcast_ref() {
        Some(AppError::Protocol(error)) => !matches!(error, ProtocolError::ContentTooLong { .. }),
        Some(_) | None => false,
    }
}

/// Runs one `session`, on a connection to the first of `addresses` that lets it.
fn converse<T: Session>(addresses: &[SocketAddr], session: T, timeout: Duration) -> Result<Conversation<T>, Failure> {
    let mut conversations =
        client::converse(addresses, [session], timeout).map_err(|error| Failure::of_loop(&error))?;
    Ok(conversations.pop().expect("each session has its conversation"))
}

fn cannot_connect(address: &Address, addr: SocketAddr, why: &str, kind: io::ErrorKind) -> String {
    let hint = match kind {
        io::ErrorKind::ConnectionRefused => " (is a server running there?)",
        io::ErrorKind::TimedOut => " (is it the right address?)",
        io::ErrorKind::AddrNotAvailable => " (are all local ports in use?)",
        _ => "",
    };
    let shown = match address.to_string() {
        name if name == addr.to_string() => name,
        name => format!("{name} at {addr}"),
    };
    format!("cannot connect to {shown}: {why}{hint}")
}

/// Writes data to standard output, at once.
fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| cannot_print(&error))
}

fn cannot_print(error: &io::Error) -> Failure {
    cannot_write("standard output", error)
}

fn cannot_write(to: &str, error: &io::Error) -> Failure {
    let why = match error.kind() {
        io::ErrorKind::BrokenPipe => "nobody reads it".into(),
        _ => reason(error),
    };
    Failure::new(format!("cannot write to {to}: {why}"))
}

/// Writes what a peer has sent to standard output, as a line. On a terminal, it takes hold of nothing.
fn print_line(bytes: &[u8]) -> Result<(), Failure> {
    match io::stdout().is_terminal() {
        true => print(format!("{}\n", printable(bytes)).as_bytes()),
        false => print(&[bytes, b"\n"].concat()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_of_our_own_that_is_missing_is_told_from_an_address_that_is() {
        let error = io::Error::from_raw_os_error(if cfg!(target_os = "linux") { 99 } else { 49 });
        let addr = SocketAddr::from(([10, 0, 0, 1], 7));
        let address = addr.to_string().parse().unwrap();
        assert_eq!(
            cannot_connect(&address, addr, &reason(&error), error.kind()),
            "cannot connect to 10.0.0.1:7: address not available (are all local ports in use?)"
        );
    }
}
