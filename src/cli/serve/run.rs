//! Running a service as a server until it is stopped.

use std::io;
use std::mem;
use std::sync::Arc;

use crate::admin::Watched;
use crate::cli::admin::{Admin, Beside};
use crate::cli::descriptors::{self, Needs};
use crate::cli::failure::Failure;
use crate::cli::model::number_option;
use crate::cli::options::ServerOptions;
use crate::cli::signals;
use crate::cli::stdout::print;
use crate::cli::systemd;
use crate::cli::takeover::{Control, Takeover};
use crate::models::{self, Busy, Config, Model, ServeError};
use crate::reactor::Handle;
use crate::session::Service;
use crate::session::proxied::Proxied;
use crate::text::reason;

/// Serves `service` under `name` with `options`, by default on `port`.
pub fn run<V: Service<Session: Send> + Send>(
    options: &ServerOptions,
    name: &str,
    port: u16,
    service: V,
) -> Result<(), Failure> {
    run_with(options, name, port, Needs::SOCKET, service, |_| {})
}

/// Like [`run`], for connections with other `needs`, or for a service that stops the server: `prepare` gets the server's
/// handle before any connection is served.
pub fn run_with<V: Service<Session: Send> + Send>(
    options: &ServerOptions,
    name: &str,
    port: u16,
    needs: Needs,
    service: V,
    prepare: impl FnOnce(&Handle),
) -> Result<(), Failure> {
    let mut takeover = options.take_over(name)?;
    let mut for_admin = takeover.as_mut().map(Takeover::take_admin).unwrap_or_default();
    let admin = options.admin(&mut for_admin)?;
    let mut config = options.config(port, needs)?;
    takeover.iter_mut().for_each(|takeover| takeover.configure(&mut config, mem::take(&mut for_admin)));
    let besides = Besides { admin, takeover };
    let access_log = options.access_log(name, service.has_messages())?;
    access_log.iter().for_each(|log| log.subscribe(&mut config));
    let served = match options.work() {
        None => serve_clients(options, name, service, config, besides, prepare),
        Some(work) => {
            let busy = Busy::new(service, work).map_err(|error| failed(&error))?;
            serve_clients(options, name, busy, config, besides, prepare)
        }
    };
    access_log.iter().for_each(|log| log.finish());
    served
}

/// What a server has besides its clients.
struct Besides {
    admin: Option<Admin>,
    takeover: Option<Takeover>,
}

/// Serves the clients that pass the entry; an open entry needs no wrapper.
fn serve_clients<V: Service<Session: Send> + Send>(
    options: &ServerOptions,
    name: &str,
    service: V,
    config: Config,
    besides: Besides,
    prepare: impl FnOnce(&Handle),
) -> Result<(), Failure> {
    let entry = options.entry();
    if entry.is_open() {
        return serve(options.model(), name, service, config, besides, prepare);
    }
    serve(options.model(), name, Proxied::new(service, entry), config, besides, prepare)
}

/// Serves, with an administrator's view if there is one: on the same loop, or beside a model without a loop.
fn serve<V: Service<Session: Send> + Send>(
    model: Model,
    name: &str,
    service: V,
    mut config: Config,
    besides: Besides,
    prepare: impl FnOnce(&Handle),
) -> Result<(), Failure> {
    let Besides { admin, takeover } = besides;
    let (mut line, mut hub, mut beside) = (String::new(), None, None);
    if let Some(admin) = admin {
        line = admin.line();
        if let Some(copies) = &config.copies {
            admin.copy_to(copies).map_err(|error| failed(&error))?;
        }
        admin.subscribe(&mut config);
        if model.is_reactor() {
            hub = Some(Arc::clone(&admin.hub));
            config.apart = Some(admin.into_apart());
        } else {
            beside = Some(admin.start()?);
        }
    }
    let service = Watched::new(service, hub.clone());
    systemd::subscribe(&mut config);
    let server = models::serve(model, service, config).map_err(|error| match error {
        ServeError::SharesState { .. } | ServeError::OpensConnections { .. } => Failure::of_usage(error.about(name)),
        ServeError::TooMany { .. } => Failure::of_usage(format!("{}: {error}", number_option(model))),
        ServeError::Listen { .. } | ServeError::SetUp(_) => Failure::new(error.to_string()),
    })?;
    if let Some(hub) = hub {
        // Its listener is the first worker's last.
        hub.serves_from(server.addresses().len());
    }
    prepare(server.handle());
    signals::obey(server.handle()).map_err(|error| failed(&error))?;
    // Otherwise the server would listen and never accept a connection.
    descriptors::one_is_left()
        .map_err(|error| Failure::new(format!("cannot accept connections: {}", reason(&error))))?;
    // Printed together, after all listeners are ready, so that a reader of the first line can connect to every address.
    let lines: String = server.addresses().iter().map(|addr| format!("Listening on {addr}\n")).collect();
    print((lines + &line).as_bytes())?;
    let _watchdog = systemd::supervise(&server).map_err(|error| failed(&error))?;
    let beside = beside.as_ref().map(Beside::handle);
    let takeover = takeover.map(|takeover| takeover.start(&server, beside)).transpose();
    let control = takeover.map_err(|error| failed(&error))?;
    server.run().map_err(|error| failed(&error))?;
    control.map_or(Ok(()), Control::end)
}

/// The failure of a system call that the server requires.
fn failed(error: &io::Error) -> Failure {
    Failure::new(format!("the server failed: {}", reason(error)))
}
