//! A front for your own server program: addresses, models, limits, signals and logging as in `multiconn serve`.

use std::process::ExitCode;

use clap::{Args, Command};

use super::end::end;
use super::failure::Failure;
use super::log::{self, Verbosity};
use super::options::ServerOptions;
use super::serve::run::run;
use super::trace::TraceOption;
use super::{signals, stderr, systemd, usage};
use crate::session::Service;

/// The front of a server program: its name, port and description.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use multiconn::front::Front;
/// use multiconn::protocols::echo::EchoService;
///
/// fn main() -> ExitCode {
///     Front::new("my-echo", 7000).about("Sends back what comes").serve(EchoService::default())
/// }
/// ```
///
/// The program takes `ADDRESS…`, `--model`, `--max-connections`, every timeout, `--trace`, `-v` and `--help`, as `multiconn serve`
/// does. SIGINT and SIGTERM stop it once work in progress is done, and a second one stops it at once; SIGHUP calls
/// [`Service::reload`]. `MY_ECHO_IDLE_TIMEOUT=5m`, in the environment, is `--idle-timeout 5m`; so for all options. Once it
/// listens, it prints `Listening on ADDRESS` to standard output, one line for each address. Under systemd, it takes the
/// sockets that are passed, and tells when it's ready, reloads and stops.
///
/// No thread waits for standard error: the log, failures and panics go through a queue, which is written out before the
/// program ends. An earlier panic hook is replaced.
#[derive(Clone, Debug)]
pub struct Front {
    name: &'static str,
    port: u16,
    about: &'static str,
}

#[derive(Debug, Args)]
struct Options {
    #[command(flatten)]
    server: ServerOptions,
    #[command(flatten)]
    trace: TraceOption,
    #[command(flatten)]
    verbosity: Verbosity,
}

impl Front {
    /// Creates the front of the program `name`, which listens on `port` of 127.0.0.1 by default.
    #[must_use]
    pub fn new(name: &'static str, port: u16) -> Self {
        Front { name, port, about: "" }
    }

    /// Sets the one-line description for `--help`.
    #[must_use]
    pub fn about(self, about: &'static str) -> Self {
        Front { about, ..self }
    }

    /// Reads the command line and serves `service` until stopped. Returns the program's exit status: 0 after a stop, 1
    /// after a failure, which is reported in one line on standard error, and 2 after wrong usage.
    pub fn serve<V: Service<Session: Send> + Send>(self, service: V) -> ExitCode {
        self.serve_or_fail(|| Ok::<_, Failure>(service))
    }

    /// Like [`serve`](Self::serve), but makes the service after the command line is parsed and logging has begun. An
    /// error from `make` is reported like any other.
    pub fn serve_or_fail<V, E>(self, make: impl FnOnce() -> Result<V, E>) -> ExitCode
    where
        V: Service<Session: Send> + Send,
        E: ToString,
    {
        let command =
            Options::augment_args(Command::new(self.name)).about(self.about).bin_name(self.name).max_term_width(100);
        stderr::open(self.name);
        let run = |options: Options| {
            systemd::receive()?;
            signals::begin();
            log::start_all(options.verbosity, ::log::LevelFilter::Info);
            options.trace.open().map_err(Failure::new)?;
            let service = make().map_err(|error| Failure::new(error.to_string()))?;
            run(&options.server, self.name, self.port, service).map(|()| 0)
        };
        end(self.name, usage::parse_and_run(command, run))
    }
}
