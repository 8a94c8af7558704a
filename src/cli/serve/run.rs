//! Running a service as a server until it is stopped.

use std::io;

use crate::cli::failure::Failure;
use crate::cli::options::ServerOptions;
use crate::cli::stdout::print;
use crate::cli::{descriptors, signals};
use crate::models::{self, Busy, Config, Model, ServeError};
use crate::reactor::Handle;
use crate::session::Service;
use crate::text::reason;

/// Serves `service` as `options` say, on its protocol's port unless they name another.
pub fn run<V: Service<Session: Send> + Send>(options: &ServerOptions, port: u16, service: V) -> Result<(), Failure> {
    run_with(options, port, 1, service, |_| {})
}

/// The same where a connection needs more descriptors than that of its socket (so many), or the service is to have what
/// stops the server: `prepare` gets it before anybody is served.
pub fn run_with<V: Service<Session: Send> + Send>(
    options: &ServerOptions,
    port: u16,
    descriptors_each: u64,
    service: V,
    prepare: impl FnOnce(&Handle),
) -> Result<(), Failure> {
    let config = options.config(port, descriptors_each)?;
    match options.work() {
        None => serve(options.model(), service, config, prepare),
        Some(work) => {
            let busy = Busy::new(service, work).map_err(|error| failed(&error))?;
            serve(options.model(), busy, config, prepare)
        }
    }
}

fn serve<V: Service<Session: Send> + Send>(
    model: Model,
    service: V,
    config: Config,
    prepare: impl FnOnce(&Handle),
) -> Result<(), Failure> {
    let server = models::serve(model, service, config).map_err(|error| match error {
        ServeError::SharesState => Failure::of_usage(format!("{error} (any other --model will do)")),
        ServeError::OpensConnections => Failure::of_usage(format!("{error} (choose --model reactor, poll or select)")),
        ServeError::Listen { .. } | ServeError::SetUp(_) => Failure::new(error.to_string()),
    })?;
    prepare(server.handle());
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
