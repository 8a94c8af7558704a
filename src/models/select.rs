//! Many connections in one thread, on select(2): the select-based server of the texts.
//!
//! This is the reactor on the oldest call of its kind. Each turn hands the system a bit for every descriptor up to the
//! highest, and gets back the ready ones. So it has the cost of poll, and a limit besides: the bits end at FD_SETSIZE,
//! which is 1024. A connection with a descriptor at or above that is refused. It's right only where nothing else is
//! available. `docs/models.md` has the numbers.
//!
//! [`SelectSelector`] keeps the bits.

use std::io;

use super::listen::Listening;
use super::{Config, Prepared, workers};
use crate::selector::SelectSelector;
use crate::session::Service;

pub(super) fn server<'a, V>(listening: Vec<Listening>, service: V, config: Config) -> io::Result<Prepared<'a>>
where
    V: Service<Session: Send> + Send + 'a,
{
    workers::server(SelectSelector::new, listening, service, config)
}
