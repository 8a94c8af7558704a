//! The command line: one module for each subcommand.

// Doc comments in here are help texts, in which `[V6]` is no link.
#![allow(rustdoc::broken_intra_doc_links)]

mod access;
mod address;
mod admin;
mod bench;
mod call;
mod completions;
mod demo;
mod descriptors;
mod download;
mod end;
mod environment;
mod explain;
mod failure;
pub mod front;
mod log;
mod man;
mod model;
mod options;
mod outputs;
mod paint;
mod program;
mod prompt;
mod pty;
mod redirect;
mod send_proxy;
mod serve;
mod signals;
mod simulate;
mod standard;
mod stderr;
mod stdin;
mod stdout;
mod systemd;
mod takeover;
mod terminal;
mod trace;
mod two_words;
mod units;
mod usage;
mod wrap;
mod writer;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use failure::Failure;
use log::Verbosity;
use send_proxy::SendProxyOption;
use trace::TraceOption;

const PROGRAM: &str = "multiconn";

/// The servers and clients of Python's socket tutorials, on one hand-rolled event loop.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
#[command(
    after_help = "The log goes to standard error. By default it has the connections of a server, and the warnings of a \
                        client; RUST_LOG filters it by module and level, such as RUST_LOG=multiconn=debug."
)]
pub struct Cli {
    #[command(flatten)]
    verbosity: Verbosity,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a server until SIGINT or SIGTERM
    Serve {
        #[command(flatten)]
        trace: TraceOption,
        #[command(subcommand)]
        serve: Box<serve::Serve>,
    },
    /// Talk to a server
    Call {
        #[command(flatten)]
        trace: TraceOption,
        #[command(flatten)]
        send_proxy: SendProxyOption,
        #[command(subcommand)]
        call: call::Call,
    },
    Redirect(redirect::Redirect),
    Bench(Box<bench::Bench>),
    Simulate(simulate::Simulate),
    /// Run the tutorial's two servers and its conversations with them, and show the transcript
    Demo {
        #[command(flatten)]
        trace: TraceOption,
    },
    Completions(completions::Completions),
    Man(man::Pages),
}

impl Cli {
    /// Runs the command on the command line, or shows help, the version or a usage error, and returns the exit status.
    ///
    /// For `redirect`, that is the program's. Otherwise it is 0 for success, 1 for a failure, 2 for wrong usage and 3 for
    /// an interruption that leaves work undone. Each failure is one line on standard error: what failed, on what, and why.
    pub fn run() -> ExitCode {
        stderr::open(PROGRAM);
        end::end(PROGRAM, usage::parse_and_run(<Cli as CommandFactory>::command(), Cli::execute))
    }

    fn execute(self) -> Result<u8, Failure> {
        systemd::receive()?;
        signals::begin();
        match self.command {
            Command::Demo { trace } => {
                let transcript = log::start_transcript(self.verbosity);
                trace.open().map_err(Failure::new)?;
                failure::unless_unread(demo::run(transcript))?;
            }
            Command::Serve { trace, serve } => {
                log::start(self.verbosity, serve.log_level());
                trace.open().map_err(Failure::new)?;
                serve.run()?;
            }
            Command::Bench(bench) => {
                log::start(self.verbosity, ::log::LevelFilter::Warn);
                bench.run()?;
            }
            Command::Simulate(simulate) => {
                log::start(self.verbosity.in_detail(), ::log::LevelFilter::Warn);
                simulate.run(self.verbosity.is_verbose())?;
            }
            Command::Call { trace, send_proxy, call } => {
                send_proxy.apply();
                log::start(self.verbosity, ::log::LevelFilter::Warn);
                trace.open().map_err(Failure::new)?;
                call.run(self.verbosity.quiet)?;
            }
            Command::Redirect(redirect) => {
                log::start(self.verbosity, ::log::LevelFilter::Warn);
                return redirect.run();
            }
            Command::Completions(completions) => completions.run(<Cli as CommandFactory>::command())?,
            Command::Man(pages) => pages.run(<Cli as CommandFactory>::command())?,
        }
        Ok(0)
    }
}
