//! `multiconn serve`: a server until it is stopped.

mod accumulate;
mod app;
mod command;
mod echo;
mod fixed;
mod getfile;
mod multiply;
pub(super) mod run;
mod sink;

use clap::Subcommand;
use log::LevelFilter;

use super::failure::Failure;

#[derive(Debug, Subcommand)]
pub enum Serve {
    App(app::ServeApp),
    Echo(echo::ServeEcho),
    Fixed(fixed::ServeFixed),
    Multiply(multiply::ServeMultiply),
    Accumulate(accumulate::ServeAccumulate),
    Command(command::ServeCommand),
    #[command(name = "getfile")]
    GetFile(getfile::ServeGetFile),
    Sink(sink::ServeSink),
}

impl Serve {
    /// The default level of the log. A drawing already shows what `info` would say.
    pub fn log_level(&self) -> LevelFilter {
        match self {
            Serve::App(serve) if serve.explain.is_on() => LevelFilter::Warn,
            _ => LevelFilter::Info,
        }
    }

    pub fn run(self) -> Result<(), Failure> {
        match self {
            Serve::App(serve) => serve.run(),
            Serve::Echo(serve) => serve.run(),
            Serve::Fixed(serve) => serve.run(),
            Serve::Multiply(serve) => serve.run(),
            Serve::Accumulate(serve) => serve.run(),
            Serve::Command(serve) => serve.run(),
            Serve::GetFile(serve) => serve.run(),
            Serve::Sink(serve) => serve.run(),
        }
    }
}
