//! Many connections in one thread, on poll(2).
//!
//! This is the reactor, but each turn hands all descriptors to the system, which checks every one, and then we check
//! every one for readiness. A turn takes time in proportion to all connections, not to those with something to do: with
//! a hundred busy connections it's as good as epoll, with ten thousand idle ones it's nearly all the work. It's right
//! for a few descriptors, or on systems without anything better: every Unix has poll. `docs/models.md` has the numbers.
//!
//! [`PollSelector`] keeps the array from turn to turn.

use std::io;

use super::listen::Listening;
use super::{Config, Prepared, workers};
use crate::selector::PollSelector;
use crate::session::Service;

pub(super) fn server<'a, V>(listening: Vec<Listening>, service: V, config: Config) -> io::Result<Prepared<'a>>
where
    V: Service<Session: Send> + Send + 'a,
{
    workers::server(PollSelector::new, listening, service, config)
}
