//! The limits of a server: whether the system allows them, and a line for the log.

use super::capacity::Capacity;
use super::{Config, Model, ServeError};
use crate::connection;

/// The threads or processes of `config`, what they are, and how many the system allows.
fn needed(model: Model, config: &Config) -> (usize, &'static str, Option<Capacity>) {
    let Config { workers, threads_max, pool_size, children_max, .. } = *config;
    match model {
        Model::Reactor | Model::Poll | Model::Select => (workers, "threads", Capacity::of_threads()),
        Model::Sequential => (1, "threads", None),
        Model::Threads => (threads_max, "threads", Capacity::of_threads()),
        Model::Pool => (pool_size, "threads", Capacity::of_threads()),
        Model::Fork => (children_max, "processes", Capacity::of_children()),
    }
}

/// Checks that the system allows the threads or processes of `config`.
///
/// # Errors
/// If it doesn't.
pub(crate) fn check(model: Model, config: &Config) -> Result<(), ServeError> {
    let (number, what, capacity) = needed(model, config);
    capacity.map_or(Ok(()), |capacity| capacity.check(number, what))
}

/// Logs the limits in force.
pub(super) fn log(model: Model, config: &Config) {
    let (number, what, capacity) = needed(model, config);
    if let Some(capacity) = capacity.filter(|capacity| number == capacity.max) {
        log::info!("There are at most {number} {what}, since {capacity} allows no more");
    }
    log::debug!("Limits: {}", describe(model, config));
}

fn describe(model: Model, config: &Config) -> String {
    let Config { workers, threads_max, pool_size, children_max, connections_max, backlog, .. } = *config;
    let clients = match model {
        Model::Reactor | Model::Poll | Model::Select => format!("connections {connections_max}, workers {workers}"),
        Model::Sequential => "connections 1".to_owned(),
        Model::Threads => format!("threads {threads_max}"),
        Model::Pool => format!("threads {pool_size}, queue {pool_size}"),
        Model::Fork => format!("processes {children_max}"),
    };
    let connection::Config {
        idle_timeout,
        write_timeout,
        drain_timeout,
        linger_timeout,
        linger_len_max,
        output_high_water,
        input_len_max,
        ref memory,
        ..
    } = config.connection;
    let memory = memory.max();
    format!(
        "{clients}, backlog {backlog}; bytes of output {output_high_water}, of input {input_len_max}, after our end \
         {linger_len_max}, of all connections {memory}; idle {idle_timeout:?}, write {write_timeout:?}, linger {linger_timeout:?}, drain \
         {drain_timeout:?}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_of_a_model_are_its_own() {
        let rest = "backlog 1024; bytes of output 65536, of input 16777216, after our end 16777216, of all connections \
                    536870912; idle 60s, write 30s, linger 2s, drain 10s";
        let config = Config { threads_max: 7, pool_size: 3, children_max: 5, ..Config::default() };
        for (model, clients) in [
            (Model::Reactor, "connections 1000, workers 1"),
            (Model::Poll, "connections 1000, workers 1"),
            (Model::Select, "connections 1000, workers 1"),
            (Model::Sequential, "connections 1"),
            (Model::Threads, "threads 7"),
            (Model::Pool, "threads 3, queue 3"),
            (Model::Fork, "processes 5"),
        ] {
            assert_eq!(describe(model, &config), format!("{clients}, {rest}"));
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn more_than_the_system_allows_is_refused_and_the_defaults_never_are() {
        let most = usize::MAX;
        let config =
            Config { workers: most, threads_max: most, pool_size: most, children_max: most, ..Config::default() };
        for model in Model::ALL {
            check(model, &Config::default()).expect("the defaults are allowed");
            match check(model, &config) {
                Ok(()) => assert_eq!(model, Model::Sequential),
                Err(ServeError::TooMany { number, max, .. }) => assert!(number == most && max < most, "{model}"),
                Err(error) => panic!("{model}: {error}"),
            }
        }
    }
}
