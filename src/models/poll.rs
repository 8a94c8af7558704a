//! Many connections in one thread, on poll(2).
//!
//! It's the reactor, but the system is handed all descriptors at each turn, looks at every one, and so do we to find
//! those that are ready. A turn takes time in proportion to the connections there are, not to those that have something
//! to do: with a hundred that all talk it's as good as epoll, with ten thousand idle ones it's nearly all of the work.
//! It's right for a few descriptors, or where there is nothing else: poll is in every Unix. `docs/models.md` has the
//! numbers.
//!
//! The array, and how it's kept from turn to turn, is in [`PollSelector`].

use std::io;

use super::listen::Listening;
use super::{Config, Run, workers};
use crate::reactor::Handle;
use crate::selector::PollSelector;
use crate::session::Service;

pub(super) fn server<'a, V>(listening: Vec<Listening>, service: V, config: Config) -> io::Result<(Handle, Run<'a>)>
where
    V: Service<Session: Send> + Send + 'a,
{
    workers::server(PollSelector::new, listening, service, config)
}
