//! `multiconn call`: a client of each protocol.

mod accumulate;
pub mod app;
mod command;
mod converse;
pub mod echo;
mod fixed;
mod getfile;
mod multiply;
mod pieces;
mod raw;
mod sink;

use clap::Subcommand;

use super::failure::Failure;

#[derive(Debug, Subcommand)]
pub enum Call {
    App(app::CallApp),
    Echo(echo::CallEcho),
    Fixed(fixed::CallFixed),
    Multiply(multiply::CallMultiply),
    Accumulate(accumulate::CallAccumulate),
    Command(command::CallCommand),
    #[command(name = "getfile")]
    GetFile(getfile::CallGetFile),
    Sink(sink::CallSink),
    Raw(raw::CallRaw),
}

impl Call {
    /// Calls the server. With `quiet`, shows no progress, and only a summary of chunks.
    pub fn run(self, quiet: bool) -> Result<(), Failure> {
        match self {
            Call::App(call) => call.run(),
            Call::Echo(call) => call.run(),
            Call::Fixed(call) => call.run(),
            Call::Multiply(call) => call.run(quiet),
            Call::Accumulate(call) => call.run(),
            Call::Command(call) => call.run(),
            Call::GetFile(call) => call.run(quiet),
            Call::Sink(call) => call.run(),
            Call::Raw(call) => call.run(),
        }
    }
}
