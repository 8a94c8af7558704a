//! Socket activation: the listening sockets that systemd has opened.

use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::cli::failure::Failure;
use crate::models::Bound;
use crate::sys;
use crate::text::reason;

/// The sockets that no address has taken yet, with their names.
static LEFT: Mutex<Vec<(Socket, String)>> = Mutex::new(Vec::new());

/// A socket of systemd, of this process or of the server before this one.
enum Socket {
    Passed(OwnedFd),
    Inherited(Bound),
}

fn left() -> MutexGuard<'static, Vec<(Socket, String)>> {
    LEFT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Receives the sockets, if any were passed. Call it before any descriptor is opened.
pub fn receive() -> Result<(), Failure> {
    let passed = sys::passed_descriptors()
        .map_err(|error| Failure::new(format!("cannot take the sockets of systemd: {}", reason(&error))))?;
    *left() = passed.into_iter().map(|(fd, name)| (Socket::Passed(fd), name)).collect();
    Ok(())
}

/// Adds the sockets, with their names, that systemd has passed to the server before this one. If it has passed sockets of
/// the same name to this process, they are the same.
pub fn inherit(sockets: impl IntoIterator<Item = (Bound, String)>) {
    let mut left = left();
    let own: Vec<String> = left.iter().map(|(_, name)| name.clone()).collect();
    let others = sockets.into_iter().filter(|(_, name)| !own.contains(name));
    left.extend(others.map(|(bound, name)| (Socket::Inherited(bound), name)));
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
    let is_meant = |(_, own): &mut (Socket, String)| name.is_none_or(|name| name == own);
    let taken: Vec<_> = left().extract_if(.., is_meant).collect();
    if taken.is_empty() {
        return Err(Failure::new(match name {
            Some(name) => format!("cannot listen: systemd has passed no socket of the name '{name}'"),
            None => "cannot listen: systemd has passed no socket".to_owned(),
        }));
    }
    let bound = |(socket, name): (Socket, String)| match socket {
        Socket::Inherited(bound) => Ok(bound.named(name)),
        Socket::Passed(fd) => match Bound::new(fd) {
            Ok(bound) => Ok(bound.named(name)),
            Err(error) => {
                let why = reason(&error);
                Err(Failure::new(format!("cannot listen on the socket '{name}' of systemd: {why}")))
            }
        },
    };
    taken.into_iter().map(bound).collect()
}
