//! Many connections in one thread, on epoll or kqueue: the last server of the tutorial, and the default here.
//!
//! One thread waits for all connections at once and is told which of them are ready; each then goes as far as it can
//! without waiting. A connection that waits costs a few hundred bytes and no time, to go from one to the next is a
//! function call, and nothing needs a lock. But a handler that blocks, or computes for long, holds up everybody. It's
//! right for most servers, and the more so the more of the connections are idle. `docs/models.md` has the numbers.
//!
//! The loop is [`crate::reactor`]; several of them, for several cores, are in `workers.rs`.

use std::io;

use super::listen::Listening;
use super::{Config, Run, workers};
use crate::reactor::Handle;
use crate::selector::MioSelector;
use crate::session::Service;

pub(super) fn server<'a, V>(listening: Vec<Listening>, service: V, config: Config) -> io::Result<(Handle, Run<'a>)>
where
    V: Service<Session: Send> + Send + 'a,
{
    workers::server(MioSelector::new, listening, service, config)
}
