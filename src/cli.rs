//! The command line: one module for each subcommand.

// Doc comments in here are help texts, in which `[V6]` is no link.
#![allow(rustdoc::broken_intra_doc_links)]

mod address;
mod bench;
mod call;
mod demo;
mod descriptors;
mod download;
mod explain;
mod failure;
pub mod front;
mod log;
mod model;
mod options;
mod paint;
mod program;
mod prompt;
mod pty;
mod redirect;
mod serve;
mod signals;
mod simulate;
mod standard;
mod stderr;
mod stdin;
mod stdout;
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
use trace::TraceOption;

const PROGRAM: &str = "multiconn";

/// The servers and clients of Python's socket tutorials, on one hand-rolled event loop.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "Log lines go to standard error; RUST_LOG sets them in detail.")]
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
        serve: serve::Serve,
    },
    /// Talk to a server
    Call {
        #[command(flatten)]
        trace: TraceOption,
        #[command(subcommand)]
        call: call::Call,
    },
    Redirect(redirect::Redirect),
    Bench(Box<bench::Bench>),
    Simulate(simulate::Simulate),
    /// Run both servers and the tutorial's conversations with them, and show the transcript
    Demo {
        #[command(flatten)]
        trace: TraceOption,
    },
}

impl Cli {
    /// Runs the command that the command line has. If it asks for help or for the version, or is wrong, shows that
    /// instead. Returns the exit status: that of the program for `redirect`, otherwise 0, or 1 or 2 after a failure and 3
    /// after an interrupted `bench`, which is reported in one line on standard error: what failed, on what, and why.
    pub fn run() -> ExitCode {
        stderr::open(PROGRAM);
        failure::end(PROGRAM, usage::parse_and_run(<Cli as CommandFactory>::command(), Cli::execute))
    }

    fn execute(self) -> Result<u8, Failure> {
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
            Command::Call { trace, call } => {
                log::start(self.verbosity, ::log::LevelFilter::Warn);
                trace.open().map_err(Failure::new)?;
                call.run(self.verbosity.quiet)?;
            }
            Command::Redirect(redirect) => {
                log::start(self.verbosity, ::log::LevelFilter::Warn);
                return redirect.run();
            }
        }
        Ok(0)
    }
}
