//! The limit of file descriptors, and how many connections it allows.

use std::io;
use std::os::fd::AsFd;

use rustix::process::{Resource, getrlimit};

use crate::models::Model;
use crate::reactor::REFUSALS_MAX;
use crate::sys;
use crate::text::reason;

/// Descriptors for everything but connections: standard streams, the selector, its wake-up pair, listeners, and a
/// dictionary that is being reloaded.
const RESERVED: u64 = 16;
/// Descriptors of the 1024 that select(2) can watch; the rest are for refusing connections with the protocol's error.
const FOR_SELECT: u64 = 1000;
/// The limit to assume where there is none.
const PLENTY: u64 = 1 << 20;

/// Raises the soft limit of open files to the hard one, and returns it. Programs that we start get the one with which
/// we were started: [`sys::prepare_program`].
pub fn raise_limit() -> u64 {
    if let Err(error) = sys::raise_descriptor_limit() {
        log::warn!("Cannot raise the limit of open files to its maximum: {}", reason(&error));
    }
    getrlimit(Resource::Nofile).current.unwrap_or(PLENTY)
}

/// The connections that a limit of `descriptors` allows, besides those being refused, if each needs `each` descriptors.
pub fn connections_for(descriptors: u64, each: u64, model: Model) -> usize {
    let free = descriptors.saturating_sub(RESERVED);
    let refusals = (REFUSALS_MAX as u64).min(free / 4);
    let room = match model {
        Model::Select => FOR_SELECT.min(free - refusals),
        Model::Reactor | Model::Poll | Model::Sequential | Model::Threads | Model::Pool | Model::Fork => {
            free - refusals
        }
    };
    usize::try_from(room / each).unwrap_or(usize::MAX).max(1)
}

/// Checks that a descriptor is left for a first connection.
///
/// # Errors
/// If none is left.
pub fn one_is_left() -> io::Result<()> {
    io::stdin().as_fd().try_clone_to_owned().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_descriptors_leave_few_connections_but_some() {
        assert_eq!(connections_for(20_000, 1, Model::Reactor), 20_000 - 16 - 32);
        assert_eq!(connections_for(20_000, 2, Model::Reactor), (20_000 - 16 - 32) / 2);
        assert_eq!(connections_for(40, 1, Model::Reactor), 18);
        assert_eq!(connections_for(3, 1, Model::Reactor), 1);
        assert_eq!(connections_for(20_000, 1, Model::Select), 1000);
        assert_eq!(connections_for(20_000, 2, Model::Select), 500);
    }
}
