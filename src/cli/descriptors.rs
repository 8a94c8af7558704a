//! The limit of file descriptors, and how many connections it allows.

use std::io;
use std::os::fd::AsFd;

use rustix::process::{Resource, getrlimit};

use crate::models::Model;
use crate::reactor::REFUSALS_MAX;
use crate::sys;
use crate::text::reason;

/// Descriptors for everything but connections: standard streams, the selector, its wake-up pair, a listener, a
/// dictionary being reloaded, and one excess connection.
const RESERVED: u64 = 16;
/// Descriptors for each further worker, besides its listeners: its selector, its wake-up pair and one connection.
const FOR_WORKER: u64 = 4;
/// Descriptors of the 1024 that select(2) can watch; the rest are for refusing connections with the protocol's error.
const FOR_SELECT: u64 = 1000;
/// The limit to assume where there is none.
const PLENTY: u64 = 1 << 20;

/// Raises the soft limit of open files to the hard one, and returns it. Programs that we start get the original limit:
/// [`sys::prepare_program`].
pub fn raise_limit() -> u64 {
    if let Err(error) = sys::raise_descriptor_limit() {
        log::warn!("Cannot raise the limit of open files to its maximum: {}", reason(&error));
    }
    getrlimit(Resource::Nofile).current.unwrap_or(PLENTY)
}

/// The descriptors that each connection of a protocol needs.
#[derive(Clone, Copy, Debug)]
pub struct Needs {
    /// Its socket, and what its session opens.
    pub each: u64,
    /// Whether sessions are woken from elsewhere. The blocking models have a wake-up pair for each such session.
    pub woken: bool,
}

impl Needs {
    /// The socket alone.
    pub const SOCKET: Needs = Needs { each: 1, woken: false };

    /// The descriptors of each connection under a blocking model.
    fn blocking(self) -> u64 {
        self.each + if self.woken { 2 } else { 0 }
    }
}

/// The number of connections for which the descriptors suffice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Served connections: at least one.
    pub connections: usize,
    /// Connections being refused at the same time. Only reactors refuse any.
    pub refusals: usize,
}

/// The room for connections that a limit of `descriptors` leaves under `model`, once listeners and workers have theirs.
pub fn room_for(needs: Needs, model: Model, descriptors: u64, listeners: usize, workers: usize) -> Room {
    let [listeners, workers] = [listeners.max(1) as u64, workers.max(1) as u64];
    let reserved = RESERVED + (listeners * workers - 1) + FOR_WORKER * (workers - 1);
    let free = descriptors.saturating_sub(reserved);
    let refusals = if model.is_reactor() { (REFUSALS_MAX as u64).min(free / 4) } else { 0 };
    let (free, each) = match model {
        Model::Reactor | Model::Poll => (free - refusals, needs.each),
        Model::Select => (FOR_SELECT.min(free - refusals), needs.each),
        Model::Sequential | Model::Threads | Model::Fork => (free, needs.blocking()),
        // As many wait in the queue as are served.
        Model::Pool => (free, needs.blocking() + 1),
    };
    let number = |descriptors: u64| usize::try_from(descriptors).unwrap_or(usize::MAX);
    Room { connections: number(free / each).max(1), refusals: number(refusals) }
}

/// Checks that a descriptor is left for a first connection.
///
/// # Errors
/// If there is none.
pub fn one_is_left() -> io::Result<()> {
    io::stdin().as_fd().try_clone_to_owned().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_descriptors_leave_few_connections_but_some() {
        let room = |needs, model, descriptors| room_for(needs, model, descriptors, 1, 1);
        let socket = Needs::SOCKET;
        let file = Needs { each: 2, woken: false };
        let program = Needs { each: 7, woken: true };
        for (needs, model, descriptors, connections, refusals) in [
            (socket, Model::Reactor, 20_000, 20_000 - 16 - 32, 32),
            (file, Model::Reactor, 20_000, (20_000 - 16 - 32) / 2, 32),
            (socket, Model::Reactor, 40, 18, 6),
            (socket, Model::Reactor, 3, 1, 0),
            (socket, Model::Select, 20_000, 1000, 32),
            (file, Model::Select, 20_000, 500, 32),
            (program, Model::Poll, 64, (48 - 12) / 7, 12),
            (program, Model::Threads, 64, 48 / 9, 0),
            (program, Model::Pool, 64, 48 / 10, 0),
        ] {
            let found = room(needs, model, descriptors);
            assert_eq!(found, Room { connections, refusals }, "{needs:?} {model} {descriptors}");
        }
    }

    #[test]
    fn listeners_and_workers_have_theirs() {
        let room = |listeners, workers| room_for(Needs::SOCKET, Model::Reactor, 1000, listeners, workers).connections;
        let alone = room(1, 1);
        assert_eq!((room(3, 1), room(1, 2), room(3, 2)), (alone - 2, alone - 5, alone - 9));
    }
}
