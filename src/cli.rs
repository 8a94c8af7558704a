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
mod converse;
mod demo;
mod descriptors;
mod download;
mod failure;
mod log;
mod model;
mod options;
mod program;
mod pty;
mod redirect;
mod serve;
mod signals;
mod stdin;
mod stdout;
mod terminal;
mod units;

use clap::{Parser, Subcommand};

pub use failure::Failure;
use log::Verbosity;

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
