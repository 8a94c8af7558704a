//! `multiconn serve app`: the framed application server.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::run::run;
use crate::cli::explain::ExplainServe;
use crate::cli::failure::Failure;
use crate::cli::options::ServerOptions;
use crate::cli::units;
use crate::message::Limits;
use crate::protocols::app::{AppService, PORT, Timeouts};

/// The framed application server: searches a dictionary, and answers bytes (port 65432)
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  multiconn serve app 127.0.0.1:65432\n  multiconn call app 127.0.0.1:65432 search morpheus"
)]
pub struct ServeApp {
    #[command(flatten)]
    server: ServerOptions,
    /// Search the JSON object of strings in FILE, which is read again at SIGHUP [default: the tutorial's three entries]
    #[arg(long, value_name = "FILE")]
    dictionary: Option<PathBuf>,
    /// Maximum length of a JSON header; at most 65535 bytes
    #[arg(long, value_name = "SIZE", default_value = "8k", value_parser = units::header_size)]
    max_header: usize,
    /// Maximum content length
    #[arg(long, value_name = "SIZE", default_value = "1m", value_parser = units::size)]
    max_content: usize,
    /// Maximum nesting of lists and objects in JSON; at most 127
    #[arg(long, value_name = "N", default_value_t = 64,
          value_parser = clap::value_parser!(u8).range(1..=Limits::DEPTH_CAP as i64))]
    max_depth: u8,
    /// How long a complete header may take, from its first byte on
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::timeout)]
    header_timeout: Duration,
    /// How long a client may send nothing in the middle of a content
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = units::timeout)]
    content_timeout: Duration,
    #[command(flatten)]
    pub explain: ExplainServe,
}

impl ServeApp {
    pub fn run(mut self) -> Result<(), Failure> {
        self.explain.start();
        self.server.message_len_max = self.max_header.max(self.max_content);
        run(&self.server, "app", PORT, self.service()?)
    }

    fn service(&self) -> Result<AppService, Failure> {
        let limits = Limits {
            header_len_max: self.max_header,
            content_len_max: self.max_content,
            depth_max: usize::from(self.max_depth),
        };
        let timeouts = Timeouts { header: self.header_timeout, content: self.content_timeout };
        match &self.dictionary {
            None => Ok(AppService::new(limits, timeouts)),
            Some(path) => AppService::with_dictionary(limits, timeouts, path.clone())
                .map_err(|error| Failure::new(error.to_string())),
        }
    }
}
