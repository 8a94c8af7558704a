//! Many connections in one thread, on epoll or kqueue: the last server of the tutorial, and the default here.
//!
//! One thread waits for all connections at once and learns which are ready; each then goes as far as it can without
//! waiting. An idle connection costs a few hundred bytes and no time, switching to the next one is a function call, and
//! nothing needs a lock. But a handler that blocks or computes for long holds up every connection. It's right for most
//! servers, especially with many idle connections. `docs/models.md` has the numbers.
//!
//! The loop is [`crate::reactor`]; `workers.rs` runs several of them on several cores.

use std::io;

use super::listen::Listening;
use super::{Config, Prepared, workers};
use crate::selector::MioSelector;
use crate::session::Service;

pub(super) fn server<'a, V>(listening: Vec<Listening>, service: V, config: Config) -> io::Result<Prepared<'a>>
where
    V: Service<Session: Send> + Send + 'a,
{
    workers::server(MioSelector::new, listening, service, config)
}
