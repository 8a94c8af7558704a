//! Socket activation: the listening sockets that systemd has opened.

use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::cli::failure::Failure;
use crate::models::Bound;
use crate::sys;
use crate::text::reason;

/// The sockets that no address has taken yet, with their names.
static LEFT: Mutex<Vec<(OwnedFd, String)>> = Mutex::new(Vec::new());

fn left() -> MutexGuard<'static, Vec<(OwnedFd, String)>> {
    LEFT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Receives the sockets, if any were passed. Call it before any descriptor is opened.
pub fn receive() -> Result<(), Failure> {
    let passed = sys::passed_descriptors()
        .map_err(|error| Failure::new(format!("cannot take the sockets of systemd: {}", reason(&error))))?;
    *left() = passed;
    Ok(())
}

/// Whether a socket is left.
pub fn any_left() -> bool {
    !left().is_empty()
}

/// The names of the sockets that are left.
pub fn unused() -> Vec<String> {
    left().iter().map(|(_, name)| name.clone()).collect()
}

/// Takes the sockets of that `name`, or all that are left.
pub fn take(name: Option<&str>) -> Result<Vec<Bound>, Failure> {
    let is_meant = |(_, own): &mut (OwnedFd, String)| name.is_none_or(|name| name == own);
    let taken: Vec<_> = left().extract_if(.., is_meant).collect();
    if taken.is_empty() {
        return Err(Failure::new(match name {
            Some(name) => format!("cannot listen: systemd has passed no socket of the name '{name}'"),
            None => "cannot listen: systemd has passed no socket".to_owned(),
        }));
    }
    let bound = |(fd, name)| {
        Bound::new(fd).map_err(|error| {
            Failure::new(format!("cannot listen on the socket '{name}' of systemd: {}", reason(&error)))
        })
    };
    taken.into_iter().map(bound).collect()
}
