//! `multiconn serve`: a server until it is stopped.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::options::ServerOptions;
use super::{Failure, descriptors, print, signals, units};
use crate::message::Limits;
use crate::models::{self, Busy, Config, Model};
use crate::protocols::app::{AppService, Timeouts};
use crate::protocols::echo::EchoService;
use crate::session::Service;
use crate::text::reason;

#[derive(Debug, Subcommand)]
pub enum Serve {
    App(ServeApp),
    Echo(ServeEcho),
}

/// The framed application server: searches a dictionary, answers bytes
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  multiconn serve app 127.0.0.1:65432\n  multiconn call app 127.0.0.1:65432 search morpheus"
)]
pub struct ServeApp {
    #[command(flatten)]
    server: ServerOptions,
    /// What to search: a file with a JSON object of strings, read again at SIGHUP [default: the tutorial's three entries]
    #[arg(long, value_name = "FILE")]
    dictionary: Option<PathBuf>,
    /// Longest JSON header
    #[arg(long, value_name = "SIZE", default_value = "8k", value_parser = units::header_size)]
    max_header: usize,
    /// Longest content
    #[arg(long, value_name = "SIZE", default_value = "1m", value_parser = units::size)]
    max_content: usize,
    /// Deepest nesting of lists and objects in JSON
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u8).range(1..=Limits::DEPTH_CAP as i64))]
    max_depth: u8,
    /// How long a whole header may take, from its first byte on
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::timeout)]
    header_timeout: Duration,
    /// How long nothing may come of a content that has not come whole
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = units::timeout)]
    content_timeout: Duration,
}

/// The multi-connection echo server: what comes goes back
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  multiconn serve echo 127.0.0.1:65432\n  multiconn call echo 127.0.0.1:65432 --connections 3"
)]
pub struct ServeEcho {
    #[command(flatten)]
    server: ServerOptions,
}

impl Serve {
    pub fn run(self) -> Result<(), Failure> {
        match self {
            Serve::App(serve) => run(&serve.server, serve.service()?),
            Serve::Echo(serve) => run(&serve.server, EchoService { idle_timeout: serve.server.idle_timeout }),
        }
    }
}

impl ServeApp {
    fn service(&self) -> Result<AppService, Failure> {
        let limits = Limits {
            header_len_max: self.max_header,
            content_len_max: self.max_content,
            depth_max: usize::from(self.max_depth),
        };
        let timeouts =
            Timeouts { idle: self.server.idle_timeout, header: self.header_timeout, content: self.content_timeout };
        match &self.dictionary {
            None => Ok(AppService::new(limits, timeouts)),
            Some(path) => AppService::with_dictionary(limits, timeouts, path.clone())
                .map_err(|error| Failure::new(error.to_string())),
        }
    }
}

fn run<V: Service<Session: Send> + Send>(options: &ServerOptions, service: V) -> Result<(), Failure> {
    let config = options.config()?;
    match options.work() {
        None => serve(options.model(), service, config),
        Some(work) => serve(options.model(), Busy::new(service, work).map_err(|error| failed(&error))?, config),
    }
}

fn serve<V: Service<Session: Send> + Send>(model: Model, service: V, config: Config) -> Result<(), Failure> {
    let server = models::serve(model, service, config).map_err(|error| Failure::new(error.to_string()))?;
    signals::obey(server.handle()).map_err(|error| failed(&error))?;
    // Without it the server would listen and never accept anybody.
    descriptors::one_is_left()
        .map_err(|error| Failure::new(format!("cannot accept connections: {}", reason(&error))))?;
    // All at once, and only now, so that who reads a line can connect to every address.
    let lines: String = server.addresses().iter().map(|addr| format!("Listening on {addr}\n")).collect();
    print(lines.as_bytes())?;
    server.run().map_err(|error| failed(&error))
}

/// The system has refused the server what it can't do without.
fn failed(error: &io::Error) -> Failure {
    Failure::new(format!("the server failed: {}", reason(error)))
}
