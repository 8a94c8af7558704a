//! Many connections in one thread, on select(2): the select-based server of the texts.
//!
//! It's the reactor, on the oldest call of its kind. At each turn the system is handed a bit for every descriptor up to
//! the highest, and hands back those that are ready, so it has the cost of poll, and a limit besides: the bits end at
//! FD_SETSIZE, which is 1024. A connection whose descriptor is at or above that is refused. It's right where nothing else
//! is to be had. `docs/models.md` has the numbers.
//!
//! The bits are in [`SelectSelector`].

use std::io;

use super::listen::Listening;
use super::{Config, Run, workers};
use crate::reactor::Handle;
use crate::selector::SelectSelector;
use crate::session::Service;

pub(super) fn server<'a, V>(listening: Vec<Listening>, service: V, config: Config) -> io::Result<(Handle, Run<'a>)>
where
    V: Service<Session: Send> + Send + 'a,
{
    workers::server(SelectSelector::new, listening, service, config)
}
